"""Keyed permutations: of all 64-bit words, and of exactly the texts that a pattern can spell.

**Of words.** Every index below 2**40 is in the domain::

    h = offset + index * gamma              gamma is odd
    h = (h ^ h >> 30) * MIX_1
    h = (h ^ h >> 27) * MIX_2
    h =  h ^ h >> 31

*Why it is one.* Adding a constant is undone by subtracting it. An odd number has an inverse modulo
2**64, so multiplying by one is undone by multiplying by its inverse. And ``h ^ h >> s`` keeps the
top s bits, which uncover the next s, and so on down. Every step can be undone, so all of them
together can be: two indices never share an ``h``. The steps are SplitMix64 (Steele, Lea and Flood,
"Fast Splittable Pseudorandom Number Generators", OOPSLA 2014) with the constants of Stafford's
variant 13; ``offset`` and ``gamma`` are the key. **Of a suffix.** 16 places of 5 bits make 80 bits.
Each of the 8 bytes of ``h`` gives its low 5 bits to one of the first 8 places and its high 3 bits
to one of the last 8: the suffix holds all of ``h`` and never repeats. The 2 bits that the last 8
places still lack come from a hash of ``h``. Five bits are a character of the base 32 alphabet of
RFC 4648, in lower case: a-z, then 2-7. **Of a UUID.** 122 bits hold ``h`` and a hash of it;
``puts.spelled_uuid`` has the places. **Of combinations.** The numbers below ``size`` stand for the
combinations of a pattern's even pieces. ``left * right`` is ``size`` or a little more; the two are
similar. A number is split:: l, r = divmod(number, right) l = (l + F0(r)) % left r = (r + F1(l)) %
right l = (l + F2(r)) % left and so on, ``rounds`` times r = (r + F3(l)) % right number = l * right
+ r again from the top while number >= size *Why it is one.* A round changes one half by an amount
that depends only on the other half, which stays the same. So subtracting that amount undoes it, and
all rounds together permute the numbers below ``left * right``. If that is more than ``size``,
walking on from a number below ``size`` until the next one below ``size`` permutes those: the
permutation's cycles stay, with what is too large left out of them (Black and Rogaway, "Ciphers with
Arbitrary Finite Domains", CT-RSA 2002). With ``left`` the root of ``size``, less than one number in
``left`` is too large.

``F`` is a multiply-shift of a keyed mix. With ``t = x * ROUND_1 + key``, folded as ``t ^ t >> 32``,
and then times ``ROUND_2``, it is ``t * modulus >> 64``: of t, for a modulus of b bits, the b lowest
ones count as zeros if b is at most 32. Each round has its own key.

A Feistel network over sums; on few rounds for small domains see Morris, Rogaway and Stegers, "How
to Encipher Messages on a Small Domain", CRYPTO 2009. This is not encryption: it has to look random,
not resist an attacker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import accumulate
from math import isqrt
from operator import mul
from typing import Final

from mockdata.vaults.frozen import frozen

__all__ = [
    "DRAW",
    "FILL",
    "GOLDEN",
    "MASK",
    "MIX_1",
    "MIX_2",
    "MOST_COMBINATIONS",
    "ROUND_1",
    "ROUND_2",
    "Permutation",
    "Rounds",
]

MASK: Final = 2**64 - 1

MIX_1: Final = 0xBF58476D1CE4E5B9
MIX_2: Final = 0x94D049BB133111EB

FILL: Final = 0xFF51AFD7ED558CCD
"""Multiplier for a suffix's or a UUID's other bits, from MurmurHash3's finaliser (Appleby)."""

DRAW: Final = 0xC4CEB9FE1A85EC53
"""Multiplier for the first word that texts are drawn from: the same finaliser's other one."""

GOLDEN: Final = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio, odd: what SplitMix64 steps by. The other words' step."""

ROUND_1: Final = 0x9E3779B97F4A7C15
ROUND_2: Final = 0xD6E8FEB86659FD93
"""Multipliers of a round's mix: the golden ratio's, and that of Evensen's rrmxmx."""

MOST_COMBINATIONS: Final = 2**63
"""The largest domain whose halves need not be of whole pieces: its numbers fit into a word."""

BALANCED: Final = 16
"""How much larger one half may be than the other, for the pieces to be split between two."""


@frozen
class Permutation:
    """A permutation of the 64-bit words, keyed by ``offset`` and the odd ``gamma``."""

    offset: int
    gamma: int

    @classmethod
    def keyed(cls, seed: int, vault: str, kind: str) -> Permutation:
        """Return the permutation of one seed, vault and kind; it is unrelated to all others."""
        key = hashlib.blake2b(f"{seed}/{vault}/{kind}".encode(), digest_size=16).digest()
        offset, gamma = (int.from_bytes(half, "little") for half in (key[:8], key[8:]))
        return cls(offset, gamma | 1)


@frozen
class Rounds:
    """A permutation of the numbers below ``size``, keyed by one word a round."""

    size: int
    left: int
    right: int
    keys: tuple[int, ...]

    @classmethod
    def keyed(cls, seed: int, vault: str, kind: str, sizes: Iterable[int]) -> Rounds:
        """Return the permutation of the combinations of pieces that have these sizes.

        If there are more than 2**63, the halves are of whole pieces.
        """
        products = list(accumulate(sizes, mul, initial=1))
        size = products[-1]
        left, right = _halves(products)
        count = 4 if 2**32 <= size <= MOST_COMBINATIONS else 6 if size >= 2**16 else 10
        key = hashlib.blake2b(f"{seed}/{vault}/{kind}/rounds".encode())
        stream = key.digest() + hashlib.blake2b(key.digest()).digest()
        words = [int.from_bytes(stream[8 * k : 8 * k + 8], "little") for k in range(count)]
        return cls(size, left, right, tuple(words))


def _halves(products: list[int]) -> tuple[int, int]:
    """Return the sizes of the halves: of whole pieces if that is balanced, else of the root.

    ``products`` are those of the first pieces, from none of them to all.
    """
    size = products[-1]
    left = min(products, key=lambda product: max(product, size // product))
    low, high = sorted((left, size // left))
    if (high <= BALANCED * low and size >= 2**16) or size > MOST_COMBINATIONS:
        return left, size // left
    root = isqrt(size - 1) + 1
    return root, -(-size // root)
