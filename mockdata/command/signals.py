"""Signals that stop the command: they end the run, or else the process."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NoReturn

__all__ = ["BY_SIGNAL", "STOPPING", "Signals", "leave", "listening"]

BY_SIGNAL: Final = 128
"""A shell adds the signal's number to this for the exit code of a process that a signal ended."""

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

GRACE: Final = 0.5
"""Seconds after which a second signal ends a process that has not reacted to the first."""

LAST_GRACE: Final = 10.0
"""Seconds after which it ends a process that is still cleaning up."""


class Signals:
    """What SIGINT, SIGTERM and SIGHUP do: end the run that is under way, or the process at once.

    One that comes when a run is being ended has no effect, unless the run does not come to an end.
    """

    def __init__(self) -> None:
        self.first = 0
        """The number of the signal that ended the run, once there was one."""
        self.last_words: Callable[[int], object] = int
        """Called with a signal's number before the process is ended at once; must not print."""
        self.code: int | None = None
        """The exit code, once the command has ended and all is said."""
        self._came = 0.0
        self._patience = GRACE
        self._cancel: Callable[[], object] | None = None

    def __call__(self, number: int, _: object) -> None:
        """Handle a signal."""
        if self.code is not None:
            leave(self.code)
        if self._cancel is None:
            self._leave(number)  # there is nothing to undo
        if not self.first:
            self.first, self._came = number, time.monotonic()
            self._cancel()
        elif time.monotonic() - self._came >= self._patience:
            self._leave(self.first)

    def _leave(self, number: int) -> NoReturn:
        self.last_words(number)
        leave(BY_SIGNAL + number)

    @contextmanager
    def cancelling(self, on_stop: Callable[[], float]) -> Iterator[None]:
        """Have a signal cancel this task, which undoes what it has done, until it is complete.

        ``on_stop`` is called then, and returns the seconds that its sink may take for that.
        """
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def cancel() -> None:
            self._patience = LAST_GRACE + on_stop()
            if task is not None:
                task.cancel()

        self._cancel = partial(loop.call_soon_threadsafe, cancel)
        try:
            yield
        finally:
            self.come_too_late()

    def come_too_late(self) -> None:
        """Ignore signals from the end of a run on, unless the rest takes long."""
        self._cancel = lambda: None
        self._came, self._patience = time.monotonic(), GRACE

    def end(self, code: int) -> None:
        """Keep the exit code, whatever signal comes while the interpreter exits."""
        self.code = code
        atexit.register(_ignore)


@contextmanager
def listening() -> Iterator[Signals]:
    """Listen to the signals that stop the command; only a process's main thread can.

    A signal that is ignored stays so, as SIGHUP under nohup.
    """
    signals, earlier = Signals(), {}
    with suppress(ValueError):
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                earlier[number] = signal.signal(number, signals)
    try:
        yield signals
    finally:
        if signals.code is None:
            for number, handler in earlier.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _ignore() -> None:
    """Ignore all signals: Python removes its handlers before the interpreter ends."""
    with suppress(ValueError):
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)


def leave(code: int) -> NoReturn:
    """Exit without waiting for anything, as for a thread that writes to a pipe nobody reads."""
    with suppress(OSError, AttributeError, RuntimeError):  # a signal may interrupt a flush
        sys.stderr.flush()
    os._exit(code)
