"""Sessions that have the workers encode: what comes to the writer, and what may go wrong there."""

import asyncio
import copyreg
import gzip
import json
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from multiprocessing import get_context

import anyio
import pytest

import mockdata
from mockdata.testing import ListSink, check_sink

from .conftest import RUN, children, kept, open_slabs
from .odd import ODD, PEOPLE

COUNTS = {"ssn": 25_001, "name": 10_000, ODD: 3, PEOPLE: 7_001}


def packed(batch):
    """Return the batch's rows as gzip, which has neither a time nor a name in it."""
    return gzip.compress(batch.rows, 1, mtime=0)


def stretched(batch):
    """Return more bytes than the rows that were rendered for it."""
    return bytearray(batch.rows) * 3


class Encoding:
    """Keeps what a function makes of batches of rows."""

    def __init__(self, encode=packed, batch_size=10_000):
        self.encode, self.batch_size = encode, batch_size
        self.taken, self.outcomes = {}, []

    async def take(self, encoded):
        self.taken[encoded.vault].append(encoded)

    @asynccontextmanager
    async def open(self, run):
        self.taken = {vault.name: [] for vault in run.vaults}
        rows = mockdata.Rows(b"", b",", b"\n", escape="csv")
        try:
            yield mockdata.Session(
                write=self.take,
                encode=self.encode,
                layouts=dict.fromkeys(self.taken, rows),
                batch_size=self.batch_size,
                commit=lambda: self.outcomes.append(None),
            )
        except BaseException as error:
            self.outcomes.append(error)
            raise

    def content(self):
        """Return what was made of each vault, in the order in which it came."""
        return {
            name: b"".join(each.data for each in encoded) for name, encoded in self.taken.items()
        }


class Lines(Encoding):
    """Keeps the rows themselves, which no worker encodes."""

    @asynccontextmanager
    async def open(self, run):
        self.taken = {vault.name: [] for vault in run.vaults}
        rows = mockdata.Rows(b"", b",", b"\n", escape="csv")
        yield mockdata.Session(write=self.take, layouts=dict.fromkeys(self.taken, rows))

    def content(self):
        return {name: b"".join(b.rows for b in batches) for name, batches in self.taken.items()}


async def rows(counts=COUNTS, **options):
    """Return the rows that each vault has."""
    await mockdata.generate(counts, sink=(sink := Lines()), **{**RUN, **options})
    return sink.content()


@pytest.mark.parametrize("encode", [packed, stretched])
@pytest.mark.parametrize("batch_size", [999, 10_000, 200_000, {"ssn": 25_000}])
async def test_the_writer_takes_what_the_function_makes_in_order(either, encode, batch_size):
    sink = Encoding(encode, batch_size)
    report = await mockdata.generate(COUNTS, sink=sink, **RUN)
    expected = await rows()
    size = batch_size if isinstance(batch_size, int) else 10_000
    sizes = dict.fromkeys(expected, size) | ({"ssn": 25_000} if size != batch_size else {})
    for name, encoded in sink.taken.items():
        records = report.vaults[name].records
        assert [each.start for each in encoded] == [*range(0, records, sizes[name])]
        assert all(one.start + len(one) == other.start for one, other in pairwise(encoded))
        assert sum(each.records for each in encoded) == records
        assert all(each.data.readonly for each in encoded)
        assert report.vaults[name].data_bytes == sum(len(each.data) for each in encoded)
        whole = sink.content()[name]
        if encode is packed:
            assert gzip.decompress(whole) == expected[name]
        else:
            assert len(whole) == 3 * len(expected[name])
            assert expected[name].startswith(whole[: len(encoded[0].data) // 3])
    assert sink.outcomes == [None]


async def test_the_bytes_do_not_depend_on_the_workers(pooled):
    made = []
    for workers in (1, 2, 3):
        await mockdata.generate(COUNTS, sink=(sink := Encoding()), workers=workers, **RUN)
        made.append(sink.content())
    assert made[0] == made[1] == made[2]


async def test_parts_are_those_of_the_run(either):
    parts = []
    for k in (1, 2, 3):
        await mockdata.generate(COUNTS, sink=(sink := Encoding()), part=(k, 3), start=5, **RUN)
        parts.append(sink.content())
    joined = {name: b"".join(part[name] for part in parts) for name in parts[0]}
    expected = await rows(start=5)
    assert {name: gzip.decompress(some) for name, some in joined.items()} == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(2, get_context("fork")),
        lambda: ProcessPoolExecutor(1, get_context("spawn")),
    ],
)
async def test_an_executor_of_ones_own_encodes(make):
    with make() as executor:
        sink = Encoding(batch_size=200_000)
        await mockdata.generate({"ssn": 30_000}, sink=sink, executor=executor, **RUN)
    assert gzip.decompress(sink.content()["ssn"]) == (await rows({"ssn": 30_000}))["ssn"]
    from multiprocessing import resource_tracker

    resource_tracker._resource_tracker._stop()


async def test_a_rate_holds_for_encoded_batches(monkeypatch):
    """Batches keep their size, and their records are paid for before they go."""
    sink, taken = Encoding(batch_size=3_000), []

    async def take(bucket, records):
        taken.append(records)

    monkeypatch.setattr("mockdata.pipeline.rate.TokenBucket.take", take)
    await mockdata.generate({"ssn": 7_000}, sink=sink, rate=10_000, **RUN)
    assert [*map(len, sink.taken["ssn"])] == [3_000, 3_000, 1_000]
    assert taken == [1_000] * 7


ENCODERS = """
import contextlib, mockdata

def encode(batch):
    if batch.start:
        raise LookupError("no table")
    return b""

class Encoding:
    @contextlib.asynccontextmanager
    async def open(self, run):
        async def write(encoded):
            pass
        yield mockdata.Session(write=write, encode=encode)

sink = Encoding()
"""


@pytest.mark.parametrize("count", [15_000, 300_000])
def test_the_command_says_where_in_the_function_an_error_was(mockdata_command, tmp_path, count):
    (tmp_path / "encoders.py").write_text(ENCODERS)
    done = mockdata_command(f"ssn={count}", "-w", "1", "-s", "encoders:sink")
    assert done.returncode == 1
    said = "mockdata: LookupError in encoders.py, line 6: no table; at ssn records 10000 to "
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


# Back-pressure and what is kept


class Stalling(Encoding):
    """Takes two batches, then waits until ``go_on`` is set."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.stalled, self.go_on = anyio.Event(), anyio.Event()

    async def take(self, encoded):
        if sum(map(len, self.taken.values())) == 2:
            self.stalled.set()
            await self.go_on.wait()
        await super().take(encoded)


async def test_a_slow_sink_holds_the_workers_back(pooled):
    sink, before, held = Stalling(), open_slabs(), []

    async def watch():
        await sink.stalled.wait()
        await anyio.wait_all_tasks_blocked()
        held.append(open_slabs() - before)
        sink.go_on.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await mockdata.generate({"ssn": 300_000}, sink=sink, workers=2, **RUN)
    assert sum(map(len, sink.taken["ssn"])) == 300_000
    # Two that the sink keeps, one that it waits with, one in the stream, one that is sent, and two
    # tasks ahead. A slab counts twice: file and mapping.
    assert held[0] <= 7 * 2


async def test_what_is_kept_stays_as_it_was(pooled):
    sink, seen = Encoding(), []
    take = sink.take

    async def note(encoded):
        seen.append(bytes(encoded.data))
        await take(encoded)

    sink.take = note
    await mockdata.generate({"ssn": 300_000}, sink=sink, workers=2, **RUN)
    assert [bytes(each.data) for each in sink.taken["ssn"]] == seen


async def test_cancelling_leaves_nothing(either):
    sink = Stalling()
    task = asyncio.ensure_future(mockdata.generate({"ssn": 60_000}, sink=sink, **RUN))
    await sink.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []
    assert [type(outcome) for outcome in sink.outcomes] == [asyncio.CancelledError]


# Deaths and errors


def packed_after_a_death(folder, batch):
    """Kill the worker that is given a batch for the first time."""
    mark = os.path.join(folder, f"{batch.vault}-{batch.start}")
    if not os.path.exists(mark):
        os.close(os.open(mark, os.O_CREAT))
        os.kill(os.getpid(), signal.SIGKILL)
    return packed(batch)


async def test_a_worker_that_dies_of_each_batch_once_changes_nothing(pooled, tmp_path):
    sink, sound = Encoding(partial(packed_after_a_death, tmp_path)), Encoding()
    await mockdata.generate(COUNTS, sink=sink, workers=2, **RUN)
    assert len(kept(tmp_path)) == 6
    await mockdata.generate(COUNTS, sink=sound, **RUN)
    assert sink.content() == sound.content()


def always_dead(batch):
    os.kill(os.getpid(), signal.SIGKILL)


async def test_batches_that_workers_always_die_of_are_named(pooled):
    sink = Encoding(always_dead, 5_000)
    with pytest.raises(mockdata.WorkerError, match="ssn records 0 to 4999: 5 workers died"):
        await mockdata.generate({"ssn": 30_000}, sink=sink, workers=1, **RUN)


class OddError(Exception):
    """An error that pickles, and does not come back."""

    def __init__(self, one, two):
        super().__init__(one)

    def __reduce__(self):  # as Python's own, whoever else would know how
        return OddError, self.args


def failing(error, batch):
    if batch.start:
        raise error("no", "way") if error is OddError else error("no way")
    return b""


def text(batch):
    return "text"


@pytest.mark.parametrize(
    ("encode", "error", "said"),
    [
        (partial(failing, ValueError), ValueError, "no way"),
        (partial(failing, MemoryError), MemoryError, "no way"),
        (text, TypeError, "bytes-like object is required, not 'str'"),
    ],
)
async def test_an_error_comes_as_it_is_with_a_note(either, encode, error, said):
    sink = Encoding(encode)
    with pytest.raises(error, match=said) as caught:
        await mockdata.generate({"ssn": 20_001}, sink=sink, **RUN)
    assert type(caught.value) is error
    records = "0 to 9999" if encode is text else "10000 to 19999"
    assert caught.value.__notes__ == [f"mockdata: at ssn records {records}"]
    assert sink.outcomes == [caught.value]
    assert children() == []


async def test_an_error_that_cannot_be_sent_is_said_and_is_no_death(pooled):
    with pytest.raises(RuntimeError, match="OddError: no") as caught:
        await mockdata.generate({"ssn": 20_001}, sink=Encoding(partial(failing, OddError)), **RUN)
    assert caught.value.__notes__ == ["mockdata: at ssn records 10000 to 19999"]


def rebuilt(args, context, notes):
    error = RuntimeError(*args)
    error.__context__, error.__notes__ = context, notes
    return error


async def test_nor_is_one_whose_context_is_sent_with_it(pooled, monkeypatch):
    """As where ``distributed`` is imported, which has errors pickled with all that belongs."""

    def reduced(error):
        return rebuilt, (error.args, error.__context__, error.__notes__)

    monkeypatch.setitem(copyreg.dispatch_table, RuntimeError, reduced)
    with pytest.raises(RuntimeError, match="OddError: no"):
        await mockdata.generate({"ssn": 20_001}, sink=Encoding(partial(failing, OddError)), **RUN)


async def test_an_error_here_need_not_be_sent():
    with pytest.raises(OddError):
        await mockdata.generate({"ssn": 20_001}, sink=Encoding(partial(failing, OddError)), **RUN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encode": lambda batch: b""}, "cannot be sent to the workers"),
        ({"encode": threading.Lock()}, "is not callable"),
        ({"encode": packed, "batch_size": 200_001}, "batch_size 200001 is not from 1 to 200000"),
        ({"encode": packed, "batch_size": {"ssn": 0}}, "batch_size 0 is not from 1 to 200000"),
        ({"batch_size": 10_001}, "batch_size 10001 is not from 1 to 10000"),
        ({"encode": packed, "write": None, "files": {"ssn": []}}, "give write instead of files"),
    ],
)
async def test_a_session_that_cannot_be_is_refused(settings, said):
    class Refused(Encoding):
        @asynccontextmanager
        async def open(self, run):
            yield mockdata.Session(**{"write": self.take} | settings)

    with pytest.raises(mockdata.PlanError, match=said):
        await mockdata.generate({"ssn": 5}, sink=Refused(), **RUN)


async def test_sizes_that_a_sink_states_are_those_of_the_report():
    class Sized(Encoding):
        @asynccontextmanager
        async def open(self, run):
            async with super().open(run) as session:
                yield mockdata.Session(
                    write=session.write,
                    encode=session.encode,
                    layouts=session.layouts,
                    file_sizes=lambda: {"ssn": 77},
                )

    report = await mockdata.generate({"ssn": 5, "id": 5}, sink=Sized(), **RUN)
    assert report.vaults["ssn"] == mockdata.VaultReport(5, 77, 0)
    assert report.bytes == 77 + report.vaults["id"].data_bytes


# Checked as any sink is


def as_json(batch):
    """Return the records as gzip of JSON lines."""
    lines = "".join(json.dumps(record) + "\n" for record in batch)
    return gzip.compress(lines.encode(), 1)


class GzipFiles:
    """A file of gzip members for each vault, written when the run is complete."""

    def __init__(self, folder, encode=as_json):
        self.folder, self.encode = folder, encode

    @asynccontextmanager
    async def open(self, run):
        members = {vault.name: [] for vault in run.vaults}

        async def write(encoded):
            await anyio.lowlevel.checkpoint()
            members[encoded.vault].append(bytes(encoded.data))

        def commit():
            for name, made in members.items():
                (self.folder / name).write_bytes(b"".join(made))

        yield mockdata.Session(write=write, encode=self.encode, commit=commit, batch_size=50_000)

    def read(self, vault):
        path = self.folder / vault
        content = gzip.decompress(path.read_bytes()) if path.exists() else b""
        return [*map(json.loads, content.splitlines())]


class Careless(GzipFiles):
    """Has its files under their names from the beginning."""

    @asynccontextmanager
    async def open(self, run):
        async def write(encoded):
            await anyio.lowlevel.checkpoint()
            with (self.folder / encoded.vault).open("ab") as file:
                file.write(encoded.data)

        yield mockdata.Session(write=write, encode=self.encode, batch_size=50_000)


def without_the_last(batch):
    return as_json([*batch][:-1])


@pytest.fixture
def folders(tmp_path):
    """Return a function that makes a new folder."""

    def make():
        made = tmp_path / str(len([*tmp_path.iterdir()]))
        made.mkdir()
        return made

    return make


async def test_check_sink_passes_one_that_encodes(folders):
    await check_sink(lambda: GzipFiles(folders()), GzipFiles.read, any_text=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Careless, "a run that fails: records of"),
        (partial(GzipFiles, encode=without_the_last), "a run of one record: .* missing: 1"),
    ],
)
async def test_check_sink_finds_out_what_is_wrong(folders, make, said):
    with pytest.raises(AssertionError, match=said):
        await check_sink(lambda: make(folders()), GzipFiles.read)


class Records:
    """Keeps the records that a function has found in batches, of some layout."""

    def __init__(self, layout):
        self.layout, self.records = layout, {}

    @asynccontextmanager
    async def open(self, run):
        async def write(encoded):
            lines = gzip.decompress(encoded.data).splitlines()
            self.records.setdefault(encoded.vault, []).extend(map(json.loads, lines))

        layouts = {vault.name: self.layout for vault in run.vaults}
        yield mockdata.Session(write=write, encode=as_json, batch_size=25_000, layouts=layouts)


@pytest.mark.parametrize(
    "layout", [mockdata.Columns(escape="csv"), mockdata.Columns(), mockdata.Texts()]
)
async def test_the_batch_that_is_encoded_is_as_a_sink_knows_it(either, layout):
    counts = {ODD: 30_000, "ssn": 12_000, PEOPLE: 25_001}
    sink, expected = Records(layout), ListSink()
    await mockdata.generate(counts, sink=sink, **RUN)
    await mockdata.generate(counts, sink=expected, **RUN)
    for vault, found in sink.records.items():
        assert found == [list(record) for record in expected.records(vault)]
