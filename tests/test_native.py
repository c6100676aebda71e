"""The compiled renderer: it takes no program that it could not run, and is chosen by its name."""

import datetime as dt
import hashlib
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockdata.errors import PlanError
from mockdata.render import renderers
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES, Columns, json_objects
from mockdata.render.native_tables import packed
from mockdata.render.permute import Rounds
from mockdata.render.steps import INDEX, Days
from mockdata.vaults.catalogue import READY_MADE
from mockdata.vaults.dates import spelled
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.vault import Vault

from .test_golden import GOLDEN, RUN
from .test_renderer import COLUMNS, SEED, TIMESTAMP, columns_of

native = pytest.importorskip(
    "mockdata.render.native",
    reason="the compiled renderer is not built: pip install -e . builds it",
)

LISTED = Vault(
    "listed",
    "{place} {index:5,3} {suffix} [0-9]{12}{luhn}",
    "{place}{uuid}{luhn}",
    lists={"place": {"Ulm": 5, "Bonn": 1, "x" * 20: 2, "Rom": 9}},
)
LONG = Vault("long", "{text}{luhn}", "{same}", lists={"text": ["1" * 40, "2" * 90, "3,4"]})
CARD = Vault("card", "4[0-9]{14}{luhn}", "{same:6,4}", distinct=1_000)


def columns_of_vault(vault):
    resolved = Resolver({vault.name: vault}).resolved(vault.name)
    return resolved.columns


PACKED = [
    native.pack(compile_program(columns, layout, seed=SEED, timestamp=TIMESTAMP))
    for columns, layout in [
        *[(columns_of(name), CSV_LINES) for name in ("ssn", "name", "card", "npi", "email")],
        *[(columns_of_vault(vault), Columns(b"")) for vault in (LISTED, LONG, CARD)],
        (columns_of("address"), json_objects(["a", "b"])),
    ]
]


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("kind", [*renderers.RENDERERS, "narrow"])
def test_golden_digests_are_of_every_renderer(name, kind, monkeypatch):
    resolved = Resolver(READY_MADE).resolved(name)
    program = compile_program(resolved.columns, CSV_LINES, **RUN)
    if kind == "narrow":
        renderer = native.renderer(program, 10_000, wide=False)
        assert not renderer.wide
    else:
        monkeypatch.setenv(renderers.VARIABLE, kind)
        renderer = renderers.renderer(program, 10_000)
        module = "_native" if kind == "native" else "numpy_renderer"
        assert type(renderer).__module__ == f"mockdata.render.{module}"
    digests = [hashlib.sha256(), hashlib.sha256()]
    for first in range(0, 30_001, 10_000):
        outputs = renderer.render(first, min(first + 10_000, 30_001))
        for digest, lines in zip(digests, outputs, strict=True):
            digest.update(lines)
    assert tuple(digest.hexdigest()[:32] for digest in digests) == GOLDEN[name]


def words_of(packed):
    return array("Q", packed[0])


def run(words, blobs, capacity=20):
    """Make and run whatever is no ValueError, either way; return whether it was none."""
    (has_run,) = {run_as(wide, words, blobs, capacity) for wide in (True, False)}
    return has_run


def run_as(wide, words, blobs, capacity):
    try:
        renderer = native.Renderer(bytes(words), tuple(blobs), capacity, wide)
    except ValueError:
        return False
    for first in (0, 2**40 - capacity):
        outputs = renderer.render(first, first + capacity)
        sizes = renderer.measure(first, first + capacity)
        assert len(sizes) == len(outputs)
        for number in range(len(outputs)):
            ends = renderer.ends(number, capacity)
            assert [*ends] == sorted(ends)
            assert ends[-1] <= outputs[number].nbytes or not outputs[number]
            bytes(outputs[number])
    return True


@pytest.mark.parametrize("packed", PACKED)
def test_what_is_packed_runs(packed):
    assert run(*packed)


ODD_WORDS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 2**64 - 1),
    st.sampled_from([2**32 - 1, 2**32, 2**40, 2**48 - 1, 2**48, 2**63 - 1, 2**63, 2**64 - 1]),
)


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(PACKED), st.lists(st.tuples(st.integers(0), ODD_WORDS), max_size=4), st.data()
)
def test_no_program_reads_or_writes_where_it_must_not(packed, changes, data):
    """Programs with words, lengths or tables of others; under a sanitizer, a wrong byte is fatal."""
    words, blobs = words_of(packed), [*packed[1]]
    for at, word in changes:
        words[at % len(words)] = word
    cut = data.draw(st.sampled_from([None, None, None, *range(1, 40)]))
    words = words[:-cut] if cut else words
    if blobs and data.draw(st.booleans()):
        number = data.draw(st.integers(0, len(blobs) - 1))
        blob = bytearray(blobs[number])
        match data.draw(st.sampled_from(["cut", "change", "swap", "drop"])):
            case "cut":
                del blob[data.draw(st.integers(0, len(blob))) :]
            case "change":
                blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
            case "swap":
                blob[:] = data.draw(st.sampled_from(blobs))
            case "drop":
                del blobs[number]
        if number < len(blobs):
            blobs[number] = bytes(blob)
    run(words.tobytes(), blobs)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PACKED), st.binary(max_size=400))
def test_no_bytes_are_a_program_by_chance(packed, content):
    assert not run(content, packed[1])
    head = struct.pack("5Q", 1, 3, 0, 1, 1)
    run(head + content[: len(content) // 8 * 8], packed[1])


@given(st.lists(COLUMNS, min_size=1, max_size=2), st.data())
@settings(max_examples=100, deadline=None)
def test_a_wrong_word_in_any_program(columns, data):
    program = compile_program(columns, Columns(), seed=SEED, timestamp=TIMESTAMP)
    words, blobs = native.pack(program)
    words = array("Q", words)
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(ODD_WORDS)
    run(words.tobytes(), blobs)


def permuting(size, left, right, keys):
    """Return a program that permutes the index and writes a half of what it becomes."""
    scatter = [native.SCATTER, 0, 7 + len(keys), 1, 2, INDEX, 0, size, left, right, *keys]
    output = [1, native.KINDS["number"], 1, 0]
    return array("Q", [native.VERSION, 3, 0, 1, 1, *scatter, *output]).tobytes()


@given(st.integers(1, 2**63), st.integers(0))
def test_halves_that_a_domain_is_split_into_are_taken(size, seed):
    rounds = Rounds.keyed(seed, "made", "value", [size])
    assert run(permuting(size, rounds.left, rounds.right, rounds.keys), ())


@pytest.mark.parametrize(
    ("size", "left", "right"), [(1, 2**62, 1), (2**61, 2**62, 1), (5, 1, 6), (7, 4, 2)]
)
def test_halves_that_would_have_an_index_permuted_without_an_end_are_refused(size, left, right):
    with pytest.raises(ValueError, match="halves are too large"):
        native.Renderer(permuting(size, left, right, [1, 2]), (), 20)


def made(capacity=100, name="ssn"):
    program = compile_program(columns_of(name), CSV_LINES, seed=SEED, timestamp=TIMESTAMP)
    return native.renderer(program, capacity)


@pytest.mark.parametrize("indices", [(0, 101), (5, 4), (2**40, 2**40 + 1), (-1, 5), (2**64, 1)])
def test_ranges_that_it_cannot_render_are_refused(indices):
    for call in (made().render, made().measure):
        with pytest.raises((ValueError, OverflowError)):
            call(*indices)


@pytest.mark.parametrize("asked", [(2, 1), (-1, 1), (0, 101), (0, -1)])
def test_ends_that_there_are_not_are_refused(asked):
    with pytest.raises(ValueError):
        made().ends(*asked)


@pytest.mark.parametrize("capacity", [0, -1, 2**24 + 1])
def test_a_capacity_that_is_none_is_refused(capacity):
    words, blobs = PACKED[0]
    with pytest.raises(ValueError):
        native.Renderer(words, blobs, capacity)


def test_tables_are_bytes():
    """Nothing else is sure to stay as it is while it is read."""
    words, blobs = PACKED[0]
    with pytest.raises(TypeError):
        native.Renderer(words, [*blobs], 10)
    with pytest.raises(ValueError, match="not of bytes"):
        native.Renderer(words, (bytearray(blobs[0]), *blobs[1:]), 10)


def test_lines_outlive_their_renderer_and_cannot_be_changed():
    renderer = made()
    lines = renderer.render(0, 100)[0]
    copy = bytes(lines)
    del renderer
    assert lines == copy
    assert lines.readonly


def test_renderers_leave_no_memory_behind():
    words, blobs = PACKED[1]
    wrong = words[:-8]

    def use():
        for _ in range(50):
            renderer = native.Renderer(words, blobs, 100)
            renderer.render(0, 100), renderer.measure(0, 100), renderer.ends(0, 100)
            with pytest.raises(ValueError):
                native.Renderer(wrong, blobs, 100)

    tracemalloc.start()
    try:
        use()
        before = tracemalloc.get_traced_memory()[0]
        use()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_a_renderer_is_of_one_thread_at_a_time():
    """Another thread is refused, or its turn comes later: no lines are mixed up."""
    renderer = made(10_000, "name")
    expected = [bytes(lines) for lines in renderer.render(0, 10_000)]
    problems = []

    def use():
        for _ in range(50):
            try:
                if [*map(len, renderer.render(0, 10_000))] != [*map(len, expected)]:
                    problems.append("lines are mixed up")
            except RuntimeError as error:
                if "another thread" not in str(error):
                    problems.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert [bytes(lines) for lines in renderer.render(0, 10_000)] == expected


def test_the_command_renders_without_numpy(tmp_path):
    code = (
        "import sys; from mockdata.command.cli import main;"
        f"code = main(['1000', '--quiet', '--output', {str(tmp_path)!r}]);"
        "assert 'numpy' not in sys.modules; sys.exit(code)"
    )
    environment = os.environ | {renderers.VARIABLE: "native"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    assert len([*tmp_path.iterdir()]) == 8


def test_without_the_extension_numpy_renders(monkeypatch):
    monkeypatch.setitem(sys.modules, "mockdata.render._native", None)
    monkeypatch.delattr("mockdata.render._native", raising=False)
    monkeypatch.delenv(renderers.VARIABLE, raising=False)
    renderers.is_built.cache_clear()
    try:
        assert renderers.chosen() == "numpy"
        monkeypatch.setenv(renderers.VARIABLE, "native")
        with pytest.raises(PlanError, match=r"MOCKDATA_RENDERER: .*C compiler"):
            renderers.chosen()
    finally:
        renderers.is_built.cache_clear()


@pytest.mark.parametrize("words", [("5",), ("--version",)])
def test_an_unknown_renderer_is_wrong_use_in_one_line(words, mockdata_command, tmp_path):
    environment = os.environ | {renderers.VARIABLE: "fortran"}
    ended = mockdata_command(*words, env=environment)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "MOCKDATA_RENDERER: 'fortran' is no renderer: native or numpy" in ended.stderr
    assert not [*tmp_path.iterdir()]


@settings(deadline=None)
@given(
    first=st.dates(),
    size=st.integers(1, 3_000),
    form=st.sampled_from(
        ["%Y-%m-%d", "%d %b %y", "%d", "né le %d.%m.%Y (%d%b)", "%b", "%j/%Y", "%Y%j%d"]
    ),
)
def test_a_table_of_days_has_each_day_as_it_is_spelled_alone(first, size, form):
    size = min(size, (dt.date.max - first).days + 1)
    table = packed((Days(first.toordinal(), size, form),))
    texts = "".join([spelled(first + dt.timedelta(k), form) for k in range(size)]).encode()
    assert (table.rows, table.rows * table.width) == (size, len(texts))
    assert table.content[: len(texts)] == texts
