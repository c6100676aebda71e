"""Standard streams that may be closed, full or gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

__all__ = ["say", "silence", "write_past_buffers"]


def say(text: str, stream: TextIO | None, *, must_arrive: bool = False) -> None:
    """Print a text on a standard stream, if it is open and, unless it must, if it takes it."""
    if stream is None:
        return
    try:
        _print(f"{text}\n", stream)
    except OSError:
        if must_arrive:
            raise
        silence(stream)


def _print(text: str, stream: TextIO) -> None:
    """Print a text whole, though nothing is buffered: a write may take a part of it then."""
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        print(text, end="", file=stream, flush=True)
        return
    stream.flush()
    left = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
    while left:
        written = raw.write(left)
        if not written:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[written:]


def silence(stream: TextIO | None) -> None:
    """Make a broken standard stream swallow what Python flushes when it exits."""
    for number, standard in ((1, sys.__stdout__), (2, sys.__stderr__)):
        if stream is not None and stream is standard:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)


def write_past_buffers(file: int, text: str) -> None:
    """Write a line past Python's buffers, which a signal may have interrupted."""
    left = memoryview(f"{text}\n".encode(errors="backslashreplace"))
    while left:
        left = left[os.write(file, left) :]
