"""``--dask``: the run's parts on a cluster, yours or one that the run starts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from mockdata.command.arguments import Options
from mockdata.command.options import LOCAL
from mockdata.errors import MockDataError, PlanError, one_line

if TYPE_CHECKING:
    from mockdata.pipeline.report import Progress, Report

__all__ = ["generate_on_cluster"]

CONNECT: Final = 15
"""Seconds that a scheduler has to answer."""


async def generate_on_cluster(
    options: Options, on_progress: Callable[[Progress], object]
) -> Report:
    """Make the run on the cluster that ``--dask`` names.

    Raises PlanError if ``distributed`` is not installed, and MockDataError if there is no cluster.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        problem = "it needs distributed: pip install 'mockdata[dask]'"
        raise PlanError("dask", problem) from error
    from mockdata.dask import generate

    settings: dict[str, Any] = {"header": False} if not options.header else {}
    if options.fsync:
        settings["fsync"] = True
    async with _client(options) as client:
        return await generate(
            client,
            options.counts,
            sink=options.output,
            format=options.sink,
            parts=options.parts,
            vaults=options.defined,  # type: ignore[arg-type]  # what the file said
            seed=options.run.seed,
            timestamp=options.run.timestamp,
            start=options.start,
            options=settings,
            on_progress=on_progress,
        )


def _check_address(address: str) -> None:
    """Raise PlanError unless a scheduler could be at an address."""
    from distributed.comm.addressing import get_address_host_port

    try:
        get_address_host_port(address)
    except ValueError as error:
        allowed = f"{LOCAL}, or a scheduler's address such as tcp://host:8786"
        raise PlanError("dask", f"{one_line(repr(address))} is not {allowed}") from error


@asynccontextmanager
async def _client(options: Options) -> AsyncIterator[Any]:
    """Yield a client of the cluster. A local cluster is started, and stopped at the end."""
    import distributed as untyped

    distributed: Any = untyped
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters, we say ourselves
    if options.dask != LOCAL:
        _check_address(str(options.dask))
        try:
            client = await distributed.Client(options.dask, asynchronous=True, timeout=CONNECT)
        except (OSError, ValueError) as error:
            problem = f"no scheduler answers at {options.dask}: {one_line(str(error))}"
            raise MockDataError(problem) from error
        async with client:
            yield client
        return
    from mockdata.pipeline.plan import checked_workers

    async with (
        distributed.LocalCluster(
            n_workers=checked_workers(options.workers),
            threads_per_worker=1,
            processes=True,
            asynchronous=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
            preload=["mockdata.dask.local"],
        ) as cluster,
        distributed.Client(cluster, asynchronous=True) as client,
    ):
        yield client
