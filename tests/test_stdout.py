"""Rows on standard output: all of them or an error, whatever it is."""

import asyncio
import contextlib
import csv
import errno
import fcntl
import io
import json
import os
import re
import sys
import termios

import pytest

import mockdata
from mockdata.sinks.stdout import StdoutSink

from .conftest import RUN, isolated, may_mount, shell
from .odd import ODD, PEOPLE, PEOPLE_TWICE, QUOTED, kept

VAULTS = ("name", "id", "dob", "ssn")
COUNTS = {"ssn": 3, "name": 20_001, "dob": 1}


class Out(io.TextIOWrapper):
    """Standard output that keeps what it is given."""

    def __init__(self, raw=None):
        self.raw_bytes = raw or io.BytesIO()
        super().__init__(self.raw_bytes, "utf-8")

    def rows(self):
        return self.raw_bytes.getvalue().decode().splitlines()


async def rows_of(counts=COUNTS, sink=None, **options):
    """Return the rows of a run, as they come to standard output."""
    with contextlib.redirect_stdout(Out()) as out:
        await mockdata.generate(counts, sink=sink or StdoutSink(), **RUN, **options)
    return out.rows()


async def expected(counts=COUNTS):
    """Return the rows of a run, without a header."""
    rows = {vault: [] for vault in VAULTS}
    async with mockdata.stream(counts, **RUN) as batches:
        async for batch in batches:
            rows[batch.vault] += [f"{batch.vault},{value},{token}" for value, token in batch]
    return [row for vault in VAULTS for row in rows[vault]]


async def test_vault_after_vault(either):
    assert await rows_of() == ["vault,value,token", *await expected()]


async def test_json_lines(either):
    rows = await rows_of(sink=StdoutSink("jsonl"))
    assert [",".join(json.loads(row).values()) for row in rows] == await expected()
    assert list(json.loads(rows[0])) == ["vault", "value", "token"]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_parts_without_headers_are_the_whole_one_after_the_other(format):
    sink = StdoutSink(format, header=False)
    parts = [await rows_of({"ssn": 902}, sink, part=(k, 4)) for k in (1, 2, 3, 4)]
    whole = await rows_of({"ssn": 902}, StdoutSink(format))
    assert [row for part in parts for row in part] == whole[format == "csv" :]


async def test_a_part_with_no_records_is_a_header():
    assert await rows_of({"id": 1, "ssn": 1}, part=(1, 2)) == ["vault,value,token"]


# Any vault, and tables


@pytest.mark.parametrize("format", ["csv", "jsonl"])
async def test_what_a_reader_reads_back_is_what_a_batch_has(format, either):
    counts = {ODD: 10_001, QUOTED: 5}
    rows = await rows_of(counts, StdoutSink(format))
    found = [*csv.DictReader(rows)] if format == "csv" else [*map(json.loads, rows)]
    expected = await kept(counts)
    assert [row.pop("vault") for row in found] == ["odd"] * 10_001 + ["quoted"] * 5
    pairs = [(row["value"], row["token"]) for row in found]
    assert pairs == expected.records("odd") + expected.records("quoted")


async def test_a_table_alone_as_csv_has_its_own_columns():
    rows = await rows_of({PEOPLE: 25}, vaults=[ODD])
    header, *found = csv.reader(rows)
    assert header == ["number", "odd_value", "odd_token", "born"]
    assert [*map(tuple, found)] == (await kept({PEOPLE: 25}, vaults=[ODD])).records("people")


async def test_a_table_alone_without_a_header():
    with_header = await rows_of({PEOPLE: 25}, vaults=[ODD])
    assert await rows_of({PEOPLE: 25}, StdoutSink(header=False), vaults=[ODD]) == with_header[1:]


async def test_a_table_beside_vaults_as_json_lines():
    counts = {PEOPLE: 25, "ssn": 2, ODD: 1}
    found = [*map(json.loads, await rows_of(counts, StdoutSink("jsonl")))]
    people = [tuple(row.values())[1:] for row in found if row.get("table") == "people"]
    assert people == (await kept(counts)).records("people")
    names = ["number", "odd_value", "odd_token", "born"]
    assert {(*row,) for row in found} == {("table", *names), ("vault", "value", "token")}


async def test_a_column_called_table_is_not_the_tables_name():
    seats = mockdata.Table("seats", {"table": "{number:1-9}", "seat": "{index}"})
    refused = pytest.raises(
        mockdata.PlanError, match=r'^format: jsonl needs the key "table" .* seats has'
    )
    with contextlib.redirect_stdout(Out()) as out, refused:
        await mockdata.generate({seats: 1}, sink=StdoutSink("jsonl"))
    assert out.rows() == []
    assert (await rows_of({seats: 1}))[0] == "table,seat"


@pytest.mark.parametrize("beside", ["ssn", PEOPLE_TWICE], ids=["vault", "table"])
async def test_a_table_beside_something_is_no_csv(beside):
    refused = pytest.raises(
        mockdata.PlanError, match=r"^format: csv has one header, so the table people must be alone"
    )
    with contextlib.redirect_stdout(Out()) as out, refused:
        await mockdata.generate({PEOPLE: 5, beside: 1}, sink=StdoutSink(), vaults=[ODD], **RUN)
    assert out.rows() == []


async def test_runs_that_share_a_sink():
    sink = StdoutSink(header=False)
    counts = [{"id": 25_000, "ssn": 2}, {"name": 30_000}]
    with contextlib.redirect_stdout(Out()) as out:
        await asyncio.gather(*(mockdata.generate(count, sink=sink, **RUN) for count in counts))
    rows = out.rows()
    assert [row for row in rows if not row.startswith("name")] == await expected(counts[0])
    assert [row for row in rows if row.startswith("name")] == await expected(counts[1])


class Unbuffered(io.RawIOBase):
    """A stream that takes ``most`` bytes at a time, and after ``last`` bytes does something else."""

    def __init__(self, most, last=None, then=None):
        self._most, self._last, self._then = most, last, then
        self._taken = bytearray()

    def writable(self):
        return True

    def getvalue(self):
        return bytes(self._taken)

    def write(self, some):
        left = self._last - len(self._taken) if self._last is not None else self._most
        if not left:
            if self._then == "error":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self._then
        taken = bytes(some[: min(left, self._most)])
        self._taken += taken
        return len(taken)


async def test_short_writes_are_continued(either, monkeypatch):
    monkeypatch.setattr(sys, "stdout", out := Out(Unbuffered(4097)))
    await mockdata.generate(COUNTS, sink=StdoutSink(), **RUN)
    assert out.rows() == ["vault,value,token", *await expected()]


@pytest.mark.parametrize("then", [None, 0, "error"])
@pytest.mark.parametrize("left", [0, 10, 500_000, -1])
async def test_what_is_not_taken_is_an_error(either, monkeypatch, left, then):
    monkeypatch.setattr(sys, "stdout", whole := Out())
    await mockdata.generate(COUNTS, sink=StdoutSink(), **RUN)
    size = len(whole.raw_bytes.getvalue())
    monkeypatch.setattr(sys, "stdout", Out(Unbuffered(10**9, left % size, then)))
    with pytest.raises(OSError) as caught:
        await mockdata.generate(COUNTS, sink=StdoutSink(), **RUN)
    assert caught.value.filename == "standard output"
    assert caught.value.errno == (errno.EIO if then == "error" else errno.EAGAIN)


async def test_text_where_bytes_cannot_be_written():
    with contextlib.redirect_stdout(io.StringIO()) as text:
        print("before")
        await mockdata.generate(COUNTS, sink=StdoutSink(), **RUN)
        print("after")
    rows = text.getvalue().splitlines()
    assert rows == ["before", "vault,value,token", *await expected(), "after"]


async def test_text_of_any_characters_where_bytes_cannot_be_written():
    with contextlib.redirect_stdout(io.StringIO()) as text:
        await mockdata.generate({ODD: 20_001}, sink=StdoutSink(), **RUN)
    assert text.getvalue().splitlines() == await rows_of({ODD: 20_001})


class Notebook:
    """What a notebook has for standard output, which keeps no file."""

    def __init__(self):
        self.texts = []

    def write(self, text):
        assert isinstance(text, str)
        self.texts.append(text)
        return len(text)

    def flush(self):
        self.texts.append("")

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


async def test_a_notebook(monkeypatch):
    monkeypatch.setattr(sys, "stdout", notebook := Notebook())
    await mockdata.generate({"ssn": 5}, sink=StdoutSink("jsonl"), **RUN)
    assert [json.loads(row)["vault"] for row in "".join(notebook.texts).splitlines()] == ["ssn"] * 5


@pytest.mark.parametrize("closed", ["closed", "none"])
async def test_standard_output_that_is_closed(monkeypatch, closed):
    out = None
    if closed == "closed":
        out = Out()
        out.close()
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(OSError) as caught:
        await mockdata.generate({"ssn": 5}, sink=StdoutSink(), **RUN)
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, "standard output")


async def test_a_run_keeps_to_the_output_that_it_began_with(monkeypatch):
    def look(progress):
        if progress.records:
            monkeypatch.setattr(sys, "stdout", other)

    other = Out()
    assert len(await rows_of(on_progress=look)) == 20_006
    assert other.rows() == []


async def test_a_cancelled_run_leaves_a_reader_that_does_not_read(either, monkeypatch):
    reading, writing = os.pipe()
    with open(writing, "w") as out, open(reading, "rb") as reader:
        monkeypatch.setattr(sys, "stdout", out)
        run = asyncio.ensure_future(mockdata.generate({"ssn": 90_000}, sink=StdoutSink()))
        full = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
        held = 0
        while held < full - 4096:
            await asyncio.sleep(0)
            full = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
            held = int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        reader.close()  # which ends the write that was left
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            out.close()


ROWS = """
import os, sys
import mockdata

talks = len(sys.argv) > 1
if talks:
    print("before")
try:
    mockdata.generate_sync({"name": 10_001, "ssn": 80_000}, sink=mockdata.StdoutSink(), seed=1, timestamp=1700000000)
except OSError as error:
    print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    os._exit(1)
if talks:
    print("after")
"""


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def rows(request, tmp_path):
    """Return a function that runs a script with ``$rows``, which writes rows."""
    (tmp_path / "rows.py").write_text(ROWS)
    options = {"rows": f"{sys.executable} -W error rows.py", "PYTHONUNBUFFERED": request.param}
    return lambda script, run=shell: run(script, tmp_path, **options)


async def test_rows_come_behind_what_was_printed_before(rows):
    before, header, *found, after = rows("$rows talks").stdout.splitlines()
    assert (before, header, after) == ("before", "vault,value,token", "after")
    assert found == await expected({"name": 10_001, "ssn": 80_000})


def test_a_slow_reader(rows):
    slowly = "import sys; r = iter(lambda: sys.stdin.buffer.raw.read(997), b''); n = sum(map(len, r)); print(n)"
    done = rows(f'$rows | {sys.executable} -c "{slowly}"; $rows | wc -c')
    assert done.stderr == ""
    slow, quick = map(int, done.stdout.split())
    assert slow == quick > 6_000_000


@pytest.mark.skipif(not may_mount(), reason="to mount a small disk needs root or user namespaces")
def test_a_disk_that_is_full(rows):
    done = rows(
        "mkdir full; mount -t tmpfs -o size=1m none full; $rows > full/rows; echo $?;"
        " $rows | head -c $(stat -c %s full/rows) | cmp - full/rows && echo same",
        isolated,
    )
    assert done.stderr.startswith("standard output: No space left on device\n")
    assert done.stdout == "1\nsame\n"


def test_a_device_that_is_full(rows):
    done = rows("$rows > /dev/full; echo $?")
    assert done.stderr == "standard output: No space left on device\n"
    assert done.stdout == "1\n"


@pytest.mark.parametrize("lines", ["0", "1", "10000"])
def test_a_pipe_that_is_closed(rows, lines):
    done = rows(f"($rows; echo $? >&2) | head -n {lines} | wc -l")
    assert re.fullmatch(r"(standard output: Broken pipe\n1\n|0\n)", done.stderr)
    assert done.stdout.strip() == lines


def test_a_limit_on_the_size_of_files(tmp_path, rows):
    done = rows("ulimit -f 100; $rows > limited; echo $?")
    assert re.fullmatch(r"(standard output|shared memory): File too large\n", done.stderr)
    assert done.stdout == "1\n"
