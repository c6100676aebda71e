"""Sinks for tests: one keeps what it receives, one stalls, and one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from mockdata.render.batch import BATCH, Batch, Record
from mockdata.sinks.base import Run, Session

__all__ = ["FailingSink", "ListSink", "StallingSink"]


class ListSink:
    """Keeps what it receives: ``batches``, a list for each vault, and ``outcomes``, one per run.

    The outcome is None if the run was committed, or else the exception that ended it.
    ``batch_size`` is how many records a batch has.
    """

    def __init__(self, batch_size: int = BATCH) -> None:
        self._batch_size = batch_size
        self.batches: dict[str, list[Batch]] = {}
        self._nothing: dict[str, tuple[bytes, ...]] = {}
        self.outcomes: list[BaseException | None] = []

    def records(self, vault: str) -> list[Record]:
        """Return a vault's records in the order in which they came."""
        return [record for batch in self.batches[vault] for record in batch]

    def lines(self, vault: str) -> tuple[bytes, ...]:
        """Return the lines of each column, all batches joined: data lines and token lines."""
        outputs = [batch.outputs for batch in self.batches[vault]]
        return tuple(map(b"".join, zip(*outputs, strict=True))) or self._nothing[vault]

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Yield a session whose writer appends to the vault's list."""
        for vault in run.vaults:
            self.batches.setdefault(vault.name, [])
            self._nothing[vault.name] = (b"",) * len(vault.columns)

        def commit() -> None:
            self.outcomes.append(None)

        try:
            yield Session(write=self._write, commit=commit, batch_size=self._batch_size)
        except BaseException as error:
            self.outcomes.append(error)
            raise

    async def _write(self, batch: Batch) -> None:
        self.batches[batch.vault].append(batch)


class _InterruptedSink(ListSink):
    """Takes ``batches_first`` batches, and then is interrupted before each."""

    def __init__(self, batches_first: int) -> None:
        super().__init__()
        self._left = batches_first

    async def _interrupt(self) -> None:
        raise NotImplementedError

    async def _write(self, batch: Batch) -> None:
        if self._left:
            self._left -= 1
        else:
            await self._interrupt()
        await super()._write(batch)


class StallingSink(_InterruptedSink):
    """Takes ``batches_first`` batches, then waits until you set ``go_on``.

    ``stalled`` is set when the first vault waits.
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
