"""The rate of a run: a token bucket that every vault takes its records from."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

__all__ = ["BURST", "TokenBucket"]

BURST: Final = 0.1
"""Seconds' worth of records that may go at once, and that are made up for after a stall."""


class TokenBucket:
    """Holds a run to ``rate`` records a second, all vaults together.

    What is taken goes when all that was taken before it is paid for, first come, first served. So
    what goes in ``t`` seconds, from any moment on, is at most ``rate * (t + BURST)`` records and
    the ones that go last; from the run's beginning, at most ``rate * t`` and the ones that go last.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self.share = max(1, int(rate * BURST))
        """Records to take at once, at most: what is even enough, and at least one."""
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._paid = clock()

    async def take(self, records: int) -> None:
        """Wait until that many more records may go."""
        begin = self._reserve(records)
        while (wait := begin - self._clock()) > 0:  # a loop may wake up a little early
            await self._sleep(wait)

    def _reserve(self, records: int) -> float:
        """Return when these records may go; the next ones wait longer."""
        begin = max(self._paid, self._clock() - BURST)
        self._paid = begin + records / self._rate
        return begin
