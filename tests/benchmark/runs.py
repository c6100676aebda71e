"""What is timed: whole processes, each printing nothing or the records per second of its run."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

MILLION = 1_000_000
EACH = 2_500_000
"""Records of each of the four vaults in a run of ten million."""

BYTES = 747_000_000
"""Bytes of the eight files of such a run."""

WAREHOUSE = Path(__file__).parents[2] / "examples" / "warehouse.toml"
"""Its table ``patients`` has the values and tokens of the four vaults side by side."""

COMMAND = [sys.executable, "-m", "mockdata", "-q"]

DROP = """
import mockdata
print(mockdata.generate_sync({counts}, sink=lambda batch: None, workers={workers}).records_per_second)
"""

FILES = """
import mockdata
print(mockdata.generate_sync({counts}, sink="{folder}", workers={workers}).records_per_second)
"""

STREAM = """
import asyncio, time, mockdata

async def main():
    began, records = time.perf_counter(), 0
    async with mockdata.stream({counts}{layout}) as batches:
        async for batch in batches:
            {use}
            records += len(batch)
    print(records / (time.perf_counter() - began))

try:
    import uvloop as loop
except ImportError:
    loop = asyncio
loop.run(main())
"""

CEILING = """
import os, multiprocessing

def write(number):
    chunk, left = memoryview(os.urandom(400_000)), {size} // 8
    for file in range(4):
        with open(f"{folder}/{{number}}{{file}}", "wb", buffering=0) as out:
            for _ in range(left // len(chunk)):
                out.write(chunk)

processes = [multiprocessing.get_context("fork").Process(target=write, args=(n,)) for n in (0, 1)]
[process.start() for process in processes]
[process.join() for process in processes]
"""


def seconds(command: list[str], folder: Path | None = None, **options) -> float:
    """Run a process in a new folder, or none, with the disk at rest; return how long it took."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.sync()
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, **options)
    return time.perf_counter() - began


def printed(script: str, **values) -> float:
    """Run a script and return the number that it prints, in millions."""
    command = [sys.executable, "-c", script.format(**values)]
    return float(subprocess.run(command, check=True, capture_output=True).stdout) / MILLION


def to_csv(folder: Path, *arguments: str, each: int = EACH) -> float:
    """Return million records/s of the whole command, its start included."""
    return 4 * each / seconds([*COMMAND, str(each), *arguments], folder) / MILLION


def to_table(folder: Path) -> float:
    """Return as ``to_csv`` for a table of the same texts, which are as many bytes in one file."""
    command = [*COMMAND, f"patients={EACH}", "--vaults", str(WAREHOUSE)]
    return 4 * EACH / seconds(command, folder) / MILLION


def into_files(folder: Path, workers: int) -> float:
    """Return million records/s into files by the report of the run: without Python's start."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.sync()
    return printed(FILES, folder=folder, counts=EACH, workers=workers)


def ceiling(folder: Path) -> float:
    """Return how many million records/s two processes could write if rendering took no time."""
    script = CEILING.format(size=BYTES, folder=folder)
    return 4 * EACH / seconds([sys.executable, "-c", script], folder) / MILLION


def to_pipe(_: Path) -> float:
    """Return million records/s of the command with ``-s stdout`` into another process."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as cat:
        taken = seconds([*COMMAND, str(EACH), "-s", "stdout"], stdout=cat.stdin)
        cat.stdin.close()
    return 4 * EACH / taken / MILLION


def small(folder: Path) -> float:
    """Return how often the imports that no run can do without fit into 1,000 records' command."""
    command = seconds([*COMMAND, "1000"], folder)
    return command / seconds([sys.executable, "-c", "import asyncio, anyio"])


def streamed(use: str, layout: str = "") -> float:
    """Return million records/s of a stream whose batches are used in some way."""
    return printed(STREAM, counts=EACH, use=use, layout=layout)


def _has_ended(run: subprocess.Popen) -> bool:
    """Wait for a process, but only a little; return whether it has ended."""
    try:
        run.wait(0.02)
    except subprocess.TimeoutExpired:
        return False
    return True


def peak_pss(folder: Path, *arguments: str) -> float:
    """Return the most memory that all processes of a command held together, in MB, seen from outside."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.sync()
    peak = 0
    with subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdin=subprocess.DEVNULL) as run:
        root = psutil.Process(run.pid)
        while not _has_ended(run):
            held = 0
            for process in [root, *root.children(recursive=True)]:
                try:
                    held += process.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, held)
    shutil.rmtree(folder)
    return peak / MILLION


ROWS: dict[str, Callable[[Path], float]] = {
    "command to CSV": to_csv,
    "table to CSV": to_table,
    "write ceiling": ceiling,
    "files": lambda folder: into_files(folder, 2),
    "files, one worker": lambda folder: into_files(folder, 1),
    "dropping sink": lambda _: printed(DROP, counts=2 * EACH, workers=None),
    "dropping sink, one worker": lambda _: printed(DROP, counts=2 * EACH, workers=1),
    "stream, bytes": lambda _: streamed("batch.data_lines, batch.token_lines"),
    "stream, lists of str": lambda _: streamed("batch.values, batch.tokens"),
    "stream, Arrow": lambda _: streamed("batch.to_arrow()", ", layout=mockdata.Texts()"),
    "stream, Arrow out of lines": lambda _: streamed("batch.to_arrow()"),
    "stdout into a pipe": to_pipe,
    "1,000 records / import asyncio, anyio": small,
}
