"""After CSV files could not be renamed, put back or removed, or their run was killed."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mockdata
from mockdata.sinks.csv import CsvSink

from .conftest import FILES, kept, kept_files, when_written


@pytest.mark.parametrize("for_good", [False, True])
async def test_a_renaming_that_fails_half_way_leaves_the_earlier_file(
    earlier, way_of_renaming, monkeypatch, for_good
):
    folder, unchanged = earlier
    replace, last = os.replace, str(folder / "ssn_tokens.csv")

    def fail(one, other):
        if other == last and (for_good or b"earlier" not in Path(one).read_bytes()):
            raise OSError(errno.EIO, os.strerror(errno.EIO), one)
        replace(one, other)

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr("mockdata.sinks._files._renamed", lambda *_: False)
    with pytest.raises(OSError, match="Input/output") as caught:
        await mockdata.generate(10, sink=folder)
    assert caught.value.filename == last
    monkeypatch.undo()
    if for_good and not os.path.exists(last):  # it could not be put back either
        assert any("Input/output" in note for note in caught.value.__notes__)
        with pytest.raises(FileExistsError):
            await mockdata.generate(10, sink=CsvSink(folder, clobber=False))
    assert unchanged()


KILLED = """
import errno, itertools, os, pathlib, signal, sys
import mockdata, mockdata.render.task, mockdata.sinks.folder
from mockdata.sinks import _files

way, after = sys.argv[1:]
folder = pathlib.Path("data")
names = ["id_data.csv", "id_tokens.csv", "ssn_data.csv", "ssn_tokens.csv"]

def refuse(path, *_, **__):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

if way != "exchange":
    _files._renamed = lambda *_: False
if way == "rename":
    os.link = refuse

def die_at(point):
    points = itertools.count(1)

    def deadly(step):
        def call(*arguments, **options):
            if next(points) == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **options)
        return call

    for name in ("rename", "replace", "link", "unlink", "ftruncate", "close"):
        setattr(os, name, deadly(getattr(os, name)))
    _files._renamed = deadly(_files._renamed)

def run(counts, kill_at=0):
    child = os.fork()
    if not child:
        die_at(kill_at)
        mockdata.generate_sync(counts, sink="data", seed=7, timestamp=1700000000)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code == 0

def kept():
    return {file.name: file.read_text() for file in folder.iterdir()}

def begin():
    for name in kept():
        (folder / name).unlink()
    for name in names[:3]:
        (folder / name).write_text(f"earlier {name}")
    return kept()

def survives(point):
    earlier = begin()
    if run({"id": 50, "ssn": 50}, point):
        assert kept() == new, kept().keys()
        return False
    is_done = new.items() <= kept().items()
    assert is_done or {*earlier.values()} <= {*kept().values()}
    if after == "a file of the user's":
        (folder / names[0]).unlink(missing_ok=True)
        (folder / names[0]).write_text("mine")
    else:
        run({"dob": 1}, point % 7)  # the run that puts back may be killed as well
    assert run({"dob": 1})
    found = kept()
    assert {"dob_data.csv", "dob_tokens.csv"} == found.keys() - {*names}, found.keys()
    found = {name: text for name, text in found.items() if name in names}
    if after == "a file of the user's":
        assert found[names[0]] == "mine"
        earlier[names[0]] = "mine"
        assert found in (earlier, new | {names[0]: "mine"}), point
    else:
        assert found in (earlier, new), point
    return True

assert run({"id": 50, "ssn": 50})
new = kept()
print(next(point for point in itertools.count(1) if not survives(point)))
"""


@pytest.mark.parametrize("after", ["nothing", "a file of the user's"])
@pytest.mark.parametrize("way", ["exchange", "link", "rename"])
def test_a_kill_at_every_step_loses_no_earlier_file(tmp_path, way, after):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, way, after],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert int(done.stdout) > 20


@pytest.mark.parametrize("final_is_there", [True, False])
async def test_an_earlier_file_that_a_killed_run_left(tmp_path, final_is_there):
    (tmp_path / ".id_data.csv.00000000.mockdata-tmp-earlier").write_text("earlier")
    (tmp_path / ".id_data.csv.00000000.mockdata-tmp").write_text("unfinished")
    if final_is_there:
        (tmp_path / "id_data.csv").write_text("there")
    await mockdata.generate({"ssn": 1}, sink=tmp_path)
    left = kept(tmp_path)
    assert left.keys() == {"id_data.csv", "ssn_data.csv", "ssn_tokens.csv"}
    assert left["id_data.csv"] == (b"there" if final_is_there else b"earlier")


async def test_what_cannot_be_put_back_is_told_and_put_back_by_the_next_run(
    earlier, way_of_renaming, monkeypatch
):
    folder, unchanged = earlier
    replace, stuck = os.replace, str(folder / "id_data.csv")

    def fail_to_put_back(one, other):
        if other == stuck and b"earlier" in Path(one).read_bytes():
            raise OSError(errno.EIO, os.strerror(errno.EIO), one)
        replace(one, other)

    def in_the_way():
        (folder / "ssn_tokens.csv").unlink()
        (folder / "ssn_tokens.csv").mkdir()

    monkeypatch.setattr(os, "replace", fail_to_put_back)
    with pytest.raises(IsADirectoryError) as caught:
        await mockdata.generate(100, sink=folder, on_progress=when_written("ssn", in_the_way))
    assert any("Input/output error" in note for note in caught.value.__notes__)
    (folder / "ssn_tokens.csv").rmdir()
    (folder / "ssn_tokens.csv").write_text("earlier ssn_tokens.csv\n")
    monkeypatch.undo()
    broken = {name for name, text in kept_files(folder).items() if b"earlier" not in text}
    assert broken == {"id_data.csv"}
    with pytest.raises(FileExistsError):
        await mockdata.generate({"id": 1}, sink=CsvSink(folder, clobber=False))
    assert unchanged()


async def test_an_undoing_that_fails_is_a_note_and_is_done_as_far_as_it_goes(tmp_path, monkeypatch):
    unlink, first = os.unlink, []

    def fail_once(path, **options):
        if "id_data" in str(path) and not first:
            first.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        unlink(path, **options)

    def fail():
        raise KeyError("first")

    monkeypatch.setattr(os, "unlink", fail_once)
    with pytest.raises(KeyError, match="first") as caught:
        await mockdata.generate(100, sink=tmp_path / "new", on_progress=when_written("id", fail))
    monkeypatch.undo()
    assert any("Input/output error" in note for note in caught.value.__notes__)
    assert [str(file) for file in (tmp_path / "new").iterdir()] == first


async def test_earlier_files_that_cannot_be_removed_make_no_failure(
    earlier, way_of_renaming, monkeypatch
):
    folder, _ = earlier
    unlink = os.unlink

    def fail(path, **options):
        if ".mockdata-tmp" in str(path):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", fail)
    report = await mockdata.generate(100, sink=folder)
    assert report.records == 400
    assert not any(text.startswith(b"earlier") for text in kept_files(folder).values())
    monkeypatch.undo()
    await mockdata.generate({"id": 1}, sink=folder)
    assert kept(folder).keys() == FILES


async def test_a_lock_file_that_is_no_journal_does_no_harm(earlier):
    folder, _ = earlier
    (folder / ".mockdata-lock").write_text(
        "1-2-3 ../id_data.csv\n0-0-0 .x/../id_data.csv.00000000.mockdata-tmp\nnonsense\n"
    )
    await mockdata.generate({"id": 1}, sink=folder)
    assert kept(folder).keys() == FILES
    assert kept(folder)["ssn_data.csv"].startswith(b"earlier")
