"""Task groups whose first error reaches the caller as it is, not in an ExceptionGroup."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
from anyio.abc import TaskGroup

__all__ = ["Tasks", "in_task", "open_tasks"]

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
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                self.error = self.error or error
                self.cancel()

        self._group.start_soon(run)

    def cancel(self) -> None:
        """Stop every task."""
        self._group.cancel_scope.cancel()


@asynccontextmanager
async def open_tasks() -> AsyncIterator[Tasks]:
    """Wait for the tasks that are started within, then raise the first error among them."""
    async with anyio.create_task_group() as group:
        tasks = Tasks(group)
        yield tasks
    if tasks.error is not None:
        raise tasks.error


async def in_task(function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
    """Await a function in a task of its own.

    However often the caller is cancelled, the function is cancelled once, by its cancel scope: what
    it shields stays shielded, which a plain ``Task.cancel`` would not heed.
    """
    results: list[T] = []

    async def run() -> None:
        results.append(await function(*args))

    async with open_tasks() as tasks:
        tasks.start(run)
    return results[0]
