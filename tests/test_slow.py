"""Promises about many records. They take a while: ``pytest -m slow``."""

import subprocess
import sys

import numpy as np
import psutil
import pytest

import mockdata
from mockdata.sinks.skyflow import SkyflowSink

from . import oracle
from .conftest import RUN, Key, renderer

pytestmark = pytest.mark.slow


def repeats(suffixes):
    """Return how many of the rows of 16 bytes occur more than once, by sorting them."""
    halves = suffixes.view("<u8")
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ordered = halves[order]
    return int((ordered[1:] == ordered[:-1]).all(axis=1).sum())


async def test_twenty_million_records_without_a_repeat():
    count = 20_000_000
    values, tokens = (np.empty((count, 16), np.uint8) for _ in range(2))

    def keep(batch):
        span = slice(batch.start, batch.start + len(batch))
        values[span] = np.frombuffer(batch.data_lines, np.uint8).reshape(len(batch), -1)[:, -17:-1]
        tokens[span] = np.frombuffer(batch.token_lines, np.uint8).reshape(len(batch), -1)[:, -17:-1]

    await mockdata.generate({"ssn": count}, sink=keep, **RUN)
    assert values.min() > 0
    assert repeats(values) == 0
    assert repeats(tokens) == 0
    values[123_456] = values[19_999_999]
    assert repeats(values) == 1


BYTES = 0x0101010101010101
"""Multiplies a byte to all eight of a word."""


def words(lines, width):
    """Return the 64-bit words that the suffixes of lines of one width hold."""
    at = width - 17
    first, last = (
        np.ndarray((len(lines) // width,), "<u8", lines, at + half, (width,)) for half in (0, 8)
    )
    first, last = (half - 0x18 * BYTES - (half >> 6 & BYTES) * 0x49 for half in (first, last))
    return first | (last & 7 * BYTES) << 5


def test_words_are_read_off_suffixes():
    made = renderer(Key("ssn", 3, 1_700_000_000)).render(0, 100)
    for lines, width, kind in zip(made, (40, 36), ("value", "token"), strict=True):
        key = oracle.key(3, "ssn", kind)
        expected = [oracle.permute(index, *key) for index in range(100)]
        assert words(lines, width).tolist() == expected


@pytest.mark.parametrize("kind", ["value", "token"])
def test_two_to_the_28_indices_without_a_repeat(kind):
    """Sort all of the suffixes' words, a quarter of them at a time: half a gigabyte."""
    count, quarters = 2**28, 4
    made = renderer(Key("ssn", 0, 1_700_000_000))
    width = {"value": 40, "token": 36}[kind]
    kept, total = np.empty(count // quarters * 101 // 100, np.uint64), 0
    for quarter in range(quarters):
        size = 0
        for start in range(0, count, 10_000):
            lines = made.render(start, min(start + 10_000, count))[kind == "token"]
            found = words(lines, width)
            found = found[found >> 62 == quarter]
            kept[size : size + len(found)] = found
            size += len(found)
        ordered = kept[:size]
        ordered.sort()
        assert not (ordered[1:] == ordered[:-1]).any()
        total += size
    assert total == count
    ordered[5] = ordered[6]
    assert (ordered[1:] == ordered[:-1]).any()


async def test_memory_does_not_grow_with_the_count():
    peaks = [
        (await mockdata.generate(count, sink=lambda _: None, **RUN)).peak_memory
        for count in (1_000_000, 1_000_000, 10_000_000)
    ]
    assert peaks[2] < peaks[1] * 1.1 + 5e6


async def test_memory_does_not_grow_with_what_is_sent_to_a_vault(vault):
    emulator = vault("--fast")
    used = SkyflowSink(emulator.url, {"ssn": "v"}, token="sesame")
    peaks = []
    for count in (500_000, 500_000, 5_000_000):
        report = await mockdata.generate({"ssn": count}, sink=used, **RUN)
        assert report.delivery.sent == count
        peaks.append(report.peak_memory)
    assert peaks[2] < peaks[1] * 1.1 + 10e6


async def test_memory_does_not_grow_behind_a_slow_callback():
    me = psutil.Process()
    seen = []

    def slow(batch):
        sum(batch.data_lines[:2000])
        if batch.start % 500_000 == 0:
            seen.append(me.memory_info().rss + sum(c.memory_info().rss for c in me.children()))

    await mockdata.generate({"ssn": 20_000_000}, sink=slow, **RUN)
    assert max(seen[5:]) < min(seen[3:6]) * 1.15


UNDOING = """
import asyncio, random, sys
from contextlib import asynccontextmanager
import mockdata
from tests.conftest import Key, children, renderer

COUNTS = {"id": 1_500_000, "ssn": 1_500_000}
RUN = {"seed": 5, "timestamp": 1_700_000_000}
RENDERERS = {vault: renderer(Key(vault, *RUN.values())) for vault in COUNTS}

class Undoing:
    '''Has its ssn writer fail at some record, and takes its time to undo.'''

    def __init__(self, at):
        self.at, self.kept, self.has_failed = at, {vault: [] for vault in COUNTS}, False

    def check(self, batch):
        expected = RENDERERS[batch.vault].render(batch.start, batch.start + len(batch))
        assert (batch.data_lines, batch.token_lines) == tuple(expected), batch

    @asynccontextmanager
    async def open(self, run):
        try:
            yield self.write
        finally:
            await asyncio.sleep(0.2)
            for batch in sum(self.kept.values(), []):
                self.check(batch)

    async def write(self, batch):
        assert not self.has_failed
        self.check(batch)
        self.kept[batch.vault] = [*self.kept[batch.vault][-14:], batch]
        if batch.vault == "ssn" and batch.start == self.at:
            self.has_failed = True
            raise LookupError(self.at)

async def main(seed, runs):
    chance = random.Random(seed)
    for _ in range(runs):
        sink = Undoing(chance.randrange(0, COUNTS["ssn"], 10_000))
        try:
            await mockdata.generate(COUNTS, sink=sink, workers=8, **RUN)
        except LookupError as error:
            assert error.args == (sink.at,)
            assert error.__notes__ == [f"mockdata: at ssn records {sink.at} to {sink.at + 9_999}"]
        else:
            raise AssertionError("it did not fail")
        assert children() == []

asyncio.run(main(*map(int, sys.argv[1:])))
"""


@pytest.mark.parametrize("runs", [300])
def test_no_byte_of_one_vault_in_anothers_batch_when_runs_fail_under_load(runs):
    """Three processes of eight workers each are the load."""
    command = [sys.executable, "-W", "error", "-c", UNDOING]
    began = [subprocess.Popen([*command, str(seed), str(runs // 3)]) for seed in range(3)]
    assert [process.wait() for process in began] == [0, 0, 0]
