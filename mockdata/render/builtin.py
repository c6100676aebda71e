"""The four vaults as columns, until definitions come from the catalogue."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Final

from mockdata.render.columns import Column
from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES
from mockdata.render.program import Program
from mockdata.vaults import Key
from mockdata.vaults.pieces import Date, Literal, Number, Piece, Suffix, Timestamp, Weighted

__all__ = ["FOUR", "program_of"]

VALUES: Final[dict[str, tuple[Piece, ...]]] = {
    "name": (Weighted("first_name"), Literal(" "), Weighted("last_name"), Literal(" ")),
    "id": (Number(((10_000, 99_999),)), Literal("-")),
    "dob": (Date(dt.date(1940, 1, 1), dt.date(2010, 12, 31)), Literal("-")),
    "ssn": (
        Number(((1, 665), (667, 899)), 3),
        Literal("-"),
        Number(((1, 99),), 2),
        Literal("-"),
        Number(((1, 9999),), 4),
        Literal("-"),
    ),
}

END: Final = (Timestamp(), Literal("_"), Suffix())

FOUR: Final = {
    name: (
        Column(name, "value", value + END),
        Column(name, "token", (Literal(f"tok_{name}_"), *END)),
    )
    for name, value in VALUES.items()
}


@lru_cache(8)
def program_of(key: Key) -> Program:
    """Return the program of one of the four vaults' two CSV files."""
    return compile_program(FOUR[key.vault], CSV_LINES, seed=key.seed, timestamp=key.timestamp)
