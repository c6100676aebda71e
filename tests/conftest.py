"""Fixtures that many tests share, and the two event loops that every async test runs on."""

import asyncio
import errno
import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import uvloop
from hypothesis import settings

from mockdata.render import renderers
from mockdata.render.batch import BATCH
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES
from mockdata.vaults.catalogue import DEFAULT, READY_MADE
from mockdata.vaults.resolve import Resolver
from mockdata.workers import pool

VAULTS = DEFAULT

RUN = {"seed": 1, "timestamp": 1_700_000_000}

FILES = {
    f"{vault}_{kind}.csv" for vault in ("name", "id", "dob", "ssn") for kind in ("data", "tokens")
}

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

for number in (signal.SIGINT, signal.SIGHUP):  # ignored where pytest runs in the background
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ONE_LOOP = (
    *("any_vault", "arrow", "encode", "golden", "parquet", "places", "plan", "renaming"),
    *("skyflow_answers", "skyflow_token", "store_faults", "stores", "tables", "testing", "texts"),
)
"""Files of tests of what does not depend on the event loop."""


def pytest_asyncio_loop_factories(config, item):
    """Run each async test on both, or on those that the environment names."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    wanted = os.environ.get("MOCKDATA_TEST_LOOPS", "asyncio,uvloop").split(",")
    if item.path.stem.removeprefix("test_") in ONE_LOOP:
        wanted = wanted[:1]
    return {name: loops[name] for name in wanted}


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Every test ends with the processes and the open files that it began with."""
    me = psutil.Process()
    processes, slabs = {p.pid for p in me.children(recursive=True)}, open_slabs()
    yield
    left = [p for p in me.children(recursive=True) if p.pid not in processes]
    assert left == []
    deadline = time.monotonic() + 10
    gc.collect()  # a caught error keeps the frames that it came through, and so what they refer to
    while open_slabs() != slabs and time.monotonic() < deadline:
        gc.collect()  # a thread may be on its way out, with the frames of an error that it raised
    assert open_slabs() == slabs


@pytest.fixture
def pooled(monkeypatch):
    """Have processes made for runs that are small enough for one."""
    monkeypatch.setattr(pool, "SMALL", 0)


@pytest.fixture(params=["here", "pool"])
def either(request, monkeypatch):
    """Run a test without processes, and with them."""
    if request.param == "pool":
        monkeypatch.setattr(pool, "SMALL", 0)
    return request.param


@pytest.fixture
def earlier(tmp_path):
    """A folder with the files of an earlier run; calling it says whether they are as they were."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"earlier {name}\n")

    def unchanged():
        return {f.name: f.read_text() for f in folder.iterdir()} == {
            n: f"earlier {n}\n" for n in FILES
        }

    return folder, unchanged


@pytest.fixture(params=["exchange", "link", "rename"])
def way_of_renaming(request, monkeypatch):
    """All ways in which a file takes the place of an earlier one."""
    if request.param != "exchange":
        monkeypatch.setattr("mockdata.sinks._files._renamed", lambda *_: False)
    if request.param == "rename":

        def no_links(path, *_, **__):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

        monkeypatch.setattr(os, "link", no_links)


def children() -> list[psutil.Process]:
    """Return the processes that this one has started, and theirs."""
    return psutil.Process().children(recursive=True)


class Key(NamedTuple):
    """A ready-made vault's name, and what its records depend on."""

    vault: str
    seed: int
    timestamp: int


@cache
def program_of(key):
    """Return the program of a ready-made vault's two CSV files."""
    columns = Resolver(READY_MADE).resolved(key.vault).columns
    return compile_program(columns, CSV_LINES, seed=key.seed, timestamp=key.timestamp)


def renderer(key, capacity=BATCH) -> renderers.Renderer:
    """Return what a worker renders a vault's data lines and token lines with."""
    return renderers.renderer(program_of(key), capacity)


def open_slabs() -> int:
    """Return how many files in memory this process holds open or mapped."""
    files = sum(
        "mockdata" in os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{name}")
    )
    maps = Path("/proc/self/maps").read_text().count("memfd:mockdata")
    return files + maps


@pytest.fixture
def mockdata_command(tmp_path):
    """Return a function that runs the real command in an empty folder."""

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "mockdata", *map(str, arguments)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    return run


def shell(script, folder, **options):
    """Run a shell script in a folder; ``$mockdata`` is the command, with every warning an error."""
    command = f"{sys.executable} -W error -m mockdata"
    return subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=os.environ | {"mockdata": command} | options,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def isolated(script, folder, **options):
    """Run a shell script that may mount what it likes: nobody else sees it."""
    user = "" if os.geteuid() == 0 else "--map-root-user"
    quoted = script.replace("'", "'\\''")
    return shell(f"unshare --mount {user} sh -c '{quoted}'", folder, **options)


@cache
def may_mount() -> bool:
    """Return whether this machine lets us mount."""
    return isolated("mount -t tmpfs none /mnt", "/").returncode == 0


def kept(folder) -> dict[str, bytes]:
    """Return the name and the content of every file in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def kept_files(folder) -> dict[str, bytes]:
    """Return the name and the content of a run's files in a folder, and of no other."""
    return {name: content for name, content in kept(folder).items() if name in FILES}


def when_written(vault, do):
    """Return an ``on_progress`` that does something once the vault's files are written."""

    def look(progress):
        if progress.vault == vault and progress.records:
            do()

    return look


class Vault:
    """An emulator that runs as a process of its own."""

    def __init__(self, *options, token=None):
        env = {name: value for name, value in os.environ.items() if name != "SKYFLOW_BEARER_TOKEN"}
        command = [sys.executable, "-W", "error", "-m", "mockdata.emulator", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env | ({"SKYFLOW_BEARER_TOKEN": token} if token else {}),
        )
        self.url = self.process.stdout.readline().strip()

    def stats(self):
        """Return what it has seen."""
        with urllib.request.urlopen(f"{self.url}/stats") as answer:
            return json.load(answer)

    def stop(self, number=signal.SIGTERM):
        """Stop it; return its exit code and what it has said."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors


@pytest.fixture(scope="module")
def s3_server():
    """An S3 server in a process of its own."""
    from .s3 import S3Server

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def credentials(monkeypatch):
    """Set what a user of a store has in the environment, and nothing else; return the patch."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@pytest.fixture
def bucket(s3_server, credentials):
    """A bucket of the server that nothing is in."""
    from .s3 import Bucket

    credentials.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    return Bucket(s3_server, s3_server.make_bucket())


@pytest.fixture
def proxy(s3_server, bucket, credentials):
    """A proxy that stands between the library and the server."""
    from .s3 import proxy_to

    with proxy_to(s3_server) as proxy:
        credentials.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def impatient(monkeypatch):
    """Have a store that makes trouble given up soon."""
    from mockdata.sinks.stores.connect import Patience

    monkeypatch.setattr("mockdata.sinks.stores.store.SLOWEST", 2**30)
    for name in ("FIRST_LOOK", "UPLOAD"):
        monkeypatch.setattr(f"mockdata.sinks.stores.store.{name}", Patience(1.0, 2, 2.0))


@pytest.fixture
def vault():
    """Return a function that starts an emulator; each has to end without a word."""
    vaults = []

    def start(*options, **keywords):
        vaults.append(Vault(*options, **keywords))
        return vaults[-1]

    yield start
    for each in vaults:
        if each.process.returncode is None:
            assert each.stop() == (0, "", "")
