r"""From the text of a pattern to its pieces.

A pattern is a finite regular expression with fields in braces. The notation is described in
docs/reference/patterns.md. The parser looks at every character once, and each repeat is bounded by
the width of a line, so a pattern of any kind is read or refused in time and memory that grow with
its length alone.

>>> Pattern.parse(r"[AB]{2}-(JAN|FEB)").pieces[1:]
(Choice(texts=('A', 'B'), field=''), Literal(text='-'), Choice(texts=('JAN', 'FEB'), field=''))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from typing import Literal as OneOf

from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import (
    Case,
    CheckDigit,
    Index,
    Piece,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.scanner import Scanner
from mockdata.vaults.texts import PatternError, control, did_you_mean, is_word, shown

if TYPE_CHECKING:
    from mockdata.vaults.lists import TextList

__all__ = ["FIELDS", "Kind", "Pattern"]

Kind = OneOf["value", "token", "column"]

LENGTH: Final = 100_000
"""Characters of a pattern's text, at most."""

BARE: Final[Mapping[str, Piece]] = {
    "timestamp": Timestamp(),
    "suffix": Suffix(),
    "uuid": Uuid(),
    "index": Index(),
    "luhn": CheckDigit(),
    "same": Same(),
}
"""Fields that have no arguments."""

ARGUED: Final = {
    "number": "number",
    "date": "date",
    "index": "index",
    "luhn": "check_digit",
    "same": "same",
}
"""Fields that take arguments, and the function of ``fields`` that reads them."""

NAMES: Final = ("first_name", "last_name")
FIELDS: Final = frozenset({*BARE, *ARGUED, *NAMES})


@frozen
class Pattern:
    """A pattern, read: its text, its pieces, and at which character of the text each begins."""

    text: str
    pieces: tuple[Piece, ...]
    places: tuple[int, ...]

    @classmethod
    def parse(
        cls, text: str, lists: Mapping[str, TextList] | None = None, kind: Kind = "value"
    ) -> Pattern:
        """Read a pattern whose fields may name ``lists``.

        Raises PatternError, which says what is wrong at which character.
        """
        if len(text) > LENGTH:
            raise PatternError(LENGTH + 1, f"a pattern has at most {LENGTH} characters")
        if place := control(text):
            raise PatternError(place, f"a pattern cannot have the character {text[place - 1]!a}")
        parser = _Parser(text, lists or {}, kind)
        parser.read()
        return cls(text, tuple(parser.pieces), tuple(parser.places))


class _Parser(Scanner):
    """Reads a pattern whose fields may name lists."""

    def __init__(self, text: str, lists: Mapping[str, TextList], kind: Kind) -> None:
        super().__init__(text)
        self.lists, self.kind = lists, kind

    def read_braces(self) -> None:
        """Read a field; the braces of a repeat are read with the class before it."""
        begin, end = self.at, self.text.find("}", self.at)
        inside = self.text[begin + 1 : end]
        if end < 0 or "{" in inside:
            raise self.error(r"this '{' is never closed; write \{ for the character itself")
        if inside[:1].isdigit():
            raise self.error(
                f"{{{inside[:20]}}} repeats a class or a group; there is none before it"
            )
        head, colon, rest = inside.partition(":")
        name, dot, what = head.partition(".")
        if not is_word(name) or (dot and not is_word(what)):
            raise self.error(f"{shown(inside)} in braces is no field{self._known(inside)}")
        self.at = self.field_end = end + 1
        arguments = rest if colon else None
        place = begin + 2 + len(name) + 1
        if dot:
            self.add(self._reference(name, what, arguments, begin), begin)
        else:
            self.add(self._field(name, arguments, begin, place), begin)

    def _field(self, name: str, arguments: str | None, begin: int, place: int) -> Piece:
        if name == "same" and self.kind != "token":
            raise self.error("{same} is for tokens: the value's pattern, once more", begin)
        if name == "same" and any(isinstance(piece, Same) for piece in self.pieces):
            raise self.error("{same} stands in a token once", begin)
        if name in NAMES:
            return Weighted(name, self._case(name, arguments, begin), field=name)  # type: ignore[arg-type]
        if arguments is None and name in BARE:
            return BARE[name]
        if arguments is not None and name in ARGUED:
            from mockdata.vaults import fields

            piece: Piece = getattr(fields, ARGUED[name])(arguments, place)
            return piece
        if name in self.lists:
            if arguments is not None:
                raise self.error(f"{{{name}}} is a list and takes nothing after a colon", begin)
            return self.lists[name].piece(name)
        raise self.error(self._unknown(name, arguments), begin)

    def _unknown(self, name: str, arguments: str | None) -> str:
        if name in ARGUED:
            form = {"number": "{number:1-899}", "date": "{date:1940-01-01..2010-12-31}"}[name]
            return f"{{{name}}} lacks its bounds; did you mean {form}?"
        if name in BARE:
            return f"{{{name}}} takes nothing after a colon; did you mean {{{name}}}?"
        return f"no field {{{name[:40]}}}{self._known(name)}"

    def _known(self, word: str) -> str:
        known = sorted((FIELDS | self.lists.keys()) - ({"same"} if self.kind != "token" else set()))
        return did_you_mean(word, known, "{{{}}}")

    def _case(self, name: str, arguments: str | None, begin: int) -> Case:
        if arguments is None:
            return ""
        if arguments not in ("lower", "title"):
            hint = did_you_mean(arguments, ("lower", "title"), f"{{{{{name}:{{}}}}}}")
            raise self.error(f"no {shown(arguments)} of {{{name}}}{hint}", begin)
        return arguments  # type: ignore[return-value]

    def _reference(self, vault: str, what: str, arguments: str | None, begin: int) -> Piece:
        if arguments is not None and what not in NAMES:
            raise self.error(f"{{{vault}.{what}}} takes nothing after a colon", begin)
        return Reference(vault, what, self._case(f"{vault}.{what}", arguments, begin))
