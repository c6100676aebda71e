"""A program's tables as the compiled renderer reads them: bytes, without numpy.

``_native.c`` says what the kinds of tables are. Programs of many vaults have the same digits, days
and names in them, so a process keeps what it has made.
"""

from __future__ import annotations

import datetime as dt
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import accumulate
from typing import Final, NamedTuple

from mockdata.render.items import widths
from mockdata.render.steps import Days, Factor, Names, Numbers, Texts, Weights
from mockdata.vaults import census
from mockdata.vaults.dates import DIRECTIVES, MONTHS, spelled

__all__ = ["BUCKETS", "FIXED", "LONG", "SLOTS", "Packed", "buckets", "packed"]

FIXED, SLOTS, LONG, BUCKETS = range(4)

KEPT: Final = 128
"""Tables that a process keeps though no renderer is using them."""

SLACK: Final = bytes(32)
"""Padding after the last text: a text is read 16 or 32 bytes at a time."""

SLOT: Final = 16

NAMES: Final = {"first_name": "first_names", "last_name": "surnames"}

TENS: Final = bytes([48 + number // 10 for number in range(32)])
UNITS: Final = bytes([48 + number % 10 for number in range(32)])
"""The digits of a month's days, by their numbers."""

DIGITS: Final = b"0123456789"

IS_LETTER: Final = bytes([0]) + bytes([1]) * 255

HEADER: Final = 10
"""Bytes before the header of a ``.npy`` file of version 1; the last two are the header's length."""


class Packed(NamedTuple):
    """A table: its kind, its texts or buckets, how many, their width, and where they end if LONG.

    Of ``BUCKETS``, ``rows`` is whether each names two rows, and ``width`` the logarithm of their
    number.
    """

    kind: int
    content: bytes
    rows: int
    width: int
    offsets: bytes = b""


Joined = tuple[bytes, int, int]
"""Texts of one width, side by side, how many they are, and the width."""


@lru_cache(KEPT)
def packed(factors: tuple[Factor, ...]) -> Packed:
    """Return the table of every combination of factors, the first one most significant."""
    first, *others = factors
    if isinstance(first, Names) and not others:
        return _names(first.source, first.case)
    each = [*map(widths, factors)]
    if all(low == high for low, high in each):
        joined = [_joined(factor, width) for factor, (width, _) in zip(factors, each, strict=True)]
        content, rows, width = reduce(_crossed, joined)
        return Packed(FIXED, content + SLACK, rows, width)
    texts = _texts(first)
    for factor in others:
        ends = _texts(factor)
        texts = [text + end for text in texts for end in ends]
    return _varying(texts)


def _crossed(heads: Joined, tails: Joined) -> Joined:
    """Return each head followed by each tail: what all have at one place is a slice."""
    (texts, rows, width), (ends, count, size) = heads, tails
    stride = width + size
    made = bytearray(rows * count * stride)
    for place in range(width):
        column = texts[place::width]
        if count <= rows:
            for k in range(count):
                made[place + k * stride :: count * stride] = column
        else:
            made[place::stride] = b"".join([column[k : k + 1] * count for k in range(rows)])
    for place in range(size):
        made[width + place :: stride] = ends[place::size] * rows
    return bytes(made), rows * count, stride


def _joined(factor: Factor, width: int) -> Joined:
    match factor:
        case Numbers(ranges, _):
            made = [_spelled(first, last, width) for first, last in ranges]
            return b"".join(made), sum(last - first + 1 for first, last in ranges), width
        case Days():
            return _days(factor), factor.size, width
    texts = _texts(factor)
    return b"".join(texts), len(texts), width


def _spelled(first: int, last: int, width: int) -> bytes:
    """Return numbers in ``width`` digits, side by side. It writes all digits of a place at once."""
    made = bytearray((last - first + 1) * width)
    for place in range(width):
        made[place::width] = _column(first, last, 10 ** (width - 1 - place))
    return bytes(made)


def _column(first: int, last: int, power: int) -> bytes:
    """Return the digits that numbers have at one place: they repeat."""
    count, around = last - first + 1, 10 * power
    if around <= count:
        digits = b"".join([DIGITS[k : k + 1] * power for k in range(10)])
        start = first % around
        return (digits * (count // around + 2))[start : start + count]
    runs = []
    while first <= last:
        behind = min((first // power + 1) * power, last + 1)
        digit = first // power % 10
        runs.append(DIGITS[digit : digit + 1] * (behind - first))
        first = behind
    return b"".join(runs)


def _varying(texts: Sequence[bytes]) -> Packed:
    sizes = [*map(len, texts)]
    if max(sizes) < 2 * SLOT:
        slot = SLOT if max(sizes) < SLOT else 2 * SLOT
        slots = bytearray(b"".join([text.ljust(slot) for text in texts]))
        slots[slot - 1 :: slot] = bytes(sizes)
        return Packed(SLOTS, bytes(slots), len(texts), slot)
    ends = array("I", accumulate(sizes, initial=0))
    return Packed(LONG, b"".join(texts) + SLACK, len(texts), 0, ends.tobytes())


@lru_cache(KEPT)
def buckets(weights: Weights) -> Packed:
    """Return the alias sampler of a list's weights, or the census's."""
    if weights.source == "list":
        from mockdata.vaults.alias import PAIR, buckets

        made = array("Q", buckets(weights.weights)).tobytes()
        pairs = len(weights.weights) <= PAIR
    else:
        made, pairs = _stored(f"{NAMES[weights.source]}_buckets"), True
    return Packed(BUCKETS, made, pairs, (len(made) // 8 - 1).bit_length())


def _texts(factor: Factor) -> list[bytes]:
    match factor:
        case Texts(texts):
            return list(texts)
        case Numbers(ranges, width):
            form = b"%%0%dd" % width if width else b"%d"
            return [form % k for first, last in ranges for k in range(first, last + 1)]
        case Days(_, size, _):
            days = _days(factor)
            each = len(days) // size
            return [days[k : k + each] for k in range(0, len(days), each)]
        case Names():
            named = _names(factor.source, factor.case).content
            slots = (named[k : k + SLOT] for k in range(0, len(named), SLOT))
            return [slot[: slot[-1]] for slot in slots]


def _days(days: Days) -> bytes:
    """Return days, side by side: all are of one width.

    Each month is spelled once. Then the digits of all days are put in at once.
    """
    first, form = dt.date.fromordinal(days.first), days.format
    if "%j" in form:
        ordinals = range(days.first, days.first + days.size)
        return "".join([spelled(dt.date.fromordinal(day), form) for day in ordinals]).encode()
    months = [*_months(first, days.size)]
    content = bytearray(b"".join(_spelled_months(months, form)))
    width = len(content) // days.size
    for place in _places_of_days(first, form):
        for digit, digits in enumerate((TENS, UNITS)):
            column = [digits[day : day + count] for _, _, day, count in months]
            content[place + digit :: width] = b"".join(column)
    return bytes(content)


def _spelled_months(months: Iterable[tuple[int, int, int, int]], form: str) -> Iterator[bytes]:
    """Return the texts of each month's days side by side, with zeros for the days' numbers."""
    form = form.replace("%d", "00")
    named = [
        form.replace("%m", f"{number:02}").replace("%b", name)
        for number, name in enumerate(MONTHS, start=1)
    ]
    for year, month, _, count in months:
        text = named[month - 1].replace("%Y", f"{year:04}").replace("%y", f"{year % 100:02}")
        yield text.encode() * count


def _months(first: dt.date, left: int) -> Iterator[tuple[int, int, int, int]]:
    """Return so many days by months: year, month, the first of the days, and how many they are."""
    year, month, day = first.year, first.month, first.day
    while left > 0:
        count = min(_days_in(year, month) - day + 1, left)
        yield year, month, day, count
        left -= count
        year, month, day = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)


def _places_of_days(day: dt.date, form: str) -> Iterator[int]:
    """Return where a form has days of the month."""
    head, *parts = form.split("%")
    place = len(head.encode())
    for part in parts:
        if part[0] == "d":
            yield place
        place += len((DIRECTIVES[part[0]](day) + part[1:]).encode())


def _days_in(year: int, month: int) -> int:
    """Return how many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@lru_cache(KEPT)
def _names(source: str, case: str) -> Packed:
    """Return the names of the census in a case.

    They are stored in upper case, with zeros behind them: 15 letters a name, as many as a slot has
    room for. A name's length is how many of its letters are none, added up for all names at once:
    each column of letters is a number that has a byte a name.
    """
    stored = _stored(NAMES[source])
    width = SLOT - 1
    made = bytearray(stored.lower() if case else stored)
    if case == "title":
        made[::width] = stored[::width]
    slots = bytearray(len(stored) // width * SLOT)
    lengths = 0
    for place in range(width):
        letters = made[place::width]
        slots[place::SLOT] = letters
        lengths += int.from_bytes(letters.translate(IS_LETTER), "little")
    slots[width::SLOT] = lengths.to_bytes(len(stored) // width, "little")
    return Packed(SLOTS, bytes(slots), len(stored) // width, SLOT)


def _stored(name: str) -> bytes:
    """Return the content of an array in a file: the bytes after the header that numpy writes."""
    with open(os.path.join(os.path.dirname(census.__file__), f"{name}.npy"), "rb") as file:
        stored = file.read()
    return stored[HEADER + int.from_bytes(stored[HEADER - 2 : HEADER], "little") :]
