"""What flows from a vault's producer to its sink: batches of records, or receipts for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

__all__ = ["Batch", "Receipt", "Record"]


class Record(NamedTuple):
    """A value and its token."""

    value: str
    token: str


@dataclass(frozen=True, eq=False)
class Batch:
    """Up to 10,000 records of one vault, next to each other in index order.

    ``data_lines`` and ``token_lines`` are the records' lines as ASCII bytes, each line with a line
    feed at its end and no header: read-only memoryviews of shared memory that is not reused as long
    as one of them, or the batch, is referred to. The lists of ``values`` and ``tokens`` are made
    when they are first asked for.
    """

    vault: str
    """The vault's name."""
    start: int
    """The index of the first record."""
    records: int
    """How many records there are; ``len()`` says the same."""
    data_lines: memoryview
    token_lines: memoryview

    def __len__(self) -> int:
        return self.records

    def __iter__(self) -> Iterator[Record]:
        return map(Record, self.values, self.tokens)

    def __repr__(self) -> str:
        return f"<Batch {self.vault} {self.start} to {self.start + self.records - 1}>"

    @cached_property
    def values(self) -> list[str]:
        """The values, in index order."""
        return _texts(self.data_lines)

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens of ``values``, in the same order."""
        return _texts(self.token_lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the lines themselves: the memory that they are in is this process's."""
        lines = bytes(self.data_lines), bytes(self.token_lines)
        return _unpickled, (self.vault, self.start, self.records, *lines)

    @property
    def data_bytes(self) -> int:
        """Bytes of the data lines."""
        return len(self.data_lines)

    @property
    def token_bytes(self) -> int:
        """Bytes of the token lines."""
        return len(self.token_lines)


class Receipt(NamedTuple):
    """What a worker reports of records whose lines it has written to a sink's files itself."""

    vault: str
    start: int
    records: int
    data_bytes: int
    token_bytes: int


def _texts(lines: memoryview) -> list[str]:
    texts = str(lines, "ascii").split("\n")
    texts.pop()
    return texts


def _unpickled(vault: str, start: int, records: int, data: bytes, tokens: bytes) -> Batch:
    return Batch(vault, start, records, memoryview(data), memoryview(tokens))
