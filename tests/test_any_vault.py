"""Runs of vaults and tables that users define, from the arguments to files and batches."""

import csv
import multiprocessing
import os
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mockdata
from mockdata.pipeline import producers
from mockdata.pipeline.plan import plan_run
from mockdata.render.batch import BATCH
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES
from mockdata.render.renderers import renderer as renderer_of
from mockdata.render.task import blocks
from mockdata.testing import ListSink
from mockdata.vaults.catalogue import READY_MADE
from mockdata.workers import pool

from .conftest import RUN, children, kept
from .odd import ODD, PEOPLE, QUOTED

CARD = mockdata.Vault("card", value="4[0-9]{14}{luhn}", token="{same:6,4}")
PIN = mockdata.Vault("pin", value="[0-9]{4}", token="{same}")

FILE = """
[vaults.member]
value = 'M-{number:100000-999999}'
token = '{uuid}'
data_column = "member_id"

[vaults.ssn]
value = '{number:001-665,667-899}-{number:01-99}-{number:0001-9999}'

[tables.people]
who = "{member.value}"
born = { pattern = "{dob.date}", type = "date" }
"""


@pytest.fixture
def defined(tmp_path):
    path = tmp_path / "vaults.toml"
    path.write_text(FILE)
    return path


def read(path):
    """Return the rows of a CSV file as any reader of CSV sees them."""
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.reader(file)]


async def test_counts_are_of_names_and_of_vaults(defined):
    sink = ListSink()
    report = await mockdata.generate(
        {CARD: 30, "ssn": 20, "email": 10, "people": 5}, vaults=defined, sink=sink, **RUN
    )
    assert {name: made.records for name, made in report.vaults.items()} == {
        "ssn": 20, "email": 10, "card": 30, "people": 5
    }  # fmt: skip
    assert all(re.fullmatch(r"4\d{15}", value) for value in (r.value for r in sink.records("card")))
    assert all(re.fullmatch(r"\d{3}-\d\d-\d{4}", record.value) for record in sink.records("ssn"))


@pytest.mark.parametrize("given", ["path", "text", "objects", "mapping"])
async def test_one_count_is_of_all_that_is_defined(defined, given):
    vaults = mockdata.read_vaults(defined)
    forms = {
        "path": defined,
        "text": str(defined),
        "objects": [*vaults.values()],
        "mapping": vaults,
    }
    sink = ListSink()
    await mockdata.generate(7, vaults=forms[given], sink=sink, **RUN)
    assert {name: sum(map(len, batches)) for name, batches in sink.batches.items()} == {
        "ssn": 7, "member": 7, "people": 7
    }  # fmt: skip


async def test_a_stream_has_the_vaults_that_it_is_given():
    async with mockdata.stream({CARD: 10, "pin": 3}, vaults=[PIN], **RUN) as batches:
        assert {batch.vault: len(batch) async for batch in batches} == {"card": 10, "pin": 3}


async def test_a_start_may_be_of_vaults():
    whole, later = ListSink(), ListSink()
    await mockdata.generate({CARD: 50}, sink=whole, **RUN)
    await mockdata.generate({CARD: 20}, start={CARD: 30}, sink=later, **RUN)
    assert later.records("card") == whole.records("card")[30:]


@pytest.mark.parametrize(
    ("counts", "vaults", "says"),
    [
        (
            {PIN: 10_001},
            None,
            "counts: pin: 10001 records, and only 10000 values are sure to differ",
        ),
        ({PIN: 1, "pin": 1}, None, "counts: pin is given twice"),
        ({PIN: 1, mockdata.Vault("pin", value="[0-9]{3}"): 1}, None, "counts: pin is given twice"),
        ({"pins": 1}, [PIN], "counts: 'pins' is not one of .*; did you mean pin?"),
        ({"pin": 1}, [PIN, PIN], "vaults: there are two definitions of pin"),
        (1, 5, "vaults: 5 is neither a file"),
    ],
)
async def test_what_cannot_be_made_is_refused_at_once(counts, vaults, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mockdata.PlanError, match=says):
        await mockdata.generate(counts, vaults=vaults)
    assert list(tmp_path.iterdir()) == []


async def test_capacity_is_that_of_the_whole_with_its_start():
    for part in ((1, 2), (2, 2)):
        with pytest.raises(mockdata.PlanError, match="only 10000 values are sure to differ"):
            await mockdata.generate({PIN: 1}, start=10_000, part=part)
    seen = []
    for part in ((1, 2), (2, 2)):
        await mockdata.generate({PIN: 10_000}, part=part, sink=seen.extend, **RUN)
    assert len({value for value, _ in seen}) == len({token for _, token in seen}) == 10_000


CALLS = mockdata.Vault("calls", value="{pin.value}-{suffix}", token="{suffix}")
OWNERS = mockdata.Table("owners", {"pin": "{pin.value}"})
OWNERS_OF_CALLS = mockdata.Table("owners", {"call": "{calls.value}"})


@pytest.mark.parametrize("referring", [CALLS, OWNERS, OWNERS_OF_CALLS])
async def test_what_refers_to_a_vault_ends_where_that_ends(referring):
    vaults = [PIN, CALLS]
    await mockdata.generate({referring: 10_000}, vaults=vaults, sink=lambda _: None)
    with pytest.raises(mockdata.PlanError, match=r"10001 records, and pin, .*only 10000 values"):
        await mockdata.generate({referring: 10_001}, vaults=vaults, sink=lambda _: None)
    for setting in ({"repeats": True}, {"distinct": 100}):
        vaults = [mockdata.Vault("pin", value="[0-9]{4}", token="{suffix}", **setting), CALLS]
        await mockdata.generate({referring: 10_001}, vaults=vaults, sink=lambda _: None)


async def test_distinct_records_end_where_the_vault_ends_that_they_refer_to():
    text = "{pin.value}-[0-9]{4}"
    between = mockdata.Vault("between", value=text, token="x{index}", distinct=10_000)
    small = mockdata.Vault("pin", value="[0-9]{3}", token="{suffix}")
    for counted in (between, mockdata.Table("rows", {"text": "{between.value}"})):
        run = partial(mockdata.generate, {counted: 20_000}, sink=lambda _: None)
        await run(vaults=[PIN, between])
        with pytest.raises(mockdata.PlanError, match=r"records, and pin, .* only 1000 values"):
            await run(vaults=[small, between])


async def test_a_vault_that_repeats_has_no_end():
    text = "{pin.value}-[0-9]{4}"
    between = mockdata.Vault("between", value=text, token="x{index}", repeats=True)
    for counted in (between, mockdata.Table("rows", {"text": "{between.value}"})):
        await mockdata.generate({counted: 20_000}, vaults=[PIN, between], sink=lambda _: None)


@pytest.mark.parametrize(
    ("value", "setting", "says"),
    [
        ("{number:1-99}{number:1-99}", {}, "value, character 1: its length varies"),
        (
            "[0-9]{2}",
            {"distinct": 101},
            "value: distinct = 101, but only 100 texts are sure to differ",
        ),
    ],
)
async def test_a_vault_that_cannot_be_made_is_no_column_of_a_table(value, setting, says):
    vault = mockdata.Vault("wrong", value=value, token="x{index}", **setting)
    for counted in (vault, mockdata.Table("rows", {"text": "{wrong.value}"})):
        with pytest.raises(mockdata.PlanError, match=f"^vault wrong: {says}"):
            await mockdata.generate({counted: 5}, vaults=[vault], sink=lambda _: None)


async def test_distinct_records_need_as_many_of_the_vault_that_they_refer_to():
    few = mockdata.Vault("few", value="{pin.value}-[a-z]{4}", token="{suffix}", distinct=10_000)
    await mockdata.generate({few: 20_000}, vaults=[PIN], sink=lambda _: None)
    many = mockdata.Vault("many", value="{pin.value}-[a-z]{4}", token="{suffix}", distinct=10_001)
    with pytest.raises(mockdata.PlanError, match="10001 records, and pin"):
        await mockdata.generate({many: 20_000}, vaults=[PIN], sink=lambda _: None)


async def test_files_are_what_readers_of_csv_take_for_the_batches_texts(either, tmp_path):
    counts = {ODD: 12_000, QUOTED: 12_000, CARD: 12_000, PEOPLE: 12_000}
    sink = ListSink()
    await mockdata.generate(counts, sink=sink, **RUN)
    await mockdata.generate(counts, sink=tmp_path, **RUN)
    for name in ("odd", "quoted", "card"):
        data, tokens = (read(tmp_path / f"{name}_{kind}.csv") for kind in ("data", "tokens"))
        columns = sink.batches[name][0].columns
        assert ([columns[0]], [columns[1]]) == (data[0], tokens[0])
        pairs = [(*value, *token) for value, token in zip(data[1:], tokens[1:], strict=True)]
        assert pairs == sink.records(name)
    header, *rows = read(tmp_path / "people.csv")
    assert tuple(header) == sink.batches["people"][0].columns
    assert [*map(tuple, rows)] == sink.records("people")
    assert len(kept(tmp_path)) == 7


async def test_parts_join_to_the_whole_for_any_vault(tmp_path):
    counts = {ODD: 101, CARD: 101, PEOPLE: 101}
    sink = mockdata.CsvSink(tmp_path / "whole", header=False)
    await mockdata.generate(counts, sink=sink, **RUN)
    parts = []
    for k in (1, 2, 3):
        sink = mockdata.CsvSink(tmp_path / str(k), header=False)
        await mockdata.generate(counts, sink=sink, part=(k, 3), **RUN)
        parts.append(kept(tmp_path / str(k)))
    assert kept(tmp_path / "whole") == {
        name: b"".join(part[name] for part in parts) for name in parts[0]
    }


async def test_a_batch_of_a_table_has_columns_and_tuples():
    sink = ListSink()
    await mockdata.generate({PEOPLE: 20, ODD: 20}, sink=sink, **RUN)
    (people,), (odd,) = sink.batches["people"], sink.batches["odd"]
    assert people.columns == ("number", "odd_value", "odd_token", "born")
    assert people.column("number") == [str(k) for k in range(1, 21)]
    assert people.column("odd_value") == odd.values == odd.column("odd")
    assert people.column("odd_token") == odd.tokens == odd.column("odd_token")
    assert [*people] == [*zip(*map(people.column, people.columns), strict=True)]
    assert bytes(people.lines("odd_value")) == bytes(odd.data_lines)
    assert pickle.loads(pickle.dumps(people)).column("odd_value") == odd.values
    with pytest.raises(AttributeError, match="people is a table"):
        people.values  # noqa: B018
    with pytest.raises(KeyError, match="'born_at' is not one of number, odd_value"):
        people.column("born_at")
    with pytest.raises(AttributeError, match="did not ask for the layout Rows"):
        odd.rows  # noqa: B018


class Opened:
    """Yields a session as it is given."""

    def __init__(self, **session):
        self._session = session

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(**self._session)


async def drop(batch):
    """Take a batch, and no notice of it."""


@pytest.mark.parametrize(
    ("session", "says"),
    [
        ({"write": drop, "batch_size": 0}, "batch_size 0 is not from 1 to 10000"),
        ({"write": drop, "batch_size": 10_001}, "batch_size 10001 is not from 1 to 10000"),
        ({"files": {}}, "ssn has 2 outputs and 0 files"),
        ({"files": {"ssn": [mockdata.File("x")]}}, "ssn has 2 outputs and 1 file"),
        (
            {"write": drop, "layouts": {"ssn": mockdata.Rows(b"", (b",", b","), b"\n")}},
            "its layout of ssn: a row of 2 columns has 1 gap, not 2",
        ),
        (
            {"write": drop, "layouts": {"ssn": mockdata.Rows(b"", b",", b"\n", columns=(0, 2))}},
            r"its layout of ssn: columns \(0, 2\) must be numbers from 0 to 1",
        ),
    ],
)
async def test_a_session_that_fits_no_run_is_refused(session, says):
    with pytest.raises(mockdata.PlanError, match=f"sink: {says}"):
        await mockdata.generate({"ssn": 5}, sink=Opened(**session))


@pytest.mark.parametrize("size", [1, 300, 7_000])
async def test_batches_are_of_the_size_that_a_sink_asks_for(either, size):
    sink, whole = ListSink(batch_size=size), ListSink()
    counts = {"name": 30_001, "ssn": 300 if size == 1 else 30_000}
    await mockdata.generate(counts, sink=sink, **RUN)
    await mockdata.generate(counts, sink=whole, **RUN)
    for vault in counts:
        sizes = [len(batch) for batch in sink.batches[vault]]
        assert {*sizes[:-1]} <= {size}
        assert 1 <= sizes[-1] <= size
        assert sink.lines(vault) == whole.lines(vault)


async def test_a_large_program_goes_to_the_workers_once(pooled, monkeypatch, tmp_path):
    texts = [f"text number {k}" for k in range(50_000)]
    long = mockdata.Vault("long", value="{text}-{suffix}", lists={"text": texts})
    sizes, submit = [], producers.render

    def noted(program, *arguments):
        sizes.append(len(pickle.dumps(program)))
        return submit(program, *arguments)

    sink = ListSink()
    await mockdata.generate({long: 300_000}, sink=sink, workers=2, **RUN)
    values = {record.value.rpartition("-")[0] for record in sink.records("long")}
    assert values <= {*texts}
    assert len(values) > 49_000
    jobs = []
    made = producers.Job.of
    monkeypatch.setattr(producers.Job, "of", lambda *args: jobs.append(made(*args)) or jobs[-1])
    await mockdata.generate({long: 300_000}, sink=lambda _: None, workers=2, **RUN)
    (job,) = jobs
    assert len(job.program.packed) > producers.LARGE > 50 * len(pickle.dumps(job.program))


def unpacked_elsewhere(packed):
    """Unpack a program where it has not been before; return its digest."""
    return pickle.loads(packed).digest


async def test_a_program_is_not_read_from_another_file(tmp_path):
    vault = plan_run({CARD: 1}, seed=1, timestamp=1_700_000_000).vaults[0]
    program = compile_program(vault.resolved.columns, CSV_LINES, seed=1, timestamp=1)
    path = tmp_path / "program"
    path.write_bytes(program.packed)
    status = path.stat()
    program.place = producers.Place(str(path), (status.st_dev, status.st_ino))
    assert unpacked_elsewhere(pickle.dumps(program)) == program.digest
    program.place = program.place._replace(identity=(status.st_dev, status.st_ino + 1))
    packed = pickle.dumps(program)
    program.registers += 1  # so that no program of this process has its digest
    with pytest.raises(OSError, match="the workers see another file") as caught:
        unpacked_elsewhere(packed.replace(program.digest, os.urandom(16)))
    assert caught.value.filename == str(path)


async def test_any_number_of_vaults_at_once(pooled, tmp_path):
    vaults = [
        mockdata.Vault(f"vault_{k}", value=f"{{number:1{k:02}-2{k:02}}}-{{suffix}}")
        for k in range(30)
    ]
    counts = {vault: 5_000 + k for k, vault in enumerate(vaults)}
    sink = ListSink()
    await mockdata.generate(counts, sink=sink, workers=2, **RUN)
    await mockdata.generate(counts, sink=tmp_path, workers=2, **RUN)
    for k, vault in enumerate(vaults):
        assert len(sink.records(vault.name)) == 5_000 + k
        data, tokens = sink.lines(vault.name)
        assert (tmp_path / f"{vault.name}_data.csv").read_bytes().endswith(b"\n" + data)
        assert (tmp_path / f"{vault.name}_tokens.csv").read_bytes().endswith(b"\n" + tokens)
    assert len(kept(tmp_path)) == 60
    assert children() == []


async def test_definitions_travel_to_processes_that_know_nothing_of_them(tmp_path):
    counts = {ODD: 500, QUOTED: 500, CARD: 500, PEOPLE: 500}
    sink, spawned = ListSink(), ListSink()
    await mockdata.generate(counts, sink=sink, **RUN)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        await mockdata.generate(counts, sink=spawned, executor=executor, **RUN)
        await mockdata.generate(counts, sink=tmp_path / "spawned", executor=executor, **RUN)
    resource_tracker._resource_tracker._stop()  # a process of multiprocessing's
    await mockdata.generate(counts, sink=tmp_path / "here", **RUN)
    assert kept(tmp_path / "spawned") == kept(tmp_path / "here")
    for vault in counts:
        assert spawned.records(vault.name) == sink.records(vault.name)


@pytest.mark.parametrize(("columns", "most"), [(1, 200), (2, 100), (10, 20), (200, 1)])
async def test_a_row_with_more_columns_is_more_to_make(monkeypatch, columns, most):
    monkeypatch.setattr(pool, "SMALL", 100)
    table = mockdata.Table("wide", {f"c{k}": f"{{index:{k}}}" for k in range(columns)})
    for rows, started in ((most, False), (most + 1, True)):
        seen = []
        await mockdata.generate({table: rows}, sink=lambda _, seen=seen: seen.append(children()))
        assert [bool(found) for found in seen] == [started]
    assert children() == []


async def test_batches_of_a_wide_table_have_fewer_rows():
    table = mockdata.Table("wide", {f"c{k}": "[a-z]{100}" for k in range(100)})
    sizes = []
    await mockdata.generate({table: 4_000}, sink=lambda batch: sizes.append(len(batch)), **RUN)
    assert sum(sizes) == 4_000
    assert 2**23 < max(sizes) * 100 * 101 <= 2**24


def test_a_wide_table_is_rendered_in_blocks_that_a_cache_holds():
    table = mockdata.Table("wide", {f"c{k}": "[a-z]{100}" for k in range(40)})
    (rows,) = plan_run({table: 4_000}, **RUN).vaults
    program = compile_program(rows.resolved.columns, CSV_LINES, **RUN)
    sizes = [sum(map(len, outputs)) for outputs in blocks(program, 0, 4_000)]
    assert sum(sizes) == 4_000 * 40 * 101
    assert 2**19 < max(sizes) <= 2**20


@pytest.mark.parametrize("sink", [mockdata.CsvSink, mockdata.JsonlSink, mockdata.ParquetSink])
async def test_the_size_of_a_block_changes_no_byte(sink, either, tmp_path, monkeypatch):
    counts = {ODD: 1_003, QUOTED: 250, PEOPLE: 3_001, "name": 501}
    await mockdata.generate(counts, sink=sink(tmp_path / "whole"), **RUN)
    for limit in ("BATCH_BYTES", "BLOCK_BYTES"):
        monkeypatch.setattr(f"mockdata.render.task.{limit}", 1)
    seen = []
    await mockdata.generate(counts, sink=lambda batch: seen.append(len(batch)), **RUN)
    assert max(seen) == 100
    await mockdata.generate(counts, sink=sink(tmp_path / "blocks"), **RUN)
    assert kept(tmp_path / "blocks") == kept(tmp_path / "whole")


async def test_two_outputs_of_one_name_are_refused(tmp_path):
    table = mockdata.Table("card_data", {"value": "{card.value}"})
    says = "counts: card and card_data would both write card_data.csv"
    with pytest.raises(mockdata.PlanError, match=says):
        await mockdata.generate({"card": 1, table: 1}, sink=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*READY_MADE, "odd", "quoted", "counted", "people"])
def test_the_width_of_a_line_is_known_beforehand(name):
    counted = mockdata.Vault("counted", value="{number:1-1200}x{index}")
    run = plan_run({name: 50_000}, vaults=[ODD, QUOTED, counted, PEOPLE], seed=1, timestamp=10**9)
    (vault,) = run.vaults
    program = compile_program(vault.resolved.columns, CSV_LINES, seed=1, timestamp=10**9)
    renderer = renderer_of(program, BATCH)
    measured = [0] * len(vault.columns)
    for start in range(0, 50_000, BATCH):
        sizes = renderer.measure(start, start + BATCH)
        measured = [a + b for a, b in zip(measured, sizes, strict=True)]
    for total, expected in zip(measured, vault.mean_widths(), strict=True):
        assert total / 50_000 == pytest.approx(expected, rel=0.02)


@settings(max_examples=30)
@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 50))
def test_parts_of_a_vault_have_its_records(records, start, parts):
    start = min(start, 10_000 - records)
    whole = plan_run({PIN: records}, start=start, seed=1, timestamp=10**9).vaults[0]
    cut = [
        plan_run({PIN: records}, start=start, part=(k, parts), seed=1, timestamp=10**9).vaults[0]
        for k in range(1, parts + 1)
    ]
    assert [k for vault in cut for k in range(vault.start, vault.stop)] == [
        *range(whole.start, whole.stop)
    ]


def test_the_examples_of_the_contract(defined, mockdata_command):
    done = mockdata_command("3", "--vaults", defined, "--seed", 1, "--timestamp", 1_700_000_000)
    assert done.returncode == 0, done.stderr
    assert f"--vaults {defined}" in done.stderr.splitlines()[-1]
    folder = Path(defined).parent / "data"
    assert {file.name for file in folder.iterdir()} == {
        "ssn_data.csv", "ssn_tokens.csv", "member_data.csv", "member_tokens.csv", "people.csv"
    }  # fmt: skip
    assert read(folder / "member_data.csv")[0] == ["member_id"]
    people, members = read(folder / "people.csv"), read(folder / "member_data.csv")
    assert [row[0] for row in people[1:]] == [row[0] for row in members[1:]]
