"""Odd places to run in, and consumers that leave: no warning, no trace, no hang."""

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import anyio
import pytest

import mockdata
from mockdata.testing import FailingSink

from .conftest import FILES, RUN, children, kept, shell

SCRIPT = """
import mockdata
report = mockdata.generate_sync({"ssn": 300_000, "id": 5}, sink="out", seed=1, timestamp=1700000000)
print(report.records)
"""

WAYS = {
    "without a main guard": "$python script.py",
    "from standard input": "$python < script.py",
    "as an argument": '$python -c "$(cat script.py)"',
    "interactive": "$python -i script.py < /dev/null",
    "optimised": "$python -OO script.py",
    "every check": "$python -X dev script.py",
    "debugging asyncio": "PYTHONASYNCIODEBUG=1 $python script.py",
    "without a folder of its own": "cat script.py | (mkdir gone; cd gone; $python -)",
}


def said(done):
    """Return what was said on standard error, but for prompts and what debugging says of slowness."""
    return re.sub(r"\s|>>>|Executing <.* took .* seconds", "", done.stderr)


@pytest.mark.parametrize("way", WAYS)
def test_a_script(tmp_path, way):
    (tmp_path / "script.py").write_text(SCRIPT.replace('"out"', repr(str(tmp_path / "out"))))
    done = shell(WAYS[way], tmp_path, python=f"{sys.executable} -W error")
    assert (done.returncode, done.stdout) == (0, "300005\n")
    assert said(done) == ""
    assert len(kept(tmp_path / "out")) == 4


@pytest.mark.parametrize("options", ["-O", "-X dev", "-I", "-bb"])
def test_the_command_with_options_of_python(tmp_path, options):
    run = f"{sys.executable} -W error {options} -m mockdata 60k -q"
    done = shell(f"PYTHONASYNCIODEBUG=1 {run} && {run} -s stdout | tail -n 1 | wc -l", tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "1")
    assert said(done) == ""
    assert kept(tmp_path / "data").keys() == FILES


UNDER_XDIST = """
import mockdata, pytest

@pytest.mark.parametrize("count", [5, 300_000])
def test_it(tmp_path, count):
    report = mockdata.generate_sync({"ssn": count}, sink=tmp_path / "out")
    assert report.records == count
"""


def test_under_xdist(tmp_path):
    (tmp_path / "test_it.py").write_text(UNDER_XDIST)
    run = (
        f"{sys.executable} -m pytest -W error -n 2 -q -p no:asyncio -p no:cacheprovider test_it.py"
    )
    done = shell(run, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


AFTER_FORK = """
import os, sys, mockdata
counts = {"ssn": 300_000}
mockdata.generate_sync(counts, sink=lambda batch: None)
child = os.fork()
mockdata.generate_sync(counts, sink="of-child" if child == 0 else "of-parent", **run)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_after_a_fork(tmp_path):
    (tmp_path / "script.py").write_text(AFTER_FORK.replace("**run", f"**{RUN}"))
    done = shell(f"{sys.executable} -W error -X dev script.py", tmp_path)
    assert (done.returncode, said(done)) == (0, "")
    assert kept(tmp_path / "of-child") == kept(tmp_path / "of-parent") != {}


def in_process(folder):
    mockdata.generate_sync({"ssn": 300_000}, sink=folder, **RUN)


@pytest.mark.parametrize("daemon", [True, False])
def test_in_a_process_of_multiprocessing(tmp_path, daemon):
    process = get_context("spawn").Process(
        target=in_process, args=(tmp_path / "out",), daemon=daemon
    )
    process.start()
    process.join()
    assert process.exitcode == 0
    assert len(kept(tmp_path / "out")) == 2
    from multiprocessing import resource_tracker

    resource_tracker._resource_tracker._stop()


def test_in_threads_without_a_loop(pooled):
    with ThreadPoolExecutor(3) as threads:
        runs = [
            threads.submit(mockdata.generate_sync, {"ssn": 30_000}, sink=lambda _: None, **RUN)
            for _ in range(6)
        ]
    assert [run.result().records for run in runs] == [30_000] * 6


async def test_beside_other_tasks_of_a_running_loop(pooled):
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    await mockdata.generate({"ssn": 500_000}, sink=lambda _: None, workers=1)
    ticking.cancel()
    assert len(ticks) > 50


# Consumers


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize("way", ["sink", "callback", "stream"])
async def test_an_error_at_the_first_a_middle_and_the_last_batch(either, way, at):
    error = LookupError("no table")

    async def callback(batch):
        if batch.start == at * 10_000:
            raise error

    with pytest.raises(LookupError) as caught:
        if way == "stream":
            async with mockdata.stream({"ssn": 50_000}) as batches:
                async for batch in batches:
                    await callback(batch)
        else:
            sink = FailingSink(error, at) if way == "sink" else callback
            await mockdata.generate({"ssn": 50_000}, sink=sink)
    assert caught.value is error
    assert error.__notes__ == [f"mockdata: at ssn records {at * 10_000} to {at * 10_000 + 9_999}"]
    assert children() == []


async def test_a_callback_that_never_returns_is_cancelled(either):
    reached, ended = anyio.Event(), []

    async def never(batch):
        reached.set()
        try:
            await asyncio.Future()
        finally:
            ended.append(batch.vault)

    run = asyncio.ensure_future(mockdata.generate(50_000, sink=never))
    await reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(ended) == 1
    assert children() == []


async def test_streams_that_nobody_enters_or_that_are_forgotten(either):
    mockdata.stream(1_000_000)
    entered = mockdata.stream({"ssn": 100_000})
    batches = await entered.__aenter__()
    assert len(await anext(batches)) == 10_000
    del batches
    await entered.__aexit__(None, None, None)
    del entered
    gc.collect()
    assert children() == []


FORGOTTEN = """
import asyncio, gc, mockdata

async def main():
    batches = mockdata.stream({"ssn": 3_000_000}, workers=2)
    async for batch in await batches.__aenter__():
        break
    del batches, batch
    gc.collect()

asyncio.run(main())
"""


def test_a_stream_that_is_never_left_ends_with_its_loop(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", FORGOTTEN],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, b"")
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)


async def test_runs_in_callbacks_of_runs_and_ten_at_once(pooled, tmp_path):
    async def nested(batch):
        if batch.start == 10_000:
            await mockdata.generate({"id": 15_000}, sink=tmp_path / str(id(batch)), **RUN)

    async with anyio.create_task_group() as group:
        for number in range(10):
            sink = nested if number % 2 else tmp_path / "same"
            group.start_soon(lambda s: mockdata.generate({"ssn": 30_000}, sink=s, **RUN), sink)
    wholes = [kept(folder) for folder in tmp_path.iterdir() if folder.name != "same"]
    assert len(wholes) == 5
    assert all(whole == wholes[0] for whole in wholes)
    assert kept(tmp_path / "same").keys() == {"ssn_data.csv", "ssn_tokens.csv"}
    assert threading.active_count() < 50


def test_a_pipe_that_is_read_slowly(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "mockdata", "60k", "-q", "-s", "stdout"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    with run.stdout:
        rows = sum(run.stdout.read(997).count(b"\n") for _ in range(2_000))
        while more := run.stdout.read(2**20):
            rows += more.count(b"\n")
    assert run.wait() == 0
    assert rows == 240_001
