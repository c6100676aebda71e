"""The Skyflow sink where an answer is odd: not a vault's, broken off, endless, or without ids."""

import json

import pytest

import mockdata
from mockdata.sinks.skyflow.answers import Answer

from .scripted import serving, taken
from .skyflow import (
    entries,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    sink,
)


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


async def test_headers_that_are_not_ascii_are_none(tmp_path):
    odd = {"x-request-id": "ä", "retry-after": "ü"}
    async with serving(lambda request, number: (429 if number == 0 else 400, "no", odd)) as server:
        report = await mockdata.generate({"ssn": 5}, sink=sink(server.url))
    assert (report.delivery.failed, report.delivery.retries) == (5, 1)
    assert [entry["error"] for entry in entries(tmp_path)] == ["400 no"]


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


def test_an_answer_shows_no_more_than_it_has():
    assert Answer(0, b"").request_id is None
