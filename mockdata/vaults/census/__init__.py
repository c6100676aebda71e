"""First names and surnames, drawn by their frequency in the 2020 US Census.

``build`` makes the tables and says where the counts come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIAS_BITS", "NAME_WIDTH", "PIECE", "TABLES", "Census"]

TABLES: Final = {"first_names": 13, "surnames": 14}
"""The tables, and the bits of a bucket's number: the least that number every name."""

NAME_WIDTH: Final = 15
"""Characters of the longest name."""

PIECE: Final = np.dtype(np.complex128)
"""A name and the space behind it: 16 bytes, of the type that numpy moves fastest."""

ALIAS_BITS: Final = 32
"""Bits of a bucket that hold its two names; its threshold stands above them."""

OWN_SHIFT: Final = np.uint64(16)
NAME_BITS: Final = np.uint64(0xFFFF)


class Census:
    """A table of names and its alias sampler, with buffers that are made once.

    ``texts`` has the names with a space behind each, as items of PIECE, and ``lengths`` their
    lengths, the space included.
    """

    def __init__(self, table: str, capacity: int) -> None:
        folder = Path(__file__).parent
        names = np.load(folder / f"{table}.npy")
        padded = names.astype(f"S{PIECE.itemsize}")
        characters = padded.view(np.uint8).reshape(len(names), PIECE.itemsize)
        lengths = np.count_nonzero(characters, axis=1)
        characters[np.arange(len(names)), lengths] = ord(" ")
        self.texts: NDArray[np.complex128] = padded.view(PIECE)
        self.lengths: NDArray[np.intp] = lengths + 1
        self._buckets: NDArray[np.uint64] = np.load(folder / f"{table}_buckets.npy")
        self._bits = np.uint64(TABLES[table])
        self._index = np.empty(capacity, np.uint64)
        self._bucket = np.empty(capacity, np.uint64)
        self._is_own = np.empty(capacity, np.bool_)

    def draw(self, words: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the row of a name for each word, by the word's top 32 bits.

        The top bits number the bucket; the word without them is compared with the bucket. The rows
        are valid until the next call; the words are used up.
        """
        count = len(words)
        index, bucket, is_own = self._index[:count], self._bucket[:count], self._is_own[:count]
        np.right_shift(words, np.uint64(64) - self._bits, out=index)
        self._buckets.take(index.view(np.intp), out=bucket, mode="clip")
        np.left_shift(words, self._bits, out=words)
        np.less(words, bucket, out=is_own)
        np.multiply(is_own.view(np.uint8), OWN_SHIFT, out=index)
        np.right_shift(bucket, index, out=index)
        np.bitwise_and(index, NAME_BITS, out=index)
        return index.view(np.intp)
