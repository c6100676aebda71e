"""What goes from a vault's producer to its sink: batches of records, or receipts for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

from mockdata.render.layout import CSV_LINES, Columns, Layout, Rows, Texts
from mockdata.vaults.frozen import frozen

__all__ = ["BATCH", "BLOCK", "Batch", "Encoded", "Form", "Receipt", "Record"]

BATCH: Final = 10_000
"""Records in a batch, at most."""

BLOCK: Final = 200_000
"""Records in a batch that a session's ``encode`` is given, at most."""


class Record(NamedTuple):
    """A value and its token."""

    value: str
    token: str


@frozen
class Form:
    """What all batches of one vault or table have in common."""

    name: str
    columns: tuple[str, ...]
    quoted: tuple[bool, ...]
    """For each column, whether its texts are in CSV quotes."""
    is_table: bool = False
    layout: Layout = CSV_LINES
    types: tuple[str, ...] = ("string", "string")
    """For each column, the type that its texts are written in."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Up to 10,000 consecutive records of one vault or table.

    ``data_lines`` and ``token_lines`` are the lines of the CSV files, as UTF-8, each with a line
    feed at its end and without a header. They are quoted if the vault's values may need it. They
    are read-only memoryviews of shared memory, which stays yours for as long as you keep one of
    them or the batch. Lists of str are made when you first ask for them.

    If the sink asked for rows, the batch has ``rows`` and nothing else.
    """

    form: Form
    start: int
    """The index of the first record."""
    records: int
    """How many records there are, the same as ``len()``."""
    outputs: tuple[memoryview, ...]
    """The bytes of the layout: one output for each column, or one with the rows. With ``Texts``,
    the texts of each column and then their offsets."""

    @property
    def vault(self) -> str:
        """The name of the vault or table."""
        return self.form.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns. A vault has two: its data column and its token column."""
        return self.form.columns

    def __len__(self) -> int:
        return self.records

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the records. A table's are tuples with one text for each column."""
        if self.form.is_table:
            return zip(*map(self.column, self.columns), strict=True)  # type: ignore[return-value]
        return map(Record, self.values, self.tokens)

    def __repr__(self) -> str:
        return f"<Batch {self.vault} {self.start} to {self.start + self.records - 1}>"

    @property
    def rows(self) -> memoryview:
        """The rows, if the sink asked for the layout ``Rows``."""
        if not isinstance(self.form.layout, Rows):
            problem = "this batch has no rows: its sink did not ask for the layout Rows"
            raise AttributeError(problem)  # noqa: TRY004
        return self.outputs[0]

    @property
    def data_lines(self) -> memoryview:
        """The lines of the values."""
        return self._lines(self._vault_column(0))

    @property
    def token_lines(self) -> memoryview:
        """The lines of the tokens."""
        return self._lines(self._vault_column(1))

    @property
    def values(self) -> list[str]:
        """The values, in index order."""
        return self._texts(self._vault_column(0))

    @property
    def tokens(self) -> list[str]:
        """The tokens of ``values``, in the same order."""
        return self._texts(self._vault_column(1))

    def lines(self, column: str) -> memoryview:
        """Return the lines of a column. Raises KeyError if the batch has no such column."""
        return self._lines(self._place(column))

    def column(self, column: str) -> list[str]:
        """Return a column's texts, in index order. Raises KeyError if there is no such column."""
        return self._texts(self._place(column))

    def to_arrow(self) -> Any:
        """Return the records as an array of structs, through the Arrow C data interface.

        The fields are the columns, with their types. ``pyarrow.record_batch``,
        ``polars.DataFrame``, ``pandas.DataFrame.from_arrow`` and DuckDB's queries take it. With the
        layout ``Texts`` nothing is copied, and the memory stays valid for as long as the array.
        Raises MockDataError without the extra ``mockdata[arrow]``, and AttributeError for a batch
        of rows.
        """
        from mockdata.render.arrow import to_arrow

        return to_arrow(self)

    def _place(self, column: str) -> int:
        if column not in self.columns:
            raise KeyError(f"{column!r} is not one of {', '.join(self.columns)}")
        return self.columns.index(column)

    def _vault_column(self, place: int) -> int:
        if self.form.is_table:
            raise AttributeError(f"{self.vault} is a table: use .column(name) or .lines(name)")
        return place

    @property
    def _by_column(self) -> tuple[Columns, tuple[memoryview, ...]]:
        """The layout and the outputs, if these are columns."""
        layout = self.form.layout
        if not isinstance(layout, Columns):
            problem = "this batch has only rows: its sink asked for the layout Rows"
            raise AttributeError(problem)  # noqa: TRY004
        return layout, self.outputs

    def _lines(self, place: int) -> memoryview:
        if isinstance(self.form.layout, Texts):
            problem = "this batch has no lines: its layout is Texts"
            raise AttributeError(problem)  # noqa: TRY004
        return self._by_column[1][place]

    def _texts(self, place: int) -> list[str]:
        if place not in self._made:
            self._made[place] = self._read(place)
        return self._made[place]

    def _read(self, place: int) -> list[str]:
        if isinstance(self.form.layout, Texts):
            return _cut(self.outputs[place], self.outputs[len(self.columns) + place])
        layout, outputs = self._by_column
        return _texts(outputs[place], layout, quoted=self.form.quoted[place])

    @cached_property
    def _made(self) -> dict[int, list[str]]:
        return {}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the lines themselves: their memory belongs to this process."""
        return _unpickled, (self.form, self.start, self.records, *map(bytes, self.outputs))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bytes each output has."""
        return tuple(map(len, self.outputs))


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a session's ``encode`` returned for consecutive records of one vault or table.

    ``data`` is a read-only memoryview. Its memory stays yours for as long as you keep it.
    """

    vault: str
    """The name of the vault or table."""
    start: int
    """The index of the first record."""
    records: int
    """How many records there are, the same as ``len()``."""
    data: memoryview
    """The bytes that ``encode`` returned."""

    def __len__(self) -> int:
        return self.records

    def __repr__(self) -> str:
        return f"<Encoded {self.vault} {self.start} to {self.start + self.records - 1}>"

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bytes the one output has."""
        return (len(self.data),)


class Receipt(NamedTuple):
    """A worker's report on records whose lines it wrote to a sink's files itself."""

    vault: str
    start: int
    records: int
    sizes: tuple[int, ...]
    """Bytes that were written to each of the files."""


def _cut(texts: memoryview, offsets: memoryview) -> list[str]:
    """Split adjoining texts at their offsets."""
    at = offsets.cast("B").cast("i").tolist()
    whole = str(texts, "utf-8")
    if len(whole) == len(texts):
        return [whole[begin:end] for begin, end in pairwise(at)]
    return [str(texts[begin:end], "utf-8") for begin, end in pairwise(at)]


def _texts(lines: memoryview, layout: Columns, *, quoted: bool) -> list[str]:
    """Return the texts of lines, without what their layout has put around them."""
    if layout.escape == "json" or not layout.end:
        raise AttributeError("the texts of this layout cannot be read back: use .lines(name)")
    texts = str(lines, "utf-8").split(layout.end.decode())
    texts.pop()
    return [text[1:-1].replace('""', '"') for text in texts] if quoted else texts


def _unpickled(form: Form, start: int, records: int, *outputs: bytes) -> Batch:
    return Batch(form, start, records, tuple(map(memoryview, outputs)))
