"""The pool: where a run's tasks are given to whatever runs them, and made again if that dies.

What runs them is an executor: the processes of ``processes``, an executor of the user's, or, for a
small run, this process itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

import anyio

from mockdata.errors import WorkerError
from mockdata.workers.memory import PeakMemory
from mockdata.workers.tasks import off_the_loop

if TYPE_CHECKING:
    from mockdata.workers.processes import Processes

__all__ = ["InThread", "Pool", "Records", "Task", "open_pool", "under_way"]

P = ParamSpec("P")
T = TypeVar("T")

SMALL: Final = 200_000
"""Values and tokens that this process renders in less time than workers take to start."""

TRIES: Final = 5
"""How many workers may die of a task, while it is the only one, before its records are reported."""

Records = tuple[str, int, int]
"""A vault's name, its first index, and the index after its last."""


@asynccontextmanager
async def open_pool(records: int, workers: int, executor: Executor | None) -> AsyncIterator[Pool]:
    """Open the pool of a run that makes ``records`` values and tokens, and close it at the end.

    Processes start with the first task. When the pool is closed, none of its tasks runs any more.
    """
    pool = _pool(records, workers, executor)
    try:
        yield pool
    finally:
        await pool.close()


def _pool(records: int, workers: int, executor: Executor | None) -> Pool:
    if executor is not None:
        return Pool(executor, workers)
    if records > SMALL:
        from mockdata.workers.processes import Processes, may_have_processes

        if may_have_processes():
            return WorkerPool(Processes, workers)
    return Pool(InThread(), 1)


class Task(Generic[T]):
    """A call under way in the workers. If it kills them, it is made again."""

    def __init__(self, pool: Pool, records: Records, call: Callable[[Executor], Future[T]]) -> None:
        self.records = records
        self.call = call
        self.executor, self.future = pool.start(call)
        self._pool = pool

    async def result(self) -> T:
        """Wait for the call's result.

        Raises what the call raises, and WorkerError when the workers have died too often.
        """
        try:
            return await outcome(self.future)
        except (BrokenExecutor, CancelledError) as error:
            return await self._pool.again(self, error)


class Pool:
    """Runs tasks in an executor that belongs to others, ``workers`` at a time."""

    def __init__(self, executor: Executor, workers: int) -> None:
        self.workers = workers
        self.is_here = isinstance(executor, InThread)
        self._executor = executor
        self._memory = PeakMemory()

    def submit(self, records: Records, function: Callable[..., T], *args: object) -> Task[T]:
        """Give the workers a task that makes ``records``, and return it under way."""
        return Task(self, records, lambda executor: executor.submit(function, *args))

    def start(self, call: Callable[[Executor], Future[T]]) -> tuple[Executor, Future[T]]:
        """Call with the executor, and return it with a future. There is always a future."""
        self._memory.look(self._processes())
        return self._executor, _started(call, self._executor)

    async def again(self, task: Task[T], reason: Exception) -> T:
        """Make a task again whose executor has broken, and return its result."""
        raise WorkerError(*task.records, str(reason) or "cancelled") from reason

    async def settle(self, tasks: Iterable[Task[Any]]) -> None:
        """Make sure that tasks nobody awaits any more are done, or never begin."""
        futures = [task.future for task in tasks]
        for future in futures:
            future.cancel()
        for future in futures:
            await _done(future)

    async def close(self) -> None:
        """Close the pool once every task is settled."""

    def peak_memory(self) -> int:
        """Return the bytes that this process and the workers held at the peak."""
        return self._memory.last_look(self._processes())

    def _processes(self) -> list[int]:
        return []


class WorkerPool(Pool):
    """Runs tasks in its own processes, and replaces those that die.

    When a worker dies, all tasks under way fail, and which of them it died of is unknown. So each
    is made again alone, in a process of its own: if that dies too, it died of this task.
    """

    def __init__(self, make: Callable[[int], Processes], workers: int) -> None:
        self._make = make
        self._own = make(workers)
        self._alone: Processes | None = None
        self._turn = anyio.Lock()
        self._is_closed = False
        super().__init__(self._own, workers)

    async def again(self, task: Task[T], reason: Exception) -> T:
        """Make a task again, alone. Raises WorkerError if it keeps killing its worker."""
        async with self._turn:
            if self._own is task.executor:
                await _stop(self._own)  # until then they may write to the same place
                self._executor = self._own = self._make(self.workers)
            for _ in range(TRIES):
                if self._is_closed:  # the run has failed elsewhere, and its tasks are cancelled
                    await anyio.sleep_forever()
                self._alone = self._alone or self._make(1)
                try:
                    return await outcome(_started(task.call, self._alone))
                except BrokenExecutor as error:
                    reason = error
                await _stop(self._alone)
                self._alone = None
        raise WorkerError(*task.records, f"{TRIES} workers died of them") from reason

    async def settle(self, tasks: Iterable[Task[Any]]) -> None:
        """Stop the workers, whatever they do: the run that they work for has failed."""
        await self.close()

    async def close(self) -> None:
        """Stop the workers. They hold nothing that needs closing."""
        self._is_closed = True
        await _stop(self._own, self._alone)

    def _processes(self) -> list[int]:
        return [*self._own.ids(), *(self._alone.ids() if self._alone is not None else ())]


@asynccontextmanager
async def under_way(pool: Pool, *queues: Collection[Task[Any]]) -> AsyncIterator[None]:
    """Leave only when every task left in a queue is done, or never began."""
    try:
        yield
    finally:
        if left := [task for queue in queues for task in queue]:
            with anyio.CancelScope(shield=True):
                await pool.settle(left)


async def outcome(future: Future[T]) -> T:
    """Wait for a future, and return its result or raise its error.

    Unlike ``asyncio.wrap_future``, leave it alone when cancelled: its task may still write.
    """
    await _done(future)
    return future.result()


async def _done(future: Future[Any]) -> None:
    if not future.done():
        loop, done = asyncio.get_running_loop(), anyio.Event()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        await done.wait()


def _started(call: Callable[[Executor], Future[T]], executor: Executor) -> Future[T]:
    try:
        return call(executor)
    except RuntimeError as error:  # broken, or shut down, which only the message tells
        refused: Future[T] = Future()
        refused.set_exception(BrokenExecutor(f"the executor takes no task: {error}"))
        return refused


async def _stop(*pools: Processes | None) -> None:
    for processes in filter(None, pools):
        await off_the_loop(processes.kill)


class InThread(Executor):
    """Runs each task at once, in the thread that gives it."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function, and return the future with what has come of it."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
