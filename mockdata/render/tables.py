"""A program's tables as numpy arrays: texts, their lengths, their part in a check digit, samplers.

Renderers share them: programs of many vaults have the same digits, days and names in them.
"""

from __future__ import annotations

import datetime as dt
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from mockdata.render.steps import Days, Factor, Names, Numbers, Table, Texts, Weights
from mockdata.vaults import census
from mockdata.vaults.dates import MONTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sampler", "lengths", "luhn", "sampler", "texts"]

Bytes: TypeAlias = "NDArray[np.uint8]"

KEPT: Final = 128
"""Tables that a process keeps though no renderer is using them; most have 10 to 160 kB."""

KEPT_NAMES: Final = 4
"""Tables of names that are kept, from which several tables of a program are made."""

EPOCH: Final = dt.date(1970, 1, 1).toordinal()

NAMES: Final = {"first_name": "first_names", "last_name": "surnames"}

LOWER: Final = np.uint8(ord("a") - ord("A"))


@lru_cache(KEPT)
def texts(table: Table) -> NDArray[np.void]:
    """Return the texts of a table, padded with zeros to one width."""
    matrix, sizes = _matrix(table)
    end = np.frombuffer(table.end, np.uint8)
    whole = np.zeros((len(matrix), matrix.shape[1] + len(end)), np.uint8)
    whole[:, : matrix.shape[1]] = matrix
    if sizes.min() == matrix.shape[1]:
        whole[:, matrix.shape[1] :] = end
    else:
        np.put_along_axis(whole, sizes[:, None] + np.arange(len(end)), end[None, :], axis=1)
    width = table.width or whole.shape[1]
    return _items(whole[:, table.start : table.start + width])


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
        from mockdata.vaults.alias import buckets

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
            matrix = _days(first - EPOCH, size, form)
        case Names(source, case):
            return _names(source, case)
    return matrix, np.full(len(matrix), matrix.shape[1], np.intp)


@lru_cache(KEPT_NAMES)
def _names(source: str, case: str) -> tuple[Bytes, NDArray[np.intp]]:
    path = os.path.join(os.path.dirname(census.__file__), f"{NAMES[source]}.npy")
    matrix, sizes = _texts(np.load(path))
    return _cased(matrix, case), sizes


def _texts(
    made: NDArray[Any], sizes: NDArray[np.intp] | None = None
) -> tuple[Bytes, NDArray[np.intp]]:
    matrix = made.view(np.uint8).reshape(len(made), -1)
    return matrix, np.count_nonzero(matrix, axis=1) if sizes is None else sizes


def _numbers(numbers: NDArray[np.uint64], width: int) -> tuple[Bytes, NDArray[np.intp]]:
    """Return numbers in ``width`` digits, or without leading zeros, from the left on."""
    most = max(width, len(str(int(numbers[-1]))))
    if not width and len(str(int(numbers[0]))) < most:
        return _texts(numbers.astype(f"S{most}"))
    matrix = np.empty((len(numbers), most), np.uint8)
    for place in reversed(range(most)):
        numbers, digit = np.divmod(numbers, np.uint64(10))
        matrix[:, place] = digit
    matrix += np.uint8(ord("0"))
    return matrix, np.full(len(matrix), most, np.intp)


def _days(first: int, size: int, form: str) -> Bytes:
    """Return days, from the first on, which is counted from 1970-01-01, as ``form`` says."""
    days = np.arange(first, first + size)
    begin, end = days[[0, -1]].astype("M8[D]").astype("M8[M]").astype(np.intp)
    months = np.arange(begin, end + 1).astype("M8[M]")
    begins = months.astype("M8[D]").astype(np.intp)
    sizes = np.diff(np.maximum(begins, first), append=first + size)
    month = np.repeat(np.arange(len(months)), sizes)
    head, *rest = form.split("%")
    template = head.encode()
    puts: list[tuple[int, NDArray[np.void], NDArray[np.intp]]] = []
    for part in rest:
        match part[0]:
            case "d":
                table, rows = _factor(Numbers(((1, 31),), 2))[0], days - begins[month]
            case "j":
                new_years = months.astype("M8[Y]").astype("M8[D]").astype(np.intp)
                table, rows = _factor(Numbers(((1, 366),), 3))[0], days - new_years[month]
            case directive:
                table, rows = _months(months, directive), month
        puts.append((len(template), _items(table), rows))
        template += bytes(table.shape[1]) + part[1:].encode()
    matrix = np.tile(np.frombuffer(template, np.uint8), (size, 1))
    for at, items, rows in puts:
        np.ndarray((size,), items.dtype, matrix, at, (len(template),))[:] = items.take(rows)
    return matrix


def _months(months: NDArray[np.datetime64], directive: str) -> Bytes:
    """Return what a directive writes for every day of a month."""
    year, month = np.divmod(months.astype(np.intp) + 1970 * 12, 12)
    if directive == "b":
        return _texts(np.array(MONTHS, np.bytes_))[0][month]
    numbers, width = {"Y": (year, 4), "y": (year % 100, 2), "m": (month + 1, 2)}[directive]
    return _numbers(numbers.astype(np.uint64), width)[0]


def _items(matrix: Bytes) -> NDArray[np.void]:
    """Return the rows of a matrix as items."""
    return np.ascontiguousarray(matrix).view(f"V{matrix.shape[1]}").reshape(-1)


def _cased(names: Bytes, case: str) -> Bytes:
    """Return upper-case names in a case."""
    if not case:
        return names
    first = {"lower": 0, "title": 1}[case]
    lower = names.copy()
    lower[:, first:] += LOWER * (names[:, first:] != 0)
    return lower
