"""What has become of a run's records, counted as it happens, in the same memory for any count."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from mockdata.pipeline.report import Delivery

__all__ = ["Latencies", "Tally"]

SHORTEST: Final = 1e-5
"""Seconds of the shortest latency that is told from a shorter one."""

STEPS: Final = 8
"""Steps that a latency doubles in, so that each is within a tenth."""

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


class Tally:
    """Counts for one run of the sink."""

    def __init__(self, asked: Iterable[tuple[str, int]] = ()) -> None:
        self.asked = dict(asked)
        self.sent = self.failed = self.in_flight = self.retries = self.throttled = 0
        self.connected = False
        self.latencies = Latencies()
        self.error_logs: dict[str, str] = {}

    def delivery(self) -> Delivery:
        """Return the counts as they are now."""
        return Delivery(
            sent=self.sent,
            failed=self.failed,
            not_sent=sum(self.asked.values()) - self.sent - self.failed,
            in_flight=self.in_flight,
            retries=self.retries,
            throttled=self.throttled,
            latency_median=self.latencies.quantile(0.5),
            latency_p95=self.latencies.quantile(0.95),
            error_logs=tuple(
                self.error_logs[name] for name in self.asked if name in self.error_logs
            ),
        )
