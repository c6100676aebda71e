"""Promises about many records. They take a while: ``pytest -m slow``."""

import numpy as np
import psutil
import pytest

import mockdata

from .conftest import RUN

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


async def test_memory_does_not_grow_with_the_count():
    peaks = [
        (await mockdata.generate(count, sink=lambda _: None, **RUN)).peak_memory
        for count in (1_000_000, 1_000_000, 10_000_000)
    ]
    assert peaks[2] < peaks[1] * 1.1 + 5e6


async def test_memory_does_not_grow_behind_a_slow_callback():
    me = psutil.Process()
    seen = []

    def slow(batch):
        sum(batch.data_lines[:2000])
        if batch.start % 500_000 == 0:
            seen.append(me.memory_info().rss + sum(c.memory_info().rss for c in me.children()))

    await mockdata.generate({"ssn": 20_000_000}, sink=slow, **RUN)
    assert max(seen[5:]) < min(seen[3:6]) * 1.15
