"""What is shown while a run is under way: bars on a terminal, a line now and then elsewhere."""

import asyncio
import builtins
import errno
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from rich.console import Console, ConsoleDimensions

import mockdata
from mockdata import screen as log
from mockdata.pipeline.plan import plan_run
from mockdata.pipeline.report import Progress
from mockdata.screen import bars, notebook
from mockdata.screen.picture import Picture
from mockdata.screen.text import clock, cut, scaled
from mockdata.sinks import Delivery, Session
from mockdata.vaults.vault import Vault

from .terminal import Screen, on_terminal

SCRIPT = """
import sys
from mockdata.command import cli
from mockdata import screen
from mockdata.screen import bars
bars.REFRESH = 0.0
screen.FIRST_LINE, screen.NEXT_LINE = map(float, sys.argv[1:3])
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

BLOCKED = """
import os, signal, sys, threading
from mockdata.command import cli, signals
signals.GRACE = 0

def block(batch):
    for _ in range(1000):
        os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()

sys.modules["loader"] = sys.modules["__main__"]
try:
    sys.exit(cli.main(["id=9", "-s", "loader:block"]))
finally:
    sys.exit("it ended by itself")
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
    assert (log.FIRST_LINE, log.NEXT_LINE) == (10.0, 30.0)


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


@pytest.mark.parametrize(
    ("ci", "has_bars"), [("true", False), ("1", False), ("0", True), ("", True)]
)
def test_a_terminal_of_continuous_integration_gets_lines(tmp_path, ci, has_bars):
    shown = on_screen(tmp_path, ["id=40k", "-s", "loader:slowly"], ci=ci)
    assert ("\x1b" in shown) == has_bars
    assert ("of 40,000 records" in shown) != has_bars


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


@pytest.mark.parametrize("bars", [False, True])
def test_what_standard_error_does_not_take_is_not_kept(monkeypatch, bars):
    """Or it would be an error in whatever flushes it next, such as the start of a worker."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        monkeypatch.setattr(log, "has_bars", lambda stream: bars)
        with mockdata.progress() as show:
            show(Progress("id", 1, 10, 20, 0.1))
            with pytest.raises(OSError, match="No space left"):
                show._display.tick()
        full.flush()


async def test_a_display_that_fails_is_left_alone_from_then_on(monkeypatch):
    calls = []

    def fail(display):
        calls.append(display)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(log, "FIRST_LINE", 0.0)
    monkeypatch.setattr(log, "NEXT_LINE", 0.0)
    monkeypatch.setattr(log.Lines, "tick", fail)
    troubles = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: troubles.append(context))
    async with mockdata.progress() as show:
        for _ in range(5):
            show(Progress("id", 1, 10, 20, 0.1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert len(calls) == 1
    assert troubles == []


def test_what_a_loader_prints_goes_where_standard_output_goes(tmp_path):
    (tmp_path / "loader.py").write_text(LOADER)
    command = [sys.executable, "-c", SCRIPT, "0", "0", "id=20k", "-s", "loader:loudly"]
    shown, output = on_terminal(command, tmp_path, stdout=subprocess.PIPE)
    assert output == "took 10000\n" * 2
    assert "took" not in shown
    shown, _ = on_terminal(command, tmp_path, stdout="terminal")
    assert shown.count("took 10000") == 2


def test_a_run_that_is_ended_at_once_shows_the_cursor_again(tmp_path):
    ended = f"{shlex.join([sys.executable, '-c', BLOCKED])}; test $? = 130"
    shown, _ = on_terminal(["bash", "-c", ended], tmp_path)
    assert "\x1b[?25l" in shown
    assert "\x1b[?25h\rmockdata: stopped; to repeat: " in shown


def vaults(count, length=3):
    """Return vaults whose names are so long, and differ at the end."""
    return [Vault(f"{'v' * length}{k:02}"[-length:], "{index}") for k in range(count)]


def defined(path, made):
    path.write_text("".join(f"[vaults.{vault.name}]\nvalue = '{vault.value}'\n" for vault in made))


ROW = re.compile(
    r"(?P<name>[a-z0-9…]+(?: vaults)?) +(?P<bar>[━╸]+) +(?P<percent>\d+)% +(?P<records>[\d,]+)"
    r"( +[\d.]+ [kM]?/s +[\d.]+ [kM]?B)? +(?P<time>[\d:-]+)"
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
        self.seen = log.Seen()
        self.picture = Picture(self.seen)
        self.size = {"width": width, "height": height}
        for vault in plan_run(100, vaults=made).vaults:
            self.set(vault.name, 0)

    def set(self, name, records):
        self.seen.taken[name] = Progress(name, records, 100, records * 10, 2.0)

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
        assert {len(line.rstrip()) for line in lines} == {width} or width == 5


@pytest.mark.parametrize(("count", "rows"), [(4, 4), (21, 21), (22, 21), (30, 21)])
def test_there_is_room_for_the_line_of_a_delivery(count, rows):
    shown = Shown(vaults(count))
    delivery = Delivery(10**9, 10**6, 10**9, 32, 10**6, 10**6, 1.5, 2.5, (), {})
    shown.seen.delivery = lambda: delivery
    lines = shown.lines()
    assert len(lines) < 24
    assert lines[rows].startswith("sent 1,000,000,000 (")
    assert "".join(lines).endswith("429s 1,000,000")
    for width in (20, 40, 200):
        shown.size["width"] = width
        lines = shown.lines()
        assert len(lines) < 24
        assert lines[rows].startswith("sent 1,000,000,000")
        assert max(map(len, lines)) <= width


def test_the_sum_is_that_of_all_vaults():
    shown = Shown(vaults(30))
    for k in range(30):
        shown.set(f"v{k:02}", 50)
    row = ROW.fullmatch(shown.lines()[0])
    assert (row["percent"], row["records"]) == ("50", "1,500")
    assert row[5].split() == ["750", "/s", "15", "kB"]
    assert row["time"] == "00:02"


def test_a_long_name_keeps_both_its_ends():
    assert cut("short", 5) == "short"
    assert cut("patient_number_first", 10) == "patie…irst"
    assert [len(cut("a" * 64, width)) for width in range(1, 20)] == [*range(1, 20)]


def test_no_number_is_wider_than_its_column():
    numbers = [n * 10.0**k for k in range(-5, 15) for n in (1, 1.234, 9.994, 9.996, 9.9996)]
    assert max(len(scaled(number, "/s")) for number in numbers) == len("1.23 M/s")
    assert [scaled(n, "B") for n in (0, 0.004, 0.5, 1, 999.4, 999.5, 1e6)] == [
        *("0 B", "0.00 B", "0.50 B", "1 B", "999 B", "1 kB", "1 MB"),
    ]
    assert [clock(n) for n in (0, 59.6, 3599, 3600, 359_999, 360_000, 86_400 * 999)] == [
        *("00:00", "01:00", "59:59", "1:00:00", "99:59:59", "4d 04h", "999d 00h"),
    ]


@pytest.mark.parametrize("width", [20, 80, 200])
def test_without_colours_a_bar_is_as_long_as_what_is_done(width):
    shown = Shown(vaults(4), width=width)
    for done in (0, 50, 100):
        shown.set("v00", done)
        plain = io.StringIO()
        for console in (
            Console(file=plain, color_system=None, **shown.size),
            Console(file=plain, force_terminal=True, no_color=True, **shown.size),
        ):
            plain.truncate(plain.seek(0))
            console.print(shown.picture)
            first, second, *_ = plain.getvalue().splitlines()
            columns = len(second) - len("v00 ") - len(second[second.index("0%") :]) - 4
            assert abs(first.count("━") - columns * done / 100) <= 1
            assert "━" not in second


def test_colours_are_those_of_the_terminals_own_palette():
    shown = Shown(vaults(2))
    shown.set("v00", 50)
    shown.set("v01", 100)
    screen = io.StringIO()
    Console(file=screen, force_terminal=True, color_system="truecolor", **shown.size).print(
        shown.picture
    )
    assert {*re.findall(r"\x1b\[([\d;]+)m", screen.getvalue())} == {"0", "36", "90", "32"}


class Window(io.StringIO):
    """Standard error in a window, whose size can change."""

    def __init__(self, monkeypatch, width, height):
        super().__init__()
        self.screen = Screen(width, height)
        monkeypatch.setattr(sys, "stderr", self)
        monkeypatch.setattr(Console, "size", property(lambda _: self.size()))
        monkeypatch.setenv("TERM", "xterm-256color")
        for name in ("CI", "NO_COLOR", "XTERM_VERSION", "STY"):
            monkeypatch.delenv(name, raising=False)

    def isatty(self):
        return True

    def size(self):
        return ConsoleDimensions(self.screen.width, self.screen.height)

    def shown(self):
        """Return what the window shows."""
        self.screen.feed(self.getvalue())
        self.truncate(self.seek(0))
        return [line for line in self.screen.lines if line]


def test_a_window_that_changes_its_size_has_one_picture(monkeypatch):
    window = Window(monkeypatch, 100, 24)
    print("$ mockdata 100", file=window)
    with mockdata.progress() as show:
        for number, size in enumerate(
            [(100, 24), (61, 24), (30, 24), (120, 40), (80, 6), (80, 24)]
        ):
            show(Progress("id", number, 100, 10, 0.1))
            show(Progress("ssn", number, 100, 10, 0.1))
            show._display.tick()
            if size[1] > 6:
                assert [line.split()[0] for line in window.shown()] == ["$", "id", "ssn"]
            assert {len(line) for line in window.shown()[1:]} == {window.screen.width}
            window.screen.resize(*size)
        print("here", file=sys.stderr)
        assert [line.split()[0] for line in window.shown()] == ["$", "here", "id", "ssn"]
    assert sys.stderr is window
    assert [line.split()[0] for line in window.shown()] == ["$", "here", "id", "ssn"]


def test_what_is_drawn_again_stays_where_it_is(monkeypatch):
    window = Window(monkeypatch, 80, 24)
    with mockdata.progress() as show:
        show(Progress("id", 0, 100, 10, 0.1))
        show._display.tick()
        drawn = window.getvalue()
        show._display.tick()
        assert window.getvalue() == drawn  # nothing has changed
        window.shown()
        show(Progress("id", 1, 100, 10, 0.1))
        show._display.tick()
        assert not re.search(
            r"\x1b\[\d?K", window.getvalue()
        )  # nothing is erased before it is drawn
        assert window.getvalue().startswith("\x1b[?2026h\r\x1b[1A")
        assert window.getvalue().endswith("\x1b[J\x1b[?2026l")


def test_progress_without_an_event_loop_and_with_one(monkeypatch):
    window = Window(monkeypatch, 80, 24)
    monkeypatch.setattr(bars, "REFRESH", 0.0)
    with mockdata.progress() as show:
        mockdata.generate_sync({"id": 30_000}, sink=lambda batch: None, on_progress=show)
        mockdata.generate_sync({"ssn": 30_000}, sink=lambda batch: None, on_progress=show)
    assert [line.split()[0] for line in window.shown()] == ["id", "ssn"]
    assert all("100%" in line for line in window.shown())


async def test_progress_shows_a_delivery(monkeypatch):
    window = Window(monkeypatch, 80, 24)
    delivery = Delivery(10, 0, 0, 0, 0, 0, 0.5, 0.5, (), {})

    class Service:
        @asynccontextmanager
        async def open(self, run):
            async def write(batch):
                pass

            yield Session(write=write, delivery=lambda: delivery)

    async with mockdata.progress() as show:
        await mockdata.generate({"id": 10}, sink=Service(), on_progress=show)
    first, second, *_ = window.shown()
    assert first.startswith("id ━")
    assert second.startswith("sent 10 (")


async def test_progress_may_come_from_another_thread(monkeypatch):
    """So it does from a cluster's client, which has an event loop of its own."""
    window = Window(monkeypatch, 80, 24)
    monkeypatch.setattr(bars, "REFRESH", 0.0)

    async def run():
        await mockdata.generate({"id": 30_000}, sink=lambda batch: None, on_progress=show)

    async with mockdata.progress() as show:
        await asyncio.to_thread(asyncio.run, run())
    assert "100%" in window.shown()[0]


def test_progress_after_its_end_shows_nothing(monkeypatch):
    window = Window(monkeypatch, 80, 24)
    show = mockdata.progress()
    mockdata.generate_sync({"id": 10}, sink=lambda batch: None, on_progress=show)
    assert window.getvalue() == ""
    with show:
        pass
    window.truncate(window.seek(0))
    mockdata.generate_sync({"id": 10}, sink=lambda batch: None, on_progress=show)
    assert window.getvalue() == ""


def test_progress_where_there_is_no_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    with mockdata.progress() as show:
        mockdata.generate_sync({"id": 10}, sink=lambda batch: None, on_progress=show)
    assert capsys.readouterr().out == ""


class ZMQInteractiveShell:
    """As much of IPython as a display in a notebook needs. By this name rich knows a notebook."""

    kernel = "of a notebook"

    def __init__(self):
        self.shown = []

    def get_ipython(self):
        return self

    def display(self, picture, *, raw, display_id):
        assert raw
        assert display_id
        self.update(picture, raw=raw)
        return self

    def update(self, picture, *, raw):
        self.shown.append(picture)


def test_a_notebook_shows_bars_below_its_cell(monkeypatch, capsys):
    kernel = ZMQInteractiveShell()
    monkeypatch.setattr(builtins, "get_ipython", kernel.get_ipython, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", kernel)
    monkeypatch.setattr(notebook, "REFRESH", 0.0)
    with mockdata.progress() as show:
        mockdata.generate_sync({"id": 30_000, "ssn": 10}, sink=lambda _: None, on_progress=show)
    assert len(kernel.shown) > 1
    last = kernel.shown[-1]
    assert [line.split()[0] for line in last["text/plain"].splitlines()] == ["id", "ssn"]
    assert "color: #16a34a" in last["text/html"]
    assert last["text/html"].count("100%") == 2
    assert "background" not in last["text/html"]
    assert "".join(capsys.readouterr()) == ""


def test_the_library_loads_a_display_only_where_it_is_shown():
    script = (
        "import sys, mockdata\n"
        "show = mockdata.progress()\n"
        "assert 'rich' not in sys.modules\n"
        "with show:\n"
        "    mockdata.generate_sync(1, sink=print, on_progress=show)\n"
        "assert 'rich' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, timeout=60
    )
