"""The two name tables and their sampler: every name has the census's share, to the last draw."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockdata.render.arithmetic import pick
from mockdata.render.steps import Weights
from mockdata.render.tables import sampler
from mockdata.vaults.alias import buckets, shares
from mockdata.vaults.census import TABLES
from mockdata.vaults.census.build import build

from . import oracle
from .conftest import Key, renderer

DRAWS = 2**32


BITS = {"first_names": 13, "surnames": 14}
"""The bits of a bucket's number: the least that number every name."""

SOURCES = {"first_names": "first_name", "surnames": "last_name"}


def rows_of(table, words):
    """Return the rows that the renderer draws from a table."""
    out, bucket, scratch = np.empty((3, len(words)), np.uint64)
    pick(words, sampler(Weights(SOURCES[table])), out, bucket, scratch)
    return out.astype(np.intp)


def drawn_shares(table, below):
    """Return how many of all 2**32 draws give each name, found by drawing.

    The draws of one bucket give one name up to some draw and one name from there on: bisection
    finds it, in all buckets at once. ``below`` is what stands below the draw in its word.
    """
    capacity = DRAWS >> BITS[table]
    starts = np.arange(0, DRAWS, capacity, dtype=np.uint64)

    def rows(draws):
        return rows_of(table, draws << np.uint64(32) | np.uint64(below))

    first, last = rows(starts), rows(starts + np.uint64(capacity - 1))
    like_first = starts.copy()
    step = capacity
    while step := step // 2:
        further = like_first + np.uint64(step)
        like_first = np.where(rows(further) == first, further, like_first)
    owned = (like_first - starts).astype(np.int64) + 1
    found = np.zeros(len(oracle.names(table)[0]), np.int64)
    np.add.at(found, first, owned)
    np.add.at(found, last, capacity - owned)
    return found.tolist()


@pytest.mark.parametrize("below", [0, DRAWS - 1])
@pytest.mark.parametrize("table", TABLES)
def test_every_name_is_drawn_as_often_as_in_the_census(table, below):
    _, counts = oracle.names(table)
    total, found = sum(counts), drawn_shares(table, below)
    assert sum(found) == DRAWS
    for share, count in zip(found, counts, strict=True):
        assert abs(share * total - count * DRAWS) < total


def test_the_last_name_stands_in_for_no_other():
    """A row that is not there would be drawn as the last one, since the renderer clips."""
    names, counts = oracle.names("surnames")
    assert (names[-1], round(counts[-1] * DRAWS / sum(counts))) == ("SANTUCCI", 67_003)
    assert drawn_shares("surnames", 0)[-1] == 67_003


def test_a_draw_that_is_equal_to_where_a_bucket_s_own_name_ends_gives_the_other_name():
    index, name = 1_020_218, "ISABELLE BLUM "
    made = renderer(Key("name", 7, 1_700_000_000))
    assert bytes(made.render(index, index + 1)[0]).decode().startswith(name)
    assert oracle.record("name", 7, 1_700_000_000, index)[0].startswith(name)


@pytest.mark.parametrize("table", TABLES)
def test_the_oracle_and_the_renderer_agree_at_the_edges_of_every_bucket(table):
    capacity = DRAWS >> BITS[table]
    starts = np.arange(0, DRAWS, capacity, dtype=np.uint64)
    ends = np.array([end for end, _, _ in oracle.buckets(table)], np.uint64)
    draws = np.concatenate(
        (starts, np.maximum(ends, 1) - 1, ends, starts + np.uint64(capacity - 1))
    )
    drawn = rows_of(table, draws << np.uint64(32))
    names, _ = oracle.names(table)
    assert [names[row] for row in drawn] == [oracle.drawn_name(table, d) for d in draws.tolist()]


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_all_draws_there_are(table):
    block, names = 2**16, len(oracle.names(table)[0])
    words = np.arange(block, dtype=np.uint64) << np.uint64(32)
    found = np.zeros(names, np.int64)
    for top in range(DRAWS // block):
        found += np.bincount(rows_of(table, words + np.uint64(top << 48)), minlength=names)
    assert found.tolist() == drawn_shares(table, 0)


@pytest.mark.parametrize("table", TABLES)
def test_no_bucket_names_a_row_that_is_not_there(table):
    rows = {row for _, own, alias in oracle.buckets(table) for row in (own, alias)}
    assert rows == set(range(len(oracle.names(table)[0])))


def test_a_table_that_names_a_row_that_is_not_there_is_not_built(tmp_path, monkeypatch):
    monkeypatch.setattr("mockdata.vaults.census.build.buckets", lambda weights: [len(weights)])
    with pytest.raises(ValueError, match="beyond the last of 5000 names"):
        build(oracle.CENSUS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_tables_in_the_package_are_those_of_the_source(tmp_path):
    build(oracle.CENSUS, tmp_path)
    built = sorted(tmp_path.iterdir())
    assert [file.name for file in built] == sorted(f.name for f in oracle.TABLES.glob("*.npy"))
    for file in built:
        assert file.read_bytes() == (oracle.TABLES / file.name).read_bytes()


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60))
def test_any_counts_make_an_exact_sampler(counts):
    weights = shares(counts)
    assert sum(weights) == DRAWS
    capacity = DRAWS >> (len(counts) - 1).bit_length()
    drawn = [0] * len(weights)
    for number, bucket in enumerate(buckets(counts)):
        end, own, alias = bucket >> 32, bucket >> 16 & 0xFFFF, bucket & 0xFFFF
        owned = end - number * capacity
        assert 0 <= owned < capacity
        drawn[own] += owned
        drawn[alias] += capacity - owned
    assert drawn == weights


def test_the_commonest_names_are_as_common_as_in_the_census():
    made = renderer(Key("name", 1, 1_700_000_000))
    lines = [bytes(made.render(k, k + 10_000)[0]).decode() for k in range(0, 500_000, 10_000)]
    names = [line.split()[:2] for line in "".join(lines).splitlines()]
    firsts, lasts = (Counter(column) for column in zip(*names, strict=True))
    assert firsts["MICHAEL"] / 500_000 == pytest.approx(0.01358, abs=0.0007)
    assert lasts["SMITH"] / 500_000 == pytest.approx(0.01201, abs=0.0007)


@pytest.mark.parametrize("table", TABLES)
def test_names_never_begin_like_a_formula(table):
    names = np.load(oracle.TABLES / f"{table}.npy").tolist()
    assert names == [name.encode() for name in oracle.names(table)[0]]
    assert all(name.isalpha() and name.isupper() for name in names)
