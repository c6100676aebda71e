"""The Skyflow sink: what it sends, and how much of it at a time."""

import asyncio
import json
import math
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

import mockdata
from mockdata.sinks.skyflow import SkyflowSink, VaultTarget
from mockdata.sinks.skyflow.body import Bodies, Fields
from mockdata.testing import ListSink

from .odd import ODD, QUOTED
from .scripted import serving
from .skyflow import (
    FIXED,
    IDS,
    TOKEN,
    configuration,
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


@pytest.mark.parametrize("setting", ["column", "table"])
async def test_a_table_may_be_called_otherwise_than_its_column(setting, tmp_path):
    """The loader's settings have no table: the column is its name as well."""
    vaults = [{"name": "SSN", "id": "v", "column": "social", setting: "people"}]
    async with serving() as server:
        configuration(tmp_path, server.url, skyflow__vaults=vaults)
        sink = SkyflowSink.from_config("config.json", token=TOKEN, upsert=True)
        await mockdata.generate({"ssn": 1}, sink=sink)
    (request,) = server.requests
    column = "social" if setting == "table" else "people"
    assert request.path == "/v1/vaults/v/people"
    assert request.json["upsert"] == column
    assert [*request.json["records"][0]["fields"], *request.json["records"][0]["tokens"]] == [
        column,
        column,
    ]


class Rows(ListSink):
    """Keeps batches of the rows that requests are made of."""

    def __init__(self, size, column="field"):
        super().__init__()
        self._size, self._column = size, column

    @asynccontextmanager
    async def open(self, run):
        layouts = {
            vault.name: (
                Fields.of_table(vault.columns) if vault.is_table else Fields.of_vault(self._column)
            ).layout()
            for vault in run.vaults
        }
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


# Tables

VISITS = mockdata.Table(
    "visits",
    {
        "visit_id": {"pattern": "{index:1}", "type": "int64"},
        "odd_token": "{odd.token}",
        "like": "{like.value}",
        "like_token": "{like.token}",
        "like_token_token": "x{index}",
        "day": {"pattern": "{date:2020-01-01..2024-12-31}", "type": "date"},
        "odd": "{odd.value}",
    },
)
"""Tokens before, beside and behind their fields, and texts that read like the JSON around them."""

BARE = mockdata.Table("bare", {"number": "{index}", "other_token": "{like.value}"})
"""No field has a token."""

BOTH = [ODD, LIKE_TOKENS]


async def visits(count, table=VISITS, **options):
    """Return the records of a table as a request should have them."""
    kept = ListSink()
    await mockdata.generate({table: count}, sink=kept, vaults=BOTH, **FIXED, **options)
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, record, strict=True)) for record in kept.records(table.name)]
    if table is BARE:
        return [{"fields": row} for row in rows]
    return [
        {
            "fields": {k: row[k] for k in ("visit_id", "like", "like_token_token", "day", "odd")},
            "tokens": {k: row[f"{k}_token"] for k in ("like", "odd")},
        }
        for row in rows
    ]


@pytest.mark.parametrize(("table", "key"), [(VISITS, "visit_id"), (BARE, "number")])
async def test_a_row_of_a_table_is_a_record_with_its_fields(table, key):
    async with serving() as server:
        used = sink(server.url, {table.name.upper(): "v"}, concurrency=1, upsert=key)
        report = await mockdata.generate({table: 301}, sink=used, vaults=BOTH, **FIXED)
    assert [request.path for request in server.requests] == 2 * [f"/v1/vaults/v/{table.name}"]
    found = [record for request in server.requests for record in request.json["records"]]
    assert found == await visits(301, table)
    assert {request.json["upsert"] for request in server.requests} == {key}
    assert report.delivery.sent == 301


@pytest.mark.parametrize("table", [VISITS, BARE], ids=lambda table: table.name)
async def test_bodies_of_a_table(table):
    rows, records = Rows(50), await visits(120, table, start=5)
    await mockdata.generate({table: 120}, sink=rows, vaults=BOTH, start=5, **FIXED)
    bodies = Bodies(50, 125, {"byot": "DISABLE"})
    made = [body for batch in rows.batches[table.name] for body in bodies.take(batch)]
    assert [item for body in made for item in body.items()] == records
    assert made[1].only([3, 7]).items() == [records[53], records[57]]
    for k, body in enumerate(made):
        assert json.loads(body.without_tokens()) == {
            "records": [{"fields": each["fields"]} for each in records[50 * k :][:50]],
            "byot": "DISABLE",
        }
        assert json.loads(body.only([0]).without_tokens())["records"] == [
            {"fields": records[50 * k]["fields"]}
        ]


async def test_the_service_may_call_a_table_something_else():
    async with serving() as server:
        targets = {"visits": VaultTarget("v", "Stays", "VISITS"), "odd": "w"}
        await mockdata.generate({VISITS: 1, ODD: 1}, sink=sink(server.url, targets), vaults=BOTH)
    fields = {request.path: request.json["records"][0]["fields"] for request in server.requests}
    assert "visit_id" in fields["/v1/vaults/v/Stays"]
    assert [*fields["/v1/vaults/w/odd"]] == ["odd"]


@pytest.mark.parametrize("byot", ["ENABLE", "DISABLE"])
async def test_failed_rows_are_logged_with_all_fields(vault, tmp_path, byot):
    emulator, records = vault("--refuse", 0.2, "--partial", 0.2), await visits(1_000)
    used = sink(emulator.url, {"visits": "v", "like": "w"}, byot=byot, batch_size=100)
    counts = {VISITS: 1_000, LIKE_TOKENS: 50}
    report = await mockdata.generate(counts, sink=used, vaults=BOTH, **FIXED)
    failed = logged(tmp_path)
    assert len(failed["visits"]) + len(failed["like"]) == report.delivery.failed
    assert 0 < len(failed["visits"]) < 500
    assert all(record in records for record in failed["visits"])
    assert {type(record) for record in failed["like"]} == {tuple}
    tables = emulator.stats()["tables"]
    assert tables["visits"]["records"] == 1_000 - len(failed["visits"])
    assert tables["visits"]["values"] == tables["visits"]["records"]
    assert tables["visits"]["tokens"] == (0 if byot == "DISABLE" else tables["visits"]["records"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"byot": "ENABLE_STRICT"},
            "byot: ENABLE_STRICT needs a token for every field; visits has no day_",
        ),
        ({"upsert": True}, "upsert: visits is a table: name the column"),
        ({"upsert": "visit"}, "upsert: visits has no field 'visit'; it has visit_id, like, like_"),
        ({"upsert": "odd_token"}, "upsert: visits has no field 'odd_token'; it has visit_id"),
        ({"vaults": {"odd": "v"}}, "vaults: 'visits' has no vault id; use odd=COUNT"),
    ],
)
async def test_a_table_that_does_not_fit_is_refused_before_anything_is_sent(options, says):
    async with serving() as server:
        used = sink(server.url, **{"vaults": {"visits": "v", "odd": "w"}} | options)
        with pytest.raises(mockdata.PlanError, match=f"^{says}"):
            await mockdata.generate({VISITS: 5, ODD: 5}, vaults=BOTH, sink=used)
    assert server.requests == []


async def test_a_table_with_a_token_for_every_field_may_be_strict(vault):
    table = mockdata.Table("pairs", {"odd_token": "{odd.token}", "odd": "{odd.value}"})
    emulator = vault()
    used = sink(emulator.url, {"pairs": "v"}, byot="ENABLE_STRICT")
    report = await mockdata.generate({table: 500}, vaults=[ODD], sink=used)
    assert (report.delivery.sent, emulator.stats()["answers"]) == (500, {"200": 2})
