"""What readers of CSV, of JSON and of a request read back equals a batch's values and tokens."""

import contextlib
import csv
import io
import json
from contextlib import asynccontextmanager

from hypothesis import example, given, settings
from hypothesis import strategies as st

import mockdata
from mockdata.sinks.skyflow.body import Bodies, Fields
from mockdata.testing import ListSink

from .conftest import RUN

COUNT = 20
MARKS = st.sampled_from(
    [*"\",;'\\{}[]:| ", '""', '","', "\\n", "\\u0041", "ü", "漢", "😀", "\u00a0"]
)
LETTERS = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S"))
TEXT = st.lists(st.one_of(MARKS, LETTERS), min_size=1, max_size=6).map("".join)
TEXTS = st.lists(TEXT, min_size=1, max_size=4)
"""Texts of any characters that a list may have, and more often than not those that mean something."""


class Requests:
    """Keeps the bodies of requests, of up to 7 records each."""

    @asynccontextmanager
    async def open(self, run):
        (vault,) = run.vaults
        made, self.bodies = Bodies(7, vault.stop, {"byot": "ENABLE"}), []

        async def write(batch):
            self.bodies += made.take(batch)

        layouts = {vault.name: Fields.of_vault('a "field"').layout()}
        yield mockdata.Session(write=write, layouts=layouts, batch_size=7)


def printed(vault, format):
    """Return what comes to standard output, as text."""
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "ascii")) as out:
        mockdata.generate_sync({vault: COUNT}, sink=mockdata.StdoutSink(format), **RUN)
        return out.buffer.getvalue().decode()


@settings(max_examples=60)
@given(values=TEXTS, tokens=TEXTS)
@example(values=['"'], tokens=[","])
@example(values=["\\", '\\"'], tokens=['","', "a"])
@example(values=[" ", "a "], tokens=['"a"'])
def test_readers_read_back_what_a_batch_has(values, tokens):
    lists = {"some": dict.fromkeys(values, 2), "others": dict.fromkeys(tokens, 1)}
    vault = mockdata.Vault("any", value="{some}", token="{others}", lists=lists, repeats=True)
    kept, requests = ListSink(), Requests()
    for sink in (kept, requests):
        mockdata.generate_sync({vault: COUNT}, sink=sink, **RUN)
    records = kept.records("any")
    assert {record.value for record in records} <= {*values}
    assert {record.token for record in records} <= {*tokens}
    rows = [("any", *record) for record in records]
    assert [*map(tuple, csv.reader(io.StringIO(printed(vault, "csv"), newline="")))][1:] == rows
    assert [
        (*json.loads(row).values(),) for row in printed(vault, "jsonl").split("\n")[:-1]
    ] == rows
    assert [pair for body in requests.bodies for pair in body.pairs()] == records
