"""From definitions to columns: references found, capacities known, uniqueness proved.

A ``Resolver`` looks at one vault or table at a time, and at those that it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Final

from mockdata.errors import PlanError, plural
from mockdata.vaults.catalogue import READY_MADE
from mockdata.vaults.columns import Column
from mockdata.vaults.expand import Expander, Item, Owner, mistake, pattern_of, side_of
from mockdata.vaults.frozen import frozen, replace
from mockdata.vaults.pieces import (
    Choice,
    Date,
    Index,
    Number,
    Piece,
    Reference,
    Same,
    Suffix,
    Uuid,
)
from mockdata.vaults.profile import Profile
from mockdata.vaults.texts import PatternError
from mockdata.vaults.unique import apart
from mockdata.vaults.vault import Table, TableColumn, Vault

if TYPE_CHECKING:
    from mockdata.vaults.same import Cut
    from mockdata.vaults.typed import Type

__all__ = ["Resolved", "Resolver", "check_count"]

AMBIGUOUS: Final = (
    "its length varies and what follows may continue it, so two records could read the same; pad "
    "it, or separate the two with a character that neither can have"
)


@frozen
class Resolved:
    """A vault or table, and the columns of its records: a vault's are its values and its tokens."""

    owner: Owner
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The vault's name, or the table's."""
        return self.owner.name

    @property
    def is_table(self) -> bool:
        """Whether it is a table."""
        return isinstance(self.owner, Table)

    @property
    def column_names(self) -> tuple[str, ...]:
        """What the columns are called where they are stored."""
        if isinstance(self.owner, Vault):
            return self.owner.data_column, self.owner.token_column
        return tuple(column.name for column in self.owner.columns)

    @property
    def column_types(self) -> tuple[Type, ...]:
        """The types that the columns' texts are written in; a vault's are strings."""
        if isinstance(self.owner, Vault):
            return "string", "string"
        return tuple(column.type for column in self.owner.columns)

    @property
    def capacity(self) -> int | None:
        """How many records there can be: the least capacity, or None for any number."""
        if isinstance(self.owner, Table):
            return None
        return min((n for c in self.columns if (n := c.capacity) is not None), default=None)


def check_count(resolved: Resolved, stop: int) -> None:
    """Raise PlanError if the indices below ``stop`` are more than the records that differ.

    ``stop`` is that of the whole run, its start included, whatever part of it is made here. The
    same holds for the vaults whose values or tokens the columns have: they end there. A vault that
    repeats has no end.
    """
    owner, capacity = resolved.owner, resolved.capacity
    if isinstance(owner, Vault):
        if owner.repeats:
            return
        if owner.distinct is not None:
            stop = min(stop, owner.distinct)
        elif capacity is not None and stop > capacity:
            side = "value" if capacity == resolved.columns[0].capacity else "token"
            raise PlanError(
                "counts",
                f"{owner.name}: {stop} {plural(stop, 'record')}, and only {_sure(capacity, side)}; "
                f"ask for fewer, {_ways_out(owner)}",
            )
    for column in resolved.columns:
        if (ended := _ended(column, stop)) is not None:
            side = f"column {column.side}" if resolved.is_table else column.side
            raise PlanError(
                "counts",
                f"{owner.name}: {stop} {plural(stop, 'record')}, and {ended.vault}, which its "
                f"{side} refers to, has too few: only {_sure(ended.capacity or 0, ended.side)}; "
                f"ask for fewer, or define {ended.vault} with repeats = true",
            )


def _sure(capacity: int, noun: str) -> str:
    """Say how many texts are sure to differ: some patterns have more, but these may repeat."""
    return f"{capacity} {plural(capacity, noun)} {'is' if capacity == 1 else 'are'} sure to differ"


def _ways_out(vault: Vault) -> str:
    """Say what the user can do about a vault that has too few values, besides taking fewer."""
    if vault in READY_MADE.values():
        return "or define a vault of your own"
    return "widen the pattern, add {suffix} to it, or set repeats = true"


def _ended(column: Column, stop: int) -> Column | None:
    """Return a column whose text this one has, and which has fewer texts than are needed."""
    for piece in column.pieces:
        if isinstance(piece, Reference) and piece.what in ("value", "token"):
            whole = column.referred(piece)
            if whole.repeats:
                continue
            needed = stop if whole.distinct is None else min(stop, whole.distinct)
            if whole.capacity is not None and needed > whole.capacity:
                return whole
            if (ended := _ended(whole, needed)) is not None:
                return ended
    return None


class Resolver:
    """Resolves the definitions of one set, which maps names to vaults and tables."""

    def __init__(self, known: Mapping[str, Owner]) -> None:
        self._known = known
        self._expander = Expander(known)
        self._columns: dict[tuple[str, str], Column] = {}

    def resolved(self, name: str) -> Resolved:
        """Return what the set has under a name, resolved."""
        return self.resolve(self._known[name])

    def resolve(self, owner: Owner) -> Resolved:
        """Return a vault or table of the set, resolved.

        Raises PlanError, which names the column and the place in its pattern.
        """
        if isinstance(owner, Table):
            return Resolved(owner, tuple(self._typed(owner, each) for each in owner.columns))
        return Resolved(owner, (self._column(owner, "value"), self._column(owner, "token")))

    def _typed(self, table: Table, column: TableColumn) -> Column:
        """Return a table's column, which promises no uniqueness of its own, if its type fits it."""
        from mockdata.vaults.typed import misfit

        pieces = [item.piece for item in self._expander.items(table, column.name)]
        if problem := misfit(column.type, pieces):
            raise mistake(table, column.name, 0, problem)
        return self._column(table, column.name)

    def _column(self, owner: Owner, side: str) -> Column:
        node = (owner.name, side)
        if node not in self._columns:
            items = self._expander.items(owner, side)  # first: it refuses circles
            pieces, kept = self._pieces(owner, side)
            self._columns[node] = Column(
                *node,
                tuple(map(self._direct, pieces)),
                owner.distinct if isinstance(owner, Vault) else None,
                owner.repeats if isinstance(owner, Vault) else True,
                kept,
                self._references(owner, pieces),
                self._capacity(owner, side, items),
            )
            if isinstance(owner, Vault) and not owner.repeats:
                self._check_unique(owner, self._columns[node])
                _check_distinct(owner, self._columns[node])
        return self._columns[node]

    def _pieces(self, owner: Owner, side: str) -> tuple[tuple[Piece, ...], tuple[int, int]]:
        """Return a column's pieces as they are rendered, and how many a ``Same`` of them keeps."""
        pieces = pattern_of(owner, side).pieces
        if not isinstance(owner, Vault) or not any(map(_is_same, owner.token_pattern.pieces)):
            return pieces, (0, 0)
        value = self._cut(owner)
        return (value.pieces, (0, 0)) if side == "value" else (pieces, (value.left, value.right))

    def _direct(self, piece: Piece) -> Piece:
        """Return a reference to a field that is itself a reference as one to the last of them."""
        while isinstance(piece, Reference) and piece.what not in ("value", "token"):
            found = self._expander.field(piece)
            if not isinstance(found, Reference):
                break
            piece = replace(found, case=piece.case or found.case)
        return piece

    def _references(self, owner: Owner, pieces: tuple[Piece, ...]) -> tuple[Column, ...]:
        found: dict[tuple[str, str], Column] = {}
        for piece in map(self._direct, pieces):
            if isinstance(piece, Same):
                found[owner.name, "value"] = self._column(owner, "value")
            elif isinstance(piece, Reference):
                side = side_of(piece)
                found[piece.vault, side] = self._column(self._expander.vault(piece.vault), side)
        return tuple(found.values())

    def _capacity(self, owner: Owner, side: str, items: tuple[Item, ...]) -> int | None:
        """Return how many texts never repeat; a token of the value's pattern has the value's."""
        if any(map(_counts, items)):
            return None
        if any(map(_is_same, pattern_of(owner, side).pieces)):
            items = self._expander.items(owner, "value")
        return prod(map(_size, items))

    # What a token of the value's own pattern keeps.

    def _cut(self, vault: Vault) -> Cut:
        """Return the value's pieces, cut as the token's ``Same`` wants it."""
        from mockdata.vaults.same import cut

        value, token = vault.value_pattern, vault.token_pattern
        same, place = next(
            (piece, place)
            for piece, place in zip(token.pieces, token.places, strict=True)
            if isinstance(piece, Same)
        )
        try:
            return cut(value.pieces, value.places, same, self._measure)
        except PatternError as error:
            raise mistake(vault, "token", place, f"{{same}} {error.problem}") from None

    def _measure(self, piece: Piece) -> Profile | None:
        """Return the profile of a value's piece, or None for a reference of varying width."""
        if not isinstance(piece, Reference):
            return self._expander.profile(piece)
        piece = self._direct(piece)
        if not isinstance(piece, Reference):
            raise TypeError(piece)
        if piece.what in ("value", "token"):
            items = self._expander.items(self._expander.vault(piece.vault), piece.what)
            parts = [self._expander.profile(item.piece) for item in items]
        else:
            parts = [self._expander.profile(self._expander.field(piece))]
        if not all(part.fixed for part in parts):
            return None
        places = tuple(place for part in parts for place in part.places)
        return Profile(frozenset({len(places)}), places, sum(part.most_bytes for part in parts))

    # That no text repeats.

    def _check_unique(self, vault: Vault, column: Column) -> None:
        """Refuse a column whose text may not tell which texts its carrying pieces have."""
        items = self._expander.items(vault, column.side)
        profiles = [self._expander.profile(item.piece) for item in items]
        refused = [apart(profiles, carrying) for carrying in _carrying(items)]
        if None not in refused:
            raise mistake(vault, column.side, items[refused[0] or 0].place, AMBIGUOUS)


def _carrying(items: tuple[Item, ...]) -> list[list[bool]]:
    """Return the ways in which pieces hold the index, of which one has to be read.

    A piece that never repeats holds it alone; where there is none, all even pieces hold it.
    """
    counted = [k for k, item in enumerate(items) if _counts(item)]
    if counted:
        return [[k == one for k in range(len(items))] for one in counted]
    return [[_size(item) > 1 for item in items]]


def _is_same(piece: Piece) -> bool:
    return isinstance(piece, Same)


def _counts(item: Item) -> bool:
    return item.own and isinstance(item.piece, Suffix | Uuid | Index)


def _size(item: Item) -> int:
    """Return how many texts a vault's own even piece has, or 1 for any other piece."""
    return item.piece.size if item.own and isinstance(item.piece, Choice | Number | Date) else 1


def _check_distinct(vault: Vault, column: Column) -> None:
    if vault.distinct is None or column.capacity is None or vault.distinct <= column.capacity:
        return
    problem = f"distinct = {vault.distinct}, but only {_sure(column.capacity, 'text')}"
    raise mistake(vault, column.side, 0, problem)
