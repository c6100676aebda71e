"""The tables of a warehouse, through the command: one row, one person, in every format."""

import csv
import datetime as dt
import io
import json
import re
from pathlib import Path

import pytest

import mockdata
from mockdata.vaults.catalogue import READY_MADE
from mockdata.vaults.resolve import Resolver

from .conftest import kept
from .drawn import luhn
from .expressions import expression_of

WAREHOUSE = Path(__file__).parents[1] / "examples" / "warehouse.toml"
TABLES = mockdata.read_vaults(WAREHOUSE)
COUNT = 1_000
VAULTS = ("name", "id", "dob", "ssn", "email", "address", "npi")
WHOLE = re.compile(r"\{(\w+)\.(value|token)\}")


@pytest.fixture
def make(mockdata_command, tmp_path):
    """Return a function that runs the command with one seed, and returns the files that it made."""

    def made(folder, *words):
        done = mockdata_command(*words, *f"-q --seed 7 --timestamp 1700000000 -o {folder}".split())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return kept(tmp_path / folder)

    return made


@pytest.fixture
def tables(make):
    """Return a function that makes the example's tables, each of 1,000 rows."""
    return lambda folder, *words: make(folder, str(COUNT), "--vaults", str(WAREHOUSE), *words)


def rows_of(content):
    """Return the rows of a CSV file, by the names in its header."""
    return [*csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)]


def column(files, name):
    """Return the texts of a file of one column."""
    (texts,) = zip(*csv.reader(io.StringIO(files[name].decode()), strict=True), strict=True)
    return texts[1:]


def objects_of(content):
    return [json.loads(line) for line in content.splitlines()]


def test_a_row_has_what_the_vaults_own_files_have_in_its_line(make, tables):
    vaults, found = make("vaults", *(f"{name}={COUNT}" for name in VAULTS)), tables("tables")
    compared = set()
    for table in TABLES.values():
        rows = rows_of(found[f"{table.name}.csv"])
        assert [*rows[0]] == [each.name for each in table.columns]
        for each in table.columns:
            if match := WHOLE.fullmatch(each.pattern.text):
                vault, kind = match[1], "data" if match[2] == "value" else "tokens"
                of_vault = column(vaults, f"{vault}_{kind}.csv")
                assert tuple(row[each.name] for row in rows) == of_vault, each.name
                compared.add(match[0])
    assert compared == {f"{{{name}.{kind}}}" for name in VAULTS for kind in ("value", "token")}


def test_json_lines_have_what_csv_has(tables):
    as_csv, as_json = tables("csv"), tables("jsonl", "-s", "jsonl")
    assert [*sorted(as_json)] == ["clm.jsonl", "mbr.jsonl", "patients.jsonl"]
    for name in TABLES:
        assert objects_of(as_json[f"{name}.jsonl"]) == rows_of(as_csv[f"{name}.csv"])


@pytest.mark.parametrize("words", [["--no-header"], ["-s", "jsonl"]], ids=["csv", "jsonl"])
def test_parts_joined_are_the_whole(tables, words):
    whole = tables("whole", *words)
    parts = [tables(f"part{k}", *words, "--part", f"{k}/3") for k in (1, 2, 3)]
    assert whole == {name: b"".join(part[name] for part in parts) for name in whole}


def test_a_row_is_the_same_person_in_every_table(tables):
    found = tables("out")
    patients, mbr, clm = (rows_of(found[f"{name}.csv"]) for name in ("patients", "mbr", "clm"))
    claims = {row["member_id"]: row for row in clm}
    for patient, member in zip(patients, mbr, strict=True):
        claim = claims[member["member_id"]]
        first, last, *_ = patient["full_name"].split()
        assert (first, last) == (member["first_name"].upper(), member["last_name"].upper())
        assert (claim["patient_first_name"], claim["patient_last_name"]) == (
            member["first_name"],
            member["last_name"],
        )
        assert patient["ssn"] == member["ssn"] == claim["patient_ssn"]
        assert patient["dob"].startswith(member["birth_date"])
        assert claim["subscriber_id"] == member["subscriber_id"]


def test_ids_are_counted_from_the_record(make, tables):
    clm = rows_of(tables("out")["clm.csv"])
    assert [row["claim_id"] for row in clm] == [f"CLM-{100_000_001 + k}" for k in range(COUNT)]
    assert [row["member_id"] for row in clm] == [f"{700_000_001 + k}" for k in range(COUNT)]
    assert [row["subscriber_id"] for row in clm] == [f"SUB{10_000 + 10 * k}" for k in range(COUNT)]
    later = make("later", "clm=5", "--vaults", str(WAREHOUSE), "--start", "995")
    assert rows_of(later["clm.csv"]) == clm[995:]


@pytest.mark.parametrize("name", TABLES)
def test_texts_are_of_their_types_and_patterns(tables, name):
    resolver = Resolver({**READY_MADE, **TABLES})
    rows = rows_of(tables("out")[f"{name}.csv"])
    for each in TABLES[name].columns:
        expression = expression_of(resolver, TABLES[name], each.name)
        for row in rows:
            text = row[each.name]
            assert expression.fullmatch(text), each.name
            if each.type == "date":
                assert dt.date.fromisoformat(text).isoformat() == text
            if each.type == "int64":
                assert 0 <= int(text) < 2**63


def test_providers_have_the_right_check_digits(tables):
    for row in rows_of(tables("out")["clm.csv"]):
        assert luhn(f"80840{row['provider_npi'][:-1]}") == row["provider_npi"][-1]


def test_no_token_comes_twice(tables):
    for content in tables("out").values():
        rows = rows_of(content)
        for name in rows[0]:
            if name.endswith("_token"):
                assert len({row[name] for row in rows}) == COUNT
