"""What the command refuses: wrong use, and options that would have no effect."""

import os

import pytest

import mockdata
from mockdata.command.arguments import parse

WRONG = [
    (["-q"], "count"),
    (["0"], "'0'"),
    (["-5"], "-5"),
    (["ten"], "'ten'"),
    (["1.5"], "1.5"),
    (["1.0"], "1.0"),
    (["1.2345k"], "1.2345k"),
    (["1._5k"], "1._5k"),
    ([".5k"], ".5k"),
    (["5P"], "5P"),
    (["1.1T"], "1099511627776"),
    (["1__0"], "1__0"),
    (["٣"], "٣"),
    (["1099511627777"], "1099511627776"),
    (["1099512M"], "1099511627776"),
    (["9" * 5000], "1099511627776"),
    (
        ["nome=5"],
        "name, id, dob, ssn, email, phone, card, mrn, npi, address, uuid; did you mean name?",
    ),
    (["MAIL=5"], "'MAIL' is not one of name"),
    (["MAIL=5"], "did you mean email?"),
    (["phone=71201"], "phone: 71201 records, and only 71200 values are sure to differ"),
    (["SNN=5"], "did you mean ssn?"),
    (["=5"], "''"),
    (["name=5=6"], "'name=5=6'"),
    (["name=5", "NAME=6"], "twice"),
    (["name="], "'name='"),
    (["5", "6"], "'6'"),
    (["5", "name=6"], "cannot be combined"),
    (["name=6", "5"], "cannot be combined"),
    (["5", "--part", "3/2"], "part"),
    (["5", "--part", "0/2"], "part"),
    (["5", "--part", "x"], "part"),
    (["5", "--part", "1/2/3"], "part: '1/2/3' is not K/N"),
    (["5", "--start", "-1"], "start"),
    (["5", "--start", "x"], "start: 'x'"),
    (["5", "--start", ""], "start"),
    (["5", "--start", "1,2"], "start: '1,2' is not N or VAULT=N,..."),
    (["5", "--start", "ssn=1,2"], "start"),
    (["5", "--start", "ssn=1,SSN=2"], "twice"),
    (["5", "--start", "ssn=1", "--start", "ssn=2"], "twice"),
    (["5", "--start", "sn=1"], "start: 'sn' is not one of name, id, dob, ssn, email"),
    (["id=5", "--start", "ssn=1"], "start: 'ssn' is not in this run, which has id"),
    (["5", "--start", "1099511627776"], "1099511627776"),
    (["5", "--start", "2T"], "1099511627776"),
    (["5", "--start", "1099511627772", "--part", "1/5"], "1099511627776"),
    (["5", "--no-header", "-s", "os:getpid"], "no-header: only works with CSV"),
    (["5", "--no-header", "-s", "stdout", "-f", "jsonl"], "no-header: only works with CSV"),
    (["5", "--no-header", "-s", "stdout:jsonl"], "no-header: only works with CSV"),
    (["5", "--no-clobber", "-s", "stdout"], "no-clobber: only works with files"),
    (["5", "--fsync", "-s", "stdout"], "fsync: only works with files"),
    (
        ["5", "-s", "skyflow:absent.json"],
        "'skyflow:absent.json' does not load: absent.json: No such file",
    ),
    (["5", "--dask", "nowhere"], "dask: 'nowhere' is not local, or a scheduler's address such as"),
    (["5", "--dask", "foo://x:1"], "dask: 'foo://x:1' is not local"),
    (["5", "--dask", "Local"], "dask: 'Local' is not local"),
    (["5", "--fsync", "-s", "skyflow"], "fsync: only works with files"),
    (["5", "-s", "stdout", "-o", "s3://bucket/x"], "output: an object store only works with files"),
    (["5", "-s", "os:getpid", "-o", "gs://bucket/x"], "output: an object store only works with fi"),
    (["5", "-s", "skyflow", "-f", "jsonl"], "format: jsonl only works with -s stdout"),
    (["5", "-f", "parquet"], "format: 'parquet' is not one of csv, jsonl; for files, use -s"),
    (["5", "-s", "cvs", "--fsync"], "did you mean csv?"),
    (["5", "-w", "0"], "workers"),
    (["5", "-w", "two"], "workers"),
    (["5", "--timestamp", "170000000"], "ten digits"),
    (["5", "--timestamp", "17000000000"], "ten digits"),
    (["5", "--seed", "-1"], "seed"),
    (["5", "--seed", str(2**64)], "seed"),
    (["5", "--seed"], "--seed"),
    (["5", "-s", "nowhere"], "nowhere"),
    (["5", "-s", "stdot"], "did you mean stdout?"),
    (["5", "-s", "no.such.module:f"], "no.such.module"),
    (["5", "-s", "os:no_such_name"], "no_such_name"),
    (["5", "-s", "os:sep"], "neither a callable nor a sink"),
    (["5", "-s", "broken:f"], "does not load"),
    (["5", "-s", "stdout", "-f", "xml"], "csv, jsonl"),
    (["5", "-f", "jsonl"], "stdout"),
    (["5", "--frobnicate"], "--frobnicate"),
    (["5", "-o", ""], "folder"),
    (["5", "--rate", "0"], "rate"),
    (["5", "--rate", "fast"], "rate: 'fast'"),
    (["5", "--rate", "-5"], "rate: '-5'"),
    (["5", "--rate", "9" * 400], "rate"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG, ids=[" ".join(a)[:40] for a, _ in WRONG])
def test_wrong_use_is_one_line_and_writes_nothing(mockdata_command, tmp_path, arguments, named):
    (tmp_path / "broken.py").write_text("import sys\n1 / 0\n")
    done = mockdata_command(*arguments, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mockdata: ")
    assert named in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["broken.py"]


WORDS = {
    "output": ["-o", "out"],
    "format": ["-f", "jsonl"],
    "no-header": ["--no-header"],
    "no-clobber": ["--no-clobber"],
    "fsync": ["--fsync"],
    "part": ["--part", "1/2"],
    "rate": ["--rate", "5"],
    "workers": ["-w", "2"],
    "parts": ["--parts", "4"],
}
"""Options that not every run has a use for, and how they are said."""

EVERY = "part rate workers"
FILES = "output no-clobber fsync"
DASK = ["--dask", "tcp://there:8786"]

USES = [
    ([], f"{EVERY} {FILES} no-header"),
    (["-s", "csv"], f"{EVERY} {FILES} no-header"),
    (["-s", "csv:out"], f"{EVERY} no-clobber fsync no-header"),
    (["-s", "jsonl"], f"{EVERY} {FILES}"),
    (["-s", "parquet"], f"{EVERY} {FILES}"),
    (["-o", "s3://bucket"], f"{EVERY} no-clobber no-header"),
    (["-s", "jsonl", "-o", "s3://bucket"], f"{EVERY} no-clobber"),
    (["-s", "parquet:s3://bucket"], f"{EVERY} no-clobber"),
    (["-s", "stdout"], f"{EVERY} format no-header"),
    (["-s", "stdout:csv"], f"{EVERY} no-header"),
    (["-s", "stdout", "-f", "jsonl"], EVERY),
    (["-s", "skyflow"], EVERY),
    (["-s", "skyflow:config.json"], EVERY),
    (["-s", "loader:insert"], EVERY),
    (["--dask", "local"], "workers parts output fsync no-header"),
    (["--dask", "local", "-s", "jsonl"], "workers parts output fsync"),
    (DASK, "parts output fsync no-header"),
    ([*DASK, "-s", "parquet"], "parts output fsync"),
    ([*DASK, "-s", "parquet", "-o", "s3://bucket"], "parts"),
]
"""Runs, and which of the options each has a use for."""

NO_FOLDER = ("stdout", "stdout:csv", "skyflow", "skyflow:config.json", "loader:insert")
IGNORED = [("output", [sink]) for sink in NO_FOLDER]
"""A folder for a sink that writes to none: scripts have said so since 1.0."""


@pytest.mark.parametrize(
    ("run", "uses", "option"),
    [
        (run, uses, each)
        for run, uses in USES
        for each in WORDS
        if WORDS[each][0] not in run and (each, run[1:2]) not in IGNORED
    ],
)
def test_an_option_has_an_effect_or_is_refused_by_its_name(run, uses, option):
    words, fixed = WORDS[option], ["5", "--seed", "1", "--timestamp", "1700000000", *run]
    if option in uses.split():
        assert parse([*fixed, *words]) != parse(fixed)
        return
    with pytest.raises(mockdata.PlanError) as caught:
        parse([*fixed, *words])
    assert caught.value.argument in (option, "sink")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sink", NO_FOLDER)
def test_a_folder_is_ignored_by_a_sink_that_writes_to_none(sink):
    assert parse(["5", "-s", sink, "-o", "out"]).sink == sink.removesuffix(":csv")
