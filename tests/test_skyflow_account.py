"""What the Skyflow sink says of its records: on every ending, of each run apart."""

import asyncio
import json
import math
import random
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

import mockdata
from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.tally import Account, Latencies
from mockdata.testing import ListSink

from .scripted import serving
from .skyflow import (
    FIXED,
    Watched,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    places_of,
    sink,
)


async def test_a_run_that_is_cancelled_gives_requests_a_moment(tmp_path):
    """One is answered within it, one is not, and a third waits to be tried again."""
    reached, left = asyncio.Event(), asyncio.Event()
    never, place_of = asyncio.Event(), await places_of(20, 10)

    async def answer(request, number):
        if number == 2:
            reached.set()
        place = place_of(request)
        if place == 0:
            return 503, "", {"retry-after": "30"}
        await (left if place == 1 else never).wait()
        return 200

    async with serving(answer) as server:
        used = Watched(server.url, batch_size=10, concurrency=3)
        run = asyncio.create_task(mockdata.generate({"ssn": 1000}, sink=used, **FIXED))
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
    assert delivery.resume == {"ssn": 0}
    assert len(server.requests) == 3


async def test_two_runs_of_one_sink_at_once_have_an_account_each():
    async with serving() as server:
        used = sink(server.url, batch_size=10)
        runs = [mockdata.generate({"ssn": count}, sink=used) for count in (1000, 50)]
        told = [report.delivery for report in await asyncio.gather(*runs)]
    assert [(each.sent, each.not_sent) for each in told] == [(1000, 0), (50, 0)]
    assert [each.resume for each in told] == [{"ssn": 1000}, {"ssn": 50}]


@pytest.mark.parametrize("status", [200, 401])
async def test_a_run_is_complete_when_its_last_request_is_answered(status):
    """If that answer says that nothing is taken, the run fails."""
    seen = []

    async def answer(request, number):
        if number == 3:
            seen.append(used.delivery().not_sent)
        return 200 if number < 3 else status

    async with serving(answer) as server:
        used = Watched(server.url, batch_size=10, concurrency=1)
        run = mockdata.generate({"ssn": 35}, sink=used)
        if status == 200:
            assert (await run).delivery.sent == 35
        else:
            with pytest.raises(mockdata.DeliveryError, match="refuses the bearer token"):
                await run
            assert (used.delivery().not_sent, used.delivery().resume) == (5, {"ssn": 30})
    assert seen == [5]


# Going on


def test_an_account_goes_on_from_the_first_record_that_is_not_settled():
    bodies = [Body(k + 1, range(100 + 10 * k, 110 + 10 * k), b"") for k in range(4)]
    account = Account(100)
    assert account.resume == 100
    for body in bodies[:3]:
        account.begin(body)
    account.settle(bodies[1], ())
    assert account.resume == 100
    account.settle(bodies[0], {7, 3})  # these are sent again
    assert account.resume == 103
    again = Body(1, [103, 107], b"")
    account.settle(again, {1})
    assert account.resume == 107
    account.settle(again, ())
    assert account.resume == 120
    account.settle(bodies[2], ())
    account.begin(bodies[3])
    assert account.resume == 130
    account.settle(bodies[3], ())
    assert account.resume == 140


class Service:
    """Takes most records, refuses some for good and some for now, in any order, and then stops."""

    def __init__(self, number, stops_at):
        self._random = random.Random(number)
        self._stops_at = stops_at
        self.taken = Counter()
        self.stops, self._never = asyncio.Event(), asyncio.Event()

    async def answer(self, request, number):
        if number >= self._stops_at:
            self.stops.set()
            await self._never.wait()
        for _ in range(self._random.randrange(30)):
            await asyncio.sleep(0)
        items = []
        for record in request.json["records"]:
            kind = self._random.choices(["id", 400, 503], [20, 1, 1])[0]
            if kind == "id":
                self.taken[record["fields"]["ssn"]] += 1
                items.append({"skyflow_id": "an id"})
            else:
                items.append({"error": {"http_code": kind, "message": "no"}})
        return 200, json.dumps({"records": items}), {}


@pytest.mark.parametrize("number", range(8))
async def test_a_stopped_run_goes_on_without_a_gap(tmp_path, number):
    """Nothing is sent twice that comes before the first record that was not settled."""
    window = {"batch_size": 7, "concurrency": 5}
    same = {"seed": 7, "timestamp": 1_700_000_000}
    first, last, stops_at = 40, 1040, 5 + 15 * number
    service = Service(number, stops_at)
    async with serving(service.answer) as server:
        used = Watched(server.url, grace=0.1, **window)
        run = mockdata.generate({"ssn": last - first}, sink=used, start=first, **same)
        run = asyncio.create_task(run)
        await service.stops.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    told = used.delivery()
    assert told.sent + told.failed + told.not_sent == last - first
    goes_on, other = told.resume["ssn"], Service(number, math.inf)
    async with serving(other.answer) as server:
        again = {"ssn": last - goes_on}
        report = await mockdata.generate(
            again, sink=sink(server.url, tries=20, **window), start=goes_on, **same
        )
    assert report.delivery.resume == {"ssn": last}
    made = ListSink()
    await mockdata.generate({"ssn": last - first}, sink=made, start=first, **same)
    failed = {value for value, _ in logged(tmp_path)["ssn"]}
    wanted = [record.value for record in made.records("ssn")]
    assert set(service.taken) | set(other.taken) | failed == set(wanted)
    assert set(other.taken) <= set(wanted[goes_on - first :])
    assert wanted[goes_on - first] not in service.taken


# Errors that come later


async def test_what_fails_after_the_first_error_is_noted_on_it(tmp_path):
    """An error log that cannot be written, while requests in flight are given their time."""
    reached, stopping = asyncio.Event(), asyncio.Event()
    folder = tmp_path / "removed"
    folder.mkdir()

    async def answer(request, number):
        if number == 0:
            return 200
        reached.set()
        await stopping.wait()
        folder.rmdir()
        return 400

    class Broken(Watched):
        @asynccontextmanager
        async def open(self, run):
            async with super().open(run) as session:

                async def write(batch):
                    if batch.vault == "ssn":
                        await reached.wait()
                        asyncio.get_running_loop().call_soon(stopping.set)
                        raise ZeroDivisionError
                    await session.write(batch)

                yield replace(session, write=write)

    async with serving(answer) as server:
        used = Broken(server.url, batch_size=5, concurrency=1, log_folder=folder, grace=10)
        with pytest.raises(ZeroDivisionError) as caught:
            await mockdata.generate({"id": 10, "ssn": 5}, sink=used)
    (note,) = [note for note in caught.value.__notes__ if "FileNotFoundError" in note]
    assert str(folder) in note
    assert used.delivery().not_sent == 10


async def test_one_trouble_that_many_requests_meet_is_told_once():
    async with serving(lambda request, number: 401) as server:
        with pytest.raises(mockdata.DeliveryError) as caught:
            await mockdata.generate(1000, sink=sink(server.url, batch_size=10))
    assert not [note for note in caught.value.__notes__ if "then came" in note]


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
