"""Text of fixed width in byte matrices: tables of it, lines made of it, and draws from a table."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mockdata.vaults._permute import Words

__all__ = ["Draws", "Lines", "items_anywhere", "number_table"]

FRACTION_BITS: Final = np.uint64(48)
FRACTION: Final = np.uint64(2**48 - 1)
SURPLUS: Final = np.uint64(64 - 48)


def number_table(numbers: NDArray[np.intp], form: bytes) -> NDArray[np.void]:
    """Return a text for each number: ``form`` with its zeros, from the right, made the digits."""
    texts = np.tile(np.frombuffer(form, np.uint8), (len(numbers), 1))
    for place in reversed([k for k, character in enumerate(form) if character == ord("0")]):
        numbers, digit = np.divmod(numbers, 10)
        texts[:, place] += digit.astype(np.uint8)
    return texts.view(f"V{len(form)}").reshape(-1)


def items_anywhere(text: NDArray[np.uint8], item: np.dtype[Any]) -> NDArray[Any]:
    """Return the view of a text whose item k begins at byte k: overlapping, one byte apart."""
    return np.ndarray((len(text) - item.itemsize + 1,), item, text, 0, (1,))


class Lines:
    """Lines that all look like ``template``, side by side in one buffer that is made once.

    ``field`` is a view of one place of every line: assigning to it fills that place.
    """

    def __init__(self, template: bytes, capacity: int) -> None:
        self.width = len(template)
        self._capacity = capacity
        self._bytes = np.tile(np.frombuffer(template, np.uint8), capacity)

    def field(self, offset: int, width: int) -> NDArray[np.void]:
        """Return the view of ``width`` bytes at ``offset`` of every line."""
        return np.ndarray((self._capacity,), f"V{width}", self._bytes, offset, (self.width,))

    def first(self, count: int) -> memoryview:
        """Return the bytes of the first ``count`` lines."""
        return self._bytes[: count * self.width].data


class Draws:
    """Uniform draws, one after the other, out of one 64-bit word a record.

    The word's top 48 bits are a fraction. Times n, its whole part is a draw from 0 to n - 1 and
    what is behind the point is the next fraction, as in arithmetic decoding. A value is more
    likely than another by 2**-48 times the product of all n, which for our vaults is below 4e-6.
    ``index`` is a buffer to work in, as long as there may be words.
    """

    def __init__(self, index: Words) -> None:
        self._capacity = len(index)
        self._index = index
        self._picked: dict[int, NDArray[np.void]] = {}
        self._fraction = self._index

    def begin(self, words: Words) -> None:
        """Draw from ``words`` from here on; they are used up in place."""
        self._fraction = np.right_shift(words, SURPLUS, out=words)

    def pick(self, table: NDArray[np.void]) -> NDArray[np.void]:
        """Draw a row of ``table`` for each record and return the texts that stand there.

        They are valid until the next pick from a table of the same width.
        """
        fraction, index = self._fraction, self._index[: len(self._fraction)]
        np.multiply(fraction, np.uint64(len(table)), out=fraction)
        np.right_shift(fraction, FRACTION_BITS, out=index)
        np.bitwise_and(fraction, FRACTION, out=fraction)
        width = table.itemsize
        if width not in self._picked:
            self._picked[width] = np.empty(self._capacity, table.dtype)
        texts = self._picked[width][: len(index)]
        return table.take(index.view(np.intp), out=texts, mode="clip")
