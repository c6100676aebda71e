"""From a record's index to its suffix: a keyed permutation, and 16 characters that hold it.

**The permutation.** Its domain is all 64-bit words, so every index below 2**40 is in it::

    h = offset + index * gamma              gamma is odd
    h = (h ^ h >> 30) * MIX_1
    h = (h ^ h >> 27) * MIX_2
    h =  h ^ h >> 31

*Why it is one.* Adding a constant is undone by subtracting it. An odd number has an inverse modulo
2**64, so multiplying by one is undone by multiplying by its inverse. And ``h ^ h >> s`` keeps the
top s bits, which uncover the next s, and so on down. Every step can be undone, so all of them
together can be: two indices never share an ``h``.

The steps are SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014) with the constants of Stafford's variant 13; ``offset`` and ``gamma`` are the key.

**The suffix.** 16 places of 5 bits make 80 bits. Each of the 8 bytes of ``h`` gives its low 5 bits
to one of the first 8 places and its high 3 bits to one of the last 8: the suffix holds all of
``h`` and never repeats. The 2 bits that the last 8 places still lack come from a hash of ``h``.
Five bits are a character of the base 32 alphabet of RFC 4648, in lower case: a-z, then 2-7.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF", "WORD", "Counter", "Permutation", "Suffixes", "Words"]

Words = NDArray[np.uint64]

WORD: Final = np.dtype("<u8")
"""Little-endian wherever words are looked at as bytes, so that every machine writes the same."""

MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)
MASK: Final = 2**64 - 1

FILL: Final = np.uint64(0xFF51AFD7ED558CCD)
"""Multiplier for the suffix's last bits, from MurmurHash3's 64-bit finaliser (Appleby)."""

DRAW: Final = np.uint64(0xC4CEB9FE1A85EC53)
"""Multiplier for the word a value is drawn from: the same finaliser's other one."""

SHIFT_1: Final = np.uint64(30)
SHIFT_2: Final = np.uint64(27)
SHIFT_3: Final = np.uint64(31)

HALF: Final = np.uint64(32)
HIGH_3_BITS: Final = np.uint64(5)
FIRST_PLACES: Final = np.uint64(0x1F1F1F1F1F1F1F1F)
LAST_PLACES: Final = np.uint64(0x0707070707070707)
FILLED_BITS: Final = np.uint64(0x1818181818181818)

LETTERS: Final = np.uint8(26)
LETTER_A: Final = np.uint8(ord("a"))
TO_DIGIT: Final = np.uint8((ord("2") - ord("a") - 26) % 256)
"""What takes the 27th "letter" to the digit 2, modulo 256."""


class Permutation(NamedTuple):
    """A permutation of the 64-bit words, keyed by ``offset`` and the odd ``gamma``."""

    offset: int
    gamma: int

    @classmethod
    def keyed(cls, seed: int, vault: str, kind: Literal["value", "token"]) -> Permutation:
        """Return the permutation of one seed, vault and kind; those of others are unrelated."""
        key = hashlib.blake2b(f"{seed}/{vault}/{kind}".encode(), digest_size=16).digest()
        offset, gamma = (int.from_bytes(half, "little") for half in (key[:8], key[8:]))
        return cls(offset, gamma | 1)


class Counter:
    """The indices of one permutation after its first step, ``offset + index * gamma``."""

    def __init__(self, permutation: Permutation, capacity: int) -> None:
        self._permutation = permutation
        self._steps: Words = np.arange(capacity, dtype=np.uint64) * np.uint64(permutation.gamma)

    def count(self, start: int, out: Words) -> None:
        """Write what becomes of the indices from ``start`` on."""
        offset, gamma = self._permutation
        np.add(self._steps[: len(out)], np.uint64((offset + start * gamma) & MASK), out=out)


class Suffixes:
    """Renders suffixes into buffers that are made once, and that all permutations share.

    They are shared because a block's buffers have to fit into a core's cache.
    """

    def __init__(self, capacity: int) -> None:
        self._hash: Words = np.empty(capacity, np.uint64)
        work: Words = np.empty(2 * capacity, np.uint64)
        self._scratch, self._words = work[:capacity], work[capacity:]
        self._is_digit = work.view(np.bool_)  # in use only while neither of these is
        self._places: Words = np.empty(2 * capacity, WORD)

    def spare(self) -> tuple[Words, Words]:
        """Return buffers of ``capacity`` and twice as many words, free while none is spelled."""
        return self._scratch, self._places

    def permute(self, counter: Counter, start: int, count: int) -> None:
        """Permute ``count`` indices from ``start`` on, for ``spell`` and ``draws``."""
        h, scratch = self._hash[:count], self._scratch[:count]
        counter.count(start, h)
        for shift, multiplier in ((SHIFT_1, MIX_1), (SHIFT_2, MIX_2)):
            np.right_shift(h, shift, out=scratch)
            np.bitwise_xor(h, scratch, out=h)
            np.multiply(h, multiplier, out=h)
        np.right_shift(h, SHIFT_3, out=scratch)
        np.bitwise_xor(h, scratch, out=h)

    def spell(self, count: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Return the suffixes of the permuted indices: their first 8 characters, and their last.

        Both are valid until the next call.
        """
        h, scratch = self._hash[:count], self._scratch[:count]
        first, last = self._places[:count], self._places[count : 2 * count]
        np.multiply(h, FILL, out=scratch)
        np.right_shift(scratch, HALF, out=last)
        np.bitwise_xor(scratch, last, out=scratch)
        np.bitwise_and(scratch, FILLED_BITS, out=scratch)
        np.right_shift(h, HIGH_3_BITS, out=last)
        np.bitwise_and(last, LAST_PLACES, out=last)
        np.bitwise_or(last, scratch, out=last)
        np.bitwise_and(h, FIRST_PLACES, out=first)

        digits = self._places[: 2 * count].view(np.uint8)
        is_digit = self._is_digit[: 16 * count]
        np.greater_equal(digits, LETTERS, out=is_digit)
        np.add(digits, LETTER_A, out=digits)
        correction = is_digit.view(np.uint8)
        np.multiply(correction, TO_DIGIT, out=correction)
        np.add(digits, correction, out=digits)
        return first.view("V8"), last.view("V8")

    def draws(self, count: int) -> Words:
        """Return the words that the permuted indices' values are drawn from.

        They may be used up: they are valid until the next call of any method.
        """
        words, scratch = self._words[:count], self._scratch[:count]
        np.multiply(self._hash[:count], DRAW, out=words)
        np.right_shift(words, HALF, out=scratch)
        return np.bitwise_xor(words, scratch, out=words)
