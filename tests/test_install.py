"""What an installation is: with a compiler it has the compiled renderer, and without it works, too."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
HAS_COMPILER = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is not None
HAS_HEADERS = Path(sysconfig.get_path("include"), "Python.h").exists()
LINES = ["ssn=3", "--seed", "7", "--timestamp", "1700000000", "-s", "stdout", "-q"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a function that builds a wheel; it leaves nothing in the project's folder."""

    def built(**environment):
        folder = tmp_path_factory.mktemp("wheel")
        before = {*(PROJECT / "mockdata").rglob("*.so")}
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(folder)]
        ended = subprocess.run(
            [sys.executable, "-m", "pip", "wheel", *options, str(PROJECT)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert {*(PROJECT / "mockdata").rglob("*.so")} == before
        (wheel,) = folder.iterdir()
        return wheel, ended.stdout + ended.stderr

    return built


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the command of a wheel's package alone."""

    def ended(wheel, *words, **environment):
        site = tmp_path / "site"
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
        inherited = {name: os.environ[name] for name in os.environ if name != "MOCKDATA_RENDERER"}
        return subprocess.run(
            [sys.executable, "-m", "mockdata", *words],
            env=inherited | {"PYTHONPATH": str(site)} | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return ended


def extensions(wheel):
    return [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", ".pyd"))]


@pytest.mark.parametrize("missing", [{"PATH": "/nowhere"}, {"CC": "/nowhere/cc"}, {"CC": "false"}])
def test_without_a_compiler_it_installs_quietly_and_numpy_renders(build, run, missing):
    wheel, said = build(**missing)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not extensions(wheel)
    assert not re.search("error|gcc|Traceback", said, re.IGNORECASE)
    assert run(wheel, "--version").stdout.endswith(", numpy renderer\n")
    ended = run(wheel, "--version", MOCKDATA_RENDERER="native")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert run(wheel, *LINES).stdout.count("\n") == 4


@pytest.mark.skipif(
    not (HAS_COMPILER and HAS_HEADERS), reason="there is no C compiler, or no Python.h"
)
def test_with_a_compiler_a_wheel_is_of_the_stable_abi(build, run):
    wheel, _ = build(MOCKDATA_BUILD="native")
    assert re.search(r"-cp311-abi3-\w+\.whl$", wheel.name)
    assert extensions(wheel) == ["mockdata/render/_native.abi3.so"]
    assert run(wheel, "--version").stdout.endswith(", native renderer\n")
    made = [run(wheel, *LINES, MOCKDATA_RENDERER=kind).stdout for kind in ("native", "numpy")]
    assert made[0] == made[1]
    assert made[0].count("\n") == 4


def test_a_build_that_is_to_have_the_extension_fails_without_a_compiler(build):
    with pytest.raises(AssertionError):
        build(MOCKDATA_BUILD="native", CC="false")
