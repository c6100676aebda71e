"""The Skyflow sink, against servers on loopback: the emulator, and one that answers by script."""

import asyncio
import json
import math
import os
import random
import re
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from contextlib import suppress
from email.utils import formatdate
from functools import partial

import pytest
import trustme

import mockdata
from mockdata.sinks.skyflow import SkyflowSink, VaultTarget
from mockdata.sinks.skyflow.answers import Retries
from mockdata.sinks.skyflow.body import Bodies
from mockdata.sinks.skyflow.client import Answer
from mockdata.sinks.skyflow.errorlog import ErrorLog
from mockdata.sinks.skyflow.settings import read_config
from mockdata.sinks.skyflow.tally import Latencies
from mockdata.testing import ListSink
from mockdata.vaults import VAULTS

from .scripted import serving, taken
from .test_command import on_terminal

FIXED = {"seed": 7, "timestamp": 1_700_000_000}
TOKEN = "sesame-open-4711"
IDS = {"name": "v-name", "id": "v-id", "dob": "v-dob", "ssn": "v-ssn"}

GOLDEN = (
    b'{"records":[{"fields":{"ssn":"238-73-8631-1700000000_ke5lzjupovj3i3bx"},'
    b'"tokens":{"ssn":"tok_ssn_1700000000_yfzrafr4qerrltb5"}},'
    b'{"fields":{"ssn":"%s"},"tokens":{"ssn":"%s"}}],'
    b'"continueOnError":true,"tokenization":true,"byot":"ENABLE"}'
)


def sink(url, vaults=IDS, **options):
    return SkyflowSink(url, vaults, **{"token": TOKEN, "backoff": 0.01, "grace": 0.5} | options)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SKYFLOW_BEARER_TOKEN", raising=False)


def configuration(folder, url, vaults=IDS, **changes):
    """Write a settings file as the loader has it."""
    content = {
        "skyflow": {
            "vault_url": url,
            "bearer_token": "",
            "vaults": [
                {"name": name.upper(), "id": number, "column": name}
                for name, number in vaults.items()
            ],
        },
        "csv": {"data_directory": "data"},
        "performance": {
            "batch_size": 300,
            "max_concurrency": 32,
            "max_records": 100,
            "append_suffix": True,
            "base_delay_ms": 0,
        },
    }
    for place, value in changes.items():
        section, _, key = place.partition("__")
        content[section][key] = value
    (folder / "config.json").write_text(json.dumps(content))


def logged(folder):
    """Return the records of all error logs, by vault, each log checked against the format."""
    found = {}
    for file in folder.glob("error_log_*.json"):
        log = json.loads(file.read_text())
        assert re.fullmatch(rf"error_log_{log['vault_name']}_\d{{8}}_\d{{6}}\.json", file.name)
        assert set(log) == {
            "vault_name", "vault_id", "column", "timestamp", "total_errors", "failed_records", "errors",
        }  # fmt: skip
        for error in log["errors"]:
            assert set(error) == {"batch_number", "records", "error", "status_code", "timestamp"}
            assert all(set(record) == {"Value", "Token"} for record in error["records"])
        records = [(r["Value"], r["Token"]) for error in log["errors"] for r in error["records"]]
        assert log["total_errors"] == len(log["errors"])
        assert log["failed_records"] == len(records)
        found.setdefault(log["column"], []).extend(records)
    assert not list(folder.glob(".error_log*"))
    return found


# What is sent


async def test_a_request_is_the_loaders():
    kept = ListSink()
    await mockdata.generate({"ssn": 2}, sink=kept, **FIXED)
    second = kept.records("ssn")[1]
    async with serving() as server:
        await mockdata.generate({"ssn": 2}, sink=sink(f"{server.url}/"), **FIXED)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/vaults/v-ssn/ssn")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert request.body == GOLDEN % (second.value.encode(), second.token.encode())
    assert request.json == {
        "records": [
            {"fields": {"ssn": record.value}, "tokens": {"ssn": record.token}}
            for record in kept.records("ssn")
        ],
        "continueOnError": True,
        "tokenization": True,
        "byot": "ENABLE",
    }


async def test_options_of_a_request():
    target = VaultTarget(id="a/b", column="social", name="SSN")
    async with serving() as server:
        options = {"byot": "ENABLE_STRICT", "upsert": True}
        await mockdata.generate({"ssn": 1}, sink=sink(server.url, {"SSN": target}, **options))
        await mockdata.generate({"ssn": 1}, sink=sink(server.url, upsert="other", byot="DISABLE"))
    first, second = server.requests
    assert first.path == "/v1/vaults/a%2Fb/social"
    assert (first.json["byot"], first.json["upsert"]) == ("ENABLE_STRICT", "social")
    assert list(first.json["records"][0]["fields"]) == ["social"]
    assert list(first.json["records"][0]["tokens"]) == ["social"]
    assert (second.json["byot"], second.json["upsert"]) == ("DISABLE", "other")


@pytest.mark.parametrize("size", [1, 7, 300, 9_999, 10_000, 10_001, 40_000])
@pytest.mark.parametrize("name", ["name", "ssn"])
def test_bodies_are_of_one_size_over_the_borders_of_batches(name, size):
    kept = ListSink()
    mockdata.generate_sync({name: 25_001}, sink=kept, **FIXED)
    cutter = Bodies(VAULTS[name], name, size, {"byot": "ENABLE"})
    bodies = [body for batch in kept.batches[name] for body in cutter.cut(batch)]
    bodies += cutter.rest()
    assert {body.records for body in bodies[:-1]} <= {size}
    assert [body.number for body in bodies] == list(range(1, -(-25_001 // size) + 1))
    assert all(len(json.loads(body.content)["records"]) == body.records for body in bodies[-3:])
    assert [pair for body in bodies for pair in body.pairs()] == kept.records(name)
    assert bodies[0].only([0]).pairs() == [kept.records(name)[0]]
    assert json.loads(bodies[0].only([0]).content)["byot"] == "ENABLE"


async def test_every_record_arrives(vault):
    emulator = vault()
    report = await mockdata.generate(25_001, sink=sink(emulator.url))
    counts = dict.fromkeys(("records", "values", "tokens"), 25_001)
    counts |= {"repeated_values": 0, "repeated_tokens": 0}
    assert emulator.stats() == {
        "answers": {"200": 4 * math.ceil(25_001 / 300)},
        "faults": {},
        "tables": dict.fromkeys(sorted(IDS), counts),
    }
    delivery = report.delivery
    assert (delivery.sent, delivery.failed, delivery.not_sent) == (100_004, 0, 0)
    assert (delivery.retries, delivery.throttled, delivery.in_flight) == (0, 0, 0)
    assert 0 < delivery.latency_median <= delivery.latency_p95
    assert report.to_dict()["delivery"]["sent"] == 100_004


async def test_no_more_requests_at_a_time_than_allowed_and_no_less():
    full = asyncio.Event()

    async def answer(request, number):
        if server.open == 5:
            full.set()
        await full.wait()
        return 200

    async with serving(answer) as server:
        report = await mockdata.generate({"ssn": 25_000}, sink=sink(server.url, concurrency=5))
    assert server.most_open == 5
    assert report.delivery.sent == 25_000


async def test_a_slow_vault_holds_the_run_back():
    """Until an answer comes, no more is taken than the requests in flight and one batch."""
    seen = []
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request, number):
        reached.set()
        await go_on.wait()
        return 200

    async with serving(answer) as server:
        run = asyncio.create_task(
            mockdata.generate(
                {"ssn": 50_000}, sink=sink(server.url, concurrency=2), on_progress=seen.append
            )
        )
        await reached.wait()
        assert max(progress.records for progress in seen) == 0
        go_on.set()
        await run
    assert seen[-1].records == 50_000


async def test_settings_of_the_loader(tmp_path):
    async with serving() as server:
        changes = {"batch_size": 7, "max_concurrency": 1, "base_delay_ms": 60, "upsert": True}
        changed = {f"performance__{key}": value for key, value in changes.items()}
        configuration(
            tmp_path, server.url, {"Ssn": "v"}, skyflow__bearer_token=f" {TOKEN}\n", **changed
        )
        began = time.monotonic()
        report = await mockdata.generate({"ssn": 20}, sink=SkyflowSink.from_config("config.json"))
        assert time.monotonic() - began >= 0.18
    assert [request.records for request in server.requests] == [7, 7, 6]
    assert server.most_open == 1
    assert {request.json["upsert"] for request in server.requests} == {"Ssn"}
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
    assert report.delivery.sent == 20


async def test_options_go_before_settings(tmp_path):
    async with serving() as server:
        configuration(tmp_path, server.url)
        await mockdata.generate(
            {"ssn": 20}, sink=SkyflowSink.from_config("config.json", batch_size=20, token=TOKEN)
        )
    assert len(server.requests) == 1


async def test_a_sink_is_for_any_number_of_runs(vault):
    emulator = vault()
    used = sink(emulator.url)
    for count in (10, 20):
        report = await mockdata.generate({"ssn": count}, sink=used)
        assert report.delivery.sent == count


# What goes wrong


@pytest.mark.parametrize("first", [408, 409, 429, 500, 502, 503, 504, 599, None])
async def test_what_may_pass_is_tried_again(first, tmp_path):
    async with serving(lambda request, number: 200 if number else first) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert len(server.requests) == 2
    assert server.requests[0].body == server.requests[1].body
    delivery = report.delivery
    assert (delivery.sent, delivery.failed, delivery.retries) == (5, 0, 1)
    assert delivery.throttled == (first == 429)
    assert logged(tmp_path) == {}


@pytest.mark.parametrize("status", [302, 400, 404, 413])
async def test_what_cannot_pass_is_not_tried_again(status, tmp_path):
    error = {"error": {"http_code": status, "message": "no\nsuch thing", "details": []}}
    answer = (
        status,
        json.dumps(error),
        {"x-request-id": "r-17", "location": "http://127.0.0.1:1/"},
    )
    async with serving(lambda request, number: answer) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert len(server.requests) == 1
    assert (report.delivery.sent, report.delivery.failed) == (0, 5)
    assert report.delivery.error_logs == tuple(file.name for file in tmp_path.glob("error_log_*"))
    (entry,) = json.loads((tmp_path / report.delivery.error_logs[0]).read_text())["errors"]
    assert entry["error"] == f"{status} no such thing (request r-17)"
    assert (entry["status_code"], entry["batch_number"], len(entry["records"])) == (status, 1, 5)


@pytest.mark.parametrize("bound", [{"tries": 3}, {"retry_seconds": 0}])
async def test_tries_and_their_time_are_bounded(bound, tmp_path):
    answer = (503, "upstream\nconnect error", {"content-type": "text/plain"})
    async with serving(lambda request, number: answer) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url, backoff=0.001, **bound))
    assert len(server.requests) == bound.get("tries", 1)
    assert (report.delivery.failed, report.delivery.retries) == (5, len(server.requests) - 1)
    assert len(logged(tmp_path)["ssn"]) == 5
    log = json.loads(next(tmp_path.glob("error_log_*")).read_text())
    assert log["errors"][0]["error"] == "503 upstream connect error"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>log in</html>",
        "{}",
        "[]",
        "null",
        '{"records":5}',
        '{"records":[]}',
        taken(4),
        taken(6),
    ],
)
async def test_an_answer_that_is_not_a_vaults_takes_nothing(text, tmp_path):
    async with serving(lambda request, number: (200, text, {})) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert len(server.requests) == 1
    assert (report.delivery.sent, report.delivery.failed) == (0, 5)
    assert len(logged(tmp_path)["ssn"]) == 5


async def test_an_answer_that_breaks_off_is_tried_again():
    broken = (200, taken(5)[:30], {"content-length": 5000})

    def answer(request, number):
        return 200 if number else broken

    async with serving(answer) as server:
        report = await mockdata.generate(
            {"ssn": 5}, sink=sink(server.url, answer_timeout=0.4, connect_timeout=0.1)
        )
    assert len(server.requests) == 2
    assert report.delivery.sent == 5


async def test_a_late_answer_is_not_waited_for(tmp_path):
    never = asyncio.Event()

    async def answer(request, number):
        if number == 1:
            await never.wait()
        return 200

    async with serving(answer) as server:
        late = sink(
            server.url, answer_timeout=0.2, connect_timeout=0.1, batch_size=5, concurrency=1
        )
        report = await mockdata.generate({"ssn": 10}, sink=late)
    assert len(server.requests) == 3
    assert (report.delivery.sent, report.delivery.retries) == (10, 1)


async def test_only_the_records_with_an_error_are_sent_again(tmp_path):
    """The first fails twice and passes, the third fails for good, the others pass at once."""
    texts = {
        0: [{"error": {"http_code": 503, "message": "busy"}}, {"skyflow_id": "1"}, {"error": {"http_code": 400, "message": "bad"}},
            {"skyflow_id": "2"}],
        1: [{"error": "busy"}],
        2: [{"skyflow_id": "3"}],
    }  # fmt: skip

    def answer(request, number):
        return 200, json.dumps({"records": texts[number]}), {}

    kept = ListSink()
    await mockdata.generate({"ssn": 4}, sink=kept, **FIXED)
    async with serving(answer) as server:
        report = await mockdata.generate({"ssn": 4}, sink=sink(server.url), **FIXED)
    first, *again = server.requests
    assert [request.json for request in again] == 2 * [
        first.json | {"records": first.json["records"][:1]}
    ]
    delivery = report.delivery
    assert (delivery.sent, delivery.failed, delivery.not_sent, delivery.retries) == (3, 1, 0, 2)
    assert logged(tmp_path) == {"ssn": [kept.records("ssn")[2]]}


@pytest.mark.parametrize(
    "faults",
    [
        {"throttle": 0.3, "retry-after": 0},
        {"unavailable": 0.3},
        {"drop-before": 0.2},
        {"drop-after": 0.2},
        {"partial": 0.3},
        {"refuse": 0.05},
        {"slow": 0.2, "slow-seconds": 0.1},
        {"throttle": 0.1, "unavailable": 0.01, "drop-before": 0.01, "drop-after": 0.01, "retry-after": 0},
        {"throttle": 0.2, "unavailable": 0.1, "drop-before": 0.1, "drop-after": 0.1, "partial": 0.2, "refuse": 0.01,
         "retry-after": 0, "tries": 2},
    ],
    ids=" ".join,
)  # fmt: skip
async def test_every_record_is_accounted_for(vault, tmp_path, faults):
    """Sent, or in the error log; and twice only where the connection broke behind the taking."""
    tries = faults.get("tries", 12)
    options = [f"--{name}={share}" for name, share in faults.items() if name != "tries"]
    emulator = vault(*options)
    kept = ListSink()
    await mockdata.generate(5_000, sink=kept, **FIXED)
    report = await mockdata.generate(
        5_000, sink=sink(emulator.url, batch_size=50, concurrency=8, tries=tries), **FIXED
    )
    stats, delivery, log = emulator.stats(), report.delivery, logged(tmp_path)
    happened = Counter(stats["faults"])
    assert set(happened) == {name.replace("-", "_") for name in faults} - {
        "retry_after", "slow_seconds", "refuse", "tries",
    }  # fmt: skip
    assert delivery.sent + delivery.failed == 20_000
    assert delivery.not_sent == delivery.in_flight == 0
    assert delivery.failed == sum(map(len, log.values()))
    assert delivery.throttled == happened["throttle"]
    repeated = unsure = 0
    for name, table in stats["tables"].items():
        failed = log.get(name, [])
        assert set(failed) <= set(kept.records(name))
        assert len(set(failed)) == len(failed)
        unsure += table["values"] + len(failed) - 5_000
        repeated += table["repeated_values"]
        assert table["records"] == table["values"] + table["repeated_values"]
        assert table["tokens"] == table["values"]
    assert unsure >= 0  # in the log, since no answer came, and in the vault all the same
    assert repeated + unsure <= 50 * happened["drop_after"]
    assert (repeated + unsure > 0) == (happened["drop_after"] > 0)
    if "refuse" not in faults:
        assert delivery.failed == 0


def test_waits_are_random_and_double():
    random.seed(5)
    retries = Retries(tries=9, total=100, first=1, longest=30)
    for tried, most in ((1, 1), (2, 2), (3, 4), (6, 30), (40, 30)):
        waits = [retries.wait(tried, None) for _ in range(2000)]
        assert 0 <= min(waits) < most * 0.01
        assert most * 0.99 < max(waits) <= most


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 1),
        ("0", 0, 1),
        ("600", 30, 30),
        ("inf", 30, 30),
        ("-4", 0, 1),
        ("soon", 0, 1),
        ("", 0, 1),
        (None, 0, 1),
    ],
)
def test_retry_after_in_seconds(asked, least, most):
    assert least <= Retries().wait(1, asked) <= most


def test_retry_after_as_a_date():
    wait = Retries().wait
    assert 8 <= wait(1, formatdate(time.time() + 10, usegmt=True)) <= 10
    assert wait(1, formatdate(time.time() + 1000, usegmt=True)) == 30
    assert wait(1, formatdate(time.time() - 1000, usegmt=True)) <= 1


async def test_the_time_that_a_vault_asks_for_is_given_to_it(vault):
    emulator = vault("--throttle", 0.5, "--retry-after", 1)
    began = time.monotonic()
    report = await mockdata.generate(
        {"ssn": 300}, sink=sink(emulator.url, batch_size=100, tries=12)
    )
    assert report.delivery.sent == 300
    assert emulator.stats()["faults"]["throttle"] >= 1
    assert time.monotonic() - began >= 1


async def test_a_vault_that_was_never_reached_ends_the_run(unused_tcp_port, tmp_path):
    away = sink(f"http://127.0.0.1:{unused_tcp_port}", tries=2)
    with pytest.raises(mockdata.DeliveryError, match=r"cannot be reached: .*refused") as caught:
        await mockdata.generate(1000, sink=away)
    assert caught.value.status == 0
    assert (away.delivery().sent, away.delivery().failed, away.delivery().not_sent) == (0, 0, 4000)
    assert logged(tmp_path) == {}


async def test_a_vault_that_goes_away_fails_what_is_left(tmp_path):
    async with serving(lambda request, number: None if number else 200) as server:
        options = {"batch_size": 5, "concurrency": 1, "tries": 2}
        report = await mockdata.generate({"ssn": 15}, sink=sink(server.url, **options))
    assert (report.delivery.sent, report.delivery.failed) == (5, 10)
    assert len(logged(tmp_path)["ssn"]) == 10


def test_error_logs_of_one_second_are_kept_apart(tmp_path):
    target = VaultTarget("v", "ssn", "SSN")
    cutter = Bodies(VAULTS["ssn"], "ssn", 10, {"byot": "ENABLE"})
    bodies = []
    mockdata.generate_sync({"ssn": 10}, sink=lambda batch: bodies.extend(cutter.cut(batch)))
    logs = [ErrorLog(str(tmp_path), target) for _ in range(4)]
    for log in logs[1:]:
        log.add(bodies[0], 400, "bad")
    assert logs[0].close() is None
    names = {log.close() for log in logs[1:]}
    assert len(names) == 3
    assert len(logged(tmp_path)["ssn"]) == 30


async def test_an_error_log_that_cannot_be_written_is_an_error(tmp_path):
    folder = tmp_path / "removed"
    folder.mkdir()

    def answer(request, number):
        folder.rmdir()
        return 400

    async with serving(answer) as server:
        with pytest.raises(FileNotFoundError, match="removed"):
            await mockdata.generate({"ssn": 5}, sink=sink(server.url, log_folder=folder))


async def test_a_run_that_is_cancelled_gives_requests_a_moment(tmp_path):
    """One is answered within it, one is not, and a third waits to be tried again."""
    reached, left = asyncio.Event(), asyncio.Event()
    never = asyncio.Event()

    async def answer(request, number):
        if number == 0:
            return 503, "", {"retry-after": "30"}
        if number == 2:
            reached.set()
        await (left if number == 1 else never).wait()
        return 200

    async with serving(answer) as server:
        used = sink(server.url, batch_size=10, concurrency=3)
        run = asyncio.create_task(mockdata.generate({"ssn": 1000}, sink=used))
        await reached.wait()
        run.cancel()
        asyncio.get_running_loop().call_later(0.05, left.set)
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert time.monotonic() - began < 5
    delivery = used.delivery()
    assert (delivery.sent, delivery.failed, delivery.not_sent) == (10, 0, 990)
    assert delivery.in_flight == 0
    assert len(server.requests) == 3


# The bearer token


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_ends_the_run(status, tmp_path):
    refusal = (status, json.dumps({"error": {"message": f"no: {TOKEN}"}}), {})
    async with serving(lambda request, number: refusal) as server:
        used = sink(server.url)
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


# Wrong use


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"vault_url": "ftp://vault.example"}, "vault_url"),
        ({"vault_url": "vault.example"}, "vault_url"),
        ({"vault_url": ""}, "vault_url"),
        ({"vault_url": None}, "vault_url"),
        ({"vault_url": "https://vault example"}, "vault_url"),
        ({"vault_url": "https://vault.example:99999"}, "vault_url"),
        ({"vault_url": "https://[vault"}, "vault_url"),
        ({"vault_url": "https://vault.example\n"}, "vault_url"),
        ({"vault_url": "http://vault.example"}, "unencrypted"),
        ({"vault_url": "https://user:word@vault.example"}, "more than"),
        ({"vaults": {}}, "none is given"),
        ({"vaults": {"phone": "v"}}, "name, id, dob, ssn"),
        ({"vaults": {"ssn": "v", "SSN": "v"}}, "twice"),
        ({"vaults": {"ssn": " "}}, "has no id"),
        ({"vaults": {"ssn": None}}, "has no id"),
        ({"byot": "enable"}, "ENABLE_STRICT"),
        ({"batch_size": 0}, "batch_size"),
        ({"concurrency": "many"}, "concurrency"),
        ({"tries": True}, "tries"),
        ({"grace": -1}, "grace"),
    ],
)
def test_wrong_arguments(arguments, named):
    wrong = {"vault_url": "https://vault.example", "vaults": IDS, "token": TOKEN} | arguments
    with pytest.raises(mockdata.PlanError, match=re.escape(named)):
        SkyflowSink(**wrong)


VAULT = {"name": "SSN", "id": "v"}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "config.json: not JSON"),
        ("[]", "config.json: not a JSON object"),
        ("{}", "config.json: skyflow.vaults: a list of vaults is missing"),
        ({"vaults": {}}, "skyflow.vaults: a list"),
        ({"vaults": [5]}, "not a JSON object"),
        ({"vaults": [{"id": "v"}]}, "name: missing"),
        ({"vaults": [{"name": "SSN"}]}, "id: missing"),
        ({"vaults": [{"name": "SSN", "id": 5}]}, "id: not a text"),
        (
            {"vaults": [{"name": "PHONE", "id": "v"}], "vault_url": "https://v.example"},
            "'PHONE' is not one of name, id, dob, ssn",
        ),
        ({"vaults": [VAULT, VAULT]}, "twice"),
        ({"vaults": [VAULT]}, "vault_url: missing"),
        ({"vaults": [VAULT], "vault_url": "http://vault.example"}, "unencrypted"),
        ({"vaults": [VAULT], "vault_url": "https://v.example", "bearer_token": 5}, "bearer_token"),
        ('{"skyflow": 5}', "skyflow: not a JSON object"),
    ],
)
def test_wrong_settings_are_one_line(mockdata_command, tmp_path, content, named):
    text = content if isinstance(content, str) else json.dumps({"skyflow": content})
    (tmp_path / "config.json").write_text(text)
    done = mockdata_command("ssn=5", "-s", "skyflow:config.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch_size", "many"), ("max_concurrency", -1), ("base_delay_ms", True), ("upsert", 5)],
)
def test_wrong_performance_settings(tmp_path, key, value):
    configuration(tmp_path, "https://vault.example", **{f"performance__{key}": value})
    with pytest.raises(mockdata.PlanError, match=f"performance.{key}"):
        read_config("config.json")


def test_settings_that_are_absent_have_defaults(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"skyflow": {"vault_url": "https://vault.example/", "vaults": [VAULT]}})
    )
    config = read_config("config.json")
    assert config.vaults == {"ssn": VaultTarget("v", "ssn", "SSN")}
    assert (config.vault_url, config.bearer_token) == ("https://vault.example", "")


# The command


def asked_of(vault, folder, *options, **changes):
    """Start an emulator, write the settings for it, and return it."""
    emulator = vault(*options, token=TOKEN)
    configuration(folder, emulator.url, **changes)
    return emulator


@pytest.fixture
def token():
    """Return the environment with the token."""
    return os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN}


def test_the_command_loads_a_vault(vault, tmp_path, mockdata_command, token):
    emulator = asked_of(vault, tmp_path)
    done = mockdata_command("3k", "-s", "skyflow:config.json", env=token)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert re.search(
        r"^sent 12,000 \(.* k/s\), failed 0, in flight 0, median [\d.]+ ms, p95",
        done.stderr,
        re.MULTILINE,
    )
    report = mockdata_command("ssn=1000", "-s", "skyflow", "--json", env=token)
    assert (report.returncode, report.stderr) == (0, "")
    assert json.loads(report.stdout)["delivery"]["sent"] == 1000
    assert {name: table["values"] for name, table in emulator.stats()["tables"].items()} == {
        "name": 3000, "id": 3000, "dob": 3000, "ssn": 4000,
    }  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_the_command_says_what_has_failed(vault, tmp_path, mockdata_command, token):
    emulator = asked_of(vault, tmp_path, "--refuse", 0.1)
    done = mockdata_command("ssn=1000", "-q", "-s", "skyflow:config.json", env=token)
    failed = logged(tmp_path)["ssn"]
    (log,) = tmp_path.glob("error_log_SSN_*")
    assert (done.returncode, done.stdout) == (1, "")
    sent = 1000 - len(failed)
    account = f"{sent} records sent, {len(failed)} failed, 0 not sent"
    assert done.stderr == f"mockdata: {account}; see {log.name}\n"
    assert emulator.stats()["tables"]["ssn"]["records"] == sent


def test_a_vault_without_an_id_is_wrong_use(vault, tmp_path, mockdata_command, token):
    emulator = vault()
    configuration(tmp_path, emulator.url, {"ssn": "v", "dob": "v"})
    done = mockdata_command("5", "-s", "skyflow:config.json", env=token)
    assert done.returncode == 2
    assert (
        done.stderr
        == "mockdata: vaults: 'name' has no vault id; say ssn=COUNT dob=COUNT (see --help)\n"
    )
    assert emulator.stats()["tables"] == {}


def test_a_refused_token_is_one_line(vault, tmp_path, mockdata_command):
    asked_of(vault, tmp_path)
    wrong = os.environ | {"SKYFLOW_BEARER_TOKEN": "wrong-token"}
    done = mockdata_command("1000", "-s", "skyflow:config.json", env=wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    for text in (
        "refuses the bearer token: 401 Invalid",
        "0 records sent, 0 failed, 4,000 not sent",
    ):
        assert text in done.stderr
    assert "wrong-token" not in done.stderr


@pytest.mark.parametrize(
    ("number", "count"), [(signal.SIGINT, "ssn=5k"), (signal.SIGTERM, "ssn=5M")]
)
async def test_a_signal_stops_the_command_and_every_record_is_accounted_for(
    tmp_path, token, number, count
):
    answered, reached, never = [], asyncio.Event(), asyncio.Event()

    async def answer(request, place):
        if place >= 5:
            reached.set()
            await never.wait()
        answered.append(request.records)
        return 200

    async with serving(answer) as server:
        configuration(tmp_path, server.url, {"ssn": "v"})
        command = [sys.executable, "-m", "mockdata", count, "-s", "skyflow:config.json"]
        run = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env=token
        )
        await reached.wait()
        run.send_signal(number)
        _, errors = await asyncio.wait_for(run.communicate(), 20)
    assert run.returncode == 128 + number
    stopping, line = errors.decode().splitlines()
    assert stopping == "mockdata: stopping: requests in flight have 2 s"
    found = re.fullmatch(
        r"mockdata: stopped: ([\d,]+) records sent, 0 failed, ([\d,]+) not sent", line
    )
    sent, not_sent = (int(text.replace(",", "")) for text in found.groups())
    assert sent == sum(answered) == 1500
    assert sent + not_sent == {"k": 5_000, "M": 5_000_000}[count[-1]]
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_nobody_sees_the_token(vault, tmp_path, mockdata_command, token):
    """Not in what is printed, not in a file, whatever goes wrong."""
    faults = ("--refuse", 0.1, "--throttle", 0.1, "--drop-after", 0.1, "--retry-after", 0)
    asked_of(vault, tmp_path, *faults)
    shown = []
    for arguments in (["500", "--json"], ["500"], ["ssn=1", "-w", "0"], ["phone=1"]):
        done = mockdata_command(*arguments, "-s", "skyflow:config.json", env=token)
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


def test_progress_shows_the_delivery(vault, tmp_path, monkeypatch):
    asked_of(vault, tmp_path, "--throttle", 0.05, "--retry-after", 0)
    monkeypatch.setenv("SKYFLOW_BEARER_TOKEN", TOKEN)
    shown, _ = on_terminal(["10k", "-s", "skyflow:config.json"], tmp_path)
    assert re.search(
        r"sent [\d,]+ \(.*?/s\), failed 0, in flight [1-9]\d*, median .* ms, p95 .* ms, retries",
        shown,
    )
    assert re.search(r"429s [1-9]", shown)


def test_without_its_extra_the_command_says_what_to_install(tmp_path, mockdata_command, token):
    configuration(tmp_path, "https://vault.example")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pyreqwest'] = None\n")
    done = mockdata_command("5", "-s", "skyflow", env=token | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert (
        done.stderr
        == "mockdata: sink: skyflow needs more: pip install 'mockdata[skyflow]' (see --help)\n"
    )


# Encryption


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def command(*arguments, env):
    """Run the command beside a server of the test's own."""
    words = [sys.executable, "-m", "mockdata", *arguments]
    run = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE, env=env)
    _, errors = await asyncio.wait_for(run.communicate(), 60)
    return run.returncode, errors.decode()


async def test_a_server_that_nobody_vouches_for_is_refused_in_one_line(
    tmp_path, certificate, token
):
    async with serving(ssl=certificate) as server:
        configuration(tmp_path, server.url)
        code, errors = await command("5", "-s", "skyflow", env=token)
    assert code == 1
    assert errors.count("\n") == 1
    assert "is not trusted: invalid peer certificate" in errors
    assert "0 records sent, 0 failed, 20 not sent" in errors
    assert server.requests == []


async def test_an_authority_of_ones_own_is_trusted(tmp_path, authority, certificate, token):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with serving(ssl=certificate) as server:
        configuration(tmp_path, server.url)
        code, errors = await command(
            "5",
            "-q",
            "-s",
            "skyflow",
            env=token | {"SSL_CERT_FILE": str(tmp_path / "authority.pem")},
        )
    assert (code, errors) == (0, "")
    assert len(server.requests) == 4


SPEAKS_BOTH = """
import asyncio, json, sys
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
asyncio.run(serve(app, config, shutdown_trigger=done.wait))
print(json.dumps(versions))
"""


@pytest.mark.parametrize(
    ("protocols", "version"), [(["h2", "http/1.1"], "2"), (["http/1.1"], "1.1")]
)
async def test_http_2_where_the_server_speaks_it(tmp_path, authority, token, protocols, version):
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
            "5", "-q", "-s", "skyflow", env=token | {"SSL_CERT_FILE": files[2]}
        )
        output, _ = await asyncio.wait_for(server.communicate(), 30)
    assert (code, errors) == (0, "")
    assert json.loads(output) == 4 * [version]


# Latencies


@pytest.mark.parametrize(
    "spread", [partial(random.uniform, 0.001, 2), partial(random.lognormvariate, -3, 1)]
)
def test_quantiles_are_within_a_tenth(spread):
    random.seed(3)
    latencies, exact = Latencies(), sorted(spread() for _ in range(5000))
    for seconds in exact:
        latencies.add(seconds)
    for share in (0.01, 0.5, 0.95, 0.999):
        assert latencies.quantile(share) == pytest.approx(
            exact[math.ceil(share * 5000) - 1], rel=0.1
        )


def test_latencies_beyond_all_bounds():
    latencies = Latencies()
    assert latencies.quantile(0.5) == 0
    for seconds in (0, 1e-9, 1e9):
        latencies.add(seconds)
    assert latencies.quantile(0.5) < 2e-5
    assert latencies.quantile(1) > 2000


def test_an_answer_shows_no_more_than_it_has():
    assert Answer(0, b"").request_id is None
