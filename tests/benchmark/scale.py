"""What many machines cost, measured on one: a Dask cluster of two processes beside a run of its own.

``python -m tests.benchmark.scale [WORD...] [--each N] [--parts N] [--rounds N]``: the words are
``speed``, ``killed``, ``cancelled``, ``store`` and ``scheduler``; without, all of them. Nothing of
what is made stays. 25M of each of the four vaults are 100 million records, and 7.5 GB at a time.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
from distributed import Client, LocalCluster

import mockdata
import mockdata.dask
from tests.s3 import S3Server

from .runs import FILES, MILLION, printed

RUN = {"seed": 7, "timestamp": 1_700_000_000}

ALONE = """
import mockdata
mockdata.generate_sync({counts}, sink="{folder}", part={part}, seed=7, timestamp=1_700_000_000, workers=2)
"""


class Watch:
    """Sees how far a run is, and the memory of each worker, twice a second."""

    def __init__(
        self, workers: list[int], total: int, at_half: Callable[[], None] | None = None
    ) -> None:
        self._workers, self._total, self._at_half = workers, total, at_half
        self._records: dict[str, int] = {}
        self._next = 0.0
        self.peaks = {0.25: 0, 0.5: 0, 1.0: 0}
        """The most bytes that a worker held (PSS) until so much of the run was done."""

    def __call__(self, progress: mockdata.Progress) -> None:
        self._records[progress.vault] = progress.records
        done = sum(self._records.values()) / self._total
        if self._at_half is not None and done >= 0.5:
            self._at_half()
            self._at_half = None
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            held = max(map(pss, self._workers))
            for until in self.peaks:
                if done <= until:
                    self.peaks[until] = max(self.peaks[until], held)

    def __str__(self) -> str:
        shown = (f"{held / MILLION:.0f} MB until {until:.0%}" for until, held in self.peaks.items())
        return ", ".join(shown)


def pss(process: int) -> int:
    """Return the bytes of memory that a process holds, its share of what it shares."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    return 0


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[tuple[Client, list[int]]]:
    """Yield the client of two worker processes, and their numbers."""
    async with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            asynchronous=True,
            dashboard_address=":0",
            silence_logs=50,
        ) as made,
        Client(made, asynchronous=True) as client,
    ):
        yield client, [*(await client.run(os.getpid)).values()]
        await client.wait_for_workers(2)  # one that starts while its cluster stops is left behind


def emptied(folder: Path) -> Path:
    """Return a folder that is not there, with the disk at rest."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()
    return folder


async def speed(folder: Path, each: int, parts: int, rounds: int) -> None:
    """Print million records/s of one machine, and of a cluster of as many processes, in turn."""
    ratios = []
    for number in range(1, rounds + 1):
        place = emptied(folder)
        alone = await asyncio.to_thread(printed, FILES, folder=place, counts=each, workers=2)
        place = emptied(folder)
        async with cluster() as (client, workers):
            watch = Watch(workers, 4 * each)
            report = await mockdata.dask.generate(
                client, each, sink=place, parts=parts, on_progress=watch, **RUN
            )
        emptied(folder)
        rate = report.records_per_second / MILLION
        ratios.append(rate / alone)
        print(f"speed {number}: alone {alone:.1f} M/s, cluster {rate:.1f} M/s, {ratios[-1]:.2f}; worker {watch}",
              flush=True)  # fmt: skip
    print(f"speed: median {statistics.median(ratios):.2f} of one machine's", flush=True)


def digests(folder: Path) -> str:
    """Return what tells a folder's files, but for the mark of a part, from others."""
    found = []
    for file in sorted(folder.iterdir()):
        if file.name != "_PART.json":
            with file.open("rb") as content:
                found.append(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}")
    return "\n".join(found)


def taken(folder: Path, last: threading.Event) -> dict[str, set[str]]:
    """Return the digests of the parts that appear, which are removed: the disk has room for few."""
    found: dict[str, set[str]] = {}
    while True:
        is_last = last.is_set()
        for mark in folder.glob("part-*/_PART.json"):
            found.setdefault(mark.parent.name, set()).add(digests(mark.parent))
            shutil.rmtree(mark.parent)
        if is_last:
            return found
        last.wait(0.2)


def alone(folder: Path, each: int, parts: int) -> dict[str, set[str]]:
    """Return the digests of parts that are made one by one, each by a run of its own."""
    found = {}
    for number in range(1, parts + 1):
        script = ALONE.format(counts=each, folder=emptied(folder), part=(number, parts))
        subprocess.run([sys.executable, "-c", script], check=True)
        found[f"part-{number:05}-of-{parts:05}"] = {digests(folder)}
    emptied(folder)
    return found


async def killed(folder: Path, each: int, parts: int, _: int) -> None:
    """Print what differs after a run one of whose workers is killed half-way."""
    place, last = emptied(folder), threading.Event()
    async with cluster() as (client, workers):
        watch = Watch(workers, 4 * each, lambda: os.kill(workers[0], signal.SIGKILL))
        taking = asyncio.ensure_future(asyncio.to_thread(taken, place, last))
        report = await mockdata.dask.generate(
            client, each, sink=place, parts=parts, on_progress=watch, **RUN
        )
        last.set()
        found = await taking
        gone = {*workers} - {*(await client.run(os.getpid)).values()}
    print(f"killed: {report.records} records in {parts} parts, {len(gone)} worker killed; beside the parts "
          f"there is {os.listdir(place)}", flush=True)  # fmt: skip
    expected = await asyncio.to_thread(alone, emptied(place), each, parts)
    differ = [name for name in {*expected, *found} if expected.get(name) != found.get(name)]
    print(f"killed: parts that differ from those made alone: {differ}", flush=True)


async def cancelled(folder: Path, each: int, parts: int, _: int) -> None:
    """Print what a run leaves that is cancelled half-way, and what its repetition makes."""
    place = emptied(folder)
    async with cluster() as (client, workers):
        half = asyncio.Event()
        watch = Watch(workers, 4 * each, half.set)
        arguments = {"sink": place, "parts": parts, **RUN}
        run = asyncio.ensure_future(
            mockdata.dask.generate(client, each, on_progress=watch, **arguments)
        )
        await half.wait()
        began = time.perf_counter()
        run.cancel()
        await asyncio.wait([run])
        taken = time.perf_counter() - began
        left = os.listdir(place)
        whole = [name for name in left if (place / name / "_PART.json").exists()]
        print(f"cancelled: gone after {taken:.2f} s; {len(whole)} whole parts of {parts}, and "
              f"{len(left) - len(whole)} other files", flush=True)  # fmt: skip
        report = await mockdata.dask.generate(client, each, **arguments)
        made = json.loads((place / "_SUCCESS.json").read_text())["made"]
        print(f"cancelled: repeated, makes {made} parts ({parts - len(whole)} were missing) in "
              f"{report.seconds:.1f} s", flush=True)  # fmt: skip
        again = await mockdata.dask.generate(client, each, **arguments)
        print(f"cancelled: once more, with nothing to make: {again.seconds:.2f} s", flush=True)
    emptied(folder)


async def store(folder: Path, each: int, parts: int, _: int) -> None:
    """Print what differs after a run into an S3 server, a worker of which is killed half-way."""
    server = S3Server()
    settings = {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "ENDPOINT_URL": server.endpoint,
    }
    os.environ.update({f"AWS_{name}": setting for name, setting in settings.items()})
    try:
        bucket = server.make_bucket()
        async with cluster() as (client, workers):
            watch = Watch(workers, 4 * each, lambda: os.kill(workers[0], signal.SIGKILL))
            report = await mockdata.dask.generate(
                client, each, sink=f"s3://{bucket}/run", parts=parts, on_progress=watch, **RUN
            )
        differ = await asyncio.to_thread(differing_objects, server, bucket, folder, each, parts)
    finally:
        server.stop()
    print(f"store: {report.records} records in {report.seconds:.1f} s with a worker killed; objects that "
          f"differ from files made alone: {differ}", flush=True)  # fmt: skip


def differing_objects(
    server: S3Server, bucket: str, folder: Path, each: int, parts: int
) -> list[str]:
    """Return the objects of parts that differ from files made alone."""
    found, seen = [], 0
    pages = server.client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="run/part-"
    )
    keys = [
        item["Key"] for page in pages for item in page["Contents"] if "_PART" not in item["Key"]
    ]
    for number in range(1, parts + 1):
        alone = emptied(folder)
        script = ALONE.format(counts=each, folder=alone, part=(number, parts))
        subprocess.run([sys.executable, "-c", script], check=True)
        for file in alone.iterdir():
            key = f"run/part-{number:05}-of-{parts:05}/{file.name}"
            body = server.client.get_object(Bucket=bucket, Key=key)["Body"]
            digest = hashlib.sha256()
            for chunk in body.iter_chunks(2**20):
                digest.update(chunk)
            seen += 1
            if digest.hexdigest() != hashlib.sha256(file.read_bytes()).hexdigest():
                found.append(key)
        shutil.rmtree(alone)
    return found if seen == len(keys) else [f"{len(keys)} objects, not {seen}"]


def nothing(number: int) -> int:
    """Do what a task does that does nothing."""
    return number


async def scheduler(folder: Path, _: int, __: int, rounds: int) -> None:
    """Print the CPU of scheduler and client for each of 1,000 parts, beside tasks that do nothing."""
    python = (sys.executable, "-m", "distributed.cli")
    port = 40_000 + os.getpid() % 20_000
    address = f"tcp://127.0.0.1:{port}"
    words = [
        ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", ":0"]
    ]
    words += [["dask_worker", address, "--nthreads", "1", "--no-dashboard"]] * 2
    started = []
    try:
        for module, *rest in words:
            command = [*python[:2], f"{python[2]}.{module}", *rest]
            started.append(
                subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder.parent
                )
            )
        async with Client(address, asynchronous=True, timeout=30) as client:
            await client.wait_for_workers(2)
            processes = {"scheduler": psutil.Process(started[0].pid), "client": psutil.Process()}
            for number in range(rounds + 1):
                floor = await costs(
                    processes, client.gather(client.map(nothing, range(1000), pure=False))
                )
                place = emptied(folder)
                parts = mockdata.dask.generate(client, {"ssn": 1000}, sink=place, parts=1000, **RUN)
                ours = await costs(processes, parts)
                again = await costs(
                    processes,
                    mockdata.dask.generate(client, {"ssn": 1000}, sink=place, parts=1000, **RUN),
                )
                if number:  # the first round is for the imports
                    print(f"scheduler {number}: ms a part: made {ours}; there already {again}; "
                          f"tasks that do nothing {floor}", flush=True)  # fmt: skip
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(30)
        emptied(folder)


async def costs(
    processes: dict[str, psutil.Process], work: "asyncio.Future | asyncio.coroutine"
) -> str:
    """Return the milliseconds of CPU that 1,000 tasks have cost each process."""
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    began = time.perf_counter()
    await work
    taken = {
        name: sum(process.cpu_times()[:2]) - before[name] for name, process in processes.items()
    }
    spent = ", ".join(f"{name} {seconds:.2f}" for name, seconds in taken.items())
    return f"{spent}, elapsed {time.perf_counter() - began:.2f}"


PARTS = {
    "speed": speed,
    "killed": killed,
    "cancelled": cancelled,
    "store": store,
    "scheduler": scheduler,
}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.scale")
    parser.add_argument("words", nargs="*", metavar="WORD", choices=[*PARTS, []])
    parser.add_argument("--each", type=int, default=25_000_000)
    parser.add_argument("--parts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    for word in given.words or PARTS:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            asyncio.run(PARTS[word](Path(name) / "run", given.each, given.parts, given.rounds))


if __name__ == "__main__":
    main()
