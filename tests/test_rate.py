"""The rate of a run: never more than was asked for, and not less where nothing holds it up."""

import asyncio
import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockdata
from mockdata.pipeline.rate import BURST, TokenBucket
from mockdata.testing import ListSink

RUN = {"seed": 1, "timestamp": 1_700_000_000}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


def taken(rate, takes):
    """Take from a bucket, pausing before each; return the bucket and what went when."""
    clock = Clock()
    bucket = TokenBucket(rate, clock, clock.sleep)

    async def take():
        gone = []
        for pause, wanted in takes:
            clock.now += pause
            records = min(wanted, bucket.share)
            await bucket.take(records)
            gone.append((clock.now - 1000.0, records))
        return gone

    return bucket, asyncio.run(take())


@given(
    st.floats(0.01, 1e7),
    st.lists(st.tuples(st.sampled_from([0, 0, 0.01, 5]), st.integers(1, 10_000)), min_size=1),
)
def test_no_stretch_of_time_has_more_than_its_rate(rate, takes):
    _, gone = taken(rate, takes)
    for first in range(len(gone)):
        records = 0
        for at, more in gone[first:]:  # what has gone before the ones that go at that moment
            assert records / rate <= at - gone[first][0] + BURST + 1e-6
            records += more
    before = 0
    for at, more in gone:
        assert before / rate <= at + 1e-6
        before += more


@pytest.mark.parametrize("rate", [0.25, 1, 99, 12_345.6, 10_000_000])
def test_a_run_that_nothing_holds_up_has_its_rate(rate):
    bucket, gone = taken(rate, [(0, 10_000)] * 50)
    assert bucket.share == max(1, int(rate / 10))
    records = min(bucket.share, 10_000)
    assert [at for at, _ in gone] == pytest.approx([k * records / rate for k in range(50)])


def test_a_stall_is_made_up_for_to_a_tenth_of_a_second():
    _, gone = taken(100, [(0, 10)] * 5 + [(60, 10)] + [(0, 10)] * 3)
    after = [at - gone[5][0] for at, _ in gone[5:]]
    assert after == pytest.approx([0, 0, 0.1, 0.2])


def test_a_loop_that_wakes_up_early_is_sent_back_to_sleep():
    clock = Clock()

    async def doze(seconds):
        clock.now += seconds / 2 if seconds > 0.001 else seconds

    bucket = TokenBucket(10, clock, doze)

    async def take():
        await bucket.take(1)
        await bucket.take(1)

    asyncio.run(take())
    assert clock.now - 1000 >= 0.1 - 1e-9


async def test_with_a_rate_batches_are_small_and_the_records_are_the_same():
    plain, held = ListSink(), ListSink()
    counts = {"name": 1205, "ssn": 995}
    await mockdata.generate(counts, sink=plain, **RUN)
    await mockdata.generate(counts, sink=held, rate=10_000, **RUN)
    for vault, count in counts.items():
        assert held.lines(vault) == plain.lines(vault)
        starts = [batch.start for batch in held.batches[vault]]
        assert starts == list(range(0, count, 1000))
        assert all(a.start + len(a) == b.start for a, b in pairwise(held.batches[vault]))
    assert max(len(batch) for batches in plain.batches.values() for batch in batches) == 1205


async def test_a_rate_may_be_less_than_ten_a_second():
    sink = ListSink()
    await mockdata.generate({"id": 3}, sink=sink, rate=9.5, **RUN)
    assert [len(batch) for batch in sink.batches["id"]] == [1, 1, 1]


async def test_a_high_rate_leaves_batches_as_they_are():
    sink = ListSink()
    await mockdata.generate({"id": 25_000}, sink=sink, rate=1e9)
    assert [len(batch) for batch in sink.batches["id"]] == [10_000, 10_000, 5_000]


async def test_files_are_the_same_and_are_written_bit_by_bit(tmp_path):
    seen = []
    counts = {"name": 3000, "id": 2500}
    await mockdata.generate(counts, sink=tmp_path / "plain", **RUN)
    await mockdata.generate(
        counts, sink=tmp_path / "held", rate=10_000, on_progress=seen.append, **RUN
    )
    for file in (tmp_path / "plain").iterdir():
        assert (tmp_path / "held" / file.name).read_bytes() == file.read_bytes()
    for vault, count in counts.items():
        steps = [progress.records for progress in seen if progress.vault == vault]
        assert sorted(set(steps)) == [*range(0, count, 1000), count]


@pytest.mark.parametrize("how", ["callable", "files", "stream"])
async def test_cancelling_a_run_that_waits_for_its_turn_ends_it_at_once(how, tmp_path):
    going = asyncio.Event()

    async def run():
        if how == "stream":
            async with mockdata.stream({"ssn": 5}, rate=0.001) as batches:
                async for _ in batches:
                    going.set()
        else:
            sink = tmp_path / "out" if how == "files" else (lambda _: None)
            await mockdata.generate({"ssn": 5}, sink=sink, rate=0.001, on_progress=begun)

    def begun(progress):
        if progress.bytes:  # the files are there, or the first record is
            going.set()

    task = asyncio.ensure_future(run())
    await going.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await task
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sink", ["csv", "stdout", "loader:insert"])
def test_a_run_takes_its_time(mockdata_command, tmp_path, sink):
    (tmp_path / "loader.py").write_text("async def insert(batch):\n    assert len(batch) <= 200\n")
    began = time.monotonic()
    done = mockdata_command(500, "--rate", "2k", "--json", "-q", "-s", sink)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stderr if sink == "stdout" else done.stdout)
    assert report["records"] == 2000
    assert took > report["seconds"] >= 2000 / 2000 - BURST
