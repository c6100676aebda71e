"""Arithmetic of 64-bit words in numpy: what ``permute`` describes, on arrays, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from mockdata.render import permute as of
from mockdata.render.permute import Rounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DRAW", "FILL", "HALF", "LOW", "U", "Words", "halves", "high_product", "mixed", "walk"]

Words: TypeAlias = "NDArray[np.uint64]"

U: Final = np.uint64
MIX_1, MIX_2 = U(of.MIX_1), U(of.MIX_2)
DRAW, FILL = U(of.DRAW), U(of.FILL)
ROUND_1, ROUND_2 = U(of.ROUND_1), U(of.ROUND_2)
HALF: Final = U(32)
LOW: Final = U(2**32 - 1)


def mixed(h: Words, scratch: Words) -> None:
    """Mix words in place: the steps of SplitMix64 that follow the counter's."""
    for shift, multiplier in ((U(30), MIX_1), (U(27), MIX_2)):
        np.right_shift(h, shift, out=scratch)
        np.bitwise_xor(h, scratch, out=h)
        np.multiply(h, multiplier, out=h)
    np.right_shift(h, U(31), out=scratch)
    np.bitwise_xor(h, scratch, out=h)


def high_product(a: Words, n: int) -> Words:
    """Return ``a * n >> 64``, in new arrays; n below 2**64."""
    high, low = U(n >> 32), U(n & 0xFFFFFFFF)
    a_high, a_low = a >> HALF, a & LOW
    middle = a_high * low + (a_low * low >> HALF)
    other = a_low * high + (middle & LOW)
    product: Words = a_high * high + (middle >> HALF) + (other >> HALF)
    return product


def halves(
    left: Words,
    right: Words,
    rounds: Rounds,
    tweak: Words | None,
    scratch: tuple[Words, Words, Words],
) -> None:
    """Permute halves in place, by all rounds."""
    t, s = scratch[0][: len(left)], scratch[1][: len(left)]
    moduli = (rounds.left, rounds.right)
    for number, key in enumerate(rounds.keys):
        modulus = moduli[number % 2]
        bits = modulus.bit_length()
        changed, other = (left, right) if number % 2 == 0 else (right, left)
        np.multiply(other, ROUND_1, out=t)
        np.add(t, U(key), out=t)
        if tweak is not None:
            np.add(t, tweak, out=t)
        np.right_shift(t, HALF, out=s)
        np.bitwise_xor(t, s, out=t)
        np.multiply(t, ROUND_2, out=t)
        if bits <= 32:
            np.right_shift(t, U(bits), out=t)
            np.multiply(t, U(modulus), out=t)
            np.right_shift(t, U(64 - bits), out=t)
        else:
            t[:] = high_product(t, modulus)
        np.add(changed, t, out=changed)
        np.subtract(changed, U(modulus), out=t)
        np.minimum(changed, t, out=changed)


def walk(
    left: Words,
    right: Words,
    rounds: Rounds,
    tweak: Words | None,
    scratch: tuple[Words, Words, Words],
) -> None:
    """Permute numbers again until all are below the number of combinations."""
    size, of_right = U(rounds.size), U(rounds.right)
    number = np.multiply(left, of_right, out=scratch[0][: len(left)])
    np.add(number, right, out=number)
    rows = np.flatnonzero(number >= size)
    while len(rows):
        high, low = left[rows], right[rows]
        halves(high, low, rounds, None if tweak is None else tweak[rows], scratch)
        left[rows], right[rows] = high, low
        rows = rows[high * of_right + low >= size]
