"""The checks for sinks: ours pass them, and a sink with one fault is told which one it is."""

import asyncio
import csv
import importlib
import io
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import polars
import pytest

import mockdata
from mockdata.testing import ListSink, check_sink

from .faulty import WRONG_FORM_OR_ENDING, CommitsAlways, Store, committed
from .faulty_records import WRONG_RECORDS, Delivering, Hoards, Rewritten

EXAMPLES = Path(__file__).parents[1] / "examples"


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
        values, tokens = ([*csv.reader(text.splitlines())][1:] for text in texts)
        return [(value, token) for (value,), (token,) in zip(values, tokens, strict=True)]

    await check_sink(Csv, read, any_text=True)


async def test_the_parquet_sink_passes(places):
    folders = {}

    def make():
        folder = places()
        sink = mockdata.ParquetSink(folder)
        folders[sink] = folder
        return sink

    def read(sink, vault):
        path = folders[sink] / f"{vault}.parquet"
        return [*map(tuple, polars.read_parquet(path).rows())] if path.exists() else []

    await check_sink(make, read, any_text=True)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_the_stdout_sink_passes(format, monkeypatch):
    def make():
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        return mockdata.StdoutSink(format)

    def read(sink, vault):
        lines = sys.stdout.buffer.getvalue().decode().splitlines()
        if format == "csv":
            rows = [*csv.reader(lines)][1:]
        else:
            rows = [json.loads(line).values() for line in lines]
        return [(value, token) for name, value, token in rows if name == vault]

    await check_sink(make, read, atomic=False, any_text=True)


async def test_the_example_of_a_sink_passes(places, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("own_sink")

    def read(sink, vault):
        file = sink.folder / f"{vault}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(row["value"], row["token"]) for row in map(json.loads, lines)]

    await check_sink(lambda: example.JsonLines(places()), read, any_text=True)


async def test_the_skyflow_sink_passes(vault, tmp_path):
    """Its account is checked; the vault counts records and keeps none that could be read back."""
    url, ids = vault().url, dict.fromkeys(("name", "id", "dob", "odd", "ssn"), "v")

    def make():
        return mockdata.SkyflowSink(url, ids, token="t", log_folder=tmp_path)

    await check_sink(make, any_text=True)


# Layouts

ROWS = {
    "json": mockdata.Rows(b'["', b'","', b'"]\n', escape="json"),
    "csv": mockdata.Rows(b"", b",", b"\n", escape="csv"),
    "none": mockdata.Rows(b"<", b"> <", b">\n"),
    "turned": mockdata.Rows(b"<", b"> <", b">\n", columns=(1, 0)),
}
READ = {
    "json": json.loads,
    "csv": lambda row: next(csv.reader([row])),
    "none": lambda row: row[1:-1].split("> <"),
    "turned": lambda row: row[1:-1].split("> <")[::-1],
}


class OfRows:
    """Keeps the rows that it has asked for."""

    def __init__(self, escape="json", batch_size=10_000):
        self.escape, self.batch_size = escape, batch_size
        self.tables, self.sizes = {}, set()

    @asynccontextmanager
    async def open(self, run):
        rows = {vault.name: [] for vault in run.vaults}
        layouts = dict.fromkeys(rows, ROWS[self.escape])

        async def write(batch):
            self.sizes.add(len(batch))
            rows[batch.vault].append(bytes(batch.rows))
            self.written(layouts)

        yield mockdata.Session(
            write=write,
            layouts=layouts,
            batch_size=self.batch_size,
            commit=lambda: self.tables.update(rows),
        )

    def written(self, layouts):
        pass

    def read(self, vault):
        lines = b"".join(self.tables.get(vault, ())).decode().splitlines()
        return map(READ[self.escape], lines)


@pytest.mark.parametrize("escape", ROWS)
async def test_a_sink_of_rows_passes(escape):
    await check_sink(lambda: OfRows(escape), OfRows.read)


async def test_a_sink_of_small_batches_passes():
    sinks = []

    def make():
        sinks.append(OfRows(batch_size=301))
        return sinks[-1]

    await check_sink(make, OfRows.read)
    assert sinks[2].sizes == {301, 1, *(count % 301 for count in (10_001, 5_000, 70_000))}


async def test_rows_that_are_not_those_of_the_layout_are_a_fault():
    class Changes(OfRows):
        def written(self, layouts):
            layouts["ssn"] = ROWS["none"]

    with pytest.raises(AssertionError, match="one record: the rows of ssn are not what Rows"):
        await check_sink(Changes, OfRows.read)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"layouts": {"sn": ROWS["csv"]}}, "a layout for 'sn', which is not in the run"),
        ({"layouts": {"ssn": "csv"}}, "its layout of ssn is 'csv', no Columns, Rows or Texts"),
        ({"layouts": {"ssn": mockdata.Rows(b"", (), b"")}}, "raised PlanError.*layout of ssn"),
        ({"batch_size": 10_001}, "raised PlanError.*batch_size 10001"),
    ],
)
async def test_what_a_session_cannot_ask_for_is_a_fault(changes, fault):
    class Wrong(Store):
        @asynccontextmanager
        async def open(self, run):
            async with super().open(run) as session:
                yield replace(session, **changes)

    with pytest.raises(AssertionError, match=f"a run of one record: .*{fault}"):
        await check_sink(Wrong, committed)


# Sinks that know the four vaults alone


class AsText(Rewritten):
    """Keeps lines of text, and reads them back in a way of its own."""

    def changed(self, rows):
        return [self.read(self.line(record)) for record in rows]

    def line(self, record):
        return f"{record.value},{record.token}"

    def read(self, line):
        return tuple(line.rsplit(",", 1))


class InAscii(AsText):
    def line(self, record):
        return super().line(record).encode("ascii").decode()


class Stripped(AsText):
    def line(self, record):
        return f"{record.value}\t{record.token}"

    def read(self, line):
        return tuple(line.strip().split("\t"))


class InQuotes(AsText):
    def line(self, record):
        return f'{{"value":"{record.value}","token":"{record.token}"}}'

    def read(self, line):
        return tuple(json.loads(line).values())


@pytest.mark.parametrize(
    ("sink", "fault"),
    [
        (AsText, "records of odd are missing"),
        (InAscii, "it raised UnicodeEncodeError"),
        (Stripped, "records of odd are missing"),
        (InQuotes, "it raised JSONDecodeError"),
    ],
)
async def test_a_sink_that_does_not_expect_such_texts_is_found_out(sink, fault):
    with pytest.raises(AssertionError, match=f"a run of texts of every kind: {fault}"):
        await check_sink(sink, committed, any_text=True)


# Sinks with a fault


@pytest.mark.parametrize("sink", WRONG_FORM_OR_ENDING + WRONG_RECORDS)
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
                files[vault.name] = [mockdata.File(str(data)), mockdata.File(str(tokens))]
            yield mockdata.Session(files=files)

    def read(sink, vault):
        data, tokens = (sink.place / "1" / f"{vault}.{kind}" for kind in ("data", "tokens"))
        rows = (csv.reader(file.read_text().splitlines()) for file in (data, tokens))
        return [(value, token) for (value,), (token,) in zip(*rows, strict=False)]

    with pytest.raises(AssertionError, match=r"a run that fails: records of .* are there"):
        await check_sink(Bare, read)
    await check_sink(Bare, read, atomic=False)


async def test_a_sink_that_cannot_be_one_is_refused_as_in_a_run():
    with pytest.raises(mockdata.PlanError, match="sink"):
        await check_sink(lambda: 5)
