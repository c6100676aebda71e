"""Faults of an object store, for files of each format: the same bytes, or one line and nothing left.

The server is a real one of the S3 protocol, in a process of its own, with a proxy that makes the
trouble. Behind each fault it is asked what it has.
"""

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

import mockdata
from mockdata.sinks.csv import CsvSink
from mockdata.sinks.jsonl import JsonlSink
from mockdata.sinks.parquet import ParquetSink

from .conftest import RUN, children, kept
from .s3 import Bucket, S3Server

FORMS = {
    "csv": (CsvSink, ("{}_data.csv", "{}_tokens.csv")),
    "jsonl": (JsonlSink, ("{}.jsonl",)),
    "parquet": (ParquetSink, ("{}.parquet",)),
}
"""Of each format: the sink, and what a vault's files are called."""

LARGE, SMALL = {"name": 300_000}, {"name": 3}
"""Objects of several parts, and objects that are put in one go."""

REQUESTS = {
    "create": (LARGE, lambda method, path: method == "POST" and path.endswith("uploads=")),
    "part": (LARGE, lambda method, path: method == "PUT" and "partNumber" in path),
    "complete": (LARGE, lambda method, path: method == "POST" and "uploadId" in path),
    "put": (SMALL, lambda method, path: method == "PUT" and "uploadId" not in path),
}
"""The requests that a run consists of: the counts of a run that makes them, and which they are."""

WRONG_KEY = (403, "InvalidAccessKeyId")
FULL = (507, "XMinioStorageFull")


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def sink_of(form):
    return FORMS[form][0]


@pytest.fixture
def files_of(form):
    """Return a function that names a vault's files, in the order in which they appear."""
    return lambda vault: [name.format(vault) for name in FORMS[form][1]]


def names(error, url):
    """Return whether an error is of one line, and names a URL under this one."""
    return error.filename.startswith(url) and "\n" not in error.strerror


# A store that refuses, fails, is full or hangs up


@pytest.mark.parametrize(
    ("request_", "answer", "kind", "says"),
    [
        ("create", 403, PermissionError, "no permission"),
        ("create", 503, OSError, "503 SlowDown: Not now; try again later"),
        ("create", "hangs up", OSError, "cannot be reached"),
        ("part", 403, PermissionError, "no permission"),
        ("part", WRONG_KEY, PermissionError, "does not accept the credentials"),
        ("part", 503, OSError, "503 SlowDown: Not now; try again later"),
        ("part", FULL, OSError, "507 XMinioStorageFull"),
        ("part", "hangs up", OSError, "cannot be reached"),
        ("complete", 403, PermissionError, "no permission"),
        ("complete", 500, OSError, "500 InternalError"),
        ("complete", "hangs up", OSError, "cannot be reached"),
        ("put", 403, PermissionError, "no permission"),
        ("put", WRONG_KEY, PermissionError, "does not accept the credentials"),
        ("put", FULL, OSError, "507 XMinioStorageFull"),
        ("put", "hangs up", OSError, "cannot be reached"),
    ],
)
async def test_what_a_store_does_not_take(
    request_, answer, kind, says, sink_of, files_of, bucket, proxy, impatient
):
    counts, is_one = REQUESTS[request_]
    first = files_of("name")[0]
    bucket.put(first)
    if answer == "hangs up":
        answer = threading.Event()
        answer.set()
    proxy.trouble = lambda *request: answer if is_one(*request) else None
    with pytest.raises(kind, match=says) as caught:
        await mockdata.generate(counts, sink=sink_of(bucket.url), **RUN)
    assert names(caught.value, f"{bucket.url}/name")
    assert proxy.met.is_set()
    assert bucket.objects() == {first: b"earlier"}
    assert bucket.open_uploads() == []


@pytest.mark.parametrize("request_", REQUESTS)
async def test_a_store_that_stumbles(request_, sink_of, bucket, proxy, tmp_path):
    counts, is_one = REQUESTS[request_]
    troubles = iter([503, 500, 503])
    proxy.trouble = lambda *request: next(troubles, None) if is_one(*request) else None
    await mockdata.generate(counts, sink=sink_of(bucket.url), **RUN)
    await mockdata.generate(counts, sink=sink_of(tmp_path), **RUN)
    assert bucket.objects() == kept(tmp_path)
    assert bucket.open_uploads() == []
    assert next(troubles, None) is None


async def test_wrong_credentials_are_found_out_before_anything_starts(
    sink_of, bucket, proxy, impatient
):
    seen = []
    proxy.trouble = lambda method, path: WRONG_KEY
    with pytest.raises(PermissionError, match="does not accept the credentials") as caught:
        await mockdata.generate(10**9, sink=sink_of(bucket.url), on_progress=seen.append, **RUN)
    assert names(caught.value, bucket.url)
    assert seen == []


async def test_who_may_not_list_may_yet_put(sink_of, files_of, bucket, proxy):
    proxy.trouble = lambda method, path: 403 if "list-type" in path else None
    await mockdata.generate({"id": 3}, sink=sink_of(bucket.url), **RUN)
    assert [*bucket.objects()] == files_of("id")


@pytest.mark.parametrize(
    ("where", "kinds"),
    [("list-type", TimeoutError), ("partNumber", (TimeoutError, ConnectionError))],
)
async def test_a_store_that_never_answers(where, kinds, sink_of, bucket, proxy, impatient):
    never = threading.Event()
    proxy.trouble = lambda method, path: never if where in path else None
    try:
        with pytest.raises(kinds, match="does not answer in time") as caught:
            await mockdata.generate(LARGE, sink=sink_of(bucket.url), **RUN)
        assert names(caught.value, bucket.url)
        assert (bucket.objects(), bucket.open_uploads()) == ({}, [])
    finally:
        never.set()


async def test_a_store_that_goes_away_in_the_middle(sink_of, credentials, impatient):
    server = S3Server()
    credentials.setenv("AWS_ENDPOINT_URL", server.endpoint)
    bucket = Bucket(server, server.make_bucket())

    def stop(progress):
        if server.process.returncode is None and bucket.open_uploads():
            server.stop()

    with pytest.raises(OSError, match=r"reached|error") as caught:
        await mockdata.generate(
            {"name": 900_000}, sink=sink_of(bucket.url), on_progress=stop, **RUN
        )
    assert names(caught.value, f"{bucket.url}/name")
    assert [note for note in caught.value.__notes__ if "left open" in note]


async def test_a_bucket_that_is_not_there_is_found_out_before_anything_starts(bucket):
    seen = []
    with pytest.raises(FileNotFoundError, match="no such bucket") as caught:
        await mockdata.generate(10**9, sink="s3://not-there/p", on_progress=seen.append, **RUN)
    assert names(caught.value, "s3://not-there/p")
    assert seen == []


@pytest.mark.parametrize("missing", [("ACCESS_KEY_ID",), ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")])
async def test_no_credentials(missing, credentials, impatient):
    for name in missing:
        credentials.delenv(f"AWS_{name}")
    credentials.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(PermissionError, match="set AWS_ACCESS_KEY_ID") as caught:
        await mockdata.generate({"id": 3}, sink="s3://some/p", **RUN)
    assert names(caught.value, "s3://some/p")


async def test_nothing_listens_at_the_endpoint(credentials, impatient):
    credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="check the network and the endpoint"):
        await mockdata.generate({"id": 3}, sink="s3://some/p", **RUN)


# Complete or absent


async def test_a_failed_run_leaves_nothing_and_earlier_objects_as_they_were(
    sink_of, files_of, bucket
):
    first = files_of("name")[0]
    bucket.put(first)

    def fail(progress):
        if bucket.open_uploads():
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await mockdata.generate(
            {"name": 600_000}, sink=sink_of(bucket.url), on_progress=fail, **RUN
        )
    assert bucket.objects() == {first: b"earlier"}
    assert bucket.open_uploads() == []


def cut_off(form, place):
    """Return what makes the last object's closing fail: it is put, or completed."""
    last = FORMS[form][1][-1].format("dob")

    def trouble(method, path):
        completes = method == "POST" and "uploadId" in path
        puts = method == "PUT" and "uploadId" not in path
        return 503 if last in path and (completes or puts) else None

    return last, trouble


async def test_objects_that_appeared_are_deleted_if_a_later_one_does_not(
    form, sink_of, files_of, bucket, proxy, impatient
):
    last, proxy.trouble = cut_off(form, "dob")
    bucket.put(files_of("name")[0])  # which is completed before, and cannot be put back
    bucket.put(last)
    with pytest.raises(OSError, match="503") as caught:
        await mockdata.generate({**LARGE, "dob": 3}, sink=sink_of(bucket.url), **RUN)
    assert names(caught.value, f"{bucket.url}/{last}")
    assert bucket.objects() == {last: b"earlier"}
    assert bucket.open_uploads() == []


async def test_what_cannot_be_deleted_is_told(form, sink_of, bucket, proxy, impatient):
    last, trouble = cut_off(form, "dob")
    proxy.trouble = lambda method, path: (
        503 if (method, "delete" in path) == ("POST", True) else trouble(method, path)
    )
    with pytest.raises(OSError, match="503") as caught:
        await mockdata.generate({"id": 3, "dob": 3}, sink=sink_of(bucket.url), **RUN)
    assert names(caught.value, f"{bucket.url}/{last}")
    assert [note for note in caught.value.__notes__ if f"{bucket.url}/id" in note]
    assert [name for name in bucket.objects() if name.startswith("id")]
    assert last not in bucket.objects()


@pytest.mark.parametrize("request_", ["part", "complete"])
async def test_uploads_that_cannot_be_aborted_are_told(request_, sink_of, bucket, proxy, impatient):
    is_one = REQUESTS[request_][1]
    proxy.trouble = lambda method, path: 503 if method == "DELETE" or is_one(method, path) else None
    with pytest.raises(OSError, match="503") as caught:
        await mockdata.generate(LARGE, sink=sink_of(bucket.url), **RUN)
    assert names(caught.value, f"{bucket.url}/name")
    (note,) = (each for each in caught.value.__notes__ if "left open" in each)
    left = len(bucket.open_uploads())
    assert f"{left} upload{'s' if left > 1 else ''} may be left open" in note
    assert bucket.objects() == {}


async def test_objects_that_are_there_are_kept_if_they_are_to_be(sink_of, bucket):
    await mockdata.generate({"id": 3}, sink=sink_of(bucket.url), **RUN)
    found = bucket.objects()
    with pytest.raises(FileExistsError) as caught:
        await mockdata.generate({"id": 5}, sink=sink_of(bucket.url, clobber=False), **RUN)
    assert names(caught.value, f"{bucket.url}/id")
    assert bucket.objects() == found
    await mockdata.generate({"id": 5}, sink=sink_of(bucket.url), **RUN)
    assert bucket.objects() != found


@pytest.mark.parametrize("counts", [SMALL, LARGE], ids=["put", "parts"])
async def test_an_object_that_comes_during_the_run_is_kept_if_it_is_to_be(
    counts, sink_of, files_of, bucket
):
    last = files_of("name")[-1]

    def put(progress):
        bucket.put(last)

    sink = sink_of(bucket.url, clobber=False)
    with pytest.raises(FileExistsError) as caught:
        await mockdata.generate(counts, sink=sink, on_progress=put, **RUN)
    assert names(caught.value, f"{bucket.url}/{last}")
    assert (bucket.objects(), bucket.open_uploads()) == ({last: b"earlier"}, [])


# Cancellation


async def test_a_cancelled_run_leaves_nothing(sink_of, bucket):
    def cancel(progress):
        if bucket.open_uploads():
            running.cancel()

    running = asyncio.create_task(
        mockdata.generate({"name": 600_000}, sink=sink_of(bucket.url), on_progress=cancel, **RUN)
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


@pytest.mark.parametrize("where", ["list-type", "uploads", "partNumber"])
async def test_a_run_that_is_cancelled_while_a_store_does_not_answer(where, sink_of, bucket, proxy):
    never = threading.Event()
    proxy.trouble = lambda method, path: never if where in path else None
    running = asyncio.create_task(mockdata.generate(LARGE, sink=sink_of(bucket.url), **RUN))
    try:
        await asyncio.to_thread(proxy.met.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(20):  # a request has 30 s, and would be made again
                await running
        assert (bucket.objects(), bucket.open_uploads()) == ({}, [])
    finally:
        never.set()


@pytest.mark.parametrize("request_", ["complete", "put"])
async def test_a_run_that_is_cancelled_while_its_objects_appear_is_completed(
    request_, sink_of, bucket, proxy, tmp_path
):
    counts, is_one = REQUESTS[request_]
    late = threading.Event()
    waiting = iter([late])
    proxy.trouble = lambda *request: next(waiting, None) if is_one(*request) else None
    running = asyncio.create_task(mockdata.generate(counts, sink=sink_of(bucket.url), **RUN))
    await asyncio.to_thread(proxy.met.wait)
    running.cancel()
    await asyncio.wait([running], timeout=0.1)
    late.set()  # the connection is closed, and the request is made again
    assert (await running).records == sum(counts.values())
    await mockdata.generate(counts, sink=sink_of(tmp_path), **RUN)
    assert bucket.objects() == kept(tmp_path)
    assert bucket.open_uploads() == []


async def test_an_upload_that_is_being_opened_when_the_run_is_cancelled(sink_of, bucket, proxy):
    """The server opens it, and the answer comes later: it has to be waited for, and aborted."""
    is_late = threading.Event()

    def trouble(method, path):
        if REQUESTS["create"][1](method, path):
            proxy.met.set()
            is_late.wait()

    proxy.trouble = trouble
    running = asyncio.create_task(mockdata.generate(LARGE, sink=sink_of(bucket.url), **RUN))
    await asyncio.to_thread(proxy.met.wait)
    running.cancel()
    await asyncio.wait([running], timeout=0.1)
    is_late.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [path for method, path in proxy.seen if method == "DELETE"]
    assert (bucket.objects(), bucket.open_uploads()) == ({}, [])


# Signals and kills


async def test_a_killed_worker_changes_nothing(pooled, sink_of, bucket, tmp_path):
    servers = {child.pid for child in children()}
    killed = []

    def kill(progress):
        victims = [child for child in children() if child.pid not in {*servers, *killed}]
        if len(killed) < 2 and victims and progress.records:
            victims[0].kill()
            killed.append(victims[0].pid)

    counts = {"ssn": 400_000, "name": 100_000}
    sink = sink_of(bucket.url)
    await mockdata.generate(counts, sink=sink, workers=2, on_progress=kill, **RUN)
    await mockdata.generate(counts, sink=sink_of(tmp_path), **RUN)
    assert killed
    assert bucket.objects() == kept(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_while_a_store_does_not_answer(number, form, sink_of, bucket, proxy, tmp_path):
    """The command says for how long it undoes what it did; if it is killed, no object appears."""
    never = threading.Event()
    proxy.trouble = lambda method, path: never if "partNumber" in path else None
    words = ["name=300k", "--seed", "1", "--timestamp", "1700000000", "-s", form]
    command = [sys.executable, "-m", "mockdata", *words, "--no-progress", "-w", "2"]
    with subprocess.Popen(
        [*command, "-o", bucket.url], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as running:
        proxy.met.wait()
        running.send_signal(number)
        said = running.communicate(timeout=60)[1].splitlines()
    never.set()
    assert bucket.objects() == {}
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number
        assert said[0] == "mockdata: stopping: requests in flight have 8 s"
        assert said[1].startswith("mockdata: stopped; to repeat: ")
        assert (len(said), bucket.open_uploads()) == (2, [])
    proxy.trouble = lambda method, path: None
    subprocess.run([*command, "-q", "-o", bucket.url], cwd=tmp_path, check=True)
    mockdata.generate_sync(LARGE, sink=sink_of(tmp_path / "here"), **RUN)
    assert bucket.objects() == kept(tmp_path / "here")


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


SIGNALS = [
    ("csv", signal.SIGINT),
    ("csv", signal.SIGTERM),
    ("jsonl", signal.SIGTERM),
    ("parquet", signal.SIGINT),
]


def struck(where, number, form, url, cwd):
    """Run the command, signalled when it comes to a place; return its exit code."""
    words = [where, str(int(number)), "name=250k", "-q", "-s", form, "-o", url]
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, *words],
        cwd=cwd,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"struck\n", b"")
    return done.returncode


@pytest.mark.parametrize(("form", "number"), SIGNALS, indirect=["form"])
@pytest.mark.parametrize("where", UNTIL_THE_OBJECTS_APPEAR)
def test_a_signal_before_the_objects_appear_leaves_nothing(
    where, number, form, files_of, bucket, tmp_path
):
    first = files_of("name")[0]
    bucket.put(first)
    assert struck(where, number, form, bucket.url, tmp_path) == 128 + number
    assert bucket.objects() == {first: b"earlier"}
    assert bucket.open_uploads() == []


@pytest.mark.parametrize(("form", "number"), SIGNALS, indirect=["form"])
@pytest.mark.parametrize("where", FROM_THEN_ON)
def test_a_signal_while_the_objects_appear_comes_too_late(
    where, number, form, files_of, bucket, tmp_path
):
    assert struck(where, number, form, bucket.url, tmp_path) == 0
    assert [*bucket.objects()] == files_of("name")
    assert bucket.open_uploads() == []
