"""Files of JSON lines: what a reader reads back, complete or absent."""

import errno
import json
import os

import pytest

import mockdata
from mockdata.sinks.base import VaultRun
from mockdata.sinks.jsonl import JsonlSink

from .conftest import RUN
from .conftest import kept as files_of
from .odd import ODD, PEOPLE, QUOTED, kept

COUNTS = {ODD: 10_001, QUOTED: 25, PEOPLE: 301, "name": 10_001}


def objects(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")


async def test_what_a_reader_reads_back_is_what_a_batch_has(either, tmp_path):
    report = await mockdata.generate(COUNTS, sink=JsonlSink(tmp_path), **RUN)
    expected = await kept(COUNTS)
    columns = {name: batches[0].columns for name, batches in expected.batches.items()}
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}.jsonl" for name in columns}
    for name, keys in columns.items():
        content = (tmp_path / f"{name}.jsonl").read_bytes()
        assert content.endswith(b"}\n")
        vault = report.vaults[name]
        assert (vault.data_bytes, vault.token_bytes) == (len(content), 0)
        found = [json.loads(line) for line in content.splitlines()]
        assert {tuple(each) for each in found} == {keys}
        assert [tuple(each.values()) for each in found] == expected.records(name)


async def test_parts_join_to_the_whole(tmp_path):
    for k in (1, 2, 3):
        await mockdata.generate(COUNTS, sink=JsonlSink(tmp_path / f"{k}"), part=(k, 3), **RUN)
    await mockdata.generate(COUNTS, sink=JsonlSink(tmp_path / "whole"), **RUN)
    for whole in (tmp_path / "whole").iterdir():
        parts = [(tmp_path / f"{k}" / whole.name).read_bytes() for k in (1, 2, 3)]
        assert b"".join(parts) == whole.read_bytes()


async def test_a_failed_run_leaves_earlier_files_as_they_were(either, tmp_path, monkeypatch):
    (tmp_path / "odd.jsonl").write_text("earlier")
    monkeypatch.setattr("mockdata.pipeline.producers.render", full)
    with pytest.raises(OSError, match="No space"):
        await mockdata.generate({ODD: 30_000}, sink=JsonlSink(tmp_path), **RUN)
    assert files_of(tmp_path) == {"odd.jsonl": b"earlier"}


async def test_earlier_files_are_replaced_or_stay(tmp_path):
    (tmp_path / "odd.jsonl").write_text("earlier")
    with pytest.raises(FileExistsError):
        await mockdata.generate({ODD: 3}, sink=JsonlSink(tmp_path, clobber=False), **RUN)
    assert files_of(tmp_path) == {"odd.jsonl": b"earlier"}
    await mockdata.generate({ODD: 3}, sink=JsonlSink(tmp_path, fsync=True), **RUN)
    assert len(objects(tmp_path / "odd.jsonl")) == 3


async def test_files_that_do_not_fit_are_refused_with_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(VaultRun, "mean_widths", lambda *_: (2.0**60,))
    with pytest.raises(OSError, match="no room: the files take 3,458,764,513,820,540,928 bytes"):
        await mockdata.generate({ODD: 3}, sink=JsonlSink(tmp_path / "out"), **RUN)
    assert files_of(tmp_path) == {}


# In the command


def test_the_command_writes_them_and_says_which(mockdata_command, tmp_path):
    words = ["ssn=20", "email=5", "-s", "jsonl", "-o", "out", "--seed", "7", "--fsync"]
    done = mockdata_command(*words)
    assert (done.returncode, done.stdout) == (0, "")
    made = files_of(tmp_path / "out")
    assert {name: content.count(b"\n") for name, content in made.items()} == {
        "ssn.jsonl": 20,
        "email.jsonl": 5,
    }
    assert list(objects(tmp_path / "out" / "ssn.jsonl")[0]) == ["ssn", "ssn_token"]
    lines = done.stderr.splitlines()
    assert ["ssn.jsonl" in lines[0], "email.jsonl" in lines[1]] == [True, True]
    assert " in out, " in lines[2]
    repeated = lines[-1].partition("mockdata ")[2].split()
    assert "-s jsonl -o out" in lines[-1]
    assert mockdata_command(*repeated, "-q").returncode == 0
    assert files_of(tmp_path / "out") == made


def test_an_argument_of_the_sink_is_its_folder(mockdata_command, tmp_path):
    assert mockdata_command("ssn=3", "-q", "-s", "jsonl:out").returncode == 0
    assert [*files_of(tmp_path / "out")] == ["ssn.jsonl"]
    refused = mockdata_command("ssn=3", "-s", "jsonl:out", "--no-clobber")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-s", "jsonl", "--no-header"], "no-header: is for CSV"),
        (
            ["-s", "jsonl", "-f", "csv"],
            "format: is for rows on stdout: -s stdout; for files, say -s csv",
        ),
        (
            ["-s", "csv", "-f", "jsonl"],
            "format: is for rows on stdout: -s stdout; for files, say -s jsonl",
        ),
        (["-s", "jsonl", "-o", ""], "output: "),
        (["-s", "jsonl:x", "-o", "y"], "sink: 'jsonl:x' and --output"),
    ],
)
def test_wrong_use_is_one_line(mockdata_command, tmp_path, words, said):
    done = mockdata_command("5", *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert files_of(tmp_path) == {}
