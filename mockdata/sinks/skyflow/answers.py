"""What an answer means: which records were taken, which were not and why, and whether to go on."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from mockdata.sinks.skyflow.client import Answer

__all__ = ["Refused", "Retries", "is_success", "refused_records", "told"]

TOLD: Final = 500
"""Characters of an answer that an error repeats, at most."""


class Refused(NamedTuple):
    """Records of one request, by their places in it, that were not taken for one reason."""

    indices: Sequence[int]
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
        """Return the seconds to wait behind a try, 1 for the first."""
        jittered = random.uniform(0, min(self.longest, self.first * 2 ** (tried - 1)))  # noqa: S311
        return max(jittered, min(self.longest, _seconds(retry_after)))


def _seconds(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header means, which may be a number or a date."""
    if retry_after is None:
        return 0.0
    try:
        return float(retry_after)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except ValueError:
        return 0.0


def is_success(answer: Answer) -> bool:
    """Return whether an answer is one of success, though single records may carry an error."""
    return 200 <= answer.status < 300


def refused_records(answer: Answer, records: int) -> list[Refused]:
    """Return which records of a request were not taken."""
    if not is_success(answer):
        return [Refused(range(records), answer.status, told(answer))]
    if b'"error"' not in answer.text and answer.text.count(b'"skyflow_id"') == records:
        return []  # as it almost always is: quotes within a JSON text would be escaped
    try:
        items = json.loads(answer.text)["records"]
        if len(items) == records:
            return _refused_items(items, answer)
    except (ValueError, TypeError, LookupError):
        pass
    return [Refused(range(records), 422, f"not the answer of a vault: {told(answer)}")]


def _refused_items(items: Sequence[Any], answer: Answer) -> list[Refused]:
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        error = item.get("error") if isinstance(item, dict) else "no object"
        if error:
            groups[_status(error), _named(_message(error), answer)].append(index)
    return [Refused(indices, *reason) for reason, indices in groups.items()]


def _status(error: object) -> int:
    """Return the status of one record's error; one that gives none may pass another time."""
    status = error.get("http_code") if isinstance(error, dict) else None
    return status if isinstance(status, int) else 500


def _message(error: object) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(message or error).split())[:TOLD]


def told(answer: Answer) -> str:
    """Say in one line what an answer says, with the name that the service gives the request."""
    text = answer.text.decode(errors="replace")
    try:
        text = _message(json.loads(text)["error"])
    except (ValueError, TypeError, LookupError):
        text = " ".join(text.split())[:TOLD]
    return _named(f"{answer.status} {text}".strip() if answer.status else text, answer)


def _named(text: str, answer: Answer) -> str:
    return f"{text} (request {answer.request_id})" if answer.request_id else text
