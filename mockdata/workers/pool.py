"""The pool: where a run's tasks are given to whatever runs them, and made again if that dies.

What runs them is an executor: the processes of ``workers``, an executor of the user's, or, for a
small run, this process itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, ParamSpec, TypeVar

import anyio

from mockdata.errors import WorkerError
from mockdata.workers.memory import PeakMemory

__all__ = ["Pool", "Records", "Task", "open_pool"]

P = ParamSpec("P")
T = TypeVar("T")

SMALL: Final = 200_000
"""Records that this process renders by itself in less time than workers take to start."""

TRIES: Final = 5
"""How many workers may die of a task before its range is reported."""

Records = tuple[str, int, int]
"""A vault's name, and the first of its indices and the one behind the last."""


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
        from mockdata.workers.processes import WorkerPool, may_have_children

        pool = WorkerPool(workers) if may_have_children() else Pool(_Here(), 1)
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
            refused = BrokenExecutor(f"the executor takes no task: {error}")
            refused.__cause__ = error
            future = Future()
            future.set_exception(refused)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._memory.look(self._processes())
        return executor, future

    async def replace(self, broken: Executor) -> bool:
        """Put another executor in place of a broken one; return whether there is another."""
        return False

    def died_of(self, future: Future[Any], broken: Executor) -> bool:
        """Return whether a task may be what broke its executor, which has been replaced."""
        return True

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
        deaths = 0
        while True:
            executor, future = self._started
            await _done(future)
            try:
                return future.result()
            except (BrokenExecutor, CancelledError) as error:
                reason = error
            if not await self._pool.replace(executor):
                raise WorkerError(*self._records, str(reason) or "cancelled") from reason
            deaths += self._pool.died_of(future, executor)
            if deaths == TRIES:
                raise WorkerError(*self._records, f"{TRIES} workers died of them") from reason
            self._started = self._pool.start(self._call)


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
