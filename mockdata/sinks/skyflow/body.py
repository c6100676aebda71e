"""Bodies of requests, out of rows that the workers have rendered as JSON: a batch is a body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from mockdata.render.batch import Batch
from mockdata.render.layout import Rows

__all__ = ["Bodies", "Body", "Fields"]

HEAD: Final = b'{"records":['

STRING: Final = rb'"(?:[^"\\]|\\.)*"'
"""A JSON string; in a name and in a text quotes are escaped."""

PAIR: Final = rb"%b:%b" % (STRING, STRING)

TOKENS: Final = re.compile(rb',"tokens":\{%b(?:,%b)*\}' % (PAIR, PAIR))
"""The tokens of a record, behind its fields. Within a string no quote stands without a backslash,
so that no text reads like them."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a record, and the tokens of some of them: each with the place of its column.

    >>> Fields.of_table(["number", "ssn", "ssn_token"]).layout().before
    b'{"fields":{"number":"'
    """

    values: Mapping[str, int]
    tokens: Mapping[str, int]

    @classmethod
    def of_vault(cls, field: str) -> Self:
        """Return the field that has a vault's values and their tokens."""
        return cls({field: 0}, {field: 1})

    @classmethod
    def of_table(cls, columns: Sequence[str]) -> Self:
        """Return a field for each column, but for the columns with tokens.

        The tokens of a column are in the one that has its name with ``_token`` behind it.
        """
        tokens: dict[str, str] = {}
        for column in sorted(columns, key=len):  # a_token before a_token_token
            if (token := f"{column}_token") in columns and column not in tokens.values():
                tokens[column] = token
        places = {column: place for place, column in enumerate(columns)}
        return cls(
            {name: place for name, place in places.items() if name not in tokens.values()},
            {name: places[tokens[name]] for name in columns if name in tokens},
        )

    def layout(self) -> Rows:
        """Return the layout of a record and the comma after it."""
        values = [f'{json.dumps(name)}:"' for name in self.values]
        tokens = [f'{json.dumps(name)}:"' for name in self.tokens]
        gaps = [f'",{value}' for value in values[1:]]
        if tokens:
            gaps += [f'"}},"tokens":{{{tokens[0]}', *(f'",{token}' for token in tokens[1:])]
        return Rows(
            f'{{"fields":{{{values[0]}'.encode(),
            tuple(gap.encode() for gap in gaps),
            b'"}},',
            escape="json",
            columns=(*self.values.values(), *self.tokens.values()),
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

    def items(self) -> list[dict[str, dict[str, str]]]:
        """Return each record's ``fields`` and, if it has any, ``tokens``."""
        records: list[dict[str, dict[str, str]]] = json.loads(self.content)["records"]
        return records

    def pairs(self) -> list[tuple[str, str]]:
        """Return the values and the tokens of a vault's records."""
        items = self.items()
        values = (value for item in items for value in item["fields"].values())
        tokens = (token for item in items for token in item["tokens"].values())
        return [*zip(values, tokens, strict=True)]


class Bodies:
    """Makes bodies of one vault's batches, which are rows of ``Fields.layout``.

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
        """Yield the bodies that a batch completes, and after the last batch the rest."""
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
