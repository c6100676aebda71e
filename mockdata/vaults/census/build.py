"""Build the two name tables from the census's counts: ``python -m mockdata.vaults.census.build``.

The argument is the folder of ``first_names_2020.csv`` and ``surnames_2020.csv``, each with the
columns ``name`` and ``count``: names and how many people bore them in the 2020 US Census, published
by the US Census Bureau and in the public domain. In this project's source they stand under
``tests/census``.

A table is one array of 64-bit words, the buckets of an alias sampler (Walker, "An Efficient Method
for Generating Discrete Random Variables with General Distributions", 1977; built as in Vose, "A
Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991), and one of names.
Shares are whole multiples of 2**-32 that add up to one.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Final

import numpy as np

from mockdata.vaults import NAME_PREFIX
from mockdata.vaults.census import END_SHIFT, NAME_WIDTH, OWN_SHIFT, TABLES

__all__ = ["build"]

SHARE_BITS: Final = 32
ROWS: Final = 2**OWN_SHIFT - 1


def shares(counts: list[int]) -> list[int]:
    """Return the counts' shares in units of 2**-32, which add up to one exactly.

    Rounded down, with what is left over given to the largest remainders (Hamilton's method).
    """
    total = sum(counts)
    parts = [divmod(count << SHARE_BITS, total) for count in counts]
    left = (1 << SHARE_BITS) - sum(whole for whole, _ in parts)
    favoured = sorted(range(len(parts)), key=lambda k: -parts[k][1])[:left]
    return [whole + (k in set(favoured)) for k, (whole, _) in enumerate(parts)]


def buckets(weights: list[int], bits: int) -> list[int]:
    """Return ``2**bits`` buckets of one capacity that together hold ``weights``.

    Bucket k is where the draws from ``k * capacity`` on fall, and is shared by at most two names,
    in the form that ``OWN_SHIFT`` describes. Buckets beyond the last name have none to call their
    own: they hold an alias alone.
    """
    capacity = 1 << SHARE_BITS - bits
    left = weights + [0] * ((1 << bits) - len(weights))
    small = [k for k, weight in enumerate(left) if weight < capacity]
    large = [k for k, weight in enumerate(left) if weight >= capacity]
    table = [0] * (1 << bits)
    while small and large:
        k, alias = small.pop(), large[-1]
        table[k] = _bucket(k * capacity + left[k], k if left[k] else alias, alias)
        left[alias] -= capacity - left[k]
        if left[alias] < capacity:
            small.append(large.pop())
    for k in large:
        table[k] = _bucket(k * capacity, k, k)
    return table


def _bucket(end: int, own: int, alias: int) -> int:
    return end << END_SHIFT | own << OWN_SHIFT | alias


def _check(table: list[int], names: int) -> None:
    """Raise ValueError if a bucket names a row that is not there: the kernel does not look."""
    rows = (row for bucket in table for row in (bucket >> OWN_SHIFT, bucket))
    if any(row & ROWS >= names for row in rows):
        raise ValueError(f"a bucket names a row beyond the last of {names} names")


def build(source: Path, target: Path) -> None:
    """Write the tables of the CSV files in ``source`` to ``target``, as .npy files.

    Raises ValueError if names are longer than the vault's lines have room for, or if a bucket names
    a row that is not there.
    """
    longest = 0
    for stem, bits in TABLES.items():
        with (source / f"{stem}_2020.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        table = buckets(shares([int(row["count"]) for row in rows]), bits)
        names = [row["name"].encode() for row in rows]
        _check(table, len(names))
        longest += max(map(len, names)) + len(b" ")
        np.save(target / f"{stem}_buckets.npy", np.array(table, "<u8"))
        np.save(target / f"{stem}.npy", np.array(names, f"S{NAME_WIDTH}"))
    if longest > NAME_PREFIX:
        raise ValueError(f"names of {longest} characters: make room in mockdata.vaults.NAME_PREFIX")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).parent)
