"""The permutation within the format: a bijection on any domain, and one that looks random.

The chi-square tests have fixed seeds, so each passes or fails for ever. There are some 2,000
comparisons; each fails one time in 100 million where nothing is wrong.
"""

from itertools import chain, combinations, pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mockdata.render.evens import chunks, drawn, selected
from mockdata.render.permute import Permutation, Rounds
from mockdata.render.words import halves, walk

from . import oracle, oracle_patterns

LEVEL = 1e-8
RECORDS = 200_000
SEEDS = [0, 1, 2]

SIZES = st.lists(st.integers(1, 70), min_size=1, max_size=12) | st.lists(
    st.integers(1, 2**63), min_size=1, max_size=3
)


def permuted(rounds, numbers, tweak=None):
    """Return the permuted numbers, in numpy."""
    numbers = np.asarray(numbers, np.uint64)
    left, right = np.divmod(numbers, np.uint64(rounds.right))
    scratch = tuple(np.empty(len(numbers), np.uint64) for _ in range(3))
    halves(left, right, rounds, tweak, scratch)
    if rounds.left * rounds.right > rounds.size:
        walk(left, right, rounds, tweak, scratch)
    return left, right


def numbers_of(rounds, numbers, tweak=None):
    left, right = permuted(rounds, numbers, tweak)
    return left * np.uint64(rounds.right) + right


def keyed(sizes, seed=0, vault="card", kind="value"):
    return Rounds.keyed(seed, vault, kind, sizes)


@pytest.mark.parametrize(
    "size", [*range(1, 60), 97, 100, 127, 128, 1000, 9_973, 10_000, 65_535, 65_536, 65_537, 99_991]
)
def test_every_number_of_a_small_domain_comes_once(size):
    assert sorted(numbers_of(keyed([size]), range(size)).tolist()) == list(range(size))


@pytest.mark.parametrize(
    "sizes",
    [
        [1, 1],
        [1, 7, 1],
        [2, 2],
        [3, 5, 7],
        [10] * 5,
        [898, 99],
        [2, 9_999],
        [16, 4096, 1],
        [300, 301],
    ],
)
def test_every_combination_of_a_small_domain_comes_once(sizes):
    size = prod(sizes)
    assert sorted(numbers_of(keyed(sizes), range(size)).tolist()) == list(range(size))
    tweak = np.full(size, 12345, np.uint64)
    assert sorted(numbers_of(keyed(sizes), range(size), tweak).tolist()) == list(range(size))


@given(SIZES, st.integers(0, 2**64 - 1), st.data())
@settings(max_examples=300)
def test_it_is_the_oracles_and_has_an_inverse(sizes, seed, data):
    kept = [size for size, taken in zip(sizes, selected(sizes), strict=True) if taken]
    rounds = keyed(kept, seed)
    expected = oracle_patterns.Rounds(f"{seed}/card/value", kept)
    assert (rounds.left, rounds.right) == (expected.left, expected.right)
    highest = min(rounds.size, 2**64) - 1
    number, tweak = data.draw(st.integers(0, highest)), data.draw(st.integers(0, 2**64 - 1))
    left, right = permuted(rounds, [number], np.array([tweak], np.uint64))
    made = int(left[0]) * rounds.right + int(right[0])
    assert made < rounds.size
    assert made == expected.permute(number, tweak)
    assert expected.invert(made, tweak) == number


@given(SIZES)
def test_a_domain_is_split_in_two_halves_of_a_like_size(sizes):
    kept = [size for size, taken in zip(sizes, selected(sizes), strict=True) if taken]
    rounds = keyed(kept)
    assert rounds.size == prod(kept) <= rounds.left * rounds.right
    if rounds.size <= 2**63:
        assert max(rounds.left, rounds.right) <= 16 * min(rounds.left, rounds.right)
        assert rounds.left * rounds.right - rounds.size < max(rounds.left, 2)
    assert rounds.left < 2**63 + 1
    assert rounds.right < 2**63 + 1


@given(SIZES)
def test_the_pieces_that_take_the_index_have_room_for_it(sizes):
    kept = prod(size for size, taken in zip(sizes, selected(sizes), strict=True) if taken)
    assert kept == prod(sizes) if prod(sizes) <= 2**63 else kept >= 2**48


@given(SIZES)
def test_pieces_are_cut_into_parts_that_fit(sizes):
    parts = [sizes[part] for part in chunks(sizes)]
    assert [*chain(*parts)] == sizes
    assert all(prod(part) <= 2**63 for part in parts)
    words = [(sizes[part], count) for part, count in drawn(sizes)]
    assert [*chain(*(part for part, _ in words))] == sizes
    assert all(prod(part) <= 2**30 if count == 1 else len(part) == 1 for part, count in words)


def test_the_words_permutation_is_that_of_the_suffix():
    assert Permutation.keyed(3, "ssn", "token") == Permutation(*oracle.key(3, "ssn", "token"))


# Small domains: over many seeds, any number becomes any other, evenly.


@pytest.mark.parametrize("sizes", [[2], [3], [5], [10], [3, 4], [97], [100], [10, 10, 10]])
def test_a_small_domain_is_permuted_in_every_way(sizes):
    size = prod(sizes)
    count = 10_000 if size < 100 else 30_000
    images = np.array(
        [
            [int(n) for n in numbers_of(keyed(sizes, seed), [0, 1, size - 1])]
            for seed in range(count)
        ]
    )
    for column in images.T:
        assert stats.chisquare(np.bincount(column, minlength=size)).pvalue > LEVEL
    if size <= 100 and size > 2:
        pairs = np.bincount(images[:, 0] * size + images[:, 1], minlength=size * size)
        possible = pairs[[k for k in range(size * size) if k // size != k % size]]
        assert possible.sum() == count
        assert stats.chisquare(possible).pvalue > LEVEL


@pytest.mark.parametrize("size", [3, 4, 5])
def test_all_orders_of_a_tiny_domain_come(size):
    orders = [
        tuple(numbers_of(keyed([size], seed), range(size)).tolist()) for seed in range(12_000)
    ]
    counts = np.unique(np.array(orders), axis=0, return_counts=True)[1]
    assert len(counts) == prod(range(1, size + 1))
    assert stats.chisquare(counts).pvalue > LEVEL


# Larger domains: chi-square of each piece, pairs, neighbours, seeds, vaults.

DOMAINS = {
    "ssn": [898, 99, 9_999],
    "card": [10] * 14,
    "pin": [10] * 6,
    "number": [1_000_003],
    "letters": [36] * 6,
    "unbalanced": [900_000, 4_018],
    "large": [62] * 10,
    "huge": [2**40, 2**40],
}


def pieces(name, seed=0, vault="card", kind="value", start=0):
    """Return 16 cells or fewer of each of a pattern's pieces, for the first records."""
    sizes = DOMAINS[name]
    rounds = keyed(sizes, seed, vault, kind)
    count = min(RECORDS, rounds.size // 5)
    left, right = permuted(rounds, np.arange(start, start + count))
    made = []
    if rounds.size <= 2**63:
        number = left * np.uint64(rounds.right) + right
        for size in reversed(sizes):
            number, digit = np.divmod(number, np.uint64(size))
            made.insert(0, cells(digit, size))
        if len(sizes) < 4:
            made += [low_digit(left * np.uint64(rounds.right) + right)]
    else:
        made = [
            cells(left, rounds.left),
            cells(right, rounds.right),
            low_digit(left),
            low_digit(right),
        ]
    return made


def cells(digit, size):
    """Return which of 16 parts of the range a digit is in, and how much each part is expected."""
    parts = min(size, 16)
    bounds = -(-np.arange(parts + 1, dtype=object) * size // parts)
    shares = np.diff(bounds.astype(float)) / size
    return (
        digit * np.uint64(parts) // np.uint64(size)
        if size < 2**59
        else digit // np.uint64(size // parts)
    ).astype(np.intp), shares


def low_digit(number):
    return (number % np.uint64(10)).astype(np.intp), np.full(10, 0.1)


def even(cell):
    digit, shares = cell
    return stats.chisquare(np.bincount(digit, minlength=len(shares)), shares * len(digit)).pvalue


def independent(one, other):
    first, second = one[0], other[0]
    shares = np.outer(one[1], other[1]).ravel()
    counts = np.bincount(first * len(other[1]) + second, minlength=len(shares))
    return stats.chisquare(counts, shares * len(first)).pvalue


@pytest.mark.parametrize("start", [0, 123_457])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DOMAINS)
def test_pieces_are_even_and_pairs_of_them_independent(name, seed, start):
    made = pieces(name, seed, start=start)
    for piece in made:
        assert even(piece) > LEVEL
    for one, other in combinations(made[: len(DOMAINS[name])], 2):
        assert independent(one, other) > LEVEL


@pytest.mark.parametrize("distance", [1, 2, 10, 1000])
@pytest.mark.parametrize("name", DOMAINS)
def test_neighbours_are_independent(name, distance):
    made = pieces(name)
    for one in made:
        for other in made:
            before = one[0][:-distance], one[1]
            behind = other[0][distance:], other[1]
            assert independent(before, behind) > LEVEL


@pytest.mark.parametrize("name", DOMAINS)
def test_numbers_that_share_a_half_are_independent(name):
    rounds = keyed(DOMAINS[name])
    if 2 * rounds.right + RECORDS < min(rounds.size, 2**60):
        for one, other in zip(pieces(name), pieces(name, start=rounds.right), strict=True):
            assert independent(one, other) > LEVEL


@pytest.mark.parametrize("name", DOMAINS)
def test_seeds_vaults_and_kinds_are_unrelated(name):
    streams = [pieces(name, seed) for seed in SEEDS]
    streams += [pieces(name, vault="other"), pieces(name, kind="token")]
    for one, other in [*pairwise(streams), (streams[0], streams[3]), (streams[0], streams[4])]:
        for piece, same in zip(one, other, strict=True):
            assert independent(piece, same) > LEVEL


@pytest.mark.parametrize("name", ["card", "letters", "pin"])
def test_differences_of_neighbours_are_even(name):
    sizes = DOMAINS[name]
    rounds = keyed(sizes)
    numbers = numbers_of(rounds, np.arange(min(RECORDS, rounds.size // 5)))
    steps = (numbers[1:] + np.uint64(rounds.size) - numbers[:-1]) % np.uint64(rounds.size)
    assert even(cells(steps, rounds.size)) > LEVEL
    assert even(low_digit(steps)) > LEVEL


def test_a_share_that_is_off_by_a_twentieth_is_found():
    digit, shares = pieces("card")[3]
    digit[np.flatnonzero(digit == 7)[::20]] = 8
    assert even((digit, shares)) < LEVEL
