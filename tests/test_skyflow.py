"""The Skyflow sink: what it sends, and how much of it at a time."""

import asyncio
import json
import math
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

import mockdata
from mockdata.sinks.skyflow import VaultTarget
from mockdata.sinks.skyflow.body import Bodies, record_layout
from mockdata.testing import ListSink

from .odd import ODD, PEOPLE, QUOTED
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


class Rows(ListSink):
    """Keeps batches of the rows that requests are made of."""

    def __init__(self, size, column="field"):
        super().__init__()
        self._size, self._column = size, column

    @asynccontextmanager
    async def open(self, run):
        layouts = {vault.name: record_layout(self._column) for vault in run.vaults}
        async with super().open(run) as session:
            yield replace(session, layouts=layouts, batch_size=self._size)


def bodies_of(count, size, *, vault=ODD, column="field", rate=None, **ending):
    """Return the requests' bodies, and the records that should be in them."""
    rows, kept = Rows(size, column), ListSink()
    mockdata.generate_sync({vault: count}, sink=rows, start=5, rate=rate, **FIXED)
    mockdata.generate_sync({vault: count}, sink=kept, start=5, **FIXED)
    bodies = Bodies(size, 5 + count, ending)
    made = [body for batch in rows.batches[vault.name] for body in bodies.take(batch)]
    return made, kept.records(vault.name)


@pytest.mark.parametrize("size", [1, 7, 300, 9_999, 10_000])
def test_a_body_is_a_batch(size):
    count = 25_001 if size > 1 else 2_001
    bodies, records = bodies_of(count, size, byot="ENABLE")
    assert {body.records for body in bodies[:-1]} <= {size}
    assert [body.number for body in bodies] == list(range(1, -(-count // size) + 1))
    assert [k for body in bodies for k in body.indices] == [*range(5, 5 + count)]
    assert all(len(json.loads(body.content)["records"]) == body.records for body in bodies[-3:])
    assert [pair for body in bodies for pair in body.pairs()] == records
    assert bodies[-1].only([0]).pairs() == [records[bodies[-1].indices[0] - 5]]
    assert json.loads(bodies[0].only([0]).content)["byot"] == "ENABLE"


@pytest.mark.parametrize("size", [1, 7, 100, 230])
def test_small_batches_of_a_rate_are_put_together(size):
    """At this rate 100 records go at once: two times that fit into 230, three times do not."""
    rate, count = 1_000, 455
    bodies, records = bodies_of(count, size, rate=rate, byot="ENABLE")
    most = {1: 1, 7: 7, 100: 100, 230: 200}[size]
    assert {body.records for body in bodies[:-1]} == {most}
    assert [body.number for body in bodies] == list(range(1, -(-count // most) + 1))
    assert [k for body in bodies for k in body.indices] == [*range(5, 5 + count)]
    assert [pair for body in bodies for pair in body.pairs()] == records


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
    """Until an answer comes, no more is taken than what is in flight."""
    seen = []
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request, number):
        if server.open == 2:
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
        for _ in range(100):
            await asyncio.sleep(0)
        assert max(progress.records for progress in seen) == 2 * 300
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


LIKE_TOKENS = mockdata.Vault(
    "like",
    value=r'(,"tokens":\{"a":"b"\}|","tokens":\{"|,|\\\\|\\\\"){2}{suffix}',
    token=r'("|\\\\|"\}|,"tokens":\{){2}{suffix}{index}"',
)
"""Values and tokens that read like the JSON around them."""


@pytest.mark.parametrize("vault", [LIKE_TOKENS, ODD], ids=lambda vault: vault.name)
@pytest.mark.parametrize("column", ['a"}],{\\:ä', ",", "tokens", 'x,"tokens":{"y":"z"}'])
def test_tokens_are_left_out_of_any_record(vault, column):
    bodies, records = bodies_of(100, 50, vault=vault, column=column, byot="DISABLE")
    for k, body in enumerate(bodies):
        values = [record.value for record in records[50 * k :][:50]]
        assert body.pairs() == records[50 * k :][:50]
        assert json.loads(body.without_tokens()) == {
            "records": [{"fields": {column: value}} for value in values],
            "byot": "DISABLE",
        }


# Any vault


async def test_any_texts_arrive_and_are_logged_as_they_are(tmp_path):
    kept, counts = ListSink(), {ODD: 1_000, QUOTED: 10}
    await mockdata.generate(counts, sink=kept, **FIXED)
    targets = {"odd": VaultTarget("v", 'Ödd "1"', "Odd"), "QUOTED": "v2"}
    async with serving(lambda request, number: 400) as server:
        await mockdata.generate(counts, sink=sink(server.url, targets, batch_size=100), **FIXED)
    found = {}
    for request in server.requests:
        for record in request.json["records"]:
            (field, value), (of, token) = (*record["fields"].items(), *record["tokens"].items())
            assert field == of
            found.setdefault(field, set()).add((value, token))
    assert found == {'Ödd "1"': {*kept.records("odd")}, "quoted": {*kept.records("quoted")}}
    assert {field: {*pairs} for field, pairs in logged(tmp_path).items()} == found


async def test_a_table_is_refused_before_anything_is_sent(vault):
    emulator = vault()
    with pytest.raises(mockdata.PlanError, match=r"^sink: skyflow sends no tables, and people is"):
        await mockdata.generate({PEOPLE: 5, "ssn": 5}, vaults=[ODD], sink=sink(emulator.url))
    assert emulator.stats()["answers"] == {}
