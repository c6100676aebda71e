"""The producers: each cuts its vault's range into tasks and sends on what the workers make of them.

A few tasks of a vault are under way at any time. What comes of them is sent on in index order,
and the next task begins when there is room for it: a slow sink holds the workers back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mockdata.pipeline.plan import VaultPlan
from mockdata.pipeline.rate import TokenBucket
from mockdata.pipeline.report import Meter
from mockdata.render.batch import Batch, Receipt
from mockdata.render.task import Place, measure, render
from mockdata.sinks import Files
from mockdata.vaults import BATCH
from mockdata.workers.pool import Pool, Task
from mockdata.workers.slabs import Slabs

__all__ = ["Item", "Run", "produce_batches", "produce_files"]

T = TypeVar("T")

FILE_TASK: Final = 20 * BATCH
"""Records in a task that writes to a sink's files: many, since each task costs a round trip."""

SLAB_TASK: Final = 10
"""Batches in a task that writes to a slab: fewer records, since it holds the slab's memory."""

Item = Batch | Receipt


@dataclass(slots=True)
class Run:
    """What a run's vaults share."""

    pool: Pool
    slabs: Slabs
    meter: Meter
    vaults: int
    unwritten: int
    scope: anyio.CancelScope
    all_written: anyio.Event
    bucket: TokenBucket | None

    @property
    def ahead(self) -> int:
        """How many tasks of a vault are under way behind the one that is waited for."""
        return -(-self.pool.workers // self.vaults)

    def at_once(self, records: int) -> int:
        """Return how many records may go at once, of as many as could: fewer if there is a rate."""
        return min(records, self.bucket.share) if self.bucket is not None else records

    async def may_go(self, records: int) -> None:
        """Wait until the rate, if there is one, lets that many more records go to a sink."""
        if self.bucket is not None:
            await self.bucket.take(records)

    async def written(self) -> None:
        """Report one vault's last batch as written, and wait for the last one of every vault.

        Then the run is shielded: the sinks commit, and a cancellation comes too late.
        """
        self.unwritten -= 1
        if not self.unwritten:
            self.scope.shield = True
            self.all_written.set()
        await self.all_written.wait()


async def produce_batches(run: Run, vault: VaultPlan, send: MemoryObjectSendStream[Item]) -> None:
    """Have the workers render to slabs, and send these on, cut into batches."""
    most = run.at_once(BATCH)

    def begin(start: int, stop: int) -> _SlabTask:
        return _SlabTask(run, vault, start, stop, most)

    with send:
        for task in _under_way(begin, vault.ranges(SLAB_TASK * most), run.ahead):
            for batch in await task.batches():
                await _send(send, batch)


async def _send(send: MemoryObjectSendStream[Item], batch: Batch) -> None:
    """Send a batch on, without a turn of the event loop if there is room for it."""
    try:
        send.send_nowait(batch)
    except anyio.WouldBlock:
        await send.send(batch)


class _SlabTask:
    """A range that is being rendered to a slab, for batches of up to ``batch`` records."""

    def __init__(self, run: Run, vault: VaultPlan, start: int, stop: int, batch: int) -> None:
        kind, records = vault.vault, stop - start
        self._tokens_at = records * kind.data_width
        self._vault = vault
        self._start, self._stop, self._batch = start, stop, batch
        path, self._lines = run.slabs.lend(self._tokens_at + records * kind.token_width)
        places = Place(path, 0), Place(path, self._tokens_at)
        self._task = run.pool.submit(
            (vault.name, start, stop), render, vault.key, start, stop, places, batch
        )

    async def batches(self) -> list[Batch]:
        """Wait until the range is rendered, and cut it into batches."""
        batches = []
        data, tokens = 0, self._tokens_at
        for start, size in zip(
            range(self._start, self._stop, self._batch), await self._task.result(), strict=True
        ):
            records = min(self._batch, self._stop - start)
            data_lines = self._lines[data : data + size]
            token_bytes = records * self._vault.vault.token_width
            token_lines = self._lines[tokens : tokens + token_bytes]
            batches.append(Batch(self._vault.name, start, records, data_lines, token_lines))
            data += size
            tokens += token_bytes
        return batches


async def produce_files(
    run: Run, vault: VaultPlan, files: Files, send: MemoryObjectSendStream[Item]
) -> None:
    """Have the workers write to the sink's files, and send on the receipts."""
    kind = vault.vault
    data_offset, token_offset = files.data_offset, files.token_offset
    size = run.at_once(FILE_TASK)
    writes: deque[tuple[Receipt, Task[list[int]]]] = deque()

    def begin(start: int, stop: int) -> Task[int]:
        return run.pool.submit((vault.name, start, stop), measure, vault.key, start, stop)

    measured = _under_way(begin, vault.ranges(size), run.ahead)

    async def finish() -> None:
        receipt, task = writes.popleft()
        await task.result()
        await send.send(receipt)

    with send:
        for start, stop in vault.ranges(size):
            records = stop - start
            await run.may_go(records)
            places = Place(files.data, data_offset), Place(files.tokens, token_offset)
            write = run.pool.submit(
                (vault.name, start, stop), render, vault.key, start, stop, places
            )
            data_bytes = records * kind.data_width if kind.fixed else await next(measured).result()
            token_bytes = records * kind.token_width
            receipt = Receipt(vault.name, start, records, data_bytes, token_bytes)
            writes.append((receipt, write))
            data_offset += data_bytes
            token_offset += token_bytes
            if len(writes) > run.ahead:
                await finish()
        while writes:
            await finish()


def _under_way(
    begin: Callable[[int, int], T], ranges: Iterator[tuple[int, int]], ahead: int
) -> Iterator[T]:
    """Begin a task for each range and yield them in order, up to ``ahead`` begun ahead of time."""
    tasks: deque[T] = deque()
    for start, stop in ranges:
        tasks.append(begin(start, stop))
        if len(tasks) > ahead:
            yield tasks.popleft()
    while tasks:
        yield tasks.popleft()
