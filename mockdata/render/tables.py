"""A program's tables as numpy arrays: texts, their lengths, their part in a check digit, samplers.

Renderers share them: programs of many vaults have the same digits, days and names in them.
"""

from __future__ import annotations

import datetime as dt
import os
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mockdata.render.steps import Days, Factor, Names, Numbers, Table, Texts, Weights
from mockdata.vaults import census
from mockdata.vaults.alias import buckets
from mockdata.vaults.dates import MONTHS

__all__ = ["Sampler", "lengths", "luhn", "sampler", "texts"]

Bytes = NDArray[np.uint8]

KEPT: Final = 128
"""Tables that a process keeps though no renderer is using them; most have 10 to 160 kB."""

EPOCH: Final = dt.date(1970, 1, 1).toordinal()

NAMES: Final = {"first_name": "first_names", "last_name": "surnames"}

LOWER: Final = np.uint8(ord("a") - ord("A"))


@lru_cache(KEPT)
def texts(table: Table) -> NDArray[np.void]:
    """Return the texts of a table, of one width, with zeros behind shorter ones."""
    matrix, sizes = _matrix(table)
    end = np.frombuffer(table.end, np.uint8)
    whole = np.zeros((len(matrix), matrix.shape[1] + len(end)), np.uint8)
    whole[:, : matrix.shape[1]] = matrix
    if len(end):
        columns = sizes[:, None] + np.arange(len(end))
        np.put_along_axis(whole, columns, end[None, :], axis=1)
    width = table.width or whole.shape[1]
    part = np.ascontiguousarray(whole[:, table.start : table.start + width])
    return part.view(f"V{width}").reshape(-1)


@lru_cache(KEPT)
def lengths(table: Table, more: int) -> NDArray[np.intp]:
    """Return how many bytes each of a table's texts has, and some more."""
    return _matrix(table)[1] + more


@lru_cache(KEPT)
def luhn(table: Table) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return what a table's texts add to a Luhn sum, and whether each has an odd number of digits.

    Element ``2 * row + odd`` of the first is the text's sum if an even or odd number of digits
    stands between it and the check digit.
    """
    matrix, _ = _matrix(table)
    odd = np.zeros(len(matrix), np.uint8)
    sums = np.zeros((len(matrix), 2), np.uint64)
    for column in matrix.T[::-1]:
        digit = column - np.uint8(ord("0"))
        is_digit = digit < 10
        doubled = 2 * digit - 9 * (digit > 4)
        for parity in (0, 1):
            value = np.where(odd == parity, doubled, digit)
            sums[:, parity] += np.where(is_digit, value, 0).astype(np.uint64)
        odd ^= is_digit.view(np.uint8)
    return (sums % 10).reshape(-1), odd.astype(np.uint64)


class Sampler:
    """Buckets of an alias sampler: see ``alias``. ``shift`` gives a word's bucket."""

    def __init__(self, words: NDArray[np.uint64], rows: int) -> None:
        self.buckets = words
        self.shift = np.uint64(64 - (len(words) - 1).bit_length())
        self.both = rows <= 2**16


@lru_cache(KEPT)
def sampler(weights: Weights) -> Sampler:
    """Return the sampler of a list's weights, or the census's."""
    if weights.source == "list":
        made = np.array(buckets(weights.weights), np.uint64)
        return Sampler(made, len(weights.weights))
    folder = os.path.dirname(census.__file__)
    stored = np.load(os.path.join(folder, f"{NAMES[weights.source]}_buckets.npy"))
    return Sampler(stored.astype(np.uint64), 2**16)


def _matrix(table: Table) -> tuple[Bytes, NDArray[np.intp]]:
    """Return the combinations of a table's factors, without its end, and their lengths."""
    matrix, sizes = _factor(table.factors[0])
    for factor in table.factors[1:]:
        more, _ = _factor(factor)
        head, tail = np.repeat(matrix, len(more), 0), np.tile(more, (len(matrix), 1))
        matrix = np.concatenate((head, tail), 1)
        sizes = np.full(len(matrix), matrix.shape[1], np.intp)
    return matrix, sizes


def _factor(factor: Factor) -> tuple[Bytes, NDArray[np.intp]]:
    match factor:
        case Texts(given):
            sizes = np.array([*map(len, given)], np.intp)
            return _texts(np.array(given, np.bytes_))[0][:, : sizes.max()], sizes
        case Numbers(ranges, width):
            numbers = np.concatenate([np.arange(a, b + 1, dtype=np.uint64) for a, b in ranges])
            return _numbers(numbers, width)
        case Days(first, size, form):
            matrix = _days(np.arange(first - EPOCH, first - EPOCH + size), form)
        case Names(source, case):
            path = os.path.join(os.path.dirname(census.__file__), f"{NAMES[source]}.npy")
            matrix = _cased(_texts(np.load(path))[0], case)
            return matrix, np.count_nonzero(matrix, axis=1)
    return matrix, np.full(len(matrix), matrix.shape[1], np.intp)


def _texts(
    made: NDArray[Any], sizes: NDArray[np.intp] | None = None
) -> tuple[Bytes, NDArray[np.intp]]:
    matrix = made.view(np.uint8).reshape(len(made), -1)
    return matrix, np.count_nonzero(matrix, axis=1) if sizes is None else sizes


def _numbers(numbers: NDArray[np.uint64], width: int) -> tuple[Bytes, NDArray[np.intp]]:
    """Return numbers in ``width`` digits, or without zeros before them, from the left on."""
    most = max(width, len(str(int(numbers[-1]))))
    if not width and len(str(int(numbers[0]))) < most:
        return _texts(numbers.astype(f"S{most}"))
    matrix = np.empty((len(numbers), most), np.uint8)
    for place in reversed(range(most)):
        numbers, digit = np.divmod(numbers, np.uint64(10))
        matrix[:, place] = digit
    matrix += np.uint8(ord("0"))
    return matrix, np.full(len(matrix), most, np.intp)


def _days(numbers: NDArray[np.intp], form: str) -> Bytes:
    """Return days, counted from 1970-01-01 on, as ``form`` says."""
    days = numbers.astype("M8[D]")
    months, years = days.astype("M8[M]"), days.astype("M8[Y]")
    year = years.astype(np.intp) + 1970
    values = {
        "Y": (year, 4),
        "y": (year % 100, 2),
        "m": (months.astype(np.intp) % 12 + 1, 2),
        "d": ((days - months.astype("M8[D]")).astype(np.intp) + 1, 2),
        "j": ((days - years.astype("M8[D]")).astype(np.intp) + 1, 3),
    }
    names = _texts(np.array(MONTHS, np.bytes_))[0]
    head, *rest = form.split("%")
    parts = [_repeated(head, len(days))]
    for part in rest:
        if part[0] == "b":
            parts.append(names[values["m"][0] - 1])
        else:
            number, width = values[part[0]]
            parts.append(_numbers(number.astype(np.uint64), width)[0])
        parts.append(_repeated(part[1:], len(days)))
    return np.concatenate(parts, 1)


def _repeated(text: str, count: int) -> Bytes:
    return np.tile(np.frombuffer(text.encode(), np.uint8), (count, 1))


def _cased(names: Bytes, case: str) -> Bytes:
    """Return upper-case names in a case."""
    first = {"": names.shape[1], "lower": 0, "title": 1}[case]
    lower = names.copy()
    lower[:, first:] += LOWER * (names[:, first:] != 0)
    return lower
