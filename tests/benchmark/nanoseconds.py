"""Where a record's nanoseconds go: ``python -m tests.benchmark.nanoseconds``."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from mockdata.render.batch import BATCH
from mockdata.render.places import Place
from mockdata.render.renderers import RENDERERS, VARIABLE, is_built, renderer
from mockdata.render.task import render
from tests.conftest import VAULTS, Key, program_of

ROUNDS = 300

IMPORTS = ("pass", "import asyncio", "import numpy", "import asyncio, anyio.to_thread, anyio.streams.memory",
           "import asyncio, uvloop", "import mockdata.pipeline.run")  # fmt: skip

SWITCH = """
import sys, mockdata, mockdata.workers.pool as pool
pool.SMALL = int(sys.argv[1])
mockdata.generate_sync(int(sys.argv[2]))
"""
"""A run that renders up to so many records in its own process."""


def per_record(function) -> float:
    """Return the median of a call's nanoseconds, for each of BATCH records."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[ROUNDS // 3 :]) / BATCH * 1e9


def steps(vault: str) -> dict[str, float]:
    """Return what a record costs: measured, and rendered as two lines, by each renderer."""
    found = {}
    for name in RENDERERS if is_built() else RENDERERS[1:]:
        os.environ[VARIABLE] = name
        made = renderer(program_of(Key(vault, 1, 1_700_000_000)), BATCH)
        made.render(0, BATCH)
        found[f"measure, {name}"] = per_record(lambda made=made: made.measure(0, BATCH))
        found[f"both lines, {name}"] = per_record(lambda made=made: made.render(0, BATCH))
    del os.environ[VARIABLE]
    return found


def writing(path: str) -> float:
    """Return what it costs to write a record's 76 bytes to a file whose pages are there already."""
    lines = memoryview(os.urandom(40 * BATCH))
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        return per_record(lambda: os.pwrite(file, lines, 0)) * 76 / 40
    finally:
        os.close(file)


def main() -> None:
    """Print the tables."""
    tables = {vault: steps(vault) for vault in VAULTS}
    print("| ns a record |", " | ".join(tables), "|")
    print("|---|" + "---|" * len(tables))
    for step in tables["ssn"]:
        print(f"| {step} |", " | ".join(f"{tables[vault][step]:.1f}" for vault in tables), "|")
    with tempfile.NamedTemporaryFile() as file:
        print(f"\nwrite 76 bytes to a file: {writing(file.name):.1f} ns")
        key, batches = Key("ssn", 1, 1_700_000_000), 20
        began = time.perf_counter()
        status = os.stat(file.name)
        data = Place(file.name, (status.st_dev, status.st_ino), 0)
        places = data, data.behind(40 * batches * BATCH)
        render(program_of(key), 0, batches * BATCH, places)
        taken = (time.perf_counter() - began) / batches / BATCH * 1e9
        print(f"render and write an ssn record to a new file: {taken:.1f} ns")
    slab = os.memfd_create("bench")
    print(f"hand 76 bytes over in memory: {writing(f'/proc/self/fd/{slab}'):.1f} ns")
    view = np.zeros(76 * BATCH, np.uint8).data[: 40 * BATCH]
    print(
        f"make a str of a value: {per_record(lambda: str(view, 'ascii').split('0')):.1f} ns at the least"
    )
    print("\n| start-up | ms |\n|---|---|")
    for code in IMPORTS:
        print(f"| `{code}` | {milliseconds(code):.0f} |")
    print("\n| records | here, ms | with workers, ms |\n|---|---|---|")
    for records in (40_000, 100_000, 200_000, 400_000, 1_000_000):
        here, workers = (milliseconds(SWITCH, small, records // 4) for small in (records, 0))
        print(f"| {records:,} | {here:.0f} | {workers:.0f} |")


def milliseconds(code: str, *arguments: int) -> float:
    """Return how long Python takes to run a script, in a folder that is thrown away."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(11):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", code, *map(str, arguments)], check=True, cwd=folder
            )
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:]) * 1e3


if __name__ == "__main__":
    main()
