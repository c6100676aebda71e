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
from mockdata.vaults._permute import HALF
from mockdata.vaults.census import PIECE, Census

__all__ = ["NameKernel"]


class NameKernel(Kernel):
    """Draws a first name by a word's upper half and a surname by its lower half."""

    def __init__(self, key: Key, capacity: int) -> None:
        super().__init__(key, capacity)
        scratch, spare = self._suffixes.spare()
        self._first_names = Census("first_names", scratch, spare[:capacity])
        self._surnames = Census("surnames", scratch, spare[:capacity])
        self._rests = Lines(stamp(key.timestamp), capacity)
        self._suffix = SuffixField(self._rests)
        self._rest = self._rests.field(0, STAMP)
        self._names = spare.view(PIECE)
        self._first_lengths = np.empty(capacity, np.intp)
        self._lengths = np.empty(capacity, np.intp)
        self._ends = np.zeros(1 + capacity, np.intp)  # of the lines, with a 0 before the first
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
        starts, ends = self._ends[:count], self._ends[1 : count + 1]
        offsets, names = self._first_lengths[:count], self._names[:count]
        np.cumsum(self._lengths[:count], out=ends)
        self._name_at[starts] = self._first_names.texts.take(first, out=names, mode="clip")
        np.add(starts, offsets, out=offsets)
        self._name_at[offsets] = self._surnames.texts.take(last, out=names, mode="clip")
        np.subtract(ends, STAMP, out=offsets)
        self._rest_at[offsets] = self._rest[:count]
        return self._text[: ends[-1]].data

    def _draw(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Draw the names of the permuted indices, and compute the lengths of their lines."""
        words = self._suffixes.draws(count)
        first = self._first_names.draw(words)
        last = self._surnames.draw(np.left_shift(words, HALF, out=words))
        first_lengths, lengths = self._first_lengths[:count], self._lengths[:count]
        self._first_names.lengths.take(first, out=first_lengths, mode="clip")
        self._surnames.lengths.take(last, out=lengths, mode="clip")
        np.add(lengths, first_lengths, out=lengths)
        np.add(lengths, STAMP, out=lengths)
        return first, last
