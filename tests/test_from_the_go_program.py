"""The page for users of the Go program: each command makes what the loader reads."""

import csv
import re
import shlex
from pathlib import Path

import pytest

import mockdata
from mockdata.command.arguments import parse

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "from-the-go-program.md"
ROW = re.compile(r"^\| `\./generate_mock_data(.*?)` \| `mockdata (.*?)` \|$", re.MULTILINE)
COMMANDS = ROW.findall(PAGE.read_text(encoding="utf-8"))

VAULTS = ("name", "id", "dob", "ssn")
COLUMNS = {"name": "full_name", "id": "id", "dob": "dob", "ssn": "ssn"}
SUFFIX = r"1[0-9]{9}_[a-z0-9]{16}"
VALUES = {
    "name": rf"[A-Z]+ [A-Z]+ {SUFFIX}",
    "id": rf"[1-9][0-9]{{4}}-{SUFFIX}",
    "dob": rf"(19[4-9][0-9]|200[0-9]|2010)-[01][0-9]-[0-3][0-9]-{SUFFIX}",
    "ssn": rf"(?!000|666|9)[0-9]{{3}}-(?!00)[0-9]{{2}}-(?!0000)[0-9]{{4}}-{SUFFIX}",
}


def as_go_reads(words: list[str]) -> tuple[dict[str, int], str]:
    """Return the counts and the folder that the Go program takes from its arguments."""
    if words and not words[0].startswith("-"):
        counts = {"all": int(words[0])} if "=" not in words[0] else {}
        counts |= {name: int(count) for name, _, count in (w.partition("=") for w in words) if _}
        return dict.fromkeys(VAULTS, counts["all"]) if "all" in counts else counts, "data"
    flags = {"count": "1000", "output": "csv", "data-dir": "data"}
    pairs = " ".join(words).replace("=", " ").split()
    for flag, value in zip(pairs[::2], pairs[1::2], strict=True):
        assert flag.lstrip("-") in flags
        flags[flag.lstrip("-")] = value
    assert flags["output"] == "csv"
    return dict.fromkeys(VAULTS, int(flags["count"])), flags["data-dir"]


def read_as_the_loader_does(folder: Path, vault: str) -> list[tuple[str, str]]:
    """Return pairs of value and token: columns found by header, files in step to the shorter end."""
    column = COLUMNS[vault]
    with (
        open(folder / f"{vault}_data.csv", newline="", encoding="utf-8") as data,
        open(folder / f"{vault}_tokens.csv", newline="", encoding="utf-8") as tokens,
    ):
        rows = zip(csv.DictReader(data), csv.DictReader(tokens), strict=False)
        return [(value[column], token[f"{column}_token"]) for value, token in rows]


def test_the_page_maps_commands_of_both_versions():
    words = [shlex.split(go) for go, _ in COMMANDS]
    assert any("=" in word for each in words for word in each if not word.startswith("-"))
    assert {"-count", "-output", "-data-dir"} <= {word for each in words for word in each}
    assert len(COMMANDS) == 13


@pytest.mark.parametrize(("go", "ours"), COMMANDS)
def test_a_command_asks_for_what_the_go_program_makes(go, ours):
    counts, folder = as_go_reads(shlex.split(go))
    options = parse(shlex.split(ours))
    assert {vault.name: vault.records for vault in options.run.vaults} == counts
    assert (options.sink, options.output) == ("csv", folder)


@pytest.mark.parametrize(
    ("go", "ours"),
    [each for each in COMMANDS if sum(as_go_reads(each[0].split())[0].values()) < 50_000],
)
def test_the_loader_reads_every_record(go, ours, tmp_path):
    counts, _ = as_go_reads(shlex.split(go))
    run = parse(shlex.split(ours)).run
    mockdata.generate_sync(
        {vault.name: vault.records for vault in run.vaults}, sink=tmp_path, workers=1
    )
    kinds = ("data", "tokens")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{vault}_{kind}.csv" for vault in counts for kind in kinds
    }
    for vault, count in counts.items():
        pairs = read_as_the_loader_does(tmp_path, vault)
        values, tokens = map(set, zip(*pairs, strict=True))
        assert len(pairs) == len(values) == len(tokens) == count
        assert all(map(re.compile(VALUES[vault]).fullmatch, values))
        assert all(map(re.compile(rf"tok_{vault}_{SUFFIX}").fullmatch, tokens))
