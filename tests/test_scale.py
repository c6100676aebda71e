"""What the page on many machines shows for the shell: array jobs, and a practice on two hosts."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import mockdata

ROOT = Path(__file__).parents[1]
(PAGE,) = (ROOT / "docs").rglob("many-machines.md")
TEXT = PAGE.read_text("utf-8").partition("\n## Array jobs\n")[2].partition("\n## ")[0]
SHOWN = {
    block.split(maxsplit=1)[0]: block
    for block in re.findall(r"^```(?:sh|yaml)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
}
"""The page's blocks by their first words."""

RUN = {"seed": 7, "timestamp": 1_700_000_000}


@pytest.fixture
def programs(tmp_path):
    """Return a folder with the command, for a shell's ``PATH``."""
    program = tmp_path / "bin" / "mockdata"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -W error -m mockdata "$@"\n')
    program.chmod(0o755)
    return program.parent


@pytest.fixture
def run(programs, tmp_path):
    """Return a function that runs a script by a shell, in which ``mockdata`` is the command."""
    folder = tmp_path / "work"
    (folder / "load-test").mkdir(parents=True)

    def call(script, shell="sh", **environment):
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [shell, "-c", script],
            cwd=folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return folder

    return call


def smaller(script, tasks):
    """Return a script of the page for few records, few tasks and folders that are there."""
    changes = {"1M": "1k", "10G": "1k", "/64": f"/{tasks}", "/shared/": "", "s3://bucket/": ""}
    for shown, changed in changes.items():
        script = script.replace(shown, changed)
    return script


def check_parts(folder, tasks, tmp_path):
    """Check that the parts, one after the other, are the whole."""
    mockdata.generate_sync(1000, sink=tmp_path / "whole", **RUN)
    for file in (tmp_path / "whole").iterdir():
        header, _, lines = file.read_bytes().partition(b"\n")
        parts = [(folder / f"part-{k}" / file.name).read_bytes() for k in range(1, tasks + 1)]
        assert all(part.startswith(header + b"\n") for part in parts)
        assert b"".join(part.partition(b"\n")[2] for part in parts) == lines


def test_a_shell(run, tmp_path):
    check_parts(run(smaller(SHOWN["seq"], 8)), 8, tmp_path)


@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is not here")
def test_gnu_parallel(run, tmp_path):
    check_parts(run(smaller(SHOWN["parallel"], 8), "bash"), 8, tmp_path)


def test_a_slurm_array(run, tmp_path):
    script = smaller(SHOWN["#!/bin/sh"], 3)
    for task in range(1, 4):
        folder = run(script, SLURM_ARRAY_TASK_ID=str(task))
    check_parts(folder / "load-test", 3, tmp_path)


def test_a_kubernetes_indexed_job(run, tmp_path):
    _, _, folded = SHOWN["apiVersion:"].partition(">-\n")
    script = smaller(" ".join(folded.split()), 3)
    for index in range(3):
        folder = run(script, JOB_COMPLETION_INDEX=str(index))
    check_parts(folder / "load-test", 3, tmp_path)


PRACTICE = (
    PAGE.read_text("utf-8").partition("\n### Two hosts on one machine\n")[2].partition("\n### ")[0]
)

ALONE = "mkdir -p /run/netns && mount -t tmpfs none /run/netns"
"""Before the page's commands, where nobody else sees what is mounted: hosts of our own."""

SEES = "ip netns add one && ip link add veth netns one type veth peer name other"


def apart(script):
    """Return the words that run a script where it may make hosts that nobody else sees."""
    options = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    return ["unshare", *options, "bash", "-c", f"{ALONE}\n{script}"]


@cache
def may_make_hosts():
    """Return whether this machine lets us make network namespaces."""
    if not all(map(shutil.which, ("unshare", "ip", "bash"))):
        return False
    return subprocess.run(apart(SEES), capture_output=True, check=False).returncode == 0


@pytest.mark.slow  # it starts a scheduler and two workers by their commands
@pytest.mark.skipif(not may_make_hosts(), reason="network namespaces are not allowed here")
def test_practice_on_two_hosts(programs, tmp_path):
    hosts, begin, end = re.findall(r"^```sh\n(.*?)^```$", PRACTICE, re.MULTILINE | re.DOTALL)
    begin = begin.replace("10M", "100k --seed 7 --timestamp 1700000000 --parts 8 --json")
    dask = programs / "dask"
    dask.write_text(f'#!/bin/sh\nexec {sys.executable} -m dask "$@"\n')
    dask.chmod(0o755)
    done = subprocess.run(
        apart(f"set -m\n{hosts}\n{begin}\n{end}\nip netns list"),
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (report["outcome"], report["records"]) == ("done", 400_000), done.stderr
    assert "tcp://10.77.0.2:" in done.stderr  # the worker on the other host
    for part in range(1, 9):
        made = tmp_path / "shared" / f"part-{part:05}-of-00008"
        mockdata.generate_sync(100_000, sink=tmp_path / "alone", part=(part, 8), **RUN)
        for file in (tmp_path / "alone").iterdir():
            assert (made / file.name).read_bytes() == file.read_bytes()
