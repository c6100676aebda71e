"""The pipeline: order, back-pressure, errors, cancellation, and what is left behind: nothing."""

import asyncio
import gc
import os
import pickle
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from multiprocessing import get_context

import anyio
import psutil
import pytest
import pytest_asyncio

import mockdata
from mockdata.testing import FailingSink, ListSink, StallingSink

from .conftest import RUN, children, open_slabs


@pytest.mark.parametrize("count", [1, 7, 9_999, 10_000, 10_001, 50_001])
async def test_every_record_comes_once_and_in_order(either, count):
    sink = ListSink()
    report = await mockdata.generate(count, sink=sink, **RUN)
    for vault, batches in sink.batches.items():
        starts = [batch.start for batch in batches]
        assert starts == list(range(0, count, 10_000))
        assert sum(map(len, batches)) == count
        assert report.vaults[vault].records == count
    assert sink.outcomes == [None]


async def test_a_callback_is_given_each_batch_plain_or_async(either):
    seen, busy = [], []

    async def load(batch):
        assert not busy
        busy.append(1)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        busy.clear()
        seen.append(batch)

    await mockdata.generate(20_001, sink=load, **RUN)
    assert sum(map(len, seen)) == 4 * 20_001
    assert {batch.vault for batch in seen} == {"name", "id", "dob", "ssn"}
    plain = []
    await mockdata.generate(20_001, sink=plain.append, **RUN)
    assert sorted(map(repr, plain)) == sorted(map(repr, seen))


async def test_a_plain_callback_is_called_on_the_loops_thread():
    threads = []
    await mockdata.generate(1, sink=lambda _: threads.append(threading.current_thread()))
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize("first", [0, 1, 3])
async def test_a_users_exception_comes_as_it_is_with_a_note(either, first):
    error = LookupError("no such table")
    sink = FailingSink(error, first)
    with pytest.raises(LookupError) as caught:
        await mockdata.generate({"ssn": 40_000}, sink=sink, **RUN)
    assert caught.value is error
    start = 10_000 * first
    assert error.__notes__ == [f"mockdata: at ssn records {start} to {start + 9_999}"]
    assert sink.outcomes == [error]
    assert children() == []


async def test_a_users_exception_group_is_left_alone():
    group = ExceptionGroup("mine", [ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        await mockdata.generate(1, sink=FailingSink(group), **RUN)
    assert caught.value is group


async def test_one_vaults_failure_leaves_every_vault_with_the_exception(pooled):
    error = RuntimeError("boom")
    sink = FailingSink(error, 6)
    with pytest.raises(RuntimeError) as caught:
        await mockdata.generate(100_000, sink=sink, **RUN)
    assert caught.value is error
    assert sink.outcomes == [error]


async def test_an_exit_in_a_callback_leaves_nothing(pooled):
    def leave(batch):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await mockdata.generate({"ssn": 100_000}, sink=leave)
    assert children() == []


async def test_a_sink_is_closed_when_every_vault_is_written():
    events = []

    class Recording:
        @asynccontextmanager
        async def open(self, run):
            async def write(batch):
                events.append("write")

            yield mockdata.Session(write=write, commit=lambda: events.append("commit"))
            events.append("close")

    await mockdata.generate({"name": 1, "id": 50_000, "ssn": 20_000}, sink=Recording())
    assert events == ["write"] * 8 + ["commit", "close"]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_sink_may_have_a_task_group_of_its_own(either, fails):
    sent = []

    class Concurrent(ListSink):
        @asynccontextmanager
        async def open(self, run):
            async with super().open(run), anyio.create_task_group() as group:

                async def send(batch):
                    await anyio.lowlevel.checkpoint()
                    sent.append(batch)

                async def write(batch):
                    group.start_soon(send, batch)

                yield write
            committed.append("behind the yield")

    sink, committed = Concurrent(), []

    def on_progress(progress):
        if fails and progress.records == progress.total:
            raise ZeroDivisionError

    run = mockdata.generate({"id": 30_000, "ssn": 20_000}, sink=sink, on_progress=on_progress)
    if fails:
        with pytest.raises(ZeroDivisionError):
            await run
    else:
        await run
        assert sum(map(len, sent)) == 50_000
    assert len(committed) == (not fails)
    assert children() == []


async def test_a_slow_sink_holds_the_workers_back(pooled):
    sink = StallingSink(2)
    before, held = open_slabs(), []

    async def watch():
        await sink.stalled.wait()
        await anyio.wait_all_tasks_blocked()
        held.append(open_slabs() - before)
        sink.go_on.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await mockdata.generate({"ssn": 2_000_000}, sink=sink, workers=2, **RUN)
    assert sum(map(len, sink.batches["ssn"])) == 2_000_000
    # Two tasks ahead, and the one whose batches are sent. A slab counts twice: file and mapping.
    assert held == [3 * 2]


@pytest.mark.parametrize("batches_first", [0, 1, 7])
async def test_cancelling_a_run_leaves_nothing(either, batches_first):
    sink = StallingSink(batches_first)

    async def run():
        await mockdata.generate({"ssn": 150_000, "id": 150_000}, sink=sink, **RUN)

    task = asyncio.ensure_future(run())
    await sink.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []
    assert [type(outcome) for outcome in sink.outcomes] == [asyncio.CancelledError]


async def test_being_cancelled_again_and_again_does_not_break_the_clean_up(pooled):
    closing, closed = anyio.Event(), []
    go_on = anyio.Event()

    class Slow(StallingSink):
        @asynccontextmanager
        async def open(self, run):
            async with super().open(run) as session:
                try:
                    yield session
                finally:
                    closing.set()
                    await go_on.wait()
                    closed.append(True)

    sink = Slow()
    task = asyncio.ensure_future(mockdata.generate({"ssn": 50_000}, sink=sink))
    await sink.stalled.wait()
    task.cancel()
    await closing.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]
    assert children() == []


async def test_a_timeout_is_a_timeout(either):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await mockdata.generate({"ssn": 100_000}, sink=StallingSink())
    assert children() == []


async def test_progress_is_told_of_every_vault():
    seen = []
    await mockdata.generate({"ssn": 25_000, "id": 5}, sink=lambda _: None, on_progress=seen.append)
    ssn = [p for p in seen if p.vault == "ssn"]
    assert [p.records for p in ssn] == [0, 10_000, 20_000, 25_000]
    assert ssn[-1].total == 25_000
    assert ssn[-1].bytes == 25_000 * 76
    assert all(a.seconds <= b.seconds for a, b in pairwise(ssn))


async def test_an_exception_in_on_progress_comes_as_it_is(tmp_path):
    error = KeyError("x")

    def fail(progress):
        raise error

    with pytest.raises(KeyError) as caught:
        await mockdata.generate(10, sink=tmp_path / "out", on_progress=fail)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


async def test_the_report_adds_up():
    report = await mockdata.generate({"ssn": 1000, "id": 500}, sink=lambda _: None, **RUN)
    assert (report.seed, report.timestamp) == (1, 1_700_000_000)
    assert report.records == 1500
    assert report.vaults["ssn"] == mockdata.VaultReport(1000, 40_000, 36_000)
    assert report.bytes == 76_000 + 500 * (34 + 35)
    assert report.records_per_second == pytest.approx(1500 / report.seconds)
    assert report.peak_memory > 10_000_000
    as_dict = report.to_dict()
    assert as_dict["vaults"]["id"] == {"records": 500, "data_bytes": 17_000, "token_bytes": 17_500}


# Streams


@pytest.mark.parametrize("take", [0, 1, 3])
async def test_leaving_a_stream_early_leaves_nothing(either, take):
    async with mockdata.stream(100_000, workers=2) as batches:
        for _ in range(take):
            assert len(await anext(batches)) == 10_000
    assert children() == []


async def test_a_stream_that_is_never_entered_starts_nothing():
    mockdata.stream(1_000_000)
    assert children() == []


async def test_an_exception_in_a_streams_body_comes_as_it_is_with_a_note(pooled):
    error = ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError) as caught:
        async with mockdata.stream({"ssn": 100_000}) as batches:
            async for batch in batches:
                if batch.start == 20_000:
                    raise error
    assert caught.value is error
    assert error.__notes__ == ["mockdata: at ssn records 20000 to 29999"]
    assert children() == []


async def test_cancelling_a_streams_body_leaves_nothing(pooled):
    started = anyio.Event()

    async def body():
        async with mockdata.stream(100_000) as batches:
            await anext(batches)
            started.set()
            await anyio.sleep_forever()

    task = asyncio.ensure_future(body())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_an_exhausted_stream_stays_exhausted():
    async with mockdata.stream({"id": 1}) as batches:
        assert len([batch async for batch in batches]) == 1
        assert [batch async for batch in batches] == []


async def test_a_wait_that_is_cancelled_in_any_turn_loses_no_batch():
    turns, is_taken = 0, False
    while not is_taken:
        async with mockdata.stream({"ssn": 10_001}) as batches:
            waiting = asyncio.ensure_future(anext(batches))
            for _ in range(turns):
                await asyncio.sleep(0)
            is_taken = waiting.done()
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                assert (await waiting).start == 0
            left = [batch.start async for batch in batches]
            assert left == ([10_000] if is_taken else [0, 10_000]), turns
        turns += 1


class Stuck(Executor):
    """Takes tasks, and begins none."""

    def submit(self, function, /, *args, **kwargs):
        return Future()


async def test_a_stream_that_is_left_does_not_end_for_who_still_waits():
    async with mockdata.stream({"ssn": 20_000}, executor=Stuck()) as batches:
        waiting = [asyncio.ensure_future(anext(batches)) for _ in range(3)]
        await asyncio.sleep(0)
    for each in [*waiting, anext(batches)]:
        with pytest.raises(RuntimeError, match="closed before its end"):
            await each


async def test_a_stream_that_ended_has_ended_when_it_is_left():
    async with mockdata.stream({"ssn": 1}) as batches:
        assert [len(batch) async for batch in batches] == [1]
    assert [batch async for batch in batches] == []


async def test_a_worker_error_comes_where_the_next_batch_would_be():
    with ThreadPoolExecutor(1) as executor:
        async with mockdata.stream({"ssn": 1_000_000}, executor=executor) as batches:
            await anext(batches)
            executor.shutdown(wait=False)
            with pytest.raises(mockdata.WorkerError, match="ssn records"):
                async for _ in batches:
                    pass


# Executors and workers


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(2, get_context("fork")),
        lambda: ProcessPoolExecutor(1, get_context("forkserver")),
    ],
)
async def test_an_executor_of_ones_own_is_used_and_left_running(make, tmp_path):
    me = psutil.Process()
    before = {p.pid for p in me.children(recursive=True)}
    with make() as executor:
        sink = ListSink()
        await mockdata.generate(30_000, sink=sink, executor=executor, **RUN)
        await mockdata.generate(30_000, sink=tmp_path / "out", executor=executor, **RUN)
        assert executor.submit(os.getpid).result()
    expected = ListSink()
    await mockdata.generate(30_000, sink=expected, **RUN)
    for vault in expected.batches:
        assert sink.lines(vault) == expected.lines(vault)
    from multiprocessing import forkserver, resource_tracker

    forkserver._forkserver._stop()
    resource_tracker._resource_tracker._stop()
    assert {p.pid for p in me.children(recursive=True)} == before


async def test_an_executor_that_is_shut_down_is_a_worker_error():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(mockdata.WorkerError) as caught:
        await mockdata.generate({"id": 5}, sink=print, executor=executor)
    assert (caught.value.vault, caught.value.start, caught.value.stop) == ("id", 0, 5)


async def test_a_killed_worker_is_replaced_and_the_records_are_the_same(pooled, tmp_path):
    killed = []

    def kill(progress):
        victims = [child for child in children() if child.pid not in killed]
        if len(killed) < 3 and victims and progress.records:
            with suppress(psutil.NoSuchProcess):  # the executor ends the others of one that died
                victims[0].send_signal(signal.SIGKILL)
                killed.append(victims[0].pid)

    for sink in (tmp_path / "out", (kept := ListSink())):
        killed.clear()
        await mockdata.generate(
            {"ssn": 2_000_000, "name": 1_000_000}, sink=sink, workers=2, on_progress=kill, **RUN
        )
        assert len(set(killed)) == 3
    for vault in kept.batches:
        data, tokens = kept.lines(vault)
        assert (tmp_path / "out" / f"{vault}_data.csv").read_bytes().partition(b"\n")[2] == data
        assert (tmp_path / "out" / f"{vault}_tokens.csv").read_bytes().partition(b"\n")[2] == tokens
    sound = ListSink()
    await mockdata.generate({"ssn": 2_000_000, "name": 1_000_000}, sink=sound, workers=2, **RUN)
    assert sound.lines("ssn") == kept.lines("ssn")
    assert sound.lines("name") == kept.lines("name")


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


async def test_workers_that_always_die_are_reported_after_some_tries(pooled, monkeypatch):
    monkeypatch.setattr("mockdata.pipeline.producers.render", die)
    with pytest.raises(mockdata.WorkerError) as caught:
        await mockdata.generate({"dob": 100_000}, sink=print, workers=2)
    assert caught.value.vault == "dob"
    assert caught.value.start % 10_000 == 0
    assert "dob records" in str(caught.value)
    assert children() == []


async def test_small_runs_start_no_process(monkeypatch):
    seen = []
    await mockdata.generate(1000, sink=lambda _: seen.extend(children()), workers=2)
    assert seen == []


async def test_ten_runs_at_once_and_one_inside_another(pooled):
    inner = ListSink()

    async def nested(batch):
        if batch.start == 0:
            await mockdata.generate({"id": 100}, sink=inner, **RUN)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(lambda: mockdata.generate({"ssn": 20_000}, sink=nested, workers=1))
    assert [len(batch) for batch in inner.batches["id"]] == [100] * 10


async def test_generate_sync_says_what_to_do_where_a_loop_runs():
    with pytest.raises(RuntimeError, match=r"await generate\(\)"):
        mockdata.generate_sync(1)


def test_an_error_of_generate_sync_comes_without_another_one():
    with pytest.raises(mockdata.PlanError) as caught:
        mockdata.generate_sync(0)
    assert caught.value.__context__ is None


def test_generate_sync_in_a_thread(pooled):
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(mockdata.generate_sync({"id": 5}, sink=lambda _: None))
    )
    thread.start()
    thread.join()
    assert reports[0].records == 5


# What users meet


async def a_cancelled_wait(*_):
    waiting = asyncio.ensure_future(anyio.sleep_forever())
    waiting.cancel()
    await waiting


@pytest.mark.parametrize("where", ["callback", "sink", "open"])
async def test_a_cancellation_of_the_users_own_is_no_success(either, where):
    class Sink:
        @asynccontextmanager
        async def open(self, run):
            if where == "open":
                await a_cancelled_wait()
            yield a_cancelled_wait
            closed.append("as if all were well")

    closed = []
    with pytest.raises(asyncio.CancelledError):
        await mockdata.generate(
            {"ssn": 50_000}, sink=a_cancelled_wait if where == "callback" else Sink()
        )
    assert closed == []


async def test_a_cancellation_in_on_progress_leaves_no_files(either, tmp_path):
    def cancel(progress):
        if progress.records:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await mockdata.generate({"ssn": 50_000}, sink=tmp_path / "out", on_progress=cancel)
    assert list(tmp_path.iterdir()) == []


@pytest_asyncio.fixture
async def held_stream():
    async with mockdata.stream({"ssn": 200_000}) as batches:
        yield batches


async def test_a_fixture_may_hold_a_stream_open(held_stream):
    assert len(await anext(held_stream)) == 10_000


def in_daemon(folder):
    mockdata.generate_sync({"id": 300_000}, sink=folder, **RUN)


def test_a_daemonic_process_may_generate(tmp_path):
    process = get_context("fork").Process(target=in_daemon, args=(tmp_path / "out",), daemon=True)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert (tmp_path / "out" / "id_data.csv").stat().st_size == 300_000 * 34 + 3


def test_generate_sync_is_a_function_of_its_own():
    assert pickle.loads(pickle.dumps(mockdata.generate_sync)) is mockdata.generate_sync
    assert mockdata.generate_sync.__name__ == "generate_sync"


async def never_awaited(progress):
    pass


@pytest.mark.parametrize(
    ("argument", "value"), [("executor", 5), ("on_progress", 5), ("on_progress", never_awaited)]
)
async def test_what_cannot_be_used_is_refused_at_once(argument, value, tmp_path):
    with pytest.raises(mockdata.PlanError, match=argument):
        await mockdata.generate(1, sink=tmp_path / "out", **{argument: value})
    assert list(tmp_path.iterdir()) == []


async def test_a_run_closes_its_files_at_once(pooled):
    gc.disable()
    try:
        await mockdata.generate({"id": 5}, sink=lambda _: None)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            await mockdata.generate({"id": 5}, sink=lambda _: None)
        assert len(os.listdir("/proc/self/fd")) <= before + 2
    finally:
        gc.enable()


class Delivering(ListSink):
    """A sink that refuses a vault, and gives an account."""

    @asynccontextmanager
    async def open(self, run):
        if "dob" in [vault.name for vault in run.vaults]:
            raise mockdata.PlanError("vaults", "'dob' is not known there")
        async with super().open(run) as session:
            yield mockdata.Session(session.write, delivery=self.delivery)

    def delivery(self):
        sent = sum(len(batch) for batches in self.batches.values() for batch in batches)
        return mockdata.Delivery(sent, 0, 0, 0, 0, 0, 0.0, 0.0, (), {})


async def test_a_sink_that_delivers_has_its_say_before_and_after():
    sink = Delivering()
    with pytest.raises(mockdata.PlanError, match="not known there"):
        await mockdata.generate(10, sink=sink)
    assert sink.batches == {}
    report = await mockdata.generate({"id": 10, "ssn": 5}, sink=sink)
    assert report.delivery.sent == report.to_dict()["delivery"]["sent"] == 15
    other = await mockdata.generate({"id": 10}, sink=ListSink())
    assert other.delivery is None
    assert "delivery" not in other.to_dict()
