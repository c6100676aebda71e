r"""From the text of a pattern to its pieces.

A pattern is a finite regular expression with fields in braces; docs/patterns.md has the notation.
The parser looks at every character once, and each repeat is bounded by the width of a line, so a
pattern of any kind is read or refused in time and memory that grow with its length alone.

>>> Pattern.parse(r"[A-F]\d{2}-(JAN|FEB)").to_text()
'[ABCDEF][0123456789][0123456789]-(JAN|FEB)'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal as OneOf

from mockdata.vaults.pieces import (
    Case,
    CheckDigit,
    Choice,
    Index,
    Literal,
    Piece,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)
from mockdata.vaults.texts import LIMIT, PatternError, control, did_you_mean, shown

if TYPE_CHECKING:
    from mockdata.vaults.lists import TextList

__all__ = ["FIELDS", "Kind", "Pattern"]

Kind = OneOf["value", "token", "column"]

LENGTH: Final = 100_000
"""Characters of a pattern's text, at most."""

ESCAPED: Final = r"\[]{}()|.?*+^$"
DIGITS: Final = tuple("0123456789")
PLAIN: Final = re.compile(r"[^\\\[\]{}()|.?*+^$]+")
FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\.([A-Za-z][A-Za-z0-9_]*))?(?::(.*))?", re.S)

BARE: Final[Mapping[str, Piece]] = {
    "timestamp": Timestamp(),
    "suffix": Suffix(),
    "uuid": Uuid(),
    "index": Index(),
    "luhn": CheckDigit(),
    "same": Same(),
}
"""Fields that stand without arguments."""

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

SHORTHANDS: Final = {
    "w": "[A-Za-z0-9_]", "s": "a space", "D": "[A-Za-z]", "t": "a space", "n": "a space",
}  # fmt: skip

NOTHING: Final = {
    ".": r"'.' would stand for any character; write \. for itself, or a class such as [A-Z0-9]",
    "*": r"'*' would have no end; write \* for itself, or a count such as [0-9]{4}",
    "+": r"'+' would have no end; write \+ for itself, or a count such as [0-9]{4}",
    "?": r"'?' would leave something out; write \? for itself, or a group such as (A|)",
    "^": r"'^' stands at the beginning alone; write \^ for itself",
    "$": r"'$' stands at the end alone; write \$ for itself",
    "|": r"'|' stands in a group alone, as in (A|B); write \| for itself",
    "]": r"']' closes nothing; write \] for itself",
    ")": r"')' closes nothing; write \) for itself",
    "}": r"'}' closes nothing; write \} for itself",
}


@dataclass(frozen=True, slots=True)
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
            raise PatternError(place, f"a pattern has no character {ascii(text[place - 1])}")
        parser = _Parser(text, lists or {}, kind)
        parser.read()
        return cls(text, tuple(parser.pieces), tuple(parser.places))

    def to_text(self) -> str:
        """Return its classes, groups and literals, spelled out; a field as it is."""
        return "".join(
            piece.text if isinstance(piece, Literal) else _spelled(piece) for piece in self.pieces
        )


def _spelled(piece: Piece) -> str:
    if not isinstance(piece, Choice):
        return repr(piece)
    single = all(len(text) == 1 for text in piece.texts)
    return f"[{''.join(piece.texts)}]" if single else f"({'|'.join(piece.texts)})"


class _Parser:
    """Reads one pattern from left to right into ``pieces`` and ``places``."""

    def __init__(self, text: str, lists: Mapping[str, TextList], kind: Kind) -> None:
        self.text, self.lists, self.kind = text, lists, kind
        self.at = 0
        self.field_end = 0
        """Where a field has just ended: a dot there is itself, as in ``{first_name}.{last_name}``."""
        self.pieces: list[Piece] = []
        self.places: list[int] = []

    def read(self) -> None:
        """Read all of it."""
        self.at = 1 if self.text.startswith("^") else 0
        readers: dict[str, Callable[[], None]] = {
            "[": self._class, "(": self._group, "{": self._braces, "\\": self._escape,
        }  # fmt: skip
        while self.at < len(self.text):
            plain = PLAIN.match(self.text, self.at)
            if plain:
                self._add(Literal(plain[0]), self.at)
                self.at = plain.end()
            elif self.text[self.at] in readers:
                readers[self.text[self.at]]()
            elif self.text[self.at] == "$" and self.at == len(self.text) - 1:
                self.at += 1
            elif self.text[self.at] == "." and self.at == self.field_end > 0:
                self._add(Literal("."), self.at)
                self.at += 1
            else:
                raise self._error(NOTHING[self.text[self.at]])
        if not self.pieces:
            raise PatternError(0, "an empty pattern gives no text")

    def _error(self, problem: str, at: int | None = None) -> PatternError:
        return PatternError((self.at if at is None else at) + 1, problem)

    def _add(self, piece: Piece, at: int, times: int = 1) -> None:
        """Add a piece; a literal goes on the one before it, and one text is a literal."""
        if isinstance(piece, Choice) and piece.size == 1 and not piece.field:
            piece = Literal(piece.texts[0][: LIMIT + 1] * times)
            times = 1
        if isinstance(piece, Literal) and self.pieces and isinstance(self.pieces[-1], Literal):
            self.pieces[-1] = Literal(self.pieces[-1].text + piece.text)
        elif piece != Literal(""):
            self.pieces.extend([piece] * times)
            self.places.extend([at + 1] * times)
        if len(self.pieces) > LIMIT:
            raise self._error(f"a pattern has at most {LIMIT} pieces", at)

    def _escape(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "d":
            begin, self.at = self.at, self.at + 2
            self._repeated(Choice(DIGITS), begin)
        else:
            self._add(Literal(self._escaped(ESCAPED)), self.at)
            self.at += 2

    def _escaped(self, allowed: str) -> str:
        """Return the character behind the backslash at this place, which stays where it is."""
        following = self.text[self.at + 1 : self.at + 2]
        if following and following in allowed:
            return following
        if not following:
            raise self._error(r"a backslash at the end; write \\ for itself")
        if following in SHORTHANDS:
            hint = f"; did you mean {SHORTHANDS[following]}?"
        else:
            hint = f"; \\ stands before d and {ESCAPED}"
        raise self._error(f"no \\{following}{hint}")

    def _class(self) -> None:
        begin, self.at = self.at, self.at + 1
        members: dict[str, None] = {}
        if self.text.startswith("^", self.at):
            raise self._error(r"a class says what it has, not what it lacks; write \^ for itself")
        while (character := self.text[self.at : self.at + 1]) != "]":
            if not character:
                raise self._error("this '[' is never closed", begin)
            at = self.at
            for member in self._members():
                if member in members:
                    raise self._error(f"{member!r} is in this class twice", at)
                members[member] = None
        self.at += 1
        if not members:
            raise self._error("this class has no characters", begin)
        self._repeated(Choice(tuple(members)), begin)

    def _members(self) -> tuple[str, ...]:
        """Read a character, a range or ``\\d`` of a class."""
        if self.text.startswith("\\d", self.at):
            self.at += 2
            return DIGITS
        at = self.at
        first = self._member()
        if self.text[self.at : self.at + 1] != "-" or self.text.startswith("-]", self.at):
            return (first,)
        self.at += 1
        last = self._member()
        if first > last:
            hint = f"{first}-{last} is the wrong way round; did you mean {last}-{first}?"
            raise self._error(hint, at)
        return tuple(map(chr, range(ord(first), ord(last) + 1)))

    def _member(self) -> str:
        character = self.text[self.at : self.at + 1]
        if character == "\\":
            character = self._escaped(ESCAPED)
            self.at += 1
        elif character == "[":
            raise self._error(r"'[' within a class is written \[")
        elif not character:
            raise self._error("a class is never closed")
        elif not character.isascii():
            raise self._error(
                f"{shown(character)} is beyond ASCII; a class has ASCII alone, a group any text"
            )
        self.at += 1
        return character

    def _group(self) -> None:
        begin, self.at = self.at, self.at + 1
        texts: dict[str, None] = {}
        closed = False
        while not closed:
            at = self.at
            text = self._alternative(begin)
            if text in texts:
                raise self._error(f"{shown(text)} is in this group twice", at)
            texts[text] = None
            closed = self.text[self.at] == ")"
            self.at += 1
        if len(texts) == 1 and "" in texts:
            raise self._error("this group has no texts", begin)
        self._repeated(Choice(tuple(texts)), begin)

    def _alternative(self, begin: int) -> str:
        """Read a text of a group, up to the bar or bracket behind it."""
        parts: list[str] = []
        while (character := self.text[self.at : self.at + 1]) not in ("|", ")"):
            if not character:
                raise self._error("this '(' is never closed", begin)
            plain = PLAIN.match(self.text, self.at)
            if plain:
                parts.append(plain[0])
                self.at = plain.end()
            elif character == "\\":
                parts.append(self._escaped(ESCAPED))
                self.at += 2
            else:
                raise self._error(
                    f"{character!r} in a group of plain texts; write \\{character} for itself"
                )
        return "".join(parts)

    def _repeated(self, choice: Choice, begin: int) -> None:
        """Add a class or group as often as the braces behind it say."""
        times, found = 1, re.compile(r"\{([0-9][^{}]*)\}").match(self.text, self.at)
        if found:
            times = self._times(found[1])
            self.at = found.end()
            if re.compile(r"\{[0-9]").match(self.text, self.at):
                raise self._error("a repeat is not repeated; multiply the two numbers")
        self._add(choice, begin, times)

    def _times(self, text: str) -> int:
        if not text.isdecimal() or not text.isascii():
            raise self._error(f"a repeat is one whole number, as {{4}}, and not {{{text[:20]}}}")
        if not 1 <= int(text[:20]) <= LIMIT:
            raise self._error(f"a repeat is from 1 to {LIMIT}, and not {text[:20]}")
        return int(text)

    def _braces(self) -> None:
        begin, end = self.at, self.text.find("}", self.at)
        inside = self.text[begin + 1 : end]
        if end < 0 or "{" in inside:
            raise self._error(r"this '{' is never closed; write \{ for itself")
        if inside[:1].isdigit():
            raise self._error(
                f"{{{inside[:20]}}} repeats a class or a group; there is none before it"
            )
        found = FIELD.fullmatch(inside)
        if not found:
            raise self._error(f"{shown(inside)} in braces is no field{self._known(inside)}")
        self.at = self.field_end = end + 1
        name, what, arguments = found.groups()
        place = begin + 2 + len(name) + 1
        if what is not None:
            self._add(self._reference(name, what, arguments, begin), begin)
        else:
            self._add(self._field(name, arguments, begin, place), begin)

    def _field(self, name: str, arguments: str | None, begin: int, place: int) -> Piece:
        if name == "same" and self.kind != "token":
            raise self._error("{same} is for tokens: the value's pattern, once more", begin)
        if name == "same" and any(isinstance(piece, Same) for piece in self.pieces):
            raise self._error("{same} stands in a token once", begin)
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
                raise self._error(f"{{{name}}} is a list and takes nothing behind a colon", begin)
            return self.lists[name].piece(name)
        raise self._error(self._unknown(name, arguments), begin)

    def _unknown(self, name: str, arguments: str | None) -> str:
        if name in ARGUED:
            form = {"number": "{number:1-899}", "date": "{date:1940-01-01..2010-12-31}"}[name]
            return f"{{{name}}} lacks its bounds; did you mean {form}?"
        if name in BARE:
            return f"{{{name}}} takes nothing behind a colon; did you mean {{{name}}}?"
        return f"no field {{{name[:40]}}}{self._known(name)}"

    def _known(self, word: str) -> str:
        known = sorted((FIELDS | self.lists.keys()) - ({"same"} if self.kind != "token" else set()))
        return did_you_mean(word, known, "{{{}}}")

    def _case(self, name: str, arguments: str | None, begin: int) -> Case:
        if arguments is None:
            return ""
        if arguments not in ("lower", "title"):
            hint = did_you_mean(arguments, ("lower", "title"), f"{{{{{name}:{{}}}}}}")
            raise self._error(f"no {shown(arguments)} of {{{name}}}{hint}", begin)
        return arguments  # type: ignore[return-value]

    def _reference(self, vault: str, what: str, arguments: str | None, begin: int) -> Piece:
        if arguments is not None and what not in NAMES:
            raise self._error(f"{{{vault}.{what}}} takes nothing behind a colon", begin)
        return Reference(vault, what, self._case(f"{vault}.{what}", arguments, begin))
