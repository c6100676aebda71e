"""The pipeline: for each vault a producer, a bounded stream and a consumer, side by side.

A producer cuts the vault's range into tasks and keeps a few of them under way in the pool. What
they have made goes through the stream, in index order, to the consumer, which hands it to the
vault's writer. Every step waits for the next one: a slow sink holds the workers back.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, Self, TypeVar, cast

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream

from mockdata.errors import PlanError
from mockdata.pipeline.life import opened
from mockdata.pipeline.plan import Counts, checked_rate, checked_workers, plan_run
from mockdata.pipeline.producers import (
    Item,
    Items,
    Job,
    Stage,
    check_files,
    produce_batches,
    produce_encoded,
    produce_files,
)
from mockdata.pipeline.report import Meter, Progress, Report
from mockdata.render.batch import Batch, Encoded, Receipt
from mockdata.sinks import AnySink, Run, Sink, as_sink
from mockdata.vaults.file import Vaults
from mockdata.vaults.frozen import frozen
from mockdata.vaults.texts import shown
from mockdata.workers.pool import Records, open_pool
from mockdata.workers.slabs import Slabs
from mockdata.workers.tasks import check_event_loop, in_task, off_the_loop, open_tasks

__all__ = [
    "Means",
    "check_on_progress",
    "generate",
    "generate_sync",
    "name_records",
    "records_of",
    "run_pipeline",
]

P = ParamSpec("P")
T = TypeVar("T")


async def generate(
    counts: Counts,
    *,
    sink: AnySink = "data",
    vaults: Vaults | None = None,
    seed: int | None = None,
    timestamp: int | None = None,
    start: Counts = 0,
    part: tuple[int, int] = (1, 1),
    rate: float | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Make records and hand them to a sink.

    The same seed and timestamp always make the same records, whatever the other arguments are.

    Args:
        counts: How many records to make, from 1 to 2**40: one number for every vault, or a mapping
            of vaults or their names to numbers. "Every vault" means name, id, dob and ssn or, with
            ``vaults``, everything that it defines.
        sink: Where the records go: a folder for CSV files, the URL of an object store, a plain or
            async callable that takes each ``Batch``, or an object of the ``Sink`` protocol.
        vaults: More vaults and tables: the path of a TOML file, or ``Vault`` and ``Table`` objects.
            A definition with the name of a ready-made vault replaces it.
        seed: A number from 0 to 2**64 - 1. None picks one at random; the report has it.
        timestamp: Unix time in seconds, ten digits. None means now.
        start: Index of the first record of every vault, or a mapping of vaults to indices. To make
            more records and repeat none, start where an earlier run stopped, with the same seed
            and timestamp.
        part: ``(k, n)`` makes part k of n. The lines of all parts, joined in order, are the lines
            of the whole run.
        rate: The most records a second, all vaults together. None means no limit.
        workers: How many worker processes to use. None means one for each CPU that this process
            may use, at most 8. A small run starts none.
        executor: An executor of yours to use instead of worker processes. It must run on this
            machine. It is not shut down.
        on_progress: Called with a ``Progress`` each time the sink has taken records.

    Raises:
        PlanError: An argument is wrong. Nothing was started or written.
        WorkerError: The workers died on the same records again and again.
        OSError: A file could not be written. The error has the file's name.
        DeliveryError: The vault that you send records to takes none of them.
        MockDataError: The sink received fewer records than you asked for.

    An exception from the sink or from ``on_progress`` reaches you unchanged. The sink's has a note
    that names the vault and the records. Errors that follow the first become notes on it.

    """
    check_event_loop()
    run = plan_run(counts, vaults=vaults, seed=seed, timestamp=timestamp, start=start, part=part)
    means = Means.checked(rate, workers, executor, on_progress)
    return await in_task(run_pipeline, run, as_sink(sink), means)


@frozen
class Means:
    """What a run uses, and the function that follows its progress."""

    rate: float | None
    workers: int
    executor: Executor | None
    on_progress: Callable[[Progress], object] | None

    @classmethod
    def checked(
        cls,
        rate: float | None,
        workers: int | None,
        executor: Executor | None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Self:
        """Return the means that arguments of ``generate`` name. Raises PlanError."""
        _check_executor(executor)
        made = cls(checked_rate(rate), checked_workers(workers), executor, on_progress)
        check_on_progress(on_progress)
        return made


def _check_executor(executor: object) -> None:
    if executor is not None and not isinstance(executor, Executor):
        raise PlanError("executor", f"{shown(executor)} is not a concurrent.futures.Executor")


def check_on_progress(on_progress: object) -> None:
    """Raise PlanError for what cannot be called with a ``Progress``."""
    if on_progress is None:
        return
    if not callable(on_progress):
        raise PlanError("on_progress", f"{shown(on_progress)} is not callable")
    if any(map(inspect.iscoroutinefunction, (on_progress, type(on_progress).__call__))):
        raise PlanError("on_progress", f"{shown(on_progress)} is async; give a plain function")


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _sync(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if _is_loop_running():
            raise RuntimeError(
                f"an event loop is running here: await {function.__name__}() instead"
            )
        return asyncio.run(function(*args, **kwargs))

    call.__name__ = call.__qualname__ = f"{function.__name__}_sync"
    about = f"Do what ``{function.__name__}`` does, where no event loop is running."
    call.__doc__ = f"{about}\n\n{inspect.getdoc(function)}"
    return call


generate_sync = _sync(generate)


@contextmanager
def _emptied(receive: MemoryObjectReceiveStream[Any]) -> Iterator[None]:
    """Close the receiving end of a stream at the end, and drop what it holds."""
    with receive:
        try:
            yield
        finally:
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                while True:
                    receive.receive_nowait()


async def run_pipeline(run: Run, sink: Sink, means: Means) -> Report:
    """Open the sink, have every vault written while the pool is open, and commit."""
    meter = Meter(run, means.on_progress)
    async with opened(sink, run) as life:
        meter.follow(life.session.delivery)
        with Slabs(most=4 * len(run.vaults)) as slabs:
            jobs = [Job.of(vault, run, life.session) for vault in run.vaults]
            async with open_pool(_pairs(run), means.workers, means.executor) as pool:
                if not pool.is_here:
                    for job in jobs:
                        job.share(slabs)
                async with open_tasks() as tasks:
                    life.watch(tasks.fail)
                    stage = Stage.of(run, means.rate, (life.session, pool, slabs, meter, tasks))
                    for job in jobs:
                        _start(stage, job)
                peak_memory = pool.peak_memory()
        meter.check_complete()
        await off_the_loop(functools.partial(check_files, stage.written))
        await anyio.lowlevel.checkpoint_if_cancelled()  # a run that is cancelled does not commit
    if life.session.file_sizes is not None:
        meter.set_sizes(life.session.file_sizes())
    delivery = life.session.delivery
    return meter.report(peak_memory, delivery() if delivery is not None else None)


def _start(stage: Stage, job: Job) -> None:
    """Start a vault's producer and consumer, with the stream between them."""
    name, session = job.vault.name, stage.session
    files = session.files[name] if session.files is not None else ()
    heads = [file.offset for file in files] or session.heads.get(name, ())
    stage.meter.add(name, 0, tuple(heads))
    send, receive = anyio.create_memory_object_stream[Items](max_buffer_size=1)
    if files:
        stage.tasks.start(produce_files, stage, job, files, send)
    elif session.encode is not None:
        import pickle

        stage.tasks.start(produce_encoded, stage, job, pickle.dumps(session.encode), send)
    else:
        stage.tasks.start(produce_batches, stage, job, send)
    stage.tasks.start(_consume, stage, receive)


async def _consume(stage: Stage, receive: MemoryObjectReceiveStream[Items]) -> None:
    """Hand what comes to the sink, unless the run has failed, and count it."""
    write = cast("Callable[[Item], Awaitable[object]] | None", stage.session.write)
    with _emptied(receive):
        async for items in receive:
            while items:
                item = items.popleft()
                if write is not None and not isinstance(item, Receipt):
                    await stage.may_go(len(item))
                    if stage.tasks.error is not None:
                        return
                    try:
                        await write(item)
                    except Exception as error:
                        name_records(error, records_of(item))
                        raise
                stage.meter.add(item.vault, item.records, item.sizes)


def _pairs(run: Run) -> int:
    """Return how many records of a value and a token are as much to make as the run is."""
    return -(-sum(vault.records * len(vault.columns) for vault in run.vaults) // 2)


def records_of(batch: Batch | Encoded) -> Records:
    """Return the records of a batch, for an error to name."""
    return batch.vault, batch.start, batch.start + len(batch)


def name_records(error: BaseException, records: Records) -> None:
    """Add a note to an error that names its records."""
    vault, start, stop = records
    error.add_note(f"mockdata: at {vault} records {start} to {stop - 1}")
