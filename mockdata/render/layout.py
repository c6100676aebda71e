"""How a sink wants its bytes: columns apart, or rows with literals around the columns."""

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
"""``csv`` quotes as RFC 4180 does, ``json`` escapes what stands within a JSON string."""


@frozen
class Columns:
    """Each column is an output of its own, and ``end`` stands behind each text."""

    end: bytes = b"\n"
    escape: Escape = "none"


@frozen
class Texts:
    """What Arrow wants: for each column, its texts side by side, and behind these their offsets.

    The outputs are the texts of each column, with nothing in between, and then the offsets of each
    column: 32-bit integers of this machine, one more than there are records, the first one 0.
    """

    escape: ClassVar[Escape] = "none"


@frozen
class Rows:
    r"""One output: ``before`` the first column, ``between`` any two, ``after`` the last.

    ``between`` is one literal for every gap, or a literal for each. The literals stand as they are.
    ``columns`` are the places of the columns that a row has, in its order; all of them if None.

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
        """Return the places of the columns that a row has, of so many that there are.

        Raises ValueError if one is not there, or comes twice.
        """
        if self.columns is None:
            return tuple(range(columns))
        if not self.columns or not set(self.columns) <= set(range(columns)):
            raise ValueError(f"columns {self.columns} are not some of 0 to {columns - 1}")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns {self.columns} have one twice")
        return tuple(self.columns)

    def gaps(self, columns: int) -> tuple[bytes, ...]:
        """Return what stands before, between and behind the columns, of so many that there are.

        Raises ValueError if there are not as many literals as gaps, or for columns that are wrong.
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
"""Bytes of an offset of ``Texts``: Arrow's, of texts that have less than 2 GiB together."""

CSV_LINES: Final = Columns(escape="csv")
"""A file for each column, a text a line, quoted where the column may need it."""

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
    r"""Return rows that are a JSON object each, with ``first`` before the columns by their keys.

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
    return any(not NEEDS_QUOTES.isdisjoint(text) for text in texts)
