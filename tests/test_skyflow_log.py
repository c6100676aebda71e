"""The Skyflow sink's error logs: whole on every ending, and never written over."""

import os
import resource
from contextlib import ExitStack, contextmanager

import pytest

import mockdata
from mockdata.sinks.skyflow import VaultTarget
from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.errorlog import ErrorLog

from .conftest import isolated, may_mount
from .scripted import serving
from .skyflow import (
    FIXED,
    TOKEN,
    Watched,
    configuration,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
    values_of,
)

FAILED = Body(1, [0], b'{"records":[{"fields":{"ssn":"v"},"tokens":{"ssn":"t"}}]}')
TARGET = VaultTarget("v", "ssn", "SSN")


def add(log):
    log.add(FAILED, 400, "bad")


@contextmanager
def room_for(size):
    """Let no file grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_error_logs_of_one_second_are_kept_apart(tmp_path):
    unused, *logs = [ErrorLog(str(tmp_path), TARGET) for _ in range(4)]
    for log in logs:
        add(log)
    for log in [unused, *logs]:
        log.close()
    assert unused.path is None
    assert len({log.path for log in logs}) == len(list(tmp_path.iterdir())) == 3
    assert logged(tmp_path) == {"ssn": 3 * [("v", "t")]}


def test_an_error_log_is_whole_at_any_time(tmp_path):
    """So that a run that is killed leaves it whole."""
    log = ErrorLog(str(tmp_path), TARGET)
    for count in range(1, 12):  # the totals get longer
        add(log)
        assert logged(tmp_path) == {"ssn": count * [("v", "t")]}
    log.close()
    assert logged(tmp_path) == {"ssn": 11 * [("v", "t")]}


@pytest.mark.parametrize("room", range(1_500, 1_700, 7))
def test_a_full_disk_leaves_the_entries_that_found_room(tmp_path, room):
    log, added = ErrorLog(str(tmp_path), TARGET), 0
    with room_for(room):
        with pytest.raises(OSError, match="too large") as caught:
            for _ in range(100):
                add(log)
                added += 1
        with pytest.raises(OSError, match="too large"):
            add(log)
        log.close()
    assert caught.value.filename == log.path
    assert 0 < added < 100
    assert logged(tmp_path) == {"ssn": added * [("v", "t")]}


@pytest.mark.parametrize("room", [10, 200])
def test_a_full_disk_leaves_no_error_log_without_an_entry(tmp_path, room):
    log = ErrorLog(str(tmp_path), TARGET)
    with room_for(room), pytest.raises(OSError, match="too large") as caught:
        add(log)
    log.close()
    assert str(tmp_path) in caught.value.filename
    assert (log.path, os.listdir(tmp_path)) == (None, [])


async def test_what_finds_no_room_in_the_error_log_is_not_sent(tmp_path):
    limit = ExitStack()

    def answer(request, number):
        if number == 0:
            limit.enter_context(room_for(10_000))  # when the records are made
        return 400

    with limit:
        async with serving(answer) as server:
            used = Watched(server.url, batch_size=10, concurrency=3)
            with pytest.raises(OSError, match="too large") as caught:
                await mockdata.generate({"ssn": 1000}, sink=used, start=500, **FIXED)
    written = {value for value, _ in logged(tmp_path)["ssn"]}
    delivery, failed = used.delivery(), len(written)
    assert 0 < failed < 1000
    assert (delivery.sent, delivery.failed, delivery.not_sent) == (0, failed, 1000 - failed)
    assert delivery.error_logs == (os.path.basename(caught.value.filename),)
    missing = [value not in written for value in await values_of(1000, start=500)]
    assert delivery.resume == {"ssn": 500 + missing.index(True)}


@pytest.mark.skipif(not may_mount(), reason="to mount a small disk needs root or user namespaces")
def test_an_error_log_on_a_full_disk_is_told_of(vault, tmp_path):
    emulator, folder = vault("--refuse", 1), tmp_path / "small"
    folder.mkdir()
    settings = {"batch_size": 10, "max_concurrency": 1, "log_folder": str(folder)}
    changes = {f"performance__{key}": value for key, value in settings.items()}
    configuration(tmp_path, emulator.url, **changes)
    done = isolated(
        f"mount -t tmpfs -o size=32k none {folder} && $mockdata ssn=1k -q -s skyflow; code=$?\n"
        f"cp {folder}/* .; exit $code",
        tmp_path,
        SKYFLOW_BEARER_TOKEN=TOKEN,
    )
    failed = len(logged(tmp_path)["ssn"])
    (log,) = tmp_path.glob("error_log_*")
    assert done.returncode == 1
    assert 0 < failed < 1000
    reason = f"mockdata: {folder}/{log.name}: No space left on device; at ssn records "
    assert done.stderr.startswith(reason)
    assert f"0 records sent, {failed} failed, {1000 - failed} not sent" in done.stderr
    assert f" --start ssn={failed} " in done.stderr


async def test_an_error_log_that_cannot_be_closed_fails_the_run(tmp_path, monkeypatch):
    def lose(log):
        raise OSError(5, "Input/output error", log.path)

    monkeypatch.setattr(ErrorLog, "close", lose)
    async with serving(lambda request, number: 400) as server:
        with pytest.raises(OSError, match="Input/output error") as caught:
            await mockdata.generate({"id": 5, "ssn": 5}, sink=sink(server.url))
    assert [note for note in caught.value.__notes__ if "Input/output error" in note]


async def test_an_error_log_that_cannot_be_written_is_an_error(tmp_path):
    folder = tmp_path / "removed"
    folder.mkdir()

    def answer(request, number):
        folder.rmdir()
        return 400

    async with serving(answer) as server:
        with pytest.raises(FileNotFoundError, match="removed"):
            await mockdata.generate({"ssn": 5}, sink=sink(server.url, log_folder=folder))


@pytest.mark.parametrize("folder", ["nowhere", "file"])
async def test_a_folder_for_error_logs_is_looked_at_first(tmp_path, folder):
    (tmp_path / "file").write_text("")
    async with serving() as server:
        with pytest.raises(mockdata.PlanError, match=f"log_folder: .*{folder}"):
            await mockdata.generate({"ssn": 5}, sink=sink(server.url, log_folder=tmp_path / folder))
    assert server.requests == []
