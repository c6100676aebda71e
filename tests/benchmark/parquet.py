"""Parquet files of the four vaults: made by mockdata, and written by DuckDB from ready-made columns."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .runs import MILLION, printed

OURS = """
import mockdata
sink = mockdata.ParquetSink("{folder}")
print(mockdata.generate_sync({counts}, sink=sink, workers={workers}).records_per_second)
"""

DUCKDB = """
import time, duckdb, mockdata
report = mockdata.generate_sync({counts}, sink=mockdata.ParquetSink("{folder}/ready"))
duckdb.execute("SET threads = 2; SET enable_progress_bar = false")
for vault in report.vaults:
    duckdb.execute(f"CREATE TABLE {{vault}} AS FROM '{folder}/ready/{{vault}}.parquet'")
began = time.perf_counter()
for vault in report.vaults:
    made = f"{folder}/{{vault}}.parquet"
    duckdb.execute(f"COPY (SELECT * FROM {{vault}}) TO '{{made}}' (FORMAT parquet, COMPRESSION zstd)")
print(report.records / (time.perf_counter() - began))
"""
"""Writing alone: the columns are in DuckDB's memory."""


def _printed(script: str, folder: Path, **values: int) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.sync()
    return printed(script, folder=folder, counts=MILLION, **values)


ROWS: dict[str, Callable[[Path], float]] = {
    "parquet": lambda folder: _printed(OURS, folder, workers=2),
    "parquet, one worker": lambda folder: _printed(OURS, folder, workers=1),
    "parquet, DuckDB": lambda folder: _printed(DUCKDB, folder),
}
"""Million records/s of 4 x 1 million records."""
