"""The producers: each cuts its vault's range into tasks and sends on what the workers make of them.

A few tasks of a vault are under way at any time. What comes of them is sent on in index order,
and the next task begins when there is room for it: a slow sink holds the workers back. A producer
leaves only when each of its tasks is done, or never began.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from operator import add
from typing import Final, Self

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mockdata.errors import MockDataError, PlanError
from mockdata.pipeline.rate import TokenBucket
from mockdata.pipeline.report import Meter
from mockdata.render.batch import BATCH, Batch, Encoded, Form, Receipt
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES, OFFSET
from mockdata.render.places import Place
from mockdata.render.program import Program
from mockdata.render.task import batch_size, measure, render
from mockdata.sinks._files import check_whole
from mockdata.sinks.base import File, Run, Session, VaultRun
from mockdata.vaults.frozen import frozen
from mockdata.workers.pool import Pool, Task, under_way
from mockdata.workers.slabs import Slabs
from mockdata.workers.tasks import Tasks

__all__ = [
    "Item",
    "Items",
    "Job",
    "Stage",
    "check_files",
    "produce_batches",
    "produce_encoded",
    "produce_files",
]

FILE_TASK: Final = 20 * BATCH
"""Records in a task that writes to a sink's files, at least: each task costs a round trip."""

LARGE_FILE_TASK: Final = 50 * BATCH
"""The same, at most: the run's last tasks are not all over at once, and one may be made again."""

FILE_TASKS: Final = 16
"""Tasks that each worker has in a run, at least, before tasks get larger than ``FILE_TASK``."""

SLAB_TASK: Final = 10 * BATCH
"""Records in a task that writes to a slab, at most: fewer, since it holds the slab's memory."""

FILES_AT_ONCE: Final = 4
"""Vaults that are written to files side by side, at least."""

LARGE: Final = 2**15
"""Bytes of a program that does not go to the workers with each task."""

Item = Batch | Encoded | Receipt

Items = deque[Item]
"""Of up to 10,000 records. Small batches go through a stream together: each turn of it costs more
than such a batch does. The consumer takes them out, so that what is written is not held."""


@frozen
class Stage:
    """What the producers and consumers of a run share."""

    session: Session
    pool: Pool
    slabs: Slabs
    meter: Meter
    tasks: Tasks
    ahead: int
    """How many tasks of a vault are under way after the one that is awaited."""
    bucket: TokenBucket | None
    share: int
    """Bytes of a task's slab, as far as that is a batch or more."""
    turns: anyio.Semaphore
    """How many vaults may be written to files at a time: few, so that a worker keeps what it needs
    for the next task."""
    file_task: int
    """Records of a task that writes to a sink's files."""
    written: list[Place]
    """Where the files end that the workers have written, each once it is whole."""

    @classmethod
    def of(
        cls,
        run: Run,
        rate: float | None,
        parts: tuple[Session, Pool, Slabs, Meter, Tasks],
    ) -> Self:
        """Return the stage of a run, which consists of ``parts``, with its limits."""
        session, pool, *_ = parts
        vaults = len(run.vaults)
        each = run.records // (FILE_TASKS * pool.workers) // BATCH * BATCH
        return cls(
            *parts,
            ahead=-(-pool.workers // vaults),
            bucket=TokenBucket(rate) if rate is not None else None,
            share=session.ahead // vaults,
            turns=anyio.Semaphore(max(pool.workers, FILES_AT_ONCE)),
            file_task=max(FILE_TASK, min(each, LARGE_FILE_TASK)),
            written=[],
        )

    def at_once(self, records: int) -> int:
        """Return how many records may go at once, of as many as could: fewer if there is a rate."""
        return min(records, self.bucket.share) if self.bucket is not None else records

    async def may_go(self, records: int) -> None:
        """Wait until the rate, if there is one, lets that many more records go to a sink.

        Many are taken a share at a time, so that other vaults have their turns meanwhile.
        """
        while self.bucket is not None and records > 0:
            share = self.at_once(records)
            await self.bucket.take(share)
            records -= share


@frozen
class Job:
    """One vault's range, and the program that renders it as the sink wants it."""

    vault: VaultRun
    program: Program
    form: Form

    @classmethod
    def of(cls, vault: VaultRun, run: Run, session: Session) -> Self:
        """Compile a vault's program. Raises PlanError if its layout does not fit its columns."""
        layout, columns = session.layouts.get(vault.name, CSV_LINES), vault.resolved.columns
        try:
            program = compile_program(columns, layout, seed=run.seed, timestamp=run.timestamp)
        except ValueError as error:
            raise PlanError("sink", f"its layout of {vault.name}: {error}") from None
        form = Form(vault.name, vault.columns, program.quoted, vault.is_table, layout, vault.types)
        return cls(vault, program, form)

    def share(self, slabs: Slabs) -> None:
        """Have a large program, one with long lists, go to the workers by way of a slab, once."""
        if len(self.program.packed) > LARGE:
            self.program.place = slabs.keep(self.program.packed)

    @property
    def fixed(self) -> bool:
        """Whether every line of every output has the same width."""
        return all(line.is_fixed for line in self.program.lines)

    def most(self, records: int) -> tuple[int, ...]:
        """Return the bytes that each output of so many records has at most."""
        lines = tuple(records * line.longest for line in self.program.lines)
        if not self.program.offsets:
            return lines
        # A batch has an offset more than records, and each record may be a batch.
        return lines + (2 * OFFSET * records,) * len(lines)


async def produce_batches(stage: Stage, job: Job, send: MemoryObjectSendStream[Items]) -> None:
    """Have the workers render to slabs, and send these on, cut into batches."""
    largest = batch_size(job.program)
    size_asked = min(stage.session.batch_of(job.vault.name), largest)
    most = stage.at_once(size_asked)
    batches = 1
    if stage.bucket is None:
        size = max(min(SLAB_TASK, stage.share // sum(job.most(1))), largest)
        batches = max(size // most, 1)
    ranges = job.vault.ranges(batches * most)
    tasks = (_SlabTask(stage, job, start, stop, most) for start, stop in ranges)
    await _send_in_order(stage, tasks, send, max(BATCH // size_asked, 1))


async def produce_encoded(
    stage: Stage, job: Job, function: bytes, send: MemoryObjectSendStream[Items]
) -> None:
    """Have the workers encode batches, and send on the results."""
    ranges = job.vault.ranges(stage.session.batch_of(job.vault.name))
    tasks = (_EncodeTask(stage, job, function, start, stop) for start, stop in ranges)
    await _send_in_order(stage, tasks, send, 1)


async def _send_in_order(
    stage: Stage,
    tasks: Iterable[_SlabTask | _EncodeTask],
    send: MemoryObjectSendStream[Items],
    together: int,
) -> None:
    """Begin one task after the other, and send on the results, ``together`` items at a time."""
    begun: deque[_SlabTask | _EncodeTask] = deque()

    async def send_first() -> None:
        items = await begun[0].items()
        begun.popleft()
        while items:
            some, items = Items(items[:together]), items[together:]
            await _send(send, some)

    with send, suppress(anyio.BrokenResourceError):  # the consumer has failed: its error counts
        async with under_way(stage.pool, begun):
            for task in tasks:
                begun.append(task)
                if len(begun) > stage.ahead:
                    await send_first()
            while begun:
                await send_first()


async def _send(send: MemoryObjectSendStream[Items], batches: Items) -> None:
    """Send batches on, without a turn of the event loop if there is room for them."""
    try:
        send.send_nowait(batches)
    except anyio.WouldBlock:
        await send.send(batches)


class _SlabTask(Task[list[tuple[int, ...]]]):
    """A range being rendered to a slab, for batches of up to ``most`` records."""

    def __init__(self, stage: Stage, job: Job, start: int, stop: int, most: int) -> None:
        *self._begins, size = accumulate(job.most(stop - start), initial=0)
        self._job, self._most = job, most
        self._slabs = stage.slabs
        self._slab = slab = stage.slabs.lend(size)
        places = [Place(slab.path, slab.identity, begin) for begin in self._begins]
        super().__init__(
            stage.pool,
            (job.vault.name, start, stop),
            lambda executor: executor.submit(render, job.program, start, stop, places, most),
        )

    async def items(self) -> list[Item]:
        """Wait until the range is rendered, and cut it into batches."""
        sizes = await self.result()
        name, start, stop = self.records
        starts = range(start, stop, self._most)
        if len(sizes) != len(starts):
            raise MockDataError(f"{name}: {len(sizes)} of {len(starts)} batches were rendered")
        lines = self._slabs.share(self._slab)
        batches: list[Item] = []
        at = self._begins
        for first, each in zip(starts, sizes, strict=True):
            ends = [*map(add, at, each)]
            outputs = tuple(lines[begin:end] for begin, end in zip(at, ends, strict=True))
            batches.append(Batch(self._job.form, first, min(self._most, stop - first), outputs))
            at = ends
        return batches


class _EncodeTask(Task[int | bytes]):
    """A batch that a session's function encodes. The slab has room for the lines that it is of."""

    def __init__(self, stage: Stage, job: Job, function: bytes, start: int, stop: int) -> None:
        from mockdata.render.encode import Encoding, encode

        size = sum(job.most(stop - start))
        self._slabs = stage.slabs
        self._slab = slab = stage.slabs.lend(size)
        encoding = Encoding(function, Place(slab.path, slab.identity), size, os.getpid())
        super().__init__(
            stage.pool,
            (job.vault.name, start, stop),
            lambda executor: executor.submit(encode, job.program, job.form, start, stop, encoding),
        )

    async def items(self) -> list[Item]:
        """Wait until the batch is encoded."""
        made = await self.result()
        lines = self._slabs.share(self._slab)
        data = memoryview(made) if isinstance(made, bytes) else lines[:made]
        name, start, stop = self.records
        return [Encoded(name, start, stop - start, data)]


async def produce_files(
    stage: Stage, job: Job, files: Sequence[File], send: MemoryObjectSendStream[Items]
) -> None:
    """Have the workers write to the sink's files, and send on the receipts.

    Where lines vary in width, a range is measured before the next one is written behind it.
    """
    vault, size = job.vault, stage.at_once(stage.file_task)
    to_measure = iter(()) if job.fixed else vault.ranges(size)
    measuring: deque[Task[tuple[int, ...]]] = deque()
    writing: deque[_FileTask] = deque()

    async def measured(records: int) -> tuple[int, ...]:
        while len(measuring) <= stage.ahead and (range_ := next(to_measure, None)):
            task = stage.pool.submit((vault.name, *range_), measure, job.program, *range_)
            measuring.append(task)
        if not measuring:
            return job.most(records)
        sizes = await measuring[0].result()
        measuring.popleft()
        return sizes

    async def send_first() -> None:
        receipt = await writing[0].written()
        writing.popleft()
        await send.send(Items([receipt]))

    with send, suppress(anyio.BrokenResourceError):  # the consumer has failed: its error counts
        places = [_place(file) for file in files]
        async with stage.turns, under_way(stage.pool, measuring, writing):
            for start, stop in vault.ranges(size):
                sizes = await measured(stop - start)
                await stage.may_go(stop - start)
                receipt = Receipt(vault.name, start, stop - start, sizes)
                writing.append(_FileTask(stage, job, receipt, places))
                places = [*map(Place.behind, places, sizes)]
                if len(writing) > stage.ahead:
                    await send_first()
            while writing:
                await send_first()
        stage.written.extend(places)


class _FileTask(Task[list[tuple[int, ...]]]):
    """A range being written to a sink's files, as its receipt says."""

    def __init__(self, stage: Stage, job: Job, receipt: Receipt, places: Sequence[Place]) -> None:
        start, stop = receipt.start, receipt.start + receipt.records
        super().__init__(
            stage.pool,
            (receipt.vault, start, stop),
            lambda executor: executor.submit(render, job.program, start, stop, places),
        )
        self._receipt = receipt

    async def written(self) -> Receipt:
        """Wait until the range is written. Raises MockDataError if it took another size."""
        sizes = tuple(map(sum, zip(*await self.result(), strict=True)))
        if sizes != self._receipt.sizes:
            raise MockDataError(f"{sizes} bytes were written of {self._receipt}")
        return self._receipt


def _place(file: File) -> Place:
    """Return a place in an existing file, valid whatever folder the workers were started in."""
    status = os.stat(file.path)
    path = file.path if os.path.isabs(file.path) else os.path.join(os.getcwd(), file.path)
    return Place(path, (status.st_dev, status.st_ino), file.offset)


def check_files(places: Sequence[Place]) -> None:
    """Raise OSError unless each file is the one that was written to, and ends where it has to."""
    for place in places:
        check_whole(*place)
