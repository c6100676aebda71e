"""The checks for sinks: ours pass them, and a sink with one fault is told which one it is."""

import asyncio
import importlib
import io
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import mockdata
from mockdata.testing import ListSink, check_sink

EXAMPLES = Path(__file__).parents[1] / "examples"


class Store:
    """A sink without a fault: what it has committed is in ``tables``."""

    def __init__(self):
        self.tables = {}

    @asynccontextmanager
    async def open(self, vault):
        rows = []

        async def write(batch):
            await anyio.lowlevel.checkpoint()
            rows.extend(batch)

        yield write
        self.tables[vault.name] = rows


def committed(store, vault):
    return store.tables.get(vault, [])


# Sinks that pass


async def test_a_sink_without_a_fault_passes():
    await check_sink(Store, committed)
    await check_sink(Store)


async def test_what_is_read_back_may_have_to_be_waited_for():
    async def read(store, vault):
        await anyio.lowlevel.checkpoint()
        return iter(committed(store, vault))

    await check_sink(Store, read)


async def test_a_sink_with_a_task_group_of_its_own_passes():
    class Concurrent(Store):
        @asynccontextmanager
        async def open(self, vault):
            async with super().open(vault) as write, anyio.create_task_group():
                yield write

    await check_sink(Concurrent, committed)


async def test_the_list_sink_passes():
    def read(sink, vault):
        return sink.records(vault) if sink.outcomes.get(vault) == [None] else []

    await check_sink(ListSink, read, keeps_batches=True)


async def test_a_callable_passes():
    class Callback:
        def __init__(self):
            self.rows = []

        async def __call__(self, batch):
            await anyio.lowlevel.checkpoint()
            self.rows.append((batch.vault, list(batch)))

    def read(callback, vault):
        return [row for name, rows in callback.rows if name == vault for row in rows]

    await check_sink(Callback, read, atomic=False)


@pytest.fixture
def places(tmp_path):
    """Return a function that makes a new folder's name every time."""
    numbers = iter(range(100))
    return lambda: tmp_path / f"place{next(numbers)}"


async def test_the_csv_sink_passes(places):
    class Csv(mockdata.CsvSink):
        def __init__(self):
            self.place = places()
            super().__init__(self.place)

    def read(sink, vault):
        files = [sink.place / f"{vault}_{kind}.csv" for kind in ("data", "tokens")]
        texts = [file.read_text() if file.exists() else "\n" for file in files]
        values, tokens = (text.split("\n")[1:-1] for text in texts)
        return zip(values, tokens, strict=True)

    await check_sink(Csv, read)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_the_stdout_sink_passes(format, monkeypatch):
    def make():
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        return mockdata.StdoutSink(format)

    def read(sink, vault):
        lines = sys.stdout.buffer.getvalue().decode().splitlines()
        if format == "csv":
            rows = [line.split(",") for line in lines[1:]]
        else:
            rows = [json.loads(line).values() for line in lines]
        return [(value, token) for name, value, token in rows if name == vault]

    await check_sink(make, read, atomic=False)


async def test_the_example_of_a_sink_passes(places, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("sink_of_ones_own")

    def read(sink, vault):
        file = sink.folder / f"{vault}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(row["value"], row["token"]) for row in map(json.loads, lines)]

    await check_sink(lambda: example.JsonLines(places()), read)


# Sinks with a fault


class NoContext(Store):
    """open\\(\\) returns <async_generator object .*>, which is no async context manager"""

    async def open(self, vault):
        yield print


class NoWriter(Store):
    """a run of one record: it yields None, which is neither an async callable nor Files"""

    @asynccontextmanager
    async def open(self, vault):
        yield None


class PlainWriter(Store):
    """a run of one record: its writer is not async: it returned None"""

    @asynccontextmanager
    async def open(self, vault):
        yield lambda batch: None


class LeftTwice(Store):
    """leaving it with None raised RuntimeError\\("generator didn't stop"\\)"""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as write:
            yield write
            yield write


class NeedsTheFirst(Store):
    """a run of no record: leaving it with None raised IndexError"""

    @asynccontextmanager
    async def open(self, vault):
        batches = []
        async with super().open(vault) as write:

            async def keep(batch):
                batches[:] = [batch]
                await write(batch)

            yield keep
            assert batches[0]


class Refuses(Store):
    """a run of 85,002 records: it raised ZeroDivisionError"""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as write:

            async def refuse(batch):
                if batch.start:
                    raise ZeroDivisionError
                await write(batch)

            yield refuse


class Rewritten(Store):
    """Keeps the rows of the faultless sink, changed by ``changed`` when they are committed."""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as write:
            yield write
        self.tables[vault.name] = self.changed(self.tables[vault.name])


class Loses(Rewritten):
    """a run of 85,002 records: records of ssn are missing: 7,000"""

    def changed(self, rows):
        return rows[:63_000]


class Repeats(Rewritten):
    """records of ssn are there more than once: 1"""

    def changed(self, rows):
        return rows[:10_000] + rows


class Disorders(Rewritten):
    """a run of 85,002 records: the records of name are not in order"""

    def changed(self, rows):
        return rows[::-1]


class Mixes(Store):
    """are missing"""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as self.last_one:

            async def write(batch):
                await self.last_one(batch)

            yield write


class Invents(Rewritten):
    """a run of one record: records of ssn are not its own: 1"""

    def changed(self, rows):
        return [*rows, ("123-45-6789", "tok_ssn")]


class CommitsAlways(Store):
    """a run that fails: records of name are there, and none may be: 10,00"""

    @asynccontextmanager
    async def open(self, vault):
        rows = []

        async def write(batch):
            rows.extend(batch)

        try:
            yield write
        finally:
            self.tables[vault.name] = rows


class CommitsWithTheLastBatch(Store):
    """a run that fails: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, vault):
        rows = self.tables.setdefault(vault.name, [])
        waiting = []

        async def write(batch):
            waiting.extend(batch)
            if len(waiting) == vault.records:
                rows.extend(waiting)

        yield write


class CommitsWhenCancelled(Store):
    """a run that fails: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, vault):
        rows = []

        async def write(batch):
            await anyio.lowlevel.checkpoint()
            rows.extend(batch)

        try:
            yield write
        except Exception:
            raise
        except BaseException:
            self.tables[vault.name] = rows
            raise
        self.tables[vault.name] = rows


class HidesTheError(Store):
    """a run that fails: leaving it with RuntimeError\\('this run is meant .* raised KeyError"""

    @asynccontextmanager
    async def open(self, vault):
        try:
            async with super().open(vault) as write:
                yield write
        except Exception as error:
            raise KeyError(vault.name) from error


class HidesTheCancellation(Store):
    """a run that fails: leaving it with CancelledError\\(.* raised KeyError"""

    @asynccontextmanager
    async def open(self, vault):
        try:
            async with super().open(vault) as write:
                yield write
        except asyncio.CancelledError:
            raise KeyError(vault.name) from None


class StaysOpen(Store):
    """to open it takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, vault):
        await anyio.sleep_forever()
        yield print


class StaysInABatch(Store):
    """to write a batch takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, vault):
        async def write(batch):
            await anyio.sleep_forever()

        yield write


class StaysInTheEnd(Store):
    """a run that fails: to leave it takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, vault):
        try:
            async with super().open(vault) as write:
                yield write
        except BaseException:
            await anyio.sleep_forever()


class LeavesTasks(Store):
    """a run of one record: it has ended, and tasks of the sink's go on: 1"""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as write:
            self.task = asyncio.ensure_future(anyio.sleep_forever())
            yield write


class Hoards(Store):
    """6 batches are still referred to when the writer has returned from the last"""

    @asynccontextmanager
    async def open(self, vault):
        batches = []

        async def write(batch):
            batches.append(batch)

        yield write
        self.tables[vault.name] = [record for batch in batches for record in batch]


class HoardsLines(Store):
    """6 batches are still referred to when the writer has returned from the last"""

    @asynccontextmanager
    async def open(self, vault):
        lines = []
        async with super().open(vault) as keep:

            async def write(batch):
                lines.append(batch.token_lines)
                await keep(batch)

            yield write


class Releases(Store):
    """a run of one record: <Batch ssn 0 to 0> was released"""

    @asynccontextmanager
    async def open(self, vault):
        async with super().open(vault) as keep:

            async def write(batch):
                await keep(batch)
                batch.token_lines.release()

            yield write


FAULTY = [NoContext, NoWriter, PlainWriter, LeftTwice, NeedsTheFirst, Refuses, Loses, Repeats, Disorders, Mixes,
          Invents, CommitsAlways, CommitsWithTheLastBatch, CommitsWhenCancelled, HidesTheError,
          HidesTheCancellation, StaysOpen, StaysInABatch, StaysInTheEnd, LeavesTasks, Hoards, HoardsLines,
          Releases]  # fmt: skip


@pytest.mark.parametrize("sink", FAULTY)
def test_a_fault_is_named(sink):
    with pytest.raises(AssertionError, match=sink.__doc__):
        asyncio.run(check_sink(sink, committed, step_timeout=1))


async def test_a_sink_that_need_not_be_atomic_may_leave_what_it_was_given():
    await check_sink(CommitsAlways, committed, atomic=False)
    with pytest.raises(
        AssertionError, match=r"a run that fails: records of .* are not its own, or too many"
    ):
        await check_sink(TwiceWhenItFails, committed, atomic=False)


class TwiceWhenItFails(CommitsAlways):
    @asynccontextmanager
    async def open(self, vault):
        try:
            async with super().open(vault) as write:
                yield write
        except BaseException:
            self.tables[vault.name] *= 2
            raise


async def test_a_sink_that_keeps_batches_on_purpose_may():
    await check_sink(Hoards, committed, keeps_batches=True)


async def test_a_sink_that_writes_files_in_place_is_not_atomic(places):
    class Bare:
        def __init__(self):
            self.place = places()

        @asynccontextmanager
        async def open(self, vault):
            self.place.mkdir(exist_ok=True)
            names = [self.place / f"{vault.name}.{kind}" for kind in ("data", "tokens")]
            for name in names:
                name.touch()
            yield mockdata.Files(*map(str, names), 0, 0)

    def read(sink, vault):
        data, tokens = (sink.place / f"{vault}.{kind}" for kind in ("data", "tokens"))
        return zip(data.read_text().splitlines(), tokens.read_text().splitlines(), strict=False)

    with pytest.raises(AssertionError, match=r"a run that fails: records of .* are there"):
        await check_sink(Bare, read)
    await check_sink(Bare, read, atomic=False)


async def test_a_sink_that_cannot_be_one_is_refused_as_in_a_run():
    with pytest.raises(mockdata.PlanError, match="sink"):
        await check_sink(lambda: 5)
