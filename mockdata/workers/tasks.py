"""Task groups that raise their first error unchanged, and threads for calls that may block."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from mockdata.errors import PlanError
from mockdata.workers.limits import NO_THREAD, naming

__all__ = [
    "Tasks",
    "check_event_loop",
    "ended",
    "in_task",
    "in_thread",
    "note_later_error",
    "off_the_loop",
    "open_tasks",
]

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Tasks:
    """Tasks that belong together: the first one that fails stops the others."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self.error: BaseException | None = None
        """The first error, once there is one."""

    def start(self, function: Callable[[Unpack[Ts]], Awaitable[object]], *args: *Ts) -> None:
        """Start a task."""

        async def run() -> None:
            try:
                await function(*args)
            except anyio.get_cancelled_exc_class() as error:
                if not self._group.cancel_scope.cancel_called:
                    self.fail(error)  # not ours: somebody else cancelled what it awaited
                raise
            except BaseException as error:
                self.fail(error)

        self._group.start_soon(run)

    def fail(self, error: BaseException) -> None:
        """Stop every task because of an error. Only the first error counts."""
        if self.error is None:
            self.error = error
        elif self.error is not error and _kind(self.error) != _kind(error):
            note_later_error(self.error, error)  # unless it says the same, as of one full disk
        self._group.cancel_scope.cancel()


def note_later_error(first: BaseException, later: BaseException) -> None:
    """Note on the first error of a run that another one came after it."""
    first.add_note(f"mockdata: then came {type(later).__name__}: {later}")
    for note in getattr(later, "__notes__", ()):
        first.add_note(note)


def _kind(error: BaseException) -> tuple[type[BaseException], object]:
    return type(error), error.errno if isinstance(error, OSError) else str(error)


@asynccontextmanager
async def open_tasks() -> AsyncIterator[Tasks]:
    """Wait for the tasks started within, then raise the first error, theirs or the body's."""
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


def check_event_loop() -> None:
    """Raise PlanError unless the caller runs on asyncio, or on a loop like uvloop's."""
    try:
        asyncio.get_running_loop()
        is_asyncio = anyio.get_cancelled_exc_class() is asyncio.CancelledError
    except (RuntimeError, LookupError):
        is_asyncio = False
    if not is_asyncio:
        raise PlanError("event loop", "mockdata runs on asyncio or uvloop, and not on this one")


async def in_task(function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    """Await a function in a new task.

    However often the caller is cancelled, the function is cancelled once, by its cancel scope: what
    it shields stays shielded, which a plain ``Task.cancel`` would not heed. If it returns all the
    same, the cancellation came too late for it: its result is returned, and what the caller awaits
    next is cancelled.
    """
    results: list[T] = []
    notes: list[str] = []

    async def run() -> None:
        try:
            results.append(await function(*args))
        except anyio.get_cancelled_exc_class() as error:
            notes.extend(getattr(error, "__notes__", ()))
            raise

    try:
        async with open_tasks() as tasks:
            tasks.start(run)
    except anyio.get_cancelled_exc_class() as error:
        if not results:
            for note in notes:
                error.add_note(note)
            raise
        _cancel_later()
    return results[0]


def _cancel_later() -> None:
    """Have the next await of this task cancelled, if its cancellation is still asked for by then.

    A timeout that has run out asks no longer once its block is left, and neither does an anyio
    scope, which sees to its block by itself.
    """
    task = asyncio.current_task()
    if task is None or anyio.current_effective_deadline() == -math.inf:
        return

    def cancel() -> None:
        if task.cancelling() and not task.done():
            task.uncancel()
            task.cancel()

    asyncio.get_running_loop().call_soon(cancel)


async def in_thread(
    function: Callable[[Unpack[Ts]], T], *args: *Ts, abandon_on_cancel: bool = False
) -> T:
    """Call a function off the event loop. Raises OSError if the system starts no more threads."""
    with naming("thread"):
        return await anyio.to_thread.run_sync(function, *args, abandon_on_cancel=abandon_on_cancel)


async def off_the_loop(step: Callable[[], None]) -> None:
    """Take a step in a thread that nothing else waits for or, if none can be started, here.

    It is taken to its end, however often the caller is cancelled meanwhile.
    """
    taking = asyncio.ensure_future(_off_the_loop(step))
    try:
        await ended(taking)
    except asyncio.CancelledError:
        if not taking.cancelled():
            taking.exception()  # the cancellation counts
        raise
    taking.result()


async def _off_the_loop(step: Callable[[], None]) -> None:
    try:
        await anyio.to_thread.run_sync(step, limiter=anyio.CapacityLimiter(1))
    except RuntimeError as error:
        if str(error) != NO_THREAD:
            raise
        step()


async def ended(task: asyncio.Future[Any]) -> None:
    """Wait for a task's end, however often the caller is cancelled meanwhile; then pass that on.

    Unlike a task group, this may be called in another task than the one that started it: a test
    framework may set a fixture up in one and tear it down in the next.
    """
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
