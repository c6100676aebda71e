"""SIGINT, SIGTERM and SIGHUP at every phase of the command, in real processes.

It leaves, and nothing of the run. Each test is run with Python's streams buffered and not.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from .conftest import FILES, kept

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

SIGNALLED = """
import importlib.abc, os, sys

where, number, to_all, times, *arguments = sys.argv[1:]

def strike():
    print("struck", flush=True)
    for _ in range(int(times)):
        os.kill(0 if int(to_all) else os.getpid(), int(number))

class Imports(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if f"import {name}" == where and self in sys.meta_path:
            sys.meta_path.remove(self)
            strike()

def patch(owner, name):
    real = getattr(owner, name)
    def signalled(*arguments, **options):
        setattr(owner, name, real)
        strike()
        return real(*arguments, **options)
    setattr(owner, name, signalled)

if where.startswith("import "):
    sys.meta_path.insert(0, Imports())
else:
    module, _, attribute = where.rpartition(".")
    module, _, holder = module.partition(":")
    owner = __import__(module, fromlist=["*"])
    patch(getattr(owner, holder) if holder else owner, attribute)
sys.argv[1:] = arguments
from mockdata.__main__ import main
sys.exit(main())
"""

BEFORE_THE_RUN = [
    "import mockdata.command.cli",
    "import argparse",
    "mockdata.command.cli.parse",
    "mockdata.command.arguments.read_counts",
    "mockdata.command.arguments.plan_run",
    "mockdata.command.cli.load_sink",
    "import asyncio",
    "import mockdata.render.renderers",
    "mockdata.command.cli._loop_factory",
]
UNTIL_THE_FILES_ARE_RENAMED = [
    "mockdata.pipeline.run.run_pipeline",
    "mockdata.pipeline.life:Life.begin",
    "mockdata.sinks.folder:_Files.create",
    "mockdata.sinks.folder.create_locked",
    "mockdata.pipeline.run.open_pool",
    "os.fork",
    "mockdata.workers.pool:Pool.start",
    "mockdata.workers.pool._done",
    "mockdata.pipeline.report:Meter.add",
    "mockdata.pipeline.run.check_files",
]
WHILE_ROW_GROUPS_ARE_WRITTEN = [
    "import pyarrow",
    "mockdata.sinks.parquet.sink:ParquetSink.open",
    "mockdata.sinks.folder:_Files.create",
    "os.fork",
    "mockdata.sinks.parquet.assembly:Assembly.add",
    "mockdata.workers.pool._done",
    "mockdata.pipeline.report:Meter.add",
]
WHILE_FOOTERS_ARE_WRITTEN = [
    "mockdata.sinks.parquet.assembly:Assembly.end",
    "mockdata.sinks.folder.put_in_place",
]
FROM_THEN_ON = [
    "mockdata.pipeline.life:Life.commit",
    "mockdata.sinks.folder.put_in_place",
    "mockdata.sinks.folder:_Files.leave",
    "mockdata.pipeline.report:Meter.report",
    "mockdata.command.ending:Ending.done",
]


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"], autouse=True)
def unbuffered(request, monkeypatch):
    """Run each test with PYTHONUNBUFFERED and without."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


@pytest.fixture
def struck(earlier, tmp_path):
    """Return a function that runs the command and has it signalled when it comes to a place."""

    def run(where, number, *arguments, to_all=0, times=1):
        settings = map(str, (where, int(number), to_all, times))
        began = subprocess.Popen(
            [sys.executable, "-c", SIGNALLED, *settings, *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        output, errors = began.communicate(timeout=60)
        with pytest.raises(ProcessLookupError):
            os.killpg(began.pid, 0)  # no process is left of the session
        assert (output, errors) == (b"struck\n", b"")
        return began.returncode

    return run


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", BEFORE_THE_RUN)
@pytest.mark.parametrize("sink", ["-scsv", "--sink=stdout:jsonl"])
def test_json_of_a_signal_before_the_run(tmp_path, where, number, sink):
    words = [where, str(int(number)), "0", "1", "10", "--json", "-q", sink]
    command = [sys.executable, "-c", SIGNALLED, *words]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    output, errors = run.stdout.removeprefix(b"struck\n"), run.stderr
    said, nothing = (errors, output) if "stdout" in sink else (output, errors)
    assert (run.returncode, nothing) == (128 + number, b"")
    report = json.loads(said)
    assert (report["outcome"], report["error"]) == ("stopped", f"stopped by {number.name}")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", BEFORE_THE_RUN + UNTIL_THE_FILES_ARE_RENAMED)
def test_a_signal_before_the_files_are_renamed(struck, earlier, where, number):
    _, unchanged = earlier
    assert struck(where, number, "60k", "-q") == 128 + number
    assert unchanged()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", FROM_THEN_ON)
def test_a_signal_while_the_files_are_renamed_comes_too_late(struck, earlier, where, number):
    folder, _ = earlier
    assert struck(where, number, "60k", "-q") == 0
    assert kept(folder).keys() == FILES
    assert min(len(content) for content in kept(folder).values()) > 60_000


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", WHILE_ROW_GROUPS_ARE_WRITTEN)
def test_a_signal_before_parquet_files_are_whole(struck, earlier, where, number):
    _, unchanged = earlier
    assert struck(where, number, "60k", "-q", "-s", "parquet") == 128 + number
    assert unchanged()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", WHILE_FOOTERS_ARE_WRITTEN)
def test_a_signal_while_parquet_files_are_completed_comes_too_late(struck, earlier, where, number):
    folder, _ = earlier
    assert struck(where, number, "60k", "-q", "-s", "parquet") == 0
    made = {path.stem: path.read_bytes() for path in folder.glob("*.parquet")}
    assert made.keys() == {"name", "id", "dob", "ssn"}
    assert all(content.startswith(b"PAR1") for content in made.values())
    assert all(content.endswith(b"PAR1") for content in made.values())
    assert len(kept(folder)) == 12


AT_THE_END = """
import atexit, os, sys
from mockdata.command import ending, signals

number = int(sys.argv.pop(1))
signals.GRACE = 60  # on a busy machine, too, the second signal comes soon

def strike():
    os.kill(os.getpid(), number)

def patch(owner, name):
    real = getattr(owner, name)
    def signalled(*arguments, **options):
        strike()
        return real(*arguments, **options)
    setattr(owner, name, signalled)

def load(batch):
    pass

async def stop(batch):
    strike()

class Last:  # goes with the interpreter
    def __del__(self, kill=os.kill, process=os.getpid(), number=number):
        kill(process, number)

last = Last()
sys.modules["callbacks"] = sys.modules["__main__"]
patch(ending, "_json")
from mockdata.__main__ import main
atexit.register(strike)
sys.exit(main())
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("callback", ["stop", "load"])
def test_signals_while_the_command_ends_change_nothing(number, callback):
    words = ["id=20k", "--json", "-q", "-s", f"callbacks:{callback}"]
    run = subprocess.run(
        [sys.executable, "-c", AT_THE_END, str(int(number)), *words],
        capture_output=True,
        timeout=60,
        check=False,
    )
    code, outcome = (128 + number, "stopped") if callback == "stop" else (0, "done")
    assert (run.returncode, json.loads(run.stdout)["outcome"]) == (code, outcome)
    assert b"Traceback" not in run.stderr


SLOW_RENAMING = """
import os, signal, sys, threading
from mockdata.command import cli
from mockdata.sinks import folder

rename = folder._Files._rename

def signalled(self):
    rename(self)
    for _ in range(2):
        os.kill(os.getpid(), int(sys.argv[1]))
        threading.Event().wait(0.7)

folder._Files._rename = signalled
sys.exit(cli.main(["10", "-q"]))
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_while_the_files_are_renamed(earlier, tmp_path, number):
    folder, _ = earlier
    command = [sys.executable, "-c", SLOW_RENAMING, str(int(number))]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert kept(folder).keys() == FILES
    assert not any(content.startswith(b"earlier") for content in kept(folder).values())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_all_processes_as_a_terminal_sends_it(struck, earlier, number):
    _, unchanged = earlier
    assert (
        struck("mockdata.pipeline.report:Meter.add", number, "60k", "-q", to_all=1) == 128 + number
    )
    assert unchanged()


BLOCKING = """
import threading

def block(batch):
    print("blocked", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_where_a_callback_blocks(tmp_path, number):
    (tmp_path / "loader.py").write_text(BLOCKING)
    run = subprocess.Popen(
        [sys.executable, "-m", "mockdata", "60k", "-s", "loader:block"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert run.stdout.readline() == b"blocked\n"
    sent = 0
    while run.returncode is None:
        run.send_signal(number)
        sent += 1
        with suppress(subprocess.TimeoutExpired):
            run.wait(0.2)
        assert sent < 50
    _, errors = run.communicate()
    assert sent > 1
    assert run.returncode == 128 + number
    assert errors.startswith(b"mockdata: stopped; to repeat: ")
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_many_signals_at_once_are_one(struck, earlier, number):
    _, unchanged = earlier
    assert struck("mockdata.workers.pool._done", number, "60k", "-q", times=5) == 128 + number
    assert unchanged()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", ["import mockdata.command.cli", "mockdata.workers.pool._done"])
def test_a_signal_that_was_ignored_stays_so(struck, earlier, where, number, monkeypatch):
    """As SIGHUP is under nohup, and SIGINT in the background of a script."""
    folder, unchanged = earlier
    ignored = f"import signal; signal.signal({int(number)}, signal.SIG_IGN)\n{SIGNALLED}"
    monkeypatch.setitem(globals(), "SIGNALLED", ignored)
    assert struck(where, number, "60k", "-q") == 0
    assert kept(folder).keys() == FILES
    assert not unchanged()


IGNORED_HANGUP = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"

ON_A_TERMINAL = """
import fcntl, os, sys, termios

os.setsid()
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "mockdata", *sys.argv[1:]])
"""


@pytest.mark.parametrize("option", [[], ["-q"], ["--no-progress"], ["--json"]])
def test_a_terminal_that_is_lost(earlier, tmp_path, option):
    _, unchanged = earlier
    main, side = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, "5M", *option],
        cwd=tmp_path,
        stdin=side,
        stdout=side,
        stderr=side,
        env=os.environ | {"TERM": "xterm-256color", "CI": ""},
    )
    os.close(side)
    while not any(name.endswith("mockdata-tmp") for name in os.listdir(tmp_path / "data")):
        assert run.poll() is None
    os.close(main)
    assert run.wait(30) == 129
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
    assert unchanged()


def test_a_hangup_that_is_ignored_changes_nothing_when_the_terminal_is_lost(earlier, tmp_path):
    folder, unchanged = earlier
    main, side = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-c", IGNORED_HANGUP + ON_A_TERMINAL, "2M"],
        cwd=tmp_path,
        stdin=side,
        stdout=subprocess.DEVNULL,
        stderr=side,
        env=os.environ | {"TERM": "xterm-256color", "CI": ""},
    )
    os.close(side)
    while not any(name.endswith("mockdata-tmp") for name in os.listdir(tmp_path / "data")):
        assert run.poll() is None
    os.close(main)
    assert run.wait(60) == 0
    assert kept(folder).keys() == FILES
    assert not unchanged()
