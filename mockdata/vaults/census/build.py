"""Build the two name tables from the census's counts: ``python -m mockdata.vaults.census.build``.

The argument is the folder of ``first_names_2020.csv`` and ``surnames_2020.csv``, each with the
columns ``name`` and ``count``: names and how many people bore them in the 2020 US Census, published
by the US Census Bureau and in the public domain. In this project's source they stand under
``tests/census``.

A table is one array of 64-bit words, the buckets of ``mockdata.vaults.alias``, and one of names.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Final

import numpy as np

from mockdata.vaults.alias import buckets
from mockdata.vaults.census import LONGEST, TABLES

__all__ = ["build"]

ROWS: Final = 2**16 - 1


def _check(table: list[int], names: int) -> None:
    """Raise ValueError if a bucket names a missing row: a renderer does not check."""
    rows = (row for bucket in table for row in (bucket >> 16, bucket))
    if any(row & ROWS >= names for row in rows):
        raise ValueError(f"a bucket names a row beyond the last of {names} names")


def build(source: Path, target: Path) -> None:
    """Write the tables of the CSV files in ``source`` to ``target``, as .npy files.

    Raises ValueError if a name is longer than renderers expect, or if a bucket names a row that is
    not there.
    """
    for stem in TABLES:
        with (source / f"{stem}_2020.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        table = buckets([int(row["count"]) for row in rows])
        names = [row["name"].encode() for row in rows]
        _check(table, len(names))
        if (longest := max(map(len, names))) > LONGEST[stem]:
            raise ValueError(f"{stem} has a name of {longest} characters: see census.LONGEST")
        np.save(target / f"{stem}_buckets.npy", np.array(table, "<u8"))
        np.save(target / f"{stem}.npy", np.array(names, f"S{max(LONGEST.values())}"))


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(__file__).parent)
