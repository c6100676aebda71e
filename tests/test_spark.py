"""The data source on a local Spark: ``nox -s spark``, as Spark is large and needs Java."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import mockdata

from .odd import ODD, PEOPLE, QUOTED

pytest.importorskip("pyspark.sql.datasource", reason="pyspark 4 is not here: nox -s spark")

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.datasource import InputPartition

from mockdata import spark as ours

ROOT = Path(__file__).parents[1]
(PAGE,) = (ROOT / "docs").rglob("many-machines.md")

RUN = {"seed": 7, "timestamp": 1_700_000_000}

TOML = """
[vaults.badge]
value = '[A-Z]{3}-{suffix}'

[tables.staff]
number = { pattern = "{index:1}", type = "int64" }
name = "{name.value}"
badge = "{badge.value}"
born = { pattern = "{date:1940-01-01..2010-12-31}", type = "date" }
"""


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Take the place of the fixture for all tests: Spark keeps its Python for the next task."""


@pytest.fixture(scope="module")
def spark():
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    os.environ["PYTHONPATH"] = str(ROOT)
    session = (
        SparkSession.builder.master("local[2,3]")  # two at a time, three tries
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture
def read(spark):
    """Return a function that reads with these options, beside the seed and the timestamp."""

    def load(**options):
        return spark.read.format("mockdata").options(**RUN | options).load()

    return load


def made(counts, **arguments):
    """Return the records of an ordinary run, by vault."""
    found = {}

    def keep(batch):
        found.setdefault(batch.vault, []).extend(map(tuple, batch))

    mockdata.generate_sync(counts, sink=keep, **RUN | arguments)
    return found


def rows(frame):
    return [tuple(row) for row in frame.collect()]


@pytest.fixture
def definitions(tmp_path):
    file = tmp_path / "vaults.toml"
    file.write_text(TOML)
    return str(file)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_vaults_rows_are_the_records_of_an_ordinary_run(read, parts):
    frame = read(counts="ssn=50_001", parts=parts)
    assert frame.rdd.getNumPartitions() == parts
    assert frame.schema.simpleString() == "struct<ssn:string,ssn_token:string>"
    assert not any(field.nullable for field in frame.schema)
    assert rows(frame) == made({"ssn": 50_001})["ssn"]


def test_rows_of_several_vaults_name_theirs(read):
    frame = read(counts="name=1000 id=3", parts=2)
    assert frame.columns == ["vault", "value", "token"]
    expected = {
        (name, *record)
        for name, records in made({"name": 1000, "id": 3}).items()
        for record in records
    }
    found = rows(frame)
    assert len(found) == 1003
    assert {*found} == expected


def test_a_count_alone_stands_for_the_four_vaults(read):
    counted = read(counts="1k").groupBy("vault").count()
    assert dict(map(tuple, counted.collect())) == dict.fromkeys(("name", "id", "dob", "ssn"), 1000)


def test_a_tables_rows_have_its_types(read, definitions):
    frame = read(counts="staff=500", vaults=definitions, parts=2, start=5)
    assert frame.schema.simpleString() == "struct<number:bigint,name:string,badge:string,born:date>"
    expected = made({"staff": 500}, vaults=definitions, start=5)["staff"]
    assert rows(frame) == [
        (int(n), name, badge, date.fromisoformat(b)) for n, name, badge, b in expected
    ]


def test_vaults_of_a_file_beside_the_ready_made_ones(read, definitions):
    found = read(counts="badge=10 ssn=10", vaults=definitions).collect()
    assert {row.vault for row in found} == {"badge", "ssn"}
    assert [tuple(r)[1:] for r in found if r.vault == "badge"] == made(
        {"badge": 10}, vaults=definitions
    )["badge"]


def test_characters_of_any_width(spark):
    for vault in (ODD, QUOTED):
        job = ours._job({"counts": "id=1"} | {k: str(v) for k, v in RUN.items()})
        job = replace(job, counts={vault.name: 301}, start={}, vaults=(ODD, QUOTED, PEOPLE))
        (batch,) = ours._Reader(job).read(InputPartition(1))
        expected = made({vault: 301})[vault.name]
        assert [*zip(*(column.to_pylist() for column in batch.columns), strict=True)] == expected


def test_more_parts_than_records(read):
    assert rows(read(counts="id=3", parts=7)) == made({"id": 3})["id"]


def test_only_what_is_read_is_made(read):
    """A trillion records would take days."""
    frame = read(counts="ssn=1T", parts=90_000)
    assert [tuple(row) for row in frame.take(5)] == made({"ssn": 5})["ssn"]
    assert frame.select("ssn_token").first()[0] == made({"ssn": 1})["ssn"][0][1]


def test_counting_and_one_column(read):
    frame = read(counts="name=20_001", parts=3)
    assert frame.count() == 20_001
    assert frame.select("full_name_token").distinct().count() == 20_001


def test_a_frame_stays_the_same_without_a_seed(spark):
    frame = spark.read.format("mockdata").option("counts", "ssn=100").load()
    assert rows(frame) == rows(frame)
    assert rows(frame.select("ssn")) == [row[:1] for row in rows(frame)]
    other = spark.read.format("mockdata").option("counts", "ssn=100").load()
    assert not {*rows(frame)} & {*rows(other)}


def test_a_task_that_is_tried_again_gives_the_same_rows(read, tmp_path):
    frame = read(counts="ssn=30_000", parts=2)

    def dies_once(rows):
        first = tmp_path / "died"
        for number, row in enumerate(rows):
            if number == 12_345 and not first.exists():
                first.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield tuple(row)

    assert frame.rdd.mapPartitions(dies_once).collect() == made({"ssn": 30_000})["ssn"]
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, 'counts: say .option("counts", "ssn=10M") or the like'),
        ({"counts": "snn=1"}, "vault: 'snn' is not one of name, id"),
        ({"counts": "ssn=0"}, "count: 'ssn=0' is not a whole number from 1 to"),
        ({"counts": "ssn=1", "seed": "x"}, "seed: 'x' is not a whole number from 0"),
        ({"counts": "ssn=1", "timestamp": "12"}, "timestamp: 12 is not a Unix time"),
        ({"counts": "ssn=1", "parts": "0"}, "parts: 0 is not a whole number from 1 to 99999"),
        ({"counts": "ssn=1", "parts": "two"}, "parts: 'two' is not a whole number"),
        ({"counts": "ssn=1", "start": "id=3"}, "start: 'id' is not in this run"),
        ({"counts": "ssn=1", "sed": "3"}, "options: 'sed' is not one of counts, vaults"),
        ({"counts": "ssn=1", "vaults": "/no/file.toml"}, "vaults: /no/file.toml: No such file"),
    ],
)
def test_a_wrong_option_is_one_line(spark, options, says):
    with pytest.raises(mockdata.PlanError) as caught:
        ours.MockDataSource(options)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    with pytest.raises(PySparkException) as shown:
        spark.read.format("mockdata").options(**options).load()
    assert str(caught.value) in str(shown.value)


def test_a_table_has_no_vault_beside_it(definitions):
    source = ours.MockDataSource({"counts": "staff=1 ssn=1", "vaults": definitions})
    with pytest.raises(
        mockdata.PlanError, match=r"^counts: the table staff has columns of its own"
    ):
        source.schema()


def test_a_schema_of_ones_own_is_refused(spark):
    source = spark.read.format("mockdata").option("counts", "ssn=1")
    with pytest.raises(PySparkException, match=re.escape("leave out .schema(...)")):
        source.schema("ssn int, ssn_token string").load().collect()


def test_an_executor_of_another_version_is_one_line():
    job = replace(ours._job({"counts": "ssn=1"}), version="9.9")
    with pytest.raises(
        mockdata.MockDataError, match=r"^this executor has mockdata \d.*driver 9\.9"
    ):
        next(iter(ours._Reader(job).read(InputPartition(1))))


def test_without_pyspark_it_says_what_to_install(tmp_path):
    (tmp_path / "pyspark.py").write_text("raise ImportError('none here')")
    done = subprocess.run(
        [sys.executable, "-c", "import mockdata.spark"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1].startswith("ImportError: mockdata.spark needs pyspark 4")
    assert "pip install 'mockdata[spark]'" in done.stderr


def test_the_pages_example_prints_what_it_says(tmp_path):
    (script,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(
        r"^```text\n(\+-.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "example.py").write_text(script, "utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == shown.strip(), done.stderr
