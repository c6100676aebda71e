"""Programs against the oracle: whatever the pieces, the layout, the block and the place."""

import csv
import datetime
import io
import itertools
import json
import pickle
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mockdata
from mockdata.render import numpy_renderer
from mockdata.render.compile import compile_program
from mockdata.render.layout import Columns, Rows
from mockdata.render.outputs import made_output
from mockdata.render.renderers import is_built
from mockdata.vaults.catalogue import Known
from mockdata.vaults.columns import Column
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Literal,
    Number,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.resolve import Resolver

from .expressions import expression_of
from .oracle_patterns import Run

SEED, TIMESTAMP = 7, 1_700_000_000
RENDERERS = [numpy_renderer.renderer]
if is_built():
    from mockdata.render import native

    RENDERERS += [native.renderer, partial(native.renderer, wide=False)]

DIGIT = Choice(tuple("0123456789"))
LETTER = Choice(tuple("abcdefghijklmnopqrstuvwxyz"))

CHARACTERS = st.sampled_from("abZ09,\"\\ -;é€😀'{}")
TEXTS = st.text(CHARACTERS, max_size=20)


@st.composite
def numbers(draw):
    if draw(st.booleans()):
        width = draw(st.integers(1, 19))
        return Number(((0, 10**width - 1 if width < 19 else 2**63 - 1),), width)
    bounds = sorted(
        draw(
            st.sets(
                st.integers(0, draw(st.sampled_from([30, 10**4, 10**9, 2**63 - 1]))),
                min_size=2,
                max_size=6,
            )
        )
    )
    ranges = tuple(zip(bounds[::2], bounds[1::2], strict=False))
    width = draw(st.sampled_from([0, len(str(ranges[-1][1]))]))
    return Number(ranges, width)


@st.composite
def dates(draw):
    first = draw(st.dates(datetime.date(1, 1, 1), datetime.date(9990, 1, 1)))
    last = first + datetime.timedelta(draw(st.integers(0, 2_000)))
    form = draw(st.sampled_from(["%Y-%m-%d", "%d %b %Y", "%y%j", '"%m/%d/%Y"', "%b, %d"]))
    return Date(first, last, form)


@st.composite
def lists(draw):
    texts = tuple(draw(st.lists(TEXTS, min_size=1, max_size=30)))
    weights = tuple(draw(st.lists(st.integers(1, 10**6), min_size=len(texts), max_size=len(texts))))
    return Weighted("list", draw(st.sampled_from(["", "lower", "title"])), texts, weights)


EVENS = st.one_of(
    st.sampled_from([DIGIT, DIGIT, LETTER]),
    st.lists(TEXTS, min_size=1, max_size=12).map(lambda texts: Choice(tuple(texts))),
    numbers(),
    dates(),
)

PIECES = st.one_of(
    TEXTS.map(Literal),
    st.just(Timestamp()),
    EVENS,
    EVENS,
    st.builds(
        Weighted,
        st.sampled_from(["first_name", "last_name"]),
        st.sampled_from(["", "lower", "title"]),
    ),
    lists(),
    st.sampled_from([Suffix(), Uuid(), Index(), Index(5, 7), CheckDigit(), CheckDigit("80840")]),
)


def is_never_empty(pieces):
    """Whether one of the pieces always has a text: the language refuses lines that may be empty."""
    return any("" not in getattr(p, "texts", ()) and p != Literal("") for p in pieces)


COLUMNS = st.builds(
    Column,
    st.uuids().map(str),
    st.sampled_from(["value", "token"]),
    st.lists(PIECES, min_size=1, max_size=8).map(tuple).filter(is_never_empty),
    st.sampled_from([None, None, 1, 100, 2**40]),
    st.booleans(),
)

STARTS = st.one_of(
    st.integers(0, 100), st.integers(2**40 - 200, 2**40 - 64), st.integers(0, 2**40 - 64)
)


def rendered(columns, layout, start, count, seed=SEED):
    """Return a program, and the bytes that every renderer there is makes of it."""
    program = compile_program(columns, layout, seed=seed, timestamp=TIMESTAMP)
    made = [rendered_by(renderer(program, 64), start, count) for renderer in RENDERERS]
    assert all(lines == made[0] for lines in made)
    return program, made[0]


def rendered_by(renderer, start, count):
    lines = [bytes(output) for output in renderer.render(start, start + count)]
    assert renderer.measure(start, start + count) == [len(output) for output in lines]
    renderer.render(start, start + count)
    for number, output in enumerate(lines):
        ends = [*renderer.ends(number, count)]
        assert ends[-1] == len(output)
        offsets = [*renderer.offsets(number, count, 7).cast("B").cast("i")]
        batches = [[0, *ends][first : first + 8] for first in range(0, count, 7)]
        assert offsets == [end - batch[0] for batch in batches for end in batch]
        pieces = [output[a:b] for a, b in itertools.pairwise([0, *ends])]
        assert "".join(p.decode() for p in pieces) == output.decode()
    return lines


def expected(columns, start, count, seed=SEED):
    run = Run(seed, TIMESTAMP)
    return [[run.text(column, start + k) for column in columns] for k in range(count)]


@given(st.lists(COLUMNS, min_size=1, max_size=2), STARTS, st.integers(1, 20))
@settings(max_examples=400)
def test_a_program_renders_what_the_oracle_spells(columns, start, count):
    texts = expected(columns, start, count)
    _, lines = rendered(columns, Columns(), start, count)
    for number, output in enumerate(lines):
        assert output.decode().split("\n")[:-1] == [row[number] for row in texts]


@given(st.lists(COLUMNS, min_size=1, max_size=3), STARTS, st.integers(1, 20))
@settings(max_examples=200)
def test_rows_read_back_by_a_csv_reader_are_the_texts(columns, start, count):
    texts = expected(columns, start, count)
    program, (rows,) = rendered(columns, Rows(b"", b",", b"\n", "csv"), start, count)
    assert [*csv.reader(io.StringIO(rows.decode(), newline=""), strict=True)] == texts
    for k, quoted in enumerate(program.quoted):
        assert quoted or not any(set(',"\r\n') & set(row[k]) for row in texts)
    _, lines = rendered(columns, Columns(escape="csv"), start, count)
    for number, output in enumerate(lines):
        read = csv.reader(io.StringIO(output.decode(), newline=""), strict=True)
        assert [text for (text,) in read] == [row[number] for row in texts]


@given(st.data(), st.lists(COLUMNS, min_size=1, max_size=4), STARTS, st.integers(1, 20))
@settings(max_examples=100)
def test_rows_have_the_columns_that_are_asked_for_in_their_order(data, columns, start, count):
    """The texts are those of a row of all columns: the others have no part in them."""
    order = data.draw(st.permutations(range(len(columns))))
    order = tuple(order[: data.draw(st.integers(1, len(order)))])
    layout = Rows(b"", b",", b"\n", "csv", order)
    program, (rows,) = rendered(columns, layout, start, count)
    texts = [[row[place] for place in order] for row in expected(columns, start, count)]
    assert [*csv.reader(io.StringIO(rows.decode(), newline=""), strict=True)] == texts
    assert len(program.quoted) == len(columns)


@given(COLUMNS, COLUMNS, STARTS, st.integers(1, 20))
@settings(max_examples=200)
def test_rows_read_back_as_json_are_the_texts(value, token, start, count):
    layout = Rows(b'{"value":"', b'","token":"', b'"}\n', "json")
    _, (rows,) = rendered([value, token], layout, start, count)
    read = [json.loads(row) for row in rows.decode().split("\n")[:-1]]
    assert [[row["value"], row["token"]] for row in read] == expected([value, token], start, count)


@given(st.lists(COLUMNS, min_size=1, max_size=2), STARTS, st.integers(1, 20))
@settings(max_examples=200)
def test_texts_without_line_ends_are_found_by_where_they_end(columns, start, count):
    program = compile_program(columns, Columns(end=b""), seed=SEED, timestamp=TIMESTAMP)
    texts = columns_in(expected(columns, start, count))
    for renderer in (make(program, 64) for make in RENDERERS):
        outputs = [bytes(output) for output in renderer.render(start, start + count)]
        ends = [[0, *renderer.ends(number, count)] for number in range(len(outputs))]
        assert texts == [
            [output[a:b].decode() for a, b in itertools.pairwise(of)]
            for output, of in zip(outputs, ends, strict=True)
        ]


@given(st.lists(COLUMNS, min_size=1, max_size=2), STARTS)
@settings(max_examples=50)
def test_blocks_join(columns, start):
    program, whole = rendered(columns, Columns(), start, 60)
    blocks = [(start + k, min(start + k + 7, start + 60)) for k in range(0, 60, 7)]
    for renderer in (make(program, 7) for make in RENDERERS):
        made = [[bytes(output) for output in renderer.render(*block)] for block in blocks]
        assert [b"".join(outputs) for outputs in zip(*made, strict=True)] == whole


def test_buffers_are_planned_in_one_pass_over_the_steps():
    """Each of these pieces varies in length, since CSV doubles a quote."""
    column = Column("v", "value", (Choice(("a", '"')),) * 200, repeats=True)
    program = compile_program([column], Columns(b"\n", "csv"), seed=SEED, timestamp=TIMESTAMP)
    passes = []

    class Steps(tuple):
        __slots__ = ()

        def __iter__(self):
            passes.append(len(self))
            return super().__iter__()

    made_output(program.lines[0], 0, Steps(program.steps), 64)
    assert len(passes) == 1


@given(st.lists(COLUMNS, min_size=1, max_size=2))
@settings(max_examples=50)
def test_a_program_travels_and_stays_one_object(columns):
    program = compile_program(columns, Columns(), seed=SEED, timestamp=TIMESTAMP)
    sent = pickle.dumps(program)
    arrived = pickle.loads(sent)
    assert pickle.loads(sent) is arrived
    assert arrived.steps == program.steps
    assert arrived.lines == program.lines
    assert arrived.digest == program.digest


@pytest.mark.parametrize("make", RENDERERS)
def test_a_piece_that_is_always_empty(make):
    """It has registers, though a line needs none of them: more than the packed program has words."""
    column = Column("made", "value", (Index(0, 1), Choice(("",))))
    program = compile_program([column], Columns(end=b""), seed=SEED, timestamp=TIMESTAMP)
    assert make(program, 4).render(8, 12) == [b"891011"]


def columns_in(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def vault(value, kept, token, **settings):
    value = Column("made", "value", tuple(value), **settings)
    return value, Column("made", "token", token, kept=kept, references=(value,), **settings)


@st.composite
def vaults_with_same(draw):
    value = draw(st.lists(st.one_of(PIECES, EVENS), min_size=1, max_size=9))
    left = draw(st.integers(0, len(value)))
    right = draw(st.integers(0, len(value) - left))
    token = draw(st.sampled_from([(Same(),), (Literal("T-"), Same(), DIGIT)]))
    return vault(
        value,
        (left, right),
        token,
        distinct=draw(st.sampled_from([None, 50])),
        repeats=draw(st.booleans()),
    )


@given(vaults_with_same(), STARTS, st.integers(1, 20))
@settings(max_examples=400)
def test_tokens_of_the_values_own_pattern(pair, start, count):
    _, lines = rendered(pair, Columns(), start, count)
    texts = expected(pair, start, count)
    assert [output.decode().split("\n")[:-1] for output in lines] == [
        list(c) for c in zip(*texts, strict=True)
    ]


FIELDS = st.sampled_from(["value", "token", "number", "date", "city", "first"])


@given(
    st.lists(
        st.one_of(
            PIECES,
            st.builds(Reference, st.just("other"), FIELDS, st.sampled_from(["", "lower", "title"])),
        ),
        min_size=1,
        max_size=6,
    ),
    STARTS,
    st.sampled_from([None, 30]),
    st.sampled_from([None, 40]),
)
@settings(max_examples=200)
def test_references_are_what_the_other_vault_has_at_the_same_index(pieces, start, distinct, others):
    city = Choice(("Ulm", "Bonn", "Rom"), "city")
    first = Weighted("first_name", "", (), (), "first")
    date = Date(datetime.date(2000, 1, 1), datetime.date(2000, 12, 31))
    value = (first, Literal("-"), city, DIGIT, Number(((0, 9),), 1), Number(((0, 99),), 2), date)
    other = Column("other", "value", value, others)
    token = Column("other", "token", (Same(),), others, kept=(1, 2), references=(other,))
    column = Column("made", "value", tuple(pieces), distinct, references=(other, token))
    _, lines = rendered([column, other], Columns(), start, 20)
    texts = expected([column, other], start, 20)
    assert [output.decode().split("\n")[:-1] for output in lines] == [
        list(c) for c in zip(*texts, strict=True)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 70_000])
def test_a_list_of_any_size(size):
    texts = tuple(f"text {k}" for k in range(size))
    even = Column("made", "value", (Choice(texts), Literal("."), DIGIT))
    weighted = Column("made", "token", (Weighted("list", "", texts, tuple(range(1, size + 1))),))
    _, lines = rendered([even, weighted], Columns(), 0, 60)
    assert [o.decode().split("\n")[:-1] for o in lines] == [
        list(c) for c in zip(*expected([even, weighted], 0, 60), strict=True)
    ]


CLINIC = mockdata.read_vaults(Path(__file__).parent.parent / "examples" / "clinic.toml")
KNOWN = Known(CLINIC)


def columns_of(name):
    """Return the columns of a definition."""
    return Resolver(KNOWN).resolve(KNOWN[name]).columns


@pytest.mark.parametrize("name", KNOWN)
def test_definitions_render_what_the_oracle_spells(name):
    columns = columns_of(name)
    starts = (0, 9_000) if columns[0].capacity else (0, 9_000, 2**40 - 60)
    for start in starts:
        texts = expected(columns, start, 60)
        _, lines = rendered(columns, Columns(), start, 60)
        assert [output.decode().split("\n")[:-1] for output in lines] == columns_in(texts)
        _, (rows,) = rendered(columns, Rows(b"", b",", b"\n", "csv"), start, 60)
        assert [*csv.reader(io.StringIO(rows.decode(), newline=""), strict=True)] == texts
        for column, column_texts in zip(columns, columns_in(texts), strict=True):
            form = expression_of(Resolver(KNOWN), KNOWN[name], column.side)
            assert all(form.fullmatch(text) for text in column_texts)
