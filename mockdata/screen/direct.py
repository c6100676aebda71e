"""Standard error without buffers, for output that must not make a run fail."""

from __future__ import annotations

import io
import os
from typing import TextIO

__all__ = ["Direct"]


class Direct(io.TextIOBase):
    """Writes to a stream's file at once.

    A stream keeps what its file does not take, such as a terminal that is gone, and whoever flushes
    it next gets the error: ``multiprocessing`` does, before it starts a process.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, whole."""
        try:
            file = self._stream.fileno()
        except (AttributeError, OSError, ValueError):  # it has none, as one that a test has made
            self._stream.write(text)
            self._stream.flush()
            return len(text)
        left = memoryview(text.encode(self._stream.encoding, self._stream.errors or "strict"))
        while left:
            left = left[os.write(file, left) :]
        return len(text)

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._stream.encoding or "utf-8"
