"""A user's program, for type checkers: they read it beside an installed package, and do not run it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import mockdata
from mockdata.testing import ListSink, check_sink

card = mockdata.Vault("card", value="4[0-9]{14}{luhn}", token="{same:6,4}")
people = mockdata.Table(
    "people", {"name": "{name.value}", "born": {"pattern": "{dob.date}", "type": "date"}}
)
of_names = {"ssn": 1}
of_vaults = {card: 1}


def run() -> list[int]:
    """Make records by all kinds of counts; return how many each time."""
    with mockdata.progress() as on_progress:
        reports = [
            mockdata.generate_sync(1, sink=len, on_progress=on_progress),
            mockdata.generate_sync(of_names, sink=len),
            mockdata.generate_sync(of_vaults, sink=len),
            mockdata.generate_sync({people: 1}, sink=len),
            mockdata.generate_sync({card: 1, people: 1}, sink=len),
            mockdata.generate_sync({card: 1, "ssn": 1}, sink=len, start={card: 5, "ssn": 1}),
        ]
    return [report.records for report in reports]


class Counting:
    """A sink of the user's own."""

    records = 0

    @asynccontextmanager
    async def open(self, run: mockdata.Run) -> AsyncGenerator[mockdata.Session]:
        """Count what is written, if the run is done."""
        taken = 0

        async def write(batch: mockdata.Batch) -> None:
            nonlocal taken
            taken += len(batch)

        yield mockdata.Session(write=write)
        self.records += taken


async def stream_and_write() -> dict[str, int]:
    """Take batches, and have a sink of each kind take them."""
    lengths: dict[str, int] = {}
    async with mockdata.stream({"ssn": 1}, seed=7) as batches:
        async for batch in batches:
            for record in batch:
                lengths[record.value] = len(record.token)
            lengths[batch.vault] = len(batch.data_lines)
    async with mockdata.progress() as on_progress:
        await mockdata.generate(1, sink=Counting(), on_progress=on_progress)
    for sink in (mockdata.CsvSink("data", fsync=True), mockdata.JsonlSink("data"), ListSink()):
        report = await mockdata.generate({"id": 1}, sink=sink)
        lengths |= {name: vault.records for name, vault in report.vaults.items()}
    return lengths


def show(progress: mockdata.Progress) -> str:
    """Say how far a vault has come."""
    return f"{progress.vault}: {progress.records / progress.total:.0%}, {progress.bytes} bytes"


async def check() -> None:
    """Check the sink, and define vaults in a file."""
    await check_sink(Counting)
    known = mockdata.read_vaults("vaults.toml")
    await mockdata.generate(1, vaults=known.values(), sink=lambda batch: print(batch.values))


def run_wrongly() -> None:
    """Name a vault by a number."""
    mockdata.generate_sync({3: 1}, sink=len)  # type: ignore[dict-item]
