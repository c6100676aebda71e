"""The checks for sinks: ours pass them, and a sink with one fault is told which one it is."""

import asyncio
import importlib
import io
import json
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
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
    async def open(self, run):
        rows = {vault.name: [] for vault in run.vaults}

        async def keep(batch):
            await anyio.lowlevel.checkpoint()
            rows[batch.vault].extend(batch)

        async def write(batch):
            await self.write(batch, keep)

        def commit():
            self.tables |= rows

        yield mockdata.Session(write=write, commit=commit)

    async def write(self, batch, keep):
        await keep(batch)


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
        async def open(self, run):
            async with super().open(run) as session, anyio.create_task_group():
                yield session

    await check_sink(Concurrent, committed)


async def test_the_list_sink_passes():
    await check_sink(ListSink, ListSink.records, atomic=False, keeps_batches=True)


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


async def test_the_skyflow_sink_passes(vault, tmp_path):
    """Its account is checked; the vault counts records and keeps none that could be read back."""
    url, ids = vault().url, dict.fromkeys(("name", "id", "dob", "ssn"), "v")

    def make():
        return mockdata.SkyflowSink(url, ids, token="t", log_folder=tmp_path)

    await check_sink(make)


# Sinks with a fault


class NoContext(Store):
    """open\\(\\) returns <async_generator object .*>, which is no async context manager"""

    async def open(self, run):
        yield print


class NoWriter(Store):
    """a run of one record: it yields None, which is neither an async callable nor a Session"""

    @asynccontextmanager
    async def open(self, run):
        yield None


class NoFiles(Store):
    """a run of one record: its session has no files for ssn"""

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(files={"id": mockdata.Files("a", "b", 0, 0)})


class WriterAndFiles(Store):
    """a run of one record: its session has both write and files"""

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(write=print, files={"ssn": mockdata.Files("a", "b", 0, 0)})


class PlainWriter(Store):
    """a run of one record: its writer is not async: it returned None"""

    @asynccontextmanager
    async def open(self, run):
        yield lambda batch: None


class LeftTwice(Store):
    """leaving it with None raised RuntimeError\\("generator didn't stop"\\)"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            yield session
            yield session


class NeedsTheFirst(Store):
    """a run of no record: leaving it with None raised IndexError"""

    @asynccontextmanager
    async def open(self, run):
        batches = []
        async with super().open(run) as session:

            async def write(batch):
                batches[:] = [batch]
                await session.write(batch)

            yield replace(session, write=write)
            assert batches[0]


class CannotCommit(Store):
    """a run of one record: it raised ZeroDivisionError"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:

            async def commit():
                raise ZeroDivisionError

            yield replace(session, commit=commit)


class Refuses(Store):
    """a run of 85,002 records: it raised ZeroDivisionError"""

    async def write(self, batch, keep):
        if batch.start:
            raise ZeroDivisionError
        await keep(batch)


class Rewritten(Store):
    """Keeps the rows of the faultless sink, changed by ``changed`` when they are committed."""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:

            def commit():
                session.commit()
                for vault in run.vaults:
                    self.tables[vault.name] = self.changed(self.tables[vault.name])

            yield replace(session, commit=commit)


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


class Invents(Rewritten):
    """a run of one record: records of ssn are not its own: 1"""

    def changed(self, rows):
        return [*rows, ("123-45-6789", "tok_ssn")]


class Mixes(Store):
    """a run of 85,002 records: records of .* are not its own"""

    last = None

    async def write(self, batch, keep):
        self.last = self.last or batch
        await keep(replace(batch, vault=self.last.vault))


class SharesRows(Store):
    """two runs at once: records of .* are not its own"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            if hasattr(self, "session"):  # of a run that is still under way
                yield replace(session, write=self.session.write, commit=self.session.commit)
            else:
                self.session = session
                try:
                    yield session
                finally:
                    del self.session


class SharesAPlace(Store):
    """two runs at once: records of .* are missing"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session
            except BaseException:
                self.is_undone = True
                raise

    async def write(self, batch, keep):
        if not hasattr(self, "is_undone"):
            await keep(batch)


class CommitsAlways(Store):
    """a run that fails: records of name are there, and none may be: 10,00"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session.write
            finally:
                session.commit()


class CommitsBehindTheYield(Store):
    """a run that fails: leaving it with RuntimeError\\(.*\\) swallows that"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            with suppress(Exception):
                yield session.write
            session.commit()


class CommitsWithTheLastBatch(Store):
    """a run that fails: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, run):
        waiting = {vault.name: [] for vault in run.vaults}
        wanted = {vault.name: vault.records for vault in run.vaults}

        async def write(batch):
            rows = waiting[batch.vault]
            rows.extend(batch)
            if len(rows) == wanted[batch.vault]:
                self.tables[batch.vault] = rows

        yield write


class CommitsWhenCancelled(Store):
    """a run that is cancelled: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session
            except asyncio.CancelledError:
                session.commit()
                raise


class HidesTheError(Store):
    """a run that fails: leaving it with RuntimeError\\('this run is meant .* raised KeyError"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except Exception as error:
            raise KeyError("undo") from error


class HidesTheCancellation(Store):
    """a run that is cancelled: leaving it with CancelledError\\(.* raised KeyError"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except asyncio.CancelledError:
            raise KeyError("undo") from None


class StaysOpen(Store):
    """to open it takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, run):
        await anyio.sleep_forever()
        yield print


class StaysInABatch(Store):
    """to write a batch takes more than 1 seconds"""

    async def write(self, batch, keep):
        await anyio.sleep_forever()


class StaysInTheCommit(Store):
    """to commit takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            yield replace(session, commit=anyio.sleep_forever)


class StaysInTheEnd(Store):
    """a run that fails: to leave it takes more than 1 seconds"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except BaseException:
            await anyio.sleep_forever()


class LeavesTasks(Store):
    """a run of one record: it has ended, and tasks of the sink's go on: 1"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            self.task = asyncio.ensure_future(anyio.sleep_forever())
            yield session


class Hoards(Store):
    """6 batches are still referred to when the writer has returned from the last"""

    async def write(self, batch, keep):
        self.batches = [*getattr(self, "batches", ()), batch]
        await keep(batch)


class HoardsLines(Store):
    """6 batches are still referred to when the writer has returned from the last"""

    async def write(self, batch, keep):
        self.lines = [*getattr(self, "lines", ()), batch.token_lines]
        await keep(batch)


class Releases(Store):
    """a run of one record: <Batch ssn 0 to 0> was released"""

    async def write(self, batch, keep):
        await keep(batch)
        batch.token_lines.release()


class Delivering(Store):
    """Has an account of its delivery, ``changed``."""

    @asynccontextmanager
    async def open(self, run):
        sent = dict.fromkeys((vault.name for vault in run.vaults), 0)

        def delivery():
            done = sum(sent.values())
            resume = {vault.name: vault.start + sent[vault.name] for vault in run.vaults}
            whole = (done, 0, run.records - done, 0, 0, 0, 0.0, 0.0, (), resume)
            return self.changed(mockdata.Delivery(*whole))

        async with super().open(run) as session:

            async def write(batch):
                await session.write(batch)
                sent[batch.vault] += len(batch)

            yield replace(session, write=write, delivery=delivery)

    def changed(self, delivery):
        return delivery


class Miscounts(Delivering):
    """a run of one record: its delivery is not of 1 records"""

    def changed(self, delivery):
        return replace(delivery, not_sent=1)


class CannotResume(Delivering):
    """a run of one record: its delivery cannot resume ssn at 0"""

    def changed(self, delivery):
        return replace(delivery, resume=dict.fromkeys(delivery.resume, 0))


FAULTY = [NoContext, NoWriter, NoFiles, WriterAndFiles, PlainWriter, LeftTwice, NeedsTheFirst, CannotCommit, Refuses,
          Loses, Repeats, Disorders, Invents, Mixes, SharesRows, SharesAPlace, CommitsAlways, CommitsBehindTheYield,
          CommitsWithTheLastBatch, CommitsWhenCancelled, HidesTheError, HidesTheCancellation, StaysOpen,
          StaysInABatch, StaysInTheCommit, StaysInTheEnd, LeavesTasks, Hoards, HoardsLines, Releases, Miscounts,
          CannotResume]  # fmt: skip


@pytest.mark.parametrize("sink", FAULTY)
def test_a_fault_is_named(sink):
    with pytest.raises(AssertionError, match=sink.__doc__):
        asyncio.run(check_sink(sink, committed, step_timeout=1))


async def test_an_account_that_is_right_passes():
    await check_sink(Delivering, committed)


async def test_a_sink_that_need_not_be_atomic_may_leave_what_it_was_given():
    class Appends(Store):
        async def write(self, batch, keep):
            self.tables.setdefault(batch.vault, []).extend(batch)

        @asynccontextmanager
        async def open(self, run):
            async with super().open(run) as session:
                yield session.write

    class AppendsTwice(Appends):
        async def write(self, batch, keep):
            for _ in range(2):
                await super().write(batch, keep)

    await check_sink(Appends, committed, atomic=False)
    with pytest.raises(AssertionError, match=r"a run that fails: records of .* are there"):
        await check_sink(Appends, committed)
    with pytest.raises(AssertionError, match="are there more than once: 1"):
        await check_sink(AppendsTwice, committed, atomic=False)
    with pytest.raises(
        AssertionError, match=r"a run that fails: records of .* are not its own, or too many"
    ):
        await check_sink(TwiceWhenItFails, committed, atomic=False)


class TwiceWhenItFails(CommitsAlways):
    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as write:
                yield write
        except BaseException:
            self.tables = {name: 2 * rows for name, rows in self.tables.items()}
            raise


async def test_a_sink_that_keeps_batches_on_purpose_may():
    await check_sink(Hoards, committed, keeps_batches=True)


async def test_a_sink_that_lets_one_run_wait_for_another_passes():
    class OneByOne(Store):
        def __init__(self):
            super().__init__()
            self.turn = asyncio.Lock()

        @asynccontextmanager
        async def open(self, run):
            async with self.turn, super().open(run) as session:
                yield session

    await check_sink(OneByOne, committed)


async def test_a_sink_that_writes_files_in_place_is_not_atomic(places):
    class Bare:
        def __init__(self):
            self.place = places()

        @asynccontextmanager
        async def open(self, run):
            folder = self.place / str(run.seed)
            folder.mkdir(parents=True, exist_ok=True)
            files = {}
            for vault in run.vaults:
                data, tokens = (folder / f"{vault.name}.{kind}" for kind in ("data", "tokens"))
                data.touch()
                tokens.touch()
                files[vault.name] = mockdata.Files(str(data), str(tokens), 0, 0)
            yield mockdata.Session(files=files)

    def read(sink, vault):
        data, tokens = (sink.place / "1" / f"{vault}.{kind}" for kind in ("data", "tokens"))
        return zip(data.read_text().splitlines(), tokens.read_text().splitlines(), strict=False)

    with pytest.raises(AssertionError, match=r"a run that fails: records of .* are there"):
        await check_sink(Bare, read)
    await check_sink(Bare, read, atomic=False)


async def test_a_sink_that_cannot_be_one_is_refused_as_in_a_run():
    with pytest.raises(mockdata.PlanError, match="sink"):
        await check_sink(lambda: 5)
