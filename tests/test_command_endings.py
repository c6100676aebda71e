"""What the command says when it ends: how to repeat a run, how to go on with it, and its JSON."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockdata.command.arguments import parse
from mockdata.command.repeat import continuing, repeating
from mockdata.vaults.catalogue import DEFAULT

from .conftest import kept

COMMAND = [sys.executable, "-m", "mockdata"]

LOADERS = '''
import asyncio, sys, threading
from contextlib import asynccontextmanager
from mockdata import PlanError, Session
from mockdata.sinks import Delivery

def take(batch):
    """Takes all."""

def fail(batch):
    raise LookupError("no table")

def leave(batch):
    sys.exit(0)

def interrupt(batch):
    raise KeyboardInterrupt

def plan(batch):
    raise PlanError("table", "is not there")

def read(batch):
    open("journal")

def lose(batch):
    raise ConnectionError("no answer")

async def wait(batch):
    print("waits", flush=True)
    await asyncio.Event().wait()

def block(batch):
    print("blocks", flush=True)
    threading.Event().wait()

class Undoing:
    """Cannot undo."""

    @asynccontextmanager
    async def open(self, run):
        try:
            yield wait if run.records > 5 else fail_later
        except BaseException:
            raise OSError(5, "Input/output error", "journal")

async def fail_later(batch):
    raise OSError(28, "No space left on device", "table")

undoing = Undoing()

class Closed:
    """Cannot be opened."""

    @asynccontextmanager
    async def open(self, run):
        raise LookupError("closed")
        yield

closed = Closed()

class Service:
    """Takes single records, and fails, waits or refuses one after so many."""

    def __init__(self, then, after=0):
        self.then, self.after = then, after

    @asynccontextmanager
    async def open(self, run):
        sent, refused = [], []
        resume = {vault.name: vault.start for vault in run.vaults}

        async def write(batch):
            for index, (value, _) in enumerate(batch, batch.start):
                if len(sent) == self.after and self.then in ("fails", "waits"):
                    print(self.then, flush=True)
                    if self.then == "fails":
                        raise ConnectionError("no answer")
                    await asyncio.Event().wait()
                elif len(sent) >= self.after and self.then == "refuses":
                    refused.append(value)
                else:
                    sent.append(value)
                resume[batch.vault] = index + 1

        def delivery():
            unknown = run.records - len(sent) - len(refused)
            logs = ("refused.log",) if refused else ()
            return Delivery(len(sent), len(refused), unknown, 0, 0, 0, 0.0, 0.0, logs, dict(resume))

        try:
            yield Session(write=write, delivery=delivery)
        finally:
            with open("sent.txt", "a") as file:
                file.writelines(f"{value}\\n" for value in sent)

takes_all = Service("takes")
fails_at_once, fails = Service("fails"), Service("fails", 7_000)
waits, refuses = Service("waits", 7_000), Service("refuses", 100)
'''


@pytest.fixture
def loaders(tmp_path):
    """A folder with callables and sinks for the command."""
    (tmp_path / "loaders.py").write_text(LOADERS)
    return tmp_path


def again(command, folder):
    """Run a command line that was printed, as a shell in that folder would."""
    words = shlex.split(command)
    assert "mockdata" in command.partition(" --seed ")[0]
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def numbers():
    every = st.integers(1, 5000)
    return st.one_of(every, st.dictionaries(st.sampled_from([*DEFAULT, "uuid"]), every, min_size=1))


@st.composite
def runs(draw):
    """Draw words that the command understands, about what is made."""
    counts, parts = draw(numbers()), draw(st.integers(1, 5))
    words = (
        [f"{name}={count}" for name, count in counts.items()]
        if isinstance(counts, dict)
        else [str(counts)]
    )
    names = [*counts] if isinstance(counts, dict) else [*DEFAULT]
    start = draw(
        st.one_of(
            st.none(),
            st.integers(0, 2**39).map(str),
            st.dictionaries(st.sampled_from(names), st.integers(0, 2**39), min_size=1).map(
                lambda starts: ",".join(f"{name}={start}" for name, start in starts.items())
            ),
        )
    )
    words += ["--start", start] if start else []
    return [*words, "--part", f"{draw(st.integers(1, parts))}/{parts}"]


PLACES = st.sampled_from(
    [
        [],
        ["-o", "some folder"],
        ["--output=-o"],
        ["--no-header", "-o", "it's"],
        ["-s", "stdout"],
        ["-s", "stdout", "-f", "jsonl"],
        ["-s", "jsonl", "--fsync", "-o", "some folder"],
        ["-s", "jsonl:out", "--no-clobber"],
        ["-s", "parquet", "-o", "out", "--fsync"],
        ["-s", "parquet:out", "--no-clobber"],
        ["-s", "stdout", "--no-header", "--rate", "2.5k"],
        ["-s", "loader:$HOME"],
        ["--no-clobber", "--fsync"],
    ]
)


def words_of(command):
    """Return a printed command's words, without what stands for the program."""
    words = shlex.split(command)
    return words[words.index("mockdata") + 1 :] if "mockdata" in words else words[1:]


@given(runs(), PLACES)
def test_the_command_that_repeats_a_run_says_all_that_it_depends_on(words, place):
    options = parse([*words, *place, "-q", "-w", "3"])
    repeated = parse([*words_of(repeating(options)), "-q", "-w", "3"])
    assert replace(repeated, start=None) == replace(options, start=None)  # the run has it


@given(runs(), st.data())
def test_the_command_that_goes_on_makes_what_is_missing_and_nothing_else(words, data):
    options = parse(words)
    resume = {v.name: data.draw(st.integers(v.start, v.stop)) for v in options.run.vaults}
    command = continuing(options, resume)
    missing = {v.name: (resume[v.name], v.stop) for v in options.run.vaults}
    missing = {name: bounds for name, bounds in missing.items() if bounds[0] < bounds[1]}
    if not missing:
        assert command == ""
        return
    run = parse(words_of(command)).run
    assert {v.name: (v.start, v.stop) for v in run.vaults} == missing
    assert (run.seed, run.timestamp) == (options.run.seed, options.run.timestamp)


@pytest.mark.parametrize(
    "words",
    [
        ["20"],
        ["name=5", "ssn=1.5k", "--start", "ssn=7", "--part", "2/3", "-o", "a folder"],
        ["20", "--seed", "7", "--no-header", "--start", "1G"],
        ["20", "-s", "stdout", "--no-header"],
        ["20", "-s", "stdout:jsonl"],
    ],
)
def test_the_summarys_last_line_repeats_the_run(mockdata_command, tmp_path, words):
    first = mockdata_command(*words)
    made = {path.name: kept(path) for path in tmp_path.iterdir()}
    for path in tmp_path.rglob("*.csv"):
        path.unlink()
    second = again(first.stderr.splitlines()[-1], tmp_path)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert {path.name: kept(path) for path in tmp_path.iterdir()} == made
    assert made or first.stdout
    assert second.stderr.splitlines()[-1] == first.stderr.splitlines()[-1]


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_a_run_that_fails_says_how_to_repeat_it(mockdata_command, loaders, quiet):
    words = ["ssn=10001", "-s", "loaders:fail", "--start", "5", *quiet]
    done = mockdata_command(*words)
    line, command = done.stderr.removesuffix("\n").split("; to repeat: ")
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith("mockdata: LookupError in loaders.py, line 11: no table")
    assert "--seed" in command
    repeated = again(command, loaders)
    assert repeated.stderr == done.stderr


def test_what_was_given_on_the_way_stays_wrong_use(mockdata_command, loaders):
    done = mockdata_command("5", "-o", "no such folder", "-s", "loaders:nothing")
    assert done.returncode == 2
    assert "--seed" not in done.stderr


@pytest.mark.parametrize("what", ["leave", "interrupt", "plan"])
def test_a_callable_that_ends_python_fails_the_run(mockdata_command, loaders, what):
    done = mockdata_command("5", "-s", f"loaders:{what}", "--json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.search(r"(SystemExit|KeyboardInterrupt|PlanError) in loaders.py", done.stderr)
    assert json.loads(done.stdout)["outcome"] == "failed"


@pytest.mark.parametrize(
    ("sink", "problem"),
    [
        ("read", "journal: No such file or directory"),
        ("lose", r"ConnectionError in loaders\.py, line \d+: no answer"),
    ],
)
def test_an_error_that_has_a_file_is_told_by_the_files_name(
    mockdata_command, loaders, sink, problem
):
    done = mockdata_command("id=5", "-s", f"loaders:{sink}", "-q")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(f"mockdata: {problem}; at id records 0 to 4; to repeat: ", done.stderr)


def test_an_error_of_opening_is_told_by_the_sinks_own_line(mockdata_command, loaders):
    done = mockdata_command("id=5", "-s", "loaders:closed", "-q")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"mockdata: LookupError in loaders\.py, line \d+: closed; ", done.stderr)


def test_what_fails_in_undoing_is_told_too(mockdata_command, loaders):
    done = mockdata_command("id=5", "-s", "loaders:undoing")
    assert done.returncode == 1
    assert re.match("mockdata: table: No space left on device; at id records 0 to 4; ", done.stderr)
    assert "Input/output error: 'journal'; to repeat: " in done.stderr
    run = subprocess.Popen(
        [*COMMAND, "id=6", "-s", "loaders:undoing", "-q"],
        cwd=loaders,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "waits\n"
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert re.match(r"mockdata: stopped; .*Input/output error: 'journal'; to repeat: ", errors)


def values(folder):
    path = folder / "sent.txt"
    return path.read_text().splitlines() if path.exists() else []


RUN = ["id=3k", "ssn=12k", "dob=9k", "--part", "2/3", "--start", "ssn=10k", "--seed", "7",
       "--timestamp", "1700000000"]  # fmt: skip


@pytest.mark.parametrize("sink", ["fails", "fails_at_once", "waits"])
@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_a_delivery_that_ends_early_says_how_to_go_on(mockdata_command, loaders, sink, quiet):
    whole = mockdata_command(*RUN, "-s", "loaders:takes_all", "-q")
    assert (whole.returncode, whole.stderr) == (0, "")
    expected = values(loaders)
    (loaders / "sent.txt").unlink()
    run = subprocess.Popen(
        [*COMMAND, *RUN, "-s", f"loaders:{sink}", *quiet],
        cwd=loaders,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline().strip() in sink
    if sink == "waits":
        run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == (143 if sink == "waits" else 1)
    line, command = errors.removesuffix("\n").split("; to go on: ")
    sent = len(values(loaders))
    assert f"{sent:,} records sent, 0 failed, {8000 - sent:,} not sent" in line
    assert "\n" not in line
    assert again(command.replace(sink, "takes_all"), loaders).returncode == 0
    assert sorted(values(loaders)) == sorted(expected)
    assert len(expected) == 8000


def test_records_that_are_refused_fail_the_run_and_leave_nothing_to_go_on_with(
    mockdata_command, loaders
):
    done = mockdata_command("id=150", "-s", "loaders:refuses", "-q", "--json")
    assert done.returncode == 1
    line = "100 records sent, 50 failed, 0 not sent; see refused.log"
    assert done.stderr.startswith(f"mockdata: {line}; to repeat: ")
    report = json.loads(done.stdout)
    assert (report["outcome"], report["error"]) == ("failed", line)
    assert report["records"] == 150
    assert report["delivery"]["resume"] == {"id": 150}


@pytest.mark.parametrize("sink", ["fail", "fails", "fails_at_once"])
def test_json_of_a_run_that_fails(mockdata_command, loaders, sink):
    done = mockdata_command(*RUN, "-s", f"loaders:{sink}", "--json")
    *_, line = done.stdout.splitlines()
    report = json.loads(line)
    assert done.returncode == 1
    assert report["outcome"] == "failed"
    assert done.stderr.startswith(f"mockdata: {report['error']}; ")
    assert (report["seed"], report["timestamp"]) == (7, 1_700_000_000)
    assert [*report["vaults"]] == ["id", "dob", "ssn"]
    assert report["records"] == sum(vault["records"] for vault in report["vaults"].values())
    assert ("delivery" in report) == (sink != "fail")
    if sink != "fail":
        assert report["delivery"]["sent"] == len(values(loaders))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sink", ["wait", "block"])
def test_json_of_a_run_that_is_stopped(loaders, number, sink):
    run = subprocess.Popen(
        [*COMMAND, "id=30k", "-s", f"loaders:{sink}", "--json", "-q", "--seed", "3"],
        cwd=loaders,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline().strip() in ("waits", "blocks")
    while run.poll() is None:  # where it blocks, it takes more than one
        run.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            run.wait(0.2)
    output, errors = run.communicate(timeout=60)
    report = json.loads(output)
    assert (run.returncode, errors) == (128 + number, "")
    assert (report["outcome"], report["error"]) == ("stopped", f"stopped by {number.name}")
    assert (report["seed"], report["records"]) == (3, 0)


@pytest.mark.parametrize(
    ("words", "on_stderr"),
    [
        (["0", "--json"], False),
        (["--json", "5", "-s", "nowhere"], False),
        (["5", "--nonsense", "--json"], False),
        (["5", "--json", "--seed"], False),
        (["0", "-s", "stdout", "--json"], True),
        (["0", "-s", "stdout:jsonl", "--json"], True),
    ],
)
def test_json_of_wrong_use(mockdata_command, words, on_stderr):
    done = mockdata_command(*words)
    line, *_ = done.stderr.splitlines()
    report = json.loads(done.stderr.splitlines()[-1] if on_stderr else done.stdout)
    assert done.returncode == 2
    assert report["outcome"] == "failed"
    assert line == f"mockdata: {report['error']} (see --help)"


def test_json_of_a_run_whose_rows_nobody_reads(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [*COMMAND, "1000", "-s", "stdout", "--json"],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    report = json.loads(run.stderr)
    assert (run.returncode, report["outcome"]) == (141, "stopped")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("words", "code"), [(["5"], 0), (["5", "-s", "loaders:take"], 0),
                                             (["5", "-s", "loaders:fail"], 1), (["0"], 2)])  # fmt: skip
def test_a_full_disk_under_stderr_changes_no_exit_code(loaders, words, code, unbuffered):
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [*COMMAND, *words],
            cwd=loaders,
            stderr=full,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert run.returncode == code


@pytest.mark.parametrize(
    "words",
    [["-m", "cProfile", "-o", "profile", "-m", "mockdata"], ["-m", "cProfile", "-m", "mockdata"]],
)
def test_a_profiler_gets_to_its_end(tmp_path, words):
    run = subprocess.run(
        [sys.executable, *words, "10", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    if "-o" in words:
        script = "import pstats; pstats.Stats('profile').print_stats('cli.py')"
        shown = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        assert "cli.py" in shown
    else:
        assert "function calls" in run.stdout
    assert len(kept(tmp_path / "data")) == 8


TRACED = """
import atexit, os, runpy, sys

def trace(frame, event, argument):
    return None

def leave(code, really=os._exit):
    print("left early", flush=True)
    really(code)

os._exit = leave
atexit.register(lambda: print("left in order"))
sys.argv = ["mockdata", "10", "-q"]
sys.orig_argv = [sys.executable, *sys.argv]
{start}
runpy.run_module("mockdata", run_name="__main__", alter_sys=False)
"""


@pytest.mark.parametrize(
    ("start", "early"),
    [
        ("sys.settrace(trace)", False),
        ("sys.setprofile(trace)", False),
        ("sys.orig_argv[1:1] = ['-m', 'a_profiler']", False),
        ("", True),
        pytest.param(
            "sys.monitoring.use_tool_id(3, 'a tool')",
            False,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12"
            ),
        ),
    ],
)
def test_only_a_command_that_nothing_watches_is_left_early(tmp_path, start, early):
    (tmp_path / "traced.py").write_text(TRACED.format(start=start))
    run = subprocess.run(
        [sys.executable, "traced.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    printed = "left in order\n" + ("left early\n" if early else "")
    assert (run.returncode, run.stdout, run.stderr) == (0, printed, "")


def test_inspecting_python_gets_its_prompt(tmp_path):
    run = subprocess.run(
        [sys.executable, "-i", "-m", "mockdata", "10", "-q"],
        cwd=tmp_path,
        input="print('at the prompt')\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "at the prompt" in run.stdout


BLOCKED = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyreqwest", "msgspec", "httptools", "uvicorn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def test_every_public_name_is_there_without_extras(tmp_path):
    script = BLOCKED + (
        "import mockdata\n"
        "assert all(hasattr(mockdata, name) for name in mockdata.__all__)\n"
        "from mockdata import *\n"
        "assert SkyflowSink is mockdata.SkyflowSink\n"
        "try:\n"
        "    SkyflowSink('http://127.0.0.1:1', {}, token='t')\n"
        "except mockdata.PlanError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "pip install 'pyreqwest>=0.15'" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_missing_extra_is_one_line(tmp_path):
    script = BLOCKED + "from mockdata.command.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    (tmp_path / "config.json").write_text(
        '{"skyflow": {"vault_url": "http://127.0.0.1:1", "bearer_token": "t",'
        ' "vaults": [{"name": "SSN", "id": "v", "column": "ssn"}]}}'
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "ssn=5", "-s", "skyflow"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'pyreqwest>=0.15'" in done.stderr
    assert done.stderr.count("\n") == 1
