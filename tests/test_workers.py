"""What a worker has of its parent, which is nothing, and how workers end."""

import errno
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

import psutil
import pytest

import mockdata
from mockdata.workers import processes
from mockdata.workers.processes import Processes

from .conftest import children

INHERITED = []
"""What the application has, and a worker sees a copy of."""


@pytest.fixture
def inherit():
    """Return a function that puts something where a worker finds it."""
    yield INHERITED.append
    INHERITED.clear()


@contextmanager
def workers(count):
    made = Processes(count)
    try:
        yield made
    finally:
        made.kill()


def in_worker(function, *arguments):
    """Call a function in a worker, and return its result."""
    with workers(1) as made:
        return made.submit(function, *arguments).result(60)


@contextmanager
def handled(number, handler):
    earlier = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, earlier)


# What of the application's


def open_on():
    files = {}
    for name in os.listdir("/proc/self/fd"):
        if os.path.islink(path := f"/proc/self/fd/{name}"):
            files[int(name)] = os.readlink(path)
    return files


def test_a_worker_holds_no_file_of_the_application(tmp_path):
    with open(tmp_path / "of-the-application", "w"):
        assert str(tmp_path / "of-the-application") in open_on().values()
        assert str(tmp_path / "of-the-application") not in in_worker(open_on).values()


def test_a_file_that_takes_the_number_of_one_that_is_closed_stays_open(tmp_path, monkeypatch):
    look = processes.check_threads
    with open(tmp_path / "closed", "w") as closed, open(tmp_path / "taken", "w") as taken:

        def close_meanwhile(count):
            look(count)
            os.dup2(taken.fileno(), closed.fileno())

        monkeypatch.setattr(processes, "check_threads", close_meanwhile)
        files = in_worker(open_on)
        assert files[closed.fileno()] == str(tmp_path / "taken")
        assert files[taken.fileno()] == os.devnull


def test_a_worker_can_say_its_last_words():
    before = open_on()
    assert in_worker(open_on)[2] == before[2] != os.devnull


def close_what_is_inherited():
    own = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
    INHERITED.pop().close()
    for file in own:
        os.close(file)  # fails if it was closed by another's number


def test_an_inherited_object_closes_no_file_of_a_workers_own(tmp_path, inherit):
    inherit(open(tmp_path / "of-the-application", "w"))
    in_worker(close_what_is_inherited)
    INHERITED.pop().close()


def test_a_worker_disposes_of_no_object_of_the_application():
    assert gc.isenabled()
    assert not in_worker(gc.isenabled)


def strike(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
    return INHERITED


def test_a_worker_hears_no_signal_of_the_applications():
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    with handled(signal.SIGUSR2, lambda *_: INHERITED.append("here")):
        assert in_worker(strike, *numbers) == []


def wakeup_file():
    return signal.set_wakeup_fd(-1)


def test_a_worker_wakes_no_event_loop_of_the_applications():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    earlier = signal.set_wakeup_fd(writing)
    try:
        assert in_worker(wakeup_file) == -1
    finally:
        assert signal.set_wakeup_fd(earlier) == writing
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("how", ["handled", "ignored", "blocked"])
def test_a_worker_can_be_ended_whatever_the_application_does_about_it(how):
    handler = {"handled": lambda *_: None, "ignored": signal.SIG_IGN}.get(how, signal.SIG_DFL)
    with handled(signal.SIGTERM, handler):
        if how == "blocked":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            with pytest.raises(BrokenExecutor):
                in_worker(strike, signal.SIGTERM)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def test_the_application_hears_its_signals_as_before():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        during = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        in_worker(strike)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == during
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def test_no_handler_of_the_application_runs_in_a_worker_that_is_not_settled(pooled):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    forks = []

    def strike():
        if forks:
            os.kill(os.getpid(), signal.SIGURG)

    os.register_at_fork(after_in_child=strike)  # for this process's life, but only while asked for
    forks.append(True)
    try:
        with handled(signal.SIGURG, lambda *_: os.write(writing, b"here")):
            await mockdata.generate({"id": 50_000}, sink=lambda _: None, workers=2)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
    finally:
        forks.clear()
        os.close(reading)
        os.close(writing)


# Endings

ORPHANS = """
import os, psutil, signal, mockdata
from mockdata.workers import pool

def die(batch):
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

pool.SMALL = 0
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
mockdata.generate_sync({"ssn": 1_000_000}, sink=die, workers=2)
"""


def test_workers_of_a_process_that_hears_no_alarm_leave_when_it_is_killed():
    run = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True)
    workers = [int(pid) for pid in run.stdout.readline().split()]
    left = [psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)]
    assert run.wait(60) == -signal.SIGKILL
    run.stdout.close()
    assert len(workers) == 2
    assert psutil.wait_procs(left, 60)[1] == []


def test_a_process_that_is_gone_is_not_killed_by_its_number(monkeypatch):
    """Where the system reaps it, its number may be another's."""
    sent, real = [], os.kill

    def kill(pid, number):
        sent.append((pid, number))
        real(pid, number)

    with handled(signal.SIGCHLD, signal.SIG_IGN), workers(2) as made:
        with pytest.raises(BrokenExecutor):
            made.submit(strike, signal.SIGKILL).result(60)
        ends = {process.sentinel: process.pid for process in made._started}
        gone = {ends[end] for end in wait([*ends])}
        monkeypatch.setattr(os, "kill", kill)
        made.kill()
    assert not {(pid, signal.SIGKILL) for pid in gone} & {*sent}


def test_two_threads_may_stop_workers_at_once(monkeypatch):
    """As two producers do that leave when a third has failed: one stops them, both wait."""
    steps, really = [], ProcessPoolExecutor.shutdown

    def shutdown(executor, wait):
        steps.append("in")
        if len(steps) == 1:
            second.start()
            second.join(0.2)  # it would be through by then
        really(executor, wait)
        steps.append("out")

    made = Processes(2)
    made.submit(strike).result(60)
    second = threading.Thread(target=made.kill)
    monkeypatch.setattr(ProcessPoolExecutor, "shutdown", shutdown)
    made.kill()
    second.join()
    assert steps == ["in", "out", "in", "out"]
    assert children() == []


@pytest.mark.parametrize("what", ["makes a pool", "starts workers"])
def test_one_thread_at_a_time_makes_pools_and_starts_workers(monkeypatch, what):
    """Workers would keep the other pool's pipes open, and miss the end of its processes."""
    arrived, inside, seen = threading.Event(), [], []
    other = Processes(1)

    class Turn:
        taken = threading.Lock()

        def __enter__(self):
            if threading.current_thread() is second:
                arrived.set()
            self.taken.acquire()

        def __exit__(self, *_):
            self.taken.release()

    def look(really=processes._open_files):
        if threading.current_thread() is second:
            inside.append(what)
            arrived.set()
        return really()

    def start_second(count, really=processes.check_threads):
        if threading.current_thread() is not second:
            second.start()
            assert arrived.wait(60)
            seen.append([*inside])
        really(count)

    second = threading.Thread(
        target=lambda: Processes(1).kill() if what == "makes a pool" else other.submit(strike)
    )
    monkeypatch.setattr(processes, "_fork_turn", Turn())
    monkeypatch.setattr(processes, "_open_files", look)
    monkeypatch.setattr(processes, "check_threads", start_second)
    assert in_worker(strike) == []
    second.join()
    other.kill()
    assert seen == [[]]
    assert inside


def test_workers_are_forked_beside_threads_without_a_warning():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            in_worker(strike)
    finally:
        over.set()
        thread.join()
    assert seen == []


def test_workers_of_which_one_cannot_be_started_are_stopped_all_the_same(monkeypatch):
    forks, really = [], os.fork

    def fork():
        if forks:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        forks.append(really())
        return forks[0]

    monkeypatch.setattr(os, "fork", fork)
    with workers(2) as made, pytest.raises(BlockingIOError) as caught:
        made.submit(strike)
    assert caught.value.filename == "worker processes"
    assert len(forks) == 1
    assert not os.path.exists(f"/proc/{forks[0]}")


FORKED = """
import os, sys, mockdata
from mockdata.workers import processes

look, forked = processes.check_threads, []

def fork(count):
    look(count)
    if not forked:
        forked.append(os.fork())
        if not forked[0]:
            mockdata.generate_sync({"ssn": 300_000}, sink=lambda _: None)
            os._exit(0)
        os.waitpid(forked[0], 0)

processes.check_threads = fork
mockdata.generate_sync({"ssn": 300_000}, sink=lambda _: None)
"""


def test_a_process_that_is_forked_while_workers_are_may_have_some_too():
    run = subprocess.Popen([sys.executable, "-c", FORKED], start_new_session=True)
    try:
        assert run.wait(60) == 0
    finally:
        if run.returncode is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


@pytest.mark.parametrize(
    "error", [ImportError(), *(OSError(n, "") for n in (errno.ENOENT, errno.ENOSYS, errno.EACCES))]
)
def test_a_system_without_semaphores_runs_here(monkeypatch, error):
    def refuse(self):
        raise error

    kind = type(multiprocessing.get_context(processes.METHOD))
    monkeypatch.setattr(kind, "Lock", refuse)
    seen = []
    mockdata.generate_sync({"id": 300_000}, sink=lambda _: seen.extend(children()))
    assert seen == []
