"""Even pieces are the digits of a number: how this number is split into rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import prod
from typing import Final

from mockdata.render.items import DIGITS, Cell, Count, Item, even_factors, longest, widths
from mockdata.render.layout import Escape
from mockdata.render.permute import MOST_COMBINATIONS
from mockdata.render.steps import (
    Days,
    Digit,
    Factor,
    Join,
    Justify,
    Numbers,
    Shift,
    Split,
    Step,
    Texts,
)
from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import Even

__all__ = [
    "Between",
    "Group",
    "Steps",
    "atoms",
    "chunks",
    "drawn",
    "groups",
    "justified",
    "selected",
]

TABLE: Final = 10_000
"""Texts of a table merged from several pieces, at most: it has to fit into a core's cache."""

WIDEST: Final = 16
"""Bytes of such a text, at most."""

SHARED: Final = 2**30
"""Product of the sizes of the pieces that share a word, at most: they are even to within 2**-18."""

ENOUGH: Final = 2**48
"""Combinations that hold every index and leave room for it to look random."""


Between = Mapping[int, tuple[bytes, int]]
"""Maps a piece to the literal behind it and the next even piece, if nothing else is between."""


class Steps:
    """Steps in the making, and the registers that they fill."""

    def __init__(self) -> None:
        self.made: list[Step] = []
        self.registers = 1

    def register(self) -> int:
        """Return a new register."""
        self.registers += 1
        return self.registers - 1

    def join(self, digits: Sequence[tuple[int, int]]) -> int:
        """Return a register of the number that has these digits: registers and sizes."""
        number = -1
        for register, size in digits:
            if number < 0:
                number = register
                continue
            out = self.register()
            self.made.append(Join(out, number, size, register))
            number = out
        return number

    def split(self, number: int, sizes: Sequence[int]) -> list[int]:
        """Return registers of a number's digits in these sizes."""
        if not sizes:
            return []
        digits = []
        for k in range(1, len(sizes)):
            high, low = self.register(), self.register()
            self.made.append(Split(high, low, number, prod(sizes[k:])))
            digits.append(high)
            number = low
        return [*digits, number]

    def digits(self, fraction: int, sizes: Sequence[int]) -> list[int]:
        """Draw numbers below these sizes from a fraction, and return their registers."""
        made = []
        for size in sizes:
            out = self.register()
            self.made.append(Digit(out, fraction, size))
            made.append(out)
        return made


@frozen
class Atom:
    """An even piece, or one digit of it: its piece's position, and its texts."""

    place: int
    factor: Factor

    @property
    def size(self) -> int:
        """How many texts there are."""
        return factor_size(self.factor)

    @property
    def plain(self) -> bool:
        """Whether the atom may be merged with its neighbours."""
        low, high = widths(self.factor)
        return low == high and self.size <= TABLE and high <= WIDEST


@frozen
class Group:
    """Neighbours that are one table: their atoms, and the factors with literals between them."""

    atoms: tuple[Atom, ...]
    factors: tuple[Factor, ...]

    @property
    def size(self) -> int:
        """How many texts there are."""
        return prod(atom.size for atom in self.atoms)

    def item(self, steps: Steps, pick: int) -> Item | list[Item]:
        """Return the text in a row of the table, or the number that the row stands for."""
        atom = self.atoms[0]
        if not isinstance(atom.factor, Numbers) or atom.size <= TABLE:
            return Cell(self.factors, pick)
        return _number(steps, pick, atom.factor)


def factor_size(factor: Factor) -> int:
    """Return how many texts a factor has."""
    match factor:
        case Texts(texts):
            return len(texts)
        case Numbers(ranges, _):
            return sum(last - first + 1 for first, last in ranges)
        case Days(_, size, _):
            return size
    raise TypeError(factor)


def _number(steps: Steps, pick: int, factor: Numbers) -> Item | list[Item]:
    """Return the text of a number that is in no table, four digits at a time."""
    (first, last), *others = factor.ranges
    gaps, before = [], last - first + 1
    for a, b in others:
        gaps.append((before, a - last - 1))
        before, last = before + b - a + 1, b
    number = steps.register()
    steps.made.append(Shift(number, pick, first, 1, tuple(gaps)))
    low, high = widths(factor)
    return Count(number, high) if low < high else cells(steps, number, high)


def cells(steps: Steps, number: int, digits: int) -> list[Item]:
    """Return cells of a number's digits, four at a time from the right."""
    sizes = [4] * (digits // 4)
    if digits % 4:
        sizes.insert(0, digits % 4)
    picks = steps.split(number, [10**size for size in sizes])
    return [Cell((DIGITS,) * size, pick) for size, pick in zip(sizes, picks, strict=True)]


def justified(steps: Steps, count: Count) -> tuple[list[Item], int]:
    """Return cells of a number's digits, from the first one on, and a register of how many."""
    out, length = steps.register(), steps.register()
    steps.made.append(Justify(out, length, count.number, count.digits))
    return cells(steps, out, count.digits), length


def atoms(place: int, piece: Even, escape: Escape) -> list[Atom]:
    """Return the atoms of an even piece."""
    return [Atom(place, factor) for factor in even_factors(piece, escape)]


def groups(section: Sequence[Atom], between: Between, cuts: AbstractSet[int]) -> Iterator[Group]:
    """Merge neighbouring atoms of a section, up to the size of a table.

    No group extends past the beginning of a piece in ``cuts``.
    """
    merged: list[Atom] = []
    factors: list[Factor] = []
    for atom in section:
        added = _added(merged, factors, atom, between, cuts)
        if added is None:
            yield Group(tuple(merged), tuple(factors))
            merged, factors, added = [], [], (atom.factor,)
        merged.append(atom)
        factors.extend(added)
    if merged:
        yield Group(tuple(merged), tuple(factors))


def _added(
    merged: list[Atom],
    factors: list[Factor],
    atom: Atom,
    between: Between,
    cuts: AbstractSet[int],
) -> tuple[Factor, ...] | None:
    """Return the factors that an atom adds to a group, or None if it begins another one."""
    if not merged:
        return (atom.factor,)
    last = merged[-1]
    if not (last.plain and atom.plain):
        return None
    added: tuple[Factor, ...] = (atom.factor,)
    if atom.place != last.place:
        literal, following = between.get(last.place, (b"", -1))
        if atom.place != following or any(last.place < cut <= following for cut in cuts):
            return None
        added = (Texts((literal,)), atom.factor) if literal else added
    width = longest(Cell((*factors, *added), 0))[1]
    size = prod(a.size for a in merged) * atom.size
    return added if size <= TABLE and width <= WIDEST else None


def selected(sizes: Sequence[int]) -> list[bool]:
    """Return which pieces the permuted index takes: see ``mockdata.render.program``."""
    if prod(sizes) <= MOST_COMBINATIONS:
        return [True] * len(sizes)
    large = next((k for k, size in enumerate(sizes) if size >= ENOUGH), None)
    if large is not None:
        return [k == large for k in range(len(sizes))]
    return [prod(sizes[:k]) < ENOUGH for k in range(len(sizes))]


def chunks(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut a row of pieces so that each part has at most 2**63 combinations."""
    start, product = 0, 1
    for k, size in enumerate(sizes):
        if product * size > MOST_COMBINATIONS and k > start:
            yield slice(start, k)
            start, product = k, 1
        product *= size
    if start < len(sizes):
        yield slice(start, len(sizes))


def drawn(sizes: Sequence[int]) -> Iterator[tuple[slice, int]]:
    """Cut a row of pieces into those that share words, and say how many words that are."""
    start, product = 0, 1
    for k, size in enumerate(sizes):
        if product * size > SHARED and k > start:
            yield slice(start, k), 2 if product > SHARED else 1
            start, product = k, 1
        product *= size
    if start < len(sizes):
        yield slice(start, len(sizes)), 2 if product > SHARED else 1
