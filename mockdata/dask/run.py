"""The client's side: parts are handed out, followed, and put on record."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio

from mockdata.dask.job import Job, checked_format, fingerprint
from mockdata.dask.part import MARKER, is_busy, make_part, seen_by, unpacked
from mockdata.dask.places import SUCCESS, place_of
from mockdata.errors import MockDataError, PlanError, one_line
from mockdata.pipeline.parts import checked_parts, default_parts
from mockdata.pipeline.plan import Counts, plan_run
from mockdata.pipeline.report import Progress, Report, VaultReport
from mockdata.pipeline.run import check_on_progress
from mockdata.sinks import Run
from mockdata.vaults.file import Definitions, Vaults, definitions
from mockdata.vaults.texts import shown
from mockdata.vaults.vault import Table, Vault

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["generate"]

STOPPING: Final = 20.0
"""Seconds that cancelled tasks have to notice, and to undo their work."""

TOGETHER: Final = 0.2
"""Seconds in which tasks end whose results are fetched together."""

LOOK: Final = 0.1
"""Seconds between two looks at whether they have."""


async def generate(
    client: Client,
    counts: Counts,
    *,
    sink: str | os.PathLike[str] = "data",
    format: str = "csv",
    parts: int | None = None,
    vaults: Vaults | None = None,
    seed: int | None = None,
    timestamp: int | None = None,
    start: Counts = 0,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Make records on the workers of a Dask cluster, with one folder for each part.

    Part k of n goes to ``part-0000k-of-0000n``. It is complete or absent, has the same bytes as an
    ordinary run with ``part=(k, n)``, and has a file ``_PART.json``. ``_SUCCESS.json``, with the
    report, is written last. After a failure or a cancellation, call this again with the same seed
    and timestamp: parts that are complete are not made again.

    Args:
        client: A ``distributed.Client``, asynchronous or not.
        counts: As in ``mockdata.generate``.
        sink: A folder that every machine sees under this path, or the URL of an object store.
        format: ``csv``, ``jsonl`` or ``parquet``.
        parts: How many parts to make, from 1 to 99,999. None means one for each two million
            records, at most 10,000.
        vaults: As in ``mockdata.generate``. A file is read on this machine.
        seed: As in ``mockdata.generate``.
        timestamp: As in ``mockdata.generate``.
        start: As in ``mockdata.generate``. The parts begin there.
        options: Arguments for the format's sink, such as ``{"header": False}``.
        on_progress: Called with a ``Progress`` now and then.

    The report adds up all parts, including those that were there already. Its ``peak_memory`` is
    that of the worker that took most. If you cancel it, it waits until its tasks have stopped.

    Raises:
        PlanError: An argument is wrong. Nothing was started.
        MockDataError: A worker has another version of mockdata, or does not see the folder.
        OSError: A part could not be written.

    Other exceptions in a task reach you unchanged.

    """
    check_on_progress(on_progress)
    defined = _defined(counts, vaults)
    run = plan_run(counts, vaults=defined, seed=seed, timestamp=timestamp, start=start)
    job = _job(run, defined, _folder(sink), parts, (checked_format(format), options or {}))
    _check_client(client)
    followed = _Followed(run, on_progress)
    return await _on_loop_of(client, lambda: _hand_out(client, job, followed))


def _check_client(client: object) -> None:
    import distributed

    if not isinstance(client, distributed.Client):
        raise PlanError("client", f"{shown(client)} is not a distributed.Client")


def _folder(sink: object) -> str:
    if isinstance(sink, str | os.PathLike) and (folder := os.fspath(sink)):
        return str(folder)
    raise PlanError("sink", f"{shown(sink)} is not a folder or the URL of an object store")


def _defined(counts: Counts, vaults: Vaults | None) -> Definitions:
    """Return everything that may be counted: the definitions, and keys of the counts."""
    defined = vaults if isinstance(vaults, Definitions) else definitions(vaults)
    given = counts if isinstance(counts, Mapping) else {}
    return defined.joined([each for each in given if isinstance(each, Vault | Table)])


def _job(
    run: Run,
    defined: Definitions,
    place: str,
    parts: int | None,
    settings: tuple[str, Mapping[str, Any]],
) -> Job:
    """Return what the tasks are given; ``settings`` are a format and its sink's arguments.

    Raises PlanError for parts, or arguments, that cannot be.
    """
    form, options = settings
    number = default_parts(run.records) if parts is None else checked_parts(parts)
    place = place if "://" in place else os.path.abspath(place)
    job = Job(
        run_id=fingerprint(run, form, number, sorted(options.items())),
        counts={vault.name: vault.records for vault in run.vaults},
        start={vault.name: vault.start for vault in run.vaults},
        seed=run.seed,
        timestamp=run.timestamp,
        definitions=defined.given,
        parts=number,
        place=place,
        format=form,
        options=dict(options),
    )
    job.sink(place)  # it refuses options that it does not know
    return job


async def _on_loop_of(client: Any, function: Callable[[], Awaitable[Report]]) -> Report:
    """Await a function on the event loop that a client lives on."""
    loop = client.loop.asyncio_loop
    if loop is asyncio.get_running_loop():
        return await function()

    async def call() -> Report:
        return await function()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), loop))


class _Followed:
    """Adds up the progress of the parts."""

    def __init__(self, run: Run, on_progress: Callable[[Progress], object] | None) -> None:
        self._run, self._on_progress = run, on_progress
        self._began = time.perf_counter()
        self._of_part: dict[tuple[int, str], tuple[int, int]] = {}
        self._records = {vault.name: 0 for vault in run.vaults}
        self._bytes = {vault.name: 0 for vault in run.vaults}
        self.marks: list[dict[str, Any]] = []
        if on_progress is not None:
            for vault in run.vaults:
                on_progress(Progress(vault.name, 0, vault.records, 0, 0.0))

    def told(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a task's message."""
        _, message = event
        for vault, (records, size) in message["vaults"].items():
            self._add(message["part"], vault, records, size)

    def done(self, mark: dict[str, Any]) -> None:
        """Count the result of a task."""
        self.marks.append(mark)
        for vault, made in mark["report"]["vaults"].items():
            size = made["data_bytes"] + made["token_bytes"]
            self._add(mark["part"][0], vault, made["records"], size)

    def _add(self, part: int, vault: str, records: int, size: int) -> None:
        earlier, earlier_size = self._of_part.get((part, vault), (0, 0))
        if records < earlier:
            return  # a message that was overtaken
        self._of_part[part, vault] = records, size
        self._records[vault] += records - earlier
        self._bytes[vault] += size - earlier_size
        if self._on_progress is not None:
            total = next(v.records for v in self._run.vaults if v.name == vault)
            seconds = time.perf_counter() - self._began
            self._on_progress(
                Progress(vault, self._records[vault], total, self._bytes[vault], seconds)
            )

    def report(self) -> Report:
        """Return the report of all parts."""
        seconds = time.perf_counter() - self._began
        reports = [mark["report"] for mark in self.marks]
        vaults = {
            vault.name: VaultReport(
                *(
                    sum(report["vaults"][vault.name][what] for report in reports)
                    for what in ("records", "data_bytes", "token_bytes")
                )
            )
            for vault in self._run.vaults
        }
        records = sum(made.records for made in vaults.values())
        return Report(
            seed=self._run.seed,
            timestamp=self._run.timestamp,
            records=records,
            bytes=sum(made.data_bytes + made.token_bytes for made in vaults.values()),
            seconds=seconds,
            records_per_second=records / seconds,
            peak_memory=max(report["peak_memory"] for report in reports),
            vaults=vaults,
        )


async def _hand_out(client: Any, job: Job, followed: _Followed) -> Report:
    """Make all parts on the workers, and record the run."""
    place = place_of(job)
    marker = MARKER.format(job.run_id)
    is_new = not job.is_store and not os.path.isdir(job.place)  # noqa: ASYNC240
    if not job.is_store:
        os.makedirs(job.place, exist_ok=True)
        place.save(marker, b"")
    try:
        await _check_workers(client, job)
        await _off(place.remove, SUCCESS)
        await _make_parts(client, job, followed)
        report = followed.report()
        await _off(place.write, SUCCESS, _success(job, followed, report))
        return report
    finally:
        with anyio.CancelScope(shield=True):
            await _off(place.remove, marker)
            await _off(place.clean)
            if is_new:
                with suppress(OSError):  # it has something in it
                    os.rmdir(job.place)


async def _off(function: Callable[..., Any], *arguments: object) -> None:
    await anyio.to_thread.run_sync(function, *arguments)


def _success(job: Job, followed: _Followed, report: Report) -> dict[str, Any]:
    return {
        "run": job.run_id,
        "mockdata": job.version,
        "format": job.format,
        "parts": job.parts,
        "made": sum("was_there" not in mark for mark in followed.marks),
        "counts": job.counts,
        "start": job.start,
        "report": report.to_dict(),
    }


async def _check_workers(client: Any, job: Job) -> None:
    """Raise MockDataError if a worker cannot do its part."""
    try:
        answers = await _awaited(client.run(seen_by, job, on_error="return"))
    except Exception as error:
        raise MockDataError(f"the workers do not answer: {one_line(str(error))}") from error
    for address, answer in answers.items():
        problem = str(answer)
        if isinstance(answer, ModuleNotFoundError):
            problem = f"it has no {answer.name}: install mockdata {job.version} there"
        if problem:
            raise MockDataError(f"worker {address}: {one_line(problem)}")


async def _awaited(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


async def _make_parts(client: Any, job: Job, followed: _Followed) -> None:
    packed = client.submit(unpacked, job, key=f"{job.topic}-job", pure=False)
    numbers = range(1, job.parts + 1)
    keys = [f"{job.topic}-part-{number:05}" for number in numbers]
    futures = client.map(make_part, [packed] * len(keys), numbers, key=keys, pure=False)
    client.subscribe_topic(job.topic, followed.told)
    try:
        async for marks in _results(client, futures):
            for mark in marks:
                followed.done(mark)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _stop(client, job, futures)
        raise
    finally:
        with suppress(Exception):
            client.unsubscribe_topic(job.topic)


async def _results(client: Any, futures: list[Any]) -> AsyncIterator[list[Any]]:
    """Yield what tasks return, of those together that end within a short time of each other.

    To fetch each by itself costs the scheduler a third of all that a task costs it.
    """
    import distributed as untyped

    distributed: Any = untyped
    ended = distributed.as_completed(futures)
    async for first in ended:
        if ended.count():
            await anyio.sleep(TOGETHER)
        yield await _awaited(client.gather([first, *ended.next_batch(block=False)]))


async def _stop(client: Any, job: Job, futures: Iterable[Any]) -> None:
    """Cancel tasks, and wait until those that run have noticed it and undone."""
    with suppress(Exception), anyio.move_on_after(STOPPING):
        await _awaited(client.cancel(list(futures), force=True))
        while any((await _awaited(client.run(is_busy, job))).values()):  # noqa: ASYNC110, afar
            await anyio.sleep(LOOK)
