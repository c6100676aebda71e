"""How a run ends: what a sink is told, once, and what of the process is as it was."""

import asyncio
import gc
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress

import anyio
import pytest

import mockdata
from mockdata.testing import ListSink, StallingSink

from .conftest import RUN, children, isolated, kept, may_mount, shell


class Told:
    """A sink that notes what it is told; ``group`` has it keep a task group around its yield."""

    def __init__(self, write=None, undo=None, commit=None, group=nullcontext):
        self.events = []
        self._write, self._undo, self._commit, self._group = write, undo, commit, group

    @asynccontextmanager
    async def open(self, run):
        self.events.append("open")
        try:
            async with self._group():
                yield mockdata.Session(write=self.write, commit=self.commit)
            self.events.append("behind")
        except BaseException as error:
            self.events.append(type(error).__name__)
            if self._undo is not None:
                raise self._undo from error
            raise

    async def write(self, batch):
        if self._write is not None:
            await self._write(batch)

    async def commit(self):
        await anyio.lowlevel.checkpoint()
        self.events.append("commit")
        if self._commit is not None:
            raise self._commit


GROUPS = [nullcontext, asyncio.TaskGroup, anyio.create_task_group]


@pytest.mark.parametrize("group", GROUPS)
async def test_a_run_commits_once(either, group):
    sink = Told(group=group)
    await mockdata.generate(20_001, sink=sink)
    assert sink.events == ["open", "commit", "behind"]


@pytest.mark.parametrize("group", GROUPS)
async def test_a_cancelled_run_never_commits(either, group):
    stalled = StallingSink(2)
    sink = Told(write=stalled._write, group=group)
    stalled.batches = {"id": [], "ssn": []}
    task = asyncio.ensure_future(mockdata.generate({"id": 30_000, "ssn": 30_000}, sink=sink))
    await stalled.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.events == ["open", "CancelledError"]
    assert children() == []


@pytest.mark.parametrize("group", GROUPS)
async def test_a_failed_run_never_commits(either, group):
    async def fail(batch):
        raise LookupError("mine")

    sink = Told(write=fail, group=group)
    with pytest.raises(LookupError):
        await mockdata.generate(20_000, sink=sink)
    assert sink.events[0] == "open"
    assert len(sink.events) == 2


async def test_an_error_in_the_commit_is_raised_as_it_is():
    error = LookupError("no room for it")
    sink = Told(commit=error, group=anyio.create_task_group)
    with pytest.raises(LookupError) as caught:
        await mockdata.generate(10, sink=sink)
    assert caught.value is error


async def test_the_first_error_is_raised_and_later_ones_are_notes_on_it(either):
    async def fail(batch):
        raise LookupError("first")

    with pytest.raises(LookupError) as caught:
        await mockdata.generate(20_000, sink=Told(write=fail, undo=OSError("second")))
    assert "mockdata: then came OSError: second" in caught.value.__notes__


async def test_an_error_of_the_undoing_is_a_note_on_a_cancellation():
    stalled = StallingSink()
    sink = Told(write=stalled._write, undo=OSError("second"))
    task = asyncio.ensure_future(mockdata.generate({"id": 10}, sink=sink))
    await stalled.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert "mockdata: then came OSError: second" in caught.value.__notes__


async def test_a_task_of_the_sinks_own_that_fails_ends_the_run(either):
    class Sink:
        @asynccontextmanager
        async def open(self, run):
            async with anyio.create_task_group() as group:

                async def fail():
                    await stalled.stalled.wait()
                    raise LookupError("lost the connection")

                group.start_soon(fail)
                yield stalled._write

    stalled = StallingSink()
    with pytest.raises(LookupError, match="lost the connection"):
        await mockdata.generate({"id": 50_000}, sink=Sink())
    assert children() == []


async def test_nothing_is_written_once_a_vault_has_failed(pooled):
    written, failed = [], []

    async def write(batch):
        assert not failed
        if batch.vault == "ssn" and batch.start >= 100_000:
            failed.append(batch)
            raise LookupError("mine")
        written.append(batch)
        await anyio.lowlevel.checkpoint()

    with pytest.raises(LookupError) as caught:
        await mockdata.generate(400_000, sink=Told(write=write), workers=2)
    assert len(caught.value.__notes__) == 1


class FailsAndLetsGo:
    """The writer of one vault lets the other one's go on, and fails in the same turn."""

    def __init__(self):
        self.waits, self.goes_on, self.written = asyncio.Event(), asyncio.Event(), []

    async def write(self, batch):
        self.written.append((batch.vault, batch.start))
        if batch.vault == "ssn":
            self.waits.set()
            await self.goes_on.wait()
        else:
            await self.waits.wait()
            self.goes_on.set()
            raise LookupError

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(write=self.write, batch_size=10)


async def test_nothing_is_written_in_the_turn_in_which_a_vault_fails():
    sink = FailsAndLetsGo()
    with pytest.raises(LookupError):
        await mockdata.generate({"id": 1, "ssn": 100}, sink=sink)
    assert sorted(sink.written) == [("id", 0), ("ssn", 0)]


async def test_no_worker_writes_to_files_that_a_sink_is_left_with(pooled, tmp_path):
    paths = [tmp_path / "data", tmp_path / "tokens"]
    for path in paths:
        path.touch()

    class Files:
        @asynccontextmanager
        async def open(self, run):
            files = [mockdata.File(str(path)) for path in paths]
            try:
                yield mockdata.Session(files={"ssn": files})
            finally:
                for path in paths:
                    os.truncate(path, 0)

    def fail(progress):
        if progress.records:
            raise LookupError

    with pytest.raises(LookupError):
        await mockdata.generate({"ssn": 4_000_000}, sink=Files(), workers=2, on_progress=fail)
    assert [path.stat().st_size for path in paths] == [0, 0]
    assert children() == []


def yields(batch):
    yield


async def yields_async(batch):
    yield


class Yields:
    def __call__(self, batch):
        yield


@pytest.mark.parametrize("callback", [yields, yields_async, Yields()])
async def test_a_generator_as_callback_is_refused(callback):
    with pytest.raises(mockdata.PlanError, match="generator"):
        await mockdata.generate(1, sink=callback)


async def returns_a_generator(batch):
    return yields_async(batch)


@pytest.mark.parametrize(
    "callback", [lambda batch: yields(batch) if batch else None, returns_a_generator]
)
async def test_a_callback_that_returns_a_generator_is_an_error(callback):
    with pytest.raises(TypeError, match="generator"):
        await mockdata.generate(1, sink=callback)


async def test_a_callback_that_returns_what_can_be_awaited_has_it_awaited():
    taken = []

    async def load(batch):
        taken.append(len(batch))

    async def returns_a_coroutine(batch):
        return load(batch)

    await mockdata.generate({"id": 7}, sink=returns_a_coroutine)
    assert taken == [7]


class Opens:
    """A sink whose ``open`` is whatever it is made with."""

    def __init__(self, function):
        self.open = function


async def opens_in_a_coroutine(run):
    return print


@contextmanager
def opens_a_plain_context(run):
    yield print


@asynccontextmanager
async def opens_nothing(run):
    yield


@asynccontextmanager
async def opens_a_session_of_nothing(run):
    with suppress(BaseException):  # to swallow an error has no effect
        yield mockdata.Session(write=7)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (yields_async, "async_generator, not an async context manager: put @asynccontextmanager"),
        (opens_in_a_coroutine, "coroutine, not an async context manager"),
        (opens_a_plain_context, "not an async context manager"),
        (print, "NoneType, not an async context manager"),
        (opens_nothing, "yields None, which is neither an async callable nor a Session"),
        (opens_a_session_of_nothing, "write 7 is not an async callable"),
    ],
)
async def test_a_sink_that_opens_as_nothing_can_be_entered_is_refused(function, says):
    with pytest.raises(mockdata.PlanError, match=says):
        await mockdata.generate(1, sink=Opens(function))
    gc.collect()


class NotAllOfIt(ThreadPoolExecutor):
    """Loses what the last task has made."""

    def submit(self, function, key, start, stop, *rest):
        return super().submit(function, key, start, max(start + 1, stop - 10_000), *rest)


@pytest.mark.parametrize("sink", ["out", print])
async def test_a_run_that_made_fewer_records_is_an_error(tmp_path, sink):
    sink = tmp_path / sink if sink == "out" else lambda _: None
    with NotAllOfIt(1) as executor, pytest.raises(mockdata.MockDataError):
        await mockdata.generate({"ssn": 30_000}, sink=sink, executor=executor)
    assert not (tmp_path / "out").exists()


# What of the process is as it was


async def test_a_timeout_that_runs_out_in_the_commit_cancels_nothing_later():
    async def commit():
        limit.reschedule(0)
        while not limit.expired() and limit.when() is not None and not cancelled.is_set():
            await asyncio.sleep(0)
            if asyncio.get_running_loop().time() > started + 0.05:
                cancelled.set()

    class Sink:
        @asynccontextmanager
        async def open(self, run):
            async def write(batch):
                pass

            yield mockdata.Session(write=write, commit=commit)

    cancelled, started = asyncio.Event(), asyncio.get_running_loop().time()
    with suppress(TimeoutError):
        async with asyncio.timeout(60) as limit:
            report = await mockdata.generate({"id": 1}, sink=Sink())
    assert report.records == 1
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


class SlowToCommit:
    """Commits once the run is cancelled."""

    def __init__(self, is_cancelled):
        self._is_cancelled = is_cancelled

    @asynccontextmanager
    async def open(self, run):
        async def write(batch):
            pass

        async def commit():
            while not self._is_cancelled():
                await asyncio.sleep(0)

        yield mockdata.Session(write=write, commit=commit)


async def test_a_timeout_that_runs_out_in_the_commit_is_a_timeout_of_what_comes_behind():
    task = asyncio.current_task()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await mockdata.generate({"id": 1}, sink=SlowToCommit(task.cancelling))
            await anyio.sleep_forever()
    assert not task.cancelling()


async def test_a_scope_that_is_cancelled_in_the_commit_cancels_what_comes_behind_unless_shielded():
    cleaned = []
    with anyio.CancelScope() as scope:
        sink = SlowToCommit(lambda: scope.cancel() or scope.cancel_called)
        await mockdata.generate({"id": 1}, sink=sink)
        with anyio.CancelScope(shield=True):
            for _ in range(3):
                await asyncio.sleep(0)
            cleaned.append(True)
        await anyio.sleep_forever()
    assert (scope.cancelled_caught, cleaned) == (True, [True])
    assert not asyncio.current_task().cancelling()


def test_runs_in_threads_leave_the_warning_filters(pooled):
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as threads:
        runs = [
            threads.submit(mockdata.generate_sync, {"id": 20_000}, sink=lambda _: None, workers=2)
            for _ in range(12)
        ]
        assert [run.result().records for run in runs] == [20_000] * 12
    assert warnings.filters == before


TRIO = """
import sys, trio, mockdata

async def main():
    try:
        if sys.argv[1] == "generate":
            await mockdata.generate(1, sink=print)
        elif sys.argv[1] == "sync":
            mockdata.generate_sync(1, sink=print)
        else:
            async with mockdata.stream(1) as batches:
                async for _ in batches:
                    pass
    except mockdata.PlanError as error:
        print(error)

trio.run(main)
"""


@pytest.mark.parametrize("what", ["generate", "stream", "sync"])
def test_trio_is_refused_at_the_door(what):
    pytest.importorskip("trio")
    done = subprocess.run(
        [sys.executable, "-c", TRIO, what], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("event loop: "), done.stderr
    assert done.returncode == 0


def test_children_that_the_system_reaps_are_no_failure(tmp_path):
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    ignoring += "os.execvp(sys.argv[1], sys.argv[1:])"
    done = shell(f"{sys.executable} -c '{ignoring}' $mockdata ssn=300k -q -o out", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(kept(tmp_path / "out")) == 2


@pytest.mark.skipif(not may_mount(), reason="to mount a disk needs root or user namespaces")
def test_no_shared_memory_at_all(tmp_path):
    done = isolated(
        "mkdir e && chmod 500 e && mount -t tmpfs -o ro none /dev/shm && $mockdata ssn=300k -q -o out",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(kept(tmp_path / "out")) == 2


@pytest.mark.skipif(not may_mount(), reason="to make a namespace needs root or user namespaces")
def test_a_namespace_of_processes_with_the_outer_ones_proc(tmp_path):
    rows = "ssn=2 -q -s stdout --seed 7 --timestamp 1700000000"
    expected = shell(f"$mockdata {rows}", tmp_path)
    done = shell(f"unshare -pf $mockdata {rows}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected.stdout, "")


async def test_a_change_of_the_folder_during_a_run(pooled, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def leave(progress):
        os.chdir(tmp_path / "elsewhere")

    await mockdata.generate({"id": 20_000, "name": 20_000}, sink="out", on_progress=leave)
    assert len(kept(tmp_path / "out")) == 4
    assert kept(tmp_path / "elsewhere") == {}


async def test_one_sink_in_two_runs_at_once(either):
    sink = ListSink()
    async with anyio.create_task_group() as group:
        for vault in ("id", "ssn"):
            group.start_soon(lambda v: mockdata.generate({v: 30_001}, sink=sink, **RUN), vault)
    assert [sum(map(len, batches)) for batches in sink.batches.values()] == [30_001] * 2
    assert sink.outcomes == [None, None]
