"""Runs programs compiled: packs them for ``_native.c``, which makes the bytes that numpy makes.

A packed program is an array of 64-bit words, and the tables that they number. This renderer reads
registers where numpy's moves texts. So it needs only a program's computing steps and the items of
each line.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mockdata.render import native_tables as tables
from mockdata.render._native import Renderer
from mockdata.render.items import Cell, Count, Item, Lit, Spell, longest
from mockdata.render.native_tables import Packed
from mockdata.render.permute import GOLDEN, MASK
from mockdata.render.program import Line, Program
from mockdata.render.schedule import needed
from mockdata.render.steps import (
    INDEX,
    CheckDigit,
    Digit,
    Distinct,
    Factor,
    Fraction,
    Join,
    Names,
    Permute,
    Pick,
    Scatter,
    Shift,
    Split,
    Step,
    Term,
    Texts,
    Tweak,
    Weights,
    Wide,
    Word,
)

__all__ = ["pack", "renderer"]

VERSION: Final = 1
WORDS: Final = 2**64

(
    DISTINCT,
    PERMUTE,
    FIRST_WORD,
    WORD,
    PICK,
    DRAWN,
    DIGIT,
    WIDE,
    SCATTER,
    JOIN,
    SPLIT,
    TWEAK,
    SHIFT,
    CHECK,
) = range(14)

KINDS: Final = {"text": 0, "suffix": 1, "uuid": 2, "number": 3}

TOGETHER: Final = {True: 15, False: 16}
"""Bytes of a text that a literal is added to, at most, if its length varies and if not."""


def renderer(program: Program, capacity: int, *, wide: bool = True) -> Renderer:
    """Return a renderer of ranges of at most ``capacity`` records.

    It computes eight records at a time if ``wide`` and the processor can.
    """
    words, blobs = pack(program)
    return Renderer(words, blobs, capacity, wide)


def pack(program: Program) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a program's words, and the content of the tables that they number."""
    packer = _Packer()
    lines = [[*_merged(line)] for line in program.lines]
    items = [item for line in lines for item in line]
    made = needed(program.steps, map(_register, items))
    measured = needed(program.steps, map(_register, filter(varies, items)))
    steps = [packer.step(program.steps[k], k in measured) for k in sorted(made)]
    outputs = [packer.output(line) for line in lines]
    words = array("Q", (VERSION, program.registers, len(packer.tables), len(steps), len(outputs)))
    for part in (*packer.tables, *steps, *outputs):
        words.extend(part)
    return words.tobytes(), tuple(packer.blobs)


def _register(item: Item) -> int:
    """Return the register that an item is read from, or the index's register if there is none."""
    match item:
        case Lit():
            return INDEX
        case Cell(_, pick):
            return pick
        case Spell(_, hash):
            return hash
        case Count(number, _):
            return number


def varies(item: Item) -> bool:
    """Return whether an item's texts have several lengths."""
    low, high = longest(item)
    return low < high


def _merged(line: Line) -> Iterator[Item]:
    """Return a line's items. If its width varies, literals are added to short texts."""
    items = [*line.items]
    while items:
        item = items.pop(0)
        behind = items[0] if items and not line.is_fixed else None
        if isinstance(item, Cell) and isinstance(behind, Lit) and not _is_name(item):
            low, high = longest(item)
            if high + len(behind.text) <= TOGETHER[low < high]:
                del items[0]
                item = Cell((*item.factors, Texts((behind.text,))), item.pick)
        yield item


def _is_name(cell: Cell) -> bool:
    """Return whether a table has the census's names: those are stored as they are used."""
    return isinstance(cell.factors[0], Names)


class _Packer:
    """Numbers the tables of one program, and packs its steps and lines as words."""

    def __init__(self) -> None:
        self.tables: list[tuple[int, ...]] = []
        self.blobs: list[bytes] = []
        self._known: dict[object, int] = {}

    def output(self, items: Sequence[Item]) -> list[int]:
        """Return how many items a line has, and the items."""
        words = [len(items)]
        for item in items:
            match item:
                case Lit(text):
                    words += KINDS["text"], 0, self._texts((Texts((text,)),))
                case Cell(factors, pick):
                    words += KINDS["text"], pick, self._texts(factors)
                case Spell(kind, hash):
                    words += KINDS[kind], hash, 0
                case Count(number, _):
                    words += KINDS["number"], number, 0
        return words

    def step(self, step: Step, measured: bool) -> list[int]:  # noqa: FBT001
        """Return a step's kind, whether lengths depend on it, its operands and how many."""
        kind, *operands = self._operands(step)
        return [kind, measured, len(operands), *operands]

    def _operands(self, step: Step) -> tuple[int, ...]:  # noqa: C901, PLR0911, PLR0912
        match step:
            case Distinct(out, source, key, size):
                return DISTINCT, out, source, key.offset, key.gamma, size
            case Permute(out, source, key):
                return PERMUTE, out, source, key.offset, key.gamma
            case Word(out, hash, 0):
                return FIRST_WORD, out, hash
            case Word(out, hash, number):
                return WORD, out, hash, number * GOLDEN & MASK
            case Pick(out, word, lower, weights):
                return PICK, out, word, lower, self._buckets(weights)
            case Fraction(out, word):
                return DRAWN, out, word
            case Digit(out, fraction, size):
                return DIGIT, out, fraction, size
            case Wide(out, first, second, size):
                return WIDE, out, first, second, size
            case Scatter(left, right, number, rounds, tweak):
                size = rounds.size if rounds.size < WORDS else 0
                halves = size, rounds.left, rounds.right
                return SCATTER, left, right, number, max(tweak, 0), *halves, *rounds.keys
            case Join(out, high, size, low):
                return JOIN, out, high, size, low
            case Split(high, low, number, size):
                return SPLIT, high, low, number, size
            case Tweak(out, key_word, registers):
                return TWEAK, out, key_word, *registers
            case Shift(out, number, start, factor, gaps):
                return SHIFT, out, number, start, factor, *(word for gap in gaps for word in gap)
            case CheckDigit(out, terms):
                return CHECK, out, *(word for term in terms for word in self._term(term))
        raise TypeError(step)

    def _term(self, term: Term) -> tuple[int, int, int]:
        table = self._texts(term.table.factors) if term.kind == "text" else 0
        return KINDS[term.kind], max(term.source, 0), table

    def _texts(self, factors: tuple[Factor, ...]) -> int:
        return self._number(factors, lambda: tables.packed(factors))

    def _buckets(self, weights: Weights) -> int:
        return self._number(weights, lambda: tables.buckets(weights))

    def _number(self, key: object, make: Callable[[], Packed]) -> int:
        """Return the number of a table; the first call for a table adds it."""
        if key not in self._known:
            self._known[key] = len(self.tables)
            made = make()
            blob, width = len(self.blobs), made.width
            self.blobs.append(made.content)
            if made.kind == tables.LONG:
                width = len(self.blobs)
                self.blobs.append(made.offsets)
            self.tables.append((made.kind, blob, made.rows, width))
        return self._known[key]
