"""Columns: what a renderer needs to know of a vault's value or token, or of a table's column."""

from __future__ import annotations

from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import Piece, Reference, Same, Weighted

__all__ = ["Column", "field_of"]


@frozen
class Column:
    """A column with all that its texts are made of: plain data, for any process.

    ``vault`` and ``side`` (``value``, ``token``, or a table's column) key its stream. ``distinct``
    is the number of different records, None for as many as there are indices. With ``repeats``,
    even pieces are drawn, each by itself, though nothing else in the column never repeats.
    A token's pieces may hold one ``Same``, which stands for the pieces of the vault's value; of
    those, the first ``kept[0]`` and the last ``kept[1]`` are as they are in the value.
    ``references`` are the columns that a ``Reference`` or ``Same`` of its pieces needs.
    ``capacity`` is how many of its texts never repeat, or None where no text ever does.
    """

    vault: str
    side: str
    pieces: tuple[Piece, ...]
    distinct: int | None = None
    repeats: bool = False
    kept: tuple[int, int] = (0, 0)
    references: tuple[Column, ...] = ()
    capacity: int | None = None

    def referred(self, piece: Reference | Same) -> Column:
        """Return the column that holds what one of this column's pieces needs."""
        if isinstance(piece, Same):
            wanted = (self.vault, "value")
        else:
            wanted = (piece.vault, "token" if piece.what == "token" else "value")
        return next(c for c in self.references if (c.vault, c.side) == wanted)


def field_of(piece: Piece) -> str:
    """Return the name by which a reference asks for a piece; empty where it has none."""
    if isinstance(piece, Weighted) and piece.source != "list":
        return piece.field or piece.source
    if isinstance(piece, Reference) and piece.what not in ("value", "token"):
        return piece.what
    return getattr(piece, "field", "")
