"""The pool: processes that run tasks, replaced when one dies and gone when the run ends.

The library's own workers are forked where the system allows it. A fork is ready in milliseconds,
shares what numpy has loaded, needs no importable ``__main__``, and leaves no helper process
behind. What can go wrong with a fork is seen to in ``_settle``: a worker keeps none of the
application's files open, takes none of its signals and does not outlive it; and it runs numpy and
system calls alone. Whoever wants another kind of worker passes an ``executor``.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from mockdata.errors import WorkerError
from mockdata.memory import PeakMemory

__all__ = ["Pool", "Task", "open_pool"]

P = ParamSpec("P")
T = TypeVar("T")

SMALL: Final = 200_000
"""Records that this process renders by itself in less time than workers take to start."""

TRIES: Final = 5
"""How often a task is given to workers that die before its range is reported."""

PARENT_CHECK: Final = 0.5
"""Seconds between a worker's looks at whether its parent still lives."""

Records = tuple[str, int, int]
"""A vault's name, and the first of its indices and the one behind the last."""

OpenFiles = dict[int, tuple[int, int]]
"""File descriptor to device and inode."""


@asynccontextmanager
async def open_pool(records: int, workers: int, executor: Executor | None) -> AsyncIterator[Pool]:
    """Open the pool of a run that makes ``records`` records, and close it at the end.

    Processes start with the first task.
    """
    pool: Pool
    if executor is not None:
        pool = Pool(executor, workers)
    elif records <= SMALL:
        pool = Pool(_Here(), 1)
    else:
        pool = _OwnPool(workers)
    try:
        yield pool
    finally:
        with anyio.CancelScope(shield=True):
            await pool.close()


class Pool:
    """Runs tasks in an executor that somebody else keeps, ``workers`` of them at a time."""

    def __init__(self, executor: Executor, workers: int) -> None:
        self.workers = workers
        self._executor = executor
        self._memory = PeakMemory()
        self._unfinished: set[Future[Any]] = set()

    def submit(self, records: Records, function: Callable[..., T], *args: object) -> Task[T]:
        """Give the workers a task that makes ``records``, and return it under way."""
        return Task(self, records, lambda executor: executor.submit(function, *args))

    def start(self, call: Callable[[Executor], Future[T]]) -> tuple[Executor, Future[T]]:
        """Call with the executor; return that, and the future, which never fails to be made."""
        executor = self._executor
        future: Future[T]
        try:
            future = call(executor)
        except RuntimeError as error:  # broken, or shut down, which only the message tells
            future = Future()
            future.set_exception(BrokenExecutor(str(error)))
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._memory.look(self._processes())
        return executor, future

    async def replace(self, broken: Executor) -> bool:
        """Put another executor in place of a broken one; return whether there is another."""
        return False

    async def close(self) -> None:
        """Wait until no task is left that could still write somewhere."""
        for future in list(self._unfinished):
            future.cancel()
        for future in list(self._unfinished):
            await _done(future)

    def peak_memory(self) -> int:
        """Return the bytes that this process and the workers held at the peak."""
        return self._memory.last_look(self._processes())

    def _processes(self) -> list[int]:
        return []


class _OwnPool(Pool):
    """Runs tasks in processes of its own."""

    def __init__(self, workers: int) -> None:
        self._own = _Workers(workers)
        super().__init__(self._own, workers)
        self._replacing = anyio.Lock()

    async def replace(self, broken: Executor) -> bool:
        async with self._replacing:
            if self._executor is broken:
                await self._stop()
                self._executor = self._own = _Workers(self.workers)
        return True

    async def close(self) -> None:
        await self._stop()

    async def _stop(self) -> None:
        """End the processes: until then they may write, so nothing may be made again before."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._own.kill)

    def _processes(self) -> list[int]:
        return [process.pid for process in self._own.processes if process.pid]


class Task(Generic[T]):
    """A call that is under way in the workers, and is made again if they die of it."""

    def __init__(self, pool: Pool, records: Records, call: Callable[[Executor], Future[T]]) -> None:
        self._pool = pool
        self._records = records
        self._call = call
        self._started = pool.start(call)

    async def result(self) -> T:
        """Wait for the call's result.

        Raises what the call raises, and WorkerError when the workers have died too often.
        """
        reason: Exception | None = None
        for _ in range(TRIES):
            executor, future = self._started
            await _done(future)
            try:
                return future.result()
            except (BrokenExecutor, CancelledError) as error:
                reason = error
            if not await self._pool.replace(executor):
                break
            self._started = self._pool.start(self._call)
        vault, start, stop = self._records
        raise WorkerError(vault, start, stop, f"the workers stopped: {reason}") from reason


async def _done(future: Future[Any]) -> None:
    """Wait until a future is done; unlike ``wrap_future``, cancelled or not, leave it alone."""
    if not future.done():
        loop, done = asyncio.get_running_loop(), anyio.Event()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        await done.wait()


class _Here(Executor):
    """Runs each task at once, in this process."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Workers(ProcessPoolExecutor):
    """A process pool that can be stopped at once, whatever its processes are doing."""

    def __init__(self, workers: int) -> None:
        self.processes: list[BaseProcess] = []
        method = "fork" if sys.platform == "linux" else "spawn"
        context: Any = type(multiprocessing.get_context(method))()  # our own: we change it
        make = context.Process

        def remember(*args: Any, **kwargs: Any) -> BaseProcess:
            self.processes.append(make(*args, **kwargs))
            return self.processes[-1]

        context.Process = remember
        super().__init__(workers, context, _settle, (os.getpid(), _open_files(), _blocked()))

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self.processes:
            return super().submit(function, *args, **kwargs)
        with _undisturbed():
            return super().submit(function, *args, **kwargs)

    def kill(self) -> None:
        """Kill the processes and wait for their end; they hold nothing that needs closing."""
        started = [process for process in self.processes if process.pid is not None]
        for process in started:
            process.kill()
        self.shutdown(wait=True)
        for process in started:
            process.join()


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


def _settle(parent: int, open_files: OpenFiles, blocked: set[int]) -> None:
    """Make a new process a worker: it holds and hears nothing of its parent's, and leaves with it.

    A file is not closed but exchanged for the null device: its number stays taken, so that no
    inherited object that is disposed of later closes a file of the worker's own.
    """
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    null = os.open(os.devnull, os.O_RDWR)
    for file, identity in open_files.items():
        with suppress(OSError):
            status = os.fstat(file)
            if file > 2 and identity == (status.st_dev, status.st_ino):
                os.dup2(null, file, inheritable=False)
    os.close(null)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(1)
