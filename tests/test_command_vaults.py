"""Vaults and tables of a file in the command: counted, listed, repeated and refused."""

import csv
import json
import os
import re
import subprocess
import sys

import pytest

from mockdata.command.arguments import parse
from mockdata.command.repeat import continuing, repeating
from mockdata.vaults.catalogue import DEFAULT, READY_MADE

from .conftest import kept
from .terminal import on_terminal

COMMAND = [sys.executable, "-m", "mockdata"]
RUN = ["--seed", "7", "--timestamp", "1700000000"]

OWN = """
[vaults.card]
value = '4[0-9]{14}{luhn}'
token = '{same:6,4}'

[vaults.member]
value = 'M-{number:100000-999999}'
token = '{uuid}'
data_column = "member_id"

[vaults.mail]
value = '{name.first_name:lower}.[a-z0-9]{6}@{domain}'
lists.domain = ["example.com", "example.org"]
distinct = 1_000

[vaults.plan]
value = '(gold|silver)'
repeats = true

[tables.patients]
patient_id = { pattern = "{index:1}", type = "int64" }
full_name = "{name.value}"
"""

OWN_NAMES = ["card", "member", "mail", "plan", "patients"]


@pytest.fixture
def own(tmp_path):
    """A file of definitions, and a folder that the command runs in beside it."""
    (tmp_path / "definitions").mkdir()
    path = tmp_path / "definitions" / "own vaults.toml"
    path.write_text(OWN)
    return str(path)


def files_of(names):
    """Return the files of vaults; ``patients`` is a table."""
    pairs = {f"{n}_{kind}.csv" for n in names for kind in ("data", "tokens") if n != "patients"}
    return pairs | ({"patients.csv"} & {f"{n}.csv" for n in names})


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        (["3"], OWN_NAMES),
        (["Card=3", "EMAIL=3", "patients=3"], ["card", "email", "patients"]),
        (["uuid=3", "ssn=3"], ["uuid", "ssn"]),
    ],
)
def test_vaults_of_a_file_beside_the_ready_made_ones(
    mockdata_command, tmp_path, own, counts, names
):
    done = mockdata_command(*counts, "--vaults", own, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    made = kept(tmp_path / "data")
    assert set(made) == files_of(names)
    assert all(content.count(b"\n") == 4 for content in made.values())
    assert sorted(json.loads(done.stdout)["vaults"]) == sorted(names)


@pytest.mark.parametrize("name", READY_MADE)
def test_every_ready_made_vault_can_be_named(mockdata_command, tmp_path, name):
    done = mockdata_command(f"{name.upper()}=3", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(kept(tmp_path / "data")) == files_of([name])


def test_a_definition_takes_the_place_of_the_ready_made_one(mockdata_command, tmp_path, own):
    assert mockdata_command("card=50", "-q", "--vaults", own).returncode == 0
    cards = (tmp_path / "data" / "card_data.csv").read_text().splitlines()[1:]
    assert all(re.fullmatch("4[0-9]{15}", card) for card in cards)


def test_the_file_is_read_once(tmp_path):
    done = subprocess.run(
        [*COMMAND, "3", "--vaults", "/dev/stdin", "-q"],
        cwd=tmp_path,
        input=OWN.encode(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(kept(tmp_path / "data")) == files_of(OWN_NAMES)


MISTAKES = {
    "vaults = 5": "vaults: ",
    "[vaults.card\n": "not TOML",
    "[vaults.card]\nvalue = '[0-9'": "vault card: value, character 1",
    "[vaults.card]\nvalue = '{frist_name}'": "did you mean {first_name}?",
    "[vaults.card]\nvlaue = '[0-9]'": "did you mean value?",
    "[vaults.card]\nvalue = '[0-9]'\nlists.x = 'nowhere.txt'": "nowhere.txt: No such file",
    "[tables.t]\nx = '{nome.value}'": "did you mean {name.value}?",
    "": "defines no vault",
    "\\": "not TOML",
}


@pytest.mark.parametrize("list_vaults", [False, True])
@pytest.mark.parametrize("content", MISTAKES)
def test_a_mistake_in_a_file_is_one_line(mockdata_command, tmp_path, content, list_vaults):
    (tmp_path / "wrong.toml").write_text(content)
    words = ["--list-vaults"] if list_vaults else ["5"]
    refused(mockdata_command(*words, "--vaults", "wrong.toml"), "wrong.toml: ", MISTAKES[content])
    assert [*kept(tmp_path)] == ["wrong.toml"]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("nowhere.toml", "vaults: nowhere.toml: No such file or directory"),
        (".", "vaults: .: Is a directory"),
        ("", "vaults: '' is not the path of a file"),
        ("no\nwhere", "vaults: no where: No such file or directory"),
        ("/dev/null", "/dev/null: defines no vault"),
        ("/dev/zero", "/dev/zero: has more than 4194304 bytes"),
    ],
)
@pytest.mark.parametrize("words", [["5"], ["--list-vaults"], ["name=5"]])
def test_a_file_that_cannot_be_read_is_one_line(mockdata_command, tmp_path, words, file, said):
    refused(mockdata_command(*words, "--vaults", file), said)
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["membr=5"], "did you mean member?"),
        (["5", "--start", "membr=5"], "start: 'membr' is not one of"),
        (["card=5", "CARD=6"], "twice"),
        (["patients=0"], "'patients=0'"),
        (["member=900001"], "member: 900001 records, and only 900000 values are sure to differ"),
        (["member=1", "--start", "member=900k"], "member: 900001 records"),
        (["card=5", "--start", "member=5"], "'member' is not in this run, which has card"),
        (["--list-vaults", "--vaults"], "--vaults"),
    ],
)
def test_wrong_use_of_a_file(mockdata_command, tmp_path, own, words, said):
    words = ["--vaults", own, *words]
    refused(mockdata_command(*words), said)
    assert [path.name for path in tmp_path.iterdir()] == ["definitions"]


def refused(done, *said):
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("mockdata: ")
    for text in said:
        assert text in done.stderr


REFUSING = """
from mockdata import PlanError

class Refusing:
    def open(self, run):
        raise PlanError("format", f"csv takes one table, and not {len(run.vaults)}")

sink = Refusing()
"""


def test_a_sink_that_refuses_the_run_is_wrong_use(mockdata_command, tmp_path):
    (tmp_path / "refusing.py").write_text(REFUSING)
    done = mockdata_command("5", "-s", "refusing:sink")
    refused(done, "mockdata: format: csv takes one table, and not 4 (see --help)")


@pytest.mark.parametrize(
    ("counts", "fits"),
    [
        (["patients=2"], True),
        (["patients=2", "card=2"], False),
        (["3"], False),
        (["card=2", "email=2"], True),
    ],
)
def test_csv_on_stdout_takes_one_table_and_no_vault_beside_it(mockdata_command, own, counts, fits):
    words = [*counts, "--vaults", own, "-s", "stdout", "-q"]
    done = mockdata_command(*words)
    if fits:
        assert (done.returncode, done.stderr) == (0, "")
        header, *rows = csv.reader(done.stdout.splitlines())
        table = ["patient_id", "full_name"]
        assert header == (table if counts == ["patients=2"] else ["vault", "value", "token"])
        assert {len(row) for row in rows} == {len(header)}
    else:
        refused(done, "jsonl")
    done = mockdata_command(*words, "-f", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert all({"vault", "table"} & {*json.loads(line)} for line in done.stdout.splitlines())


# What a run says of itself.


@pytest.mark.parametrize(
    "words",
    [
        ["20"],
        ["20", "--part", "2/3", "--start", "5", "-o", "a folder"],
        ["card=20", "ssn=3", "patients=5", "--start", "card=1G,patients=3"],
    ],
)
def test_the_summarys_last_line_repeats_a_run_with_a_file(mockdata_command, tmp_path, own, words):
    first = mockdata_command(*words, "--vaults", own)
    assert first.returncode == 0, first.stderr
    *_, command = first.stderr.splitlines()
    assert f" --vaults '{own}' --seed " in command
    made = {path.name: kept(path) for path in tmp_path.iterdir()}
    for path in tmp_path.rglob("*.csv"):
        path.unlink()
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert {path.name: kept(path) for path in tmp_path.iterdir()} == made
    assert done.stderr.splitlines()[-1] == command


def test_what_goes_on_with_a_run_has_its_file(own, monkeypatch):
    monkeypatch.chdir(os.path.dirname(own))
    os.rename(own, "-own.toml")
    options = parse(["20", "--vaults=-own.toml", "--part", "1/2", *RUN])
    resume = dict.fromkeys(["card", "member", "mail", "plan", "patients"], 10) | {"card": 4}
    command = continuing(options, resume)
    assert " card=6 --vaults=-own.toml --seed 7 " in command
    assert " 20 --vaults=-own.toml --seed 7 " in repeating(options)


def test_json_of_vaults_and_tables(mockdata_command, tmp_path, own):
    done = mockdata_command("5", "--vaults", own, "--json", *RUN)
    report = json.loads(done.stdout)
    sizes = {name: len(content) for name, content in kept(tmp_path / "data").items()}
    assert [*report["vaults"]] == OWN_NAMES
    for name, vault in report["vaults"].items():
        data = sizes.get(f"{name}_data.csv", sizes.get(f"{name}.csv"))
        expected = {
            "records": 5,
            "data_bytes": data,
            "token_bytes": sizes.get(f"{name}_tokens.csv", 0),
        }
        assert vault == expected
    assert report["bytes"] == sum(sizes.values())


def many(folder, count, length):
    """Write a file of so many vaults whose names are so long; return its name."""
    names = [f"vault_{k:02}_{'x' * 64}"[:length] for k in range(count)]
    sections = [f"[vaults.{name}]\nvalue = '[a-z]{{12}}'\n" for name in names]
    (folder / "many.toml").write_text("\n".join(sections))
    return names


@pytest.mark.parametrize(("length", "is_narrow"), [(8, True), (20, True), (64, False)])
def test_the_summary_of_thirty_vaults_is_aligned(mockdata_command, tmp_path, length, is_narrow):
    names = many(tmp_path, 30, length)
    done = mockdata_command("1k", "--vaults", "many.toml")
    head, rule, *lines, empty = done.stderr.splitlines()[:33]
    assert empty == ""
    columns = [re.split(r" *\| *", line)[1:-1] for line in (head, rule, *lines)]
    assert columns[0] == ["vault", "records", *["file", "size"] * 2]
    assert all(re.fullmatch("-+:?", cell) for cell in columns[1])
    assert [name for name, *_ in columns[2:]] == names
    assert {records for _, records, *_ in columns[2:]} == {"1,000"}
    assert len({len(line) for line in (head, rule, *lines)}) == 1
    assert len({tuple(k for k, c in enumerate(line) if c == "|") for line in (head, *lines)}) == 1
    assert (len(head) <= 80) == is_narrow
    assert all("_data.csv " in line and "_tokens.csv " in line for line in lines)


def test_the_summary_of_a_vault_and_a_table_is_one_table(mockdata_command, own):
    done = mockdata_command("ssn=5", "patients=5", "--vaults", own)
    head, _, *rows, empty = done.stderr.splitlines()[:5]
    assert empty == ""
    assert {line.count("|") for line in (head, *rows)} == {7}
    assert re.fullmatch(r"\| patients \| +5 \| patients\.csv +\| +\d+ B \| +\| +\|", rows[1])
    done = mockdata_command("ssn=5", "patients=5", "--vaults", own, "-s", "builtins:repr")
    head, _, *rows, empty = done.stderr.splitlines()[:5]
    assert re.split(r" *\| *", head)[1:-1] == ["vault", "records", "values or rows", "tokens"]
    assert {line.count("|") for line in (head, *rows)} == {5}


# The list.


def paragraphs(text):
    """Return what the list says: title to label to text."""
    found = {}
    for paragraph in text.split("\n\n"):
        title, *lines = paragraph.splitlines()
        said, label = {}, ""
        for line in lines:
            assert line.startswith("    ")
            label = line[4:13].strip() or label
            said.setdefault(label, []).append(line[13:])
        found[title] = said
    return found


@pytest.mark.parametrize("swapped", [False, True])
def test_the_list_has_what_a_run_makes(mockdata_command, tmp_path, own, swapped):
    words = ["--list-vaults", "--vaults", own]
    done = mockdata_command(*(words[1:] + words[:1] if swapped else words))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isprintable() or set(filter(lambda c: not c.isprintable(), done.stdout)) == {
        "\n"
    }
    found = paragraphs(done.stdout)
    assert [*found] == [*READY_MADE, "member", "mail", "plan", "patients (table)"]
    table = found.pop("patients (table)")
    assert (table["columns"], table["file"]) == (["patient_id, full_name"], [own])
    assert mockdata_command("patients=1", "--vaults", own, "-q", *RUN).returncode == 0
    _, row = csv.reader((tmp_path / "data" / "patients.csv").read_text().splitlines())
    assert table["example"] == [", ".join(row)]
    assert mockdata_command(*[f"{n}=1" for n in found], "--vaults", own, "-q", *RUN).returncode == 0
    for name, said in found.items():
        paths = [tmp_path / "data" / f"{name}_{kind}.csv" for kind in ("data", "tokens")]
        rows = [[*csv.reader(path.read_text().splitlines())] for path in paths]
        assert said["columns"] == [f"{rows[0][0][0]}, {rows[1][0][0]}"]
        assert said["example"] == [rows[0][1][0], rows[1][1][0]]
        assert ("file" in said) == (name in OWN_NAMES)
        assert ("source" in said) != (name in OWN_NAMES)


def test_the_list_says_how_many_values_there_can_be(mockdata_command, own):
    found = paragraphs(mockdata_command("--vaults", own, "--list-vaults").stdout)
    said = {name: lines["values"][0] for name, lines in found.items() if "values" in lines}
    assert said["ssn"] == said["card"] == said["uuid"] == "up to 1,099,511,627,776, none twice"
    assert said["phone"] == "up to 71,200, none twice"
    assert said["member"] == "up to 900,000, none twice"
    assert said["mail"] == "1,000, each with its one token, again and again"
    assert said["plan"] == "any number; one may come again"


def test_the_list_shows_a_row_of_each_table_and_how_many_there_can_be(mockdata_command, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(
        "[vaults.digit]\nvalue = '[0-9]'\n"
        "[tables.few]\na = '{digit.value}'\nb = '{index:5}'\n"
        "[tables.any]\na = '{index}'\n"
    )
    found = paragraphs(mockdata_command("--vaults", file, "--list-vaults").stdout)
    few, many = found["few (table)"], found["any (table)"]
    assert re.fullmatch("[0-9], 5", few["example"][0])
    assert (few["rows"], many["rows"]) == (["up to 10"], ["any number"])
    assert mockdata_command("few=10", "--vaults", file, "-q").returncode == 0
    done = mockdata_command("few=11", "--vaults", file, "-q")
    assert "digit, which its column a refers to, has too few: only 10 values" in done.stderr


def test_the_advice_for_too_few_values_can_be_followed(mockdata_command, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text("[vaults.day]\nvalue = '{date:2019-01-01..2020-12-31,%m%d}'\n")
    done = mockdata_command("day=366", "--vaults", file)
    assert "366 records, and only 1 value is sure to differ; ask for fewer, widen" in done.stderr
    done = mockdata_command("phone=71201")
    assert "ask for fewer, or define a vault of your own" in done.stderr
    assert "widen" not in done.stderr


def test_the_list_has_what_cannot_be_made_and_which_tokens_are_fewer(mockdata_command, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text("[vaults.name]\nvalue = '[A-Z]{3}'\ntoken = '[a-z]'\n")
    done = mockdata_command("--vaults", file, "--list-vaults")
    found = paragraphs(done.stdout)
    assert found["name"]["values"] == ["up to 17,576, none twice; up to 26 tokens"]
    assert found["email"]["columns"] == ["email, email_token"]
    assert "name has no 'first_name'" in " ".join(found["email"]["problem"])
    assert "values" not in found["email"]


def test_the_list_without_a_file(mockdata_command, tmp_path):
    done = mockdata_command("--list-vaults")
    assert [*paragraphs(done.stdout)] == [*READY_MADE]
    assert [*READY_MADE][:4] == [*DEFAULT]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert kept(tmp_path) == {}


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_list_fits_a_terminal(tmp_path, width):
    long = "[vaults.long]\nvalue = '[a-z]{900}'\n"
    (tmp_path / "long.toml").write_text(long)
    words = ["--list-vaults", "--vaults", "long.toml"]
    shown, _ = on_terminal(
        [*COMMAND, *words], tmp_path, width=width, stdout="terminal", stderr=subprocess.PIPE
    )
    assert "\x1b[1mname\x1b[0m" in shown
    lines = re.sub(r"\x1b\[\d*m", "", shown).replace("\r", "").splitlines()
    assert min(width, 80) - 20 < max(map(len, lines)) <= min(width, 100)
    piped = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert re.search("^ +example  [a-z]{900}$", piped, re.MULTILINE)


LOADED = """
import sys
from mockdata.command.cli import main
code = main(sys.argv[2:])
print(*(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""

RARE = "tomllib difflib rich csv mockdata.command.listing mockdata.render.example"


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["3", "-q"], ""),
        (["card=3", "-q"], ""),
        (["3", "-q", "--vaults"], "tomllib"),
    ],
)
def test_a_run_imports_what_it_needs_alone(tmp_path, own, words, loaded):
    words = [*words, own] if words[-1] == "--vaults" else words
    done = subprocess.run(
        [sys.executable, "-c", LOADED, RARE, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, f"{loaded}\n")
