"""From a body to an answer for each of its records: tries, waits, and many requests at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mockdata.errors import DeliveryError
from mockdata.sinks.skyflow.answers import (
    Answer,
    Refused,
    Retries,
    is_success,
    refused_records,
    told,
)
from mockdata.sinks.skyflow.bearer import Bearer
from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.errorlog import ErrorLog
from mockdata.sinks.skyflow.tally import Account, Tally

if TYPE_CHECKING:
    from mockdata.sinks.skyflow.client import Client

__all__ = ["Deliveries", "Errors", "Route"]

NO_TOKEN: Final = (401, 403)


class Errors:
    """The errors of a run's requests and logs. Each is raised once.

    DeliveryErrors count as one: what one request meets, those beside it meet as well.
    """

    def __init__(self) -> None:
        self._raised: list[BaseException] = []
        self._waiting: list[BaseException] = []

    def add(self, error: BaseException) -> None:
        """Keep an error to be raised later."""
        if not any(_is_same(error, other) for other in self._raised + self._waiting):
            self._waiting.append(error)

    def raising(self, error: BaseException) -> BaseException:
        """Return an error to raise it now: the one that was raised before, if it is the same."""
        self._waiting = [other for other in self._waiting if not _is_same(error, other)]
        for other in self._raised:
            if _is_same(error, other):
                return other
        self._raised.append(error)
        return error

    def raise_waiting(self) -> None:
        """Raise the first error that is not raised yet, with the others as its notes."""
        if self._waiting:
            first, *others = self._waiting
            for other in others:
                first.add_note(f"mockdata: then came {type(other).__name__}: {other}")
            raise first


def _is_same(error: BaseException, other: BaseException) -> bool:
    return error is other or (isinstance(error, DeliveryError) and isinstance(other, DeliveryError))


@dataclass(frozen=True, slots=True)
class Route:
    """All that a vault's requests share: where they go, how, and where is noted what comes of it.

    ``pause`` and ``answer_timeout`` are in seconds, before and of each request.
    """

    url: str
    client: Client
    bearer: Bearer
    retries: Retries
    pause: float
    answer_timeout: float
    sends_tokens: bool
    tally: Tally
    account: Account
    log: ErrorLog
    errors: Errors


class Deliveries:
    """Up to ``concurrency`` requests of one vault at a time; the first error ends it all.

    The requests are tasks of their own: a sink that is left by cancellation can give them time.
    """

    def __init__(self, route: Route, concurrency: int) -> None:
        self._route = route
        self._places = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._error: BaseException | None = None

    async def send(self, body: Body) -> None:
        """Begin to deliver a body as soon as there is a place for it. Raises DeliveryError."""
        await self._places.acquire()
        self._check()
        self._route.account.begin(body)
        task = asyncio.create_task(self._deliver(body))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self) -> None:
        """Wait until everything is delivered, or has failed for good. Raises DeliveryError."""
        while self._tasks and self._error is None:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        self._check()

    async def stop(self, grace: float) -> None:
        """Make no more requests, and give those in flight ``grace`` seconds."""
        self._stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check(self) -> None:
        if self._error is not None:
            raise self._route.errors.raising(self._error)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._error = self._error or error
            self._route.errors.add(error)

    async def _deliver(self, body: Body) -> None:
        """Make the request, and again with what may pass, until it is known of every record."""
        retries, tried = self._route.retries, 0
        last = time.monotonic() + retries.total
        wait, timeout = self._route.pause, self._route.answer_timeout
        while await self._rest(wait):
            answer = await self._post(body, timeout)
            tried += 1
            refused = refused_records(answer, body.records, self._route.bearer.hide)
            wait = retries.wait(tried, answer.retry_after) if refused else 0.0
            left = last - time.monotonic() - wait
            is_last = tried == retries.tries or left <= 0
            timeout = min(timeout, left)
            again = [] if is_last else [each for each in refused if each.may_pass]
            self._settle(body, answer, refused, again)
            if not again:
                return
            places = sorted(place for each in again for place in each.places)
            body = body if len(places) == body.records else body.only(places)
            self._route.tally.retries += 1

    def _settle(
        self, body: Body, answer: Answer, refused: Sequence[Refused], again: Sequence[Refused]
    ) -> None:
        """Count the records that are done with, and write down those that have failed for good."""
        tally, account = self._route.tally, self._route.account
        if refused and not again and not tally.connected:
            problem = told(answer, self._route.bearer.hide)
            raise DeliveryError(0, f"{self._route.url} cannot be reached: {problem}")
        left = {place for each in refused for place in each.places}
        tally.sent += body.records - len(left)
        try:
            for each in refused:
                if each not in again:
                    self._log(body, each)
                    left.difference_update(each.places)
        finally:
            account.settle(body, left)

    def _log(self, body: Body, refused: Refused) -> None:
        """Write down records that have failed for good. Raises OSError."""
        failed = body if len(refused.places) == body.records else body.only(refused.places)
        try:
            self._route.log.add(failed, refused.status, refused.problem)
            self._route.tally.failed += failed.records
        finally:
            self._route.account.error_log = self._route.log.path

    async def _post(self, body: Body, timeout: float) -> Answer:  # noqa: ASYNC109
        """Make one request, with a new token if its own is refused. Raises DeliveryError."""
        tally, bearer = self._route.tally, self._route.bearer
        content = body.content if self._route.sends_tokens else body.without_tokens()
        while True:
            token = await bearer.token()
            began = time.perf_counter()
            tally.in_flight += 1
            try:
                answer = await self._route.client.post(self._route.url, content, token, timeout)
            finally:
                tally.in_flight -= 1
            tally.connected |= answer.connected
            if answer.status:
                tally.latencies.add(time.perf_counter() - began)
            tally.throttled += answer.status == 429
            if is_success(answer):
                bearer.accepted(token)
            if answer.status not in NO_TOKEN:
                return answer
            if answer.status != 401 or not await bearer.renew(token):
                problem = told(answer, bearer.hide)
                raise DeliveryError(
                    answer.status, f"{self._route.url} refuses the bearer token: {problem}"
                )

    async def _rest(self, seconds: float) -> bool:
        """Wait, unless the run is stopped meanwhile; return whether to go on."""
        if seconds > 0 and not self._stopping.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return True
        return not self._stopping.is_set()
