"""Files in object stores: the same bytes as in a folder, complete or absent.

The server is a real one of the S3 protocol, in a process of its own; it is asked what it has.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import mockdata
from mockdata.sinks.csv import CsvSink
from mockdata.sinks.jsonl import JsonlSink
from mockdata.sinks.parquet import ParquetSink
from mockdata.sinks.stores import connect as connecting
from mockdata.sinks.stores import sizes
from mockdata.sinks.stores.connect import Patience, connect
from mockdata.testing import check_sink

from .conftest import RUN, children, kept
from .odd import ODD, PEOPLE, QUOTED
from .s3 import Bucket, S3Server, proxy_to

MIXED = {ODD: 10_001, QUOTED: 25, PEOPLE: 301, "name": 250_000}
"""Objects that are put in one go, and, of ``name``, some that are larger than a part."""

SINKS = {"csv": CsvSink, "jsonl": JsonlSink, "parquet": ParquetSink}


@pytest.fixture(scope="module")
def server():
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def environment(monkeypatch):
    """Settings of a store as a user has them in the environment."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@pytest.fixture
def bucket(server, environment):
    environment.setenv("AWS_ENDPOINT_URL", server.endpoint)
    return Bucket(server, server.make_bucket())


@pytest.fixture
def proxy(server, bucket, environment):
    """A proxy that stands between the library and the server."""
    with proxy_to(server) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def impatient(monkeypatch):
    """Have a store that makes trouble given up soon."""
    monkeypatch.setattr("mockdata.sinks.stores.store.SLOWEST", 2**30)
    for name in ("FIRST_LOOK", "UPLOAD"):
        monkeypatch.setattr(f"mockdata.sinks.stores.store.{name}", Patience(1.0, 2, 2.0))


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


async def test_a_killed_worker_changes_nothing(pooled, bucket, tmp_path):
    killed = []

    def kill(progress):
        victims = [child for child in children() if child.pid not in killed]
        if len(killed) < 2 and victims and progress.records:
            victims[0].kill()
            killed.append(victims[0].pid)

    counts = {"ssn": 400_000, "name": 100_000}
    servers = {child.pid for child in children()}
    killed.extend(servers)
    await mockdata.generate(
        counts,
        sink=bucket.url,
        workers=2,
        on_progress=lambda progress: kill(progress) if len(killed) < len(servers) + 2 else None,
        **RUN,
    )
    await mockdata.generate(counts, sink=tmp_path, **RUN)
    assert len(killed) > len(servers)
    assert bucket.objects() == kept(tmp_path)


async def test_files_under_a_url_of_the_local_disk(sink_of, tmp_path):
    await mockdata.generate(MIXED, sink=sink_of((tmp_path / "there").as_uri()), **RUN)
    await mockdata.generate(MIXED, sink=sink_of(tmp_path / "here"), **RUN)
    assert kept(tmp_path / "there") == kept(tmp_path / "here")


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


# Complete or absent


async def test_a_failed_run_leaves_nothing_and_earlier_objects_as_they_were(bucket):
    bucket.put("name_data.csv")

    def fail(progress):
        if bucket.open_uploads():
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await mockdata.generate({"name": 600_000}, sink=bucket.url, on_progress=fail, **RUN)
    assert bucket.objects() == {"name_data.csv": b"earlier"}
    assert bucket.open_uploads() == []


async def test_a_cancelled_run_leaves_nothing(bucket):
    def cancel(progress):
        if bucket.open_uploads():
            running.cancel()

    running = asyncio.create_task(
        mockdata.generate({"name": 600_000}, sink=bucket.url, on_progress=cancel, **RUN)
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


@pytest.mark.parametrize("fails", ["name_tokens", "dob_data", "dob_tokens"])
async def test_objects_that_appeared_are_deleted_if_a_later_one_does_not(
    fails, bucket, proxy, impatient
):
    bucket.put("name_data.csv")  # which is completed before, and cannot be put back
    bucket.put("dob_tokens.csv")

    def trouble(method, path):
        completes = method == "POST" and "uploadId" in path
        puts = method == "PUT" and "uploadId" not in path
        return 503 if fails in path and (completes or puts) else None

    proxy.trouble = trouble
    with pytest.raises(OSError, match="503") as caught:
        await mockdata.generate({"name": 200_000, "dob": 3}, sink=bucket.url, **RUN)
    assert names(caught.value, f"{bucket.url}/{fails}.csv")
    assert bucket.objects() == {"dob_tokens.csv": b"earlier"}
    assert bucket.open_uploads() == []


async def test_what_cannot_be_deleted_is_told(bucket, proxy, impatient):
    proxy.trouble = lambda method, path: (
        503 if "id_tokens" in path or (method, "delete" in path) == ("POST", True) else None
    )
    with pytest.raises(OSError, match="503") as caught:
        await mockdata.generate({"id": 3}, sink=bucket.url, **RUN)
    assert [note for note in caught.value.__notes__ if "id_data.csv" in note]
    assert bucket.objects().keys() == {"id_data.csv"}


async def test_objects_that_are_there_are_kept_if_they_are_to_be(sink_of, bucket):
    await mockdata.generate({"id": 3}, sink=sink_of(bucket.url), **RUN)
    found = bucket.objects()
    with pytest.raises(FileExistsError) as caught:
        await mockdata.generate({"id": 5}, sink=sink_of(bucket.url, clobber=False), **RUN)
    assert names(caught.value, f"{bucket.url}/id")
    assert bucket.objects() == found
    await mockdata.generate({"id": 5}, sink=sink_of(bucket.url), **RUN)
    assert bucket.objects() != found


async def test_an_object_that_comes_during_the_run_is_kept_if_it_is_to_be(bucket):
    def put(progress):
        bucket.put("id_tokens.csv")

    sink = CsvSink(bucket.url, clobber=False)
    with pytest.raises(FileExistsError):
        await mockdata.generate({"id": 3}, sink=sink, on_progress=put, **RUN)
    assert bucket.objects() == {"id_tokens.csv": b"earlier"}


# Trouble with the store


async def test_a_bucket_that_is_not_there_is_found_out_before_anything_starts(bucket):
    seen = []
    with pytest.raises(FileNotFoundError, match="no such bucket") as caught:
        await mockdata.generate(10**9, sink="s3://not-there/p", on_progress=seen.append, **RUN)
    assert names(caught.value, "s3://not-there/p")
    assert seen == []


@pytest.mark.parametrize("missing", [("ACCESS_KEY_ID",), ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")])
async def test_no_credentials(missing, environment, impatient):
    for name in missing:
        environment.delenv(f"AWS_{name}")
    environment.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(PermissionError, match="set AWS_ACCESS_KEY_ID") as caught:
        await mockdata.generate({"id": 3}, sink="s3://some/p", **RUN)
    assert names(caught.value, "s3://some/p")


async def test_nothing_listens_at_the_endpoint(environment, impatient):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="check the network and the endpoint"):
        await mockdata.generate({"id": 3}, sink="s3://some/p", **RUN)


def of_parts(method, path):
    return method == "PUT" and "partNumber" in path


async def test_who_may_not_list_may_yet_put(bucket, proxy):
    proxy.trouble = lambda method, path: 403 if "list-type" in path else None
    await mockdata.generate({"id": 3}, sink=bucket.url, **RUN)
    assert bucket.objects().keys() == {"id_data.csv", "id_tokens.csv"}


@pytest.mark.parametrize("counts", [{"id": 3}, {"name": 600_000}], ids=["put", "parts"])
async def test_no_permission_to_put(counts, bucket, proxy):
    proxy.trouble = lambda method, path: 403 if method in ("PUT", "POST") else None
    with pytest.raises(PermissionError, match="no permission") as caught:
        await mockdata.generate(counts, sink=bucket.url, **RUN)
    assert names(caught.value, f"{bucket.url}/")
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


async def test_a_store_that_asks_to_slow_down_for_a_while(bucket, proxy, tmp_path):
    troubles = iter([503] * 3)
    proxy.trouble = lambda *request: next(troubles, None) if of_parts(*request) else None
    await mockdata.generate({"name": 200_000}, sink=bucket.url, **RUN)
    await mockdata.generate({"name": 200_000}, sink=tmp_path, **RUN)
    assert bucket.objects() == kept(tmp_path)
    assert proxy.met.is_set()


async def test_a_store_that_asks_to_slow_down_for_good(bucket, proxy, impatient):
    proxy.trouble = lambda *request: 503 if of_parts(*request) else None
    with pytest.raises(OSError, match="503 SlowDown: Not now; try again later") as caught:
        await mockdata.generate({"name": 600_000}, sink=bucket.url, **RUN)
    assert names(caught.value, f"{bucket.url}/name_")
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


@pytest.mark.parametrize("where", ["list-type", "partNumber"])
async def test_a_store_that_never_answers(where, bucket, proxy, impatient):
    never = threading.Event()
    proxy.trouble = lambda method, path: never if where in path else None
    try:
        with pytest.raises(TimeoutError, match="does not answer in time") as caught:
            await mockdata.generate({"name": 600_000}, sink=bucket.url, **RUN)
        assert names(caught.value, bucket.url)
        assert (bucket.objects(), bucket.open_uploads()) == ({}, [])
    finally:
        never.set()


@pytest.mark.parametrize("where", ["list-type", "uploads", "partNumber"])
async def test_a_run_that_is_cancelled_while_a_store_does_not_answer(where, bucket, proxy):
    never = threading.Event()
    proxy.trouble = lambda method, path: never if where in path else None
    running = asyncio.create_task(mockdata.generate({"name": 600_000}, sink=bucket.url, **RUN))
    try:
        await asyncio.to_thread(proxy.met.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(20):  # a request has 30 s, and would be made again
                await running
        assert (bucket.objects(), bucket.open_uploads()) == ({}, [])
    finally:
        never.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", SINKS)
def test_a_signal_while_a_store_does_not_answer(form, number, bucket, proxy, tmp_path):
    """The command says for how long it undoes what it did."""
    never = threading.Event()
    proxy.trouble = lambda method, path: never if "partNumber" in path else None
    words = ("name=600k", "-s", form, "-o", bucket.url, "--no-progress", "-w", "2")
    with subprocess.Popen(
        [sys.executable, "-m", "mockdata", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        proxy.met.wait()
        running.send_signal(number)
        said = running.communicate(timeout=60)[1].splitlines()
    never.set()
    assert running.returncode == 128 + number
    assert said[0] == "mockdata: stopping: requests in flight have 8 s"
    assert said[1].startswith("mockdata: stopped; to repeat: ")
    assert (len(said), bucket.objects(), bucket.open_uploads()) == (2, {}, [])


async def test_an_upload_that_is_being_opened_when_the_run_is_cancelled(bucket, proxy):
    """The server opens it, and the answer comes later: it has to be waited for, and aborted."""
    is_late = threading.Event()

    def trouble(method, path):
        if method == "POST" and path.endswith("uploads="):
            proxy.met.set()
            is_late.wait()

    proxy.trouble = trouble
    running = asyncio.create_task(mockdata.generate({"name": 600_000}, sink=bucket.url, **RUN))
    await asyncio.to_thread(proxy.met.wait)
    running.cancel()
    await asyncio.wait([running], timeout=0.1)
    is_late.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [path for method, path in proxy.seen if method == "DELETE"]
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


async def test_a_store_that_goes_away_in_the_middle(environment, impatient):
    server = S3Server()
    environment.setenv("AWS_ENDPOINT_URL", server.endpoint)
    bucket = Bucket(server, server.make_bucket())

    def stop(progress):
        if server.process.returncode is None and bucket.open_uploads():
            server.stop()

    with pytest.raises(OSError, match=r"reached|error") as caught:
        await mockdata.generate({"name": 900_000}, sink=bucket.url, on_progress=stop, **RUN)
    assert names(caught.value, f"{bucket.url}/name_")
    assert [note for note in caught.value.__notes__ if "left open" in note]


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
def test_the_command_names_the_objects_and_repeats_the_run(sink, mockdata_command, bucket):
    words = ["ssn=20", "-s", sink, "-o", bucket.url, "--seed", "7", "--timestamp", "1700000000"]
    done = mockdata_command(*words)
    assert (done.returncode, done.stdout) == (0, "")
    made = bucket.objects()
    for name in made:
        assert f"| {bucket.url}/{name} " in done.stderr
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


SIGNALLED = """
import os, sys

where, number, *arguments = sys.argv[1:]
module, _, attribute = where.rpartition(".")
module, _, holder = module.partition(":")
owner = __import__(module, fromlist=["*"])
owner = getattr(owner, holder) if holder else owner
real = getattr(owner, attribute)

def signalled(*arguments, **options):
    setattr(owner, attribute, real)
    print("struck", flush=True)
    os.kill(os.getpid(), int(number))
    return real(*arguments, **options)

setattr(owner, attribute, signalled)
sys.argv[1:] = arguments
from mockdata.__main__ import main
sys.exit(main())
"""

UNTIL_THE_OBJECTS_APPEAR = [
    "mockdata.sinks.stores.store.connect",
    "mockdata.sinks.stores.store:Uploads.begin",
    "obstore.list",
    "mockdata.pipeline.run.open_pool",
    "mockdata.sinks.stores.upload._to_its_end",
    "mockdata.sinks.stores.upload:Upload.append",
    "mockdata.pipeline.run.check_files",
]
FROM_THEN_ON = [
    "mockdata.sinks.stores.store:Uploads.commit",
    "mockdata.sinks.stores.upload:Upload.settle",
    "mockdata.sinks.stores.upload:Upload.close",
    "mockdata.sinks.stores.store:Uploads.leave",
]


def struck(where, number, url, cwd):
    """Run the command, signalled when it comes to a place; return its exit code."""
    words = [where, str(int(number)), "name=250k", "-q", "-o", url]
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, *words],
        cwd=cwd,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"struck\n", b"")
    return done.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", UNTIL_THE_OBJECTS_APPEAR)
def test_a_signal_before_the_objects_appear_leaves_nothing(where, number, bucket, tmp_path):
    bucket.put("name_data.csv")
    assert struck(where, number, bucket.url, tmp_path) == 128 + number
    assert bucket.objects() == {"name_data.csv": b"earlier"}
    assert bucket.open_uploads() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", FROM_THEN_ON)
def test_a_signal_while_the_objects_appear_comes_too_late(where, number, bucket, tmp_path):
    assert struck(where, number, bucket.url, tmp_path) == 0
    assert bucket.objects().keys() == {"name_data.csv", "name_tokens.csv"}
    assert bucket.open_uploads() == []


def test_stores_in_memory_have_one_name_each():
    assert connect("memory://one/a")[0] is connect("memory://one/b")[0]
    assert connect("memory://one/a")[0] is not connect("memory://two/a")[0]
    assert connecting.connect("memory://one")[1] == ""
