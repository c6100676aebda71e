"""The Skyflow sink where requests fail: what is tried again, how often, and when."""

import asyncio
import json
import random
import time
from collections import Counter
from email.utils import formatdate

import pytest

import mockdata
from mockdata.sinks.skyflow.answers import Retries
from mockdata.testing import ListSink

from .scripted import serving
from .skyflow import (
    FIXED,
    Watched,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
)


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


@pytest.mark.parametrize(
    "asked",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 10000 00:00:00 GMT"],
)
def test_a_wait_that_cannot_be_reckoned_is_none(asked):
    assert 0 <= Retries().wait(1, asked) <= 1


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
    away = Watched(f"http://127.0.0.1:{unused_tcp_port}", tries=2)
    with pytest.raises(mockdata.DeliveryError, match=r"cannot be reached: .*refused") as caught:
        await mockdata.generate(1000, sink=away)
    assert caught.value.status == 0
    told = away.delivery()
    assert (told.sent, told.failed, told.not_sent) == (0, 0, 4000)
    assert logged(tmp_path) == {}


async def test_a_vault_that_goes_away_fails_what_is_left(tmp_path):
    async with serving(lambda request, number: None if number else 200) as server:
        options = {"batch_size": 5, "concurrency": 1, "tries": 2}
        report = await mockdata.generate({"ssn": 15}, sink=sink(server.url, **options))
    assert (report.delivery.sent, report.delivery.failed) == (5, 10)
    assert len(logged(tmp_path)["ssn"]) == 10
