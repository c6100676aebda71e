"""Expanding a column: every reference replaced by the pieces that it refers to, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockdata.errors import PlanError, one_line
from mockdata.vaults.columns import field_of
from mockdata.vaults.frozen import frozen, replace
from mockdata.vaults.pattern import Pattern
from mockdata.vaults.pieces import CheckDigit, Piece, Reference, Same, Weighted
from mockdata.vaults.profile import DIGITS, Profile, profile
from mockdata.vaults.texts import LIMIT, did_you_mean
from mockdata.vaults.vault import Table, Vault

__all__ = ["Expander", "Item", "Owner", "mistake", "pattern_of", "side_of"]

DEPTH: Final = 32
"""Columns that refer to each other in a row, at most."""

Owner = Vault | Table


@frozen
class Item:
    """A piece of a column once its references are replaced by what they refer to."""

    piece: Piece
    place: int
    own: bool
    """Whether the column's own vault draws it, and not one that it refers to."""


def side_of(reference: Reference) -> str:
    """Return which column of its vault a reference needs: a field is one of the value's."""
    return "token" if reference.what == "token" else "value"


def pattern_of(owner: Owner, side: str) -> Pattern:
    """Return the pattern of a vault's value or token, or of a table's column."""
    if isinstance(owner, Vault):
        return owner.value_pattern if side == "value" else owner.token_pattern
    return next(column.pattern for column in owner.columns if column.name == side)


def mistake(owner: Owner, side: str, place: int, problem: str) -> PlanError:
    """Return the error that names file, vault, column and place, in one line."""
    kind, label = ("vault", side) if isinstance(owner, Vault) else ("table", f"column {side}")
    where = f"{label}, character {place}" if place else label
    whole = one_line(f"{where}: {problem}")
    if owner.source:
        return PlanError(one_line(owner.source), f"{kind} {owner.name}: {whole}")
    return PlanError(f"{kind} {owner.name}", whole)


def _no_vault(table: Table) -> str:
    """Return what is wrong with a reference to a table."""
    from mockdata.vaults.catalogue import READY_MADE

    if table.name in READY_MADE:
        return f"{table.name} is a table here and replaces the vault; give it another name"
    return f"{table.name} is a table; refer to the vaults that its columns refer to"


class Expander:
    """Expands the columns of one set of definitions, each once."""

    def __init__(self, known: Mapping[str, Owner]) -> None:
        self._known = known
        self._items: dict[tuple[str, str], tuple[Item, ...]] = {}
        self._profiles: dict[int, tuple[Piece, Profile]] = {}
        self._path: list[tuple[str, str]] = []

    def items(self, owner: Owner, side: str) -> tuple[Item, ...]:
        """Return all pieces of a column, those of other vaults in the place of references.

        Raises PlanError for a reference that leads nowhere or back to where it stands, for a text
        that is too long or may be empty, and for a check digit of no digits.
        """
        node = (owner.name, side)
        if node not in self._items:
            self._path.append(node)
            try:
                self._items[node] = self._checked(owner, side)
            finally:
                self._path.pop()
        return self._items[node]

    def profile(self, piece: Piece) -> Profile:
        """Return the profile of a piece, computed once for equal pieces."""
        known = self._profiles.get(id(piece))
        if known is None:
            known = self._profiles[id(piece)] = (piece, profile(piece))
        return known[1]

    def vault(self, name: str) -> Vault:
        """Return the vault that a checked reference names."""
        vault = self._known[name]
        if not isinstance(vault, Vault):
            raise TypeError(vault)
        return vault

    def field(self, reference: Reference) -> Piece:
        """Return the piece that a checked reference to a field is about, maybe a reference too."""
        pieces = self.vault(reference.vault).value_pattern.pieces
        return next(piece for piece in pieces if field_of(piece) == reference.what)

    def _checked(self, owner: Owner, side: str) -> tuple[Item, ...]:
        pattern = pattern_of(owner, side)
        items: list[Item] = []
        width = 0
        for piece, place in zip(pattern.pieces, pattern.places, strict=True):
            added = [*self._expanded(owner, side, piece, place)]
            width += sum(self.profile(item.piece).most_bytes for item in added)
            if width > LIMIT:
                problem = f"a text with this may have more than {LIMIT} bytes"
                raise mistake(owner, side, place, problem)
            items += added
        self._check_contents(owner, side, items)
        return tuple(items)

    def _expanded(self, owner: Owner, side: str, piece: Piece, place: int) -> Iterable[Item]:
        if isinstance(piece, Same):
            self._enter(owner, side, place, (owner.name, "value"))
            return (replace(item, place=place) for item in self.items(owner, "value"))
        if not isinstance(piece, Reference):
            return (Item(piece, place, own=True),)
        target = self._target(owner, side, piece, place)
        end = side_of(piece)
        self._enter(owner, side, place, (target.name, end))
        items = self.items(target, end)
        if piece.what not in ("value", "token"):
            return (Item(self._drawn(owner, side, piece, place), place, own=False),)
        return (Item(item.piece, place, own=False) for item in items)

    def _enter(self, owner: Owner, side: str, place: int, node: tuple[str, str]) -> None:
        """Refuse a reference that leads back to itself."""
        if node in self._path:
            circle = [*self._path[self._path.index(node) :], node]
            names = " -> ".join(".".join(step) for step in circle)
            raise mistake(owner, side, place, f"references form a circle: {names}")
        if len(self._path) >= DEPTH:
            problem = f"more than {DEPTH} references lead from one to the next"
            raise mistake(owner, side, place, problem)

    def _target(self, owner: Owner, side: str, piece: Reference, place: int) -> Vault:
        """Return the vault that a reference names; it has what the reference asks for."""
        target = self._known.get(piece.vault)
        if target is None:
            vaults = [name for name, known in self._known.items() if isinstance(known, Vault)]
            hint = did_you_mean(piece.vault, vaults, f"{{{{{{}}.{piece.what}}}}}")
            raise mistake(owner, side, place, f"no vault {piece.vault!r}{hint}")
        if isinstance(target, Table):
            raise mistake(owner, side, place, _no_vault(target))
        fields = [name for name in map(field_of, target.value_pattern.pieces) if name]
        if piece.what in ("value", "token") or fields.count(piece.what) == 1:
            return target
        if piece.what in fields:
            problem = (
                f"{piece.vault} has more than one {piece.what}; refer to {{{piece.vault}.value}}"
            )
        else:
            known = ["value", "token", *(f for f in fields if fields.count(f) == 1)]
            hint = did_you_mean(piece.what, known, f"{{{{{piece.vault}.{{}}}}}}")
            problem = f"{piece.vault} has no {piece.what!r}{hint}"
        raise mistake(owner, side, place, problem)

    def _drawn(self, owner: Owner, side: str, piece: Reference, place: int) -> Piece:
        """Return the piece drawn for a reference to a field, in the requested case."""
        found = self.field(piece)
        if isinstance(found, Reference):
            if self.vault(piece.vault).distinct is not None:
                problem = f"{piece.vault} is distinct; did you mean {{{found.vault}.{found.what}}}?"
                raise mistake(owner, side, place, problem)
            found = self._drawn(owner, side, found, place)
        if piece.case and isinstance(found, Weighted):
            return replace(found, case=piece.case)
        return found

    def _check_contents(self, owner: Owner, side: str, items: list[Item]) -> None:
        seen = [self.profile(item.piece) for item in items]
        if not any(found.least for found in seen):
            raise mistake(owner, side, 0, "the text may be empty; put something beside it")
        digits = False
        for item, found in zip(items, seen, strict=True):
            if isinstance(item.piece, CheckDigit) and not digits:
                raise mistake(owner, side, item.place, "{luhn} has no digits before it to check")
            digits = digits or bool(found.characters & DIGITS)
