"""Profiles: the widths that a piece's texts may have, and the characters at each place of them.

A profile allows every text of its piece and possibly more, so that what is impossible for profiles
is impossible for the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mockdata.vaults.frozen import frozen
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

__all__ = ["DIGITS", "NAME_WIDTHS", "Profile", "cased", "character_set", "profile"]

OTHER: Final = 1 << 128
"""Stands for every character beyond ASCII: two of them may be the same."""

RECORDS: Final = 2**40
SMALL: Final = 10_000
"""Texts up to which each place has characters of its own; more share those of all places."""

FEW: Final = 1_000
"""Numbers of varying width that are spelled out, at most."""


@frozen
class Profile:
    """The widths, in characters, that a piece's texts may have, and sets of characters by place.

    A set is an int whose bit k stands for the character k; bit 128 is any beyond ASCII.
    """

    widths: frozenset[int]
    places: tuple[int, ...]
    most_bytes: int
    texts: tuple[str, ...] = ()
    """All its texts, if their widths vary and they are not too many."""

    @property
    def least(self) -> int:
        """The fewest characters that a text has."""
        return min(self.widths)

    @property
    def fixed(self) -> bool:
        """Whether all texts have the same number of characters."""
        return len(self.widths) == 1

    @property
    def characters(self) -> int:
        """The set of all its characters."""
        union = 0
        for characters in self.places:
            union |= characters
        return union


def character_set(characters: str | set[str]) -> int:
    """Return the set of some characters, as a profile has it."""
    union = 0
    for character in set(characters):
        union |= 1 << ord(character) if character.isascii() else OTHER
    return union


DIGITS: Final = character_set("0123456789")
HEX: Final = character_set("0123456789abcdef")
UPPER: Final = character_set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER: Final = character_set("abcdefghijklmnopqrstuvwxyz")
BASE32: Final = LOWER | character_set("234567")
DASH: Final = character_set("-")

NAME_WIDTHS: Final = {"first_name": range(2, 13), "last_name": range(2, 16)}
"""Letters of the census's names, all of them A to Z."""

DIRECTIVE_WIDTHS: Final = {"Y": 4, "y": 2, "m": 2, "d": 2, "b": 3, "j": 3}


def profile(piece: Piece) -> Profile:
    """Return the profile of a piece that depends on no other vault."""
    return _PROFILES[type(piece)](piece)


def _fixed(places: Sequence[int]) -> Profile:
    return Profile(frozenset({len(places)}), tuple(places), len(places))


def _texts(texts: tuple[str, ...]) -> Profile:
    widths = frozenset(map(len, texts))
    longest = max(widths)
    few = texts if len(texts) <= SMALL and len(widths) > 1 else ()
    if len(texts) <= SMALL:
        places = [
            character_set({text[k] for text in texts if k < len(text)}) for k in range(longest)
        ]
    else:
        places = [character_set(set().union(*texts))] * longest
    ascii_alone = all(characters < OTHER for characters in places)
    most = longest if ascii_alone else max(len(text.encode()) for text in texts)
    return Profile(widths, tuple(places), most, few)


def _weighted(piece: Weighted) -> Profile:
    """Return the profile of a list's texts, or of a name's."""
    if piece.source == "list":
        return _texts(tuple(cased(piece.texts, piece.case)))
    widths = NAME_WIDTHS[piece.source]
    first, rest = {"": (UPPER, UPPER), "lower": (LOWER, LOWER), "title": (UPPER, LOWER)}[piece.case]
    return Profile(frozenset(widths), (first, *[rest] * (max(widths) - 1)), max(widths))


def _digits(least: int, most: int) -> Profile:
    return Profile(frozenset(range(least, most + 1)), (DIGITS,) * most, most)


def _number(number: Number) -> Profile:
    widths = {
        max(number.width, width)
        for first, last in number.ranges
        for width in range(len(str(first)), len(str(last)) + 1)
    }
    few = number.size if len(widths) > 1 and number.size <= FEW else 0
    texts = tuple(number.text(k) for k in range(few))
    return Profile(frozenset(widths), (DIGITS,) * max(widths), max(widths), texts)


def _date(date: Date) -> Profile:
    head, *parts = date.format.split("%")
    places = [character_set(c) for c in head]
    extra = len(head.encode()) - len(head)
    for part in parts:
        letters = UPPER | LOWER if part[0] == "b" else DIGITS
        places += [letters] * DIRECTIVE_WIDTHS[part[0]] + [character_set(c) for c in part[1:]]
        extra += len(part.encode()) - len(part)
    return Profile(frozenset({len(places)}), tuple(places), len(places) + extra)


def _index(index: Index) -> Profile:
    return _digits(len(str(index.start)), len(str(index.start + index.step * RECORDS)))


def cased(texts: Iterable[str], case: str) -> Iterable[str]:
    """Return texts in a case, each as its method of that name writes it."""
    return map(getattr(str, case), texts) if case else texts


_PROFILES: Final[dict[type, Callable[[Any], Profile]]] = {
    Literal: lambda piece: _texts((piece.text,)),
    Choice: lambda piece: _texts(piece.texts),
    Weighted: _weighted,
    Number: _number,
    Date: _date,
    Index: _index,
    Suffix: lambda _: _fixed([BASE32] * 16),
    Uuid: lambda _: _fixed([DASH if k in (8, 13, 18, 23) else HEX for k in range(36)]),
    Timestamp: lambda _: _fixed([DIGITS] * 10),
    CheckDigit: lambda _: _fixed([DIGITS]),
}
