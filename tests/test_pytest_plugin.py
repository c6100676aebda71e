"""The pytest plugin, in test runs of its own, as an installed package brings it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "test_loader.py"
PAGE = ROOT / "docs" / "how-to" / "test-harness.md"

FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ASYNC = "import pytest\npytestmark = pytest.mark.asyncio\n"


@pytest.fixture
def passes(tmp_path):
    """Return a function that runs pytest on a module in a new process, and what that prints."""

    def run(module, *arguments, code=0):
        (tmp_path / "test_it.py").write_text(module)
        (tmp_path / "pytest.ini").write_text(
            "[pytest]\nasyncio_default_fixture_loop_scope = function"
        )
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider",
             *arguments, "test_it.py"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


TWO = """
from pathlib import Path

def test_one(mockdata_records):
    Path("one").write_text(repr(mockdata_records({"ssn": 2, "id": 1})))

def test_other(mockdata_records):
    Path("other").write_text(repr(mockdata_records({"ssn": 2, "id": 1})))
"""


def test_a_test_sees_the_same_records_each_time_and_two_tests_different_ones(passes, tmp_path):
    def seen(*arguments):
        passes(TWO, *arguments)
        return (tmp_path / "one").read_text(), (tmp_path / "other").read_text()

    one, other = seen()
    assert one != other
    assert "Record(value=" in one
    assert seen() == seen("-n", "2") == (one, other)
    assert seen("-k", "other") == (one, other)
    assert len({one, other, *seen("--mockdata-seed", "5")}) == 4


def test_each_parameter_of_a_test_has_its_own_seed(passes, tmp_path):
    passes("""
import pytest
from pathlib import Path

@pytest.mark.parametrize("k", range(3))
def test_it(k, mockdata_seed):
    assert 0 <= mockdata_seed < 2**63
    Path(f"seed-{k}").write_text(str(mockdata_seed))
""")
    assert len({path.read_text() for path in tmp_path.glob("seed-*")}) == 3


def test_plain_tests(passes):
    passes("""
import csv, mockdata

def test_records(mockdata_records, mockdata_seed):
    made = mockdata_records({"ssn": 12_000, "id": 1})
    assert {name: len(records) for name, records in made.items()} == {"ssn": 12_000, "id": 1}
    again = {}
    mockdata.generate_sync({"ssn": 12_000, "id": 1}, seed=mockdata_seed, timestamp=1_700_000_000,
                           sink=lambda batch: again.setdefault(batch.vault, []).extend(batch))
    assert again == made
    assert mockdata_records(1, timestamp=1_600_000_000)["id"][0].value[6:16] == "1600000000"

def test_rows_of_a_table(mockdata_records):
    table = mockdata.Table("people", {"name": "{name.value}", "ssn": "{ssn.value}"})
    ((name, ssn),) = mockdata_records({table: 1})["people"]
    assert [ssn] == [record.value for record in mockdata_records({"ssn": 1})["ssn"]]

def test_folder(mockdata_folder, mockdata_records):
    folder, other = mockdata_folder({"dob": 30}), mockdata_folder({"id": 1})
    assert {path.name for path in folder.iterdir()} == {"dob_data.csv", "dob_tokens.csv"}
    assert {path.name for path in other.iterdir()} == {"id_data.csv", "id_tokens.csv"}
    with open(folder / "dob_data.csv", newline="") as file:
        (header, *rows) = csv.reader(file)
    assert [row for row, in rows] == [r.value for r in mockdata_records({"dob": 30})["dob"]]
""")


def test_async_tests(passes):
    passes(
        ASYNC
        + """
async def test_stream(mockdata_stream, mockdata_records):
    seen = []
    async with mockdata_stream({"name": 20_001}) as batches:
        async for batch in batches:
            seen += batch
    assert seen == mockdata_records({"name": 20_001})["name"]

async def test_folder(mockdata_folder):
    assert len([*mockdata_folder(2).iterdir()]) == 8
"""
    )


def test_the_practice_vault(passes):
    passes(
        ASYNC
        + """
import json, urllib.error, urllib.request, mockdata

async def test_it(mockdata_vault):
    sink = mockdata.SkyflowSink.from_config(mockdata_vault.settings("ssn", "card"))
    await mockdata.generate({"ssn": 700, "card": 5}, sink=sink)
    tables = mockdata_vault.stats()["tables"]
    assert {name: table["records"] for name, table in tables.items()} == {"ssn": 700, "card": 5}

async def test_it_is_new_for_each_test(mockdata_vault):
    assert mockdata_vault.stats()["tables"] == {}
    one, other = mockdata_vault.settings(), mockdata_vault.settings("id")
    names = [vault["name"] for vault in json.loads(one.read_text())["skyflow"]["vaults"]]
    assert names == ["NAME", "ID", "DOB", "SSN"]
    assert one != other

async def test_it_takes_its_token_alone(mockdata_vault):
    body = json.dumps({"records": [{"fields": {"id": "1"}}]}).encode()
    def status(token):
        request = urllib.request.Request(f"{mockdata_vault.url}/v1/vaults/v/id", body,
                                         {"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
    assert [status(mockdata_vault.token), status("another")] == [200, 401]
"""
    )


def test_a_practice_vault_that_cannot_start_is_one_line(passes, tmp_path):
    (tmp_path / "msgspec.py").write_text("raise ImportError")
    output = passes("def test_it(mockdata_vault, monkeypatch): pass\n", code=1)
    assert "mockdata[emulator]" in output
    assert "Traceback" not in output


def test_nothing_more_is_imported_before_a_fixture_is_used(passes):
    passes("""
import sys
def test_it():
    ours = {name for name in sys.modules if name.partition(".")[0] == "mockdata"}
    assert ours == {"mockdata", "mockdata.pytest_plugin"}
    assert "numpy" not in sys.modules
""")


def test_a_seed_that_is_no_number_is_refused(passes):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--mockdata-seed", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "--mockdata-seed" in done.stderr


def test_the_example_passes(passes):
    passes(EXAMPLE.read_text())


def test_the_modules_that_the_documentation_shows_pass(passes):
    modules = FENCED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(modules) > 1
    for module in modules:
        passes(module)
