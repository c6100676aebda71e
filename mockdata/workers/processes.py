"""The library's own workers: processes that can be stopped at once, whatever they are doing.

They are forked where the system allows it. A fork is ready in milliseconds, shares what numpy has
loaded, needs no importable ``__main__``, and leaves no helper process behind. What can go wrong
with a fork is seen to in ``_settle``: a worker keeps none of the application's files open, takes
none of its signals and does not outlive it; and it runs numpy and system calls alone. To have
another kind of worker, pass an ``executor``.
"""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final, ParamSpec, TypeVar

from mockdata.workers.limits import check_threads, naming

__all__ = ["Processes", "may_have_processes"]

P = ParamSpec("P")
T = TypeVar("T")

METHOD: Final = "fork" if sys.platform == "linux" else "spawn"

PARENT_CHECK: Final = 0.5
"""Seconds between a worker's looks at whether its parent still lives."""

POOL_THREADS: Final = 3
"""Threads that a process pool starts beside its processes, and the one that stops them.

Whether they can be had is asked beforehand: a pool that cannot start one may wait for ever.
"""

HEARD: Final = frozenset((signal.SIGALRM, signal.SIGTERM))
"""Signals that a worker hears: its timer's, and what the executor ends workers by if one dies."""

NO_SEMAPHORES: Final = (errno.ENOENT, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EROFS)
"""What a system answers that has no ``/dev/shm``, or none to write to, as serverless ones do."""

OpenFiles = dict[int, tuple[int, int]]
"""File descriptor to device and inode."""

_fork_turn = threading.Lock()
"""One thread forks at a time: warning filters are the process's, and a worker that is forked while
another thread makes a pool would keep that pool's pipes open."""


def _renew_turn() -> None:
    global _fork_turn  # noqa: PLW0603, a fork by others may copy it while it is taken
    _fork_turn = threading.Lock()


os.register_at_fork(after_in_child=_renew_turn)


def may_have_processes() -> bool:
    """Return whether this process may have workers.

    A daemonic one may not, as of a multiprocessing.Pool; nor one on a system without semaphores.
    """
    if multiprocessing.current_process().daemon:
        return False
    try:
        multiprocessing.get_context(METHOD).Lock()
    except ImportError:
        return False
    except OSError as error:
        return error.errno not in NO_SEMAPHORES
    return True


class Processes(ProcessPoolExecutor):
    """A process pool that can be stopped at once."""

    def __init__(self, workers: int) -> None:
        self._size = workers
        self._started: list[BaseProcess] = []
        self._ending = threading.Lock()
        self._inherited: OpenFiles = {}  # filled when the workers are forked, and so seen by them
        with naming("worker processes"), _fork_turn:
            others = _open_files()
            context = multiprocessing.get_context(METHOD)
            super().__init__(workers, context, _settle, (os.getpid(), self._inherited))
            # With what they are open on: they may have the numbers of files closed meanwhile.
            self._pipes = _open_files().items() - others.items()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Give the processes a call; the first one starts them."""
        with naming("worker processes"), nullcontext() if self._started else self._forking():
            try:
                return super().submit(function, *args, **kwargs)
            finally:
                self._started = list((self._processes or {}).values())

    @contextmanager
    def _forking(self) -> Iterator[None]:
        with _fork_turn:
            for file, identity in _open_files().items():
                if (file, identity) not in self._pipes:
                    self._inherited[file] = identity
            check_threads(self._size + POOL_THREADS)
            with _undisturbed():
                yield

    def ids(self) -> list[int]:
        """Return the numbers of the processes that were started."""
        return [process.pid for process in self._started if process.pid is not None]

    def kill(self) -> None:
        """Kill the processes and wait for their end; they hold nothing that needs closing.

        Their exit codes may go to others, as where SIGCHLD is ignored. May be called again, by
        several threads at once: each returns when all processes are gone.
        """
        with self._ending:
            started, self._started = self._started, []
            for process in started:
                if not wait([process.sentinel], 0):  # one that is gone may have left its number
                    process.kill()
            self.shutdown(wait=True)
            for process in started:
                process.join()
                with suppress(ValueError):  # its exit code has gone elsewhere
                    process.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Fork: no signal arrives in the child before ``_settle``, and the known risk is no warning."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _open_files() -> OpenFiles:
    """Return what is open now, so that a worker can tell it from its own files."""
    found: OpenFiles = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                status = os.fstat(int(name))
                found[int(name)] = status.st_dev, status.st_ino
    return found


def _settle(parent: int, open_files: OpenFiles) -> None:
    """Make a new process a worker: it holds and hears nothing of its parent's, and leaves with it.

    A file is not closed but exchanged for the null device: its number stays taken, so that no
    inherited object that is disposed of later closes a file of the worker's own.
    """
    gc.disable()
    signal.set_wakeup_fd(-1)  # as asyncio sees to from Python 3.12 on
    null = os.open(os.devnull, os.O_RDWR)
    for file, identity in open_files.items():
        with suppress(OSError):
            status = os.fstat(file)
            if file > 2 and identity == (status.st_dev, status.st_ino):
                os.dup2(null, file, inheritable=False)
    os.close(null)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, lambda *_: os.getppid() == parent or os._exit(1))
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - HEARD)
    signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK, PARENT_CHECK)
