"""What an answer means: which records were taken, which were not and why, and whether to go on."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

__all__ = ["Answer", "Hide", "Refused", "Retries", "is_success", "refused_records", "told"]

TOLD: Final = 500
"""Characters of an answer that an error repeats, at most."""

IDS: Final = (b'"skyflow_id":"', b'"skyflow_id": "')
"""How an id begins in an answer; some encoders write a space behind a colon."""

ERROR: Final = b'"error"'

NO_VAULT: Final = (ValueError, TypeError, LookupError, RecursionError)
"""Errors raised by reading an answer that is not a vault's."""

FAILED: Final = 500
"""The status of an error that gives none: it may pass another time."""

NO_ID: Final = {"http_code": 422, "message": "neither an id nor an error"}
"""What is taken for the error of a record that came back with nothing."""

Hide = Callable[[str], str]
"""Takes out of a text what nobody may see; it is given the whole text, before any is cut off."""


class Answer(NamedTuple):
    """An answer; the status is 0 if none came, and the text then says why.

    ``connected`` is whether it is known that there was a connection.
    """

    status: int
    text: bytes
    request_id: str | None = None
    retry_after: str | None = None
    connected: bool = True


class Refused(NamedTuple):
    """Records of one request, by their places in it, that were not taken for one reason."""

    places: Sequence[int]
    status: int
    problem: str

    @property
    def may_pass(self) -> bool:
        """Whether the same records may be taken when they are sent again."""
        return self.status in (0, 408, 409, 429) or 500 <= self.status < 600


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and for how long a request is made, and how long is waited in between.

    The wait doubles, of which a random part is taken (full jitter), unless the server asks for a
    longer one. Times are in seconds.
    """

    tries: int = 8
    total: float = 120.0
    first: float = 1.0
    longest: float = 30.0

    def wait(self, tried: int, retry_after: str | None) -> float:
        """Return the seconds to wait after a try; the first is number 1."""
        jittered = random.uniform(0, min(self.longest, self.first * 2 ** (tried - 1)))  # noqa: S311
        return max(jittered, min(self.longest, _seconds(retry_after)))


def _seconds(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header gives, as a number or a date."""
    if retry_after is None:
        return 0.0
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, OverflowError):  # a year may have any number of digits
        return 0.0


def is_success(answer: Answer) -> bool:
    """Return whether an answer is one of success, though single records may carry an error."""
    return 200 <= answer.status < 300


def refused_records(answer: Answer, records: int, hide: Hide) -> list[Refused]:
    """Return which records of a request were not taken."""
    if not is_success(answer):
        return [Refused(range(records), answer.status, told(answer, hide))]
    if _are_all_taken(answer.text, records):
        return []
    try:
        items = json.loads(answer.text)["records"]
        if len(items) == records:
            return _refused_items(items, answer, hide)
    except NO_VAULT:
        pass
    return [Refused(range(records), 422, f"not the answer of a vault: {told(answer, hide)}")]


def _are_all_taken(text: bytes, records: int) -> bool:
    """Return whether there are as many ids as records and no error, as it almost always is.

    Quotes within a JSON text would be escaped, so that counting is enough.
    """
    if ERROR in text:
        return False
    return any(text.count(begin) == records and begin + b'"' not in text for begin in IDS)


def _refused_items(items: Sequence[Any], answer: Answer, hide: Hide) -> list[Refused]:
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        if (error := _error(item)) is not None:
            text = _named(_message(error, hide), answer, hide)
            groups[_status(error), text].append(place)
    return [Refused(places, *reason) for reason, places in groups.items()]


def _error(item: object) -> object:
    """Return the error of one record; None if it has an id instead."""
    found = item if isinstance(item, dict) else {}
    return found.get("error") or (None if found.get("skyflow_id") else NO_ID)


def _status(error: object) -> int:
    """Return the status of one record's error, as an error log may have it."""
    status = error.get("http_code") if isinstance(error, dict) else None
    return status if type(status) is int and 100 <= status <= 599 else FAILED


def _message(error: object, hide: Hide) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return _shortened(str(message or error), hide)


def _shortened(text: str, hide: Hide) -> str:
    return " ".join(hide(text).split())[:TOLD]


def told(answer: Answer, hide: Hide) -> str:
    """Say in one line what an answer says, with the name that the service gives the request."""
    text = answer.text.decode(errors="replace")
    try:
        text = _message(json.loads(text)["error"], hide)
    except NO_VAULT:
        text = _shortened(text, hide)
    return _named(f"{answer.status} {text}".strip() if answer.status else text, answer, hide)


def _named(text: str, answer: Answer, hide: Hide) -> str:
    return f"{text} (request {_shortened(answer.request_id, hide)})" if answer.request_id else text
