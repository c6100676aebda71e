"""What may be asked for, and what is said of anything else."""

import asyncio
import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockdata
from mockdata.pipeline.plan import MAX_COUNT, checked_workers, plan_run
from mockdata.sinks import as_sink

from . import oracle, typed
from .conftest import VAULTS

COUNTS = st.one_of(
    st.integers(1, MAX_COUNT),
    st.dictionaries(st.sampled_from([*VAULTS]), st.integers(1, MAX_COUNT), min_size=1),
)

WRONG = {
    "counts": [0, -1, MAX_COUNT + 1, 1.5, "1000", None, True, {}, {"name": 0}, {"nome": 1}, {"name": "5"},
               {1: 1}, [5], object(), {"x" * 500: 1}, "a\nb"],
    "vaults": [[], {}, iter(()), 5, [5]],
    "seed": [-1, 2**64, "7", 1.0, True],
    "timestamp": [0, 999_999_999, 10**10, "1700000000", -1_700_000_000, 1.7e9],
    "start": [-1, MAX_COUNT, 1.5, "5", None, True, {"name": -1}, {"nome": 1}, {"name": MAX_COUNT}, {1: 1},
              [5], object()],
    "part": [(0, 1), (2, 1), (1,), 1, (1, 2, 3), "1/2", (1.0, 2), (-1, -1), None, (1, 0)],
    "workers": [0, -1, 1.5, "2", 10**6, True],
    "rate": [0, -1, -0.5, 0.0, "5", True, [5], float("nan"), float("inf"), 10**400, 1j],
    "sink": ["", None, 5, object(), b"data", ["data"]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value"),
    [(a, v) for a, vs in WRONG.items() for v in vs if not (a == "sink" and v is None)],
)
async def test_wrong_values_are_refused_in_one_line_that_names_the_argument(
    argument, value, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments = {"counts": 1, "workers": 1} | {argument: value}
    with pytest.raises(mockdata.PlanError) as caught:
        await mockdata.generate(arguments.pop("counts"), **arguments)
    assert str(caught.value).startswith(argument)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert isinstance(caught.value, ValueError)
    assert caught.value.argument.startswith(argument)
    assert list(tmp_path.iterdir()) == []
    if argument != "sink":
        with pytest.raises(mockdata.PlanError):
            mockdata.stream(**({"counts": 1} | {argument: value}))


@pytest.mark.parametrize("argument", ["counts", "seed", "timestamp", "start", "workers"])
def test_a_number_that_is_too_long_to_be_shown_is_refused_all_the_same(argument):
    with pytest.raises(mockdata.PlanError, match=f"^{argument}: int object is not"):
        mockdata.generate_sync(**{"counts": 1, argument: 10**5000})


STARTS = st.one_of(
    st.integers(0, MAX_COUNT),
    st.dictionaries(st.sampled_from([*VAULTS]), st.integers(0, MAX_COUNT)),
)


@st.composite
def plans(draw):
    """Draw counts and starts that fit together."""
    counts = draw(COUNTS)
    named = counts if isinstance(counts, dict) else dict.fromkeys(VAULTS, counts)
    room = MAX_COUNT - max(named.values())
    some = st.dictionaries(st.sampled_from([*named]), st.integers(0, room))
    return counts, draw(st.one_of(st.integers(0, room), some))


@given(plans(), st.integers(1, 50))
def test_parts_join_to_the_whole_without_gap_or_overlap(drawn, parts):
    counts, start = drawn
    run = {"seed": 1, "timestamp": 1_700_000_000, "start": start}
    whole = plan_run(counts, **run)
    cut = [plan_run(counts, **run, part=(number, parts)) for number in range(1, parts + 1)]
    for position, vault in enumerate(whole.vaults):
        ends = [(part.vaults[position].start, part.vaults[position].stop) for part in cut]
        assert ends[0][0] == vault.start
        assert ends[-1][1] == vault.stop
        assert all(before[1] == after[0] for before, after in pairwise(ends))


@given(plans())
def test_a_run_begins_where_it_is_told_and_makes_what_it_is_told(drawn):
    counts, start = drawn
    for vault in plan_run(counts, start=start).vaults:
        assert vault.start == (start.get(vault.name, 0) if isinstance(start, dict) else start)
        assert vault.records == (counts[vault.name] if isinstance(counts, dict) else counts)


@given(COUNTS, STARTS)
def test_no_index_is_beyond_the_end(counts, start):
    counted = counts if isinstance(counts, dict) else dict.fromkeys(VAULTS, counts)
    starts = start if isinstance(start, dict) else dict.fromkeys(counted, start)
    ends = [starts.get(name, 0) + count for name, count in counted.items()]
    if max(ends) > MAX_COUNT or not starts.keys() <= counted.keys():
        with pytest.raises(mockdata.PlanError, match=r"^start"):
            plan_run(counts, start=start)
    else:
        stops = [vault.stop for vault in plan_run(counts, start=start).vaults]
        assert sorted(stops) == sorted(ends)


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 10**5))
def test_ranges_cover_a_vault_once(start, records, size):
    vault = plan_run({"ssn": MAX_COUNT}, seed=1).vaults[0]
    cut = type(vault)(vault.resolved, start, start + records)
    covered = start
    for first, stop in cut.ranges(size):
        assert first == covered
        assert 0 < stop - first <= size
        covered = stop
    assert covered == start + records


@pytest.mark.parametrize("start", [MAX_COUNT - 1, {"ssn": MAX_COUNT - 1}])
def test_the_far_end_can_be_started_from(start):
    seen = []
    mockdata.generate_sync({"ssn": 1}, start=start, sink=seen.append)
    assert [(batch.start, len(batch)) for batch in seen] == [(MAX_COUNT - 1, 1)]


def test_the_far_end_of_the_range_can_be_made():
    seen = []
    mockdata.generate_sync({"ssn": MAX_COUNT}, part=(MAX_COUNT, MAX_COUNT), sink=seen.append)
    assert [(batch.start, len(batch)) for batch in seen] == [(MAX_COUNT - 1, 1)]


@pytest.mark.parametrize("vault", VAULTS)
def test_records_at_the_far_end_are_what_they_have_to_be(vault):
    parts = MAX_COUNT // 15_000
    seen = []
    mockdata.generate_sync(
        {vault: MAX_COUNT}, part=(parts, parts), sink=seen.append, seed=2, timestamp=1_700_000_000
    )
    start, records = seen[0].start, [record for batch in seen for record in batch]
    assert start + len(records) == MAX_COUNT
    for kind, texts in zip(("value", "token"), zip(*records, strict=True), strict=True):
        key = oracle.key(2, vault, kind)
        found = [oracle.index_of(text[-16:], *key) for text in texts]
        assert found == list(range(start, MAX_COUNT))
    for index in (start, MAX_COUNT - 1):
        assert records[index - start] == oracle.record(vault, 2, 1_700_000_000, index)


def test_seed_and_timestamp_are_made_where_none_is_given():
    runs = [plan_run(1) for _ in range(3)]
    assert len({run.seed for run in runs}) == 3
    assert all(len(str(run.timestamp)) == 10 for run in runs)


def test_vaults_come_in_one_order_however_they_are_named():
    assert [v.name for v in plan_run({"ssn": 1, "name": 1}).vaults] == ["name", "ssn"]


def test_errors_are_one_tree():
    assert issubclass(mockdata.PlanError, mockdata.MockDataError)
    assert issubclass(mockdata.WorkerError, mockdata.MockDataError)
    assert not issubclass(mockdata.WorkerError, ValueError)


def test_a_sink_is_recognised(tmp_path):
    assert type(as_sink(tmp_path)).__name__ == "CsvSink"
    assert type(as_sink(print)).__name__ == "CallbackSink"
    sink = mockdata.StdoutSink()
    assert as_sink(sink) is sink
    with pytest.raises(mockdata.PlanError, match="sink"):
        as_sink(None)


@pytest.mark.parametrize(("name", "nearest"), [("nome", "name"), ("SNN", "ssn"), ("doob", "dob")])
def test_an_unknown_vault_is_answered_with_the_nearest_one(name, nearest):
    with pytest.raises(mockdata.PlanError, match=f"did you mean {nearest}"):
        plan_run({name: 1})


def test_what_is_like_no_vault_is_answered_with_all_of_them():
    with pytest.raises(
        mockdata.PlanError, match=r"'xyzzy' is not one of name, id, dob, ssn, .*, uuid$"
    ):
        plan_run({"xyzzy": 1})


def test_a_word_is_compared_only_where_it_is_unknown():
    script = (
        "import sys; from mockdata.command.arguments import parse; parse(['ssn=5']); "
        "sys.exit('difflib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


async def rows():
    yield


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sink": rows}, "sink: rows is a generator function"),
        ({"sink": object()}, "sink: object object is not the path of a folder"),
        ({"sink": 10**5000}, "sink: int object is not the path of a folder"),
        ({"executor": rows}, "executor: rows is not a concurrent.futures.Executor"),
        ({"on_progress": asyncio.sleep}, "on_progress: sleep is async; give a plain function"),
        ({"on_progress": object()}, "on_progress: object object is not callable"),
    ],
)
async def test_a_message_names_what_was_given_and_shows_no_address(arguments, says):
    with pytest.raises(mockdata.PlanError, match=re.escape(says)):
        await mockdata.generate({"id": 1}, **{"sink": print} | arguments)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="PYTHON_CPU_COUNT came with Python 3.13")
@pytest.mark.parametrize(("count", "workers"), [("1", 1), ("3", 3), ("64", 8)])
def test_workers_are_as_many_as_the_variable_for_cpus_says(count, workers):
    script = "from mockdata.pipeline.plan import checked_workers; print(checked_workers(None))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHON_CPU_COUNT": count},
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == workers


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a CPU"
)
def test_workers_are_as_many_as_the_cpus_that_may_be_used():
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        assert checked_workers(None) == 1
    finally:
        os.sched_setaffinity(0, cpus)
    assert checked_workers(None) == min(8, len(cpus))
    assert checked_workers(1000) == 1000


def test_what_a_type_checker_takes_is_taken():
    assert typed.run() == [4, 1, 1, 1, 2, 2]
    with pytest.raises(mockdata.PlanError, match="3 is not one of"):
        typed.run_wrongly()
