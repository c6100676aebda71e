"""Bodies of requests, out of a batch's rendered lines: no Python object is made for a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mockdata.render.batch import Batch
from mockdata.sinks._rows import Rows
from mockdata.vaults import Vault

__all__ = ["Bodies", "Body"]


TOKENS: Final = re.compile(rb',"tokens":\{"(?:[^"\\]|\\.)*":"[^"]*"\}')
"""The tokens of a record, behind its fields; column names may have quotes in them, escaped."""


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON of one request, with the request's number and the indices of its records."""

    number: int
    indices: Sequence[int]
    content: bytes

    @property
    def records(self) -> int:
        """How many records it has."""
        return len(self.indices)

    def only(self, places: Sequence[int]) -> Body:
        """Return a body with some of the records, given by their places in this one."""
        items: dict[str, Any] = json.loads(self.content)
        items["records"] = [items["records"][place] for place in places]
        content = json.dumps(items, separators=(",", ":")).encode()
        return Body(self.number, [self.indices[place] for place in places], content)

    def without_tokens(self) -> bytes:
        """Return the JSON without the tokens."""
        return TOKENS.sub(b"", self.content)

    def pairs(self) -> list[tuple[str, str]]:
        """Return the values and their tokens."""
        records = json.loads(self.content)["records"]
        return [(*record["fields"].values(), *record["tokens"].values()) for record in records]


class Bodies:
    """Cuts the batches of one vault into bodies of ``size`` records; only the last may have less.

    ``column`` is the field that values and tokens are given for; ``ending`` are the fields that
    come after the records.
    """

    def __init__(self, vault: Vault, column: str, size: int, ending: dict[str, Any]) -> None:
        field = json.dumps(column)
        self._rows = Rows(vault, f'{{"fields":{{{field}:"', f'"}},"tokens":{{{field}:"', '"}},')
        self._ending = b"]," + json.dumps(ending, separators=(",", ":")).encode()[1:]
        self._size = size
        self._number = 0
        self._kept: list[bytes] = []
        self._kept_indices = range(0)

    def cut(self, batch: Batch) -> Iterator[Body]:
        """Yield the bodies that a batch fills; what is left of it is kept for the next one."""
        rows = self._rows.render(batch)
        ends = self._rows.ends
        done = at = 0
        while done < len(batch):
            kept = len(self._kept_indices)
            taken = min(self._size - kept, len(batch) - done)
            done += taken
            end = int(ends[done - 1])
            self._kept.append(bytes(rows[at:end]))
            stop = batch.start + done
            self._kept_indices = range(stop - kept - taken, stop)
            at = end
            if kept + taken == self._size:
                yield from self.rest()

    def rest(self) -> Iterator[Body]:
        """Yield the body of the records that are kept, if there are any."""
        if self._kept:
            self._number += 1
            records = b"".join(self._kept)[:-1]  # without the last comma
            content = b"".join((b'{"records":[', records, self._ending))
            body = Body(self._number, self._kept_indices, content)
            self._kept, self._kept_indices = [], range(0)
            yield body
