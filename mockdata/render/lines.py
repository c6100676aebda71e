"""Rows: where the items of an output go, and the steps that put them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mockdata.render.evens import Steps, justified
from mockdata.render.items import Cell, Count, Item, Lit, Spell, longest
from mockdata.render.program import Line
from mockdata.render.steps import PutLength, PutSuffix, PutText, PutUuid, Table
from mockdata.vaults.frozen import frozen

__all__ = ["Put", "Rows", "power_of_two"]

Put = PutText | PutSuffix | PutUuid | PutLength

UUID: Final = bytes(8) + b"-" + bytes(4) + b"-" + bytes(4) + b"-" + bytes(4) + b"-" + bytes(12)

SCATTER: Final = 4.5, 0.03
"""Nanoseconds that moving a unit takes, and those for each of its bytes; measured with numpy."""


@frozen
class Segment:
    """What is moved as one: items of one width, or one of varying width and a literal behind it."""

    items: tuple[Item, ...]
    width: int
    varies: bool


class Rows:
    """The rows of all outputs, and the puts that fill them."""

    def __init__(self, steps: Steps) -> None:
        self.lines: list[Line] = []
        self._steps = steps
        self._puts: dict[tuple[object, ...], list[tuple[int, int]]] = {}

    def add(self, items: Iterable[Item]) -> None:
        """Add an output whose lines have these items."""
        merged = _merged(items)
        most = sum(longest(item)[1] for item in merged)
        segments, head = _segments(merged)
        if not any(segment.varies for segment in segments):
            template = b"".join(self._run(segment, 0) for segment in segments)
            self.lines.append(Line(template, longest=most, items=tuple(merged)))
            return
        unit = _unit(segments)
        template, advances = b"", list[int]()
        for segment in segments:
            count = -(-segment.width // unit)
            fill = self._varying if segment.varies else self._run
            text = fill(segment, len(template))
            template += text.ljust(count * unit, b"\0")
            if segment.varies:
                self._length(segment, len(advances))
                advances.append(0)
            else:
                advances += [unit] * (count - 1) + [segment.width - (count - 1) * unit]
        self.lines.append(Line(template, unit, tuple(advances), head, most, tuple(merged)))

    def puts(self) -> list[Put]:
        """Return the steps that fill the rows."""
        return [kind(*args, tuple(places)) for (kind, *args), places in self._puts.items()]  # type: ignore[operator]

    def _put(self, offset: int, *step: object) -> None:
        self._puts.setdefault(step, []).append((len(self.lines), offset))

    def _run(self, segment: Segment, offset: int) -> bytes:
        """Put the items of a run side by side from an offset on; return their literals."""
        template = b""
        for item in segment.items:
            at = offset + len(template)
            match item:
                case Lit(text):
                    template += text
                case Cell(factors, pick):
                    self._put(at, PutText, pick, Table(factors))
                    template += bytes(longest(item)[1])
                case Spell("suffix", hash):
                    self._put(at, PutSuffix, hash)
                    template += bytes(longest(item)[1])
                case Spell(_, hash):
                    self._put(at, PutUuid, hash)
                    template += UUID
        return template

    def _varying(self, segment: Segment, offset: int) -> bytes:
        item, *ends = segment.items
        if isinstance(item, Cell):
            end = b"".join(lit.text for lit in ends if isinstance(lit, Lit))
            self._put(offset, PutText, item.pick, Table(item.factors, end))
        elif isinstance(item, Count):
            cells, self._digits = justified(self._steps, item)
            self._run(Segment(tuple(cells), item.digits, varies=False), offset)
        return bytes(segment.width)

    def _length(self, segment: Segment, unit: int) -> None:
        item, *ends = segment.items
        if isinstance(item, Cell):
            more = sum(longest(end)[1] for end in ends)
            self._put(unit, PutLength, item.pick, Table(item.factors), more)
        else:
            self._put(unit, PutLength, self._digits, None, 0)


def _merged(items: Iterable[Item]) -> list[Item]:
    """Return items without empty literals, and with neighbouring literals joined."""
    merged: list[Item] = []
    for item in items:
        if isinstance(item, Lit) and merged and isinstance(merged[-1], Lit):
            merged[-1] = Lit(merged[-1].text + item.text)
        elif longest(item)[1]:
            merged.append(item)
    return merged


def _varies(item: Item) -> bool:
    low, high = longest(item)
    return low < high


def _segments(items: Sequence[Item]) -> tuple[list[Segment], bytes]:
    """Return the segments of a row, and its head.

    A literal before a varying item moves to the row's end, where it begins the next line: this
    saves a segment. A literal behind a varying text joins its segment, if no run would take it.
    """
    items, head = list(items), b""
    if len(items) > 1 and isinstance(items[0], Lit) and _varies(items[1]):
        head = items[0].text
        items = _merged([*items[1:], items[0]])
    segments: list[Segment] = []
    run: list[Item] = []
    for k, item in enumerate(items):
        alone = isinstance(item, Lit) and (k + 1 == len(items) or _varies(items[k + 1]))
        if _varies(item):
            segments += _as_run(run)
            segments.append(Segment((item,), longest(item)[1], varies=True))
            run = []
        elif alone and not run and segments and isinstance(segments[-1].items[0], Cell):
            last = segments.pop()
            segments.append(
                Segment((*last.items, item), last.width + longest(item)[1], varies=True)
            )
        else:
            run.append(item)
    return segments + _as_run(run), head


def _as_run(run: Sequence[Item]) -> list[Segment]:
    width = sum(longest(item)[1] for item in run)
    return [Segment(tuple(run), width, varies=False)] if run else []


def _unit(segments: Sequence[Segment]) -> int:
    """Return the width of units that costs least."""
    least = max(power_of_two(s.width) for s in segments if s.varies)
    runs = [s.width for s in segments if not s.varies]
    choices = {least, *(max(least, -(-run // k)) for run in runs for k in range(1, 5))}

    def cost(unit: int) -> float:
        count = sum(-(-segment.width // unit) for segment in segments)
        return count * (SCATTER[0] + SCATTER[1] * unit)

    return -(-min(choices, key=cost) // 8) * 8


def power_of_two(width: int) -> int:
    """Return the next power of two up to 16, or the width itself beyond that."""
    return 1 << (width - 1).bit_length() if width <= 16 else width
