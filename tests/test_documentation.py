"""The documentation is true: its code runs, prints what it says, and its links lead somewhere."""

import ast
import csv
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mockdata
import mockdata.testing
from mockdata.command.options import help_text
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES
from mockdata.vaults import pieces as of
from mockdata.vaults.catalogue import DEFAULT, READY_MADE, SOURCES
from mockdata.vaults.file import definitions
from mockdata.vaults.resolve import Resolver

from .drawn import luhn
from .expressions import expression_of

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ("README.md", *PAGES)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])-{1,2}[A-Za-z][a-z-]*")
RECORD = re.compile(r"(?:tok_[a-z]+_|[0-9][0-9-]+-|[A-Z]+ [A-Z]+ )1700000000_[a-z2-7]{16}")


INSTALL = "python3 -m venv .venv && .venv/bin/python -m pip install"
RUN_COMMAND = f"{INSTALL} . && .venv/bin/python -m mockdata 1000"
TEST_COMMAND = f"{INSTALL} nox && .venv/bin/nox"


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document, language):
    return [text for name, text in FENCED.findall(read(document)) if name == language]


def run(*words, cwd, merged=False):
    """Run Python in a folder as a process of its own, with every warning an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def succeeded(*words, cwd):
    """Run Python, expect it to have no trouble, and return what it printed."""
    process = run(*words, cwd=cwd)
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout


NAMED = re.compile(r"# (\w+\.toml)\n")


def write_files(document, folder):
    """Write the files of definitions that a document shows, those that begin with a name."""
    shown = {}
    for block in blocks(document, "toml"):
        if name := NAMED.match(block):
            shown[name[1]] = block
            (folder / name[1]).write_text(block, encoding="utf-8")
    return sorted(shown)


def only_python(document):
    """Return the document's Python blocks, on the lines where they stand in it."""
    text = read(document)
    kept = [""] * len(text.splitlines())
    for block in FENCED.finditer(text):
        if block[1] == "python":
            first = text.count("\n", 0, block.start(2))
            lines = block[2].splitlines()
            kept[first : first + len(lines)] = lines
    return "\n".join(kept)


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if blocks(name, "python")])
def test_python_blocks_run_and_print_what_they_say(document, tmp_path):
    script, empty = tmp_path / f"{Path(document).stem}.py", tmp_path / "empty"
    script.write_text(only_python(document), encoding="utf-8")
    empty.mkdir()
    write_files(document, empty)
    assert succeeded(script, cwd=empty) == "".join(blocks(document, "output"))


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if blocks(name, "console")])
def test_commands_print_what_they_say(document, tmp_path):
    files = write_files(document, tmp_path)
    for session in blocks(document, "console"):
        printed = ""
        for line in session.splitlines():
            if line.startswith("$ mockdata "):
                words = shlex.split(line.removeprefix("$ mockdata "))
                process = run("-m", "mockdata", *words, cwd=tmp_path, merged=True)
                printed += f"{line}\n{process.stdout}"
        assert printed == session
    assert sorted(path.name for path in tmp_path.iterdir()) == files


@pytest.mark.parametrize("document", DOCUMENTS)
def test_records_shown_are_records_that_are_made(document):
    made = set()
    mockdata.generate_sync(
        dict.fromkeys(READY_MADE, 100),
        sink=lambda batch: made.update(batch.values, batch.tokens),
        seed=7,
        timestamp=1_700_000_000,
    )
    assert set(RECORD.findall(read(document))) <= made


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, "CHANGELOG.md", "examples/mockdata-postgres/README.md"]
)
def test_links_lead_to_files_that_exist(document):
    folder = (ROOT / document).parent
    for link in LINK.findall(read(document)):
        target, _, heading = link.partition("#")
        if target.startswith("https://"):
            continue
        path = (folder / target).resolve() if target else ROOT / document
        assert path.exists(), link
        if heading:
            assert heading in headings(path), link


def headings(path):
    """Return the names that a page's headings are linked by."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_readme_has_two_commands_for_a_fresh_machine():
    assert blocks("README.md", "sh") == [f"{RUN_COMMAND}\n", f"{TEST_COMMAND}\n"]


def test_continuous_integration_runs_the_command_of_the_readme():
    assert TEST_COMMAND in read(".ci/run").splitlines()


def test_command_page_shows_the_help():
    _, _, page = read("docs/reference/command.md").partition("\n## Help\n")
    shown = FENCED.search(page)[2]
    assert set(OPTION.findall(shown)) == set(OPTION.findall(help_text()))
    if sys.version_info >= (3, 13):  # before, argparse wrote "-o DIR, --output DIR"
        assert shown.split() == help_text().split()


def test_command_page_explains_every_option():
    _, _, page = read("docs/reference/command.md").partition("\n## Options\n")
    table = "".join(line for line in page.splitlines() if line.startswith("| `-"))
    for option in OPTION.findall(help_text()):
        assert f"`{option}`" in table or f"`{option} " in table


def test_report_page_shows_a_report_with_all_that_is_in_one():
    (shown,) = map(json.loads, blocks("docs/reference/report.md", "json"))
    report = mockdata.generate_sync(
        {name: vault["records"] for name, vault in shown["vaults"].items()},
        sink=lambda batch: None,
    ).to_dict()
    assert list(shown) == ["outcome", "error", *report]
    assert {name: list(vault) for name, vault in shown["vaults"].items()} == {
        name: list(vault) for name, vault in report["vaults"].items()
    }


@pytest.mark.parametrize("name", [*mockdata.__all__, *mockdata.testing.__all__])
def test_reference_names_every_public_name(name):
    pages = "".join(read(page) for page in PAGES if page.startswith("docs/reference/"))
    assert re.search(rf"`{name}\b|\b{name}\(|\.{name}\b", pages)


SHOWN_BY = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_reliability_page_names_tests_that_exist():
    page = read("docs/explanation/reliability.md")
    named = SHOWN_BY.findall(page)
    rows = [line for line in page.splitlines() if line.startswith("|") and "`test_" in line]
    assert len(named) == len(rows) > 50
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", read(f"tests/{file}"), re.MULTILINE), test


def test_reliability_page_names_every_test_of_faults():
    named = {test for _, test in SHOWN_BY.findall(read("docs/explanation/reliability.md"))}
    for file in ("faults", "disks", "signals", "places", "fuzz", "security"):
        for node in ast.parse(read(f"tests/test_{file}.py")).body:
            name = getattr(node, "name", "")
            assert name in named or not name.startswith("test_")


def test_architecture_page_has_every_file_of_the_package():
    _, _, page = read("docs/explanation/architecture.md").partition("\n## Modules\n")
    (rooms, *_) = FENCED.findall(page)
    for path in (ROOT / "mockdata").rglob("*.py"):
        is_at_the_top = path.parent.name == "mockdata"
        if path.name in ("__init__.py", "__main__.py") and not is_at_the_top:
            continue
        name = path.name if is_at_the_top else path.stem
        assert re.search(rf"\b{name}\b", rooms[1]), path


def test_changelog_has_the_version():
    assert f"## [{mockdata.__version__}] - " in read("CHANGELOG.md")


# The page of the language.

LISTS = {"domain": ["example.com", "example.org"]}
CELL = re.compile(r"`([^`]+)`")
FIXED = {"seed": 7, "timestamp": 1_700_000_000}
NO_PIECES = {"Case", "Even", "Piece"}


def rows(document, *headings):
    """Return what stands in code in each cell, of the tables that have these headings last."""
    inside = False
    for line in read(document).splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        inside = bool(cells) and (inside or cells[-len(headings) :] == [*headings])
        if inside and cells[0].startswith("`"):
            yield [CELL.findall(cell) for cell in cells]


def first_records(count, **patterns):
    """Return the first records of a vault that is made as the page says."""
    made = []
    vault = mockdata.Vault("v", **patterns, lists=LISTS)
    mockdata.generate_sync({vault: count}, sink=made.extend, **FIXED)
    return made


def test_patterns_give_what_the_page_says():
    shown = [*rows("docs/reference/patterns.md", "it gives")]
    for (pattern,), *_, texts in shown:
        made = first_records(len(texts), value=pattern)
        assert [record.value for record in made] == texts, pattern
    assert len(shown) == 36


def test_tokens_of_the_values_own_pattern_are_as_the_page_says():
    shown = [*rows("docs/reference/patterns.md", "stands for", "a record")]
    for (value,), (token,), _, record in shown:
        assert first_records(1, value=value, token=token) == [(*record,)]
    assert len(shown) == 3


def test_the_page_has_an_example_of_every_piece():
    examples = {pattern for (pattern,), *_ in rows("docs/reference/patterns.md", "it gives")}
    tokens = {
        token for _, (token,), *_ in rows("docs/reference/patterns.md", "stands for", "a record")
    }
    vaults = [mockdata.Vault("v", pattern, lists=LISTS) for pattern in examples]
    vaults += [mockdata.Vault("v", "[0-9]{16}", token) for token in tokens]
    used = {type(p) for v in vaults for p in (*v.value_pattern.pieces, *v.token_pattern.pieces)}
    assert {piece.__name__ for piece in used} == set(of.__all__) - NO_PIECES
    ways = "[A-Z0-9_] \\d (JAN|FEB|MAR) [A-Z]{4} \\. ^ $ {number:1-899} {number:001-665,667-899} "
    ways += "{first_name} {last_name} :lower} :title} {domain} {timestamp} {suffix} {uuid} {index} "
    ways += "{index:1000} {index:1000,10} {luhn} {luhn:80840} {name.value} {name.token} "
    ways += "{name.first_name} {same} {same:6,4} %Y %y %m %d %b %j"
    for way in ways.split():
        assert any(way in text for text in examples | tokens), way


def test_mistakes_say_what_the_page_says():
    shown = [*rows("docs/reference/patterns.md", "value", "message")]
    for (pattern,), (message,) in shown:
        with pytest.raises(mockdata.PlanError) as caught:
            first_records(1, value=pattern)
        assert str(caught.value) == f"vault v: value, {message}"
    assert len(shown) == 12


DEFINITIONS = [
    (name, block)
    for name in DOCUMENTS
    for block in blocks(name, "toml")
    if re.search(r"^\[(vaults|tables)\.", block, re.MULTILINE)
]


@pytest.mark.parametrize(("document", "block"), DEFINITIONS)
def test_definitions_shown_are_made(document, block, examples):
    file = examples / "shown.toml"
    file.write_text(block, encoding="utf-8")
    mockdata.generate_sync(10, sink=examples / "out", vaults=file)
    for name, vault in mockdata.read_vaults(file).items():
        is_table = isinstance(vault, mockdata.Table)
        for end in (".csv",) if is_table else ("_data.csv", "_tokens.csv"):
            assert len((examples / "out" / f"{name}{end}").read_text("utf-8").splitlines()) == 11


NUMBER = re.compile(r" *\d[\d,.]*(?: (?:[kMG]?B|[kM]?/s|m?s)\b)?")


PRACTICE = {"docs/how-to/load-test.md": 3, "docs/how-to/skyflow.md": 4, "docs/tutorial.md": 6}
"""Pages whose commands build on each other, and how many of their outputs are checked."""


@pytest.mark.parametrize("document", PRACTICE)
def test_practice_run_prints_what_it_says(document, tmp_path):
    """Each command of the page, one after the other; what is printed is the same but for numbers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    keywords = {"cwd": tmp_path, "text": True, "stdout": subprocess.PIPE}
    keywords["env"] = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    write_files(document, tmp_path)
    emulator, printed, checked, exported = None, None, 0, ""
    try:
        for language, block in FENCED.findall(read(document).replace("8080", port)):
            if language == "json":
                (tmp_path / "config.json").write_text(block)
            elif language == "text" and printed is not None:
                assert NUMBER.sub("N", printed) == NUMBER.sub("N", block)
                checked += 1
                printed = None
            elif language == "sh" and "mockdata.emulator" in block:
                end(emulator)
                emulator = subprocess.Popen(["bash", "-c", f"exec env {block}"], **keywords)
                assert emulator.stdout.readline() == f"http://127.0.0.1:{port}\n"
            elif language == "sh" and "pip install" not in block:
                done = subprocess.run(
                    ["bash", "-c", exported + block],
                    stderr=subprocess.STDOUT, check=False, **keywords,
                )  # fmt: skip
                printed = done.stdout
                exported += "".join(re.findall(r"^export .*\n", block, re.MULTILINE))
    finally:
        end(emulator)
    assert checked == PRACTICE[document]


def end(process):
    """Stop a process, if there is one."""
    if process is not None:
        process.terminate()
        assert process.communicate(timeout=30)[0] == ""
        assert process.returncode == 0


def test_skyflow_page_shows_the_emulators_help():
    _, usage, page = read("docs/reference/skyflow.md").partition(
        "usage: python -m mockdata.emulator "
    )
    shown = usage + page.partition("```")[0]
    help_ = succeeded("-m", "mockdata.emulator", "--help", cwd=ROOT)
    assert set(OPTION.findall(shown)) == set(OPTION.findall(help_))
    if sys.version_info >= (3, 13):
        assert shown.split() == help_.split()


@pytest.fixture
def examples(tmp_path):
    """Return a copy of the examples, so that what they write is not left in the source."""
    return shutil.copytree(
        EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )


@pytest.mark.parametrize(
    "script", sorted(path.name for path in EXAMPLES.glob("*.py") if "test_" not in path.name)
)
def test_example_runs_as_a_script(script, examples):
    assert "records" in succeeded(script, cwd=examples)


def test_example_of_a_test_harness_passes():
    words = ("-m", "pytest", EXAMPLES / "test_harness.py", "-p", "no:cacheprovider")
    assert "4 passed" in succeeded(*words, cwd=ROOT)


def test_example_of_a_sink_works_in_the_command(examples):
    succeeded("-m", "mockdata", 10, "-q", "-s", "own_sink:sink", cwd=examples)
    files = sorted((examples / "records").iterdir())
    assert [file.name for file in files] == ["dob.jsonl", "id.jsonl", "name.jsonl", "ssn.jsonl"]
    for file in files:
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert len({row["value"] for row in rows}) == 10
        assert all(row["token"].startswith(f"tok_{file.stem}_") for row in rows)


def test_example_of_a_sink_leaves_nothing_of_a_run_that_fails(examples):
    failing = (
        "import mockdata, own_sink as example\n"
        "def fail(progress):\n"
        "    if progress.records: raise ZeroDivisionError\n"
        "mockdata.generate_sync(10, sink=example.sink, on_progress=fail)\n"
    )
    process = run("-c", failing, cwd=examples)
    assert process.returncode == 1
    assert process.stderr.endswith("ZeroDivisionError\n")
    assert list((examples / "records").iterdir()) == []


# What is promised of formats.


def test_formats_page_describes_every_ready_made_vault():
    page = read("docs/reference/formats.md")
    shown = {}
    for line in page.partition("\n### More ready-made vaults\n")[2].splitlines():
        if cells := re.fullmatch(r"\| (\w+) \| `(.*)` \| ([0-9,]+) \| (.*) \|", line):
            name, value, count, source = cells.groups()
            shown[name] = value
            capacity = Resolver(READY_MADE).resolve(READY_MADE[name]).columns[0].capacity
            assert int(count.replace(",", "")) == (capacity or 2**40)
            assert source == SOURCES[name]
    made = {}
    mockdata.generate_sync(
        dict.fromkeys(shown, 1), sink=lambda b: made.update({b.vault: b.values[0]}), **FIXED
    )
    assert made == shown
    assert [*DEFAULT, *shown] == [*READY_MADE]


def test_uniqueness_page_bounds_the_bias_of_every_ready_made_vault():
    shown = dict(
        re.findall(
            r"^\| (\w+) \| `([0-9.e-]+)` \|$", read("docs/explanation/uniqueness.md"), re.MULTILINE
        )
    )
    for name, vault in READY_MADE.items():
        columns = Resolver(READY_MADE).resolve(vault).columns
        bias = compile_program(columns, CSV_LINES, **FIXED).bias
        assert bias <= float(shown.get(name, 0)) <= 1.02 * bias
    assert max(map(float, shown.values())) < 4e-6


def test_formats_page_says_which_ready_made_vault_is_quoted():
    quoted = []
    for name, vault in READY_MADE.items():
        columns = Resolver(READY_MADE).resolve(vault).columns
        if any(compile_program(columns, CSV_LINES, **FIXED).quoted):
            quoted.append(name)
    assert quoted == ["address"]
    assert "of the ready-made vaults only `address`\nhas quotes" in read(
        "docs/reference/formats.md"
    )


# The example of a clinic.


@pytest.fixture
def clinic(examples):
    """Return a function that makes a run of 1,000 records by the command, and reads its files."""

    def make(output, *words):
        words = ("-q", "--vaults", "clinic.toml", "--seed", 7, "--timestamp", 1_700_000_000, *words)
        succeeded("-m", "mockdata", 1000, *words, "-o", output, cwd=examples)
        return {path.name: path.read_bytes() for path in (examples / output).iterdir()}

    return make


def columns_of(files, name):
    """Return the columns of a vault or table as a CSV reader reads them, by their headers."""
    found = {}
    for end in ("_data.csv", "_tokens.csv", ".csv"):
        if content := files.get(f"{name}{end}"):
            header, *lines = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
            found |= dict(zip(header, zip(*lines, strict=True), strict=True))
    return found


def test_example_of_a_clinic_gives_what_its_patterns_say(clinic):
    defined = definitions(EXAMPLES / "clinic.toml")
    resolver, files = Resolver(defined.known), clinic("out")
    for name in defined.counted:
        owner, found = defined.known[name], columns_of(files, name)
        if isinstance(owner, mockdata.Table):
            sides = {column.name: column.name for column in owner.columns}
        else:
            sides = {owner.data_column: "value", owner.token_column: "token"}
            values, tokens = found.values()
            different = owner.distinct or 1000
            if not owner.repeats:
                assert (
                    len({*values})
                    == len({*tokens})
                    == len({*zip(values, tokens, strict=True)})
                    == different
                )
        assert [*found] == [*sides]
        for column, texts in found.items():
            expression = expression_of(resolver, owner, sides[column])
            assert len(texts) == 1000
            assert all(map(expression.fullmatch, texts)), (name, column)
    assert len(files) == 2 * 9 + 1


def test_example_of_a_clinic_has_one_person_in_a_row(clinic):
    files = clinic("out")
    found = columns_of(files, "patients")
    for name in ("name", "email", "ssn"):
        values, tokens = columns_of(files, name).values()
        column = "full_name" if name == "name" else name
        assert (found[column], found[f"{column}_token"]) == (values, tokens)
    assert found["patient_id"] == tuple(map(str, range(1, 1001)))
    for full_name, email in zip(found["full_name"], found["email"], strict=True):
        last, first = re.match(r"(\w+), (\w+) ", full_name).groups()
        assert email.startswith(f"{first}.{last}.".lower())
    wards = columns_of(files, "visit")
    for value, token in zip(*wards.values(), strict=True):
        assert value.rpartition("/")[2] == token.split("_")[2]


def test_example_of_a_clinic_has_the_right_check_digits(clinic):
    files = clinic("out")
    (providers, _), cards = columns_of(files, "provider").values(), columns_of(files, "insurance")
    assert all(luhn(f"80840{text[:-1]}") == text[-1] for text in providers)
    for value, token in zip(*cards.values(), strict=True):
        assert luhn(re.sub(r"\D", "", value[:-1])) == value[-1]
        assert (value[:6], value[-1]) == (token[:6], token[-1])


def test_example_of_a_clinic_is_made_in_parts(clinic):
    whole = clinic("whole", "--no-header")
    parts = [clinic(f"part{k}", "--no-header", "--part", f"{k}/3") for k in (1, 2, 3)]
    assert whole == {name: b"".join(part[name] for part in parts) for name in whole}
