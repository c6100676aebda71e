"""What goes wrong, how often, and when: chosen by a seed."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Fault", "Faults"]

Fault = Literal["throttle", "unavailable", "drop_before", "drop_after", "partial", "slow"]


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of requests, from 0 to 1, that meet with each fault; one request meets one at most.

    Attributes:
        throttle: Answered with 429 and a Retry-After of ``retry_after`` seconds, or its date.
        unavailable: Answered with 503, as text/plain.
        drop_before: The connection is dropped, and no record is taken.
        drop_after: The records are taken, and the connection is dropped.
        partial: A tenth of the records carry an error, and may pass when they are sent again.
        slow: Answered ``slow_seconds`` late.
        refuse: A share of records, not of requests: these carry an error each time.
        latency: Seconds that every answer takes.
        token_lasts: Requests that a bearer token is good for; 0 for any number.
        seed: The same seed chooses the same faults for the same order of requests.

    """

    throttle: float = 0.0
    unavailable: float = 0.0
    drop_before: float = 0.0
    drop_after: float = 0.0
    partial: float = 0.0
    slow: float = 0.0
    refuse: float = 0.0
    latency: float = 0.0
    slow_seconds: float = 5.0
    retry_after: int = 1
    retry_after_date: bool = False
    token_lasts: int = 0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_random", random.Random(self.seed))  # noqa: S311

    def choose(self) -> Fault | None:
        """Return the fault that the next request meets with, if any."""
        drawn = self._random.random()
        for fault in Fault.__args__:  # type: ignore[attr-defined]
            drawn -= getattr(self, fault)
            if drawn < 0:
                return fault  # type: ignore[no-any-return]
        return None

    def refuses(self, value: str) -> bool:
        """Return whether a record of this value is refused, each time that it comes."""
        return zlib.crc32(value.encode(), self.seed) < self.refuse * 2**32

    def some_of(self, records: int) -> set[int]:
        """Return the places of the records that carry an error in a partial failure."""
        return set(self._random.sample(range(records), -(-records // 10)))
