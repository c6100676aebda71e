"""Batches: what is in one, and for how long."""

import pytest

import mockdata
from mockdata.render.batch import Batch, Record
from mockdata.testing import ListSink
from mockdata.workers import pool
from mockdata.workers.slabs import Slabs


def test_a_batch_says_the_same_in_every_form():
    seen = []
    mockdata.generate_sync({"name": 10_001}, sink=seen.append, seed=1)
    assert [(b.vault, b.start, len(b)) for b in seen] == [("name", 0, 10_000), ("name", 10_000, 1)]
    for batch in seen:
        assert isinstance(batch, Batch)
        assert len(batch.values) == len(batch.tokens) == len(batch)
        assert list(batch) == list(zip(batch.values, batch.tokens, strict=True))
        assert isinstance(next(iter(batch)), Record)
        assert next(iter(batch)).token == batch.tokens[0]
        assert bytes(batch.data_lines) == "".join(f"{v}\n" for v in batch.values).encode()
        assert bytes(batch.token_lines) == "".join(f"{t}\n" for t in batch.tokens).encode()
        assert (batch.data_bytes, batch.token_bytes) == (
            len(batch.data_lines),
            len(batch.token_lines),
        )
        assert batch.data_lines.readonly
        assert repr(batch).startswith("<Batch name ")


async def test_batches_that_are_kept_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(pool, "SMALL", 0)
    kept = ListSink()
    await mockdata.generate({"ssn": 400_000}, sink=kept, seed=3, timestamp=1_700_000_000)
    again = ListSink()
    await mockdata.generate({"ssn": 400_000}, sink=again, seed=3, timestamp=1_700_000_000)
    assert kept.lines("ssn") == again.lines("ssn")
    assert len(set(kept.lines("ssn")[0].split(b"\n"))) == 400_001


async def test_a_view_of_the_lines_alone_keeps_them(monkeypatch):
    monkeypatch.setattr(pool, "SMALL", 0)
    first = []

    def keep(batch):
        if not first:
            first.extend([batch.token_lines[:37], bytes(batch.token_lines[:37])])

    await mockdata.generate({"ssn": 500_000}, sink=keep)
    assert bytes(first[0]) == first[1]


def test_a_slab_is_lent_again_when_nobody_refers_to_it():
    with Slabs() as slabs:
        path, lines = slabs.lend(1000)
        part = lines[10:20]
        del lines
        other_path, other = slabs.lend(1000)
        assert other_path != path
        del part
        assert slabs.lend(1000)[0] == path
        del other


def test_a_slab_outlives_its_run_as_long_as_it_is_referred_to():
    with Slabs() as slabs:
        path, lines = slabs.lend(5)
        with open(path, "wb") as file:
            file.write(b"hello")
    with pytest.raises(FileNotFoundError):
        open(path)
    assert bytes(lines) == b"hello"
