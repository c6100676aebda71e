"""A line now and then, for a log."""

from __future__ import annotations

import sys
import time
from typing import Final

from mockdata.screen.live import Seen
from mockdata.screen.text import described_delivery, scaled

__all__ = ["Lines"]

FIRST_LINE: Final = 10.0
"""Seconds until the first line."""

NEXT_LINE: Final = 30.0
"""Seconds from one line to the next."""


class Lines:
    """Prints how far the runs have come, all vaults together."""

    def __init__(self, seen: Seen) -> None:
        self.first, self.then = FIRST_LINE, NEXT_LINE
        self._seen = seen

    def tick(self) -> None:
        """Print a line."""
        seconds = time.perf_counter() - self._seen.began
        vaults = self._seen.taken.values()
        total = sum(progress.total for progress in vaults)
        taken = sum(progress.records for progress in vaults)
        rate = taken / seconds
        parts = [f"{taken:,} of {total:,} records", f"{taken * 100 // max(total, 1)}%"]
        parts.append(f"{scaled(rate, '/s')}")
        if taken:
            left = round((total - taken) / rate)
            parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        if (delivery := self._seen.delivery()) is not None:
            parts.append(described_delivery(delivery, seconds))
        print("mockdata: " + ", ".join(parts), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """There is nothing to undo."""
