"""A request's body, checked, and the answers that the service gives."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Literal

import msgspec

__all__ = ["Insert", "Refusal", "Reply", "checked", "error", "inserted"]

BAD_REQUEST = 400

GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 429: 8, 500: 13, 503: 14}
"""HTTP status to the gRPC code of the same error."""


class Record(msgspec.Struct):
    """A record as it is sent: column to value, and column to token."""

    fields: dict[str, str]
    tokens: dict[str, str] | None = None


class Insert(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an insert request."""

    records: list[Record]
    continueOnError: bool = False  # noqa: N815, the service's own names
    tokenization: bool = False
    byot: Literal["DISABLE", "ENABLE", "ENABLE_STRICT"] = "DISABLE"
    upsert: str | None = None


class Refusal(Exception):  # noqa: N818
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Reply(msgspec.Struct):
    """An answer: its status, its JSON or text, and its content type."""

    status: int
    content: bytes
    type: str = "application/json"


_decode = msgspec.json.Decoder(Insert).decode


def checked(body: bytes) -> Insert:
    """Return the request that a body has. Raises Refusal for one that the service refuses."""
    try:
        insert = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Refusal(BAD_REQUEST, f"Invalid request: {wrong}") from None
    if not insert.records:
        raise Refusal(BAD_REQUEST, "Invalid request: no records")
    for place, record in enumerate(insert.records):
        if not record.fields:
            raise Refusal(BAD_REQUEST, f"Invalid request: record {place} has no fields")
        if record.tokens and insert.byot == "DISABLE":
            raise Refusal(BAD_REQUEST, "Tokens are given though byot is DISABLE")
        if insert.byot == "ENABLE_STRICT" and (record.tokens or {}).keys() != record.fields.keys():
            raise Refusal(BAD_REQUEST, "Tokens for all fields are needed: byot is ENABLE_STRICT")
    return insert


def inserted(insert: Insert, errors: dict[int, tuple[int, str]]) -> Reply:
    """Return the answer to a request; the records at these places carry a status and a message."""
    items: list[object] = []
    for place, record in enumerate(insert.records):
        if place in errors:
            status, message = errors[place]
            items.append({"error": _error(status, message)})
        else:
            tokens = record.tokens if insert.tokenization else None
            items.append({"skyflow_id": str(uuid.uuid4()), "tokens": tokens})
    return Reply(200, msgspec.json.encode({"records": items}))


def error(status: int, message: str) -> Reply:
    """Return the answer that is an error."""
    return Reply(status, msgspec.json.encode({"error": _error(status, message)}))


def _error(status: int, message: str) -> dict[str, object]:
    return {
        "grpc_code": GRPC.get(status, 2),
        "http_code": status,
        "http_status": HTTPStatus(status).phrase,
        "message": message,
        "details": [],
    }
