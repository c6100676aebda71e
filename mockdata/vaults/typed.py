"""Whether the texts of a table's column can be written in the type that it states."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final
from typing import Literal as OneOf

from mockdata.vaults.pieces import Choice, Date, Index, Literal, Number, Piece, Weighted
from mockdata.vaults.profile import DIGITS, profile

__all__ = ["TYPES", "Type", "misfit"]

Type = OneOf["string", "int64", "date"]
TYPES: Final = ("string", "int64", "date")

SURE_DIGITS: Final = 18
"""Digits that every 64-bit number can have."""


def misfit(type: Type, pieces: Sequence[Piece]) -> str:
    """Return why pieces that depend on no other vault do not fit a type; empty where they do."""
    if type == "int64" and not _is_int64(pieces):
        return f"int64 takes only digits, up to {2**63 - 1}"
    if type == "date" and not _is_date(pieces):
        return "date takes one day such as 2024-12-31: {date:A..B}, or a reference to one"
    return ""


def _is_int64(pieces: Sequence[Piece]) -> bool:
    if len(pieces) == 1 and isinstance(pieces[0], Number | Index):
        return True  # its bounds are below 2**63
    profiles = [profile(piece) for piece in pieces]
    return sum(len(p.places) for p in profiles) <= SURE_DIGITS and all(
        p.characters & ~DIGITS == 0 for p in profiles
    )


def _is_date(pieces: Sequence[Piece]) -> bool:
    match pieces:
        case [Date(format="%Y-%m-%d")]:
            return True
        case [Literal(text)]:
            return _all_days([text])
        case [Choice(texts) | Weighted("list", "", texts)]:
            return _all_days(texts)
    return False


def _all_days(texts: Iterable[str]) -> bool:
    try:
        return all(dt.date.fromisoformat(text).isoformat() == text for text in texts)
    except ValueError:
        return False
