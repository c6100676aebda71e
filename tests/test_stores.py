"""Files in object stores: the same bytes as in a folder, complete or absent.

The server is a real one of the S3 protocol, in a process of its own; it is asked what it has.
"""

import json
import subprocess
import sys

import pytest

import mockdata
from mockdata.sinks.csv import CsvSink
from mockdata.sinks.jsonl import JsonlSink
from mockdata.sinks.parquet import ParquetSink
from mockdata.sinks.stores import connect as connecting
from mockdata.sinks.stores import sizes
from mockdata.sinks.stores.connect import connect
from mockdata.testing import check_sink

from .conftest import RUN, kept
from .odd import ODD, PEOPLE, QUOTED

MIXED = {ODD: 10_001, QUOTED: 25, PEOPLE: 301, "name": 250_000}
"""Objects that are put in one go, and, of ``name``, some that are larger than a part."""

SINKS = {"csv": CsvSink, "jsonl": JsonlSink, "parquet": ParquetSink}


@pytest.fixture(params=SINKS)
def sink_of(request):
    return SINKS[request.param]


def names(error, url):
    """Return whether an error is of one line, and names a URL under this one."""
    return error.filename.startswith(url) and "\n" not in error.strerror


# What is in the bucket


async def test_a_bucket_has_the_same_bytes_as_a_folder(either, sink_of, bucket, tmp_path):
    there = await mockdata.generate(MIXED, sink=sink_of(bucket.url), **RUN)
    here = await mockdata.generate(MIXED, sink=sink_of(tmp_path), **RUN)
    assert bucket.objects() == kept(tmp_path)
    assert there.vaults == here.vaults  # header lines are counted, too
    assert bucket.open_uploads() == []
    assert max(bucket.parts().values()) > 1
    assert min(bucket.parts().values()) == 0


async def test_a_url_alone_is_a_sink(bucket):
    await mockdata.generate({"ssn": 3}, sink=f"{bucket.url}/", **RUN)
    assert bucket.objects().keys() == {"ssn_data.csv", "ssn_tokens.csv"}


async def test_parts_join_to_the_whole_and_have_no_header_if_none_is_wanted(bucket, tmp_path):
    for k in (1, 2, 3):
        sink = CsvSink(f"{bucket.url}/{k}", header=False)
        await mockdata.generate({"name": 3000, "id": 2}, sink=sink, part=(k, 3), **RUN)
    await mockdata.generate({"name": 3000, "id": 2}, sink=CsvSink(tmp_path, header=False), **RUN)
    found = bucket.objects()
    for name, content in kept(tmp_path).items():
        assert b"".join(found[f"{k}/{name}"] for k in (1, 2, 3)) == content


async def test_files_under_a_url_of_the_local_disk(sink_of, tmp_path):
    await mockdata.generate(MIXED, sink=sink_of((tmp_path / "there").as_uri()), **RUN)
    await mockdata.generate(MIXED, sink=sink_of(tmp_path / "here"), **RUN)
    assert kept(tmp_path / "there") == kept(tmp_path / "here")


async def test_a_failed_run_removes_the_folders_that_it_made(sink_of, tmp_path):
    def fail(progress):
        if progress.records:
            raise RuntimeError("enough")

    there = tmp_path / "there"
    there.mkdir()
    sink = sink_of((there / "new" / "newer").as_uri())
    with pytest.raises(RuntimeError, match="enough"):
        await mockdata.generate(MIXED, sink=sink, on_progress=fail, **RUN)
    assert [*there.iterdir()] == []


def read_back(url, vault):
    store, prefix = connect(url)

    def lines(kind):
        try:
            content = bytes(store.get(f"{prefix}{vault}_{kind}.csv").bytes())
        except FileNotFoundError:
            return []
        return content.decode().splitlines()[1:]

    return zip(lines("data"), lines("tokens"), strict=True)


async def test_it_does_what_a_sink_has_to_do():
    numbers = iter(range(100))
    await check_sink(lambda: f"memory://checked-{next(numbers)}/prefix", read_back)


# Wrong use


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///x", "ftp://x", "file://x", "s3://a:b@c/d", "s3://x/y?z", "memory://"]
)
def test_urls_that_name_no_place_are_refused(url):
    for sink_of in SINKS.values():
        with pytest.raises(mockdata.PlanError) as caught:
            sink_of(url)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://a:b@c/d", "s3://x/y?z", "file:///a folder", "s3://x/y#z"])
def test_what_a_url_may_not_have_is_told(url):
    with pytest.raises(mockdata.PlanError, match="without a user name, query, fragment or space"):
        CsvSink(url)


def test_a_disk_is_nothing_that_a_store_has():
    with pytest.raises(mockdata.PlanError, match="fsync: only works with a folder"):
        CsvSink("s3://bucket", fsync=True)


async def test_two_files_of_one_name_are_refused():
    table = mockdata.Table("name_data", {"a": "{index}"})
    with pytest.raises(mockdata.PlanError, match=r"would both write name_data\.csv"):
        await mockdata.generate({"name": 1, table: 1}, sink="memory://clash", **RUN)


async def test_objects_that_are_too_large_are_refused_with_what_to_do(bucket, proxy):
    with pytest.raises(mockdata.PlanError, match=r"name_data\.csv would have 46\.\d TB, .* parts"):
        await mockdata.generate({"name": 2**40}, sink=bucket.url, **RUN)
    assert proxy.seen == []


@pytest.mark.parametrize("size", [0, 1, sizes.LEAST, 10**10, 10**12, sizes.MOST])
def test_parts_are_as_few_as_a_store_takes_and_as_large(size):
    part = sizes.part_size(size)
    assert size * 1.1 <= part * 10_000
    assert part >= 5 * 2**20
    assert part == sizes.LEAST or part <= size / 9_000 + 2**20


@pytest.mark.parametrize("files", [1, 2, 8, 16, 40])
def test_memory_is_bounded_unless_there_is_more_than_one_part_of_each_file(files):
    parts = [sizes.LEAST] * files
    assert sizes.at_once(parts) * sum(parts) <= max(sizes.MEMORY, sum(parts))


def test_no_run_without_a_store_imports_obstore(tmp_path):
    script = (
        "import sys, mockdata; mockdata.generate_sync(10, sink=sys.argv[1]);"
        "assert not {'obstore', 'mockdata.sinks.stores.store'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "data")], check=True)


async def test_without_obstore_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(mockdata.PlanError, match=r"pip install 'mockdata\[stores\]'"):
        await mockdata.generate({"id": 1}, sink="memory://any")


# In the command


@pytest.mark.parametrize("sink", SINKS)
def test_the_command_says_what_it_has_made_and_repeats_the_run(sink, mockdata_command, bucket):
    words = ["ssn=20", "-s", sink, "-o", bucket.url, "--seed", "7", "--timestamp", "1700000000"]
    done = mockdata_command(*words)
    assert (done.returncode, done.stdout) == (0, "")
    made = bucket.objects()
    for name in made:
        assert f"| {name} " in done.stderr.splitlines()[2]
    assert done.stderr.splitlines()[2].startswith("| ssn   |      20 | ssn")
    assert f" in {bucket.url}, in " in done.stderr.splitlines()[4]
    again = done.stderr.splitlines()[-1].removeprefix("python -m ").split()
    assert ["-o", bucket.url] == again[again.index("-o") :][:2]
    repeated = mockdata_command(*again[again.index("mockdata") + 1 :], "--json", "-q")
    sized = {f"{bucket.url}/{name}": len(content) for name, content in made.items()}
    assert json.loads(repeated.stdout)["objects"] == sized
    assert bucket.objects() == made


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-o", "s3://not-there/x"], 1, "mockdata: s3://not-there/x: there is no such bucket"),
        (["-o", "sftp://host/x"], 2, "mockdata: output: sftp:// is not a known object store"),
        (["-o", "s3://b/x", "--fsync"], 2, "mockdata: fsync: only works with a folder"),
        (["-s", "csv:ftp://x"], 2, "mockdata: output: ftp:// is not a known object store"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(words, code, says, mockdata_command, bucket):
    done = mockdata_command("ssn=20", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


def test_stores_in_memory_have_one_name_each():
    assert connect("memory://one/a")[0] is connect("memory://one/b")[0]
    assert connect("memory://one/a")[0] is not connect("memory://two/a")[0]
    assert connecting.connect("memory://one")[1] == ""
