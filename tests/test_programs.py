"""What columns are compiled to: even draws, nothing twice, tokens of values, and what workers do."""

import errno
import hashlib
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from datetime import date
from math import prod
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mockdata.render import tables, task
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES, Columns, Rows
from mockdata.render.places import Place
from mockdata.render.renderers import renderer as renderer_of
from mockdata.render.steps import Days, Names, Numbers, PutText, Table, Texts
from mockdata.vaults.alias import SHARE_BITS, buckets, shares
from mockdata.vaults.catalogue import DEFAULT, READY_MADE
from mockdata.vaults.columns import Column
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Literal,
    Number,
    Reference,
    Same,
    Suffix,
    Uuid,
    Weighted,
)
from mockdata.vaults.resolve import Resolver

LEVEL = 1e-8
FOUR = {
    name: found.columns
    for name in DEFAULT
    for found in [Resolver(READY_MADE).resolve(READY_MADE[name])]
}
DIGIT = Choice(tuple("0123456789"))
LETTER = Choice(tuple("abcdefghijklmnopqrstuvwxyz"))
DAY = Date(date(1940, 1, 1), date(2010, 12, 31))
SSN = (
    Number(((1, 665), (667, 899)), 3),
    Literal("-"),
    Number(((1, 99),), 2),
    Literal("-"),
    Number(((1, 9999),), 4),
)


def pair(value, kept=(0, 0), **settings):
    value = Column("made", "value", tuple(value), **settings)
    return value, Column("made", "token", (Same(),), kept=kept, references=(value,), **settings)


def program(columns, seed=1, layout=CSV_LINES):
    return compile_program(columns, layout, seed=seed, timestamp=1_700_000_000)


def lines(columns, stop, seed=1, start=0):
    """Return the texts of each column."""
    made = program(columns, seed)
    renderer = renderer_of(made, 10_000)
    texts = [[] for _ in columns]
    for first in range(start, stop, 10_000):
        outputs = renderer.render(first, min(first + 10_000, stop))
        for column, output in zip(texts, outputs, strict=True):
            column.extend(bytes(output).decode().split("\n")[:-1])
            assert len(column) == min(first + 10_000, stop) - start
    return texts


SMALL = {
    "digits": [DIGIT] * 4,
    "prime": [Number(((1, 9_973),))],
    "dashed": [*[DIGIT] * 2, Literal("-"), LETTER, DIGIT],
    "luhn": [Literal("4"), *[DIGIT] * 4, CheckDigit()],
    "named": [Weighted("first_name"), Literal(" "), *[DIGIT] * 3],
    "day": [DAY],
    "one": [Literal("a")],
    "two": [Choice(("a", "bb"))],
    "gaps": [Number(((0, 3), (7, 7), (100, 120))), Literal("."), Number(((5, 8), (20, 30)), 2)],
    "large number": [Number(((7, 60_006),)), Literal("!")],
}


@pytest.mark.parametrize("name", SMALL)
def test_nothing_comes_twice_up_to_the_whole_capacity(name):
    value, token = pair(SMALL[name])
    capacity = prod(piece.size for piece in value.pieces if hasattr(piece, "size"))
    values, tokens = lines([value, token], capacity)
    assert len(set(values)) == len(set(tokens)) == capacity
    if name != "named":
        assert set(values) == set(tokens)
    again = lines([value], capacity + 5)[0]
    assert len(again) - len(set(again)) == 5 or name == "named"


@pytest.mark.slow
def test_twenty_million_social_security_numbers_differ():
    made = program([Column("ssn", "value", SSN)])
    assert prod(piece.size for piece in SSN[::2]) == 898 * 99 * 9999
    renderer, seen = renderer_of(made, 10_000), []
    for start in range(0, 20_000_000, 10_000):
        rows = np.frombuffer(renderer.render(start, start + 10_000)[0], np.uint8).reshape(-1, 12)
        digits = rows[:, [0, 1, 2, 4, 5, 7, 8, 9, 10]].astype(np.uint32) - ord("0")
        seen.append(digits @ 10 ** np.arange(8, -1, -1, dtype=np.uint32))
    assert len(np.unique(np.concatenate(seen))) == 20_000_000


def test_drawn_pieces_come_again():
    (texts,) = lines([Column("made", "value", (DIGIT,) * 4, repeats=True)], 10_000)
    counts = Counter(texts)
    assert 6_000 < len(counts) < 6_700  # of 10,000 draws out of 10,000: 1 - 1/e of them


def test_distinct_records_have_one_token_each():
    value, token = pair([*[DIGIT] * 6, Literal("-"), Weighted("last_name")], (1, 0), distinct=500)
    values, tokens = lines([value, token], 20_000)
    assert len(set(values)) == len(set(tokens)) == len(set(zip(values, tokens, strict=True))) == 500
    assert stats.chisquare([*Counter(values).values()]).pvalue > LEVEL


def test_a_token_keeps_what_it_is_told_to_and_no_more():
    value, token = pair([Literal("4"), *[DIGIT] * 14, CheckDigit()], (6, 4))
    values, tokens = lines([value, token], 200_000)
    assert len(set(tokens)) == len(tokens)
    kept = [(v[:6] + v[12:], t[:6] + t[12:]) for v, t in zip(values, tokens, strict=True)]
    assert all(a == b for a, b in kept)
    for k in range(6, 12):
        table = np.zeros((10, 10))
        for v, t in zip(values, tokens, strict=True):
            table[int(v[k]), int(t[k])] += 1
        assert stats.chisquare(table.ravel()).pvalue > LEVEL
    same = sum(v == t for v, t in zip(values, tokens, strict=True))
    assert same < 8  # 0.2 by chance


def test_a_token_is_the_value_itself_no_more_often_than_chance_has_it():
    value, token = pair([DIGIT, DIGIT])
    same = 0
    for seed in range(400):
        values, tokens = lines([value, token], 100, seed)
        same += sum(v == t for v, t in zip(values, tokens, strict=True))
    assert 300 < same < 500


def test_values_that_agree_in_what_is_kept_have_tokens_that_differ():
    value, token = pair([*[DIGIT] * 3, *[LETTER] * 1], (3, 0))
    values, tokens = lines([value, token], 26_000)
    assert len(set(tokens)) == 26_000
    maps = {}
    for v, t in zip(values, tokens, strict=True):
        maps.setdefault(v[:3], {})[v[3]] = t[3]
    assert all(set(m.values()) == set(LETTER.texts) for m in maps.values())
    assert len({tuple(sorted(m.items())) for m in maps.values()}) == 1000


def test_a_token_of_a_value_that_is_kept_elsewhere_has_a_check_digit_of_its_own():
    value, token = pair([*[DIGIT] * 4, CheckDigit(), Literal("-"), *[DIGIT] * 2], (2, 3))
    check = [t[:5] for t in lines([value, token], 1_000)[1]]
    for text in check:
        digits = [int(c) for c in reversed(text)]
        assert (sum(digits[::2]) + sum(2 * d - 9 * (d > 4) for d in digits[1::2])) % 10 == 0


# Draws.


@given(st.lists(st.integers(1, 10**6) | st.integers(1, 2**63), min_size=1, max_size=20))
def test_the_bias_of_draws_is_bounded(sizes):
    pieces = tuple(Number(((1, size),)) for size in sizes)
    made = program([Column("made", "value", pieces, repeats=True)])
    assert 0 < made.bias <= len(sizes) * 2**-18


def test_the_bias_of_the_four_vaults():
    biases = {name: program(columns).bias for name, columns in FOUR.items()}
    assert biases["name"] == 0
    assert max(biases.values()) == biases["ssn"] == 898 * 99 * 9999 / 2**48


@pytest.mark.parametrize(
    "pieces", [(DIGIT,) * 16, (Number(((0, 2**45),)),), (DAY, *[LETTER] * 4, DIGIT)]
)
def test_drawn_pieces_are_even(pieces):
    texts = lines([Column("made", "value", pieces, repeats=True)], 200_000)[0]
    for place in (-1, -2, -3):
        counts = [*Counter(text[place] for text in texts).values()]
        assert stats.chisquare(counts).pvalue > LEVEL
    pairs = [*Counter(text[-3] + text[-1] for text in texts).values()]
    assert stats.chisquare(pairs).pvalue > LEVEL


def test_weighted_pieces_and_even_ones_are_independent():
    """They would share bits if even pieces began with the first word regardless."""
    list_of = Weighted("list", "", tuple("abcdefgh"), (1,) * 8)
    pieces = (list_of, list_of, list_of, DIGIT, Literal("-"), Suffix())
    texts = lines([Column("made", "value", pieces)], 200_000)[0]
    for one, other in ((0, 3), (1, 3), (2, 3), (0, 1), (1, 2), (0, 2), (3, 5), (0, 5)):
        counts = [*Counter(text[one] + text[other] for text in texts).values()]
        assert stats.chisquare(counts).pvalue > LEVEL


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=300))
@settings(max_examples=50)
def test_a_sampler_gives_each_row_its_share(weights):
    table = buckets(weights)
    capacity = 2**SHARE_BITS // len(table)
    found = [0] * len(weights)
    for k, bucket in enumerate(table):
        size = (bucket >> 32) - k * capacity
        assert 0 <= size < capacity
        if size:
            found[bucket >> 16 & 0xFFFF] += size
        found[bucket & 0xFFFF] += capacity - size
    assert found == shares(weights)
    assert sum(found) == 2**32
    for share, weight in zip(found, weights, strict=True):
        assert abs(share - weight * 2**32 / sum(weights)) < 1


def test_a_uuid_is_one_and_never_repeats():
    texts = lines([Column("made", "value", (Uuid(),))], 50_000)[0]
    form = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(text) for text in texts)
    assert len(set(texts)) == 50_000
    for place in set(range(36)) - {8, 13, 14, 18, 19, 23}:
        assert stats.chisquare([*Counter(text[place] for text in texts).values()]).pvalue > LEVEL


# Tables.


def test_programs_are_compiled_without_numpy():
    script = (
        "import importlib, pkgutil, sys, mockdata.vaults\n"
        "for module in pkgutil.iter_modules(mockdata.vaults.__path__, 'mockdata.vaults.'):\n"
        "    importlib.import_module(module.name)\n"
        "from mockdata.pipeline.plan import plan_run\n"
        "from mockdata.render.compile import compile_program\n"
        "from mockdata.render.layout import CSV_LINES\n"
        "(vault,) = plan_run({'name': 1}).vaults\n"
        "made = compile_program(vault.resolved.columns, CSV_LINES, seed=1, timestamp=10**9)\n"
        "assert len(made.lines) == 2\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


def test_tables_have_the_texts_of_their_factors():
    days = tables.texts(Table((Days(date(2024, 2, 28).toordinal(), 3, "%d.%b %y%j"),)))
    assert [bytes(text) for text in days] == [b"28.Feb 24059", b"29.Feb 24060", b"01.Mar 24061"]
    product = Table((Numbers(((8, 11),), 2), Texts((b"-",)), Texts((b"a", b"b"))), b"\n", 1, 4)
    assert [bytes(text) for text in tables.texts(product)][:3] == [b"8-a\n", b"8-b\n", b"9-a\n"]
    names = tables.texts(Table((Names("first_name", "title"),), b"."))
    assert bytes(names[0]).rstrip(b"\0").decode() == bytes(names[0]).rstrip(b"\0").decode().title()
    assert tables.lengths(Table((Texts((b"a", b"bcd", "é".encode())),)), 1).tolist() == [2, 4, 3]


def test_merged_tables_are_as_large_as_they_may_be():
    steps = program([Column("made", "value", (DIGIT,) * 14)]).steps
    assert [step.table.width for step in steps if isinstance(step, PutText)] == [4, 4, 4, 4]


# Layouts.


def test_a_text_may_stand_before_different_literals():
    """It is widened by what stands behind it, for speed: at one place by this, elsewhere by that."""
    city = Column("other", "value", (Choice(("Ulm", "Rom", "Nis"), "city"),), repeats=True)
    of = Reference("other", "city")
    pieces = (of, Literal("!"), of, Literal("?"), of)
    texts = lines([Column("made", "value", pieces, repeats=True, references=(city,))], 1_000)[0]
    assert all(re.fullmatch(r"(Ulm|Rom|Nis)!\1\?\1", text) for text in texts)


def test_a_column_is_quoted_if_its_pattern_may_need_it_and_then_always():
    plain = Column("made", "value", (DIGIT,))
    comma = Column("made", "token", (Choice(("a", ",", '"')),))
    made = program([plain, comma])
    assert made.quoted == (False, True)
    renderer = renderer_of(made, 10)
    assert set(bytes(renderer.render(0, 3)[1]).decode().split("\n")) == {'"a"', '","', '""""', ""}
    assert program([plain, comma], layout=Columns()).quoted == (False, False)


def test_rows_have_as_many_literals_as_gaps():
    columns = [Column("made", side, (DIGIT,)) for side in ("a", "b", "c")]
    made = program(columns, layout=Rows(b"<", (b"|", b"/"), b">"))
    assert re.fullmatch(rb"<\d\|\d/\d>", bytes(renderer_of(made, 1).render(0, 1)[0]))
    with pytest.raises(ValueError, match="a row of 3 columns has 2 gaps, not 1"):
        program(columns, layout=Rows(b"<", (b"|",), b">"))


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ((0, 3), r"columns \(0, 3\) must be numbers from 0 to 2"),
        ((-1,), r"must be numbers from 0 to 2"),
        ((), r"must be numbers from 0 to 2"),
        ((1, 0, 1), r"columns \(1, 0, 1\) name one twice"),
    ],
)
def test_columns_of_rows_are_there_and_come_once(places, says):
    columns = [Column("made", side, (DIGIT,)) for side in ("a", "b", "c")]
    with pytest.raises(ValueError, match=says):
        program(columns, layout=Rows(b"<", b"|", b">", columns=places))


def test_rows_of_some_columns_have_as_many_literals_as_gaps():
    columns = [Column("made", side, (DIGIT,)) for side in ("a", "b", "c")]
    with pytest.raises(ValueError, match="a row of 2 columns has 1 gap, not 2"):
        program(columns, layout=Rows(b"<", (b"|", b"/"), b">", columns=(2, 0)))


# What a worker does.


def identity(path):
    status = os.stat(path)
    return status.st_dev, status.st_ino


@pytest.fixture
def places(tmp_path):
    paths = [str(tmp_path / name) for name in ("data", "tokens")]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"head\n")
    return [Place(path, identity(path), 5) for path in paths]


@pytest.mark.parametrize("batch", [1, 7, 300, 10_000, 25_000])
def test_a_worker_reports_the_bytes_of_each_batch(places, batch):
    made = program(FOUR["name"])
    sizes = task.render(made, 3, 12_003, places, batch)
    whole = [Path(place.path).read_bytes() for place in places]
    assert all(text.startswith(b"head\n") for text in whole)
    assert len(sizes) == -(-12_000 // batch)
    assert tuple(map(sum, zip(*sizes, strict=True))) == tuple(len(text) - 5 for text in whole)
    assert task.measure(made, 3, 12_003) == tuple(len(text) - 5 for text in whole)
    first = whole[0][5:].split(b"\n")
    assert sum(len(line) + 1 for line in first[:batch][: len(first) - 1]) == sizes[0][0]
    assert whole[0][5:].decode() == "".join(
        f"{text}\n" for text in lines(FOUR["name"], 12_003, start=3)[0]
    )


def test_a_place_has_to_be_the_file_that_it_was(places):
    task.render(program(FOUR["ssn"]), 0, 10, places)
    os.rename(places[1].path, places[0].path)
    with pytest.raises(OSError, match="another file") as caught:
        task.render(program(FOUR["ssn"]), 0, 10, [places[0], places[0]])
    assert caught.value.errno == errno.ESTALE
    assert caught.value.filename == places[0].path
    assert Path(places[0].path).read_bytes().count(b"\n") == 11  # its head and ten lines


def test_thirty_vaults_take_little_more_memory_than_four(places):
    def growth(count):
        made = [
            compile_program(
                [
                    Column(f"v{k}", side, (*SSN, Literal(f"-{k}-"), Suffix()))
                    for side in ("value", "token")
                ],
                CSV_LINES,
                seed=1,
                timestamp=1_700_000_000,
            )
            for k in range(count)
        ]
        sizes = []

        def work():
            before = psutil.Process().memory_info().rss
            for each in made * 2:
                task.render(each, 0, 20_000, places)
            sizes.append(psutil.Process().memory_info().rss - before)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return sizes[0]

    growth(4)
    assert growth(30) < task.KEPT_BYTES + 8 * 2**20


# The format: a digest here changes with the format's version only.

CARD = pair([Literal("4"), *[DIGIT] * 14, CheckDigit()], (6, 4))
OF_A_LIST = Weighted("list", "title", ("new", "old", "lost"), (5, 3, 1))
FORMAT = {
    "permuted": (CARD, "cb063877dcb680df8df24f5da7793eb3"),
    "drawn": (
        [Column("made", "value", (DIGIT,) * 20, repeats=True)],
        "2cc93fb518faa9bad122d7e89706e9e9",
    ),
    "large": (
        [Column("made", "value", (*[LETTER] * 20, Number(((5, 2**40),))))],
        "98f5af30f9eac421a807d7fddda38578",
    ),
    "walked": (
        [Column("made", "value", (Number(((1, 1_000_003), (2_000_000, 3_000_000))),))],
        "a96376107ef99239c3eb80d40dbbea81",
    ),
    "counted": (
        [Column("made", "value", (Uuid(), Literal("/"), OF_A_LIST, DIGIT, OF_A_LIST))],
        "98869071fb71548532e07b660e6c7d22",
    ),
    "distinct": (
        pair([OF_A_LIST, DAY, *[LETTER] * 3], (1, 1), distinct=70_000),
        "5b9aef6f634ee25cc8665c704e41f4e2",
    ),
    "same": (
        pair([OF_A_LIST, *[DIGIT] * 3, Suffix(), OF_A_LIST]),
        "61c8fac161f5d71c64141b99bededd21",
    ),
}


@pytest.mark.parametrize("name", FORMAT)
def test_the_format_stays(name):
    columns, digest = FORMAT[name]
    renderer = renderer_of(program(columns, seed=20_201_122), 10_000)
    made = hashlib.sha256()
    for start in (0, 700_000, 2**40 - 10_000):
        for output in renderer.render(start, start + 10_000):
            made.update(output)
    assert made.hexdigest()[:32] == digest
