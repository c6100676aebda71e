"""What is shown while a run is under way: bars on a terminal, a line now and then elsewhere."""

import asyncio
import errno
import os
import pty
import re
import select
import signal
import subprocess
import sys

import pytest

from mockdata.command import display
from mockdata.command.watch import Watch
from mockdata.pipeline.report import Progress

SCRIPT = """
import sys
from mockdata.command import cli, display
display.FIRST_LINE, display.NEXT_LINE = map(float, sys.argv[1:3])
sys.exit(cli.main(sys.argv[3:]))
"""

LOADER = """
import asyncio

seen = []

async def first_only(batch):
    seen.append(batch)
    if len(seen) > 1:
        await asyncio.Event().wait()

async def slowly(batch):
    for _ in range(10):
        await asyncio.sleep(0)
"""

LINE = re.compile(r"mockdata: 10,000 of 40,000 records, 25%, [\d.]+ [kM]?/s, \d+:\d\d:\d\d left\n")


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the command, with other intervals."""
    (tmp_path / "loader.py").write_text(LOADER)

    def started(first, then, *words, **options):
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(first), str(then), *words]
        keywords = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, **(keywords | options))

    return started


def test_a_line_comes_after_ten_seconds_and_then_every_thirty():
    assert (display.FIRST_LINE, display.NEXT_LINE) == (10.0, 30.0)


def test_lines_where_there_is_no_terminal(start):
    run = start(0.01, 0.01, "id=40k", "-s", "loader:first_only")
    while (line := run.stderr.readline()).startswith("mockdata: 0 of"):
        pass  # nothing is taken as yet
    assert LINE.fullmatch(line), line
    assert LINE.fullmatch(run.stderr.readline())
    run.send_signal(signal.SIGTERM)
    run.communicate()
    assert run.returncode == 143


def test_a_line_before_anything_is_taken(start):
    run = start(0.0, 0.01, "id=40k", "-s", "loader:slowly")
    first = run.stderr.readline()
    assert first == "mockdata: 0 of 40,000 records, 0%, 0 /s\n"
    run.communicate()
    assert run.returncode == 0


@pytest.mark.parametrize("words", [[], ["-q"], ["--no-progress"], ["--json"], ["-q", "--json"]])
def test_lines_are_shown_unless_they_are_not_wanted(start, words):
    run = start(0, 0, "id=40k", "-s", "loader:slowly", *words)
    _, errors = run.communicate()
    assert run.returncode == 0
    assert ("of 40,000 records" in errors) == (words in ([], ["--json"]))


def test_a_run_of_no_records_has_no_percentage_to_divide_by(start):
    run = start(0, 0, "id=1", "--part", "1/2", "-s", "loader:slowly")
    _, errors = run.communicate()
    assert run.returncode == 0
    assert "Traceback" not in errors


def on_terminal(start, words, term, *, stdout=None):
    """Run with a terminal for standard error; return what it shows."""
    main, side = pty.openpty()
    run = start(
        0,
        0,
        *words,
        stdout=side if stdout else subprocess.DEVNULL,
        stderr=side,
        env=os.environ | {"TERM": term, "COLUMNS": "120"},
    )
    os.close(side)
    shown = b""
    while True:
        select.select([main], [], [], 60)
        try:
            shown += os.read(main, 65536)
        except OSError:  # the other side is closed
            break
    os.close(main)
    assert run.wait(60) == 0
    return shown.decode()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(start):
    words = ["id=40k", "-s", "loader:slowly"]
    shown = on_terminal(start, words, "dumb")
    assert "\x1b" not in shown
    assert "of 40,000 records" in shown
    shown = on_terminal(start, words, "xterm-256color")
    assert "\x1b" in shown
    assert "of 40,000 records" not in shown


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_nothing_gets_in_between_rows_on_a_screen(start, term):
    words = ["id=20k", "-s", "stdout", "--seed", "1"]
    shown = on_terminal(start, words, term, stdout=True)
    rows = shown.split("\r\n")
    assert rows[0] == "vault,value,token"
    assert all(row.startswith("id,") for row in rows[1:20_001])


def test_standard_error_that_takes_no_more_does_not_stop_the_run(start):
    with open("/dev/full", "w") as full:
        run = start(0, 0, "id=40k", "-s", "loader:slowly", stderr=full)
        run.communicate()
    assert run.returncode == 0


@pytest.mark.parametrize("method", ["show", "tick"])
async def test_a_display_that_fails_is_left_alone_from_then_on(monkeypatch, method):
    calls, ticked = [], asyncio.Event()

    def fail(*arguments):
        calls.append(arguments)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def watched_tick(display):
        ticked.set()
        if method == "tick":
            fail()

    monkeypatch.setattr(display, "FIRST_LINE", 0.0)
    monkeypatch.setattr(display, "NEXT_LINE", 0.0)
    monkeypatch.setattr(display.Lines, "tick", watched_tick)
    if method == "show":
        monkeypatch.setattr(display.Lines, "show", fail)
    troubles = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: troubles.append(context))
    with display.live_progress(Watch(print), 10, bars=False) as show:
        if method == "tick":
            await ticked.wait()
            ticked.clear()
        for _ in range(3):
            show(Progress("id", 1, 10, 20, 0.1))
            await asyncio.sleep(0)
    assert len(calls) == 1
    assert not ticked.is_set()
    assert troubles == []
