"""The buffers of a program's outputs: rows to put texts into, and the lines made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mockdata.render.program import Line
from mockdata.render.steps import PutLength, PutText, Step
from mockdata.render.tables import lengths, texts
from mockdata.vaults.frozen import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Offsets", "Output", "made_output"]

Offsets: TypeAlias = "NDArray[np.intp]"


class Output:
    """Lines of one width, side by side."""

    def __init__(self, line: Line, capacity: int) -> None:
        self._width = len(line.template)
        self._capacity = capacity
        self._rows = np.tile(np.frombuffer(line.template, np.uint8), capacity)

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self._rows.nbytes

    def field(self, offset: int, dtype: Any) -> NDArray[Any]:
        """Return the view of a place in every row."""
        return np.ndarray((self._capacity,), dtype, self._rows, offset, (self._width,))

    def advance(self, unit: int) -> Offsets:
        """Return the view of how many bytes a unit of each row has."""
        raise NotImplementedError

    def lines(self, count: int) -> memoryview:
        """Return the first lines."""
        return self._rows[: count * self._width].data

    def measure(self, count: int) -> int:
        """Return the bytes of so many lines."""
        return count * self._width

    def ends(self, count: int) -> Offsets:
        """Return where the first lines end."""
        return np.arange(1, count + 1) * self._width


class UnitsOutput(Output):
    """Lines of varying width: the units of the rows, moved to where they belong.

    Units are moved in full and in order, row after row. Each overwrites the excess of the row
    before. The final ones extend past the last line, where the buffer has room for them.
    """

    def __init__(self, line: Line, capacity: int) -> None:
        super().__init__(line, capacity)
        self._units = len(line.advances)
        self._advances = np.tile(np.array(line.advances, np.intp), (capacity, 1))
        self._moved = self._rows.view(f"V{line.unit}")
        self._offsets = np.zeros(capacity * self._units + 1, np.intp)
        self._text, (self._at,) = _text(line, capacity, [line.unit])

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        own = (self._rows, self._advances, self._offsets, self._text)
        return sum(buffer.nbytes for buffer in own)

    def advance(self, unit: int) -> Offsets:
        """Return the view of how many bytes a unit of each row has."""
        return self._advances[:, unit]

    def lines(self, count: int) -> memoryview:
        """Return the first lines."""
        units = count * self._units
        offsets = self._offsets
        np.cumsum(self._advances[:count].reshape(-1), out=offsets[1 : units + 1])
        self._at[offsets[:units]] = self._moved[:units]
        return self._text[: offsets[units]].data

    def measure(self, count: int) -> int:
        """Return the bytes of so many lines."""
        return int(self._advances[:count].sum())

    def ends(self, count: int) -> Offsets:
        """Return where the first lines end."""
        return self._offsets[self._units : count * self._units + 1 : self._units]


@frozen
class Span:
    """Units that are moved as one: from ``start`` on, ``width`` bytes, of which ``least`` stay.

    ``room`` is the width including any excess of the texts. ``unit`` is the only unit, if its
    advance varies; else -1.
    """

    start: int
    width: int
    room: int
    least: int
    unit: int


class SpansOutput(Output):
    """Lines of varying width where all rows' first span can be moved, then all rows' second.

    That is faster than moving them row after row. But a span's excess must not reach past its own
    line, where another row's spans may be already: see ``_fits``.
    """

    def __init__(self, line: Line, capacity: int, spans: Sequence[Span]) -> None:
        self._capacity = capacity
        self._spans = spans
        self._texts = []
        for span in spans:
            literal = np.frombuffer(line.template, np.uint8)[span.start :][: span.room]
            self._texts.append(np.tile(literal, capacity))
        self._moved = [self.field(span.start, f"V{span.width}") for span in spans]
        self._lengths = [np.empty(capacity, np.intp) if s.unit >= 0 else None for s in spans]
        self._fixed = sum(span.width for span in spans if span.unit < 0)
        self._starts = np.zeros(capacity + 1, np.intp)
        self._offsets = np.empty(capacity, np.intp)
        self._text, self._at = _text(line, capacity, [span.width for span in spans])

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        own = (*self._texts, *self._lengths, self._starts, self._offsets, self._text)
        return sum(buffer.nbytes for buffer in own if buffer is not None)

    def field(self, offset: int, dtype: Any) -> NDArray[Any]:
        """Return the view of a place in every row."""
        k = max(k for k, span in enumerate(self._spans) if span.start <= offset)
        span = self._spans[k]
        at = offset - span.start
        return np.ndarray((self._capacity,), dtype, self._texts[k], at, (span.room,))

    def advance(self, unit: int) -> Offsets:
        """Return the view of how many bytes a unit of each row has."""
        pairs = zip(self._lengths, self._spans, strict=True)
        return next(found for found, span in pairs if span.unit == unit and found is not None)

    def lines(self, count: int) -> memoryview:
        """Return the first lines."""
        starts, offsets = self._starts, self._offsets[:count]
        self._sum(offsets)
        np.cumsum(offsets, out=starts[1 : count + 1])
        at = starts[:count]
        moves = zip(self._at, self._moved, self._lengths, self._spans, strict=True)
        for view, moved, advance, span in moves:
            view[at] = moved[:count]
            if span is not self._spans[-1]:
                np.add(at, span.width if advance is None else advance[:count], out=offsets)
                at = offsets
        return self._text[: starts[count]].data

    def _sum(self, out: Offsets) -> None:
        """Write the lines' lengths."""
        first, *others = [advance for advance in self._lengths if advance is not None]
        np.add(first[: len(out)], self._fixed, out=out)
        for other in others:
            np.add(out, other[: len(out)], out=out)

    def measure(self, count: int) -> int:
        """Return the bytes of so many lines."""
        self._sum(self._offsets[:count])
        return int(self._offsets[:count].sum())

    def ends(self, count: int) -> Offsets:
        """Return where the first lines end."""
        return self._starts[1 : count + 1]


def made_output(line: Line, number: int, steps: Sequence[Step], capacity: int) -> Output:
    """Return the buffers of an output, by its number."""
    if not line.unit:
        return Output(line, capacity)
    spans = [*_spans(line, number, steps)]
    return SpansOutput(line, capacity, spans) if _fits(spans) else UnitsOutput(line, capacity)


def _text(line: Line, capacity: int, widths: Sequence[int]) -> tuple[NDArray[np.uint8], list[Any]]:
    """Return a buffer for lines, and views of it: item k of a view begins at byte k of a row."""
    head = len(line.head)
    text = np.zeros(head + capacity * line.longest + max(widths), np.uint8)
    text[:head] = np.frombuffer(line.head, np.uint8)
    views = [
        np.ndarray((len(text) - head - width + 1,), f"V{width}", text, head, (1,))
        for width in widths
    ]
    return text, views


def _spans(line: Line, number: int, steps: Sequence[Step]) -> Iterator[Span]:
    """Return the spans of a row: consecutive units of fixed width are one span."""
    reaches, shortest = _measured(line, number, steps)
    run: list[int] = []
    for unit, advance in enumerate(line.advances):
        if advance:
            run.append(unit)
        if run and (not advance or unit + 1 == len(line.advances)):
            width = sum(line.advances[k] for k in run)
            ends = [(k - run[0]) * line.unit + reaches.get(k, 0) for k in run]
            yield Span(run[0] * line.unit, width, max(width, *ends), width, -1)
            run = []
        if not advance:
            most = max(1, reaches.get(unit, 0))
            yield Span(unit * line.unit, most, most, shortest.get(unit, 1), unit)


def _measured(
    line: Line, number: int, steps: Sequence[Step]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return how far the texts put into each unit reach, and its shortest text."""
    reaches: dict[int, int] = {}
    shortest: dict[int, int] = {}
    for step in steps:
        if isinstance(step, PutText):
            for at in [at for output, at in step.places if output == number]:
                unit, offset = divmod(at, line.unit)
                end = offset + texts(step.table).itemsize
                reaches[unit] = max(reaches.get(unit, 0), end)
        elif isinstance(step, PutLength) and step.table:
            least = int(lengths(step.table, step.more).min())
            shortest.update({unit: least for output, unit in step.places if output == number})
    return reaches, shortest


def _fits(spans: Sequence[Span]) -> bool:
    """Return whether each span, in full, ends within the shortest line that it may be in.

    The last span has to have a fixed width: then nothing in a line extends past it, and the spans
    that follow overwrite the excess of a span.
    """
    behind = 0
    for span in reversed(spans):
        if span.width - span.least > behind:
            return False
        behind += span.least
    return True
