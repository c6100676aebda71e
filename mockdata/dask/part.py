"""What a task does: it makes one part, by an ordinary run in its own thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import mockdata
from mockdata.dask.job import Job
from mockdata.dask.places import PART, place_of
from mockdata.errors import MockDataError
from mockdata.pipeline.report import Progress
from mockdata.workers.pool import InThread

__all__ = ["MARKER", "is_busy", "make_part", "seen_by", "unpacked"]

MARKER: Final = ".mockdata-{}"
"""A file in the folder of the parts, while they are made: who does not see it sees another one."""

EVERY: Final = 0.5
"""Seconds between two messages of a task to the client, at least."""


class StoppedError(MockDataError):
    """A task that nobody waits for any more."""


def unpacked(job: Job) -> Job:
    """Return the job. It is a separate task, so Dask can make it again if a worker is lost."""
    return job


def make_part(job: Job, number: int) -> dict[str, Any]:
    """Make a part, unless it is there already, and return what its ``_PART.json`` says.

    Raises MockDataError where this machine cannot work for the client, and what a run raises.
    """
    if problem := _unfit(job):
        raise MockDataError(problem)
    place, name = place_of(job), job.name(number)
    found = place.read(f"{name}/{PART}")
    if found.get("run") == job.run_id and place.sizes(place.path(name)) == found["files"]:
        return found | {"was_there": True}
    with place.making(name) as (path, appear):
        report = mockdata.generate_sync(
            job.counts,
            vaults=job.definitions,
            sink=job.sink(path),
            seed=job.seed,
            timestamp=job.timestamp,
            start=job.start,
            part=(number, job.parts),
            workers=1,
            executor=InThread(),
            on_progress=_teller(job, number),
        )
        mark = _mark(job, number) | {"files": place.sizes(path), "report": report.to_dict()}
        appear(mark)
    return mark


def _mark(job: Job, number: int) -> dict[str, Any]:
    return {
        "run": job.run_id,
        "mockdata": job.version,
        "part": [number, job.parts],
        "seed": job.seed,
        "timestamp": job.timestamp,
        "counts": job.counts,
        "start": job.start,
        "format": job.format,
    }


def _teller(job: Job, number: int) -> Callable[[Progress], None]:
    """Return a function that reports progress to the client and stops a cancelled task."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    told = dict[str, tuple[int, int]]()
    last = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal last
        told[progress.vault] = progress.records, progress.bytes
        now = time.monotonic()
        if now - last < EVERY:
            return
        last = now
        state = worker.state.tasks.get(key)
        if state is None or state.state in ("cancelled", "released", "forgotten"):
            raise StoppedError(f"part {number} was cancelled")
        worker.log_event(job.topic, {"part": number, "vaults": told})

    return tell


def seen_by(job: Job) -> str:
    """Return why this machine cannot work for the client; empty if it can.

    Raises PlanError if a package is missing that the format or the place needs.
    """
    problem = _unfit(job)
    if not problem:
        place_of(job)
        job.sink(job.place)
    return problem


def _unfit(job: Job) -> str:
    if mockdata.__version__ != job.version:
        return (
            f"this worker has mockdata {mockdata.__version__}, and the client {job.version}: "
            "install the same on all machines"
        )
    if not job.is_store:
        try:
            place_of(job).load(MARKER.format(job.run_id))
        except OSError:
            return (
                f"this worker does not see the client's folder {job.place}: take one that all "
                "machines share, or an object store"
            )
    return ""


def is_busy(job: Job, dask_worker: Any) -> bool:
    """Return whether a task of the job still runs on this worker."""
    running = [*dask_worker.active_threads.values()]
    return any(str(key).startswith(f"{job.topic}-part") for key in running)
