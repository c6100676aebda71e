"""Live progress, for the command and for programs: bars, lines of a log, or a notebook's output.

This module says what there is where, and when it draws. A run that ends soon imports no more.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final, Self, TextIO

from mockdata.errors import plural
from mockdata.pipeline.report import Follower, Progress

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol

    from mockdata.sinks import Delivery

    class Display(Protocol):
        """Shows progress. Its methods may raise OSError."""

        first: float
        """Seconds until the first tick."""
        then: float
        """Seconds from one tick to the next."""

        def tick(self) -> None:
            """Show what has changed, such as the time."""

        def stop(self) -> None:
            """Show the end, and leave the terminal as it was."""


__all__ = ["Lines", "LiveProgress", "Seen", "has_bars", "on_terminal", "progress"]

FIRST_LINE: Final = 10.0
"""Seconds until the first line."""

NEXT_LINE: Final = 30.0
"""Seconds from one line to the next."""

DUMB: Final = ("dumb", "unknown")
"""Values of TERM for terminals that cannot move their cursor."""

NO: Final = ("", "0", "false", "no")
"""Values of CI that say that a person, and not a log, is at the terminal."""


class Seen:
    """What is known of the runs that a display follows."""

    def __init__(self) -> None:
        self.taken: dict[str, Progress] = {}
        """Vault name to how far it has come."""
        self.delivery: Callable[[], Delivery | None] = _nothing
        """Says what became of the records, if the sink delivers them."""
        self.began = time.perf_counter()


def _nothing() -> None:
    """Say that nothing is delivered."""


class LiveProgress(Follower):
    """An ``on_progress`` that shows what it is called with while its context is open.

    It draws on the event loop that calls it, now and then, so a run of many vaults draws as often
    as one of few. If standard error takes no more, as when its terminal is gone, nothing more is
    shown and the run goes on.
    """

    def __init__(self) -> None:
        self._seen = Seen()
        self._display: Display | None = None
        self._loops: dict[asyncio.AbstractEventLoop, asyncio.TimerHandle] = {}
        self._lock = Lock()  # a cluster's client may call from a thread of its own

    def __call__(self, progress: Progress) -> None:
        """Show what the sink has taken."""
        self._seen.taken[progress.vault] = progress
        with suppress(RuntimeError):  # no event loop: what is last is shown at the end
            loop = asyncio.get_running_loop()
            if loop not in self._loops and self._display is not None:
                self._loops[loop] = loop.call_later(self._display.first, self._tick, loop)

    def delivering(self, delivery: Callable[[], Delivery | None]) -> None:
        """Also show what becomes of the records."""
        self._seen.delivery = delivery

    def __enter__(self) -> Self:
        self._seen.began = time.perf_counter()
        self._display = _display(self._seen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):
            if (timer := self._loops.pop(asyncio.get_running_loop(), None)) is not None:
                timer.cancel()
        self._loops.clear()  # those of other threads find that there is no display any more
        with self._lock:
            display, self._display = self._display, None
            if display is not None:
                with suppress(OSError):
                    display.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._display is None:
                return
            self._loops[loop] = loop.call_later(self._display.then, self._tick, loop)
            try:
                self._display.tick()
            except OSError:
                display, self._display = self._display, None
                with suppress(OSError):
                    display.stop()


def progress() -> LiveProgress:
    """Return an ``on_progress`` that shows a run's progress, as the command does.

    On a terminal you see a bar for each vault, in a notebook too. Elsewhere, as in a log or where
    ``CI`` is set, you get a line after 10 seconds and then every 30. All of it goes to standard
    error, or below a notebook's cell. Use it with ``with`` or ``async with``::

        async with mockdata.progress() as on_progress:
            await mockdata.generate(1_000_000, on_progress=on_progress)
    """
    return LiveProgress()


def _display(seen: Seen) -> Display | None:
    """Return the display that suits this output."""
    if _in_notebook():
        from mockdata.screen.notebook import Cell

        return Cell(seen)
    if sys.stderr is None:
        return None
    if has_bars(sys.stderr):
        from mockdata.screen.bars import Bars

        return Bars(seen)
    return Lines(seen)


class Lines:
    """Prints a line now and then, for a log: the progress of all vaults together."""

    def __init__(self, seen: Seen) -> None:
        self.first, self.then = FIRST_LINE, NEXT_LINE
        self._seen = seen

    def tick(self) -> None:
        """Print a line."""
        from mockdata.screen.direct import Direct
        from mockdata.screen.text import described_delivery, scaled

        seconds = time.perf_counter() - self._seen.began
        vaults = self._seen.taken.values()
        total = sum(progress.total for progress in vaults)
        taken = sum(progress.records for progress in vaults)
        rate = taken / seconds
        records = f"{taken:,} of {total:,} {plural(total, 'record')}"
        parts = [records, f"{taken * 100 // max(total, 1)}%", scaled(rate, "/s")]
        if taken:
            left = round((total - taken) / rate)
            parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        if (delivery := self._seen.delivery()) is not None:
            parts.append(described_delivery(delivery, seconds))
        Direct(sys.stderr).write("mockdata: " + ", ".join(parts) + "\n")

    def stop(self) -> None:
        """There is nothing to undo."""


def _in_notebook() -> bool:
    """Return whether a notebook's kernel runs this, and not a program or a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def on_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal."""
    return stream is not None and stream.isatty()


def has_bars(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal that can show bars to a person."""
    is_log = os.environ.get("CI", "").lower() not in NO
    return on_terminal(stream) and not is_log and os.environ.get("TERM", "").lower() not in DUMB
