"""Batches as Arrow arrays, read by those who take them; and the layout that is made for that."""

import asyncio
import datetime as dt
import gc
import pickle
import subprocess
import sys
from contextlib import asynccontextmanager
from itertools import pairwise

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mockdata
from mockdata.render.batch import Batch, Form
from mockdata.testing import ListSink
from mockdata.workers.slabs import Slabs

from .conftest import open_slabs
from .odd import ODD

RUN = {"seed": 7, "timestamp": 1_700_000_000}

PEOPLE = mockdata.Table(
    "people",
    {
        "number": {"pattern": "{index:999999999999999998}", "type": "int64"},
        "short": {"pattern": "{number:0-120}", "type": "int64"},
        "visits": {"pattern": "[0-9]{3}", "type": "int64"},
        "born": {"pattern": "{dob.date}", "type": "date"},
        "first": {"pattern": "{date:1900-01-01..2399-12-31}", "type": "date"},
        "most": {"pattern": "{number:0-9223372036854775807}", "type": "int64"},
        "any": {"pattern": "{date:0001-01-01..9999-12-31}", "type": "date"},
        "name": "{name.value}",
        "odd": "{odd.value}",
    },
)
COUNTS = {"name": 12_345, "ssn": 12_345, ODD: 12_345, PEOPLE: 12_345}


class Wanting:
    """Keeps batches of a layout, of some size."""

    def __init__(self, layout, batch_size=10_000):
        self.layout, self.batch_size, self.batches = layout, batch_size, {}

    @asynccontextmanager
    async def open(self, run):
        async def write(batch):
            self.batches.setdefault(batch.vault, []).append(batch)

        layouts = {v.name: self.layout for v in run.vaults} if self.layout else {}
        yield mockdata.Session(write=write, layouts=layouts, batch_size=self.batch_size)


def typed(kind, text):
    return {"string": str, "int64": int, "date": dt.date.fromisoformat}[kind](text)


@pytest.fixture(params=[None, mockdata.Texts()], ids=["lines", "texts"])
def layout(request):
    return request.param


@pytest.mark.parametrize("size", [10_000, 300, 1])
async def test_an_array_has_what_a_batch_of_lines_has(either, layout, size):
    wanting = Wanting(layout, size)
    kept = ListSink(batch_size=wanting.batch_size)
    counts = {of: count if wanting.batch_size > 1 else 11 for of, count in COUNTS.items()}
    await mockdata.generate(counts, sink=kept, **RUN)
    await mockdata.generate(counts, sink=wanting, **RUN)
    assert set(wanting.batches) == set(kept.batches)
    for name, batches in wanting.batches.items():
        for batch, lines in zip(batches, kept.batches[name], strict=True):
            made = pa.record_batch(batch.to_arrow())
            made.validate(full=True)
            assert made.schema.names == [*lines.columns]
            assert all(not field.nullable for field in made.schema)
            for column, kind in zip(lines.columns, batch.form.types, strict=True):
                texts = lines.column(column)
                assert batch.column(column) == texts
                assert made[column].to_pylist() == [typed(kind, text) for text in texts]
            assert [*batch] == [*lines]


async def test_types_of_columns():
    sink = Wanting(mockdata.Texts())
    await mockdata.generate({PEOPLE: 5, ODD: 1}, vaults=[ODD], sink=sink, **RUN)
    schema = pa.record_batch(sink.batches["people"][0].to_arrow()).schema
    string, int64, date = pa.string(), pa.int64(), pa.date32()
    assert schema.types == [int64, int64, int64, date, date, int64, date, string, string]


READERS = {
    "pyarrow": lambda array: pa.table(array).to_pylist(),
    "polars": lambda array: pl.DataFrame(array).to_dicts(),
    "pandas": lambda array: pd.DataFrame.from_arrow(array).to_dict("records"),
    "duckdb": lambda records: [
        dict(zip(("ssn", "ssn_token"), row, strict=True))
        for row in queried("SELECT * FROM records", records)
    ],
}


def queried(query, records):
    with duckdb.connect() as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("reader", READERS)
async def test_what_takes_arrow_takes_it(layout, reader):
    sink = Wanting(layout)
    await mockdata.generate({"ssn": 3000}, sink=sink, **RUN)
    (batch,) = sink.batches["ssn"]
    rows = READERS[reader](batch.to_arrow())
    assert [(row["ssn"], row["ssn_token"]) for row in rows] == [*batch]


async def test_a_stream_of_texts(either):
    async with mockdata.stream({"name": 25_000}, layout=mockdata.Texts(), **RUN) as batches:
        made = [pa.record_batch(batch.to_arrow()) async for batch in batches]
    kept = ListSink()
    await mockdata.generate({"name": 25_000}, sink=kept, **RUN)
    table = pa.Table.from_batches(made)
    assert table["full_name"].to_pylist() == [value for value, _ in kept.records("name")]


async def test_texts_are_not_copied(pooled):
    sink = Wanting(mockdata.Texts())
    await mockdata.generate({"ssn": 300_000}, sink=sink, **RUN)
    batch = sink.batches["ssn"][3]
    array = pa.record_batch(batch.to_arrow())
    for place, column in enumerate(array.columns):
        _, offsets, texts = column.buffers()
        assert pa.py_buffer(batch.outputs[place]).address == texts.address
        assert pa.py_buffer(batch.outputs[place + 2]).address == offsets.address


async def test_an_array_keeps_its_memory_and_lets_go_of_it(pooled):
    before, arrays, seen = open_slabs(), [], []

    async def keep(batch):
        arrays.append(batch.to_arrow())
        seen.append(batch.values)

    class Keeping(Wanting):
        @asynccontextmanager
        async def open(self, run):
            yield mockdata.Session(write=keep, layouts={"ssn": mockdata.Texts()})

    await mockdata.generate({"ssn": 2_000_000}, sink=Keeping(None), workers=2, **RUN)
    assert [pa.record_batch(array)["ssn"].to_pylist() for array in arrays] == seen
    arrays.clear()
    assert open_slabs() == before


HOLDERS = {
    "pyarrow": pa.record_batch,
    "a column of pyarrow's": lambda array: pa.record_batch(array)["value"],
    "a slice of pyarrow's": lambda array: pa.table(array).slice(1),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_lent_again_when_what_has_taken_an_array_is_gone(holder):
    texts, offsets = b"abcdef", np.array((0, 2, 6), np.int32).tobytes()
    form = Form("odd", ("value", "token"), (False, False), layout=mockdata.Texts())
    sizes = [len(texts), len(texts), len(offsets), len(offsets)]
    ends = [sum(sizes[:place]) for place in range(5)]
    with Slabs(most=4) as slabs:
        slab = slabs.lend(ends[-1])
        slab.write(2 * texts + 2 * offsets)
        shared = slabs.share(slab)
        batch = Batch(form, 0, 2, tuple(shared[a:b] for a, b in pairwise(ends)))
        held = HOLDERS[holder](batch.to_arrow())
        del shared, batch
        gc.collect()
        assert slabs.lend(ends[-1]) is not slab
        assert "cdef" in str(held)
        del held
        gc.collect()
        assert slabs.lend(ends[-1]) is slab


async def test_a_batch_of_texts_travels():
    sink = Wanting(mockdata.Texts())
    await mockdata.generate({"name": 30}, sink=sink, **RUN)
    (batch,) = sink.batches["name"]
    copy = pickle.loads(pickle.dumps(batch))
    assert [*copy] == [*batch]
    assert pa.table(copy.to_arrow()) == pa.table(batch.to_arrow())


async def test_a_batch_of_texts_has_no_lines_and_one_of_rows_no_arrow():
    texts, rows = Wanting(mockdata.Texts()), Wanting(mockdata.Rows(b"", b",", b"\n"))
    for sink in (texts, rows):
        await mockdata.generate({"ssn": 1}, sink=sink)
    with pytest.raises(AttributeError, match="its layout is Texts"):
        _ = texts.batches["ssn"][0].data_lines
    with pytest.raises(AttributeError, match="has only rows"):
        rows.batches["ssn"][0].to_arrow()


async def test_lines_that_are_escaped_for_json_have_no_texts():
    sink = Wanting(mockdata.Columns(escape="json"))
    await mockdata.generate({ODD: 3}, sink=sink, **RUN)
    (batch,) = sink.batches["odd"]
    for made in (batch.to_arrow, lambda: batch.values):
        with pytest.raises(AttributeError, match="cannot be read back"):
            made()


@pytest.mark.parametrize("end", [b"\r\n", b"||"])
async def test_lines_of_any_end_have_the_texts_before_it(end):
    sink = Wanting(mockdata.Columns(end=end))
    await mockdata.generate({ODD: 30}, sink=sink, **RUN)
    (batch,) = sink.batches["odd"]
    assert pa.table(batch.to_arrow())["odd"].to_pylist() == batch.values


async def test_files_are_not_of_texts(tmp_path):
    (tmp_path / "a").touch()

    class Files:
        @asynccontextmanager
        async def open(self, run):
            files = {"ssn": [mockdata.File(str(tmp_path / "a"))] * 4}
            yield mockdata.Session(files=files, layouts={"ssn": mockdata.Texts()})

    with pytest.raises(mockdata.PlanError, match="layout of batches"):
        await mockdata.generate({"ssn": 1}, sink=Files())


async def test_without_nanoarrow_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoarrow", None)
    says = r"^to_arrow needs nanoarrow: pip install 'mockdata\[arrow\]'"
    with pytest.raises(mockdata.MockDataError, match=says):
        await mockdata.generate({"ssn": 1}, sink=lambda batch: batch.to_arrow())


def test_an_ordinary_run_imports_no_arrow():
    code = (
        "import mockdata, sys; mockdata.generate_sync(10, sink=lambda b: b.values)\n"
        "assert not {'nanoarrow', 'pyarrow', 'mockdata.render.arrow'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_with_a_loop_of_its_own():
    async def rows():
        async with mockdata.stream({"dob": 10}, **RUN) as batches:
            return [pa.table(batch.to_arrow()).num_rows async for batch in batches]

    assert asyncio.run(rows()) == [10]
