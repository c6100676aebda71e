"""First names and surnames, drawn by their frequency in the 2020 US Census.

``build`` makes the tables and says where the counts come from.
"""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._permute import Words

__all__ = ["END_SHIFT", "NAME_WIDTH", "OWN_SHIFT", "PIECE", "TABLES", "Census"]

TABLES: Final = {"first_names": 13, "surnames": 14}
"""The tables, and the bits of a bucket's number: the least that number every name."""

NAME_WIDTH: Final = 15
"""Characters of the longest name."""

PIECE: Final = np.dtype(np.complex128)
"""A name and the space behind it: 16 bytes, of the type that numpy moves fastest."""

END_SHIFT: Final = 32
OWN_SHIFT: Final = 16
"""A bucket is ``end << 32 | own << 16 | alias``: a draw of 32 bits that falls into it gives the
name in row ``own`` if it is below ``end``, and the one in row ``alias`` if it is not."""

BELOW_DRAW: Final = np.uint64(2**END_SHIFT - 1)
OWN: Final = np.uint64(OWN_SHIFT)
ROW: Final = np.uint64(2**OWN_SHIFT - 1)


class Census:
    """A table of names and its alias sampler.

    ``texts`` has the names with a space behind each, as items of PIECE, and ``lengths`` their
    lengths, the space included. ``scratch`` and ``bucket`` are buffers to work in, as long as there
    may be words.
    """

    def __init__(self, table: str, scratch: Words, bucket: Words) -> None:
        path = os.path.join(os.path.dirname(__file__), table)
        names = np.load(f"{path}.npy")
        padded = names.astype(f"S{PIECE.itemsize}")
        characters = padded.view(np.uint8).reshape(len(names), PIECE.itemsize)
        lengths = np.count_nonzero(characters, axis=1)
        characters[np.arange(len(names)), lengths] = ord(" ")
        self.texts: NDArray[np.complex128] = padded.view(PIECE)
        self.lengths: NDArray[np.intp] = lengths + 1
        self._buckets: Words = np.load(f"{path}_buckets.npy")
        self._shift = np.uint64(64 - TABLES[table])
        self._index: Words = np.empty(len(scratch), np.uint64)
        self._scratch, self._bucket = scratch, bucket

    def draw(self, words: Words) -> NDArray[np.intp]:
        """Return the row of a name for each word, by its top 32 bits: the draw.

        The draw's top bits number the bucket. The bits below the draw are set for the comparison,
        so that they never make it less than an ``end`` that it is equal to, whatever rows stand
        below that. The rows are valid until the next call.
        """
        count = len(words)
        index, bucket, scratch = self._index[:count], self._bucket[:count], self._scratch[:count]
        np.right_shift(words, self._shift, out=index)
        self._buckets.take(index.view(np.intp), out=bucket, mode="clip")
        np.bitwise_or(words, BELOW_DRAW, out=scratch)
        is_own = index.view(np.bool_)[:count]
        np.less(scratch, bucket, out=is_own)
        np.multiply(is_own.view(np.uint8), OWN, out=scratch)
        np.right_shift(bucket, scratch, out=index)
        np.bitwise_and(index, ROW, out=index)
        return index.view(np.intp)
