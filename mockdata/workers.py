"""The library's own workers: processes that are replaced when one dies, and gone at the end.

They are forked where the system allows it. A fork is ready in milliseconds, shares what numpy has
loaded, needs no importable ``__main__``, and leaves no helper process behind. What can go wrong
with a fork is seen to in ``_settle``: a worker keeps none of the application's files open, takes
none of its signals and does not outlive it; and it runs numpy and system calls alone. Whoever
wants another kind of worker passes an ``executor``.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any, Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from mockdata.pool import Pool

__all__ = ["WorkerPool", "may_have_children"]

P = ParamSpec("P")
T = TypeVar("T")

PARENT_CHECK: Final = 0.5
"""Seconds between a worker's looks at whether its parent still lives."""

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

    async def close(self) -> None:
        """Stop the workers, whatever they are doing."""
        await self._stop()

    async def _stop(self) -> None:
        """End the processes: until then they may write, so nothing may be made again before."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._own.kill)

    def _processes(self) -> list[int]:
        return [process.pid for process in self._own.processes if process.pid]


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
        self._inherited: OpenFiles = {}  # filled when the workers are forked, and so seen by them
        others = _open_files()
        super().__init__(workers, context, _settle, (os.getpid(), self._inherited, _blocked()))
        self._pipes = _open_files().keys() - others.keys()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self.processes:
            return super().submit(function, *args, **kwargs)
        for file, identity in _open_files().items():
            if file not in self._pipes:
                self._inherited[file] = identity
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
            process.close()
        self.processes.clear()


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
