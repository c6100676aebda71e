"""A user's function that gets each batch."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from mockdata.render.batch import Batch
from mockdata.sinks.base import Run, Writer
from mockdata.vaults.texts import shown

__all__ = ["CallbackSink"]


class CallbackSink:
    """Calls ``callback`` with each batch, plain or async, and never twice at once.

    A plain function is called on the event loop's own thread: one that blocks holds up the loop.
    """

    def __init__(self, callback: Callable[[Batch], object]) -> None:
        self._callback = callback

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Writer]:
        """Yield the callback, with its turns taken in order."""
        turn = anyio.Lock(fast_acquire=True)

        async def write(batch: Batch) -> None:
            async with turn:
                result = self._callback(batch)
                while inspect.isawaitable(result):
                    result = await result
                if inspect.isgenerator(result) or inspect.isasyncgen(result):
                    raise TypeError(
                        f"{shown(self._callback)} returns a generator, which takes nothing"
                    )

        yield write
