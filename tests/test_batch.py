"""Batches: what is in one, and for how long."""

import copy
import os
import pickle

import pytest

import mockdata
from mockdata.render.batch import Batch, Record
from mockdata.testing import ListSink
from mockdata.workers import pool
from mockdata.workers.slabs import Slabs

from .conftest import RUN, Key, renderer


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
        assert batch.sizes == (len(batch.data_lines), len(batch.token_lines))
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


async def test_batches_out_of_slabs_that_are_lent_again(pooled):
    made = renderer(Key("ssn", *RUN.values()))

    def check(batch):
        lines = made.render(batch.start, batch.start + len(batch))
        assert (batch.data_lines, batch.token_lines) == tuple(lines)

    await mockdata.generate({"ssn": 1_000_000}, sink=check, workers=2, **RUN)


def test_a_slab_is_lent_again_when_nothing_refers_to_its_bytes():
    with Slabs(most=4) as slabs:
        slab = slabs.lend(1000)
        lines = slabs.share(slab)
        part = lines[10:20]
        del lines
        other = slabs.lend(1000)
        assert other is not slab
        del part
        assert slabs.lend(1000) is slab
        assert slabs.lend(1000) is not slab


def test_a_slab_that_is_lent_to_a_task_is_lent_to_no_other():
    with Slabs(most=4) as slabs:
        paths = {slabs.lend(1000).path for _ in range(5)}  # nothing here refers to the slabs
        assert len(paths) == 5


def test_a_slab_outlives_its_run_as_long_as_it_is_referred_to():
    with Slabs(most=4) as slabs:
        slab = slabs.lend(5)
        with open(slab.path, "wb") as file:
            file.write(b"hello")
        lines = slabs.share(slab)
    with pytest.raises(FileNotFoundError):
        open(slab.path)
    assert bytes(lines) == b"hello"
    assert lines.readonly


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_kept_batches_hold_no_file(pooled):
    kept, files = [], []

    def keep(batch):
        kept.append(batch)
        files.append(len(os.listdir("/proc/self/fd")))

    before = len(os.listdir("/proc/self/fd"))
    mockdata.generate_sync({"ssn": 3_000_000}, sink=keep, workers=2)
    assert len(kept) == 300
    assert files[-1] <= files[50]  # thirty slabs, and no more files than with five
    assert len(os.listdir("/proc/self/fd")) <= before
    assert kept[0].values[0] != kept[-1].values[0]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_a_batch_can_be_pickled_and_copied(again):
    seen = []
    mockdata.generate_sync({"name": 7}, sink=seen.append)
    other = again(seen[0])
    assert list(other) == list(seen[0])
    assert (other.vault, other.start, len(other)) == ("name", 0, 7)
    assert other.data_lines == seen[0].data_lines
    assert other.token_lines == seen[0].token_lines
