"""The same seed and timestamp give the same bytes: for ever, and however they are made.

A digest here changes with the format's version only.
"""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

import mockdata
from mockdata.pipeline import producers
from mockdata.sinks.stdout import StdoutSink
from mockdata.testing import ListSink

RUN = {"seed": 20_201_122, "timestamp": 1_700_000_000}
COUNTS = {"name": 30_001, "id": 30_001, "dob": 30_001, "ssn": 30_001}

GOLDEN = {
    "name": ("03ef24b9dd6c9727c04827a4652eb17e", "32368172bf09236bdccf16bd0a9cb275"),
    "id": ("a9eac597052a5cdcba51aeca5c24ba2e", "6cc764a724a4954bde0fe61866839af9"),
    "dob": ("631efe821ad581ddc46c7a861cbd72ee", "cf1e3e3a8b359f37fcbe38d22f4ef712"),
    "ssn": ("bdedf2c7053436a5dad9cb4b8f437486", "bcdc0503a42a92858fb2b52f31f7e6da"),
}


@pytest.fixture
def many_tasks(monkeypatch):
    """Cut each vault into several tasks; as it comes, one of this size is a single one."""
    monkeypatch.setattr(producers, "FILE_TASK", 4_000)
    monkeypatch.setattr(producers, "LARGE_FILE_TASK", 4_000)
    monkeypatch.setattr(producers, "SLAB_TASK", 2_000)
    monkeypatch.setattr(producers, "BATCH", 2_000)


def digests(lines):
    """Return vault to the digests of its data lines and token lines."""
    return {
        name: tuple(hashlib.sha256(part).hexdigest()[:32] for part in parts)
        for name, parts in lines.items()
    }


def from_list(sink):
    return digests({vault: sink.lines(vault) for vault in COUNTS})


def from_folder(folder):
    """Read the files of a folder; the header lines are checked and left out."""
    lines = {}
    for name, (column, token_column) in {
        "name": ("full_name", "full_name_token"),
        "id": ("id", "id_token"),
        "dob": ("dob", "dob_token"),
        "ssn": ("ssn", "ssn_token"),
    }.items():
        data = (folder / f"{name}_data.csv").read_bytes()
        tokens = (folder / f"{name}_tokens.csv").read_bytes()
        assert data.startswith(f"{column}\n".encode())
        assert tokens.startswith(f"{token_column}\n".encode())
        lines[name] = data[len(column) + 1 :], tokens[len(token_column) + 1 :]
    return digests(lines)


async def test_a_small_run():
    sink = ListSink()
    await mockdata.generate(COUNTS, sink=sink, **RUN)
    assert from_list(sink) == GOLDEN


@pytest.mark.parametrize("workers", [1, 2, 8])
async def test_any_number_of_workers(pooled, many_tasks, workers, tmp_path):
    sink = ListSink()
    await mockdata.generate(COUNTS, sink=sink, workers=workers, **RUN)
    assert from_list(sink) == GOLDEN
    await mockdata.generate(COUNTS, sink=tmp_path / "out", workers=workers, **RUN)
    assert from_folder(tmp_path / "out") == GOLDEN


@pytest.mark.parametrize(
    ("size", "batch"), [(10_000, 10_000), (30_000, 3_000), (777, 111), (70, 7)]
)
async def test_any_size_of_task_and_batch(monkeypatch, size, batch, tmp_path):
    monkeypatch.setattr(producers, "FILE_TASK", size)
    monkeypatch.setattr(producers, "LARGE_FILE_TASK", size)
    monkeypatch.setattr(producers, "SLAB_TASK", size)
    monkeypatch.setattr(producers, "BATCH", batch)
    monkeypatch.setattr("mockdata.render.task.BATCH", batch)
    sink = ListSink(batch_size=batch)
    await mockdata.generate(COUNTS, sink=sink, **RUN)
    for batches in sink.batches.values():
        assert {len(made) for made in batches[:-1]} == {batch}
    assert from_list(sink) == GOLDEN
    await mockdata.generate(COUNTS, sink=tmp_path / "out", **RUN)
    assert from_folder(tmp_path / "out") == GOLDEN


async def test_an_executor_of_ones_own(many_tasks, tmp_path):
    with ThreadPoolExecutor(3) as executor:
        sink = ListSink()
        await mockdata.generate(COUNTS, sink=sink, executor=executor, **RUN)
        assert from_list(sink) == GOLDEN
        await mockdata.generate(COUNTS, sink=tmp_path / "out", executor=executor, **RUN)
        assert from_folder(tmp_path / "out") == GOLDEN


@pytest.mark.parametrize("workers", [1, 2, 8])
async def test_a_stream(pooled, many_tasks, workers):
    lines = {vault: (bytearray(), bytearray()) for vault in COUNTS}
    async with mockdata.stream(COUNTS, workers=workers, **RUN) as batches:
        assert (batches.seed, batches.timestamp) == (RUN["seed"], RUN["timestamp"])
        async for batch in batches:
            lines[batch.vault][0].extend(batch.data_lines)
            lines[batch.vault][1].extend(batch.token_lines)
    assert digests(lines) == GOLDEN


def test_where_no_loop_runs():
    sink = ListSink()
    mockdata.generate_sync(COUNTS, sink=sink, **RUN)
    assert from_list(sink) == GOLDEN


@pytest.mark.parametrize("workers", [1, 2, 8])
async def test_standard_output(pooled, many_tasks, workers, monkeypatch):
    class Out:
        buffer = io.BytesIO()

    monkeypatch.setattr("sys.stdout", Out)
    await mockdata.generate(COUNTS, sink=StdoutSink(), workers=workers, **RUN)
    header, *rows = Out.buffer.getvalue().decode().split("\n")
    assert header == "vault,value,token"
    assert rows.pop() == ""
    lines = {vault: ([], []) for vault in COUNTS}
    for row in rows:
        vault, value, token = row.split(",")
        lines[vault][0].append(value)
        lines[vault][1].append(token)
    assert list(lines) == list(dict.fromkeys(row.split(",")[0] for row in rows))
    joined = {
        v: tuple("".join(f"{t}\n" for t in texts).encode() for texts in both)
        for v, both in lines.items()
    }
    assert digests(joined) == GOLDEN


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
async def test_parts_joined(parts):
    sinks = [ListSink() for _ in range(parts)]
    for number, sink in enumerate(sinks, 1):
        await mockdata.generate(COUNTS, sink=sink, part=(number, parts), **RUN)
    joined = {}
    for vault in COUNTS:
        data, tokens = zip(*(sink.lines(vault) for sink in sinks), strict=True)
        joined[vault] = b"".join(data), b"".join(tokens)
    assert digests(joined) == GOLDEN
