"""What a token of the value's own pattern keeps: pieces, cut where the kept ones end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mockdata.errors import plural
from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import (
    Choice,
    Date,
    Literal,
    Number,
    Piece,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.profile import Profile
from mockdata.vaults.texts import PatternError

__all__ = ["Cut", "cut"]

Measure = Callable[[Piece], Profile | None]
"""Gives the profile of a piece, or None for a reference of varying width."""

Ranges = tuple[tuple[int, int], ...]


@frozen
class Cut:
    """A value's pieces, and how many at its left and right end a token keeps as they are."""

    pieces: tuple[Piece, ...]
    places: tuple[int, ...]
    left: int = 0
    right: int = 0


def cut(pieces: Sequence[Piece], places: Sequence[int], same: Same, measure: Measure) -> Cut:
    """Cut a value's pieces so that its first L and last R characters are whole pieces.

    A number is cut in two where both halves are numbers of their own, as 0000-9999 is. A literal
    text, the timestamp and a reference are the same in a value and its token, kept or not, so a
    cut within one needs none. Raises PatternError where another piece would be cut, and where
    nothing is drawn anew.
    """
    row = list(zip(pieces, places, strict=True))
    left = _keep(row, same.left, "first", measure)
    row.reverse()
    right = _keep(row, same.right, "last", measure)
    row.reverse()
    if left + right > len(row):
        raise PatternError(0, f"keeps {same.left} and {same.right} characters, but there are fewer")
    made = Cut(tuple(p for p, _ in row), tuple(at for _, at in row), left, right)
    _check_drawn(made)
    return made


def _check_drawn(made: Cut) -> None:
    """Refuse a token that is the value itself."""
    middle = made.pieces[made.left : len(made.pieces) - made.right]
    drawn = (Choice, Number, Date, Weighted, Suffix, Uuid)
    if not any(isinstance(piece, drawn) and getattr(piece, "size", 2) > 1 for piece in middle):
        raise PatternError(0, "draws nothing, so the token would be the value itself")


def _keep(row: list[tuple[Piece, int]], wanted: int, which: str, measure: Measure) -> int:
    """Return how many pieces from the row's beginning are kept, after cutting one if need be."""
    taken, kept = 0, f"{which} {wanted} {plural(wanted, 'character')}"
    for count, (piece, place) in enumerate(row):
        if taken == wanted:
            return count
        seen = measure(piece)
        if seen is None or not seen.fixed:
            raise PatternError(0, f"keeps the {kept}, but a piece there varies in length")
        if taken + seen.least > wanted:
            if isinstance(piece, Literal | Timestamp | Reference):
                return count
            part = wanted - taken if which == "first" else seen.least - (wanted - taken)
            halves = _halves(piece, part, seen.least)
            if not halves:
                raise PatternError(0, f"keeps the {kept}, which would cut a piece in two")
            row[count : count + 1] = [
                (h, place) for h in (halves if which == "first" else halves[::-1])
            ]
            return count + 1
        taken += seen.least
    if taken < wanted:
        raise PatternError(0, f"keeps the {kept}, but there are only {taken}")
    return len(row)


def _halves(piece: Piece, part: int, width: int) -> tuple[Number, Number] | None:
    """Cut a number behind ``part`` of its digits, where any head goes with any tail."""
    if not isinstance(piece, Number):
        return None
    unit = 10 ** (width - part)
    (first, last), *others = piece.ranges
    if not others and first // unit == last // unit:
        heads: Ranges = ((first // unit, first // unit),)
        tails: Ranges = ((first % unit, last % unit),)
    elif all(a % unit == 0 and b % unit == unit - 1 for a, b in piece.ranges):
        heads = tuple((a // unit, b // unit) for a, b in piece.ranges)
        tails = ((0, unit - 1),)
    else:
        return None
    return Number(heads, part, piece.field), Number(tails, width - part, piece.field)
