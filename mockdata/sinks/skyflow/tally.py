"""What has become of a run's records, counted as it happens, in the same memory for any count."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection
from itertools import accumulate
from typing import Final

from mockdata.sinks.base import Delivery, Run
from mockdata.sinks.skyflow.body import Body

__all__ = ["Account", "Latencies", "Tally"]

SHORTEST: Final = 1e-5
"""Seconds. Shorter latencies count as this long."""

STEPS: Final = 8
"""Steps for each doubling of a latency, so that errors stay within a tenth."""

BUCKETS: Final = 28 * STEPS
"""Enough for latencies of up to 45 minutes."""


class Latencies:
    """Counts latencies in buckets that are 9 % wider each than the one before."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self._total = 0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        bucket = int(STEPS * math.log2(max(seconds, SHORTEST) / SHORTEST))
        self._counts[min(bucket, BUCKETS - 1)] += 1
        self._total += 1

    def quantile(self, share: float) -> float:
        """Return the seconds that a share of the latencies is below; 0 if there is none."""
        if not self._total:
            return 0.0
        bucket = bisect_left(list(accumulate(self._counts)), share * self._total)
        return SHORTEST * math.exp2((bucket + 0.5) / STEPS)


class Account:
    """How far one vault is settled: each of its records sent, or in the error log.

    Requests are answered in any order, so it keeps the first unsettled index of each that has
    begun. These are as many as there are requests at a time.
    """

    def __init__(self, start: int) -> None:
        self._next = start
        self._unsettled: dict[int, int] = {}
        self.error_log: str | None = None
        """The file that has the vault's failed records, if any have failed."""

    def begin(self, body: Body) -> None:
        """Note that a request begins; its records follow those of the one before it."""
        self._unsettled[body.number] = body.indices[0]
        self._next = body.indices[-1] + 1

    def settle(self, body: Body, left: Collection[int]) -> None:
        """Note that a body's records are settled, but for those at the places in ``left``."""
        if left:
            self._unsettled[body.number] = body.indices[min(left)]
        else:
            del self._unsettled[body.number]

    @property
    def resume(self) -> int:
        """The first index whose record is not settled."""
        return min(self._unsettled.values(), default=self._next)


class Tally:
    """Counts for one run of the sink."""

    def __init__(self, run: Run) -> None:
        self.asked = run.records
        self.accounts = {vault.name: Account(vault.start) for vault in run.vaults}
        self.sent = self.failed = self.in_flight = self.retries = self.throttled = 0
        self.connected = False
        self.latencies = Latencies()

    def delivery(self) -> Delivery:
        """Return the counts as they are now."""
        return Delivery(
            sent=self.sent,
            failed=self.failed,
            not_sent=self.asked - self.sent - self.failed,
            in_flight=self.in_flight,
            retries=self.retries,
            throttled=self.throttled,
            latency_median=self.latencies.quantile(0.5),
            latency_p95=self.latencies.quantile(0.95),
            error_logs=tuple(
                account.error_log
                for account in self.accounts.values()
                if account.error_log is not None
            ),
            resume={name: account.resume for name, account in self.accounts.items()},
        )
