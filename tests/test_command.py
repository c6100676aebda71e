"""The real command, in real processes."""

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import sysconfig
import termios
import time
from pathlib import Path

import psutil
import pytest

from mockdata.command.output import say
from mockdata.vaults.catalogue import READY_MADE

from .terminal import on_terminal

VAULTS = ["name", "id", "dob", "ssn"]
COMMAND = [sys.executable, "-m", "mockdata"]


def files(folder):
    return sorted(file.name for file in folder.iterdir())


NUMBERS = {"1": 1, "7": 7, "9999": 9999, "10001": 10_001, "1k": 1000, "1_000": 1000,
           "1.5K": 1500, "0.002m": 2000, "1.000k": 1000, "0.00001G": 10_000}  # fmt: skip


@pytest.mark.parametrize("count", NUMBERS)
def test_every_vault(mockdata_command, tmp_path, count):
    done = mockdata_command(count)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert files(tmp_path / "data") == sorted(
        f"{v}_{k}.csv" for v in VAULTS for k in ("data", "tokens")
    )
    for file in (tmp_path / "data").iterdir():
        assert file.read_bytes().count(b"\n") == NUMBERS[count] + 1


WATCHED = """
import gc, sys
from mockdata import __main__
sys.argv = ["mockdata", "1000", "-q"]
looked = []
gc.callbacks.append(lambda phase, about: looked.append(about["generation"]))
code = __main__.main()
seen, _ = list(looked), gc.collect()
print(code, len(seen), len(looked) > len(seen))
"""


def test_a_small_run_spends_no_time_on_garbage(tmp_path):
    command = [sys.executable, "-c", WATCHED]
    assert subprocess.check_output(command, cwd=tmp_path) == b"0 0 True\n"


def test_some_vaults_in_any_case(mockdata_command, tmp_path):
    assert mockdata_command("NAME=5", "-q", "Ssn=3", "-o", "out").returncode == 0
    assert files(tmp_path / "out") == [
        "name_data.csv",
        "name_tokens.csv",
        "ssn_data.csv",
        "ssn_tokens.csv",
    ]


def test_without_arguments_it_says_how_it_is_used(mockdata_command, tmp_path):
    done = mockdata_command()
    assert done.returncode == 0
    assert done.stdout.startswith("usage: mockdata")
    assert done.stderr == ""
    assert done.stdout == mockdata_command("--help").stdout
    assert files(tmp_path) == []


def test_the_help_fits_a_terminal_and_names_every_ready_made_vault(mockdata_command):
    lines = mockdata_command("--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    *_, end = "\n".join(lines).split("\n\n")
    assert all(re.search(rf"\b{name}\b", end) for name in READY_MADE)


def test_version(mockdata_command):
    assert re.fullmatch(
        r"mockdata \d+\.\d+\.\d+, (native|numpy) renderer\n", mockdata_command("-V").stdout
    )


def test_the_same_seed_and_timestamp_the_same_files(mockdata_command, tmp_path):
    run = ["300k", "--seed", "5", "--timestamp", "1700000000", "-q"]
    for number, workers in enumerate((1, 2, 8)):
        assert mockdata_command(*run, "-w", workers, "-o", f"run{number}").returncode == 0
    first, *others = (
        {f.name: f.read_bytes() for f in (tmp_path / f"run{k}").iterdir()} for k in range(3)
    )
    assert all(other == first for other in others)
    parts = dict.fromkeys(first, b"")
    for number in (1, 2, 3):
        assert (
            mockdata_command(*run, "--part", f"{number}/3", "-o", f"part{number}").returncode == 0
        )
        for name in parts:
            header, _, lines = (tmp_path / f"part{number}" / name).read_bytes().partition(b"\n")
            parts[name] = (parts[name] or header + b"\n") + lines
    assert parts == first


def test_json_report(mockdata_command):
    done = mockdata_command("ssn=5", "--json", "--seed", "9")
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert set(report) == {
        "outcome", "error", "seed", "timestamp", "records", "bytes", "seconds", "records_per_second", "peak_memory", "vaults",
    }  # fmt: skip
    assert (report["outcome"], report["error"], report["seed"]) == ("done", None, 9)
    assert report["vaults"] == {"ssn": {"records": 5, "data_bytes": 204, "token_bytes": 190}}


def test_json_report_beside_rows_on_stdout(mockdata_command):
    done = mockdata_command("ssn=5", "--json", "-q", "-s", "stdout")
    assert done.stdout.count("\n") == 6
    assert json.loads(done.stderr)["records"] == 5


def test_quiet_is_quiet(mockdata_command):
    done = mockdata_command("5", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rows_on_stdout(mockdata_command, tmp_path):
    run = ["name=3", "ssn=10001", "-s", "stdout", "-q", "--seed", "1", "--timestamp", "1700000000"]
    rows = mockdata_command(*run).stdout.split("\n")
    assert rows[0] == "vault,value,token"
    assert rows[-1] == ""
    assert [row.split(",")[0] for row in rows[1:-1]] == ["name"] * 3 + ["ssn"] * 10_001
    objects = [json.loads(row) for row in mockdata_command(*run, "-f", "jsonl").stdout.splitlines()]
    assert [",".join(o.values()) for o in objects] == rows[1:-1]
    assert [*objects[0]] == ["vault", "value", "token"]
    assert files(tmp_path) == []


def test_a_callable_of_the_users(mockdata_command, tmp_path):
    (tmp_path / "loader.py").write_text(
        "seen = []\n"
        "async def insert(batch):\n    print(batch.vault, batch.start, len(batch))\n"
        "def fail(batch):\n    raise LookupError('no table')\n"
    )
    done = mockdata_command("ssn=10001", "-s", "loader:insert", "-q")
    assert done.stdout == "ssn 0 10000\nssn 10000 1\n"
    done = mockdata_command("ssn=10001", "-s", "loader:fail", "-q")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for text in ("LookupError", "no table", "loader.py, line 5", "ssn records 0 to 9999"):
        assert text in done.stderr


def test_a_failed_run_is_one_line(mockdata_command, tmp_path):
    (tmp_path / "data").write_text("in the way")
    done = mockdata_command("5")
    assert done.returncode == 1
    assert re.fullmatch(
        r"mockdata: data\S*: Not a directory; to repeat: .*mockdata 5 --seed \d+ --timestamp \d+\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["--list-sinks"], ["--list-vaults"], ["--version"]]
)
def test_a_text_that_nobody_reads_or_that_finds_no_room(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full:
        for output, expected in (
            (writing, (141, b"")),
            (full, (1, b"mockdata: standard output: No space left on device\n")),
        ):
            run = subprocess.run(
                [*COMMAND, *arguments],
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.PIPE,
                check=False,
            )
            assert (run.returncode, run.stderr) == expected
    os.close(writing)


@pytest.mark.parametrize("count", ["1000", "5M"])
def test_a_pipe_that_closes_ends_the_run_quietly(tmp_path, count):
    reading, writing = os.pipe()
    if (
        count == "1000"
    ):  # its rows would all fit into the pipe: it has to be closed before they come
        os.close(reading)
    run = subprocess.Popen(
        [*COMMAND, count, "-s", "stdout"], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    if count == "5M":
        with open(reading, "rb") as rows:
            assert rows.readline() == b"vault,value,token\n"
    _, errors = run.communicate(timeout=30)
    assert (run.returncode, errors) == (141, b"")


STOPPED = re.compile(
    rb"mockdata: stopped; to repeat: .*mockdata \d+ --seed \d+ --timestamp \d+.*\n"
)


@pytest.mark.parametrize("sink", ["csv", "jsonl", "parquet", "stdout"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_leaves_nothing(tmp_path, sink, number):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "id_data.csv").write_text("earlier")
    run = subprocess.Popen(
        [*COMMAND, "10M", "-s", sink], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process = psutil.Process(run.pid)
    while len(process.children()) < 2:
        assert run.poll() is None
    workers = process.children()
    run.send_signal(number)
    began = time.monotonic()
    assert run.wait(20) == 128 + number
    assert time.monotonic() - began < 10
    assert STOPPED.fullmatch(run.stderr.read())
    run.stdout.close()
    run.stderr.close()
    assert not any(worker.is_running() for worker in workers)
    assert files(tmp_path / "data") == ["id_data.csv"]
    assert (tmp_path / "data" / "id_data.csv").read_text() == "earlier"


def test_a_signal_while_nobody_reads_stdout(tmp_path):
    run = subprocess.Popen(
        [*COMMAND, "5M", "-s", "stdout"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    held, full = 0, 65536
    while held < full - select.PIPE_BUF:
        held = int.from_bytes(fcntl.ioctl(run.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    assert run.wait(20) == 130
    run.stdout.close()
    assert STOPPED.fullmatch(run.stderr.read())
    run.stderr.close()


def test_workers_leave_when_their_parent_is_killed(tmp_path):
    run = subprocess.Popen([*COMMAND, "10M", "-q"], cwd=tmp_path)
    process = psutil.Process(run.pid)
    while len(process.children()) < 2:
        assert run.poll() is None
    ends = [os.pidfd_open(worker.pid) for worker in process.children()]
    run.kill()
    run.wait()
    until = time.monotonic() + 2
    for end in ends:
        assert select.select([end], [], [], max(0, until - time.monotonic()))[0]
        os.close(end)


def test_progress_on_a_terminal(tmp_path):
    shown, output = on_terminal([*COMMAND, "1M"], tmp_path, stdout=subprocess.PIPE)
    assert output == ""
    for text in (*VAULTS, "100%", "1,000,000", "/s", " MB", "━"):
        assert text in shown
    quiet, _ = on_terminal([*COMMAND, "1000", "-q"], tmp_path)
    assert quiet == ""
    plain, _ = on_terminal([*COMMAND, "1000", "--no-progress"], tmp_path)
    assert "━" not in plain
    assert "4,000 records" in plain


def test_the_console_script_is_the_same(tmp_path):
    script = Path(sysconfig.get_path("scripts"), "mockdata")
    for command in ([script], COMMAND):
        done = subprocess.run(
            [*command, "id=2", *["-q", "-s", "stdout", "--seed", "7", "--timestamp", "1700000000"]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("vault,value,token\nid,39779-1700000000_rezi2xlpivgzx2ho,")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files_do_no_harm(tmp_path, closed):
    command = f"{sys.executable} -m mockdata 5 {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout == b""
    assert len(files(tmp_path / "data")) == 8


def test_rows_for_a_closed_stdout_are_an_error(tmp_path):
    command = f"{sys.executable} -m mockdata 5 -s stdout >&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"mockdata: standard output: ")


def test_a_module_that_exits_does_not_load(mockdata_command, tmp_path):
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(0)\n")
    done = mockdata_command("5", "-s", "exits:f")
    assert done.returncode == 2
    assert "does not load" in done.stderr


def test_a_loaders_own_trouble_is_told_with_its_place(mockdata_command, tmp_path):
    (tmp_path / "loader.py").write_text(
        "def pipe(batch):\n    raise BrokenPipeError(32, 'Broken pipe')\n"
        "def late(batch):\n    raise TimeoutError\n"
    )
    for name, line, kind in (
        ("pipe", 2, "BrokenPipe"),
        ("late", 4, "Timeout"),
    ):
        done = mockdata_command("5", "-s", f"loader:{name}", "-q")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        for text in (f"{kind}Error", f"loader.py, line {line}", "name records 0 to 4"):
            assert text in done.stderr


def test_json_into_a_closed_pipe_ends_quietly(tmp_path):
    run = subprocess.Popen(
        [*COMMAND, "5", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    run.stdout.close()
    assert run.stderr.read() == b""
    run.stderr.close()
    assert run.wait(60) == 141


class PartByPart(io.FileIO):
    """Takes ten bytes at a time, and then no more."""

    def write(self, data):
        return super().write(bytes(data)[:10]) if self.tell() < 200 else None


def test_what_is_said_arrives_whole_though_nothing_is_buffered(tmp_path):
    path = tmp_path / "said"
    with io.TextIOWrapper(PartByPart(path, "w"), "utf-8", write_through=True) as stream:
        say("é" * 30, stream)
        assert path.read_text(encoding="utf-8") == "é" * 30 + "\n"
        with pytest.raises(BlockingIOError):
            say("x" * 1000, stream, must_arrive=True)
        say("x", stream)  # what need not arrive is no error


def test_a_signal_leaves_the_terminal_as_it_was(tmp_path):
    main, side = pty.openpty()
    run = subprocess.Popen(
        [*COMMAND, "10M"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=side,
        env=os.environ | {"TERM": "xterm-256color", "CI": ""},
    )
    os.close(side)
    shown = b""
    while b"\x1b[?25l" not in shown:
        shown += os.read(main, 65536)
    run.send_signal(signal.SIGINT)
    while True:
        try:
            shown += os.read(main, 65536)
        except OSError:
            break
    os.close(main)
    assert run.wait(30) == 130
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
