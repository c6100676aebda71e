"""What the four kernels share: a kernel renders blocks of records of one key into its buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults import Key
from mockdata.vaults._ascii import Draws, Lines
from mockdata.vaults._permute import Counter, Permutation, Suffixes

__all__ = ["FixedKernel", "Kernel", "SuffixField", "stamp"]

SUFFIX = 16
"""Characters of a suffix; a line ends with one and a line feed."""


def stamp(timestamp: int) -> bytes:
    """Return a line's end with its suffix left open."""
    return b"%d_%s\n" % (timestamp, bytes(SUFFIX))


class SuffixField:
    """The place of every line where its suffix goes; the lines end with it."""

    def __init__(self, lines: Lines) -> None:
        at = lines.width - SUFFIX - 1
        self._first = lines.field(at, SUFFIX // 2)
        self._last = lines.field(at + SUFFIX // 2, SUFFIX // 2)

    def fill(self, suffixes: Suffixes, count: int) -> None:
        """Fill the place in the first ``count`` lines with the suffixes that come next."""
        self._first[:count], self._last[:count] = suffixes.spell(count)


class Kernel(ABC):
    """Renders the lines of one key, up to ``capacity`` records at a time, with no allocation."""

    def __init__(self, key: Key, capacity: int) -> None:
        self._suffixes = Suffixes(capacity)
        self._values = Counter(Permutation.keyed(key.seed, key.vault, "value"), capacity)
        self._tokens = Counter(Permutation.keyed(key.seed, key.vault, "token"), capacity)
        self._token_lines = Lines(f"tok_{key.vault}_".encode() + stamp(key.timestamp), capacity)
        self._token_suffix = SuffixField(self._token_lines)

    def render(self, start: int, stop: int) -> tuple[memoryview, memoryview]:
        """Return the data lines and the token lines of a range of indices.

        Both are valid until the next call.
        """
        count = stop - start
        self._suffixes.permute(self._values, start, count)
        data = self._data(count)
        self._suffixes.permute(self._tokens, start, count)
        self._token_suffix.fill(self._suffixes, count)
        return data, self._token_lines.first(count)

    @abstractmethod
    def measure(self, start: int, stop: int) -> int:
        """Return the bytes of the data lines of a range of indices."""

    @abstractmethod
    def _data(self, count: int) -> memoryview:
        """Return the data lines of the values' indices, which are permuted already."""


class FixedKernel(Kernel):
    """A kernel whose data lines all have one width: texts drawn from tables, at fixed places."""

    prefix: ClassVar[bytes]
    """What stands before the timestamp, with any characters where the drawn texts go."""

    places: ClassVar[tuple[int, ...]]
    """Where the drawn texts go. One that is wider than its place is cut by the one after it."""

    def __init__(self, key: Key, capacity: int) -> None:
        super().__init__(key, capacity)
        self._draws = Draws(self._suffixes.spare()[0])
        self._texts = self._tables()
        self._lines = Lines(self.prefix + stamp(key.timestamp), capacity)
        self._suffix = SuffixField(self._lines)
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

    def _data(self, count: int) -> memoryview:
        self._suffix.fill(self._suffixes, count)
        self._draws.begin(self._suffixes.draws(count))
        for field, table in zip(self._fields, self._texts, strict=True):
            field[:count] = self._draws.pick(table)
        return self._lines.first(count)
