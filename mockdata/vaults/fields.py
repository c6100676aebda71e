"""The fields of a pattern that take arguments: from ``{number:1-899}`` to its piece."""

from __future__ import annotations

import datetime as dt
from typing import Final

from mockdata.vaults.dates import DIRECTIVES, spelled
from mockdata.vaults.pieces import CheckDigit, Choice, Date, Index, Number, Piece, Same, Weighted
from mockdata.vaults.texts import PatternError, shown

__all__ = ["check_digit", "date", "index", "number", "same"]

MOST: Final = 2**63 - 1
RECORDS: Final = 2**40
"""Records of a vault, at most, so that an index stays below 2**63."""

DAYS: Final = 200 * 366
"""Days that a format may write alike, at most: they are counted one by one."""

MOST_DIGITS: Final = len(str(MOST))

LONGEST_PREFIX: Final = 32


def number(arguments: str, place: int) -> Piece:
    """Read ``001-665,667-899``."""
    ranges: list[tuple[int, int]] = []
    width, shortest = 0, MOST
    for text in arguments.split(","):
        low, _, high = text.partition("-")
        if not (_is_number(low) and _is_number(high)):
            problem = f"{shown(text)} is not a range of whole numbers such as 1-899"
            raise PatternError(place, problem)
        _check_size(low, place)
        _check_size(high, place + len(low) + 1)
        first, last = int(low), int(high)
        if first > last:
            problem = f"{text} is the wrong way round; did you mean {high}-{low}?"
            raise PatternError(place, problem)
        if ranges and first <= ranges[-1][1]:
            raise PatternError(place, f"{text} must begin after the end of the range before it")
        if high[0] == "0" and len(high) > 1 and not _padded(low):
            raise PatternError(place, f"{high} is padded with zeros, but {low} is not")
        ranges.append((first, last))
        width = max(width, len(low)) if _padded(low) else width
        shortest = min(shortest, len(low))
        place += len(text) + 1
    if shortest < width:
        raise PatternError(
            place - len(arguments) - 1, "some ranges are padded with zeros and some are not"
        )
    return Number(tuple(ranges), width)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _check_size(number: str, place: int) -> None:
    if len(number) > MOST_DIGITS or int(number) > MOST:
        raise PatternError(place, f"{shown(number)[1:-1]} is more than {MOST}")


def _padded(bound: str) -> bool:
    return bound[0] == "0" and len(bound) > 1


def date(arguments: str, place: int) -> Piece:
    """Read ``1940-01-01..2010-12-31,%m/%d/%Y``.

    A format that writes several days alike, such as ``%m/%y``, gives texts by their weights.
    """
    bounds, comma, form = arguments.partition(",")
    days = bounds.split("..")
    if len(days) != 2 or not all(map(_is_day, days)):
        raise PatternError(place, f"{shown(bounds)} is not like 1940-01-01..2010-12-31")
    try:
        first, last = map(dt.date.fromisoformat, days)
    except ValueError:
        raise PatternError(place, f"{bounds} has a day that does not exist") from None
    if first > last:
        hint = f"did you mean {last}..{first}?"
        raise PatternError(place, f"{bounds} is the wrong way round; {hint}")
    if not comma:
        return Date(first, last)
    _check_format(form, place + len(bounds) + 1)
    return _days(Date(first, last, form), place + len(bounds) + 1)


def _is_day(text: str) -> bool:
    numbers = text.split("-")
    return [*map(len, numbers)] == [4, 2, 2] and all(map(_is_number, numbers))


def _check_format(form: str, place: int) -> None:
    at = form.find("%")
    if at < 0:
        raise PatternError(place, f"{shown(form)} has none of %{' %'.join(DIRECTIVES)}")
    while at >= 0:
        if form[at + 1 : at + 2] not in [*DIRECTIVES]:
            near = next((d for d in DIRECTIVES if d == form[at + 1 : at + 2].swapcase()), "")
            hint = f"; did you mean %{near}?" if near else f"; there are %{' %'.join(DIRECTIVES)}"
            raise PatternError(place + at, f"no {shown(form[at : at + 2])} in a date{hint}")
        at = form.find("%", at + 2)


def _days(days: Date, place: int) -> Piece:
    """Return the days as they are if no two are written alike, and else their texts by weight."""
    directives = {part[0] for part in days.format.split("%")[1:]}
    day_of_year = "j" in directives or ("d" in directives and directives & {"m", "b"})
    if day_of_year and ("Y" in directives or ("y" in directives and _within_century(days))):
        return days
    if days.size > DAYS:
        raise PatternError(place, "this format writes days of different centuries the same way")
    weights: dict[str, int] = {}
    for k in range(days.size):
        text = spelled(days.first + dt.timedelta(k), days.format)
        weights[text] = weights.get(text, 0) + 1
    if len(weights) == days.size:
        return days
    if len(weights) == 1:
        return Choice(tuple(weights), "date")
    return Weighted("list", "", tuple(weights), tuple(weights.values()), "date")


def _within_century(days: Date) -> bool:
    """Whether no two of the days are a hundred years apart or more."""
    first, last = days.first, days.last
    return (last.year - first.year, last.month, last.day) < (100, first.month, first.day)


def _counts(arguments: str, place: int, most: int, form: str) -> list[int]:
    numbers: list[int] = []
    for text in arguments.split(","):
        if len(numbers) == most:
            raise PatternError(place, f"there is one number too many; write {form}")
        if not _is_number(text):
            raise PatternError(place, f"{shown(text)} is not a whole number; write {form}")
        if _padded(text):
            bare = shown(text.lstrip("0") or "0")[1:-1]
            raise PatternError(place, f"{shown(text)} is padded with zeros; write {bare}")
        _check_size(text, place)
        numbers.append(int(text))
        place += len(text) + 1
    return numbers


def index(arguments: str, place: int) -> Piece:
    """Read ``START`` or ``START,STEP``."""
    start, step = [*_counts(arguments, place, 2, "{index:START,STEP}"), 1][:2]
    if step == 0:
        raise PatternError(place, "a step of 0 would repeat; write {index:START,STEP}")
    if start + step * RECORDS > MOST:
        raise PatternError(place, f"{arguments} goes above {MOST}")
    return Index(start, step)


def check_digit(arguments: str, place: int) -> Piece:
    """Read the digits that are put before those of the text."""
    if not (arguments.isascii() and arguments.isdecimal() and len(arguments) <= LONGEST_PREFIX):
        raise PatternError(place, f"{shown(arguments)} is not a few digits, as in {{luhn:80840}}")
    return CheckDigit(arguments)


def same(arguments: str, place: int) -> Piece:
    """Read ``L,R``."""
    numbers = _counts(arguments, place, 2, "{same:L,R}")
    if len(numbers) < 2:
        raise PatternError(place, f"one number is missing; did you mean {{same:{arguments},0}}?")
    return Same(*numbers)
