"""How many bytes a column's texts have on average: the basis for estimating a file's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mockdata.render.drawn import is_quoted, sources
from mockdata.render.layout import OFFSET, Columns, Escape, Layout, Texts, escaped
from mockdata.vaults import pieces as of
from mockdata.vaults.columns import Column
from mockdata.vaults.profile import profile

__all__ = ["mean_widths"]

NAMES: Final = {"first_name": 5.848, "last_name": 6.130}
"""Letters of a name on average, by the census's counts."""


def mean_widths(columns: Sequence[Column], layout: Layout, indices: range) -> tuple[float, ...]:
    """Return the bytes of a line of each output, on average over the indices of a run."""
    widths = [_mean(column, layout.escape, indices) for column in columns]
    if isinstance(layout, Texts):
        return *widths, *[float(OFFSET)] * len(widths)
    if isinstance(layout, Columns):
        return tuple(width + len(layout.end) for width in widths)
    placed = sum(widths[place] for place in layout.order(len(columns)))
    return (placed + sum(map(len, layout.gaps(len(columns)))),)


def _mean(column: Column, escape: Escape, indices: range) -> float:
    quotes = 2 if is_quoted(column, escape) else 0
    return quotes + sum(_piece(piece, escape, indices) for piece in sources(column))


def _piece(piece: of.Piece, escape: Escape, indices: range) -> float:
    match piece:
        case of.Literal() | of.Choice():
            texts = piece.texts if isinstance(piece, of.Choice) else (piece.text,)
            return _size("".join(texts), escape) / len(texts)
        case of.Weighted("list", texts=texts, weights=weights):
            total = sum(_size(text, escape) * n for text, n in zip(texts, weights, strict=True))
            return total / sum(weights)
        case of.Weighted(source):
            return NAMES[source]
        case of.Number(ranges, width):
            return _digits([range(first, last + 1) for first, last in ranges], width)
        case of.Index(start, step):
            first, stop = (start + step * index for index in (indices.start, indices.stop))
            return _digits([range(first, stop, step)])
    return profile(piece).most_bytes


def _size(text: str, escape: Escape) -> int:
    return len(escaped(text, escape).encode())


def _digits(numbers: Sequence[range], width: int = 1) -> float:
    """Return the digits of numbers on average: ``width``, and one for each power of ten beyond."""
    width, more = max(width, 1), 0
    highest = max((each[-1] for each in numbers if each), default=0)
    for digits in range(width, len(str(highest))):
        more += sum(_count(each, 10**digits) for each in numbers)
    return width + more / max(sum(_count(each, 0) for each in numbers), 1)


def _count(numbers: range, least: int) -> int:
    """Return about how many of the numbers are ``least`` or more; ``len`` ends at 2**63."""
    return max(numbers.stop - max(numbers.start, least), 0) // numbers.step
