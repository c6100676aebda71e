"""How a sink wants its bytes: columns apart, or rows with literals around the columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from mockdata.vaults.frozen import frozen

__all__ = ["CSV_LINES", "Columns", "Escape", "Layout", "Rows", "escaped", "needs_quotes"]

Escape = Literal["none", "csv", "json"]
"""``csv`` quotes as RFC 4180 does, ``json`` escapes what stands within a JSON string."""


@frozen
class Columns:
    """Each column is an output of its own, and ``end`` stands behind each text."""

    end: bytes = b"\n"
    escape: Escape = "none"


@frozen
class Rows:
    r"""One output: ``before`` the first column, ``between`` any two, ``after`` the last.

    ``between`` is one literal for every gap, or a literal for each. The literals stand as they are.

    >>> Rows(b"ssn,", b",", b"\n", escape="csv").gaps(3)
    (b'ssn,', b',', b',', b'\n')
    """

    before: bytes
    between: bytes | tuple[bytes, ...]
    after: bytes
    escape: Escape = "none"

    def gaps(self, columns: int) -> tuple[bytes, ...]:
        """Return what stands before, between and behind so many columns.

        Raises ValueError if there are not as many literals as gaps.
        """
        between = self.between
        if isinstance(between, bytes):
            between = (between,) * (columns - 1)
        if len(between) != columns - 1:
            raise ValueError(f"{columns} columns have {columns - 1} gaps, not {len(between)}")
        return self.before, *between, self.after


Layout = Columns | Rows

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


def needs_quotes(texts: Iterable[str]) -> bool:
    """Return whether a CSV field that may hold these texts has to be quoted."""
    return any(not NEEDS_QUOTES.isdisjoint(text) for text in texts)
