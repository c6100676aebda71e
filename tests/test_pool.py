"""Tasks in executors: what fails, what dies, what is made again, and how much memory they hold."""

import asyncio
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import anyio
import pytest

import mockdata
from mockdata.render.task import render
from mockdata.workers import memory, processes
from mockdata.workers.pool import TRIES, WorkerPool
from mockdata.workers.processes import Processes


class Held(ThreadPoolExecutor):
    """Holds up every task but the first."""

    def __init__(self):
        super().__init__(1)
        self.begun, self.go_on, self.futures = threading.Event(), threading.Event(), []

    def submit(self, function, key, start, *rest):
        def call():
            if start > 0:
                self.begun.set()
                self.go_on.wait(60)
            return function(key, start, *rest)

        self.futures.append(super().submit(call))
        return self.futures[-1]


async def test_a_run_that_fails_waits_for_its_tasks_in_a_users_executor():
    failed = anyio.Event()

    async def fail(batch):
        await anyio.to_thread.run_sync(executor.begun.wait, 60)
        failed.set()
        raise LookupError("mine")

    with Held() as executor:
        run = asyncio.ensure_future(
            mockdata.generate({"ssn": 1_000_000}, sink=fail, workers=2, executor=executor)
        )
        await failed.wait()
        await anyio.wait_all_tasks_blocked()
        is_done = run.done()
        executor.go_on.set()
        with pytest.raises(LookupError):
            await run
        assert not is_done
        assert [future.cancelled() for future in executor.futures] == [False, False, True]
        assert all(future.done() for future in executor.futures)


async def test_a_users_executor_that_cancels_a_task_is_a_worker_error():
    async def shut_down(batch):
        await anyio.to_thread.run_sync(executor.begun.wait, 60)
        executor.shutdown(wait=False, cancel_futures=True)
        executor.go_on.set()

    with Held() as executor, pytest.raises(mockdata.WorkerError) as caught:
        await mockdata.generate({"ssn": 1_000_000}, sink=shut_down, workers=2, executor=executor)
    assert str(caught.value) == "ssn records 200000 to 299999: cancelled"


# Workers that die


@pytest.fixture
def counted(monkeypatch):
    """The sizes of the pools of processes that are made, and are stopped again."""
    made, stopped = [], {}

    class Counted(Processes):
        def __init__(self, size):
            super().__init__(size)
            made.append(size)

        def kill(self):
            assert threading.current_thread() is not threading.main_thread()
            super().kill()
            stopped[self] = self._size

    monkeypatch.setattr(processes, "Processes", Counted)
    return made, stopped


def render_alone(key, start, *rest):
    """Die of the first range, and have it made again by a worker that notes its number."""
    if start == 0:
        with open(os.environ["NOTES"], "a+") as file:
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            if len(file.readlines()) == 1:
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
    return render(key, start, *rest)


@pytest.fixture
def dying_once(monkeypatch, tmp_path):
    """Have a worker die of the first range; return the file with the numbers of who makes it."""
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr("mockdata.pipeline.producers.render", render_alone)
    return tmp_path / "notes"


async def test_a_worker_that_dies_costs_one_pool_and_one_worker_alone(dying_once, counted):
    made, stopped = counted
    await mockdata.generate({"id": 900_000}, sink=lambda _: None, workers=3)
    assert made == [3, 3, 1] == [*stopped.values()]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


async def test_workers_that_die_again_and_again_are_all_waited_for(monkeypatch, counted):
    made, stopped = counted
    monkeypatch.setattr("mockdata.pipeline.producers.render", die)
    with pytest.raises(mockdata.WorkerError):
        await mockdata.generate({"id": 900_000}, sink=lambda _: None, workers=2)
    assert made.count(1) >= TRIES
    assert sorted(made) == sorted(stopped.values())


class Broken:
    """Stands for processes that die of every task; to stop them takes until ``go_on``."""

    def __init__(self, size):
        self.size, self.stops, self.is_stopped = size, threading.Event(), False
        self.go_on = threading.Event()
        MADE.append(self)

    def submit(self, *_):
        future = Future()
        if len(MADE) < 4:
            future.set_exception(BrokenExecutor("died"))
        return future

    def kill(self):
        self.stops.set()
        self.go_on.wait(60)
        self.is_stopped = True

    def ids(self):
        return []


MADE = []


async def test_a_pool_that_is_closed_while_a_worker_is_replaced_makes_no_more():
    MADE.clear()
    pool = WorkerPool(Broken, 2)
    task = pool.submit(("id", 0, 1), print)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(task.result)
        MADE[0].go_on.set()
        while len(MADE) < 3 or not MADE[2].stops.is_set():  # the worker that it was alone in
            await anyio.sleep(0)
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:
                closing.start_soon(pool.close)
                for made in MADE:
                    made.go_on.set()
    assert [made.is_stopped for made in MADE] == [True, True, True]


# Memory


async def test_peak_memory_is_what_was_held_meanwhile(monkeypatch):
    taken = []
    monkeypatch.setattr(memory, "INTERVAL", 0)
    monkeypatch.setattr(memory, "_held", lambda process: 1 if taken else 7)
    report = await mockdata.generate({"id": 30_000}, sink=taken.append)
    assert (len(taken), report.peak_memory) == (3, 7)


async def test_peak_memory_has_the_workers(monkeypatch):
    looked = set()

    def held(process):
        looked.add(process)
        return 1

    monkeypatch.setattr(memory, "_held", held)
    report = await mockdata.generate({"id": 300_000}, sink=lambda _: None, workers=2)
    assert len(looked) >= 3
    assert report.peak_memory >= 3


async def test_peak_memory_has_the_worker_that_a_task_is_made_again_by(monkeypatch, dying_once):
    looked = []
    monkeypatch.setattr(memory, "_held", lambda process: looked.append(process) or 1)
    await mockdata.generate({"id": 300_000}, sink=lambda _: None, workers=2)
    _, alone = map(int, dying_once.read_text().split())
    assert alone in looked
