"""Sinks that packages install: found by name, listed, and refused in one line where they must be."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mockdata.command import plugins

ROOT = Path(__file__).parents[1]

WAREHOUSE = '''
"""Sinks to be installed."""

def make(argument="nothing"):
    """Says what it was called with.

    And more that is not listed.
    """
    print("made with", repr(argument))
    return lambda batch: print(batch)

def undescribed():
    return print

def useless():
    return 5

def raises():
    raise LookupError("no\\nwarehouse")

def plans():
    from mockdata import PlanError
    raise PlanError("sink", "the warehouse needs an address: -s warehouse:HOST")

class Warehouse:
    """Is a class, made like any other."""

    def __init__(self, argument="here"):
        self.argument = argument

    def __call__(self, batch):
        print(self.argument, batch)
'''


@pytest.fixture
def install(tmp_path):
    """Return a function that installs a package with sinks, as an installer would leave it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "warehouse.py").write_text(WAREHOUSE)
    (site / "broken.py").write_text("import no_such_driver\n")
    (site / "leaves.py").write_text("raise SystemExit(0)\n")

    def installed(package, **sinks):
        folder = site / f"{package.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {reference}" for name, reference in sinks.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[mockdata.sinks]", *lines, ""]))

    return installed


@pytest.fixture
def command(mockdata_command, tmp_path):
    """Return a function that runs the real command where those packages are installed."""
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    return lambda *words: mockdata_command(*words, env=env)


def refused(done):
    """Return the one line that wrong use is answered with."""
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("sink", "printed"),
    [
        ("store", "made with 'nothing'\n<Batch id 0 to 2>\n"),
        ("store:shelf", "made with 'shelf'\n<Batch id 0 to 2>\n"),
        ("store:a:b=c", "made with 'a:b=c'\n<Batch id 0 to 2>\n"),
        ("store:", "made with ''\n<Batch id 0 to 2>\n"),
        ("class", "here <Batch id 0 to 2>\n"),
        ("class:there", "there <Batch id 0 to 2>\n"),
    ],
)
def test_an_installed_sink_is_made_with_its_argument_or_without(install, command, sink, printed):
    install("acme", store="warehouse:make", **{"class": "warehouse:Warehouse"})
    done = command("id=3", "-q", "-s", sink)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_an_installed_name_wins_over_a_module(install, command, tmp_path):
    (tmp_path / "store.py").write_text("def shelf(batch): print('the module')\n")
    assert command("id=3", "-q", "-s", "store:shelf").stdout == "the module\n"
    install("acme", store="warehouse:make")
    assert command("id=3", "-q", "-s", "store:shelf").stdout.startswith("made with 'shelf'\n")


def test_sinks_are_listed_with_package_and_description(install, command):
    install("acme-sinks", store="warehouse:make", plain="warehouse:undescribed")
    done = command("--list-sinks")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["csv", "mockdata"],
        ["jsonl", "mockdata"],
        ["parquet", "mockdata"],
        ["plain", "acme-sinks"],
        *(
            [name, "mockdata"]
            for name in sorted({*plugins.OURS} - {"csv", "jsonl", "parquet", "stdout"})
        ),
        ["stdout", "mockdata"],
        ["store", "acme-sinks"],
    ]
    assert lines[0].endswith(
        "Writes CSV files to a folder: two for each vault, one for each table."
    )
    assert lines[3].endswith("no description")
    assert lines[-1].endswith("  Says what it was called with.")


def test_one_that_does_not_load_is_listed_with_the_reason(install, command):
    install(
        "acme", bad="broken:make", gone="warehouse:no_such", out="leaves:make", ok="warehouse:make"
    )
    done = command("--list-sinks")
    assert (done.returncode, done.stderr) == (0, "")
    about = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert about["bad"].endswith(
        "does not load: ModuleNotFoundError: No module named 'no_such_driver'"
    )
    assert "does not load: AttributeError: " in about["gone"]
    assert "does not load: SystemExit: 0" in about["out"]
    assert about["ok"].endswith("Says what it was called with.")


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("broken:make", "'store' does not load: ModuleNotFoundError: No module named"),
        ("warehouse:no_such", "'store' does not load: AttributeError: "),
        ("warehouse:raises", "'store' does not load: LookupError: no warehouse"),
        ("leaves:make", "'store' does not load: SystemExit: 0"),
        ("warehouse:useless", "sink: 5 is not"),
        ("warehouse:plans", "sink: the warehouse needs an address: -s warehouse:HOST (see"),
    ],
)
def test_one_that_does_not_load_is_one_line(install, command, reference, named):
    install("acme", store=reference)
    assert named in refused(command("5", "-s", "store"))


def test_a_name_that_two_packages_install_is_one_line(install, command):
    install("acme", store="warehouse:make")
    install("zeta", store="warehouse:make", other="warehouse:make")
    line = refused(command("5", "-s", "store"))
    assert "acme and zeta both install 'store': uninstall all but one" in line
    assert command("id=1", "-q", "-s", "other").returncode == 0
    listed = [line for line in command("--list-sinks").stdout.splitlines() if "store" in line]
    assert [line.split(maxsplit=2)[2] for line in listed] == [
        "cannot be used: zeta has a sink with this name",
        "cannot be used: acme has a sink with this name",
    ]


def test_a_name_of_ours_stays_ours(install, command, tmp_path):
    install("acme", csv="warehouse:make")
    done = command("id=1", "-q")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "data" / "id_data.csv").exists()
    lines = command("--list-sinks").stdout.splitlines()
    assert lines[0].split()[:3] == ["csv", "mockdata", "Writes"]
    assert lines[1].split(maxsplit=2) == [
        "csv", "acme", "cannot be used: mockdata has a sink with this name",
    ]  # fmt: skip


def test_ours_are_registered_in_the_same_way():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][plugins.GROUP] == plugins.OURS


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (["-s", "csv:out"], ["-o", "out"]),
        (["-s", "csv:data"], []),
        (["-s", "stdout:jsonl"], ["-s", "stdout", "-f", "jsonl"]),
    ],
)
def test_an_argument_of_ours_is_what_its_option_says(command, tmp_path, short, long):
    run = ["id=3", "-q", "--seed", "1", "--timestamp", "1700000000"]
    outputs = []
    for words in (short, long):
        done = command(*run, *words)
        assert done.returncode == 0, done.stderr
        outputs.append((done.stdout, [p.name for p in tmp_path.iterdir()]))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["-s", "csv:out", "-o", "other"], "'csv:out' and --output cannot be combined"),
        (["-s", "stdout:csv", "-f", "csv"], "'stdout:csv' and --format cannot be combined"),
        (["-s", "stdout:xml"], "'xml' is not one of csv, jsonl"),
        (["-s", "csv:"], "'' is not the path of a folder"),
    ],
)
def test_a_wrong_argument_of_ours_is_one_line(command, words, named):
    assert named in refused(command("5", *words))


@pytest.mark.parametrize("sink", ["csv", "stdout"])
def test_a_sink_of_ours_is_found_without_a_search(sink, tmp_path):
    code = (
        "import sys; from mockdata.command.cli import main; "
        f"code = main(['id=1', '-q', '-s', {sink!r}]); "
        "sys.exit(code or 'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
