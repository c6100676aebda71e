"""What a run shows on standard error while it is under way: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, Protocol, TextIO

from mockdata.command.summary import described_delivery, scaled
from mockdata.command.watch import Watch
from mockdata.errors import plural
from mockdata.pipeline.report import Progress
from mockdata.sinks import Run

__all__ = ["has_bars", "live_progress", "on_terminal"]

FIRST_LINE: Final = 10.0
"""Seconds until the first line, where there is no terminal."""

NEXT_LINE: Final = 30.0
"""Seconds from one line to the next."""


DUMB: Final = ("dumb", "unknown")
"""Values of TERM for terminals that cannot move their cursor."""


class Display(Protocol):
    """Shows how far a run has come. What it does may raise OSError."""

    first: float
    """Seconds until the first tick."""
    then: float
    """Seconds from one tick to the next."""

    def show(self, progress: Progress) -> None:
        """Take notice of what has been taken."""

    def tick(self) -> None:
        """Show what changes with time."""

    def stop(self) -> None:
        """Leave the terminal as it was."""


@contextmanager
def live_progress(watch: Watch, run: Run, *, bars: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress on standard error; yields what to call with each Progress.

    If standard error takes no more, as when its terminal is gone, nothing more is shown and the
    run goes on.
    """
    display = _display(watch, run, bars=bars)
    loop, works = asyncio.get_running_loop(), True
    timer: asyncio.TimerHandle

    def safely(draw: Callable[..., None], *args: Progress) -> None:
        nonlocal works
        if works:
            works = False
            with suppress(OSError):
                draw(*args)
                works = True

    def tick() -> None:
        nonlocal timer
        timer = loop.call_later(display.then, tick)
        safely(display.tick)

    timer = loop.call_later(display.first, tick)
    try:
        yield partial(safely, display.show)
    finally:
        timer.cancel()
        with suppress(OSError):
            display.stop()


def _display(watch: Watch, run: Run, *, bars: bool) -> Display:
    if not bars:
        return Lines(watch, run.records)
    from mockdata.command.bars import Bars

    return Bars(watch, run)


class Lines:
    """Prints a line now and then, for a log."""

    def __init__(self, watch: Watch, records: int) -> None:
        self.first, self.then = FIRST_LINE, NEXT_LINE
        self._watch = watch
        self._records = max(records, 1)
        self._began = time.perf_counter()

    def show(self, progress: Progress) -> None:
        """Wait for the tick."""

    def tick(self) -> None:
        """Print how far the run has come."""
        seconds = time.perf_counter() - self._began
        taken = sum(progress.records for progress in self._watch.taken.values())
        rate = taken / seconds
        records = f"{taken:,} of {self._records:,} {plural(self._records, 'record')}"
        parts = [records, f"{taken * 100 // self._records}%", scaled(rate, "/s")]
        if taken:
            left = round((self._records - taken) / rate)
            parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        if (delivery := self._watch.delivery()) is not None:
            parts.append(described_delivery(delivery, seconds))
        print("mockdata: " + ", ".join(parts), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """There is nothing to undo."""


def on_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal."""
    return stream is not None and stream.isatty()


def has_bars(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal that can show bars."""
    return on_terminal(stream) and os.environ.get("TERM", "").lower() not in DUMB
