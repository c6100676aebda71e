"""Parquet files: what any reader reads back, complete or absent, the same for any workers."""

import datetime as dt
import errno
import itertools
import os
import re
import signal
import sys

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockdata
from mockdata.sinks.base import VaultRun
from mockdata.sinks.parquet import thrift
from mockdata.sinks.parquet.sink import ParquetSink
from mockdata.vaults.catalogue import READY_MADE

from .conftest import RUN, children, isolated, may_mount, shell
from .conftest import kept as files_of
from .odd import ODD, PEOPLE, QUOTED, kept

COUNTS = {ODD: 10_001, QUOTED: 25, PEOPLE: 301, "name": 10_001}

TYPED = mockdata.Table(
    "typed",
    {
        "number": {"pattern": "{index:1,1000003}", "type": "int64"},
        "padded": {"pattern": "[0-9]{8}", "type": "int64"},
        "many": {"pattern": "{number:0-9223372036854775807}", "type": "int64"},
        "born": {"pattern": "{date:1600-01-01..9999-12-31}", "type": "date"},
        "status": "(active|gone)",
        "full_name": "{name.first_name}",
        "token": "{ssn.token}",
    },
)

READERS = {
    "pyarrow": lambda path: pq.read_table(path).to_pylist(),
    "polars": lambda path: polars.read_parquet(path).to_dicts(),
    "duckdb": lambda path: duckdb.sql(f"SELECT * FROM '{path}'").to_arrow_table().to_pylist(),
}

MAKE = {"string": str, "int64": int, "date": dt.date.fromisoformat}


async def expected_rows(counts, **options):
    """Return each vault's or table's rows, in the types that a table states."""
    sink = await kept(counts, **options)
    types = {
        table.name: [MAKE[column.type] for column in table.columns]
        for table in counts
        if isinstance(table, mockdata.Table)
    }
    made = {}
    for name, batches in sink.batches.items():
        columns = batches[0].columns
        of = types.get(name, [str] * len(columns))
        made[name] = [
            {c: make(text) for c, make, text in zip(columns, of, record, strict=True)}
            for record in sink.records(name)
        ]
    return made


@pytest.fixture
def small_groups(monkeypatch):
    """Have row groups of 1,000 records."""
    monkeypatch.setattr("mockdata.sinks.parquet.sink.GROUP", 1_000)


@pytest.mark.parametrize("reader", READERS)
async def test_what_a_reader_reads_back_is_what_a_batch_has(reader, either, small_groups, tmp_path):
    counts = COUNTS | {TYPED: 2_001}
    await mockdata.generate(counts, sink=ParquetSink(tmp_path), **RUN)
    expected = await expected_rows(counts)
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}.parquet" for name in expected}
    for name, rows in expected.items():
        assert READERS[reader](tmp_path / f"{name}.parquet") == rows


async def test_every_ready_made_vault_is_read_back(tmp_path):
    counts = dict.fromkeys(READY_MADE, 300)
    await mockdata.generate(counts, sink=ParquetSink(tmp_path), **RUN)
    for name, rows in (await expected_rows(counts)).items():
        assert READERS["duckdb"](tmp_path / f"{name}.parquet") == rows


async def test_columns_have_their_types_and_no_nulls(tmp_path):
    await mockdata.generate({TYPED: 5, "ssn": 5}, sink=ParquetSink(tmp_path), **RUN)
    schema = pq.read_schema(tmp_path / "typed.parquet")
    assert schema.names == [column.name for column in TYPED.columns]
    assert schema.types == [pa.int64()] * 3 + [pa.date32()] + [pa.string()] * 3
    assert not any(field.nullable for field in schema)
    assert pq.read_schema(tmp_path / "ssn.parquet").names == ["ssn", "ssn_token"]


async def test_groups_and_footer_say_what_the_run_was(small_groups, tmp_path):
    report = await mockdata.generate(
        {"ssn": 7_000, TYPED: 2_001}, sink=ParquetSink(tmp_path), start=50, part=(2, 3), **RUN
    )
    for name, start, groups in (("ssn", 2_383, [1_000, 1_000, 333]), ("typed", 717, [667])):
        path = tmp_path / f"{name}.parquet"
        footer = pq.read_metadata(path)
        assert [footer.row_group(k).num_rows for k in range(footer.num_row_groups)] == groups
        assert footer.num_rows == sum(groups) == report.vaults[name].records
        assert footer.metadata == {
            b"mockdata.seed": b"1",
            b"mockdata.timestamp": b"1700000000",
            b"mockdata.part": b"2/3",
            b"mockdata.start": b"%d" % start,
            b"mockdata.stop": b"%d" % (start + sum(groups)),
            b"mockdata.version": mockdata.__version__.encode(),
        }
        columns = [footer.row_group(0).column(k) for k in range(footer.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        assert report.vaults[name] == mockdata.VaultReport(sum(groups), path.stat().st_size, 0)


async def test_numbers_and_days_have_their_bounds_and_repeated_texts_a_dictionary(tmp_path):
    await mockdata.generate({TYPED: 3_000}, sink=ParquetSink(tmp_path), **RUN)
    path = tmp_path / "typed.parquet"
    table, group = pq.read_table(path), pq.read_metadata(path).row_group(0)
    columns = {name: group.column(k) for k, name in enumerate(table.column_names)}
    for name in ("number", "padded", "many", "born"):
        found = columns[name].statistics
        values = table[name].to_pylist()
        assert (found.min, found.max) == (min(values), max(values))
    assert columns["token"].statistics is None
    having = {name for name, column in columns.items() if column.has_dictionary_page}
    assert having == {"status", "full_name"}


async def test_a_part_without_records_is_a_file_without_rows(tmp_path):
    await mockdata.generate({"ssn": 1, TYPED: 1}, sink=ParquetSink(tmp_path), part=(1, 2), **RUN)
    for read in READERS.values():
        assert read(tmp_path / "ssn.parquet") == read(tmp_path / "typed.parquet") == []
    names = [column.name for column in TYPED.columns]
    assert pq.read_schema(tmp_path / "typed.parquet").names == names


async def test_parts_have_the_rows_of_the_whole(small_groups, tmp_path):
    rows = []
    for k in (1, 2, 3):
        folder = tmp_path / f"{k}"
        await mockdata.generate({ODD: 7_001}, sink=ParquetSink(folder), part=(k, 3), **RUN)
        rows += READERS["pyarrow"](folder / "odd.parquet")
    assert rows == (await expected_rows({ODD: 7_001}))["odd"]


async def test_the_bytes_do_not_depend_on_the_workers(pooled, small_groups, tmp_path):
    made = []
    for workers in (1, 2, 3):
        folder = tmp_path / f"{workers}"
        await mockdata.generate(COUNTS, sink=ParquetSink(folder), workers=workers, **RUN)
        made.append(files_of(folder))
    assert made[0] == made[1] == made[2]


async def test_the_bytes_depend_neither_on_processes_nor_on_a_rate(tmp_path, monkeypatch):
    await mockdata.generate(COUNTS, sink=ParquetSink(tmp_path / "here"), **RUN)
    monkeypatch.setattr("mockdata.workers.pool.SMALL", 0)
    await mockdata.generate(COUNTS, sink=ParquetSink(tmp_path / "there"), rate=1e6, **RUN)
    assert files_of(tmp_path / "here") == files_of(tmp_path / "there")


async def test_a_killed_worker_changes_nothing(pooled, small_groups, tmp_path):
    killed = []

    def kill(progress):
        victims = [child for child in children() if child.pid not in killed]
        if len(killed) < 3 and victims and progress.records:
            victims[0].send_signal(signal.SIGKILL)
            killed.append(victims[0].pid)

    counts = {ODD: 20_000, "ssn": 30_000}
    sink = ParquetSink(tmp_path / "killed")
    await mockdata.generate(counts, sink=sink, workers=2, on_progress=kill, **RUN)
    assert len(set(killed)) == 3
    await mockdata.generate(counts, sink=ParquetSink(tmp_path / "sound"), **RUN)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "sound")


async def test_row_groups_of_wide_tables_have_fewer_records(tmp_path, monkeypatch):
    wide = mockdata.Table("wide", {f"c{k}": "[a-z]{100}" for k in range(10)})
    monkeypatch.setattr("mockdata.sinks.parquet.sink.GROUP_BYTES", 300_000)
    await mockdata.generate({wide: 700}, sink=ParquetSink(tmp_path), **RUN)
    footer = pq.read_metadata(tmp_path / "wide.parquet")
    assert [footer.row_group(k).num_rows for k in range(footer.num_row_groups)] == [297, 297, 106]


async def test_more_row_groups_than_readers_count_are_refused(small_groups, tmp_path):
    sink = ParquetSink(tmp_path / "out")
    said = r"ssn: 32767001 are more than the 32767000 of a Parquet file"
    with pytest.raises(mockdata.PlanError, match=said):
        await mockdata.generate({"ssn": 32_767_001}, sink=sink, **RUN)
    assert files_of(tmp_path) == {}


async def test_more_columns_of_row_groups_than_a_footer_should_have_are_refused(
    small_groups, tmp_path
):
    wide = mockdata.Table("wide", {f"c{k}": "{index}" for k in range(1_000)})
    said = r"wide: 1049000 are more than the 1048000 of a Parquet file"
    with pytest.raises(mockdata.PlanError, match=said):
        await mockdata.generate({wide: 1_049_000}, sink=ParquetSink(tmp_path / "out"), **RUN)


async def test_as_many_row_groups_as_readers_count_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr("mockdata.sinks.parquet.sink.GROUP", 1)
    await mockdata.generate({"ssn": 2_000}, sink=ParquetSink(tmp_path), **RUN)
    assert (
        READERS["pyarrow"](tmp_path / "ssn.parquet") == (await expected_rows({"ssn": 2_000}))["ssn"]
    )


# Complete or absent


@pytest.mark.parametrize("when", [1, 2, 9])
async def test_a_failed_run_leaves_earlier_files_as_they_were(
    either, small_groups, tmp_path, monkeypatch, when
):
    """The writes are the magic, three row groups and a footer, of two files."""
    (tmp_path / "odd.parquet").write_text("earlier")
    writes, real = itertools.count(1), os.write

    def full(file, content):
        if len(content) and next(writes) == when:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content)

    monkeypatch.setattr("mockdata.sinks.folder.os", patched(os, write=full))
    with pytest.raises(OSError, match="No space") as caught:
        await mockdata.generate({ODD: 3_000, "ssn": 3_000}, sink=ParquetSink(tmp_path), **RUN)
    assert os.path.basename(caught.value.filename) in ("odd.parquet", "ssn.parquet")
    assert files_of(tmp_path) == {"odd.parquet": b"earlier"}


def patched(module, **changes):
    """Return a module with some functions exchanged, for the one who imports it."""
    from types import SimpleNamespace

    return SimpleNamespace(**vars(module) | changes)


async def test_short_writes_are_continued(tmp_path, monkeypatch):
    await mockdata.generate(COUNTS, sink=ParquetSink(tmp_path / "whole"), **RUN)
    real = os.write
    short = patched(os, write=lambda file, some: real(file, some[:997]))
    monkeypatch.setattr("mockdata.sinks.folder.os", short)
    await mockdata.generate(COUNTS, sink=ParquetSink(tmp_path / "short"), **RUN)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "short")


@pytest.mark.parametrize("what", ["cut short", "added to", "replaced"])
async def test_a_file_that_others_change_is_an_error(tmp_path, what):
    def change(progress):
        path = next(tmp_path.glob(".ssn.parquet.*"))
        if what == "replaced":
            path.unlink()
        with path.open("r+b" if path.exists() else "xb") as file:
            file.truncate(path.stat().st_size + (what == "added to") - (what == "cut short"))

    with pytest.raises(OSError, match=f"it was {what} while it was written"):
        await mockdata.generate(
            {"ssn": 3}, sink=ParquetSink(tmp_path), on_progress=change_once(change), **RUN
        )
    assert not (tmp_path / "ssn.parquet").exists()


def change_once(change):
    """Return an ``on_progress`` that changes something when records are written."""
    return lambda progress: change(progress) if progress.records else None


async def test_earlier_files_are_replaced_or_stay(tmp_path):
    (tmp_path / "odd.parquet").write_text("earlier")
    with pytest.raises(FileExistsError):
        await mockdata.generate({ODD: 3}, sink=ParquetSink(tmp_path, clobber=False), **RUN)
    assert files_of(tmp_path) == {"odd.parquet": b"earlier"}
    await mockdata.generate({ODD: 3}, sink=ParquetSink(tmp_path, fsync=True), **RUN)
    assert len(READERS["pyarrow"](tmp_path / "odd.parquet")) == 3


async def test_files_that_do_not_fit_are_refused_with_about_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(VaultRun, "mean_widths", lambda *_: (2.0**60,))
    with pytest.raises(OSError, match="no room: the files take 1,210,567,579,837,189,120 bytes"):
        await mockdata.generate({ODD: 3}, sink=ParquetSink(tmp_path / "out"), **RUN)
    assert files_of(tmp_path) == {}


async def test_the_estimate_is_about_the_size(tmp_path):
    await mockdata.generate(100_000, sink=ParquetSink(tmp_path), **RUN)
    size = sum(map(len, files_of(tmp_path).values()))
    csv = {"name": 43.3 + 37, "id": 34 + 36, "dob": 39 + 37, "ssn": 40 + 37}
    assert 0.8 < 100_000 * 0.35 * sum(csv.values()) / size < 1


# Without pyarrow

WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from mockdata.command.cli import main
sys.exit(main())
"""


def test_without_pyarrow_one_line_says_what_to_install(tmp_path):
    (tmp_path / "without.py").write_text(WITHOUT)
    done = shell(f"{sys.executable} without.py 5 -s parquet -o out; echo $?; ls", tmp_path)
    assert done.stdout == "2\nwithout.py\n"
    says = "mockdata: sink: parquet needs pyarrow: pip install 'mockdata[parquet]' (see --help)\n"
    assert done.stderr == says
    done = shell(f"{sys.executable} without.py 5 -q; echo $?; ls", tmp_path)
    assert (done.stdout, done.stderr) == ("0\ndata\nwithout.py\n", "")


LOADED = """
import sys, mockdata
mockdata.generate_sync({"ssn": 5}, sink=sys.argv[1])
mockdata.generate_sync({"ssn": 5}, sink=mockdata.JsonlSink(sys.argv[1]))
assert not any(name.partition(".")[0] == "pyarrow" for name in sys.modules)
"""


def test_pyarrow_is_imported_for_nothing_else(tmp_path):
    assert shell(f"{sys.executable} -c '{LOADED}' out", tmp_path).returncode == 0


# In the command


def test_the_command_writes_them_and_says_which(mockdata_command, tmp_path):
    words = ["ssn=20", "email=5", "-s", "parquet", "-o", "out", "--seed", "7", "--fsync"]
    done = mockdata_command(*words)
    assert (done.returncode, done.stdout) == (0, "")
    made = files_of(tmp_path / "out")
    assert {name: pq.read_metadata(tmp_path / "out" / name).num_rows for name in made} == {
        "ssn.parquet": 20,
        "email.parquet": 5,
    }
    lines = done.stderr.splitlines()
    assert ["ssn.parquet" in lines[0], "email.parquet" in lines[1]] == [True, True]
    assert " in out, " in lines[2]
    assert "-s parquet -o out" in lines[-1]
    repeated = lines[-1].partition("mockdata ")[2].split()
    assert mockdata_command(*repeated, "-q").returncode == 0
    assert files_of(tmp_path / "out") == made


def test_an_argument_of_the_sink_is_its_folder(mockdata_command, tmp_path):
    assert mockdata_command("ssn=3", "-q", "-s", "parquet:out").returncode == 0
    assert [*files_of(tmp_path / "out")] == ["ssn.parquet"]
    refused = mockdata_command("ssn=3", "-s", "parquet:out", "--no-clobber")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-s", "parquet", "--no-header"], "no-header: is for CSV"),
        (
            ["-s", "parquet", "-f", "csv"],
            "format: is for rows on stdout: -s stdout; for files, say -s csv",
        ),
        (["-s", "parquet", "-o", ""], "output: "),
        (["-s", "parquet:x", "-o", "y"], "sink: 'parquet:x' and --output"),
        (["-s", "parquet", "-f", "parquet"], "format: 'parquet' is not one of csv, jsonl"),
        (["-s", "parket"], "did you mean parquet?"),
        (["ssn=1T", "-s", "parquet"], "counts: ssn: "),
    ],
)
def test_wrong_use_is_one_line(mockdata_command, tmp_path, words, said):
    done = mockdata_command(*([] if "ssn=1T" in words else ["5"]), *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert files_of(tmp_path) == {}


FILLED = """
import os, sys
from mockdata.command import cli
from mockdata.sinks import folder

look = folder._check_room

def look_and_fill(path, size):
    look(path, size)
    with open("full/filler", "wb") as filler:
        disk = os.statvfs("full")
        os.posix_fallocate(filler.fileno(), 0, disk.f_bavail * disk.f_frsize - 2**20)

folder._check_room = look_and_fill
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command, on a disk that others fill up to the last MiB once it has begun."""


@pytest.mark.parametrize("count", ["30k", "60k"])
@pytest.mark.parametrize("fault", ["a full disk", "a limit on the size of files"])
def test_no_room_for_the_files(tmp_path, fault, count):
    (tmp_path / "filled.py").write_text(FILLED)
    mounting = fault == "a full disk" and may_mount()
    done = (isolated if mounting else shell)(
        "mkdir full; "
        + ("mount -t tmpfs -o size=64m none full; " if mounting else "")
        + "echo earlier > full/id.parquet; "
        + (f"{sys.executable} filled.py" if mounting else "(ulimit -f 300; $mockdata")
        + f" {count} -q -s parquet -o full{'' if mounting else ')'}; echo exit $?; "
        + "rm -f full/filler; ls -A full; cat full/id.parquet",
        tmp_path,
    )
    reason = "No space left on device" if mounting else "File too large"
    assert re.fullmatch(rf"mockdata: (full/\w+\.parquet|shared memory): {reason}.*\n", done.stderr)
    assert done.stdout == "exit 1\nid.parquet\nearlier\n"


# The footer's encoding


VALUES = st.deferred(lambda: st.one_of(NUMBERS, TEXTS, FLAGS, STRUCTS, LISTS))
NUMBERS = st.tuples(st.sampled_from([thrift.I32, thrift.I64]), st.integers(-(2**63), 2**63 - 1))
TEXTS = st.tuples(st.just(thrift.BINARY), st.binary(max_size=300))
FLAGS = st.tuples(st.just(1), st.booleans())
FIELDS = st.dictionaries(st.integers(1, 2**15 - 1), VALUES, max_size=4).map(
    lambda fields: dict(sorted(fields.items()))
)
STRUCTS = st.tuples(st.just(thrift.STRUCT), FIELDS)
LISTS = st.one_of(NUMBERS, TEXTS, STRUCTS).flatmap(
    lambda one: st.integers(0, 20).map(lambda count: (thrift.LIST, (one[0], [one[1]] * count)))
)


@given(FIELDS)
def test_a_tree_of_fields_is_read_back(fields):
    assert thrift.read_struct(thrift.encoded(fields)) == fields


def test_a_footer_of_pyarrows_is_read_and_written_to_the_byte(tmp_path):
    table = pa.table({"text": ["a", "b"], "number": [1, -1], "day": [dt.date(2020, 1, 1)] * 2})
    pq.write_table(table, tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - size : -8]
    assert thrift.encoded(thrift.read_struct(footer)) == footer
