"""Sinks to test with: one that keeps what it is given, one that stalls, and one that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from mockdata.pipeline.plan import VaultPlan
from mockdata.render.batch import Batch, Record
from mockdata.sinks.base import Writer

__all__ = ["FailingSink", "ListSink", "StallingSink"]


class ListSink:
    """Keeps what it is given, in lists by vault: ``batches``, and ``outcomes``.

    An outcome is None for a vault whose context was left without an exception, or the exception.
    """

    def __init__(self) -> None:
        self.batches: dict[str, list[Batch]] = {}
        self.outcomes: dict[str, list[BaseException | None]] = {}

    def records(self, vault: str) -> list[Record]:
        """Return the vault's records in the order they came in."""
        return [record for batch in self.batches[vault] for record in batch]

    def lines(self, vault: str) -> tuple[bytes, bytes]:
        """Return the vault's data lines and token lines, all batches' in one."""
        batches = self.batches[vault]
        return (
            b"".join(batch.data_lines for batch in batches),
            b"".join(batch.token_lines for batch in batches),
        )

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Writer]:
        """Yield a writer that appends to the vault's list."""
        batches = self.batches.setdefault(vault.name, [])
        outcomes = self.outcomes.setdefault(vault.name, [])

        async def write(batch: Batch) -> None:
            batches.append(batch)

        try:
            yield write
        except BaseException as error:
            outcomes.append(error)
            raise
        outcomes.append(None)


class _InterruptedSink(ListSink):
    """Takes ``batches_first`` batches, and then is interrupted before each."""

    def __init__(self, batches_first: int) -> None:
        super().__init__()
        self._left = batches_first

    async def _interrupt(self) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Writer]:
        """Yield a writer that appends to the vault's list unless it is interrupted."""
        async with super().open(vault) as append:

            async def write(batch: Batch) -> None:
                if self._left:
                    self._left -= 1
                else:
                    await self._interrupt()
                await append(batch)

            yield write


class StallingSink(_InterruptedSink):
    """Takes ``batches_first`` batches, then waits until ``go_on`` is set.

    ``stalled`` is set when the first of the vaults waits.
    """

    def __init__(self, batches_first: int = 0) -> None:
        super().__init__(batches_first)
        self.go_on = anyio.Event()
        self.stalled = anyio.Event()

    async def _interrupt(self) -> None:
        self.stalled.set()
        await self.go_on.wait()


class FailingSink(_InterruptedSink):
    """Takes ``batches_first`` batches, then raises ``error``."""

    def __init__(self, error: Exception, batches_first: int = 0) -> None:
        super().__init__(batches_first)
        self._error = error

    async def _interrupt(self) -> None:
        raise self._error
