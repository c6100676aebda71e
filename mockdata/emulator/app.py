"""The ASGI application: two paths, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

import msgspec

from mockdata.emulator.faults import Fault, Faults
from mockdata.emulator.insert import Insert, Refusal, Reply, checked, error, inserted
from mockdata.emulator.ledger import Ledger

__all__ = ["DROP", "Emulator"]

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Headers = list[tuple[bytes, bytes]]

DROP: Final = "mockdata.drop"
"""Key of the scope's extensions under which the server puts what drops the connection."""

PATH: Final = re.compile("/v1/vaults/[^/]+/([^/]+)")

PARTIAL: Final = (500, "the record could not be inserted, try again")
REFUSED: Final = (400, "the record is not valid")


class Emulator:
    """Answers insert requests as the service does. Records are counted and not kept.

    ``token`` is the only bearer token that is taken; without one, any is. With ``fast``, bearer and
    body are checked and records counted, and that is all: values and tokens are not, and every
    request of as many records gets the same answer.
    """

    def __init__(self, token: str | None = None, *, faults: Faults, fast: bool = False) -> None:
        self._token = token
        self._faults = faults
        self._fast = fast
        self._ledger = Ledger()
        self._uses: Counter[str] = Counter()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        body = await _body(receive)
        headers: Headers = [(b"x-request-id", uuid.uuid4().hex.encode())]
        try:
            reply = await self._reply(scope, body, headers)
        except Refusal as refusal:
            reply = error(refusal.status, refusal.message)
        if reply is None:
            scope["extensions"][DROP]["now"]()
            await receive()  # returns when the connection is gone
            return
        self._ledger.answers[reply.status] += 1
        headers.append((b"content-type", reply.type.encode()))
        headers.append((b"content-length", b"%d" % len(reply.content)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    async def _reply(self, scope: dict[str, Any], body: bytes, headers: Headers) -> Reply | None:
        """Return the answer, or None where the connection is to be dropped."""
        path, method = scope["path"], scope["method"]
        if path == "/stats" and method == "GET":
            return Reply(200, msgspec.json.encode(self._ledger.stats()))
        match = PATH.fullmatch(path)
        if match is None:
            raise Refusal(404, f"Not found: {path}")
        if method != "POST":
            raise Refusal(405, f"Method not allowed: {method}")
        self._check_bearer(scope["headers"])
        if self._fast:
            insert = checked(body)
            self._ledger.count(match[1], len(insert.records))
            return _same_for_all(len(insert.records))
        return await self._faulty(match[1], body, headers)

    async def _faulty(self, table: str, body: bytes, headers: Headers) -> Reply | None:
        fault = self._faults.choose()
        if fault is not None:
            self._ledger.faults[fault] += 1
        late = self._faults.slow_seconds if fault == "slow" else 0.0
        if late or self._faults.latency:
            await asyncio.sleep(self._faults.latency + late)
        if fault == "throttle":
            headers.append((b"retry-after", self._retry_after()))
            raise Refusal(429, "Rate limit exceeded")
        if fault == "unavailable":
            return Reply(503, b"upstream connect error", "text/plain")
        if fault == "drop_before":
            return None
        reply = self._take(table, checked(body), fault)
        return None if fault == "drop_after" else reply

    def _take(self, table: str, insert: Insert, fault: Fault | None) -> Reply:
        values = ["\0".join(record.fields.values()) for record in insert.records]
        failing = self._faults.some_of(len(values)) if fault == "partial" else set()
        errors = dict.fromkeys(failing, PARTIAL)
        if self._faults.refuse:
            errors |= {k: REFUSED for k, value in enumerate(values) if self._faults.refuses(value)}
        if errors and not insert.continueOnError:
            raise Refusal(*next(iter(errors.values())))
        pairs = [
            (value, "\0".join(record.tokens.values()) if record.tokens else None)
            for place, (value, record) in enumerate(zip(values, insert.records, strict=True))
            if place not in errors
        ]
        self._ledger.take(table, pairs)
        return inserted(insert, errors)

    def _check_bearer(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        given = dict(headers).get(b"authorization", b"").decode("latin-1")
        scheme, _, token = given.partition(" ")
        wanted = token if self._token is None else self._token
        is_known = hmac.compare_digest(token.encode(), wanted.encode())
        if scheme.lower() != "bearer" or not token or not is_known:
            raise Refusal(401, "Invalid bearer token")
        if self._faults.token_lasts:
            self._uses[token] += 1
            if self._uses[token] > self._faults.token_lasts:
                raise Refusal(401, "Token expired")

    def _retry_after(self) -> bytes:
        seconds = self._faults.retry_after
        if self._faults.retry_after_date:
            return formatdate(time.time() + seconds, usegmt=True).encode()
        return str(seconds).encode()


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


@lru_cache
def _same_for_all(records: int) -> Reply:
    """Return an answer to any request of as many records."""
    item = {"skyflow_id": str(uuid.UUID(int=0)), "tokens": None}
    return Reply(200, msgspec.json.encode({"records": [item] * records}))
