"""The Skyflow sink where something is odd: answers, networks, disks, tokens and arguments."""

import asyncio
import inspect
import json
import math
import os
import pty
import resource
import signal
import socket
import sys
import termios
from contextlib import closing

import pytest

import mockdata
from mockdata.command.plugins import list_sinks
from mockdata.sinks.skyflow import SkyflowSink, VaultTarget
from mockdata.sinks.skyflow.answers import Retries
from mockdata.sinks.skyflow.bearer import Bearer
from mockdata.sinks.skyflow.body import Bodies, Body
from mockdata.sinks.skyflow.client import Client
from mockdata.sinks.skyflow.errorlog import ErrorLog
from mockdata.sinks.skyflow.settings import read_config
from mockdata.testing import ListSink
from mockdata.vaults import VAULTS

from .scripted import serving, taken
from .test_skyflow import FIXED, IDS, TOKEN, command, configuration, logged, sink


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SKYFLOW_BEARER_TOKEN", raising=False)


def entries(folder):
    """Return the errors of the only error log."""
    (log,) = folder.glob("error_log_*")
    return json.loads(log.read_text())["errors"]


# The bearer token

MARK = "Zq7-"
LONG = MARK * 200
SHORT = f"{MARK}open-4711/+"


@pytest.mark.parametrize(("token", "before"), [(LONG, 0), (LONG, 490), (SHORT, 484), (SHORT, 488)])
@pytest.mark.parametrize("kind", ["plain", "json", "escaped", "item", "id"])
@pytest.mark.parametrize("status", [400, 403])
async def test_no_part_of_the_token_is_shown(tmp_path, token, before, kind, status):
    """It is taken out before what is long is cut off, wherever the vault repeats it."""
    said = " " + "x" * before + token
    error = json.dumps({"error": {"message": said}})
    answer = {
        "plain": (status, said, {}),
        "json": (status, error, {}),
        "escaped": (status, error.replace("/", "\\/").replace("+", "\\u002b"), {}),
        "item": (200, json.dumps({"records": [{"error": {"message": said, "http_code": 400}}]}), {}),
        "id": (status, "", {"x-request-id": said}),
    }[kind]  # fmt: skip
    async with serving(lambda request, number: answer) as server:
        used = sink(server.url, token=token)
        try:
            await mockdata.generate({"ssn": 1}, sink=used)
            (entry,) = entries(tmp_path)
            shown = entry["error"]
        except mockdata.DeliveryError as refused:
            shown = str(refused)
    assert "[bearer" in shown or before > 484
    assert MARK not in shown


async def test_a_token_of_long_ago_is_hidden_as_well():
    tokens = iter(["first", "first-second", "third", "fourth"])
    bearer, token = Bearer(lambda: next(tokens)), ""
    for _ in range(4):
        assert await bearer.renew(token)
        token = await bearer.token()
        bearer.accepted(token)
    hidden = bearer.hide("first, first-second, third, fourth")
    assert hidden == ", ".join(["[bearer token]"] * 4)


async def test_a_bad_token_in_the_midst_of_a_run_is_no_wrong_use(vault):
    emulator = vault("--token-lasts", 2)
    tokens = iter([TOKEN, "two\nlines"])
    used = sink(emulator.url, token=lambda: next(tokens), batch_size=1, concurrency=1)
    with pytest.raises(mockdata.DeliveryError, match="not a bearer token"):
        await mockdata.generate({"ssn": 5}, sink=used)
    assert used.delivery().sent == 2


# The network


async def test_nothing_for_this_machine_goes_to_a_proxy(tmp_path):
    async with serving() as proxy, serving() as server:
        configuration(tmp_path, server.url)
        env = os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN}
        env |= dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), proxy.url)
        env = {name: value for name, value in env.items() if name.lower() != "no_proxy"}
        code, errors = await command("ssn=5", "-q", "-s", "skyflow", env=env)
    assert (code, errors) == (0, "")
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def scaled(factor):
    """Return the seconds that are the sink's defaults, times a factor."""
    parameters = inspect.signature(SkyflowSink).parameters
    names = ("retry_seconds", "backoff", "connect_timeout", "answer_timeout")
    return {name: parameters[name].default * factor for name in names}


async def test_a_late_answer_is_waited_for_no_longer_than_a_part_of_the_time():
    never = asyncio.Event()

    async def answer(request, number):
        if number == 0:
            await never.wait()
        return 200

    async with serving(answer) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url, **scaled(1 / 60)))
    assert (report.delivery.sent, report.delivery.retries) == (5, 1)


async def test_the_last_try_is_given_the_time_that_is_left(tmp_path, monkeypatch):
    given, post = [], Client.post

    async def noted(client, url, content, token, timeout):
        given.append(timeout)
        return await post(client, url, content, token, timeout)

    monkeypatch.setattr(Client, "post", noted)
    never = asyncio.Event()
    async with serving(lambda request, number: never.wait()) as server:
        times = {"answer_timeout": 0.4, "retry_seconds": 1, "backoff": 0}
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url, **times))
    assert report.delivery.failed == 5
    assert given[:1] == [0.4]
    assert given[-1] < 0.4
    assert sum(given) <= 1


async def test_a_vault_that_never_answers_fails_the_records(tmp_path):
    """The time for a connection is none of that for an answer."""
    never = asyncio.Event()
    async with serving(lambda request, number: never.wait()) as server:
        used = SkyflowSink(server.url, IDS, token=TOKEN, answer_timeout=0.2, tries=2, backoff=0)
        async with asyncio.timeout(5):
            report = await mockdata.generate({"ssn": 5}, sink=used)
    assert (report.delivery.failed, report.delivery.not_sent) == (5, 0)
    assert len(logged(tmp_path)["ssn"]) == 5
    assert [entry["error"] for entry in entries(tmp_path)] == [
        "no answer in time: operation timed out"
    ]


async def test_a_vault_that_breaks_every_connection_fails_the_records(tmp_path):
    async with serving(lambda request, number: None) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url, tries=2))
    assert len(server.requests) >= 2
    assert (report.delivery.failed, report.delivery.not_sent) == (5, 0)
    assert len(logged(tmp_path)["ssn"]) == 5


async def test_a_server_that_does_not_speak_tls_cannot_be_reached(tmp_path):
    """It takes the connection, and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        used = sink(url, tries=2, connect_timeout=5, answer_timeout=0.4)
        with pytest.raises(mockdata.DeliveryError, match="cannot be reached"):
            await mockdata.generate({"ssn": 5}, sink=used)
    assert logged(tmp_path) == {}


# Answers


async def test_headers_that_are_not_ascii_are_none(tmp_path):
    odd = {"x-request-id": "ä", "retry-after": "ü"}
    async with serving(lambda request, number: (429 if number == 0 else 400, "no", odd)) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert (report.delivery.failed, report.delivery.retries) == (5, 1)
    assert [entry["error"] for entry in entries(tmp_path)] == ["400 no"]


@pytest.mark.parametrize(
    "asked",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 10000 00:00:00 GMT"],
)
def test_a_wait_that_cannot_be_reckoned_is_none(asked):
    assert 0 <= Retries().wait(1, asked) <= 1


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_of_many_levels(tmp_path, status):
    deep = '{"records":' + 100_000 * "[" + 100_000 * "]" + ',"error":5}'
    async with serving(lambda request, number: (status, deep, {})) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert (report.delivery.sent, report.delivery.failed) == (0, 5)
    assert len(logged(tmp_path)["ssn"]) == 5


async def test_an_answer_is_not_read_for_ever(tmp_path):
    """Had it been read to its end, that had been missed, and the request made again."""
    endless = (200, taken(5) + " " * 5_000_000, {"content-length": 10**12})
    async with serving(lambda request, number: endless) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert (report.delivery.sent, report.delivery.retries) == (5, 0)


@pytest.mark.parametrize(
    "item",
    [{}, {"skyflow_id": None}, {"skyflow_id": ""}, {"skyflow_id": "", "error": ""}, None, "id"],
)
async def test_a_record_without_an_id_has_failed(tmp_path, item):
    items = [{"skyflow_id": "a"}, item, {"skyflow_id": "b"}]
    async with serving(lambda request, number: (200, json.dumps({"records": items}), {})) as server:
        report = await mockdata.generate({"ssn": 3}, sink=sink(server.url))
    assert (report.delivery.sent, report.delivery.failed, report.delivery.retries) == (2, 1, 0)
    assert [entry["error"] for entry in entries(tmp_path)] == ["neither an id nor an error"]


@pytest.mark.parametrize("status", [True, -5, 99, 600, 10**30, 503.5, "503", None, [503]])
async def test_a_status_that_is_none_is_500(tmp_path, status):
    items = {"records": [{"error": {"http_code": status, "message": "no"}}]}
    async with serving(lambda request, number: (200, json.dumps(items), {})) as server:
        report = await mockdata.generate({"ssn": 1}, sink=sink(server.url, tries=2))
    assert (report.delivery.failed, report.delivery.retries) == (1, 1)
    assert [entry["status_code"] for entry in entries(tmp_path)] == [500]


# Requests


async def test_without_tokens_of_ones_own_none_are_sent(vault, tmp_path):
    emulator = vault("--refuse", 0.2)  # which refuses tokens as well
    kept = ListSink()
    await mockdata.generate({"ssn": 1000}, sink=kept, **FIXED)
    report = await mockdata.generate(
        {"ssn": 1000}, sink=sink(emulator.url, byot="DISABLE"), **FIXED
    )
    failed = logged(tmp_path)["ssn"]
    assert set(failed) <= set(kept.records("ssn"))
    assert 0 < len(failed) == report.delivery.failed < 500
    assert emulator.stats()["tables"]["ssn"]["records"] == 1000 - len(failed)


def test_tokens_are_left_out_of_any_column():
    column, batches = 'a"}],{\\:ä', ListSink()
    mockdata.generate_sync({"ssn": 5}, sink=batches, **FIXED)
    cutter = Bodies(VAULTS["ssn"], column, 5, {"byot": "DISABLE"})
    (body,) = cutter.cut(batches.batches["ssn"][0])
    assert json.loads(body.without_tokens()) == {
        "records": [{"fields": {column: record.value}} for record in batches.records("ssn")],
        "byot": "DISABLE",
    }


# Error logs

FAILED = Body(1, 1, b'{"records":[{"fields":{"ssn":"v"},"tokens":{"ssn":"t"}}]}')
TARGET = VaultTarget("v", "ssn", "SSN")


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


def test_an_error_log_needs_no_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    log = ErrorLog(str(tmp_path), TARGET)
    log.add(FAILED, 400, "bad")
    assert os.path.basename(log.close()) in os.listdir(tmp_path)
    assert logged(tmp_path) == {"ssn": [("v", "t")]}


def test_an_error_log_without_a_name_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse)
    log = ErrorLog(str(tmp_path), TARGET)
    log.add(FAILED, 400, "bad")
    with pytest.raises(PermissionError) as caught:
        log.close()
    assert str(tmp_path) in caught.value.filename
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("room", [10, 20_000])
def test_a_full_disk_leaves_no_part_of_an_error_log(tmp_path, room):
    log = ErrorLog(str(tmp_path), TARGET)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            for _ in range(1000):
                log.add(FAILED, 400, "bad")
        with pytest.raises(OSError, match="too large"):
            log.add(FAILED, 400, "bad")
        assert log.close() is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path) in caught.value.filename
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("folder", ["nowhere", "file"])
async def test_a_folder_for_error_logs_is_looked_at_first(tmp_path, folder):
    (tmp_path / "file").write_text("")
    async with serving() as server:
        with pytest.raises(mockdata.PlanError, match=f"log_folder: .*{folder}"):
            await mockdata.generate({"ssn": 5}, sink=sink(server.url, log_folder=tmp_path / folder))
    assert server.requests == []


# Settings and arguments

OPTIONS = {
    "byot": "ENABLE_STRICT",
    "tries": 3,
    "retry_seconds": 0,
    "connect_timeout": 1.5,
    "answer_timeout": 7,
    "log_folder": "logs",
}


async def test_a_settings_file_may_have_what_the_loader_has_not(tmp_path):
    (tmp_path / "logs").mkdir()
    async with serving(lambda request, number: 503) as server:
        changes = {f"performance__{key}": value for key, value in OPTIONS.items()}
        configuration(tmp_path, server.url, **changes)
        used = SkyflowSink.from_config("config.json", token=TOKEN)
        report = await mockdata.generate({"ssn": 5}, sink=used)
    assert read_config("config.json").options.items() >= OPTIONS.items()
    (request,) = server.requests
    assert request.json["byot"] == "ENABLE_STRICT"
    assert [os.path.dirname(log) for log in report.delivery.error_logs] == ["logs"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", math.inf),
        ("batch_size", 1.5),
        ("byot", "enable"),
        ("tries", 2.5),
        ("retry_seconds", math.nan),
        ("connect_timeout", 0),
        ("answer_timeout", "x"),
        ("log_folder", 5),
        ("base_delay_ms", math.inf),
    ],
)
def test_wrong_settings(tmp_path, key, value):
    configuration(tmp_path, "https://vault.example", **{f"performance__{key}": value})
    with pytest.raises(mockdata.PlanError, match=f"performance.{key}"):
        read_config("config.json")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *((name, value) for name in ("batch_size", "concurrency", "tries") for value in (1.5, math.nan, "5", 0)),
        *(
            (name, value)
            for name in ("connect_timeout", "answer_timeout", "retry_seconds", "pause", "backoff", "grace")
            for value in ("x", math.inf, math.nan, -1, True)
        ),
        ("connect_timeout", 0),
        ("answer_timeout", 0),
        ("upsert", 5),
    ],
)  # fmt: skip
def test_wrong_arguments(argument, value):
    with pytest.raises(mockdata.PlanError, match=f"^{argument}: "):
        sink("https://vault.example", **{argument: value})


def test_the_list_of_sinks_says_what_it_does():
    (line,) = [line for line in list_sinks().splitlines() if line.startswith("skyflow")]
    assert "to Skyflow vaults" in line


# Signals


async def test_a_second_signal_waits_for_the_requests_in_flight(tmp_path):
    """The account is told and the error log complete, though the second one came late."""
    reached, stopping, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(request, number):
        if number == 0:
            return 400, "no", {}
        if number == 1:
            reached.set()
        await (stopping if number == 1 else never).wait()
        return 200

    async with serving(answer) as server:
        configuration(tmp_path, server.url, performance__max_concurrency=3)
        run = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "mockdata", "ssn=5k", "-s", "skyflow"],
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN},
        )
        await reached.wait()
        run.send_signal(signal.SIGINT)
        told = [await asyncio.wait_for(run.stderr.readline(), 20)]
        with pytest.raises(TimeoutError):  # longer than the command waits for other sinks
            await asyncio.wait_for(run.wait(), 0.8)
        run.send_signal(signal.SIGINT)
        stopping.set()
        told += (await asyncio.wait_for(run.stderr.read(), 20)).splitlines()
        assert await run.wait() == 130
    (log,) = tmp_path.glob("error_log_*")
    account = "mockdata: stopped: 300 records sent, 300 failed, 4,400 not sent"
    assert [line.decode().strip() for line in told] == [
        "mockdata: stopping: requests in flight have 2 s",
        f"{account}; see {log.name}",
    ]
    assert len(logged(tmp_path)["ssn"]) == 300


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_has_its_echo_back_where_no_token_is_typed(tmp_path, number):
    configuration(tmp_path, "https://vault.example")
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "mockdata", "ssn=5", "-s", "skyflow"])
    echo = termios.tcgetattr(terminal)[3] & termios.ECHO
    shown = b""
    while b"bearer token of the vault: " not in shown:
        shown += os.read(terminal, 1000)
    assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    os.kill(pid, number)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + number
    assert termios.tcgetattr(terminal)[3] & termios.ECHO == echo != 0
    os.close(terminal)
    assert shown == b"bearer token of the vault: "
