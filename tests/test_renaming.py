"""How CSV files get their names: all of a run or none, whatever happens meanwhile."""

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import mockdata
from mockdata.sinks import _files
from mockdata.sinks._files import FolderLock
from mockdata.sinks.csv import CsvSink
from mockdata.sinks.folder import _Files

from .conftest import FILES, kept, kept_files, when_written


async def test_one_vaults_trouble_keeps_every_vault_from_being_renamed(earlier):
    folder, _ = earlier
    (folder / "ssn_tokens.csv").unlink()
    (folder / "ssn_tokens.csv").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        await mockdata.generate(100, sink=folder)
    assert caught.value.filename == str(folder / "ssn_tokens.csv")
    assert (folder / "id_data.csv").read_text().startswith("earlier")
    assert {file.name for file in folder.iterdir()} == FILES


async def test_trouble_in_renaming_puts_back_what_was_renamed_of_every_vault(
    earlier, way_of_renaming
):
    folder, _ = earlier
    before = kept(folder)
    in_the_way = folder / "ssn_tokens.csv"

    def get_in_the_way():
        in_the_way.unlink()
        in_the_way.mkdir()

    with pytest.raises(IsADirectoryError) as caught:
        await mockdata.generate(100, sink=folder, on_progress=when_written("ssn", get_in_the_way))
    assert caught.value.filename == str(in_the_way)
    in_the_way.rmdir()
    del before[in_the_way.name]
    assert kept(folder) == before


async def test_trouble_behind_the_last_renaming_puts_everything_back(
    earlier, way_of_renaming, monkeypatch
):
    folder, unchanged = earlier
    end, missing = FolderLock.end, folder / "dob_data.csv"
    earlier_day = missing.read_text()
    missing.unlink()

    def fail(self):
        monkeypatch.setattr(FolderLock, "end", end)
        assert not any(text.startswith(b"earlier") for text in kept_files(folder).values())
        raise OSError(errno.EIO, os.strerror(errno.EIO), "x")

    monkeypatch.setattr(FolderLock, "end", fail)
    with pytest.raises(OSError, match="Input/output"):
        await mockdata.generate(10, sink=folder)
    assert not missing.exists()
    missing.write_text(earlier_day)
    assert unchanged()


async def test_data_and_tokens_are_renamed_together_or_not_at_all(earlier, way_of_renaming):
    folder, unchanged = earlier

    def remove():
        for file in folder.glob(".ssn_tokens*"):
            file.unlink()

    for existed in (True, False):
        if not existed:
            (folder / "ssn_data.csv").unlink()
        with pytest.raises(FileNotFoundError) as caught:
            await mockdata.generate(
                {"ssn": 5}, sink=folder, on_progress=when_written("ssn", remove)
            )
        assert caught.value.filename == str(folder / "ssn_tokens.csv")
        assert unchanged() == existed
    assert not (folder / "ssn_data.csv").exists()
    assert len(list(folder.iterdir())) == 7


async def test_a_cancellation_that_comes_when_files_are_renamed_is_the_next_awaits(
    earlier, monkeypatch
):
    folder, _ = earlier
    reports, rename, loop = [], _Files._rename, asyncio.get_running_loop()

    def cancel_too(self):
        rename(self)
        loop.call_soon_threadsafe(run.cancel)

    async def generate():
        reports.append(await mockdata.generate(500, sink=folder))
        await asyncio.Event().wait()

    monkeypatch.setattr(_Files, "_rename", cancel_too)
    run = asyncio.ensure_future(generate())
    with pytest.raises(asyncio.CancelledError):
        await run
    assert reports[0].records == 2000
    assert not any(file.read_bytes().startswith(b"earlier") for file in folder.iterdir())
    assert len(list(folder.iterdir())) == 8


async def test_a_run_renames_nothing_while_another_one_does(earlier, monkeypatch):
    folder, _ = earlier
    rename, at_it, go_on = _Files._rename, threading.Event(), threading.Event()

    def rename_slowly(self):
        monkeypatch.setattr(_Files, "_rename", rename)
        at_it.set()
        go_on.wait()
        rename(self)

    monkeypatch.setattr(_Files, "_rename", rename_slowly)
    one = asyncio.ensure_future(mockdata.generate(10, sink=folder))
    await asyncio.to_thread(at_it.wait)
    monkeypatch.setattr("mockdata.sinks.folder.LOCK_WAIT", 0.1)
    with pytest.raises(OSError, match="another run is renaming") as caught:
        await mockdata.generate({"id": 5}, sink=folder)
    assert caught.value.filename == str(folder)
    assert {f.name for f in folder.iterdir() if "tmp" not in f.name} == FILES | {".mockdata-lock"}
    go_on.set()
    await one
    assert {f.name for f in folder.iterdir()} == FILES


async def test_a_run_that_begins_while_files_are_renamed_takes_none_for_left_over(
    earlier, way_of_renaming, monkeypatch
):
    folder, unchanged = earlier
    end = FolderLock.end

    def begin_another_and_fail(self):
        monkeypatch.setattr(FolderLock, "end", end)
        with pytest.raises(OSError, match="another run"):
            mockdata.generate_sync({"id": 5}, sink=folder)
        raise OSError(errno.EIO, os.strerror(errno.EIO), "x")

    monkeypatch.setattr(FolderLock, "end", begin_another_and_fail)
    monkeypatch.setattr("mockdata.sinks.folder.LOCK_WAIT", 0.1)
    with pytest.raises(OSError, match="Input/output"):
        await mockdata.generate(10, sink=folder)
    assert unchanged()


def pipe(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)


def device(path):
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("when", ["at the start", "meanwhile"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [(pipe, "FIFO"), (unix_socket, "socket"), (device, "device"), (Path.mkdir, "directory")],
)
async def test_what_is_no_file_is_not_replaced(earlier, way_of_renaming, make, kind, when):
    folder, _ = earlier
    place = folder / "ssn_data.csv"
    place.unlink()
    before = kept(folder)
    places = []

    def occupy():
        make(place)

    def look(progress):
        places.append(progress)
        if when == "meanwhile" and progress.vault == "ssn" and progress.records:
            occupy()

    if when == "at the start":
        occupy()
    mode = place.lstat().st_mode if when == "at the start" else None
    with pytest.raises(OSError, match=kind) as caught:
        await mockdata.generate(100, sink=folder, on_progress=look)
    assert caught.value.filename == str(place)
    assert bool(places) == (when == "meanwhile")
    assert mode in (None, place.lstat().st_mode)
    (place.rmdir if place.is_dir() else place.unlink)()
    assert kept(folder) == before


@pytest.mark.parametrize("when", ["at the start", "meanwhile"])
async def test_files_that_are_there_are_kept_if_they_are_to_be(tmp_path, way_of_renaming, when):
    place, begun = tmp_path / "ssn_tokens.csv", []

    def look(progress):
        begun.append(progress)
        if when == "meanwhile" and progress.vault == "ssn" and progress.records:
            place.write_text("mine")

    if when == "at the start":
        place.write_text("mine")
    with pytest.raises(FileExistsError) as caught:
        await mockdata.generate(100, sink=CsvSink(tmp_path, clobber=False), on_progress=look)
    assert caught.value.filename == str(place)
    assert caught.value.filename2 is None
    assert bool(begun) == (when == "meanwhile")
    assert kept(tmp_path) == {"ssn_tokens.csv": b"mine"}


async def test_a_file_that_comes_between_a_look_and_the_renaming_is_kept(
    tmp_path, way_of_renaming, monkeypatch
):
    look, place = _files.check_place, tmp_path / "id_tokens.csv"

    def look_too_early(path, *, clobber):
        is_there = look(path, clobber=clobber)
        if path == str(place):
            place.write_text("mine")
        return is_there

    monkeypatch.setattr(_files, "check_place", look_too_early)
    with pytest.raises(FileExistsError) as caught:
        await mockdata.generate({"id": 5}, sink=CsvSink(tmp_path, clobber=False))
    assert str(caught.value) == f"[Errno {errno.EEXIST}] File exists: {str(place)!r}"
    assert kept(tmp_path) == {"id_tokens.csv": b"mine"}


async def test_files_that_are_not_there_are_made_where_none_may_be_replaced(
    tmp_path, way_of_renaming
):
    await mockdata.generate(10, sink=CsvSink(tmp_path, clobber=False))
    assert kept(tmp_path).keys() == FILES


WITHOUT_CTYPES = """
import sys

sys.modules["_ctypes"] = None
import mockdata

for seed in (1, 2):
    mockdata.generate_sync(5, sink="data", seed=seed)
print(sorted(__import__("os").listdir("data")))
"""


def test_a_python_without_ctypes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CTYPES], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.stderr == b""
    assert done.stdout.decode() == f"{sorted(FILES)}\n"
