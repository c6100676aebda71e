"""What goes wrong with processes and with the system: a run goes on, or says why it does not."""

import os
import signal

import anyio
import psutil
import pytest

import mockdata
from mockdata.render.task import render
from mockdata.testing import ListSink, StallingSink
from mockdata.workers import pool, processes

from .conftest import RUN, VAULTS, Key, children, kept, program_of

COUNTS = {"ssn": 700_000, "name": 300_000}


def lines(sink):
    return {vault: sink.lines(vault) for vault in COUNTS}


def lines_of_files(folder):
    files = {name: content.partition(b"\n")[2] for name, content in kept(folder).items()}
    return {v: (files.pop(f"{v}_data.csv"), files.pop(f"{v}_tokens.csv")) for v in COUNTS} | files


@pytest.fixture(scope="module")
def sound():
    """The lines of a run in which nothing goes wrong."""
    sink = ListSink()
    mockdata.generate_sync(COUNTS, sink=sink, **RUN)
    return lines(sink)


def vault_of(program):
    """Return which vault a worker renders."""
    return next(v for v in VAULTS if program_of(Key(v, **RUN)).digest == program.digest)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def render_and_die_once(program, start, stop, *where):
    """Die of every range once: before it is rendered, after half of it, or when it is written."""
    marks = os.environ["MARKS"]
    mark = os.path.join(marks, f"{vault_of(program)}-{start}")
    if os.path.exists(mark):
        return render(program, start, stop, *where)
    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    moment = start // 100_000 % 3
    if moment:
        render(program, start, start + (stop - start) * moment // 2, *where)
    return die()


async def test_workers_that_die_of_every_range_once(monkeypatch, tmp_path, sound):
    monkeypatch.setattr("mockdata.pipeline.producers.render", render_and_die_once)
    for number in (1, 2):
        marks = tmp_path / f"marks{number}"
        marks.mkdir()
        monkeypatch.setenv("MARKS", str(marks))
        if number == 1:
            sink = ListSink()
            await mockdata.generate(COUNTS, sink=sink, workers=2, **RUN)
            assert lines(sink) == sound
            assert len(list(marks.iterdir())) == 10 > pool.TRIES
        else:
            await mockdata.generate(COUNTS, sink=tmp_path / "out", workers=2, **RUN)
            assert lines_of_files(tmp_path / "out") == sound
            assert len(list(marks.iterdir())) == 6 > pool.TRIES


def render_or_die(program, start, stop, *where):
    """Die of one range, again and again, but not before another one is under way beside it."""
    beside = os.environ["BESIDE"]
    if (vault_of(program), start) == ("ssn", 0):
        while not os.path.exists(beside):
            signal.pause()  # until the timer by which a worker watches its parent
        die()
    if (vault_of(program), start) == ("name", 0) and not os.path.exists(beside):
        os.close(os.open(beside, os.O_CREAT))
        while True:
            signal.pause()
    return render(program, start, stop, *where)


@pytest.mark.parametrize("sink", ["files", "slabs"])
@pytest.mark.parametrize("workers", [2, 4])
async def test_the_range_that_workers_die_of_is_named(
    monkeypatch, earlier, sink, workers, tmp_path
):
    folder, unchanged = earlier
    monkeypatch.setenv("BESIDE", str(tmp_path / "beside"))
    monkeypatch.setattr("mockdata.pipeline.producers.render", render_or_die)
    with pytest.raises(mockdata.WorkerError) as caught:
        await mockdata.generate(
            COUNTS,
            sink=folder if sink == "files" else lambda _: None,
            workers=workers,
            **RUN,
        )
    error = caught.value
    assert (error.vault, error.start) == ("ssn", 0)
    assert error.stop == (200_000 if sink == "files" else 100_000)
    assert str(error) == f"ssn records 0 to {error.stop - 1}: 5 workers died of them"
    assert children() == []
    assert unchanged()


async def test_all_workers_killed_while_a_slow_sink_holds_slabs(sound):
    sink = StallingSink(3)
    task = anyio.create_task_group()
    async with task:
        task.start_soon(lambda: mockdata.generate(COUNTS, sink=sink, workers=3, **RUN))
        await sink.stalled.wait()
        assert len(children()) == 3
        for worker in children():
            worker.kill()
        sink.go_on.set()
    assert lines(sink) == sound


async def test_all_workers_killed_while_they_write_files(tmp_path, sound):
    killed = set()

    def kill(progress):
        alive = {worker.pid for worker in children()} - killed
        if progress.records and len(killed) < 4:
            for worker in alive:
                os.kill(worker, signal.SIGKILL)
            killed.update(alive)

    await mockdata.generate(COUNTS, sink=tmp_path / "out", workers=2, on_progress=kill, **RUN)
    assert len(killed) >= 2
    assert lines_of_files(tmp_path / "out") == sound


def render_stop_or_die(key, start, stop, *where):
    """Have one worker stopped for good, and another one die then."""
    stopped, died = (os.path.join(os.environ["MARKS"], mark) for mark in ("stopped", "died"))
    if start == 0 and not os.path.exists(stopped):
        os.close(os.open(stopped, os.O_CREAT))
        os.kill(os.getpid(), signal.SIGSTOP)
    if start == 100_000 and not os.path.exists(died):
        while not os.path.exists(stopped):
            signal.pause()
        os.close(os.open(died, os.O_CREAT))
        die()
    return render(key, start, stop, *where)


async def test_a_worker_that_is_stopped_when_another_dies(monkeypatch, tmp_path, sound):
    monkeypatch.setenv("MARKS", str(tmp_path))
    monkeypatch.setattr("mockdata.pipeline.producers.render", render_stop_or_die)
    sink, left = ListSink(), []

    def look(progress):
        if progress.records == progress.total:
            left.append(stopped())

    def stopped():
        return [worker for worker in children() if worker.status() == psutil.STATUS_STOPPED]

    counts = {"ssn": COUNTS["ssn"]}
    try:
        await mockdata.generate(counts, sink=sink, workers=2, on_progress=look, **RUN)
    finally:
        for worker in stopped():
            worker.kill()
    assert left == [[]]
    assert sink.lines("ssn") == sound["ssn"]
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("when", ["_open_files", "check_threads"])
async def test_files_that_another_thread_closes_while_a_pool_is_made(
    pooled, monkeypatch, sound, when
):
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
    look = getattr(processes, when)

    def then_close(*arguments):
        found = look(*arguments)
        while files:
            os.close(files.pop())  # so that the pool's own have their numbers
        return found

    async def fail(*_):
        raise AssertionError("the workers have lost their pipes")

    monkeypatch.setattr(processes, when, then_close)
    monkeypatch.setattr(pool.WorkerPool, "again", fail)
    sink = ListSink()
    with anyio.fail_after(60):
        await mockdata.generate(COUNTS, sink=sink, workers=2, **RUN)
    assert lines(sink) == sound
