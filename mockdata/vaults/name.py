"""``FIRST LAST TS_R``: names by their frequency in the 2020 US Census.

Lines vary in length. Each is written in three steps at its offset: the first name in 16 bytes, the
surname in 16 bytes over what is left of those, and the exact rest over what is left of these. The
lines follow each other without a gap, and every step stays within the buffer, since a line's rest
is longer than what a step leaves over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults import STAMP, Key
from mockdata.vaults._ascii import Lines, items_anywhere
from mockdata.vaults._kernel import Kernel, SuffixField, stamp
from mockdata.vaults._permute import HALF, Words
from mockdata.vaults.census import PIECE, Census

__all__ = ["NameKernel"]


class NameKernel(Kernel):
    """Draws a first name by a word's upper half and a surname by its lower half."""

    def __init__(self, key: Key, capacity: int) -> None:
        super().__init__(key, capacity)
        self._first_names = Census("first_names", capacity)
        self._surnames = Census("surnames", capacity)
        self._rests = Lines(stamp(key.timestamp), capacity)
        self._suffix = SuffixField(self._rests)
        self._rest = self._rests.field(0, STAMP)
        self._names = np.empty(capacity, PIECE)
        self._words: Words = np.empty(capacity, np.uint64)
        self._first_lengths = np.empty(capacity, np.intp)
        self._last_lengths = np.empty(capacity, np.intp)
        self._lengths = np.empty(capacity, np.intp)
        self._offsets = np.empty(capacity, np.intp)
        self._text = np.zeros(capacity * (2 * PIECE.itemsize + STAMP), np.uint8)
        self._name_at = items_anywhere(self._text, PIECE)
        self._rest_at = items_anywhere(self._text, self._rest.dtype)

    def measure(self, start: int, stop: int) -> int:
        """Return the bytes of the data lines of a range of indices."""
        self._suffixes.permute(self._values, start, stop - start)
        self._draw(stop - start)
        return int(self._lengths[: stop - start].sum())

    def _data(self, count: int) -> memoryview:
        self._suffix.fill(self._suffixes, count)
        first, last = self._draw(count)
        offsets, names = self._offsets[:count], self._names[:count]
        np.cumsum(self._lengths[:count], out=offsets)
        size = int(offsets[-1])
        np.subtract(offsets, self._lengths[:count], out=offsets)
        self._name_at[offsets] = self._first_names.texts.take(first, out=names, mode="clip")
        np.add(offsets, self._first_lengths[:count], out=offsets)
        self._name_at[offsets] = self._surnames.texts.take(last, out=names, mode="clip")
        np.add(offsets, self._last_lengths[:count], out=offsets)
        self._rest_at[offsets] = self._rest[:count]
        return self._text[:size].data

    def _draw(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Draw the names of the permuted indices, and compute the lengths of their lines."""
        words, upper = self._suffixes.draws(count), self._words[:count]
        np.copyto(upper, words)
        first = self._first_names.draw(upper)
        last = self._surnames.draw(np.left_shift(words, HALF, out=words))
        lengths = self._lengths[:count]
        self._first_names.lengths.take(first, out=self._first_lengths[:count], mode="clip")
        self._surnames.lengths.take(last, out=self._last_lengths[:count], mode="clip")
        np.add(self._first_lengths[:count], self._last_lengths[:count], out=lengths)
        np.add(lengths, STAMP, out=lengths)
        return first, last
