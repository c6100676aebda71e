"""What the four kernels share: a kernel renders blocks of records of one key into its buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults import STAMP, Key
from mockdata.vaults._ascii import Draws, Lines
from mockdata.vaults._permute import Permutation, Suffixes

__all__ = ["FixedKernel", "Kernel"]

SUFFIX = 16
"""Characters of a suffix; a line ends with one and a line feed."""


def stamp(timestamp: int) -> bytes:
    """Return a line's end with its suffix left open."""
    return b"%d_%s\n" % (timestamp, bytes(SUFFIX))


class Kernel(ABC):
    """Renders the lines of one key, up to ``capacity`` records at a time, with no allocation."""

    def __init__(self, key: Key, capacity: int) -> None:
        self._values = Suffixes(Permutation.keyed(key.seed, key.vault, "value"), capacity)
        self._tokens = Suffixes(Permutation.keyed(key.seed, key.vault, "token"), capacity)
        template = b"tok_%s_" % key.vault.encode() + stamp(key.timestamp)
        self._token_lines = Lines(template, capacity)
        self._token_suffix = self._token_lines.field(len(template) - SUFFIX - 1, SUFFIX)

    def render(self, start: int, stop: int) -> tuple[memoryview, memoryview]:
        """Return the data lines and the token lines of a range of indices.

        Both are valid until the next call.
        """
        count = stop - start
        data = self._data(start, count)
        self._token_suffix[:count] = self._tokens(start, count)
        return data, self._token_lines.first(count)

    @abstractmethod
    def measure(self, start: int, stop: int) -> int:
        """Return the bytes of the data lines of a range of indices."""

    @abstractmethod
    def _data(self, start: int, count: int) -> memoryview: ...


class FixedKernel(Kernel):
    """A kernel whose data lines all have one width: texts drawn from tables, at fixed places."""

    prefix: ClassVar[bytes]
    """What stands before the timestamp, with any characters where the drawn texts go."""

    places: ClassVar[tuple[int, ...]]
    """Where the drawn texts go. One that is wider than its place is cut by the one after it."""

    def __init__(self, key: Key, capacity: int) -> None:
        super().__init__(key, capacity)
        self._draws = Draws(capacity)
        self._texts = self._tables()
        self._lines = Lines(self.prefix + stamp(key.timestamp), capacity)
        self._suffix = self._lines.field(len(self.prefix) + STAMP - SUFFIX - 1, SUFFIX)
        self._fields = [
            self._lines.field(place, table.itemsize)
            for place, table in zip(self.places, self._texts, strict=True)
        ]

    @abstractmethod
    def _tables(self) -> tuple[NDArray[np.void], ...]:
        """Return the tables that a value's texts are drawn from, in the order of ``places``."""

    def measure(self, start: int, stop: int) -> int:
        """Return the bytes of the data lines of a range of indices."""
        return (stop - start) * self._lines.width

    def _data(self, start: int, count: int) -> memoryview:
        self._suffix[:count] = self._values(start, count)
        self._draws.begin(self._values.draws(count))
        for field, table in zip(self._fields, self._texts, strict=True):
            field[:count] = self._draws.pick(table)
        return self._lines.first(count)
