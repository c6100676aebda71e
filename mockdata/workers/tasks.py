"""Task groups whose first error reaches the caller as it is, not in an ExceptionGroup."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from mockdata.workers.limits import NO_THREAD, naming

__all__ = ["Tasks", "end_task", "in_task", "in_thread", "off_the_loop", "open_tasks"]

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Tasks:
    """Tasks that belong together: the first one that fails stops the others."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self.error: BaseException | None = None

    def start(self, function: Callable[[Unpack[Ts]], Awaitable[object]], *args: *Ts) -> None:
        """Start a task."""

        async def run() -> None:
            try:
                await function(*args)
            except anyio.get_cancelled_exc_class() as error:
                _forget(error)
                if not self._group.cancel_scope.cancel_called:
                    self.fail(error)  # not ours: what it awaited was cancelled by somebody else
                raise
            except BaseException as error:
                self.fail(error)

        self._group.start_soon(run)

    def fail(self, error: BaseException) -> None:
        """Stop every task because of an error, which counts if it is the first."""
        self.error = self.error or error
        self.cancel()

    def cancel(self) -> None:
        """Stop every task."""
        self._group.cancel_scope.cancel()


def _forget(error: BaseException | None) -> None:
    """Free what the frames of a cancelled task hold, batches above all.

    Such an error and its task refer to each other: else its frames would live until the garbage
    collector comes by.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@asynccontextmanager
async def open_tasks() -> AsyncIterator[Tasks]:
    """Wait for the tasks started within, then raise the first error, theirs or one's own."""
    async with anyio.create_task_group() as group:
        tasks = Tasks(group)
        try:
            yield tasks
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            tasks.fail(error)
    if tasks.error is not None:
        raise tasks.error


async def in_task(function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    """Await a function in a task of its own.

    However often the caller is cancelled, the function is cancelled once, by its cancel scope: what
    it shields stays shielded, which a plain ``Task.cancel`` would not heed. If it returns all the
    same, the cancellation came too late for it: its result is returned, and what the caller awaits
    next is cancelled.
    """
    results: list[T] = []

    async def run() -> None:
        results.append(await function(*args))

    try:
        async with open_tasks() as tasks:
            tasks.start(run)
    except anyio.get_cancelled_exc_class():
        if not results:
            raise
        task = asyncio.current_task()
        if task is not None and anyio.current_effective_deadline() != -math.inf:
            task.uncancel()  # an anyio scope that is cancelled would see to it by itself
            task.cancel()
    return results[0]


async def in_thread(
    function: Callable[[Unpack[Ts]], T], *args: *Ts, abandon_on_cancel: bool = False
) -> T:
    """Call a function off the event loop. Raises OSError if the system starts no more threads."""
    with naming("thread"):
        return await anyio.to_thread.run_sync(function, *args, abandon_on_cancel=abandon_on_cancel)


async def off_the_loop(step: Callable[[], None]) -> None:
    """Take a step in a thread that nobody else waits for or, if none can be started, here."""
    try:
        await anyio.to_thread.run_sync(step, limiter=anyio.CapacityLimiter(1))
    except RuntimeError as error:
        if str(error) != NO_THREAD:
            raise
        step()


async def end_task(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end, however often the caller is cancelled meanwhile.

    Unlike a task group, this may be called in another task than the one that started it: a test
    framework may set a fixture up in one and tear it down in the next.
    """
    task.cancel()
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
