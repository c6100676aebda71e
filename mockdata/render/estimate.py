"""How many bytes a column's texts have on average: what an estimate of a file's size rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mockdata.render.drawn import is_quoted, sources
from mockdata.render.layout import Columns, Layout
from mockdata.vaults import pieces as of
from mockdata.vaults.columns import Column
from mockdata.vaults.profile import profile

__all__ = ["mean_widths"]

NAMES: Final = {"first_name": 5.848, "last_name": 6.130}
"""Letters of a name on average, by the census's counts."""


def mean_widths(columns: Sequence[Column], layout: Layout, index: int) -> tuple[float, ...]:
    """Return the bytes of a line of each output, on average, for indices of the size of ``index``.

    What a character takes more where it is escaped is left out.
    """
    widths = [_mean(column, layout, index) for column in columns]
    if isinstance(layout, Columns):
        return tuple(width + len(layout.end) for width in widths)
    return (sum(widths) + sum(map(len, layout.gaps(len(columns)))),)


def _mean(column: Column, layout: Layout, index: int) -> float:
    quotes = 2 if is_quoted(column, layout.escape) else 0
    return quotes + sum(_piece(piece, index) for piece in sources(column))


def _piece(piece: of.Piece, index: int) -> float:
    match piece:
        case of.Choice(texts):
            return sum(len(text.encode()) for text in texts) / len(texts)
        case of.Weighted("list", texts=texts, weights=weights):
            total = sum(len(text.encode()) * n for text, n in zip(texts, weights, strict=True))
            return total / sum(weights)
        case of.Weighted(source):
            return NAMES[source]
        case of.Number():
            return _number(piece)
        case of.Index(start, step):
            return len(str(start + step * index))
    return profile(piece).most_bytes


def _number(number: of.Number) -> float:
    """Return the digits of a number on average: one for each power of ten that it reaches."""
    digits = 0
    for first, last in number.ranges:
        digits += (last - first + 1) * max(number.width, 1)
        power = 10 ** max(number.width, 1)
        while power <= last:
            digits += last - max(power, first) + 1
            power *= 10
    return digits / number.size
