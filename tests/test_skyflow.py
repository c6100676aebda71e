"""The Skyflow sink: what it sends, and how much of it at a time."""

import asyncio
import json
import math

import pytest

import mockdata
from mockdata.sinks.skyflow import VaultTarget
from mockdata.sinks.skyflow.body import Bodies
from mockdata.testing import ListSink
from mockdata.vaults import VAULTS

from .scripted import serving
from .skyflow import (
    FIXED,
    IDS,
    TOKEN,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
)

GOLDEN = (
    b'{"records":[{"fields":{"ssn":"238-73-8631-1700000000_ke5lzjupovj3i3bx"},'
    b'"tokens":{"ssn":"tok_ssn_1700000000_yfzrafr4qerrltb5"}},'
    b'{"fields":{"ssn":"%s"},"tokens":{"ssn":"%s"}}],'
    b'"continueOnError":true,"tokenization":true,"byot":"ENABLE"}'
)


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


async def test_a_sink_is_for_any_number_of_runs(vault):
    emulator = vault()
    used = sink(emulator.url)
    for count in (10, 20):
        report = await mockdata.generate({"ssn": count}, sink=used)
        assert report.delivery.sent == count


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
