"""The producers: each cuts its vault's range into tasks and sends on what the workers make of them.

A few tasks of a vault are under way at any time. What comes of them is sent on in index order,
and the next task begins when there is room for it: a slow sink holds the workers back. A producer
leaves only when each of its tasks is done, or never began.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mockdata.errors import MockDataError
from mockdata.pipeline.rate import TokenBucket
from mockdata.pipeline.report import Meter
from mockdata.render.batch import Batch, Receipt
from mockdata.render.task import Place, measure, render
from mockdata.sinks.base import Files, Session, VaultRun
from mockdata.vaults import BATCH
from mockdata.workers.pool import Pool, Task, under_way
from mockdata.workers.slabs import Slabs
from mockdata.workers.tasks import Tasks

__all__ = ["Item", "Stage", "produce_batches", "produce_files"]

FILE_TASK: Final = 20 * BATCH
"""Records in a task that writes to a sink's files: many, since each task costs a round trip."""

SLAB_TASK: Final = 10
"""Batches in a task that writes to a slab: fewer records, since it holds the slab's memory."""

Item = Batch | Receipt


@dataclass(frozen=True, slots=True)
class Stage:
    """What the producers and consumers of a run share."""

    session: Session
    pool: Pool
    slabs: Slabs
    meter: Meter
    tasks: Tasks
    ahead: int
    """How many tasks of a vault are under way behind the one that is waited for."""
    bucket: TokenBucket | None

    def at_once(self, records: int) -> int:
        """Return how many records may go at once, of as many as could: fewer if there is a rate."""
        return min(records, self.bucket.share) if self.bucket is not None else records

    async def may_go(self, records: int) -> None:
        """Wait until the rate, if there is one, lets that many more records go to a sink."""
        if self.bucket is not None:
            await self.bucket.take(records)


async def produce_batches(
    stage: Stage, vault: VaultRun, send: MemoryObjectSendStream[Item]
) -> None:
    """Have the workers render to slabs, and send these on, cut into batches."""
    most = stage.at_once(BATCH)
    tasks: deque[_SlabTask] = deque()

    async def send_first() -> None:
        batches = await tasks[0].batches()
        tasks.popleft()
        for batch in batches:
            await _send(send, batch)

    with send, suppress(anyio.BrokenResourceError):  # the consumer has failed: its error counts
        async with under_way(stage.pool, tasks):
            for start, stop in vault.ranges(SLAB_TASK * most):
                tasks.append(_SlabTask(stage, vault, start, stop, most))
                if len(tasks) > stage.ahead:
                    await send_first()
            while tasks:
                await send_first()


async def _send(send: MemoryObjectSendStream[Item], batch: Batch) -> None:
    """Send a batch on, without a turn of the event loop if there is room for it."""
    try:
        send.send_nowait(batch)
    except anyio.WouldBlock:
        await send.send(batch)


class _SlabTask(Task[list[int]]):
    """A range that is being rendered to a slab, for batches of up to ``most`` records."""

    def __init__(self, stage: Stage, vault: VaultRun, start: int, stop: int, most: int) -> None:
        kind, records = vault.vault, stop - start
        self._tokens_at = records * kind.data_width
        self._vault = vault
        self._most = most
        self._slabs = stage.slabs
        self._slab = stage.slabs.lend(self._tokens_at + records * kind.token_width)
        slab = self._slab.path, self._slab.identity
        places = Place(*slab, 0), Place(*slab, self._tokens_at)
        super().__init__(
            stage.pool,
            (vault.name, start, stop),
            lambda executor: executor.submit(render, vault.key, start, stop, places, most),
        )

    async def batches(self) -> list[Batch]:
        """Wait until the range is rendered, and cut it into batches."""
        sizes = await self.result()
        name, start, stop = self.records
        starts = range(start, stop, self._most)
        if len(sizes) != len(starts):
            raise MockDataError(f"{name}: {len(sizes)} of {len(starts)} batches were rendered")
        lines = self._slabs.share(self._slab)
        batches = []
        data, tokens = 0, self._tokens_at
        for first, size in zip(starts, sizes, strict=True):
            records = min(self._most, stop - first)
            token_bytes = records * self._vault.vault.token_width
            data_lines = lines[data : data + size]
            token_lines = lines[tokens : tokens + token_bytes]
            batches.append(Batch(name, first, records, data_lines, token_lines))
            data += size
            tokens += token_bytes
        return batches


async def produce_files(
    stage: Stage, vault: VaultRun, files: Files, send: MemoryObjectSendStream[Item]
) -> None:
    """Have the workers write to the sink's files, and send on the receipts.

    Where lines vary in width, a range is measured before the next one is written behind it.
    """
    kind, size = vault.vault, stage.at_once(FILE_TASK)
    data, tokens = _place(files.data, files.data_offset), _place(files.tokens, files.token_offset)
    to_measure = iter(()) if kind.fixed else vault.ranges(size)
    measuring: deque[Task[int]] = deque()
    writing: deque[_FileTask] = deque()

    async def data_bytes(records: int) -> int:
        while len(measuring) <= stage.ahead and (range_ := next(to_measure, None)):
            task = stage.pool.submit((vault.name, *range_), measure, vault.key, *range_)
            measuring.append(task)
        if not measuring:
            return records * kind.data_width
        measured = await measuring[0].result()
        measuring.popleft()
        return measured

    async def send_first() -> None:
        receipt = await writing[0].written()
        writing.popleft()
        await send.send(receipt)

    with send, suppress(anyio.BrokenResourceError):  # the consumer has failed: its error counts
        async with under_way(stage.pool, measuring, writing):
            for start, stop in vault.ranges(size):
                records = stop - start
                data_size, token_size = await data_bytes(records), records * kind.token_width
                await stage.may_go(records)
                receipt = Receipt(vault.name, start, records, data_size, token_size)
                writing.append(_FileTask(stage, vault, receipt, (data, tokens)))
                data, tokens = data.behind(data_size), tokens.behind(token_size)
                if len(writing) > stage.ahead:
                    await send_first()
            while writing:
                await send_first()


class _FileTask(Task[list[int]]):
    """A range that is being written to a sink's files, as a receipt says."""

    def __init__(
        self, stage: Stage, vault: VaultRun, receipt: Receipt, places: tuple[Place, Place]
    ) -> None:
        start, stop = receipt.start, receipt.start + receipt.records
        super().__init__(
            stage.pool,
            (vault.name, start, stop),
            lambda executor: executor.submit(render, vault.key, start, stop, places),
        )
        self._receipt = receipt

    async def written(self) -> Receipt:
        """Wait until the range is written. Raises MockDataError if it took another size."""
        size = sum(await self.result())
        if size != self._receipt.data_bytes:
            raise MockDataError(f"{size:,} bytes were written of {self._receipt}")
        return self._receipt


def _place(path: str, offset: int) -> Place:
    """Return a place in a file that is there already, wherever the workers have been started."""
    status = os.stat(path)
    return Place(os.path.abspath(path), (status.st_dev, status.st_ino), offset)
