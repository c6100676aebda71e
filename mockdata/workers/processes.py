"""The library's own workers: processes that are replaced when one dies, and gone at the end.

They are forked where the system allows it. A fork is ready in milliseconds, shares what numpy has
loaded, needs no importable ``__main__``, and leaves no helper process behind. What can go wrong
with a fork is seen to in ``_settle``: a worker keeps none of the application's files open, takes
none of its signals and does not outlive it; and it runs numpy and system calls alone. Whoever
wants another kind of worker passes an ``executor``.
"""

from __future__ import annotations

import gc
import itertools
import mmap
import multiprocessing
import os
import signal
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar, Final, ParamSpec, TypeVar

import anyio

from mockdata.workers.limits import check_files, check_threads, naming
from mockdata.workers.pool import Pool
from mockdata.workers.tasks import off_the_loop

__all__ = ["WorkerPool", "may_have_children"]

P = ParamSpec("P")
T = TypeVar("T")

PARENT_CHECK: Final = 0.5
"""Seconds between a worker's looks at whether its parent still lives."""

POOL_THREADS: Final = 3
"""Threads that a process pool starts beside its processes, and the one that stops them.

Whether they can be had is asked beforehand: a pool that cannot start one may wait for ever.
"""

WORKER_FILES: Final = 4
"""Files that a worker has open at a time beside those that it inherits."""

OpenFiles = dict[int, tuple[int, int]]
"""File descriptor to device and inode."""


def may_have_children() -> bool:
    """Return whether this process may: a daemonic one, as of a multiprocessing.Pool, may not."""
    return not multiprocessing.current_process().daemon


class WorkerPool(Pool):
    """Runs tasks in processes of its own."""

    def __init__(self, workers: int) -> None:
        self._own = _Workers(workers)
        super().__init__(self._own, workers)
        self._replacing = anyio.Lock()

    async def replace(self, broken: Executor) -> bool:
        """Stop what is left of the broken workers, then have others made in their place."""
        async with self._replacing:
            if self._executor is broken:
                await self._stop()
                self._executor = self._own = _Workers(self.workers)
        return True

    def died_of(self, future: Future[Any], broken: Executor) -> bool:
        """Return whether a worker died while it was at a task, or it is not known at which."""
        return not isinstance(broken, _Workers) or broken.died_of(future)

    async def close(self) -> None:
        """Stop the workers, whatever they are doing."""
        await self._stop()

    async def _stop(self) -> None:
        """End the processes: until then they may write, so nothing may be made again before."""
        with anyio.CancelScope(shield=True):
            await off_the_loop(self._own.kill)

    def _processes(self) -> list[int]:
        with suppress(ValueError):  # they are being stopped at this moment, in another thread
            return [process.pid for process in self._own.processes if process.pid]
        return []


class _Workers(ProcessPoolExecutor):
    """A process pool that can be stopped at once, whatever its processes are doing."""

    def __init__(self, workers: int) -> None:
        self.processes: list[BaseProcess] = []
        self._size = workers
        method = "fork" if sys.platform == "linux" else "spawn"
        context: Any = type(multiprocessing.get_context(method))()  # our own: we change it
        make = context.Process

        def remember(*args: Any, **kwargs: Any) -> BaseProcess:
            self.processes.append(make(*args, **kwargs))
            return self.processes[-1]

        context.Process = remember
        self._inherited: OpenFiles = {}  # filled when the workers are forked, and so seen by them
        self._diary = _Diary(workers, self.processes) if method == "fork" else None
        self._tasks: weakref.WeakKeyDictionary[Future[Any], int] = weakref.WeakKeyDictionary()
        self._task_numbers = itertools.count(1)
        self._deadly: set[int] = set()
        others = _open_files()
        settling = os.getpid(), self._inherited, _blocked(), self._diary
        with naming("worker processes"):
            super().__init__(workers, context, _settle, settling)
        # With what they are open on: they may have numbers of files that another thread has closed.
        self._pipes = _open_files().items() - others.items()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        number = next(self._task_numbers)
        with naming("worker processes"), nullcontext() if self.processes else self._forking():
            future = super().submit(_do, number, function, *args, **kwargs)
        self._tasks[future] = number
        return future

    @contextmanager
    def _forking(self) -> Iterator[None]:
        for file, identity in _open_files().items():
            if (file, identity) not in self._pipes:
                self._inherited[file] = identity
        check_files(WORKER_FILES)
        check_threads(self._size + POOL_THREADS)
        with _undisturbed():
            yield

    def died_of(self, future: Future[Any]) -> bool:
        """Return whether a worker died at a task, or none is known to have died at any.

        It is known once the workers are killed: when one dies, the tasks of all of them fail.
        """
        return not self._deadly or self._tasks.get(future) in self._deadly

    def _look_for_the_dead(self) -> None:
        """Note what those were at that have died; SIGTERM is what the others get for it."""
        if self._diary is not None:
            for place, process in enumerate(self.processes):
                if process.pid is not None and process.exitcode not in (None, -signal.SIGTERM):
                    self._deadly.add(self._diary.read(place))
            self._deadly.discard(_Diary.IDLE)

    def kill(self) -> None:
        """Kill the processes and wait for their end; they hold nothing that needs closing."""
        self._look_for_the_dead()
        started = [process for process in self.processes if process.pid is not None]
        for process in started:
            process.kill()
        self.shutdown(wait=True)
        for process in started:
            process.join()
            process.close()
        self.processes.clear()


class _Diary:
    """Memory in which each forked worker keeps the number of the task that it is at."""

    IDLE: Final = 0
    _ENTRY: Final = 8

    of_this_worker: ClassVar[_Diary | None] = None

    def __init__(self, workers: int, processes: list[BaseProcess]) -> None:
        self._entries = mmap.mmap(-1, workers * self._ENTRY)
        self._processes = processes
        self._own = 0

    def claim(self) -> None:
        """Take the entry of the process that has been forked last: this one, for its own copy."""
        self._own = len(self._processes) - 1
        _Diary.of_this_worker = self

    def write(self, task: int) -> None:
        """Write what the worker is at."""
        entry = self._own * self._ENTRY
        self._entries[entry : entry + self._ENTRY] = task.to_bytes(self._ENTRY, "little")

    def read(self, place: int) -> int:
        """Read what a worker, dead or alive, was at last."""
        entry = place * self._ENTRY
        return int.from_bytes(self._entries[entry : entry + self._ENTRY], "little")


def _do(number: int, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a task in a worker, and have it known meanwhile."""
    diary = _Diary.of_this_worker
    if diary is None:
        return function(*args, **kwargs)
    diary.write(number)
    try:
        with naming("worker process"):
            return function(*args, **kwargs)
    finally:
        diary.write(_Diary.IDLE)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Fork: no signal arrives in the child before ``_settle``, and the known risk is no warning."""
    blocked = _blocked()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _blocked() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _open_files() -> OpenFiles:
    """Return what is open now, so that a worker can tell it from its own files."""
    found: OpenFiles = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                status = os.fstat(int(name))
                found[int(name)] = status.st_dev, status.st_ino
    return found


def _settle(parent: int, open_files: OpenFiles, blocked: set[int], diary: _Diary | None) -> None:
    """Make a new process a worker: it holds and hears nothing of its parent's, and leaves with it.

    A file is not closed but exchanged for the null device: its number stays taken, so that no
    inherited object that is disposed of later closes a file of the worker's own.
    """
    if diary is not None:
        diary.claim()
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked - {signal.SIGALRM, signal.SIGTERM})
    null = os.open(os.devnull, os.O_RDWR)
    for file, identity in open_files.items():
        with suppress(OSError):
            status = os.fstat(file)
            if file > 2 and identity == (status.st_dev, status.st_ino):
                os.dup2(null, file, inheritable=False)
    os.close(null)
    signal.signal(signal.SIGALRM, lambda *_: os.getppid() == parent or os._exit(1))
    signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK, PARENT_CHECK)
