"""What the system may refuse, files, threads or processes: always an OSError that says so."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

__all__ = ["NO_THREAD", "check_files", "check_threads", "naming"]

NO_THREAD: Final = "can't start new thread"
"""What Python's RuntimeError says then."""


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Name what was asked of the system in an OSError that has no file name.

    That no thread can be started is one too: Python makes it a RuntimeError of its own.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = what
        raise
    except RuntimeError as error:
        if str(error) != NO_THREAD:
            raise
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), what) from error


def check_files(count: int) -> None:
    """Raise OSError if this process cannot open so many files more."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.callback(os.close, os.dup(2))


def check_threads(count: int) -> None:
    """Raise OSError if the system does not start so many threads more, or processes, at present."""
    over, started = threading.Event(), []
    try:
        for _ in range(count):
            with naming("thread"):
                thread = threading.Thread(target=over.wait)
                thread.start()
            started.append(thread)
    finally:
        over.set()
        for thread in started:
            thread.join()
