"""What may be asked for, and what is said of anything else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockdata
from mockdata.pipeline.plan import MAX_COUNT, Plan
from mockdata.sinks import as_sink
from mockdata.vaults import VAULTS

from . import oracle

COUNTS = st.one_of(
    st.integers(1, MAX_COUNT),
    st.dictionaries(st.sampled_from([*VAULTS]), st.integers(1, MAX_COUNT), min_size=1),
)

WRONG = {
    "counts": [0, -1, MAX_COUNT + 1, 1.5, "1000", None, True, {}, {"name": 0}, {"nome": 1}, {"name": "5"},
               {1: 1}, [5], object()],
    "seed": [-1, 2**64, "7", 1.0, True],
    "timestamp": [0, 999_999_999, 10**10, "1700000000", -1_700_000_000, 1.7e9],
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
    assert isinstance(caught.value, ValueError)
    assert caught.value.argument.startswith(argument)
    assert list(tmp_path.iterdir()) == []
    if argument != "sink":
        with pytest.raises(mockdata.PlanError):
            mockdata.stream(**({"counts": 1} | {argument: value}))


@given(COUNTS, st.integers(1, 50))
def test_parts_join_to_the_whole_without_gap_or_overlap(counts, parts):
    whole = Plan.of(counts, 1, 1_700_000_000)
    cut = [Plan.of(counts, 1, 1_700_000_000, (number, parts)) for number in range(1, parts + 1)]
    for position, vault in enumerate(whole.vaults):
        ends = [(part.vaults[position].start, part.vaults[position].stop) for part in cut]
        assert ends[0][0] == 0
        assert ends[-1][1] == vault.stop
        assert all(before[1] == after[0] for before, after in pairwise(ends))


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 10**5))
def test_ranges_cover_a_vault_once(start, records, size):
    vault = Plan.of({"ssn": MAX_COUNT}, 1).vaults[0]
    cut = type(vault)(vault.vault, vault.key, start, start + records)
    covered = start
    for first, stop in cut.ranges(size):
        assert first == covered
        assert 0 < stop - first <= size
        covered = stop
    assert covered == start + records


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
    plans = [Plan.of(1) for _ in range(3)]
    assert len({plan.seed for plan in plans}) == 3
    assert all(len(str(plan.timestamp)) == 10 for plan in plans)


def test_vaults_come_in_one_order_however_they_are_named():
    assert [v.name for v in Plan.of({"ssn": 1, "name": 1}).vaults] == ["name", "ssn"]


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
