"""Nothing is loaded that was not named, and nothing is written outside the folder asked for."""

import os
import sys
import sysconfig

import pytest

import mockdata
from mockdata.command import cli

from . import oracle
from .conftest import RUN, VAULTS, kept, shell

FORMULAS = "=+-@\t\r"
"""What makes a spreadsheet take a cell for a formula, at its beginning."""


@pytest.mark.parametrize("vault", VAULTS)
def test_no_value_begins_like_a_formula(vault):
    firsts = set()
    mockdata.generate_sync(
        {vault: 30_000},
        sink=lambda batch: firsts.update(text[0] for text in (*batch.values, *batch.tokens)),
        **RUN,
    )
    if vault == "name":
        firsts.update(name[0] for name in oracle.names("first_names")[0])
    assert firsts
    assert not firsts & {*FORMULAS}


@pytest.fixture
def hostile(tmp_path):
    """A folder with modules that tell when they are loaded."""
    names = ["numpy", "rich", "uvloop", "anyio", "json", "loader", "other", "sitecustomize"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(
            f"open('loaded-{name}', 'w').close()\ndef f(batch): pass\n"
        )
    return tmp_path


def loaded(folder):
    return {file.name for file in folder.glob("loaded-*")}


def test_only_what_is_named_is_loaded(hostile):
    mockdata_script = os.path.join(sysconfig.get_path("scripts"), "mockdata")
    options = {"command": mockdata_script, "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in ("5 -q", "5 -q -s stdout", "0 -s loader:f", "5 --seed x -s loader:f"):
        shell(f"$command {arguments}", hostile, **options)
        assert loaded(hostile) == set()
    assert shell("$command 5 -q -s loader:g", hostile, **options).returncode == 2
    assert loaded(hostile) == {"loaded-loader"}


def test_the_folder_of_a_callable_stands_in_for_no_other_module(hostile):
    (hostile / "loader.py").write_text("def load(batch):\n    len(batch.values)\n")
    command = f"{os.path.join(sysconfig.get_path('scripts'), 'mockdata')} 5 -q -s loader:load"
    assert shell(command, hostile, PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert loaded(hostile) == set()


def test_nothing_is_loaded_before_the_other_arguments_are_right(tmp_path):
    (tmp_path / "loader.py").write_text("open('loaded', 'w').close()\n")
    for arguments in ("0 -s loader:f", "5 --seed x -s loader:f", "5 -f jsonl -s loader:f"):
        assert shell(f"$mockdata {arguments}", tmp_path).returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["loader.py"]


@pytest.mark.parametrize(
    "name",
    [".:x", "..a:b", "\0:x", "os.:x", "os.path.:x", ":x", "x:", "os:.", "os:path..join", "a\nb:c"],
)
def test_names_of_no_callable(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert cli.main(["5", "-s", name]) == cli.WRONG_USE
    message = capsys.readouterr().err
    assert message.startswith("mockdata: sink: ")
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_link_where_a_temporary_file_goes_is_not_followed(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "mine").write_text("mine")
    (folder / ".id_data.csv.aaaaaaaa.mockdata-tmp").symlink_to(tmp_path / "mine")
    monkeypatch.setattr("mockdata.sinks.folder.os.urandom", lambda size: b"\xaa" * size)
    with pytest.raises(FileExistsError):
        await mockdata.generate({"id": 5}, sink=folder)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (folder / "id_data.csv").exists()


WATCHED = """
import os, sys

inside = os.path.realpath("data")
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
of_the_system = (os.devnull, "/proc/")

def watch(event, arguments):
    paths = []
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & writing:
        paths = arguments[:1]
    elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"):
        paths = arguments[:1]
    elif event in ("os.rename", "os.link", "os.symlink"):
        paths = arguments[:2]
    for path in paths:
        if isinstance(path, str) and not path.startswith(of_the_system):
            folder, name = os.path.split(os.path.abspath(path))
            if os.path.join(os.path.realpath(folder), name).startswith(inside):
                print(event, file=sys.stderr)
            else:
                print("outside", event, path, file=sys.stderr)

sys.addaudithook(watch)
from mockdata.command import cli
sys.exit(cli.main(sys.argv[1:]))
"""


def test_nothing_is_written_outside_the_folder(tmp_path):
    (tmp_path / "watched.py").write_text(WATCHED)
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "data" / "id_data.csv").symlink_to(tmp_path / "elsewhere")
    done = shell(f"{sys.executable} -B watched.py 60k -q -w 2", tmp_path)
    assert done.returncode == 0
    assert "open" in done.stderr.split("\n")
    assert "outside" not in done.stderr
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "data" / "id_data.csv").is_symlink()
    assert len(kept(tmp_path / "data")) == 8
