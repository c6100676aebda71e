"""From a body to an answer for each of its records: tries, waits, and many requests at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mockdata.errors import DeliveryError
from mockdata.sinks.skyflow.answers import Refused, Retries, is_success, refused_records, told
from mockdata.sinks.skyflow.bearer import Bearer
from mockdata.sinks.skyflow.body import Body
from mockdata.sinks.skyflow.client import Answer, Client
from mockdata.sinks.skyflow.errorlog import ErrorLog
from mockdata.sinks.skyflow.tally import Tally

__all__ = ["Deliveries", "Route"]

NO_TOKEN = (401, 403)


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
    errors: ErrorLog


class Deliveries:
    """Up to ``concurrency`` requests of one vault at a time; the first error of one ends it all.

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
        if self._error is not None:
            raise self._error
        task = asyncio.create_task(self._deliver(body))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self) -> None:
        """Wait until everything is delivered, or has failed for good. Raises DeliveryError."""
        while self._tasks and self._error is None:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._error is not None:
            raise self._error

    async def stop(self, grace: float) -> None:
        """Make no more requests, and give those in flight ``grace`` seconds."""
        self._stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()
        error = None if task.cancelled() else task.exception()
        self._error = self._error or error

    async def _deliver(self, body: Body) -> None:
        """Make the request, and again with what may pass, until it is known of every record."""
        retries, tried = self._route.retries, 0
        last = time.monotonic() + retries.total
        wait, timeout = self._route.pause, self._route.answer_timeout
        while await self._rest(wait):
            answer = await self._post(body, timeout)
            tried += 1
            wait = retries.wait(tried, answer.retry_after)
            left = last - time.monotonic() - wait
            is_last = tried == retries.tries or left <= 0
            timeout = min(timeout, left)
            refused = refused_records(answer, body.records, self._route.bearer.hide)
            again = [] if is_last else [each for each in refused if each.may_pass]
            self._settle(body, answer, refused, again)
            if not again:
                return
            indices = sorted(index for each in again for index in each.indices)
            body = body if len(indices) == body.records else body.only(indices)
            self._route.tally.retries += 1

    def _settle(
        self, body: Body, answer: Answer, refused: Sequence[Refused], again: Sequence[Refused]
    ) -> None:
        """Count the records that are done with, and write down those that have failed for good."""
        tally = self._route.tally
        if refused and not again and not tally.connected:
            problem = told(answer, self._route.bearer.hide)
            raise DeliveryError(0, f"{self._route.url} cannot be reached: {problem}")
        tally.sent += body.records - sum(len(each.indices) for each in refused)
        for each in refused:
            if each not in again:
                failed = body if len(each.indices) == body.records else body.only(each.indices)
                self._route.errors.add(failed, each.status, each.problem)
                tally.failed += failed.records

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
