"""SIGINT and SIGTERM at every phase of the command, in real processes: it leaves soon, and nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import FILES, kept

SIGNALS = [signal.SIGINT, signal.SIGTERM]

SIGNALLED = """
import importlib.abc, os, sys, time

where, number, to_all, times, *arguments = sys.argv[1:]

def strike():
    print(time.monotonic(), flush=True)
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

UNTIL_THE_FILES_ARE_RENAMED = [
    "import mockdata.command.cli",
    "import asyncio",
    "import numpy",
    "mockdata.command.cli.parse",
    "mockdata.command.cli.load_sink",
    "mockdata.command.cli._loop_factory",
    "mockdata.pipeline.run.generate",
    "mockdata.pipeline.run.open_pool",
    "mockdata.sinks.csv.create_locked",
    "os.fork",
    "mockdata.workers.pool:Pool.start",
    "mockdata.workers.pool._done",
    "mockdata.pipeline.report:Meter.add",
]
FROM_THEN_ON = [
    "mockdata.sinks.csv.put_in_place",
    "mockdata.workers.processes:WorkerPool.close",
    "mockdata.command.cli._tell",
]


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
        ended = time.monotonic()
        with pytest.raises(ProcessLookupError):
            os.killpg(began.pid, 0)  # no process is left of the session
        assert errors == b""
        assert ended - float(output) < 1
        return began.returncode

    return run


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", UNTIL_THE_FILES_ARE_RENAMED)
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


SLOW_RENAMING = """
import os, signal, sys, threading
from mockdata.command import cli
from mockdata.sinks import csv

rename = csv._Run._rename

def signalled(self):
    rename(self)
    for _ in range(2):
        os.kill(os.getpid(), int(sys.argv[1]))
        threading.Event().wait(0.7)

csv._Run._rename = signalled
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
        try:
            _, errors = run.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            assert sent < 50
    assert sent > 1
    assert (run.returncode, errors) == (128 + number, b"")


@pytest.mark.parametrize("number", SIGNALS)
def test_many_signals_at_once_are_one(struck, earlier, number):
    _, unchanged = earlier
    assert struck("mockdata.workers.pool._done", number, "60k", "-q", times=5) == 128 + number
    assert unchanged()
