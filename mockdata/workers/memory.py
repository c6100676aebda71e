"""How much memory a run holds: this process and its workers, pages that they share counted once."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from typing import Final

__all__ = ["PeakMemory"]

INTERVAL: Final = 0.25
"""Seconds between two looks, at least."""

SHARE: Final = 100
"""Looking may take one part in so many of the time; it takes longer in a large process."""


class PeakMemory:
    """The most memory that was seen to be held at one time."""

    def __init__(self) -> None:
        self._peak = 0
        self._next = time.monotonic() + INTERVAL

    def look(self, workers: Collection[int]) -> None:
        """Look, if the last time is long enough ago; ``workers`` are process ids."""
        now = time.monotonic()
        if now >= self._next:
            self._peak = max(self._peak, _held("self") + sum(map(_held, workers)))
            cost = time.monotonic() - now
            self._next = now + max(INTERVAL, SHARE * cost)

    def last_look(self, workers: Collection[int]) -> int:
        """Look once more, and return the peak in bytes."""
        self._next = 0.0
        self.look(workers)
        return self._peak or _own_peak()


def _held(process: int | str) -> int:
    """Return a process's proportional set size in bytes; 0 where that cannot be read."""
    try:
        with open(f"/proc/{process}/smaps_rollup", "rb") as file:
            sizes = dict(line.split(b":", 1) for line in file.read().splitlines()[1:])
        return int(sizes[b"Pss"].split()[0]) * 1024
    except (OSError, LookupError, ValueError):
        return 0


def _own_peak() -> int:
    """Return what the system says where there is no ``/proc``."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
