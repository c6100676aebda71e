"""The Skyflow sink's bearer token: where it comes from, renewed, and never shown."""

import asyncio
import json
import os
import pty
import signal
import sys
import termios
from contextlib import suppress

import pytest

import mockdata
from mockdata.sinks.skyflow import SkyflowSink
from mockdata.sinks.skyflow.bearer import Bearer
from mockdata.sinks.skyflow.settings import read_config

from .scripted import serving
from .skyflow import (
    IDS,
    TOKEN,
    Watched,
    asked_of,
    configuration,
    entries,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
    with_token,
)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_ends_the_run(status, tmp_path):
    refusal = (status, json.dumps({"error": {"message": f"no: {TOKEN}"}}), {})
    async with serving(lambda request, number: refusal) as server:
        used = Watched(server.url)
        with pytest.raises(mockdata.DeliveryError, match="refuses the bearer token") as caught:
            await mockdata.generate(25_000, sink=used)
    assert caught.value.status == status
    assert TOKEN not in str(caught.value)
    assert len(server.requests) <= 4 * 32
    assert used.delivery().not_sent == 100_000
    assert logged(tmp_path) == {}


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_token_is_renewed_when_it_has_expired(vault, kind, concurrency):
    emulator = vault("--token-lasts", 10)
    given = []

    def renew():
        given.append(f"{TOKEN}-{len(given)}")
        return given[-1]

    async def renew_later():
        await asyncio.sleep(0)
        return renew()

    token = renew if kind == "plain" else renew_later
    used = sink(emulator.url, token=token, batch_size=20, concurrency=concurrency)
    report = await mockdata.generate({"ssn": 1000}, sink=used)
    assert report.delivery.sent == 1000
    assert len(given) == 5


async def test_a_callable_whose_token_stays_refused_ends_the_run(vault):
    emulator = vault(token="another")
    given = []

    def stale():
        given.append(TOKEN)
        return TOKEN

    def fresh():
        given.append(f"{TOKEN}-{len(given)}")
        return given[-1]

    for renew in (stale, fresh):
        given.clear()
        with pytest.raises(mockdata.DeliveryError, match="refuses the bearer token"):
            await mockdata.generate({"ssn": 1000}, sink=sink(emulator.url, token=renew))
        assert len(given) <= 2


async def test_a_callables_own_error_is_raised_as_it_is():
    def fail():
        raise LookupError("no key")

    async with serving() as server:
        with pytest.raises(LookupError, match="no key"):
            await mockdata.generate({"ssn": 10}, sink=sink(server.url, token=fail))
        with pytest.raises(mockdata.DeliveryError, match="not a bearer token"):
            await mockdata.generate({"ssn": 10}, sink=sink(server.url, token=lambda: None))


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    configuration(tmp_path, "https://vault.example", skyflow__bearer_token="of-the-file")
    assert SkyflowSink.from_config("config.json")._source == "of-the-file"
    monkeypatch.setenv("SKYFLOW_BEARER_TOKEN", "of-the-environment")
    assert SkyflowSink.from_config("config.json")._source == "of-the-environment"
    assert SkyflowSink.from_config("config.json", token="given")._source == "given"
    assert SkyflowSink("https://vault.example", IDS)._source == "of-the-environment"
    monkeypatch.delenv("SKYFLOW_BEARER_TOKEN")
    with pytest.raises(mockdata.PlanError, match="SKYFLOW_BEARER_TOKEN"):
        SkyflowSink("https://vault.example", IDS)
    for bad in ("two\nlines", "umlaut-ä", "\x7f"):
        with pytest.raises(mockdata.PlanError) as caught:
            SkyflowSink("https://vault.example", IDS, token=bad)
        assert bad not in str(caught.value)


def test_the_token_is_in_no_repr(tmp_path):
    configuration(tmp_path, "https://vault.example", skyflow__bearer_token=TOKEN)
    used = SkyflowSink.from_config("config.json")
    assert used._source == TOKEN
    for shown in (repr(used), str(used), repr(read_config("config.json"))):
        assert TOKEN not in shown


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
    used = Watched(emulator.url, token=lambda: next(tokens), batch_size=1, concurrency=1)
    with pytest.raises(mockdata.DeliveryError, match="not a bearer token"):
        await mockdata.generate({"ssn": 5}, sink=used)
    assert used.delivery().sent == 2


def test_nobody_sees_the_token(vault, tmp_path, mockdata_command):
    """Not in what is printed, not in a file, whatever goes wrong."""
    faults = ("--refuse", 0.1, "--throttle", 0.1, "--drop-after", 0.1, "--retry-after", 0)
    asked_of(vault, tmp_path, *faults)
    shown = []
    for arguments in (["500", "--json"], ["500"], ["ssn=1", "-w", "0"], ["phone=1"]):
        done = mockdata_command(*arguments, "-s", "skyflow:config.json", env=with_token())
        shown += [done.stdout, done.stderr]
    wrong = os.environ | {"SKYFLOW_BEARER_TOKEN": f"{TOKEN}-wrong"}
    shown.append(mockdata_command("5", "-s", "skyflow:config.json", env=wrong).stderr)
    shown += [file.read_text() for file in tmp_path.glob("error_log_*")]
    assert any("errors" in text for text in shown)
    assert not [text for text in shown if TOKEN in text]


def test_an_error_log_hides_a_token_that_the_vault_repeats(tmp_path):
    async def run():
        error = json.dumps({"error": {"message": f"Bearer {TOKEN} may not"}})
        async with serving(lambda request, number: (400, error, {})) as server:
            await mockdata.generate({"ssn": 5}, sink=sink(server.url))

    asyncio.run(run())
    text = next(tmp_path.glob("error_log_*")).read_text()
    assert "400 Bearer [bearer token] may not" in text
    assert TOKEN not in text


def test_the_token_is_asked_for_on_a_terminal(vault, tmp_path):
    import pty

    emulator = asked_of(vault, tmp_path)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execv(
            sys.executable, [sys.executable, "-m", "mockdata", "ssn=5", "-s", "skyflow:config.json"]
        )
    shown = b""
    while b"bearer token of the vault: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, TOKEN.encode() + b"\n")
    with suppress(OSError):  # the other side is closed
        while True:
            shown += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert TOKEN not in shown.decode()
    assert emulator.stats()["tables"]["ssn"]["records"] == 5


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
