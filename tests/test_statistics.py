"""Suffixes and draws look random: chi-square tests with fixed seeds, so each passes or fails for ever.

There are some 3,000 comparisons. Each fails one time in 100 million where nothing is wrong, so all
together one time in 30,000, for a change of the format that is as good as the present one. What is
wrong with a suffix shows at far less than that: a share that is off by a twentieth, for instance.
"""

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from scipy import stats

from . import oracle
from .conftest import VAULTS, Key, renderer

LEVEL = 1e-8
RECORDS = 400_000
SEEDS = [0, 1, 2]


def digits(seed, vault, kind, timestamp=1_700_000_000):
    """Return the suffixes of the first records as an array of RECORDS x 16 digits."""
    made = renderer(Key(vault, seed, timestamp))
    blocks = []
    for start in range(0, RECORDS, 10_000):
        lines = bytes(made.render(start, start + 10_000)[kind == "token"])
        blocks += [line[-16:] for line in lines.split(b"\n")[:-1]]
    characters = np.frombuffer(b"".join(blocks), np.uint8).reshape(RECORDS, 16)
    table = np.full(128, 255, np.uint8)
    table[np.frombuffer(oracle.ALPHABET.encode(), np.uint8)] = np.arange(32)
    return table[characters]


def independent(first, second):
    """Return the p-value of two series of digits being uniform and independent."""
    counts = np.bincount(first.astype(np.intp) * 32 + second, minlength=1024)
    return stats.chisquare(counts).pvalue


def unrelated(first, second):
    """Return the p-value of two series of numbers being independent, whether they are uniform or not."""
    counts = np.zeros((first.max() + 1, second.max() + 1), np.intp)
    np.add.at(counts, (first, second), 1)
    drawn = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    return stats.chi2_contingency(drawn).pvalue


@pytest.fixture(scope="module")
def suffixes():
    return {
        (seed, vault, kind): digits(seed, vault, kind)
        for seed in SEEDS
        for vault in VAULTS
        for kind in ("value", "token")
    }


def test_every_place_is_uniform_over_32_characters(suffixes):
    for made in suffixes.values():
        for place in range(16):
            counts = np.bincount(made[:, place], minlength=32)
            assert len(counts) == 32
            assert stats.chisquare(counts).pvalue > LEVEL


def test_pairs_of_places_are_independent(suffixes):
    for seed in SEEDS:
        for made in (suffixes[seed, "ssn", "value"], suffixes[seed, "name", "token"]):
            for first, second in combinations(range(16), 2):
                assert independent(made[:, first], made[:, second]) > LEVEL


def test_neighbours_are_independent(suffixes):
    for made in (suffixes[0, "ssn", "value"], suffixes[2, "id", "token"]):
        for first in range(16):
            for second in range(16):
                assert independent(made[:-1, first], made[1:, second]) > LEVEL


@pytest.mark.parametrize("seed", SEEDS)
def test_values_tokens_and_vaults_are_unrelated(suffixes, seed):
    streams = [made for (of, _, _), made in suffixes.items() if of == seed]
    for one, other in combinations(streams, 2):
        for place in range(16):
            assert independent(one[:, place], other[:, place]) > LEVEL


def test_a_place_that_is_off_by_a_twentieth_is_found(suffixes):
    made = suffixes[0, "ssn", "value"][:, 0].copy()
    made[np.flatnonzero(made == 7)[::20]] = 8
    assert stats.chisquare(np.bincount(made, minlength=32)).pvalue < LEVEL
    related = suffixes[0, "ssn", "token"][:, 0].copy()
    related[::50] = made[::50]
    assert independent(made, related) < LEVEL


@pytest.mark.parametrize("vault", VAULTS)
def test_timestamps_enter_no_suffix(suffixes, vault):
    for kind in ("value", "token"):
        later = digits(0, vault, kind, timestamp=1_700_000_001)
        assert np.array_equal(later, suffixes[0, vault, kind])


def test_seeds_next_to_each_other_are_unrelated(suffixes):
    for one, other in pairwise(SEEDS):
        for place in range(16):
            first, second = suffixes[one, "ssn", "value"], suffixes[other, "ssn", "value"]
            assert independent(first[:, place], second[:, place]) > LEVEL


def test_a_value_is_unrelated_to_its_suffix(suffixes):
    made = renderer(Key("id", 0, 1_700_000_000))
    numbers = []
    for start in range(0, RECORDS, 10_000):
        lines = bytes(made.render(start, start + 10_000)[0]).split(b"\n")[:-1]
        numbers += [int(line[:5]) for line in lines]
    tenths = (np.array(numbers) - 10_000) * 32 // 90_000
    units = np.array(numbers) % 32
    for part in (tenths, units):
        for place in range(16):
            assert independent(part, suffixes[0, "id", "value"][:, place]) > LEVEL


def rendered(vault, records=2_000_000):
    """Return the first values of a vault, up to what stands before the timestamp."""
    made = renderer(Key(vault, 4, 1_700_000_000))
    texts = []
    for start in range(0, records, 10_000):
        lines = bytes(made.render(start, start + 10_000)[0]).decode().split("\n")
        texts += [line[:-28] for line in lines[:-1]]
    return texts


@pytest.fixture(scope="module")
def numbers():
    """Return areas, groups and serials."""
    digits = np.array(rendered("ssn"), "S").view(np.uint8).reshape(-1, 11) - ord("0")
    tens = np.array([1000, 100, 10, 1])
    return digits[:, :3] @ tens[1:], digits[:, 4:6] @ tens[2:], digits[:, 7:] @ tens


@pytest.mark.parametrize(("vault", "values"), [("id", 90_000), ("dob", 25_933)])
def test_draws_are_uniform(vault, values):
    counts = np.unique(np.array(rendered(vault)), return_counts=True)[1]
    assert len(counts) == values
    assert stats.chisquare(counts).pvalue > LEVEL


def test_areas_groups_and_serials_are_uniform(numbers):
    areas, groups, serials = numbers
    for drawn, values in (
        (areas, 898),
        (groups, 99),
        (serials, 9_999),
        (areas * 99 + groups, 88_902),
    ):
        counts = np.unique(drawn, return_counts=True)[1]
        assert len(counts) == values
        assert stats.chisquare(counts).pvalue > LEVEL


def test_serials_are_independent_of_areas_and_groups(numbers):
    areas, groups, serials = numbers
    for before, places in product((areas, groups), (serials // 100, serials % 100)):
        assert unrelated(before, places) > LEVEL


@pytest.fixture(scope="module")
def names():
    """Return the rows of the first names and of the surnames in the census's lists."""
    texts, rows = rendered("name"), []
    for column, table in enumerate(("first_names", "surnames")):
        row = {name: k for k, name in enumerate(oracle.names(table)[0])}
        rows.append(np.array([row[text.split(" ")[column]] for text in texts]))
    return rows


def test_names_follow_the_census(names):
    for rows, table in zip(names, ("first_names", "surnames"), strict=True):
        weights = np.array(oracle.names(table)[1])
        counts = np.bincount(rows, minlength=len(weights))
        expected = weights / weights.sum() * len(rows)
        assert stats.chisquare(counts, expected).pvalue > LEVEL


def test_surnames_are_independent_of_first_names(names):
    firsts, lasts = names
    assert unrelated(firsts % 100, lasts % 100) > LEVEL
    assert unrelated(np.minimum(firsts, 100), np.minimum(lasts, 100)) > LEVEL
