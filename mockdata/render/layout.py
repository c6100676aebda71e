"""Layouts: how a sink wants its bytes, as separate columns or as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, Literal

from mockdata.errors import plural
from mockdata.vaults.frozen import frozen

__all__ = [
    "CSV_LINES",
    "OFFSET",
    "Columns",
    "Escape",
    "Layout",
    "Rows",
    "Texts",
    "escaped",
    "json_objects",
    "needs_quotes",
]

Escape = Literal["none", "csv", "json"]
"""``csv`` quotes as RFC 4180 says; ``json`` escapes texts for a JSON string."""


@frozen
class Columns:
    """A separate output for each column, with ``end`` after each text."""

    end: bytes = b"\n"
    escape: Escape = "none"


@frozen
class Texts:
    """The layout that Arrow uses: the texts of each column, and their offsets.

    First come the texts of each column, with nothing between them. Then come the offsets of each
    column: 32-bit integers in this machine's byte order, one more than there are records, from 0.
    """

    escape: ClassVar[Escape] = "none"


@frozen
class Rows:
    r"""One output of rows: ``before`` the first column, ``between`` any two, ``after`` the last.

    ``between`` is one text for every gap, or a tuple with one for each. These texts are not
    escaped. ``columns`` are the positions of the columns that a row has, in order; None means all.

    >>> Rows(b"ssn,", b",", b"\n", escape="csv").gaps(3)
    (b'ssn,', b',', b',', b'\n')
    >>> Rows(b"", b",", b"\n", columns=(2, 0)).order(3)
    (2, 0)
    """

    before: bytes
    between: bytes | tuple[bytes, ...]
    after: bytes
    escape: Escape = "none"
    columns: tuple[int, ...] | None = None

    def order(self, columns: int) -> tuple[int, ...]:
        """Return the positions of a row's columns, given how many columns there are.

        Raises ValueError if one does not exist or is given twice.
        """
        if self.columns is None:
            return tuple(range(columns))
        if not self.columns or not set(self.columns) <= set(range(columns)):
            raise ValueError(f"columns {self.columns} must be numbers from 0 to {columns - 1}")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns {self.columns} name one twice")
        return tuple(self.columns)

    def gaps(self, columns: int) -> tuple[bytes, ...]:
        """Return the texts before, between and after a row's columns, given how many there are.

        Raises ValueError if ``between`` has the wrong number of texts, or if a column is wrong.
        """
        placed, between = len(self.order(columns)), self.between
        if isinstance(between, bytes):
            between = (between,) * (placed - 1)
        if len(between) != placed - 1:
            row = f"a row of {placed} {plural(placed, 'column')}"
            raise ValueError(
                f"{row} has {placed - 1} {plural(placed - 1, 'gap')}, not {len(between)}"
            )
        return self.before, *between, self.after


Layout = Columns | Rows | Texts

OFFSET: Final = 4
"""Bytes of an offset in ``Texts``, as Arrow has them for less than 2 GiB of text."""

CSV_LINES: Final = Columns(escape="csv")
"""A file for each column, one text a line, quoted if the column may need it."""

QUOTES: Final = '"'
NEEDS_QUOTES: Final = frozenset(',"\r\n')


def escaped(text: str, escape: Escape) -> str:
    r"""Return a text as it stands within a quoted field or a JSON string.

    >>> escaped('a "b"', "csv"), escaped('\\', "json")
    ('a ""b""', '\\\\')
    """
    if escape == "csv":
        return text.replace(QUOTES, 2 * QUOTES)
    if escape == "json":
        return text.replace("\\", "\\\\").replace(QUOTES, '\\"')
    return text


def json_objects(keys: Sequence[str], **first: str) -> Rows:
    r"""Return rows that are JSON objects, with ``first`` before the columns by their keys.

    >>> json_objects(["ssn", "ssn_token"], vault="ssn").gaps(2)
    (b'{"vault":"ssn","ssn":"', b'","ssn_token":"', b'"}\n')
    """
    constants = "".join(f'"{name}":"{escaped(text, "json")}",' for name, text in first.items())
    before, *between = (f'"{escaped(key, "json")}":"' for key in keys)
    return Rows(
        f"{{{constants}{before}".encode(),
        tuple(f'",{each}'.encode() for each in between),
        b'"}\n',
        escape="json",
    )


def needs_quotes(texts: Iterable[str]) -> bool:
    """Return whether a CSV field that may hold these texts has to be quoted."""
    return not NEEDS_QUOTES.isdisjoint("".join(texts))
