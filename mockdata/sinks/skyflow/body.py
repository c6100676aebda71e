"""Bodies of requests, out of rows that the workers have rendered as JSON: a batch is a body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mockdata.render.batch import Batch
from mockdata.render.layout import Rows

__all__ = ["Bodies", "Body", "record_layout"]

HEAD: Final = b'{"records":['

STRING: Final = rb'"(?:[^"\\]|\\.)*"'
"""A JSON string; in a name and in a text quotes are escaped."""

TOKENS: Final = re.compile(rb',"tokens":\{%b:%b\}' % (STRING, STRING))
"""The tokens of a record, behind its fields. Within a string no quote stands without a backslash,
so that no text reads like them."""


def record_layout(column: str) -> Rows:
    """Return how a record and the comma behind it are rendered, for the field of a column."""
    field = json.dumps(column)
    return Rows(
        f'{{"fields":{{{field}:"'.encode(),
        f'"}},"tokens":{{{field}:"'.encode(),
        b'"}},',
        escape="json",
    )


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
        content = _dumped(items)
        return Body(self.number, [self.indices[place] for place in places], content)

    def without_tokens(self) -> bytes:
        """Return the JSON without the tokens."""
        return TOKENS.sub(b"", self.content)

    def pairs(self) -> list[tuple[str, str]]:
        """Return the values and their tokens."""
        records = json.loads(self.content)["records"]
        return [(*record["fields"].values(), *record["tokens"].values()) for record in records]


class Bodies:
    """Makes bodies of one vault's batches, which are rows of ``record_layout``.

    A batch of ``size`` records is a body. Those that are smaller, as with a rate, are put together
    as far as they go into ``size``. ``stop`` is the index behind the vault's last record, and
    ``ending`` are the fields that come after the records.
    """

    def __init__(self, size: int, stop: int, ending: dict[str, Any]) -> None:
        self._size, self._stop = size, stop
        self._ending = b"]," + _dumped(ending)[1:]
        self._number = 0
        self._kept: list[Batch] = []
        self._records = 0

    def take(self, batch: Batch) -> Iterator[Body]:
        """Yield the bodies that are full with a batch, and with the last batch what is left."""
        if self._records + len(batch) > self._size:
            yield self._body()
        self._kept.append(batch)
        self._records += len(batch)
        if self._records == self._size or batch.start + len(batch) == self._stop:
            yield self._body()

    def _body(self) -> Body:
        """Return a body of the batches that are kept."""
        kept, records = self._kept, self._records
        self._kept, self._records = [], 0
        self._number += 1
        rows = [batch.rows for batch in kept]
        rows[-1] = rows[-1][:-1]  # without the last comma
        start = kept[0].start
        content = b"".join((HEAD, *rows, self._ending))
        return Body(self._number, range(start, start + records), content)


def _dumped(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
