"""All rows, in the order in which a round runs them, and what is compared with what."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from . import columns, parquet, runs, skyflow, stores, thirty

ROWS: dict[str, Callable[[Path], float]] = {
    **runs.ROWS,
    **columns.ROWS,
    **parquet.ROWS,
    **thirty.ROWS,
    **stores.ROWS,
    "Skyflow request": lambda _: skyflow.client_cpu(runs.MILLION),
}

OTHERS = ("DuckDB", "Mimesis", "Faker")

RATIOS = {
    "table to CSV / command to CSV": ("table to CSV", "command to CSV"),
    "to the ceiling": ("command to CSV", "write ceiling"),
    "started, to the ceiling": ("files", "write ceiling"),
    "files, two workers / one": ("files", "files, one worker"),
    "dropping sink, two workers / one": ("dropping sink", "dropping sink, one worker"),
    "stream, Arrow / lists of str": ("stream, Arrow", "stream, lists of str"),
    "parquet / DuckDB": ("parquet", "parquet, DuckDB"),
    "parquet, two workers / one": ("parquet", "parquet, one worker"),
    "1,000 of 30 vaults / 4": ("1,000 of 30 vaults", "1,000 of 4 vaults"),
    "memory of 30 vaults / 4": ("memory of 30 vaults", "memory of 4 vaults"),
    "into S3 / obstore": ("into S3, MB/s", "obstore, ready-made files into S3, MB/s"),
    **{
        f"{column} / {other}": (column, f"{column}, {other}")
        for column in ("card", "email")
        for other in OTHERS
    },
}
"""A row to the one that it is divided by, round by round."""


def medians(folder: Path, rounds: int, names: Iterable[str] = ROWS) -> dict[str, float]:
    """Run rows in turn, once to warm up and then ``rounds`` times; return their medians.

    The ratios of rows that were run are the medians of the rounds' ratios.
    """
    seen: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds + 1):
        for name, results in seen.items():
            result = ROWS[name](folder)
            if round_:
                results.append(result)
        print(f"round {round_} of {rounds}", file=sys.stderr)
    for name, (ours, other) in RATIOS.items():
        if {ours, other} <= seen.keys():
            seen[name] = [a / b for a, b in zip(seen[ours], seen[other], strict=True)]
    return {name: median(values) for name, values in seen.items()}
