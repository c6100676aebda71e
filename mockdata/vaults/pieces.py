"""The pieces that a pattern consists of: frozen data that says what a text is made of, not how.

A column is a tuple of pieces. Its text at an index is the pieces' texts, one after the other. What
a piece's text depends on besides the index puts it into one of four groups:

- **Fixed**: ``Literal``, ``Timestamp``. The same text in the whole run.
- **Even**: ``Choice``, ``Number``, ``Date``. One of ``size`` texts, each as likely as the others;
  ``text(k)`` is the k-th. Without a piece that never repeats, a column's even pieces together hold
  a keyed permutation of the index, so that no text repeats up to the product of their sizes.
- **Weighted**: texts by their weights, such as names by their frequency.
- **Counted**: ``Suffix``, ``Uuid``, ``Index``. They hold the index itself and never repeat.

``CheckDigit``, ``Reference`` and ``Same`` are computed from other pieces.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal as OneOf

from mockdata.vaults.frozen import frozen

__all__ = [
    "Case",
    "CheckDigit",
    "Choice",
    "Date",
    "Even",
    "Index",
    "Literal",
    "Number",
    "Piece",
    "Reference",
    "Same",
    "Suffix",
    "Timestamp",
    "Uuid",
    "Weighted",
]

Case = OneOf["", "lower", "title"]
"""How a weighted piece writes its texts: as they are, in lower case, or capitalised."""


@frozen
class Literal:
    """A text that is the same in every record."""

    text: str


@frozen
class Timestamp:
    """The run's Unix time in seconds, ten digits."""


@frozen
class Choice:
    """One of a few texts, evenly: a character class, a group, a list without weights."""

    texts: tuple[str, ...]
    field: str = ""
    """The name by which a reference asks for it; empty where it has none."""

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self.texts)

    def text(self, k: int) -> str:
        """Return the k-th text."""
        return self.texts[k]


@frozen
class Number:
    """A whole number out of ascending, disjoint, inclusive ranges, evenly; ``width`` pads it."""

    ranges: tuple[tuple[int, int], ...]
    width: int = 0
    """Digits that it is padded to with zeros; 0 for no padding."""
    field: str = "number"

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(last - first + 1 for first, last in self.ranges)

    def text(self, k: int) -> str:
        """Return the k-th number, padded."""
        for first, last in self.ranges:
            if k <= last - first:
                return f"{first + k:0{self.width}d}"
            k -= last - first + 1
        raise IndexError(k)


@frozen
class Date:
    """A day from ``first`` to ``last``, both among them, evenly."""

    first: dt.date
    last: dt.date
    format: str = "%Y-%m-%d"
    """Of ``%Y %y %m %d %b %j`` and literal characters; ``%b`` is English whatever the locale."""
    field: str = "date"

    @property
    def size(self) -> int:
        """How many days there are."""
        return (self.last - self.first).days + 1

    def text(self, k: int) -> str:
        """Return the k-th day."""
        from mockdata.vaults.dates import spelled

        return spelled(self.first + dt.timedelta(k), self.format)


@frozen
class Weighted:
    """A text by its weight: a name of the census, or of a list that has weights."""

    source: OneOf["first_name", "last_name", "list"]
    case: Case = ""
    texts: tuple[str, ...] = ()
    """The list's texts, where the source is a list; the census is found by its name."""
    weights: tuple[int, ...] = ()
    field: str = ""


@frozen
class Suffix:
    """The 16 characters out of ``a-z2-7`` that hold the permuted index."""


@frozen
class Uuid:
    """A version 4 UUID in lower case, of which 64 bits hold the permuted index."""


@frozen
class Index:
    """``start`` plus ``step`` times the record's index."""

    start: int = 0
    step: int = 1


@frozen
class CheckDigit:
    """The Luhn check digit of ``prefix`` and all digits that stand before it in the text."""

    prefix: str = ""


@frozen
class Reference:
    """What another vault has at the same index: its value, its token, or a field of its value."""

    vault: str
    what: str
    """``value``, ``token``, or the ``field`` of one of the pieces of that vault's value."""
    case: Case = ""


@frozen
class Same:
    """In a token: a text of the value's own pattern, ``left`` and ``right`` characters kept."""

    left: int = 0
    right: int = 0


Even = Choice | Number | Date
Piece = (
    Literal
    | Timestamp
    | Choice
    | Number
    | Date
    | Weighted
    | Suffix
    | Uuid
    | Index
    | CheckDigit
    | Reference
    | Same
)
