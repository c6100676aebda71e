"""Parts on a Dask cluster: two real worker processes, a folder that they share, and a store."""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster

import mockdata
import mockdata.dask
from mockdata.dask import run as client_side
from mockdata.dask.job import Job
from mockdata.pipeline.parts import default_parts

from .conftest import kept
from .odd import ODD, PEOPLE, QUOTED
from .s3 import S3Server

RUN = {"seed": 7, "timestamp": 1_700_000_000}
COUNTS = {"ssn": 30_001, "name": 1_000}


@pytest.fixture(scope="module", autouse=True)
def tracker():
    """Have the process that multiprocessing would keep until this one ends for these tests alone."""
    resource_tracker.ensure_running()
    yield
    resource_tracker._resource_tracker._stop()


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as made:
        yield made


def made_on(cluster, counts, *, client=None, **arguments):
    """Make a run on a cluster, from an event loop of its own."""

    async def run():
        if client is not None:
            return await mockdata.dask.generate(client, counts, **arguments)
        async with Client(cluster.scheduler_address, asynchronous=True) as own:
            return await mockdata.dask.generate(own, counts, **arguments)

    return asyncio.run(run())


def digests(folder):
    """Return the digest of each file below a folder, but for the marks and the record of the run."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name not in ("_PART.json", "_SUCCESS.json")
    }


def parts_made_alone(folder, counts, parts, sink=mockdata.CsvSink, **arguments):
    for number in range(1, parts + 1):
        place = folder / f"part-{number:05}-of-{parts:05}"
        mockdata.generate_sync(counts, sink=sink(place), part=(number, parts), **arguments | RUN)


def record_of(folder):
    return json.loads((folder / "_SUCCESS.json").read_text())


def test_the_parts_are_those_made_alone(cluster, tmp_path):
    report = made_on(cluster, COUNTS, sink=tmp_path / "out", parts=3, **RUN)
    (tmp_path / "alone").mkdir()
    parts_made_alone(tmp_path / "alone", COUNTS, 3)
    assert digests(tmp_path / "out") == digests(tmp_path / "alone")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "part-00001-of-00003", "part-00002-of-00003", "part-00003-of-00003", "_SUCCESS.json",
    }  # fmt: skip
    sizes = [p.stat().st_size for p in (tmp_path / "out").rglob("*.csv")]
    assert (report.records, report.bytes) == (31_001, sum(sizes))
    assert {name: made.records for name, made in report.vaults.items()} == COUNTS
    assert record_of(tmp_path / "out")["report"] == report.to_dict()


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_vaults_and_tables_of_ones_own_in_any_format(cluster, tmp_path, form):
    sink = {"jsonl": mockdata.JsonlSink, "parquet": mockdata.ParquetSink, "csv": mockdata.CsvSink}
    counts = {ODD: 301, QUOTED: 301, PEOPLE: 301}
    made_on(cluster, counts, sink=tmp_path / "out", parts=2, format=form, start=5, **RUN)
    (tmp_path / "alone").mkdir()
    parts_made_alone(tmp_path / "alone", counts, 2, sink[form], start=5)
    assert digests(tmp_path / "out") == digests(tmp_path / "alone")


def test_a_synchronous_client(cluster, tmp_path):
    seen = []
    with Client(cluster) as client:
        report = made_on(
            cluster,
            COUNTS,
            client=client,
            sink=tmp_path / "out",
            parts=2,
            on_progress=seen.append,
            **RUN,
        )
    last = {progress.vault: progress for progress in seen}
    assert {name: each.records for name, each in last.items()} == COUNTS
    assert all(progress.total == COUNTS[progress.vault] for progress in seen)
    assert sum(each.bytes for each in last.values()) <= report.bytes


def test_parts_that_are_whole_are_not_made_again(cluster, tmp_path):
    run = partial(made_on, cluster, COUNTS, sink=tmp_path, parts=4, **RUN)
    first = run()
    whole = digests(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
    os.truncate(tmp_path / "part-00002-of-00004" / "ssn_data.csv", 100)
    (tmp_path / "part-00003-of-00004" / "_PART.json").unlink()
    again = run()
    assert record_of(tmp_path)["made"] == 2
    assert digests(tmp_path) == whole
    kept = [path for path, at in before.items() if path.stat().st_mtime_ns == at]
    assert {path.parent.name for path in kept} == {"part-00001-of-00004", "part-00004-of-00004"}
    assert (again.records, again.bytes, again.vaults) == (first.records, first.bytes, first.vaults)


@pytest.mark.parametrize(
    "change",
    [{"seed": 8}, {"timestamp": 1_700_000_001}, {"start": 1}, {"options": {"header": False}}],
)
def test_parts_of_another_run_are_replaced(cluster, tmp_path, change):
    made_on(cluster, {"id": 100}, sink=tmp_path, parts=2, **RUN)
    earlier = digests(tmp_path)
    made_on(cluster, {"id": 100}, sink=tmp_path, parts=2, **RUN | change)
    assert record_of(tmp_path)["made"] == 2
    assert not {*earlier.values()} & {*digests(tmp_path).values()}


def test_a_cancelled_run_leaves_whole_parts_and_goes_on_from_there(cluster, tmp_path):
    counts, parts = {"ssn": 6_000_000}, 200

    async def cancelled():
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            first = asyncio.Event()

            def look(progress):
                if any(tmp_path.glob("part-*/_PART.json")):
                    first.set()

            run = asyncio.ensure_future(
                mockdata.dask.generate(
                    client, counts, sink=tmp_path, parts=parts, on_progress=look, **RUN
                )
            )
            await first.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    asyncio.run(cancelled())
    there = {path.name for path in tmp_path.iterdir()}
    assert there
    assert len(there) < parts
    assert all(re.fullmatch(r"part-\d{5}-of-00200", name) for name in there)
    assert all((tmp_path / name / "_PART.json").exists() for name in there)
    made_on(cluster, counts, sink=tmp_path, parts=parts, **RUN)
    assert record_of(tmp_path)["made"] == parts - len(there)
    joined = b"".join(
        (tmp_path / f"part-{k:05}-of-{parts:05}" / "ssn_data.csv").read_bytes().partition(b"\n")[2]
        for k in range(1, parts + 1)
    )
    mockdata.generate_sync(counts, sink=mockdata.CsvSink(tmp_path / "w", header=False), **RUN)
    assert joined == (tmp_path / "w" / "ssn_data.csv").read_bytes()


@pytest.mark.slow  # Dask may leave a worker behind that it starts again while its cluster stops
def test_a_worker_that_is_killed_costs_its_part_alone(tmp_path):
    struck = []

    def strike(progress):
        if progress.records and not struck:
            nanny = psutil.Process().children()
            workers = [p for p in nanny if "spawn_main" in " ".join(p.cmdline())]
            struck.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        counts = {"ssn": 2_000_000}
        made_on(cluster, counts, sink=tmp_path / "out", parts=8, on_progress=strike, **RUN)
        with Client(cluster) as client:
            client.wait_for_workers(2)  # one that starts while its cluster stops is left behind
    assert struck
    (tmp_path / "alone").mkdir()
    parts_made_alone(tmp_path / "alone", counts, 8)
    assert digests(tmp_path / "out") == digests(tmp_path / "alone")


def test_it_needs_no_import_of_its_own():
    command = [sys.executable, "-c", "import mockdata; print(mockdata.dask.generate.__name__)"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"generate\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"parts": 0}, "parts: 0 is not a whole number from 1 to 99999"),
        ({"parts": True}, "parts: True"),
        ({"format": "cvs"}, "format: 'cvs' is not one of csv, jsonl, parquet; did you mean csv"),
        ({"seed": -1}, "seed: "),
        ({"sink": "s4://bucket"}, "s4"),
        ({"sink": print}, "sink: print is not a folder or the URL"),
        ({"sink": ""}, "sink: '' is not a folder"),
        ({"on_progress": 5}, "on_progress: 5 is not callable"),
        ({}, "client: None is not a distributed.Client"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_started(tmp_path, arguments, says):
    with pytest.raises(mockdata.PlanError, match=re.escape(says)):
        asyncio.run(
            mockdata.dask.generate(None, {"id": 1}, **{"sink": tmp_path / "out"} | arguments)
        )
    assert not (tmp_path / "out").exists()


def test_a_worker_of_another_version_is_one_line(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(client_side, "Job", partial(Job, version="9.9"))
    with pytest.raises(mockdata.MockDataError, match=r"^worker tcp.*has mockdata \d.*client 9\.9"):
        made_on(cluster, {"id": 1}, sink=tmp_path, **RUN)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_see_the_folder_is_one_line(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(client_side, "MARKER", ".elsewhere-{}")
    with pytest.raises(mockdata.MockDataError, match=r"^worker tcp.*does not see .*folder"):
        made_on(cluster, {"id": 1}, sink=tmp_path, **RUN)
    assert list(tmp_path.iterdir()) == []


HIDE = """
import sys, mockdata.sinks.parquet as package
sys.modules["mockdata.sinks.parquet.blocks"] = None
vars(package).pop("blocks", None)
"""
SHOW = "import sys; del sys.modules['mockdata.sinks.parquet.blocks']"


def test_a_worker_without_what_the_format_needs_is_one_line(cluster, tmp_path):
    (tmp_path / "_SUCCESS.json").write_bytes(b"of an earlier run")
    with Client(cluster) as client:
        client.run(exec, HIDE)
        try:
            for folder in (tmp_path, tmp_path / "new"):
                with pytest.raises(mockdata.MockDataError, match=r"^worker tcp.*needs pyarrow; "):
                    made_on(cluster, {"id": 1}, sink=folder, format="parquet", **RUN)
        finally:
            client.run(exec, SHOW)
    assert kept(tmp_path) == {"_SUCCESS.json": b"of an earlier run"}


def test_what_a_task_raises_is_raised(cluster, tmp_path):
    (tmp_path / "part-00002-of-00002").write_text("in the way")
    with pytest.raises(OSError, match="part-00002-of-00002"):
        made_on(cluster, {"id": 100}, sink=tmp_path, parts=2, **RUN)
    assert not (tmp_path / "_SUCCESS.json").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_number_of_parts():
    assert [*map(default_parts, (1, 3_999_999, 4_000_000, 2**42))] == [1, 1, 2, 10_000]


def command(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "mockdata", *map(str, words)],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command(cluster, tmp_path):
    words = ("ssn=1000", "--seed", 7, "--timestamp", 1_700_000_000, "-o", "out", "--parts", 2)
    address = cluster.scheduler_address
    done = command(*words, "--dask", address, "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["records"]) == (0, 1000)
    done = command(*words, "--dask", address, "--no-progress", cwd=tmp_path)
    assert record_of(tmp_path / "out")["made"] == 0
    *_, counted, repeat = done.stderr.splitlines()
    assert "in 2 parts in out" in counted
    assert repeat.endswith(f"--dask {address} --parts 2")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--parts", "2"), "parts: only works with --dask; to make one part, use --part K/N"),
        (
            ("--dask", "local", "-s", "stdout"),
            "dask: only works with files: -s csv, jsonl or parquet",
        ),
        (("--dask", "local", "--part", "1/2"), "part: cannot be combined with --dask"),
        (("--dask", "local", "--rate", "9"), "rate: cannot be combined with --dask"),
        (("--dask", "local", "--parts", "0"), "parts: 0 is not a whole number from 1 to 99999"),
        (("--dask", "local", "--parts", "two"), "parts: 'two' is not a whole number from 1"),
        (("--dask", "tcp://h:1", "-w", "2"), "workers: only works with --dask local"),
        (("--dask", ""), "dask: '' is not a scheduler's address or local"),
    ],
)
def test_wrong_use_of_the_command(tmp_path, words, says):
    done = command(10, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mockdata: {says}")
    assert done.stderr.count("\n") == 1
    assert kept(tmp_path) == {}


def test_a_missing_extra_is_one_line(tmp_path):
    (tmp_path / "distributed.py").write_text("raise ImportError")
    done = command(10, "--dask", "local", "-q", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "pip install 'mockdata[dask]'" in done.stderr
    assert done.stderr.count("\n") == 1


def is_gone(session):
    """Return whether no process of a session is left; a tracker of resources is the last to go."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        os.sched_yield()
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_tasks_and_the_cluster(tmp_path, number):
    words = ("ssn=400M", "--dask", "local", "-w", "2", "-o", "out", "--parts", "200", "-q")
    run = subprocess.Popen(
        [sys.executable, "-m", "mockdata", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while run.poll() is None and not [*tmp_path.glob("out/part-*/_PART.json")]:
        os.sched_yield()
    run.send_signal(number)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (128 + number, "")
    assert is_gone(run.pid)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert all(re.fullmatch(r"part-\d{5}-of-00200", name) for name in left)


@pytest.fixture(scope="module")
def s3():
    server = S3Server()
    yield server
    server.stop()


def test_parts_into_an_object_store(s3, tmp_path, monkeypatch):
    settings = {"ENDPOINT_URL": s3.endpoint, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}
    for name, setting in settings.items():
        monkeypatch.setenv(f"AWS_{name}", setting)  # before the workers start, which inherit it
    bucket = s3.make_bucket()
    place = f"s3://{bucket}/some/prefix"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        report = made_on(cluster, COUNTS, sink=place, parts=2, **RUN)
        s3.client.delete_object(Bucket=bucket, Key="some/prefix/part-00002-of-00002/_PART.json")
        made_on(cluster, COUNTS, sink=place, parts=2, **RUN)
    (tmp_path / "alone").mkdir()
    parts_made_alone(tmp_path / "alone", COUNTS, 2)
    found = {}
    for each in s3.client.list_objects_v2(Bucket=bucket)["Contents"]:
        body = s3.client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        found[each["Key"].removeprefix("some/prefix/")] = body
    record = json.loads(found.pop("_SUCCESS.json"))
    assert record["made"] == 1
    assert record["report"]["bytes"] == report.bytes
    marks = [found.pop(f"part-0000{k}-of-00002/_PART.json") for k in (1, 2)]
    assert [json.loads(mark)["part"] for mark in marks] == [[1, 2], [2, 2]]
    assert {name: hashlib.sha256(body).hexdigest() for name, body in found.items()} == digests(
        tmp_path / "alone"
    )
