"""``stream``: the pipeline with whoever iterates as its sink."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

from mockdata.pipeline.plan import Counts, plan_run
from mockdata.pipeline.run import Means, name_records, records_of, run_pipeline
from mockdata.render.batch import Batch
from mockdata.render.layout import Layout
from mockdata.sinks import Run, Session
from mockdata.vaults.file import Vaults
from mockdata.workers.pool import Records
from mockdata.workers.tasks import check_event_loop, ended, in_task

__all__ = ["BatchStream", "stream"]


def stream(
    counts: Counts,
    *,
    vaults: Vaults | None = None,
    seed: int | None = None,
    timestamp: int | None = None,
    start: Counts = 0,
    part: tuple[int, int] = (1, 1),
    rate: float | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    layout: Layout | None = None,
) -> AbstractAsyncContextManager[BatchStream]:
    """Return an async context manager that gives you batches to take with ``async for``.

    The batches of one vault come in index order; those of different vaults are interleaved. Leave
    the context at any time: that stops the workers. Arguments and errors are those of
    ``generate``; a WorkerError is raised where the next batch would come. ``layout`` says how you
    want the batches' bytes. The default is lines of CSV; ``Texts()`` suits ``Batch.to_arrow``.
    """
    run = plan_run(counts, vaults=vaults, seed=seed, timestamp=timestamp, start=start, part=part)
    return _stream(run, Means.checked(rate, workers, executor), layout)


class BatchStream:
    """The batches of a run, for ``async for``. Its ``seed`` and ``timestamp`` repeat the run."""

    def __init__(self, run: Run) -> None:
        self.seed = run.seed
        self.timestamp = run.timestamp
        self._last: Records | None = None
        self._error: Exception | None = None
        # A queue keeps what a wait that is cancelled did not take; anyio's streams may lose it.
        self._queue = asyncio.Queue[Batch | None](maxsize=1)

    async def put(self, batch: Batch) -> None:
        """Queue a batch."""
        await self._queue.put(batch)

    async def end(self, error: Exception | None = None) -> None:
        """End the stream after what was queued; if there is an error, raise it there."""
        self._error = error
        await self._queue.put(None)

    def close(self) -> None:
        """Drop what was not taken. Anyone still waiting gets an error and not the end."""
        if self._queue.empty() or self._queue.get_nowait() is not None:
            self._error = RuntimeError("the stream was closed before its end")
        self._queue.put_nowait(None)

    def name_last(self, error: Exception) -> None:
        """Name the records of the last batch in an error that was raised over them."""
        if self._last is not None:
            name_records(error, self._last)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        batch = await self._queue.get()
        if batch is None:
            self._queue.put_nowait(None)  # the end stays the end
            self._last = None
            if self._error is not None:
                raise self._error from None
            raise StopAsyncIteration
        self._last = records_of(batch)
        return batch


@asynccontextmanager
async def _stream(run: Run, means: Means, layout: Layout | None) -> AsyncIterator[BatchStream]:
    check_event_loop()
    batches = BatchStream(run)

    async def feed() -> None:
        try:
            await in_task(run_pipeline, run, _Sender(batches, layout), means)
        except Exception as error:
            await batches.end(error)
        else:
            await batches.end()

    feeding = asyncio.ensure_future(feed())
    try:
        yield batches
    except Exception as error:
        batches.name_last(error)
        raise
    finally:
        feeding.cancel()
        try:
            await ended(feeding)
        finally:
            batches.close()


class _Sender:
    """The sink of a stream: every vault's batches go to the one who iterates."""

    def __init__(self, batches: BatchStream, layout: Layout | None) -> None:
        self._batches = batches
        self._layout = layout

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        layouts = {v.name: self._layout for v in run.vaults} if self._layout is not None else {}
        yield Session(write=self._batches.put, layouts=layouts)
