"""CSV files: complete or absent, data and tokens together."""

import asyncio
import csv
import errno
import fcntl
import itertools
import os
import stat
import sys
from pathlib import Path

import anyio
import psutil
import pytest

import mockdata
from mockdata.pipeline import producers
from mockdata.render.estimate import NAMES
from mockdata.sinks.csv import CsvSink

from .conftest import FILES, RUN, kept


@pytest.mark.parametrize("count", [1, 7, 9_999, 10_001])
async def test_a_run_leaves_the_files_and_nothing_else(either, tmp_path, count):
    report = await mockdata.generate(count, sink=tmp_path / "out", **RUN)
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    for name, vault in report.vaults.items():
        data = (tmp_path / "out" / f"{name}_data.csv").read_bytes()
        tokens = (tmp_path / "out" / f"{name}_tokens.csv").read_bytes()
        assert data.count(b"\n") == tokens.count(b"\n") == count + 1
        assert data.endswith(b"\n")
        assert b"\r" not in data + tokens
        assert b'"' not in data + tokens
        assert (len(data), len(tokens)) == (vault.data_bytes, vault.token_bytes)


@pytest.mark.parametrize(
    ("records", "task"), [(30_000, 10_000), (160_000, 10_000), (180_000, 11_000), (199_000, 12_000)]
)
async def test_tasks_grow_with_the_run_up_to_a_limit(tmp_path, monkeypatch, records, task):
    monkeypatch.setattr(producers, "BATCH", 1_000)
    monkeypatch.setattr(producers, "FILE_TASK", 10_000)
    monkeypatch.setattr(producers, "LARGE_FILE_TASK", 12_000)
    seen = []
    await mockdata.generate({"id": records}, sink=tmp_path, on_progress=seen.append)
    steps = [after.records - before.records for before, after in itertools.pairwise(seen)]
    assert set(steps[:-1]) == {task}
    assert sum(steps) == records


async def test_earlier_files_are_replaced_and_those_of_other_vaults_left_alone(earlier):
    folder, _ = earlier
    await mockdata.generate({"ssn": 5, "id": 5}, sink=folder)
    assert {file.name for file in folder.iterdir()} == FILES
    for file in folder.iterdir():
        made = file.name.split("_")[0] in {"ssn", "id"}
        assert file.read_text().startswith("earlier") != made


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")


@pytest.mark.parametrize("failing", ["render", "measure"])
async def test_a_failed_run_leaves_earlier_files_as_they_were(
    either, earlier, monkeypatch, failing
):
    folder, unchanged = earlier
    monkeypatch.setattr(f"mockdata.pipeline.producers.{failing}", full)
    with pytest.raises(OSError) as caught:
        await mockdata.generate(30_000, sink=folder)
    assert caught.value.errno == errno.ENOSPC
    assert unchanged()


async def test_a_cancelled_run_leaves_earlier_files_as_they_were(either, earlier):
    folder, unchanged = earlier
    reached = asyncio.Event()

    def watch(progress):
        if progress.records:
            reached.set()

    task = asyncio.ensure_future(mockdata.generate(199_000, sink=folder, on_progress=watch))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unchanged()


async def test_runs_that_share_a_sink_do_not_mix(tmp_path):
    sink = CsvSink(tmp_path)
    await asyncio.gather(*(mockdata.generate({v: 500}, sink=sink) for v in ("id", "ssn", "dob")))
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("folder", ["missing/data", "file/data", "file"])
async def test_a_folder_that_cannot_be_is_an_os_error_with_its_name(tmp_path, folder):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError) as caught:
        await mockdata.generate(1, sink=tmp_path / folder)
    assert str(tmp_path / folder) in str(caught.value.filename)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


async def test_a_new_folder_goes_with_a_run_that_fails(tmp_path):
    def fail(_):
        raise KeyError

    with pytest.raises(KeyError):
        await mockdata.generate(10, sink=tmp_path / "new", on_progress=fail)
    assert list(tmp_path.iterdir()) == []


async def test_files_have_the_users_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        await mockdata.generate({"id": 1}, sink=tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out" / "id_data.csv").stat().st_mode) == 0o640


async def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "out" / "id_data.csv").symlink_to(tmp_path / "elsewhere")
    await mockdata.generate({"id": 1}, sink=tmp_path / "out")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "out" / "id_data.csv").is_symlink()


async def test_a_part_with_no_records_is_two_header_lines(tmp_path):
    await mockdata.generate({"id": 1}, part=(1, 2), sink=tmp_path / "out")
    assert (tmp_path / "out" / "id_data.csv").read_text() == "id\n"
    assert (tmp_path / "out" / "id_tokens.csv").read_text() == "id_token\n"


LOCKING = """
import asyncio, sys, mockdata

async def main():
    told = asyncio.Event()

    def tell(progress):
        if progress.records and not told.is_set():
            told.set()
            print("under way", flush=True)

    # At a rate that keeps it busy for minutes, of records that have room on any disk.
    await mockdata.generate(1_000_000, sink=sys.argv[1], rate=20_000, workers=2, on_progress=tell)

asyncio.run(main())
"""


async def test_what_a_killed_run_leaves_is_removed_by_the_next_and_nothing_else(tmp_path):
    folder = tmp_path / "data"
    runs = []
    for _ in range(2):
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOCKING, folder, stdout=asyncio.subprocess.PIPE
        )
        assert await run.stdout.readline() == b"under way\n"
        runs.append(run)
    (folder / ".name_data.csv.mine").write_text("not ours")
    before = {file.name for file in folder.iterdir()}
    assert len(before) == 17
    killed, alive = runs
    workers = psutil.Process(killed.pid).children()
    killed.kill()
    await killed.wait()
    psutil.wait_procs(workers, timeout=2)
    await mockdata.generate({"id": 1}, sink=folder)
    left = {file.name for file in folder.iterdir()} - {"id_data.csv", "id_tokens.csv"}
    assert len(left) == 9
    assert ".name_data.csv.mine" in left
    alive.terminate()
    await alive.wait()
    await killed.communicate()
    await alive.communicate()


async def test_a_folder_that_somebody_has_locked(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    await mockdata.generate(10, sink=tmp_path)
    await mockdata.generate(10, sink=tmp_path)
    os.close(folder)
    assert {file.name for file in tmp_path.iterdir()} == FILES


async def test_pipes_with_the_names_of_leftovers_are_left_alone(tmp_path):
    os.mkfifo(tmp_path / ".id_data.csv.00000000.mockdata-tmp")
    await mockdata.generate({"id": 1}, sink=tmp_path)
    assert (tmp_path / "id_data.csv").exists()


async def test_two_runs_into_one_folder_never_mix(tmp_path):
    async def run(seed):
        for _ in range(5):
            await mockdata.generate(
                2_000, sink=tmp_path / "out", seed=seed, timestamp=1_700_000_000
            )

    async with anyio.create_task_group() as group:
        for seed in (1, 2, 3):
            group.start_soon(run, seed)
    assert {f.name for f in (tmp_path / "out").iterdir()} == FILES
    wholes = []
    for seed in (1, 2, 3):
        await mockdata.generate(2_000, sink=tmp_path / "w", seed=seed, timestamp=1_700_000_000)
        wholes.append({f.name: f.read_bytes() for f in (tmp_path / "w").iterdir()})
    for vault in ("name", "id", "dob", "ssn"):
        pair = [
            (tmp_path / "out" / f"{vault}_{kind}.csv").read_bytes() for kind in ("data", "tokens")
        ]
        assert pair in [
            [whole[f"{vault}_{kind}.csv"] for kind in ("data", "tokens")] for whole in wholes
        ]


async def test_parts_without_headers_are_the_whole_one_after_the_other(either, tmp_path):
    sizes = {"name": 30_001, "ssn": 5}
    await mockdata.generate(sizes, sink=CsvSink(tmp_path / "whole", header=False), **RUN)
    await mockdata.generate(sizes, sink=CsvSink(tmp_path / "headed"), **RUN)
    for k in (1, 2, 3):
        part = CsvSink(tmp_path / str(k), header=False)
        await mockdata.generate(sizes, sink=part, part=(k, 3), **RUN)
    whole, headed = kept(tmp_path / "whole"), kept(tmp_path / "headed")
    parts = [kept(tmp_path / str(k)) for k in (1, 2, 3)]
    assert whole == {name: b"".join(part[name] for part in parts) for name in whole}
    assert whole == {name: text.partition(b"\n")[2] for name, text in headed.items()}


async def test_no_header_and_no_records_is_an_empty_file(tmp_path):
    await mockdata.generate({"id": 1}, part=(1, 2), sink=CsvSink(tmp_path, header=False))
    assert kept(tmp_path) == {"id_data.csv": b"", "id_tokens.csv": b""}


@pytest.mark.parametrize(
    ("source", "names"), [("first_name", "first_names"), ("last_name", "surnames")]
)
def test_the_width_of_names_is_the_censuss(source, names):
    with (Path(__file__).parent / "census" / f"{names}_2020.csv").open() as file:
        rows = [(row["name"], int(row["count"])) for row in csv.DictReader(file)]
    mean = sum(len(name) * n for name, n in rows) / sum(n for _, n in rows)
    assert pytest.approx(mean, abs=0.0006) == NAMES[source]


@pytest.mark.parametrize("fsync", [True, False])
async def test_files_and_folders_reach_the_disk_if_asked(tmp_path, monkeypatch, fsync):
    steps, sync = [], os.fsync

    def synced(file):
        sync(file)
        steps.append(os.path.basename(os.readlink(f"/proc/self/fd/{file}")))

    def named(*arguments, **options):
        steps.append("renaming")
        return renaming(*arguments, **options)

    renaming = mockdata.sinks.folder.put_in_place
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(mockdata.sinks.folder, "put_in_place", named)
    await mockdata.generate(10, sink=CsvSink(tmp_path / "out", fsync=fsync))
    if not fsync:
        assert set(steps) == {"renaming"}
        return
    first, last = steps.index("renaming"), len(steps) - steps[::-1].index("renaming")
    assert {step[1:].rpartition(".csv")[0] + ".csv" for step in steps[:8]} == FILES
    assert steps[8:first] == [tmp_path.name, ".mockdata-lock", "out"]
    assert steps[last:] == ["out", ".mockdata-lock"]
    assert kept(tmp_path / "out").keys() == FILES


@pytest.mark.parametrize("left", [0, -1, -5, "a line"])
@pytest.mark.parametrize("name", sorted(FILES))
async def test_a_file_that_is_cut_short_gets_no_name(earlier, name, left):
    folder, unchanged = earlier

    def cut(progress):
        if progress.vault == name.split("_")[0] and progress.records == 50:
            (file,) = folder.glob(f".{name}.*")
            content = file.read_bytes()
            line = len(content.splitlines(keepends=True)[-1])
            os.truncate(file, len(content[: -line if left == "a line" else left]))

    with pytest.raises(OSError, match="cut short") as caught:
        await mockdata.generate(50, sink=folder, on_progress=cut)
    assert caught.value.filename == str(folder / name)
    assert unchanged()


async def test_a_file_that_is_replaced_gets_no_name(earlier):
    folder, unchanged = earlier

    def replace(progress):
        if progress.records == 50:
            (file,) = folder.glob(f".{progress.vault}_data.csv.*")
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)

    with pytest.raises(OSError, match="replaced during the run") as caught:
        await mockdata.generate({"id": 50}, sink=folder, on_progress=replace)
    assert caught.value.filename == str(folder / "id_data.csv")
    for left in folder.glob(".*"):
        left.unlink()  # which is somebody else's
    assert unchanged()


@pytest.mark.parametrize("ending", ["", "/"])
async def test_a_current_folder_that_changes_meanwhile(either, tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    await mockdata.generate(
        50_000, sink=f"out{ending}", on_progress=lambda _: os.chdir(tmp_path / "elsewhere")
    )
    assert kept(tmp_path / "out").keys() == FILES
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("folder", [".", "out", "out/", "../here/out", "absolute"])
async def test_an_error_shows_a_file_as_the_user_knows_it(tmp_path, monkeypatch, folder):
    (tmp_path / "here" / "out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    if folder == "absolute":
        folder = str(tmp_path / "here" / "out")

    def remove(progress):
        os.chdir(tmp_path)
        for file in (tmp_path / "here").glob("**/.id_tokens*") if progress.records else ():
            file.unlink()

    with pytest.raises(FileNotFoundError) as caught:
        await mockdata.generate({"id": 5}, sink=folder, on_progress=remove)
    assert caught.value.filename == os.path.join(folder, "id_tokens.csv")
    assert str(caught.value).endswith(f"{caught.value.filename!r}")


async def test_a_current_folder_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError, match="the current folder is gone: 'out'"):
        await mockdata.generate({"id": 5}, sink="out")
    await mockdata.generate({"id": 5}, sink=tmp_path / "out")
    assert len(kept(tmp_path / "out")) == 2
