"""The order of steps, and the widths of the texts that they put.

A text is put as soon as its row is known. numpy moves 1, 2, 4, 8 and 16 bytes three times as fast
as other widths. So a text of another width is widened: by literals that follow it anyway, and over
places that are filled later. Where that is not possible it is put in two parts that overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mockdata.render.items import UUID_FIELDS, Cell, longest
from mockdata.render.lines import Put, power_of_two
from mockdata.render.program import Line
from mockdata.render.steps import (
    CheckDigit,
    Digit,
    Distinct,
    Fraction,
    Join,
    Justify,
    Permute,
    Pick,
    PutLength,
    PutSuffix,
    PutText,
    PutUuid,
    Scatter,
    Shift,
    Split,
    Step,
    Table,
    Tweak,
    Wide,
    Word,
)

__all__ = ["needed", "reads", "scheduled", "writes"]

LITERAL: Final = -1
FREE: Final = -2

WIDEST: Final = 16


def writes(step: Step) -> tuple[int, ...]:
    """Return the registers that a step fills."""
    match step:
        case PutText() | PutSuffix() | PutUuid() | PutLength():
            return ()
        case Scatter(left, right):
            return left, right
        case Split(high, low):
            return high, low
        case Justify(out, length):
            return out, length
    return (step.out,)


def reads(step: Step) -> tuple[int, ...]:  # noqa: PLR0911
    """Return the registers that a step needs, a fraction that it changes included."""
    match step:
        case Pick(_, source) | Word(_, source) | Fraction(_, source) | Digit(_, source):
            return (source,)
        case Distinct(_, source) | Permute(_, source) | Shift(_, source):
            return (source,)
        case Scatter(_, _, number, _, tweak):
            return tuple(k for k in (number, tweak) if k >= 0)
        case Wide(_, first, second):
            return first, second
        case Join(_, high, _, low):
            return high, low
        case Split(_, _, number) | Justify(_, _, number):
            return (number,)
        case Tweak(_, _, registers):
            return registers
        case CheckDigit(_, terms):
            return tuple(term.source for term in terms if term.source >= 0)
        case PutText(source) | PutSuffix(source) | PutUuid(source) | PutLength(source):
            return (source,)


def needed(steps: Sequence[Step], registers: Iterable[int]) -> set[int]:
    """Return which steps are needed to compute registers, by their numbers.

    If a digit of a fraction is needed, so are the digits before it.
    """
    wanted, chosen = {*registers}, set[int]()
    for turn in reversed(range(len(steps))):
        step = steps[turn]
        draws = isinstance(step, Digit) and step.fraction in wanted
        if draws or wanted & {*writes(step)}:
            chosen.add(turn)
            wanted |= {*reads(step)}
    return chosen


def scheduled(steps: Sequence[Step], puts: Sequence[Put], lines: Sequence[Line]) -> list[Step]:
    """Return all steps in order, with each put behind the step that fills its register."""
    waiting: dict[int, list[Put]] = {}
    for put in puts:
        waiting.setdefault(reads(put)[0], []).append(put)
    order: list[Step] = []
    for step in steps:
        order.append(step)
        for register in writes(step):
            order += waiting.pop(register, [])
    return [*_widened(order, lines)]


def _widened(order: Sequence[Step], lines: Sequence[Line]) -> Iterator[Step]:
    owners = [_owners(number, line, order) for number, line in enumerate(lines)]
    for turn, step in enumerate(order):
        if not isinstance(step, PutText):
            yield step
            continue
        width = text_width(step.table)
        end = _behind(step, turn, width, lines, owners)
        if end is not None:
            table = step.table
            widened = Table(table.factors, table.end + end, 0, width + len(end))
            yield PutText(step.pick, widened, step.places)
            continue
        for start, part in _parts(width):
            places = tuple((output, offset + start) for output, offset in step.places)
            table = Table(step.table.factors, step.table.end, start, part)
            yield PutText(step.pick, table, places)


def text_width(table: Table) -> int:
    """Return the bytes of a table's longest text, with what stands behind it."""
    return longest(Cell(table.factors, 0))[1] + len(table.end)


def _owners(number: int, line: Line, order: Sequence[Step]) -> list[int]:
    """Return whose turn fills each byte of a row, in the end; a literal, or nothing."""
    owners = [LITERAL] * len(line.template)
    for unit, advance in enumerate(line.advances):
        first = unit * line.unit
        owners[first + advance : first + line.unit] = [FREE] * (line.unit - advance)
    for turn, step in enumerate(order):
        for offset, width in _fields(step, number):
            owners[offset : offset + width] = [turn] * width
    return owners


def _fields(step: Step, number: int) -> Iterator[tuple[int, int]]:
    """Return the offsets and widths of what a step puts into the rows of an output."""
    match step:
        case PutText(_, table, places):
            fields: tuple[tuple[int, int], ...] = ((0, text_width(table)),)
        case PutSuffix(_, places):
            fields = ((0, 16),)
        case PutUuid(_, places):
            fields = tuple((at, width) for at, width, _ in UUID_FIELDS)
        case _:
            return
    for output, offset in places:
        if output == number:
            yield from ((offset + at, width) for at, width in fields)


def _behind(
    step: PutText, turn: int, width: int, lines: Sequence[Line], owners: Sequence[list[int]]
) -> bytes | None:
    """Return the bytes that make a text's width a power of two, or None if none can."""
    missing = power_of_two(width) - width
    if width > WIDEST:
        return None
    texts: list[list[int]] = []
    for output, offset in step.places:
        template, owner = lines[output].template, owners[output]
        behind = range(offset + width, offset + width + missing)
        taken = any(0 <= one <= turn for one in owner[behind.start : behind.stop])
        if taken or behind.stop > _room(lines[output], offset):
            return None
        texts.append([template[k] if owner[k] == LITERAL else -1 for k in behind])
    made = [{text[k] for text in texts} - {-1} for k in range(missing)]
    if any(len(choices) > 1 for choices in made):
        return None
    return bytes(next(iter(choices), 0) for choices in made)


def _room(line: Line, offset: int) -> int:
    """Return where the units end that are moved together with the one at an offset."""
    if not line.unit:
        return len(line.template)
    last = offset // line.unit
    while line.advances[last] == line.unit and any(line.advances[last + 1 : last + 2]):
        last += 1
    return (last + 1) * line.unit


def _parts(width: int) -> list[tuple[int, int]]:
    """Return where to cut a text into parts that numpy moves fast, and how wide they are."""
    if width > WIDEST:
        starts = [*range(0, width - WIDEST, WIDEST), width - WIDEST]
        return [(start, WIDEST) for start in starts]
    part = 1 << width.bit_length() - 1
    return [(0, part), (width - part, part)]
