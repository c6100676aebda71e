"""Alias samplers for a list's weights, in the form that the census's have.

Walker, "An Efficient Method for Generating Discrete Random Variables with General Distributions",
1977; built as in Vose, "A Linear Algorithm for Generating Random Numbers with a Given
Distribution", 1991.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["SHARE_BITS", "buckets", "shares"]

SHARE_BITS: Final = 32
"""Bits of a draw: shares are whole multiples of 2**-32."""

PAIR: Final = 2**16
"""Rows that a bucket can name two of, its own and the other."""


def shares(weights: Sequence[int]) -> list[int]:
    """Return the weights' shares in units of 2**-32, which add up to one exactly.

    Rounded down, with what is left over given to the largest remainders (Hamilton's method).
    """
    total = sum(weights)
    parts = [divmod(weight << SHARE_BITS, total) for weight in weights]
    made = [whole for whole, _ in parts]
    left = (1 << SHARE_BITS) - sum(made)
    for row in sorted(range(len(parts)), key=lambda k: -parts[k][1])[:left]:
        made[row] += 1
    return made


def buckets(weights: Sequence[int]) -> list[int]:
    """Return buckets of one capacity that together hold the weights' shares.

    A power of two of them. Bucket k is where the draws from ``k * capacity`` on fall. It is
    ``end << 32 | own << 16 | alias``: a draw below ``end`` gives row ``own``, another gives
    ``alias``. Of more than 2**16 rows it is ``end << 32 | alias``, and ``own`` is k.
    """
    bits = (len(weights) - 1).bit_length()
    pairs = len(weights) <= PAIR
    capacity = 1 << SHARE_BITS - bits
    left = shares(weights) + [0] * ((1 << bits) - len(weights))
    small = [k for k, share in enumerate(left) if share < capacity]
    large = [k for k, share in enumerate(left) if share >= capacity]
    table = [0] * (1 << bits)

    def fill(k: int, size: int, alias: int) -> None:
        own = k if size else alias
        table[k] = k * capacity + size << SHARE_BITS | (own << 16 if pairs else 0) | alias

    while small and large:
        k, alias = small.pop(), large[-1]
        fill(k, left[k], alias)
        left[alias] -= capacity - left[k]
        if left[alias] < capacity:
            small.append(large.pop())
    for k in large:
        fill(k, 0, k)
    return table
