"""What the page on many machines shows for array jobs: each task makes its part, and they join."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mockdata

ROOT = Path(__file__).parents[1]
(PAGE,) = (ROOT / "docs").rglob("scale.md")
TEXT = PAGE.read_text("utf-8").partition("\n## Array jobs\n")[2].partition("\n## ")[0]
SHOWN = {
    block.split(maxsplit=1)[0]: block
    for block in re.findall(r"^```(?:sh|yaml)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
}
"""The page's blocks by their first words."""

RUN = {"seed": 7, "timestamp": 1_700_000_000}


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script by a shell, in which ``mockdata`` is the command."""
    program = tmp_path / "bin" / "mockdata"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -W error -m mockdata "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "work"
    (folder / "load-test").mkdir(parents=True)

    def call(script, shell="sh", **environment):
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
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
