"""What is drawn for a column's pieces, and which pieces those are."""

from __future__ import annotations

from collections.abc import Iterable

from mockdata.render.evens import Group, chunks
from mockdata.render.items import Cell, Count, Item, Lit, Spell
from mockdata.render.layout import Escape, needs_quotes
from mockdata.render.steps import Table, Term, Texts
from mockdata.vaults import pieces as of
from mockdata.vaults.columns import Column, field_of
from mockdata.vaults.frozen import frozen, replace

__all__ = ["Drawn", "Part", "Row", "is_quoted", "parts", "places_of", "sources", "term"]


@frozen
class Drawn:
    """An item, and what it was made of: its piece's place, its group and the row's register."""

    place: int
    item: Item
    group: Group | None = None
    pick: int = -1


@frozen
class Row:
    """What a column's text consists of. ``inside`` are pieces that are part of a group's texts."""

    drawn: tuple[Drawn, ...]
    inside: frozenset[int]

    def at(self, places: Iterable[int]) -> list[Drawn]:
        """Return what is drawn for some pieces."""
        return [found for found in self.drawn if found.place in places]


def places_of(column: Column, what: str) -> list[int]:
    """Return the places of the pieces that have a field; none for the whole value or token."""
    return [k for k, piece in enumerate(column.pieces) if field_of(piece) == what]


Part = list[tuple[int, of.Even]]
"""Even pieces and their places, of at most 2**63 combinations."""


def parts(token: Column, value: Column) -> tuple[list[Part], list[Part]]:
    """Return the value's even pieces that a token keeps, and those that it replaces."""
    left, right = token.kept
    ends = left, len(value.pieces) - right
    evens = [(k, p) for k, p in enumerate(value.pieces) if isinstance(p, of.Even)]
    kept = [even for even in evens if not ends[0] <= even[0] < ends[1]]
    free = [even for even in evens if ends[0] <= even[0] < ends[1]]
    return _parts(kept), _parts(free)


def _parts(evens: Part) -> list[Part]:
    return [evens[part] for part in chunks([piece.size for _, piece in evens])]


def term(item: Item) -> Term:
    """Return what an item adds to a check digit behind it."""
    match item:
        case Lit(text):
            return Term("text", -1, Table((Texts((text,)),)))
        case Cell(factors, pick):
            return Term("text", pick, Table(factors))
        case Spell(kind, hash):
            return Term(kind, hash)
        case Count(number, _):
            return Term("number", number)


def sources(column: Column) -> list[of.Piece]:
    """Return the pieces that a column's text may consist of, including those it refers to."""
    found: list[of.Piece] = []
    for piece in column.pieces:
        if isinstance(piece, of.Reference):
            other = column.referred(piece)
            places = places_of(other, piece.what) or range(len(other.pieces))
            chosen = tuple(other.pieces[place] for place in places)
            found += sources(replace(other, pieces=chosen))
        elif isinstance(piece, of.Same):
            found += sources(column.referred(piece))
        else:
            found.append(piece)
    return found


def is_quoted(column: Column, escape: Escape) -> bool:
    """Return whether a column's texts are quoted: if one may need quotes, all have them."""
    return escape == "csv" and needs_quotes(_texts(sources(column)))


def _texts(pieces: Iterable[of.Piece]) -> list[str]:
    """Return texts with all characters that pieces can spell, but letters and digits."""
    texts: list[str] = []
    for piece in pieces:
        match piece:
            case of.Literal(text):
                texts.append(text)
            case of.Choice(choices) | of.Weighted(texts=choices):
                texts += choices
            case of.Date():
                texts.append(piece.format)
    return texts
