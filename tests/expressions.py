"""A column as a regular expression of Python's ``re``, which each of its texts matches in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from mockdata.vaults.dates import MONTHS
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Literal,
    Number,
    Piece,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.profile import NAME_WIDTHS, cased, profile
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.vault import Table, Vault

DIRECTIVES: Final = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "(?:0[1-9]|1[0-2])",
    "d": "(?:0[1-9]|[12][0-9]|3[01])",
    "b": f"(?:{'|'.join(MONTHS)})",
    "j": "[0-3][0-9]{2}",
}

UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def expression_of(resolver: Resolver, owner: Vault | Table, side: str) -> re.Pattern[str]:
    """Return the expression of a column of a resolver's set.

    It says of names, dates, the index and check digits what they look like, not which there are.
    """
    pieces: list[Piece] = [item.piece for item in resolver._expander.items(owner, side)]
    return re.compile("".join(_EXPRESSIONS[type(piece)](piece) for piece in pieces))


def _texts(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})"


def _weighted(piece: Weighted) -> str:
    if piece.source == "list":
        return _texts(cased(piece.texts, piece.case))
    widths = NAME_WIDTHS[piece.source]
    least, most = min(widths), max(widths)
    first = "[a-z]" if piece.case == "lower" else "[A-Z]"
    rest = "[a-z]" if piece.case else "[A-Z]"
    return f"{first}{rest}{{{least - 1},{most - 1}}}"


def _number(number: Number) -> str:
    found: list[str] = []
    for first, last in number.ranges:
        for width in range(len(str(first)), len(str(last)) + 1):
            low, high = max(first, 10 ** (width - 1) if width > 1 else 0), min(last, 10**width - 1)
            padded = max(width, number.width)
            found += _between(f"{low:0{padded}}", f"{high:0{padded}}")
    return f"(?:{'|'.join(found)})"


def _between(low: str, high: str) -> list[str]:
    """Return expressions for the numbers from one to another of as many digits."""
    if low == high:
        return [low]
    rest = len(low) - 1
    if low[0] == high[0]:
        return [low[0] + found for found in _between(low[1:], high[1:])]
    found, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        found += [low[0] + more for more in _between(low[1:], "9" * rest)]
        first += 1
    if high[1:] != "9" * rest:
        found += [high[0] + more for more in _between("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        found.append(f"[{first}-{last}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return found


def _date(date: Date) -> str:
    head, *parts = date.format.split("%")
    return re.escape(head) + "".join(DIRECTIVES[part[0]] + re.escape(part[1:]) for part in parts)


def _index(index: Index) -> str:
    return f"[0-9]{{{profile(index).least},{len(profile(index).places)}}}"


_EXPRESSIONS: Final[dict[type, Callable[[Any], str]]] = {
    Literal: lambda piece: re.escape(piece.text),
    Choice: lambda piece: _texts(piece.texts),
    Weighted: _weighted,
    Number: _number,
    Date: _date,
    Index: _index,
    Suffix: lambda _: "[a-z2-7]{16}",
    Uuid: lambda _: UUID,
    Timestamp: lambda _: "[0-9]{10}",
    CheckDigit: lambda _: "[0-9]",
}
