"""What a column's text consists of once registers are known: literals, cells, spelled words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

from mockdata.render.layout import Escape, escaped
from mockdata.render.steps import Days, Factor, Names, Numbers, Texts
from mockdata.vaults.dates import spelled
from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import Choice, Date, Even, Number, Weighted

__all__ = [
    "DIGITS",
    "UUID_FIELDS",
    "UUID_WIDTH",
    "Cell",
    "Count",
    "Item",
    "Lit",
    "Spell",
    "digit_factors",
    "even_factors",
    "longest",
    "weighted_factor",
    "widths",
]

DIGITS: Final = Texts(tuple(b"%d" % digit for digit in range(10)))

SUFFIX_WIDTH: Final = 16
UUID_WIDTH: Final = 36

UUID_FIELDS: Final = (
    (0, 8, 0),
    (9, 4, 8),
    (14, 4, 12),
    (19, 4, 16),
    (24, 4, 20),
    (28, 8, 24),
)
"""Where a UUID's digits stand in its text, how many, and the first of them."""

LINE_FEED: Final = "\n"
"""What no text of a pattern has."""

LONGEST_NAMES: Final = {"first_name": 12, "last_name": 15}
"""Letters of the longest names of the census, which ``census.build`` checks."""

CASES: Final[dict[str, Callable[[str], str]]] = {"": str, "lower": str.lower, "title": str.title}


@frozen
class Lit:
    """The same bytes in every record."""

    text: bytes


@frozen
class Cell:
    """The text in the row ``pick`` of the product of ``factors``."""

    factors: tuple[Factor, ...]
    pick: int


@frozen
class Spell:
    """A suffix or a UUID, spelled out of a hash."""

    kind: str
    hash: int


@frozen
class Count:
    """A number without leading zeros, of at most so many digits."""

    number: int
    digits: int


Item = Lit | Cell | Spell | Count


def widths(factor: Factor) -> tuple[int, int]:
    """Return how many bytes a factor's shortest and longest texts have."""
    match factor:
        case Texts(texts):
            sizes = [*map(len, texts)]
            return min(sizes), max(sizes)
        case Numbers(ranges, width):
            first, last = len(str(ranges[0][0])), len(str(ranges[-1][1]))
            return max(first, width), max(last, width)
        case Days(first, _, form):
            size = len(spelled(dt.date.fromordinal(first), form).encode())
            return size, size
        case Names(source, _):
            return 2, LONGEST_NAMES[source]


def longest(item: Item) -> tuple[int, int]:
    """Return how many bytes an item's shortest and longest texts have."""
    match item:
        case Lit(text):
            return len(text), len(text)
        case Cell(factors, _):
            each = [*map(widths, factors)]
            return sum(low for low, _ in each), sum(high for _, high in each)
        case Spell(kind, _):
            size = SUFFIX_WIDTH if kind == "suffix" else UUID_WIDTH
            return size, size
        case Count(_, digits):
            return 1, digits


def even_factors(piece: Even, escape: Escape) -> tuple[Factor, ...]:
    """Return factors whose combinations, in order, are the texts of an even piece."""
    match piece:
        case Choice(texts):
            whole = escaped(LINE_FEED.join(texts), escape).encode()
            return (Texts(tuple(whole.split(LINE_FEED.encode()))),)
        case Date(first, _, form):
            return (Days(first.toordinal(), piece.size, escaped(form, escape)),)
        case Number(ranges, width):
            return digit_factors(ranges, width)


def digit_factors(ranges: tuple[tuple[int, int], ...], width: int) -> tuple[Factor, ...]:
    """Split the last digits off numbers where they are free: those that any head goes with."""
    low, high = widths(Numbers(ranges, width))
    if low != high:
        return (Numbers(ranges, width),)
    free = 0
    while free < low and all(a % 10 == 0 and b % 10 == 9 for a, b in ranges):
        ranges = tuple((a // 10, b // 10) for a, b in ranges)
        free += 1
    head = (Numbers(ranges, low - free),) if free < low else ()
    return (*head, *[DIGITS] * free)


def weighted_factor(piece: Weighted, escape: Escape) -> Factor:
    """Return the factor that has a weighted piece's texts."""
    if piece.source == "list":
        texts = [CASES[piece.case](text) for text in piece.texts]
        return Texts(tuple(escaped(text, escape).encode() for text in texts))
    return Names(piece.source, piece.case)
