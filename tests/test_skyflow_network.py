"""The Skyflow sink and the network: proxies, times, encryption, HTTP/2."""

import asyncio
import inspect
import json
import os
import socket
import ssl
import sys
from contextlib import closing

import pytest
import trustme

import mockdata
from mockdata.sinks.skyflow import SkyflowSink
from mockdata.sinks.skyflow.client import Client

from .scripted import serving
from .skyflow import (
    IDS,
    TOKEN,
    command,
    configuration,
    entries,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
    with_token,
)


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


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_server_that_nobody_vouches_for_is_refused_in_one_line(tmp_path, certificate):
    async with serving(ssl=certificate) as server:
        configuration(tmp_path, server.url)
        code, errors = await command("5", "-s", "skyflow", env=with_token())
    assert code == 1
    assert errors.count("\n") == 1
    assert "is not trusted: invalid peer certificate" in errors
    assert "0 records sent, 0 failed, 20 not sent" in errors
    assert server.requests == []


async def test_an_authority_of_ones_own_is_trusted(tmp_path, authority, certificate):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with serving(ssl=certificate) as server:
        configuration(tmp_path, server.url)
        code, errors = await command(
            "5",
            "-q",
            "-s",
            "skyflow",
            env=with_token() | {"SSL_CERT_FILE": str(tmp_path / "authority.pem")},
        )
    assert (code, errors) == (0, "")
    assert len(server.requests) == 4


SPEAKS_BOTH = """
import asyncio, json, ssl, sys
from hypercorn.asyncio import serve
from hypercorn.config import Config
from mockdata.emulator.app import Emulator
from mockdata.emulator.faults import Faults

emulator, versions, done = Emulator(faults=Faults()), [], asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "http":
        versions.append(scope["http_version"])
        await emulator(scope, receive, send)
        if len(versions) == 4:
            done.set()

config = Config()
config.bind, config.certfile, config.keyfile, config.loglevel = [sys.argv[1]], *sys.argv[2:4], "CRITICAL"
config.alpn_protocols = sys.argv[4:]
try:
    asyncio.run(serve(app, config, shutdown_trigger=done.wait))
except ssl.SSLError as error:  # the client may say something more while hypercorn closes
    if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
        raise
print(json.dumps(versions))
"""


@pytest.mark.parametrize(
    ("protocols", "version"), [(["h2", "http/1.1"], "2"), (["http/1.1"], "1.1")]
)
async def test_http_2_where_the_server_speaks_it(tmp_path, authority, protocols, version):
    files = [str(tmp_path / name) for name in ("chain.pem", "key.pem", "authority.pem")]
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    authority.cert_pem.write_to_path(files[2])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        configuration(tmp_path, f"https://127.0.0.1:{listening.getsockname()[1]}")
        words = ["-c", SPEAKS_BOTH, f"fd://{listening.fileno()}", *files[:2], *protocols]
        server = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=asyncio.subprocess.PIPE, pass_fds=[listening.fileno()]
        )
        code, errors = await command(
            "5", "-q", "-s", "skyflow", env=with_token() | {"SSL_CERT_FILE": files[2]}
        )
        output, _ = await asyncio.wait_for(server.communicate(), 30)
    assert (code, errors, server.returncode) == (0, "", 0)
    assert json.loads(output) == 4 * [version]
