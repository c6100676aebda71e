"""What is shown while a run is under way: bars on a terminal, a line now and then elsewhere."""

import asyncio
import errno
import io
import os
import re
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from mockdata.command import display
from mockdata.command.bars import Picture, cut
from mockdata.command.watch import Watch
from mockdata.pipeline.plan import plan_run
from mockdata.pipeline.report import Progress
from mockdata.sinks import Delivery, Session
from mockdata.vaults.vault import Vault

from .terminal import Screen, on_terminal

SCRIPT = """
import sys
from mockdata.command import bars, cli, display
bars.REFRESH = 0.0
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

def loudly(batch):
    print("took", len(batch))

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


def on_screen(folder, words, **options):
    """Run with a terminal for standard error; return what it writes there."""
    (folder / "loader.py").write_text(LOADER)
    shown, _ = on_terminal([sys.executable, "-c", SCRIPT, "0", "0", *words], folder, **options)
    return shown


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path):
    words = ["id=40k", "-s", "loader:slowly"]
    shown = on_screen(tmp_path, words, term="dumb")
    assert "\x1b" not in shown
    assert "of 40,000 records" in shown
    shown = on_screen(tmp_path, words)
    assert "\x1b" in shown
    assert "of 40,000 records" not in shown


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_nothing_gets_in_between_rows_on_a_screen(tmp_path, term):
    words = ["id=20k", "-s", "stdout", "--seed", "1"]
    shown = on_screen(tmp_path, words, term=term, stdout="terminal")
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
    with display.live_progress(Watch(print), plan_run({"id": 10}), bars=False) as show:
        if method == "tick":
            await ticked.wait()
            ticked.clear()
        for _ in range(3):
            show(Progress("id", 1, 10, 20, 0.1))
            await asyncio.sleep(0)
    assert len(calls) == 1
    assert not ticked.is_set()
    assert troubles == []


def test_what_a_loader_prints_goes_where_standard_output_goes(tmp_path):
    (tmp_path / "loader.py").write_text(LOADER)
    command = [sys.executable, "-c", SCRIPT, "0", "0", "id=20k", "-s", "loader:loudly"]
    shown, output = on_terminal(command, tmp_path, stdout=subprocess.PIPE)
    assert output == "took 10000\n" * 2
    assert "took" not in shown
    shown, _ = on_terminal(command, tmp_path, stdout="terminal")
    assert shown.count("took 10000") == 2


def vaults(count, length=3):
    """Return vaults whose names are so long, and differ at the end."""
    return [Vault(f"{'v' * length}{k:02}"[-length:], "{index}") for k in range(count)]


def defined(path, made):
    path.write_text("".join(f"[vaults.{vault.name}]\nvalue = '{vault.value}'\n" for vault in made))


ROW = re.compile(
    r"(?P<name>[a-z0-9…]+(?: vaults)?) +(?P<bar>[━╸]+) +(?P<percent>\d+)% +(?P<records>[\d,]+)"
    r"( +[\d.]+ [kM]?/s +[\d.]+ [kM]?B +[\d:]+)? *"
)


@pytest.mark.parametrize("length", [3, 64])
@pytest.mark.parametrize(
    ("count", "width", "height", "rows"),
    [
        (4, 80, 24, 4),
        (20, 80, 24, 20),
        (23, 80, 24, 23),
        (24, 80, 24, 23),
        (30, 80, 24, 23),
        (30, 200, 50, 30),
        (5, 80, 4, 3),
        (5, 80, 2, 1),
    ],
)
def test_bars_fit_the_terminal_and_stay_where_they_are(
    tmp_path, count, width, height, rows, length
):
    made = vaults(count, length)
    defined(tmp_path / "many.toml", made)
    words = ["20k", "--vaults", "many.toml", "-s", "loader:slowly"]
    shown = on_screen(tmp_path, words, width=width, height=height)
    bars, summary = shown.split("\x1b[?25h")
    screen = Screen(width, height)
    screen.feed(bars)
    assert screen.scrolled == 0
    last = [line for line in screen.lines if line]
    assert len(last) == rows
    pictures = [*filter(any, screen.pictures), last]
    assert len(pictures) > 2
    columns = set()
    for picture in pictures:
        for line in filter(None, picture):
            row = ROW.fullmatch(line)
            assert row, line
            assert row[5] or row["records"] == "0"
            columns.add((len(line), row.start("bar"), row.end("bar"), row.end("records")))
    assert len(columns) == 1
    assert columns.pop()[0] == width
    assert all("100%" in line for line in last)
    assert (f"{count} vaults " in last[0]) == (rows < count)
    assert "--vaults many.toml" in summary


class Shown:
    """The picture of a run whose vaults are as far as they are set."""

    def __init__(self, made, width=80, height=24):
        self.run = plan_run(100, vaults=made)
        self.watch = Watch(print)
        self.picture = Picture(self.watch, self.run)
        self.size = {"width": width, "height": height}

    def set(self, name, records):
        self.watch.taken[name] = Progress(name, records, 100, records * 10, 2.0)

    def lines(self):
        screen = io.StringIO()
        Console(file=screen, color_system=None, **self.size).print(self.picture)
        return screen.getvalue().splitlines()

    def names(self):
        return [line.split()[0] for line in self.lines()]


def test_a_vault_that_is_done_leaves_its_line_to_the_next_one():
    shown = Shown(vaults(30))
    first = shown.names()
    assert first == ["30", *(f"v{k:02}" for k in range(22))]
    shown.set("v05", 99)
    assert shown.names() == first
    shown.set("v05", 100)
    shown.set("v29", 1)  # it is under way, so it is shown before those that are not
    first[6] = "v29"
    assert shown.names() == first
    for k in range(30):
        shown.set(f"v{k:02}", 100)
    last = shown.names()
    assert len({*last}) == 23
    assert shown.names() == last
    assert all("100%" in line for line in shown.lines())


def test_the_terminal_may_become_larger_and_smaller():
    shown = Shown(vaults(30, 64))
    for width, height in ((80, 24), (200, 50), (40, 10), (20, 3), (5, 1), (80, 24)):
        shown.size = {"width": width, "height": height}
        lines = shown.lines()
        assert len(lines) == min(max(height - 1, 1), 30)
        assert {len(line.rstrip()) for line in lines} <= {*range(width + 1)} or width < 30


@pytest.mark.parametrize(("count", "rows"), [(4, 4), (21, 21), (22, 21), (30, 21)])
def test_there_is_room_for_the_line_of_a_delivery(count, rows):
    shown = Shown(vaults(count))
    delivery = Delivery(10**9, 10**6, 10**9, 32, 10**6, 10**6, 1.5, 2.5, (), {})
    shown.watch.keep(Session(write=print, delivery=lambda: delivery))
    lines = shown.lines()
    assert len(lines) < 24
    assert lines[rows].startswith("sent 1,000,000,000 (")
    assert "".join(lines).endswith("429s 1,000,000")


def test_the_sum_is_that_of_all_vaults():
    shown = Shown(vaults(30))
    for k in range(30):
        shown.set(f"v{k:02}", 50)
    row = ROW.fullmatch(shown.lines()[0])
    assert (row["percent"], row["records"]) == ("50", "1,500")
    assert row[5].split() == ["750", "/s", "15", "kB", "00:02"]


def test_a_long_name_keeps_both_its_ends():
    assert cut("short", 5) == "short"
    assert cut("patient_number_first", 10) == "patie…irst"
    assert [len(cut("a" * 64, width)) for width in range(1, 20)] == [*range(1, 20)]
