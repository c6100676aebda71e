"""What a run shows on standard error while it is under way: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from mockdata.command.summary import described_delivery, scaled
from mockdata.command.watch import Watch
from mockdata.pipeline.report import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["has_bars", "live_progress", "on_terminal"]

REFRESH: Final = 0.1
"""Seconds between two pictures of the bars, at least."""

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
def live_progress(
    watch: Watch, records: int, *, bars: bool
) -> Iterator[Callable[[Progress], None]]:
    """Show progress on standard error; yields what to call with each Progress.

    ``records`` is the number that the run makes. If standard error takes no more, as when its
    terminal is gone, nothing more is shown and the run goes on.
    """
    display: Display = Bars(watch) if bars else Lines(watch, records)
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
        parts = [f"{taken:,} of {self._records:,} records", f"{taken * 100 // self._records}%"]
        parts.append(f"{scaled(rate, '/s')}")
        if taken:
            left = round((self._records - taken) / rate)
            parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        if (delivery := self._watch.delivery()) is not None:
            parts.append(described_delivery(delivery, seconds))
        print("mockdata: " + ", ".join(parts), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """There is nothing to undo."""


class Bars:
    """Shows a bar a vault, and below them a line of the delivery, if there is one."""

    def __init__(self, watch: Watch) -> None:
        self.first = self.then = REFRESH
        self._watch = watch
        self._bars = _bars(watch)
        self._tasks: dict[str, TaskID] = {}
        self._shown = 0.0
        with suppress(OSError):
            self._bars.start()

    def show(self, progress: Progress) -> None:
        """Move a vault's bar."""
        if progress.vault not in self._tasks:
            self._tasks[progress.vault] = self._bars.add_task(
                progress.vault, total=progress.total, records=0, rate="", size=""
            )
        rate = progress.records / progress.seconds if progress.records else 0.0
        self._bars.update(
            self._tasks[progress.vault],
            completed=progress.records,
            records=progress.records,
            rate=scaled(rate, "/s"),
            size=scaled(progress.bytes, "B"),
        )
        if progress.seconds - self._shown >= REFRESH or progress.records == progress.total:
            self._shown = progress.seconds
            self._bars.refresh()

    def tick(self) -> None:
        """Show the delivery's line anew, though no records are taken."""
        if self._watch.delivery() is not None:
            self._bars.refresh()

    def stop(self) -> None:
        """Show the bars a last time, and the cursor again."""
        self._bars.stop()


def _bars(watch: Watch) -> RichProgress:
    """Return the bars, without one as yet, and the line of a delivery below them."""
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    began = time.perf_counter()

    class BarsAndLine(RichProgress):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            if (delivery := watch.delivery()) is not None:
                told = described_delivery(delivery, time.perf_counter() - began)
                yield Text(told, overflow="ellipsis")

    return BarsAndLine(
        TextColumn("{task.description:<4}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[records]:>13,}"),
        TextColumn("{task.fields[rate]:>8}"),
        TextColumn("{task.fields[size]:>7}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
        auto_refresh=False,
    )


def on_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal."""
    return stream is not None and stream.isatty()


def has_bars(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal that can show bars."""
    return on_terminal(stream) and os.environ.get("TERM", "").lower() not in DUMB
