"""The pipeline: for each vault a producer, a bounded stream and a consumer, side by side.

A producer cuts the vault's range into tasks and keeps a few of them under way in the pool. What
they have made goes through the stream, in index order, to the consumer, which hands it to the
vault's writer. Every step waits for the next one: a slow sink holds the workers back.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, ParamSpec, Self, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mockdata.errors import PlanError
from mockdata.pipeline.plan import Counts, Plan, VaultPlan, checked_workers
from mockdata.pipeline.producers import Item, Run, produce_batches, produce_files
from mockdata.pipeline.rate import TokenBucket
from mockdata.pipeline.report import Meter, Progress, Report
from mockdata.render.batch import Batch
from mockdata.sinks import AnySink, DeliverySink, Files, Sink, Writer, as_sink
from mockdata.workers.pool import Records, open_pool
from mockdata.workers.slabs import Slabs
from mockdata.workers.tasks import end_task, in_task, open_tasks

__all__ = ["BatchStream", "generate", "generate_sync", "stream"]

P = ParamSpec("P")
T = TypeVar("T")


async def generate(
    counts: Counts,
    *,
    sink: AnySink = "data",
    seed: int | None = None,
    timestamp: int | None = None,
    part: tuple[int, int] = (1, 1),
    rate: float | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Make records and hand them to a sink.

    The same seed and timestamp make the same records, whatever the other arguments are.

    Args:
        counts: Records of every vault, or a mapping of vault names (name, id, dob, ssn) to
            records: 1 to 2**40 each.
        sink: A folder for CSV files, a plain or async callable that is given each ``Batch``, or any
            object of the ``Sink`` protocol.
        seed: 0 to 2**64 - 1; 64 random bits if None. The report says which.
        timestamp: Unix time in seconds, ten digits; now if None.
        part: ``(k, n)`` makes part k of n: the parts' lines, one part after the other, are the
            whole's lines.
        rate: Records a second, at most, of all vaults together; no limit if None.
        workers: Processes; if None, the CPUs it may use, at most 8. A small run starts none.
        executor: One's own in place of the processes: on this machine, and not shut down.
        on_progress: Called with a ``Progress`` each time that a sink has taken records.

    Raises:
        PlanError: An argument is not what it has to be. Nothing has been started or written.
        WorkerError: The workers died on the same records again and again.
        OSError: A file could not be written; it has the file's name.
        DeliveryError: A vault that records were to be sent to takes none.

    What a sink or ``on_progress`` raises is raised as it is; a sink's exception has a note that
    names the vault and the records.

    """
    plan = Plan.of(counts, seed, timestamp, part, rate=rate)
    workers = checked_workers(workers)
    _check_executor(executor)
    _check_on_progress(on_progress)
    return await in_task(_run, plan, _begun(sink, plan), workers, executor, on_progress)


def _begun(sink: AnySink, plan: Plan) -> Sink:
    """Return the sink that was meant; one that delivers to a service may refuse the run."""
    meant = as_sink(sink)
    if isinstance(meant, DeliverySink):
        meant.begin(plan.vaults)
    return meant


def _check_executor(executor: object) -> None:
    if executor is not None and not isinstance(executor, Executor):
        raise PlanError("executor", f"{executor!r} is not a concurrent.futures.Executor")


def _check_on_progress(on_progress: object) -> None:
    if on_progress is None:
        return
    if not callable(on_progress):
        raise PlanError("on_progress", f"{on_progress!r} is not callable")
    if any(map(inspect.iscoroutinefunction, (on_progress, type(on_progress).__call__))):
        raise PlanError("on_progress", f"{on_progress!r} is async: it is called, and not awaited")


def _sync(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(function(*args, **kwargs))
        raise RuntimeError(f"an event loop runs here: await {function.__name__}() instead")

    call.__name__ = call.__qualname__ = f"{function.__name__}_sync"
    call.__doc__ = (
        f"Do what ``{function.__name__}`` does where no event loop runs.\n\n{call.__doc__}"
    )
    return call


generate_sync = _sync(generate)


def stream(
    counts: Counts,
    *,
    seed: int | None = None,
    timestamp: int | None = None,
    part: tuple[int, int] = (1, 1),
    rate: float | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> AbstractAsyncContextManager[BatchStream]:
    """Return a context in which batches come one by one, to be taken with ``async for``.

    The batches of one vault come in index order, those of different vaults in between each other.
    Leaving the context, early or not, stops the workers. The arguments are those of ``generate``,
    and so are the errors; WorkerError is raised where the next batch would be.
    """
    plan = Plan.of(counts, seed, timestamp, part, rate=rate)
    _check_executor(executor)
    return _stream(plan, checked_workers(workers), executor)


class BatchStream:
    """The batches of a run, for ``async for``; ``seed`` and ``timestamp`` repeat it."""

    def __init__(self, plan: Plan, receive: MemoryObjectReceiveStream[Batch]) -> None:
        self.seed = plan.seed
        self.timestamp = plan.timestamp
        self._last: Records | None = None
        self._error: Exception | None = None
        self._receive = receive

    def fail(self, error: Exception) -> None:
        """Raise an error where the next batch would be."""
        self._error = error

    def name_last(self, error: Exception) -> None:
        """Name the records of the last batch in an error that was raised over them."""
        if self._last is not None:
            _name_records(error, self._last)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        try:
            batch = await self._receive.receive()
        except anyio.EndOfStream:
            self._last = None
            if self._error is not None:
                raise self._error from None
            raise StopAsyncIteration from None
        self._last = _records(batch)
        return batch


@asynccontextmanager
async def _stream(
    plan: Plan, workers: int, executor: Executor | None
) -> AsyncIterator[BatchStream]:
    with _open_stream() as (send, receive):
        batches = BatchStream(plan, receive)

        async def feed() -> None:
            with send:
                try:
                    await in_task(_run, plan, _Sender(send), workers, executor, None)
                except Exception as error:
                    batches.fail(error)

        feeding = asyncio.ensure_future(feed())
        try:
            yield batches
        except Exception as error:
            batches.name_last(error)
            raise
        finally:
            await end_task(feeding)


@contextmanager
def _open_stream() -> Iterator[tuple[MemoryObjectSendStream[Any], MemoryObjectReceiveStream[Any]]]:
    """Make a stream that holds one batch, so up to 10,000 records, and empty it in the end."""
    send, receive = anyio.create_memory_object_stream[Any](max_buffer_size=1)
    with send, receive:
        try:
            yield send, receive
        finally:
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                receive.receive_nowait()


class _Sender:
    """The sink of a stream: every vault's batches go to the one who iterates."""

    def __init__(self, send: MemoryObjectSendStream[Batch]) -> None:
        self._send = send

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Writer]:
        yield self._send.send


async def _run(
    plan: Plan,
    sink: Sink,
    workers: int,
    executor: Executor | None,
    on_progress: Callable[[Progress], object] | None,
) -> Report:
    meter = Meter(plan, on_progress)
    vaults = len(plan.vaults)
    with Slabs() as slabs:
        async with open_pool(plan.records, workers, executor) as pool:
            bucket = TokenBucket(plan.rate) if plan.rate is not None else None
            with anyio.CancelScope() as scope:
                run = Run(pool, slabs, meter, vaults, vaults, scope, anyio.Event(), bucket)
                for vault in plan.vaults:
                    meter.add(vault.name, 0, 0, 0)
                async with open_tasks() as tasks:
                    for vault in plan.vaults:
                        tasks.start(_run_vault, run, sink, vault)
            delivery = sink.delivery() if isinstance(sink, DeliverySink) else None
            return meter.report(pool.peak_memory(), delivery)


async def _run_vault(run: Run, sink: Sink, vault: VaultPlan) -> None:
    with _open_stream() as (send, receive):
        async with _opened(sink, vault) as target:
            async with open_tasks() as tasks:
                if isinstance(target, Files):
                    run.meter.add(vault.name, 0, target.data_offset, target.token_offset)
                    tasks.start(produce_files, run, vault, target, send)
                    tasks.start(_consume, run, None, receive)
                else:
                    tasks.start(produce_batches, run, vault, send)
                    tasks.start(_consume, run, target, receive)
            await run.written()


@asynccontextmanager
async def _opened(sink: Sink, vault: VaultPlan) -> AsyncIterator[Writer | Files]:
    """Open a sink, and leave it exactly once, come what may, shielded from cancellation.

    One scope stands around all of the sink's context, which may have a task group of its own. Such
    a group wraps the error that it is left with; the caller gets that error as it is.
    """
    with anyio.CancelScope() as scope:
        context = sink.open(vault)
        target = await context.__aenter__()
        try:
            yield target
        except BaseException as error:
            scope.shield = True
            try:
                await context.__aexit__(type(error), error, error.__traceback__)
            except BaseExceptionGroup as group:
                if group.exceptions != (error,):
                    raise
            raise
        scope.shield = True
        await context.__aexit__(None, None, None)


async def _consume(
    run: Run, write: Writer | None, receive: MemoryObjectReceiveStream[Item]
) -> None:
    async for item in receive:
        if write is not None and isinstance(item, Batch):
            await run.may_go(len(item))
            try:
                await write(item)
            except Exception as error:
                _name_records(error, _records(item))
                raise
        run.meter.add(item.vault, item.records, item.data_bytes, item.token_bytes)


def _records(batch: Batch) -> Records:
    return batch.vault, batch.start, batch.start + len(batch)


def _name_records(error: BaseException, records: Records) -> None:
    vault, start, stop = records
    error.add_note(f"mockdata: at {vault} records {start} to {stop - 1}")
