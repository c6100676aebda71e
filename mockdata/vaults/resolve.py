"""From definitions to what a renderer needs: references found, capacities known, all of it proved.

A ``Resolver`` looks at one vault or table at a time, and at those that it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Final, NamedTuple

from mockdata.errors import PlanError, one_line
from mockdata.vaults.pattern import Pattern
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Number,
    Piece,
    Reference,
    Same,
    Suffix,
    Uuid,
    Weighted,
)
from mockdata.vaults.same import Cut, cut
from mockdata.vaults.texts import LIMIT, PatternError, did_you_mean
from mockdata.vaults.typed import misfit
from mockdata.vaults.unique import DIGITS, Profile, apart, profile
from mockdata.vaults.vault import Table, Vault

__all__ = ["Column", "Resolved", "ResolvedTable", "Resolver", "check_count"]

DEPTH: Final = 32
"""Columns that refer to each other in a row, at most."""

Node = tuple[str, str]
"""A vault's or table's name, and ``value``, ``token`` or a table's column."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column with all that its texts are made of: plain data, for any process.

    ``vault`` and ``side`` name it: a vault's ``value`` or ``token``, or a table and its column.
    A token's pieces may hold one ``Same``, which stands for the pieces of the vault's value; of
    those, the first ``kept[0]`` and the last ``kept[1]`` are as they are in the value.
    ``capacity`` is how many texts never repeat, or None where no text ever does.
    ``references`` are the columns that a ``Reference`` or ``Same`` of its pieces needs.
    """

    vault: str
    side: str
    pieces: tuple[Piece, ...]
    capacity: int | None
    distinct: int | None = None
    repeats: bool = False
    kept: tuple[int, int] = (0, 0)
    references: tuple[Column, ...] = ()

    def referred(self, piece: Reference | Same) -> Column:
        """Return the column that holds what one of this column's pieces needs."""
        if isinstance(piece, Same):
            wanted = (self.vault, "value")
        else:
            wanted = (piece.vault, "token" if piece.what == "token" else "value")
        return next(c for c in self.references if (c.vault, c.side) == wanted)

    def field(self, what: str) -> slice:
        """Return where the pieces with a field are: one, or the two or three parts of a number."""
        found = [k for k, piece in enumerate(self.pieces) if _field_of(piece) == what]
        return slice(found[0], found[-1] + 1)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A vault, and the two columns of its records."""

    vault: Vault
    value: Column
    token: Column

    @property
    def name(self) -> str:
        """The vault's name."""
        return self.vault.name

    @property
    def capacity(self) -> int | None:
        """How many records there can be: the lesser capacity, or None for any number."""
        capacities = (self.value.capacity, self.token.capacity)
        return min((n for n in capacities if n is not None), default=None)


@dataclass(frozen=True, slots=True)
class ResolvedTable:
    """A table, and its columns."""

    table: Table
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name


class _Item(NamedTuple):
    """A piece of a column once its references are replaced by what they refer to."""

    piece: Piece
    place: int
    own: bool
    """Whether it is drawn by this vault, and not by one that it refers to."""


def check_count(resolved: Resolved, stop: int) -> None:
    """Raise PlanError if a run that goes up to index ``stop`` - 1 needs more records than differ.

    ``stop`` is that of the whole run, its start included, whatever part of it is made here.
    """
    vault, capacity = resolved.vault, resolved.capacity
    if vault.repeats or vault.distinct is not None or capacity is None or stop <= capacity:
        return
    side = "values" if capacity == resolved.value.capacity else "tokens"
    raise PlanError(
        "counts",
        f"{vault.name}: {stop} records, and only {capacity} {side} differ; ask for fewer, widen "
        "the pattern, add {suffix} to it, or set repeats = true",
    )


def _field_of(piece: Piece) -> str:
    match piece:
        case Choice() | Number() | Date() | Weighted():
            return piece.field
        case Reference(_, what) if what not in ("value", "token"):
            return what
    return ""


class Resolver:
    """Resolves the definitions of one set, which maps names to vaults and tables."""

    def __init__(self, known: Mapping[str, Vault | Table]) -> None:
        self._known = known
        self._items: dict[Node, tuple[_Item, ...]] = {}
        self._columns: dict[Node, Column] = {}
        self._profiles: dict[int, tuple[Piece, Profile]] = {}
        self._path: list[Node] = []

    def vault(self, vault: Vault) -> Resolved:
        """Return a vault of the set, resolved.

        Raises PlanError, which names the pattern and the place in it.
        """
        resolved = Resolved(vault, self._column(vault, "value"), self._column(vault, "token"))
        if not vault.repeats:
            for column in (resolved.value, resolved.token):
                self._check_unique(vault, column)
                _check_distinct(vault, column)
        return resolved

    def table(self, table: Table) -> ResolvedTable:
        """Return a table of the set, resolved.

        Raises PlanError, which names the column and the place in its pattern.
        """
        columns = []
        for column in table.columns:
            items = self._expand(table, column.name)
            if problem := misfit(column.type, [item.piece for item in items]):
                raise _error(table, column.name, 0, problem)
            columns.append(self._column(table, column.name))
        return ResolvedTable(table, tuple(columns))

    def _column(self, owner: Vault | Table, side: str) -> Column:
        node = (owner.name, side)
        if node not in self._columns:
            items = self._expand(owner, side)  # first: it refuses circles
            pieces, kept = self._pieces(owner, side)
            is_vault = isinstance(owner, Vault)
            self._columns[node] = Column(
                *node,
                pieces,
                _capacity(items, pieces),
                owner.distinct if is_vault else None,
                owner.repeats if is_vault else True,
                kept,
                self._references(owner, pieces),
            )
        return self._columns[node]

    def _pieces(self, owner: Vault | Table, side: str) -> tuple[tuple[Piece, ...], tuple[int, int]]:
        """Return a column's pieces as they are rendered, and what a ``Same`` of them keeps."""
        if not isinstance(owner, Vault):
            pieces: tuple[Piece, ...] = _pattern(owner, side).pieces
            kept = (0, 0)
        else:
            value = self._cut(owner)
            pieces = value.pieces if side == "value" else owner.token_pattern.pieces
            kept = (value.left, value.right) if side == "token" else (0, 0)
        return tuple(map(self._direct, pieces)), kept

    def _direct(self, piece: Piece) -> Piece:
        """Return a reference to a field that is itself a reference as one to the last of them."""
        while isinstance(piece, Reference) and piece.what not in ("value", "token"):
            found = self._field(piece)
            if not isinstance(found, Reference):
                break
            piece = replace(found, case=piece.case or found.case)
        return piece

    def _field(self, reference: Reference) -> Piece:
        """Return the piece that a reference to a field, known to be right, refers to."""
        vault = self._known[reference.vault]
        assert isinstance(vault, Vault)
        return next(p for p in vault.value_pattern.pieces if _field_of(p) == reference.what)

    def _references(self, owner: Vault | Table, pieces: tuple[Piece, ...]) -> tuple[Column, ...]:
        found: dict[Node, Column] = {}
        for piece in pieces:
            if isinstance(piece, Same):
                found[owner.name, "value"] = self._column(owner, "value")
            elif isinstance(piece, Reference):
                side = "token" if piece.what == "token" else "value"
                found[piece.vault, side] = self._column(self._known[piece.vault], side)
        return tuple(found.values())

    def _cut(self, vault: Vault) -> Cut:
        """Return the value's pieces, cut as the token's ``Same`` wants it."""
        pattern = vault.value_pattern
        token = vault.token_pattern
        for piece, place in zip(token.pieces, token.places, strict=True):
            if isinstance(piece, Same):
                try:
                    made = cut(pattern.pieces, pattern.places, piece, self._width)
                    self._check_drawn(made)
                except PatternError as error:
                    raise _error(vault, "token", place, f"{{same}} {error.problem}") from None
                return made
        return Cut(pattern.pieces, pattern.places)

    def _check_drawn(self, made: Cut) -> None:
        middle = made.pieces[made.left : len(made.pieces) - made.right]
        drawn = (Choice, Number, Date, Weighted, Suffix, Uuid)
        if not any(isinstance(piece, drawn) and getattr(piece, "size", 2) > 1 for piece in middle):
            raise PatternError(0, "has nothing to draw anew: the token would be the value itself")

    # Expanding: every reference replaced by the pieces that it refers to.

    def _expand(self, owner: Vault | Table, side: str) -> tuple[_Item, ...]:
        """Return all pieces of a column, those of other vaults included, once they are checked."""
        node = (owner.name, side)
        if node not in self._items:
            self._path.append(node)
            pattern = _pattern(owner, side)
            items: list[_Item] = []
            for piece, place in zip(pattern.pieces, pattern.places, strict=True):
                items += self._expanded(owner, side, piece, place)
                self._check_width(owner, side, place, items)
            self._check_items(owner, side, items)
            self._items[node] = tuple(items)
            self._path.pop()
        return self._items[node]

    def _expanded(self, owner: Vault | Table, side: str, piece: Piece, place: int) -> list[_Item]:
        if isinstance(piece, Same):
            self._enter(owner, side, place, (owner.name, "value"))
            return [_Item(p, place, own) for p, _, own in self._expand(owner, "value")]
        if not isinstance(piece, Reference):
            return [_Item(piece, place, own=True)]
        target = self._target(owner, side, piece, place)
        end = "token" if piece.what == "token" else "value"
        self._enter(owner, side, place, (target.name, end))
        items = self._expand(target, end)
        if piece.what not in ("value", "token"):
            return [_Item(self._cased(owner, side, piece, place), place, own=False)]
        return [_Item(p, place, own=False) for p, _, _ in items]

    def _enter(self, owner: Vault | Table, side: str, place: int, node: Node) -> None:
        """Refuse a reference that leads back to where it stands."""
        if node in self._path:
            circle = [*self._path[self._path.index(node) :], node]
            names = " -> ".join(".".join(step) for step in circle)
            raise _error(owner, side, place, f"a circle of references: {names}")
        if len(self._path) >= DEPTH:
            problem = f"more than {DEPTH} vaults refer to each other in a row"
            raise _error(owner, side, place, problem)

    def _target(self, owner: Vault | Table, side: str, piece: Reference, place: int) -> Vault:
        """Return the vault that a reference names; it has what the reference asks for."""
        target = self._known.get(piece.vault)
        if target is None:
            vaults = [name for name, known in self._known.items() if isinstance(known, Vault)]
            hint = did_you_mean(piece.vault, vaults, f"{{{{{{}}.{piece.what}}}}}")
            raise _error(owner, side, place, f"no vault {piece.vault!r}{hint}")
        if isinstance(target, Table):
            problem = f"{piece.vault} is a table; a reference is to a vault"
            raise _error(owner, side, place, problem)
        fields = [f for f in map(_field_of, target.value_pattern.pieces) if f]
        if piece.what in ("value", "token") or fields.count(piece.what) == 1:
            return target
        if piece.what in fields:
            problem = f"{piece.vault} has more than one {piece.what}; a reference is to one alone"
        else:
            known = ["value", "token", *(f for f in fields if fields.count(f) == 1)]
            hint = did_you_mean(piece.what, known, f"{{{{{piece.vault}.{{}}}}}}")
            problem = f"{piece.vault} has no {piece.what!r}{hint}"
        raise _error(owner, side, place, problem)

    def _cased(self, owner: Vault | Table, side: str, piece: Reference, place: int) -> Piece:
        """Return the piece that a reference to a field is about, in the case that it wants."""
        found = self._field(piece)
        if isinstance(found, Reference):
            middle = self._known[piece.vault]
            if isinstance(middle, Vault) and middle.distinct is not None:
                problem = f"{piece.vault} is distinct; did you mean {{{found.vault}.{found.what}}}?"
                raise _error(owner, side, place, problem)
            found = self._cased(owner, side, found, place)
        return (
            replace(found, case=piece.case) if piece.case and isinstance(found, Weighted) else found
        )

    # Checking what a column consists of.

    def _profile(self, piece: Piece) -> Profile:
        known = self._profiles.get(id(piece))
        if known is None:
            known = self._profiles[id(piece)] = (piece, profile(piece))
        return known[1]

    def _width(self, piece: Piece) -> Profile | None:
        """Return the profile of a value's piece, a reference among them if its width is fixed."""
        if not isinstance(piece, Reference):
            return self._profile(piece)
        target = self._known[piece.vault]
        assert isinstance(target, Vault)
        if piece.what in ("value", "token"):
            parts = [self._profile(item.piece) for item in self._expand(target, piece.what)]
        else:
            parts = [self._profile(self._field(self._last(piece)))]
        if not all(part.fixed for part in parts):
            return None
        places = tuple(place for part in parts for place in part.places)
        return Profile(frozenset({len(places)}), places, sum(part.most_bytes for part in parts))

    def _last(self, reference: Reference) -> Reference:
        piece = self._direct(reference)
        assert isinstance(piece, Reference)
        return piece

    def _check_width(self, owner: Vault | Table, side: str, place: int, items: list[_Item]) -> None:
        if sum(self._profile(item.piece).most_bytes for item in items) > LIMIT:
            problem = f"the text may have more than {LIMIT} bytes up to here"
            raise _error(owner, side, place, problem)

    def _check_items(self, owner: Vault | Table, side: str, items: list[_Item]) -> None:
        seen = [self._profile(item.piece) for item in items]
        if not any(p.least for p in seen):
            raise _error(owner, side, 0, "the text may be empty; a line that is empty gets lost")
        digits = False
        for item, p in zip(items, seen, strict=True):
            if isinstance(item.piece, CheckDigit) and not digits and not item.piece.prefix:
                problem = "{luhn} has no digits before it that it could check"
                raise _error(owner, side, item.place, problem)
            digits = digits or bool(p.characters & DIGITS)

    def _check_unique(self, vault: Vault, column: Column) -> None:
        """Refuse a column whose text may not tell which texts its carrying pieces have."""
        items = self._expand(vault, column.side)
        profiles = [self._profile(item.piece) for item in items]
        problem: int | None = None
        for carrying in _carrying(items):
            problem = apart(profiles, carrying)
            if problem is None:
                return
        if problem is not None:
            text = (
                "this piece varies in length and what follows may continue it, so that two records "
                "could read alike; pad it, or set it apart by a character that neither has"
            )
            raise _error(vault, column.side, items[problem].place, text)


def _carrying(items: tuple[_Item, ...]) -> list[list[bool]]:
    """Return which pieces hold the index: one that never repeats, in every way, or all even ones."""
    counted = [k for k, item in enumerate(items) if _counts(item)]
    if counted:
        return [[k == one for k in range(len(items))] for one in counted]
    return [[_size(item) > 1 for item in items]]


def _counts(item: _Item) -> bool:
    return item.own and isinstance(item.piece, Suffix | Uuid | Index)


def _size(item: _Item) -> int:
    """Return how many texts an own even piece has, or 1 for any other piece."""
    return item.piece.size if item.own and isinstance(item.piece, Choice | Number | Date) else 1


def _capacity(items: tuple[_Item, ...], pieces: tuple[Piece, ...]) -> int | None:
    """Return how many texts never repeat; a ``Same`` among the pieces has the value's alone."""
    if any(map(_counts, items)):
        return None
    return prod(map(_size, items))


def _check_distinct(vault: Vault, column: Column) -> None:
    if vault.distinct is None or column.capacity is None or vault.distinct <= column.capacity:
        return
    problem = f"distinct = {vault.distinct} is more than the {column.capacity} texts that differ"
    raise _error(vault, column.side, 0, problem)


def _pattern(owner: Vault | Table, side: str) -> Pattern:
    if isinstance(owner, Vault):
        return owner.value_pattern if side == "value" else owner.token_pattern
    return next(column.pattern for column in owner.columns if column.name == side)


def _error(owner: Vault | Table, side: str, place: int, problem: str) -> PlanError:
    kind, label = ("vault", side) if isinstance(owner, Vault) else ("table", f"column {side}")
    where = f"{label}, character {place}" if place else label
    whole = one_line(f"{where}: {problem}")
    if owner.source:
        return PlanError(one_line(owner.source), f"{kind} {owner.name}, {whole}")
    return PlanError(f"{kind} {owner.name}", whole)
