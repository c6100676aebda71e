"""What the project says of itself is so: for contributors, in bug reports, and of versions."""

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import mockdata
from mockdata.command.about import EXTRAS, NEEDED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def names(requirements):
    return [re.match(r"[\w-]+", text)[0] for text in requirements]


def test_versions_for_a_bug_report(mockdata_command):
    done = mockdata_command("--version", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["mockdata"] == mockdata.__version__
    assert said["python"] == platform.python_version()
    assert said["renderer"] in ("native", "numpy")
    assert 1 <= said["workers"] <= 8
    assert said["packages"]["rich"] == version("rich")
    assert said["extras"]["parquet"] == {"pyarrow": version("pyarrow")}
    assert mockdata_command("--json", "-V").stdout == done.stdout


def test_a_package_that_is_missing_has_no_version(mockdata_command, monkeypatch):
    monkeypatch.setattr(
        "mockdata.command.about.EXTRAS", {"parquet": ("pyarrow", "no-such-package")}
    )
    from mockdata.command.about import versions

    assert json.loads(versions())["extras"]["parquet"] == {
        "pyarrow": version("pyarrow"),
        "no-such-package": None,
    }


def test_versions_are_those_of_every_package_that_is_used():
    assert names(PROJECT["dependencies"]) == [*NEEDED]
    extras = PROJECT["optional-dependencies"]
    assert {name: (*names(extras[name]),) for name in EXTRAS} == EXTRAS
    assert {*extras} - {*EXTRAS} == {"test", "bench", "lint", "types"} | {*extras} & {"docs"}


def test_an_unknown_renderer_is_wrong_use_there_too(mockdata_command):
    done = mockdata_command("--version", "--json", env=os.environ | {"MOCKDATA_RENDERER": "abacus"})
    assert done.returncode == 2
    assert json.loads(done.stdout)["outcome"] == "failed"


COMMAND = re.compile(r"^```sh\n(.*?)\n```$", re.MULTILINE)


def test_contributors_need_three_commands():
    install, test, everything = COMMAND.findall(GUIDE)
    extras = re.search(r"-e '\.\[([\w,]+)\]'$", install)[1].split(",")
    assert {*extras} <= {*PROJECT["optional-dependencies"]}
    words = test.split()
    assert words[:3] == [".venv/bin/python", "-m", "pytest"]
    done = subprocess.run(
        [sys.executable, *words[1:3], "--collect-only", "-q", words[-1]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert everything.endswith(".venv/bin/nox")


def test_sessions_that_the_guide_names_exist():
    sessions = {
        *re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    }
    sentence = GUIDE.partition("`nox --list` shows")[2].partition(".\n")[0]
    assert {*re.findall(r"`(\w+)`", sentence.partition("After")[0])} <= sessions


def test_the_guide_has_every_room():
    table = "".join(line for line in GUIDE.splitlines() if line.startswith("| `"))
    for path in (ROOT / "mockdata").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`mockdata/{path.name}`" in table
    for name in re.findall(
        r"`([\w/.]+)`",
        "".join(line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")),
    ):
        assert (ROOT / name).exists(), name


def test_the_template_of_a_bug_asks_for_the_versions():
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    if not folder.exists():
        pytest.skip("an sdist has no issue templates")
    assert {path.name for path in folder.iterdir()} == {"bug.yml", "config.yml", "idea.yml"}
    assert "`mockdata --version --json`" in (folder / "bug.yml").read_text(encoding="utf-8")


def test_the_changelog_says_what_a_change_of_bytes_means():
    head = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("## [Unreleased]")[0]
    kinds = re.findall(r"\| (major|minor|patch) \|$", head, re.MULTILINE)
    assert kinds == ["major", "minor", "patch"]
