"""The renderer against the oracle, and the records against the contract."""

import datetime
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import oracle
from .conftest import VAULTS, Key, renderer

SEEDS = st.integers(0, 2**64 - 1)
TIMESTAMPS = st.integers(10**9, 10**10 - 1)
STREAMS = st.tuples(SEEDS, st.sampled_from([*VAULTS]), st.sampled_from(["value", "token"]))


def rendered(key, start, stop, block=10_000):
    """Return the values and tokens that a worker renders, ``block`` records at a time."""
    made = renderer(key, block)
    data, tokens = bytearray(), bytearray()
    for first in range(start, stop, block):
        data_lines, token_lines = made.render(first, min(first + block, stop))
        assert made.measure(first, min(first + block, stop)) == [len(data_lines), len(token_lines)]
        data += data_lines
        tokens += token_lines
    return data.decode().split("\n")[:-1], tokens.decode().split("\n")[:-1]


@given(
    st.sampled_from([*VAULTS]), SEEDS, TIMESTAMPS, st.integers(0, 2**40 - 40), st.integers(1, 40)
)
def test_a_renderer_renders_what_the_oracle_does(vault, seed, timestamp, start, count):
    values, tokens = rendered(Key(vault, seed, timestamp), start, start + count)
    expected = [oracle.record(vault, seed, timestamp, start + k) for k in range(count)]
    assert list(zip(values, tokens, strict=True)) == expected


@pytest.mark.parametrize("vault", VAULTS)
@pytest.mark.parametrize("block", [1, 7, 999, 9_999])
def test_the_size_of_a_block_changes_nothing(vault, block):
    key = Key(vault, 5, 1_700_000_000)
    assert rendered(key, 0, 10_100, block) == rendered(key, 0, 10_100)


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
@settings(max_examples=5)
def test_every_word_of_a_small_domain_comes_once(offset, gamma):
    words = {oracle.permute(index, offset, gamma | 1, bits=16) for index in range(2**16)}
    assert len(words) == 2**16


@given(STREAMS, st.integers(0, 2**64 - 1))
def test_the_permutation_has_an_inverse(stream, index):
    key = oracle.key(*stream)
    assert oracle.unpermute(oracle.permute(index, *key), *key) == index


@given(STREAMS, st.integers(0, 2**40 - 1))
def test_a_suffix_gives_its_index_to_those_who_know_the_key(stream, index):
    seed, vault, kind = stream
    texts = rendered(Key(vault, seed, 1_700_000_000), index, index + 1, block=1)
    (text,) = texts[kind == "token"]
    assert oracle.index_of(text[-16:], *oracle.key(*stream)) == index


FORMS = {
    "name": re.compile(r"[A-Z]+ [A-Z]+ 1700000000_[a-z0-9]{16}"),
    "id": re.compile(r"[1-9][0-9]{4}-1700000000_[a-z0-9]{16}"),
    "dob": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-1700000000_[a-z0-9]{16}"),
    "ssn": re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}-1700000000_[a-z0-9]{16}"),
}


@pytest.mark.parametrize("vault", VAULTS)
def test_records_have_the_form_of_the_contract(vault):
    values, tokens = rendered(Key(vault, 3, 1_700_000_000), 0, 20_000)
    assert all(FORMS[vault].fullmatch(value) for value in values)
    form = re.compile(rf"tok_{vault}_1700000000_[a-z0-9]{{16}}")
    assert all(form.fullmatch(token) for token in tokens)
    suffixes = {text[-16:] for text in values + tokens}
    assert len(suffixes) == 40_000


def test_dates_are_every_day_of_the_range_and_no_other():
    values, _ = rendered(Key("dob", 1, 1_700_000_000), 0, 600_000)
    days = {value[:10] for value in values}
    first, last = datetime.date(1940, 1, 1), datetime.date(2010, 12, 31)
    expected = {str(first + datetime.timedelta(k)) for k in range((last - first).days + 1)}
    assert days == expected
    assert "1940-02-29" in days


def test_ids_are_every_number_of_the_range_and_no_other():
    values, _ = rendered(Key("id", 1, 1_700_000_000), 0, 2_000_000)
    assert {value[:5] for value in values} == {str(n) for n in range(10_000, 100_000)}


def test_social_security_numbers_keep_the_rules_and_cover_them():
    values, _ = rendered(Key("ssn", 1, 1_700_000_000), 0, 300_000)
    areas, groups, serials = ({value.split("-")[k] for value in values} for k in range(3))
    assert areas == {f"{n:03}" for n in range(1, 900) if n != 666}
    assert groups == {f"{n:02}" for n in range(1, 100)}
    assert serials == {f"{n:04}" for n in range(1, 10_000)}


@pytest.mark.parametrize("vault", VAULTS)
def test_renderers_allocate_nothing_for_a_block(vault):
    made = renderer(Key(vault, 1, 1_700_000_000))
    made.render(0, 10_000)
    own = 8 * np.getbufsize() if vault == "name" else 0  # where numpy itself converts a block
    tracemalloc.start()
    try:
        made.render(10_000, 20_000)
        made.measure(10_000, 20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < own + 8_000
