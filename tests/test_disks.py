"""Disks that are full, folders that may not be written to, and other things the system refuses."""

import errno
import os
import re
import sys
from types import SimpleNamespace

import pytest

import mockdata

from .conftest import FILES, RUN, isolated, kept, may_mount, shell

ENDING = r"(; .+)?\n"
"""What may follow an error in its line, such as how to repeat the run."""


async def test_short_writes_are_continued(monkeypatch, tmp_path):
    await mockdata.generate(10_001, sink=tmp_path / "whole", **RUN)
    real = os.write
    short = SimpleNamespace(**vars(os) | {"write": lambda file, some: real(file, some[:4097])})
    monkeypatch.setattr("mockdata.render.task.os", short)
    await mockdata.generate(10_001, sink=tmp_path / "short", **RUN)
    assert kept(tmp_path / "short") == kept(tmp_path / "whole")


FILLED = """
import os, sys
from mockdata.command import cli
from mockdata.sinks import folder

look = folder._check_room

def look_and_fill(path, size):
    look(path, size)
    with open("full/filler", "wb") as filler:
        disk = os.statvfs("full")
        os.posix_fallocate(filler.fileno(), 0, disk.f_bavail * disk.f_frsize - 2**20)

folder._check_room = look_and_fill
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command, on a disk that others fill up to the last MiB once it has begun."""


@pytest.mark.parametrize("count", ["12k", "60k"])
@pytest.mark.parametrize("fault", ["a full disk", "a limit on the size of files"])
def test_no_room_for_the_files(tmp_path, fault, count):
    (tmp_path / "filled.py").write_text(FILLED)
    mounting = fault == "a full disk" and may_mount()
    done = (isolated if mounting else shell)(
        "mkdir full; "
        + ("mount -t tmpfs -o size=64m none full; " if mounting else "ulimit -f 300; ")
        + "echo earlier > full/id_data.csv; "
        + (f"{sys.executable} filled.py" if mounting else "$mockdata")
        + f" {count} -q -o full; echo exit $?; rm -f full/filler; ls -A full; cat full/id_data.csv",
        tmp_path,
    )
    reason = "No space left on device" if mounting else "File too large"
    assert re.fullmatch(rf"mockdata: full/\w+_(data|tokens)\.csv: {reason}{ENDING}", done.stderr)
    assert done.stdout == "exit 1\nid_data.csv\nearlier\n"


@pytest.mark.skipif(not may_mount(), reason="to mount a small disk needs root or user namespaces")
@pytest.mark.parametrize("folder", ["full", "full/new"])
def test_files_that_do_not_fit_are_refused_at_the_start(tmp_path, folder):
    done = isolated(
        "mkdir full; mount -t tmpfs -o size=1m none full; "
        f"$mockdata id=9k ssn=9k -q -o {folder}; echo exit $?; ls -A full",
        tmp_path,
    )
    size = 9_000 * (34 + 35 + 40 + 36) + len("id\nid_token\nssn\nssn_token\n")
    problem = f"no room: the files take {size:,} bytes, and 1,048,576 are free"
    assert re.fullmatch(rf"mockdata: {folder}: {problem}{ENDING}", done.stderr)
    assert done.stdout == "exit 1\n"


def disk(monkeypatch, free, blocks=10**9):
    """Have every disk say that so many bytes are free; return the paths that are asked about."""
    asked = []

    def statvfs(path):
        asked.append(path)
        return SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=blocks)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return asked


async def test_files_that_do_not_fit_are_refused_before_anything_is_made(tmp_path, monkeypatch):
    counts = {"id": 100, "ssn": 7}
    await mockdata.generate(counts, sink=tmp_path / "out")
    size = sum(len(content) for content in kept(tmp_path / "out").values())
    began = []
    asked = disk(monkeypatch, size - 1)
    with pytest.raises(OSError, match=f"take {size:,} bytes, and {size - 1:,} are free") as caught:
        await mockdata.generate(counts, sink=tmp_path / "a" / "b", on_progress=began.append)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a" / "b"))
    assert asked == [str(tmp_path)]
    assert began == []
    assert not (tmp_path / "a").exists()
    disk(monkeypatch, size)
    await mockdata.generate(counts, sink=tmp_path / "b")


async def test_files_that_do_not_fit_leave_earlier_ones(earlier):
    folder, unchanged = earlier
    with pytest.raises(OSError, match="no room: the files take 93,046,171,500,570 bytes, and "):
        await mockdata.generate({"id": 2**40 // 8, "ssn": 2**40}, sink=folder)
    assert unchanged()


@pytest.mark.parametrize("answer", ["no blocks", "an error"])
async def test_where_the_room_is_not_known_the_run_goes_ahead(tmp_path, monkeypatch, answer):
    def refuse(path):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    if answer == "an error":
        monkeypatch.setattr(os, "statvfs", refuse)
    else:
        disk(monkeypatch, 0, blocks=0)
    await mockdata.generate(10, sink=tmp_path / "out")
    assert kept(tmp_path / "out").keys() == FILES


@pytest.mark.parametrize("blocks", [0, 1])
def test_no_room_for_the_first_lines(tmp_path, blocks):
    done = shell(f"ulimit -f {blocks}; $mockdata 5k -q; echo exit $?; ls -A", tmp_path)
    assert re.fullmatch(
        rf"mockdata: data/\w+_(data|tokens)\.csv: File too large{ENDING}", done.stderr
    )
    assert done.stdout == "exit 1\n"


def test_no_room_where_standard_output_goes(tmp_path):
    done = shell("$mockdata 5k -q -s stdout > /dev/full; echo exit $?", tmp_path)
    assert re.fullmatch(f"mockdata: standard output: No space left on device{ENDING}", done.stderr)
    assert done.stdout == "exit 1\n"


def test_no_room_for_slabs(tmp_path):
    done = shell("ulimit -f 300; $mockdata 100k -q -s stdout; echo exit $?", tmp_path)
    assert re.fullmatch(f"mockdata: shared memory: File too large{ENDING}", done.stderr)
    assert done.stdout.endswith("exit 1\n")


NO_SEMAPHORES = """
import multiprocessing.synchronize, os, sys
from mockdata.command import cli

def full(*arguments, **options):
    raise OSError(28, os.strerror(28))

multiprocessing.synchronize.SemLock.__init__ = full
sys.exit(cli.main(sys.argv[1:]))
"""


def test_no_room_in_shared_memory_for_the_workers(tmp_path):
    (tmp_path / "simulated.py").write_text(NO_SEMAPHORES)
    full = "mount -t tmpfs -o size=4k none /dev/shm; head -c 4096 /dev/zero > /dev/shm/full; "
    end = " 60k -q; echo exit $?; ls -A"
    if may_mount():
        done = isolated(f"{full} $mockdata {end}; ls -A /dev/shm", tmp_path)
        assert done.stdout == "exit 1\nsimulated.py\nfull\n"
    else:
        done = shell(f"{sys.executable} simulated.py {end}", tmp_path)
        assert done.stdout == "exit 1\nsimulated.py\n"
    assert re.fullmatch(f"mockdata: worker processes: No space left on device{ENDING}", done.stderr)


def test_a_folder_on_a_disk_that_is_read_only(tmp_path):
    if may_mount():
        mount, reason = "mount -t tmpfs -o ro none fixed", "Read-only file system"
    else:
        mount, reason = "chmod 555 fixed", "Permission denied"
    done = (isolated if may_mount() else shell)(
        f"mkdir fixed; {mount}; $mockdata 5 -o fixed; echo exit $?; ls -A fixed; "
        "$mockdata 5 -o fixed/new; echo exit $?",
        tmp_path,
    )
    assert done.stdout == "exit 1\nexit 1\n"
    first, second = done.stderr.splitlines(keepends=True)
    assert re.fullmatch(rf"mockdata: fixed/\w+_(data|tokens)\.csv: {reason}{ENDING}", first)
    assert re.fullmatch(f"mockdata: fixed/new: {reason}{ENDING}", second)


@pytest.mark.parametrize("sink", ["files", "slabs"])
def test_no_proc_to_read(tmp_path, sink):
    (tmp_path / "tmp").mkdir()
    arguments = "60k -q --seed 1 --timestamp 1700000000" + " -s stdout" * (sink == "slabs")
    without = "mount -t tmpfs none /proc; " if may_mount() else ""
    run = isolated if may_mount() else shell
    done = run(f"{without} $mockdata {arguments}", tmp_path, TMPDIR=str(tmp_path / "tmp"))
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "tmp").iterdir()) == []
    expected = shell(f"$mockdata {arguments} -o expected", tmp_path)
    assert done.stdout == expected.stdout
    if sink == "files":
        assert kept(tmp_path / "data") == kept(tmp_path / "expected")


@pytest.mark.parametrize("when", ["removed", "a directory"])
async def test_temporary_files_that_are_meddled_with(either, earlier, when):
    folder, unchanged = earlier

    def meddle(progress):
        if progress.records:
            for file in folder.glob(".*.mockdata-tmp"):
                file.unlink()
                if when == "a directory":
                    file.mkdir()

    with pytest.raises(OSError) as caught:
        await mockdata.generate({"ssn": 700_000}, sink=folder, on_progress=meddle)
    assert os.path.basename(caught.value.filename) in {"ssn_data.csv", "ssn_tokens.csv"}
    for left in folder.glob(".*"):
        left.rmdir()  # which is somebody else's
    assert unchanged()


async def test_earlier_files_that_vanish_meanwhile(earlier):
    folder, _ = earlier

    def meddle(progress):
        for name in FILES:
            (folder / name).unlink(missing_ok=True)

    await mockdata.generate(100, sink=folder, on_progress=meddle)
    assert kept(folder).keys() == FILES


@pytest.mark.parametrize("sink", ["csv", "stdout"])
def test_too_few_files(tmp_path, sink):
    outcomes = set()
    for limit in (6, 20, 32, 200):
        done = shell(
            f"exec > /dev/null; ulimit -n {limit}; exec $mockdata 60k -q -w 2 -s {sink}", tmp_path
        )
        outcomes.add(done.returncode)
        if done.returncode:
            assert re.fullmatch(f"mockdata: .+: Too many open files{ENDING}", done.stderr), limit
            assert not (tmp_path / "data").exists()
        else:
            assert done.stderr == ""
    assert outcomes == {0, 1}


AS_ANOTHER_USER = """
import os, resource, sys
import mockdata, mockdata.screen.text, mockdata.sinks.stdout, shlex, uvloop
from mockdata.command import cli

mockdata.generate_sync({"id": 300_000}, sink=lambda batch: None, workers=1)
mockdata.generate_sync(1, sink=lambda batch: None)
mockdata.generate_sync(1, sink=os.path.abspath("loaded"))  # nothing need be read any more
if os.getuid() == 0:
    os.setgid(64_321)
    os.setuid(64_321)  # the limit does not bind root
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.fixture
def as_another_user(tmp_path):
    """Return a function that runs the command as a user who may not do everything."""
    (tmp_path / "run.py").write_text(AS_ANOTHER_USER)
    (tmp_path / "open").mkdir()
    for folder in (tmp_path / "open", tmp_path, *tmp_path.parents[:-1]):
        if folder.owner() == (tmp_path / "open").owner() and folder != tmp_path.parents[-2]:
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "open").chmod(0o777)
    run = f"{sys.executable} ../run.py"
    return lambda limit, arguments: shell(f"exec {run} {limit} {arguments}", tmp_path / "open")


@pytest.mark.parametrize("sink", ["csv", "stdout"])
def test_too_few_processes(tmp_path, as_another_user, sink):
    outcomes = set()
    for limit in (1, 5, 4000):
        done = as_another_user(limit, f"60k -q -w 2 -o out -s {sink} > /dev/null")
        outcomes.add(done.returncode)
        if done.returncode:
            assert re.fullmatch(
                f"mockdata: thread: Resource temporarily unavailable{ENDING}", done.stderr
            )
            assert not (tmp_path / "open" / "out").exists()
        else:
            assert done.stderr == ""
    assert outcomes == {0, 1}


def test_a_folder_of_somebody_elses(tmp_path, as_another_user):
    (tmp_path / "open" / "closed").mkdir()
    (tmp_path / "open" / "closed").chmod(0o555)
    done = as_another_user(4000, "5 -q -o closed")
    assert done.returncode == 1
    assert re.fullmatch(rf"mockdata: closed/\w+\.csv: Permission denied{ENDING}", done.stderr)
    assert list((tmp_path / "open" / "closed").iterdir()) == []


def test_two_commands_into_one_folder(tmp_path):
    run = "$mockdata 55k -q --timestamp 1700000000 --seed"
    both = "; ".join(["$r 1 & $r 2 & wait"] * 2).replace("$r", run)
    done = shell(f"{both}; {run} 1 -o one; {run} 2 -o two", tmp_path)
    assert done.stderr == ""
    made, one, two = (kept(tmp_path / folder) for folder in ("data", "one", "two"))
    assert made.keys() == FILES
    for vault in ("name", "id", "dob", "ssn"):
        pair = [f"{vault}_data.csv", f"{vault}_tokens.csv"]
        assert [made[f] for f in pair] in ([one[f] for f in pair], [two[f] for f in pair])
