"""A program's tables as the compiled renderer reads them: bytes, without numpy.

``_native.c`` says what the kinds of tables are. Programs of many vaults have the same digits, days
and names in them, so a process keeps what it has made.
"""

from __future__ import annotations

import datetime as dt
import os
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from mockdata.render.items import widths
from mockdata.render.steps import Days, Factor, Names, Numbers, Texts, Weights
from mockdata.vaults import census
from mockdata.vaults.dates import DIRECTIVES, spelled

__all__ = ["BUCKETS", "FIXED", "LONG", "SLOTS", "Packed", "buckets", "packed"]

FIXED, SLOTS, LONG, BUCKETS = range(4)

KEPT: Final = 128
"""Tables that a process keeps though no renderer is using them."""

SLACK: Final = bytes(32)
"""What stands behind the last text: a text is read 16 or 32 bytes at a time."""

SLOT: Final = 16

NAMES: Final = {"first_name": "first_names", "last_name": "surnames"}

TENS: Final = bytes([48 + number // 10 for number in range(32)])
UNITS: Final = bytes([48 + number % 10 for number in range(32)])
"""The digits of a month's days, by their numbers."""

PAIRS: Final = [b"%02d" % number for number in range(100)]

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


@lru_cache(KEPT)
def packed(factors: tuple[Factor, ...]) -> Packed:
    """Return the table of every combination of factors, the first one most significant."""
    first, *others = factors
    if isinstance(first, Names) and not others:
        return _names(first.source, first.case)
    if isinstance(first, Days) and (end := _only_text(others)) is not None:
        made = _days(Days(first.first, first.size, first.format + end))
        return Packed(FIXED, made + SLACK, first.size, len(made) // first.size)
    texts = _texts(first)
    for factor in others:
        ends = _texts(factor)
        texts = [text + end for text in texts for end in ends]
    each = [*map(widths, factors)]
    if all(low == high for low, high in each):
        return Packed(FIXED, b"".join(texts) + SLACK, len(texts), sum(high for _, high in each))
    return _varying(texts)


def _only_text(factors: Sequence[Factor]) -> str | None:
    """Return the text of factors that have no other, if it may stand in a form of days."""
    if not all(isinstance(factor, Texts) and len(factor.texts) == 1 for factor in factors):
        return None
    text = b"".join([text for factor in factors for text in _texts(factor)]).decode()
    return None if "%" in text else text


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
            return [text for first, last in ranges for text in _numbers(first, last, width)]
        case Days(_, size, _):
            made = _days(factor)
            width = len(made) // size
            return [made[k : k + width] for k in range(0, len(made), width)]
        case Names():
            named = _names(factor.source, factor.case).content
            slots = (named[k : k + SLOT] for k in range(0, len(named), SLOT))
            return [slot[: slot[-1]] for slot in slots]


def _numbers(first: int, last: int, width: int) -> Sequence[bytes]:
    """Return numbers in ``width`` digits. Of two digits' texts, four digits' are made fastest."""
    if width == 4:
        return [a + b for a in PAIRS for b in PAIRS][first : last + 1]
    form = b"%%0%dd" % width if width else b"%d"
    return [*map(form.__mod__, range(first, last + 1))]


def _days(days: Days) -> bytes:
    """Return days, side by side: all are of one width.

    A month's days are spelled like its first one. Then the digits of all days are put in at once.
    """
    starts = [*_months(days)]
    counts = [b - a for a, b in pairwise([*starts, days.first + days.size])]
    firsts = [*map(dt.date.fromordinal, starts)]
    content = bytearray(
        b"".join(
            [
                spelled(day, days.format).encode() * count
                for day, count in zip(firsts, counts, strict=True)
            ]
        )
    )
    width = len(content) // days.size
    for place in _places_of_days(firsts[0], days.format):
        for digit, digits in enumerate((TENS, UNITS)):
            content[place + digit :: width] = b"".join(
                [
                    digits[day.day : day.day + count]
                    for day, count in zip(firsts, counts, strict=True)
                ]
            )
    return bytes(content)


def _months(days: Days) -> Iterator[int]:
    """Return the first of the days, and of each month behind it; every day, if %j spells each."""
    at, stop = days.first, days.first + days.size
    while at < stop:
        yield at
        day = dt.date.fromordinal(at)
        at += 1 if "%j" in days.format else _days_in(day) - day.day + 1


def _places_of_days(day: dt.date, form: str) -> Iterator[int]:
    """Return where a form has days of the month."""
    head, *parts = form.split("%")
    place = len(head.encode())
    for part in parts:
        if part[0] == "d":
            yield place
        place += len((DIRECTIVES[part[0]](day) + part[1:]).encode())


def _days_in(day: dt.date) -> int:
    """Return how many days the day's month has."""
    if day.month == 2:
        return 29 if day.year % 4 == 0 and (day.year % 100 or day.year % 400 == 0) else 28
    return 30 if day.month in (4, 6, 9, 11) else 31


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
    """Return the content of an array in a file: what stands behind the header that numpy writes."""
    with open(os.path.join(os.path.dirname(census.__file__), f"{name}.npy"), "rb") as file:
        stored = file.read()
    return stored[HEADER + int.from_bytes(stored[HEADER - 2 : HEADER], "little") :]
