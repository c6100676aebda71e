r"""Reading a pattern's text: literals, classes, groups, repeats and escapes.

What stands in braces and begins with a letter is a field, which ``pattern`` reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mockdata.vaults.pieces import Choice, Literal, Piece
from mockdata.vaults.texts import LIMIT, PatternError, shown

__all__ = ["Scanner"]

ESCAPED: Final = r"\[]{}()|.?*+^$"
DIGITS: Final = tuple("0123456789")
SHORTHANDS: Final = {"w": "[A-Za-z0-9_]", "D": "[A-Za-z]", "s": "a space"}

NOTHING: Final = {
    ".": r"'.' means any character; write \. for a dot, or a class such as [A-Z0-9]",
    "*": r"'*' has no upper limit; write \* for a star, or a count such as [0-9]{4}",
    "+": r"'+' has no upper limit; write \+ for a plus sign, or a count such as [0-9]{4}",
    "?": r"'?' makes something optional; write \? for a question mark, or a group such as (A|)",
    "^": r"'^' may only come first; write \^ for the character itself",
    "$": r"'$' may only come last; write \$ for the character itself",
    "|": r"'|' belongs in a group, as in (A|B); write \| for the character itself",
    "]": r"']' closes nothing; write \] for the character itself",
    ")": r"')' closes nothing; write \) for the character itself",
    "}": r"'}' closes nothing; write \} for the character itself",
}


class Scanner:
    """Reads one pattern from left to right into ``pieces`` and ``places``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.field_end = 0
        """Where a field has just ended. A dot there is itself: ``{first_name}.{last_name}``."""
        self.pieces: list[Piece] = []
        self.places: list[int] = []

    def read(self) -> None:
        """Read all of it."""
        self.at = 1 if self.text.startswith("^") else 0
        readers: dict[str, Callable[[], None]] = {
            "[": self._class, "(": self._group, "{": self.read_braces, "\\": self._escape,
        }  # fmt: skip
        while self.at < len(self.text):
            if plain := self._plain():
                self.add(Literal(plain), self.at)
                self.at += len(plain)
            elif self.text[self.at] in readers:
                readers[self.text[self.at]]()
            elif self.text[self.at] == "$" and self.at == len(self.text) - 1:
                self.at += 1
            elif self.text[self.at] == "." and self.at == self.field_end > 0:
                self.add(Literal("."), self.at)
                self.at += 1
            else:
                raise self.error(NOTHING[self.text[self.at]])
        if not self.pieces:
            raise PatternError(0, "an empty pattern gives no text")

    def read_braces(self) -> None:
        """Read what stands in braces from this place on."""
        raise NotImplementedError

    def error(self, problem: str, at: int | None = None) -> PatternError:
        """Return the error for a place, this one if no other is given."""
        return PatternError((self.at if at is None else at) + 1, problem)

    def add(self, piece: Piece, at: int, times: int = 1) -> None:
        """Add a piece; a literal goes on the one before it, and one text is a literal."""
        if isinstance(piece, Choice) and piece.size == 1 and not piece.field:
            piece = Literal(piece.texts[0][: LIMIT + 1] * times)
            times = 1
        last = self.pieces[-1] if self.pieces else None
        if isinstance(piece, Literal) and isinstance(last, Literal):
            self.pieces[-1] = piece = Literal(last.text + piece.text)
        elif piece != Literal(""):
            self.pieces.extend([piece] * times)
            self.places.extend([at + 1] * times)
        if isinstance(piece, Literal) and len(piece.text) > LIMIT:
            raise self.error(f"a text has at most {LIMIT} bytes", at)
        if len(self.pieces) > LIMIT:
            raise self.error(f"a pattern has at most {LIMIT} pieces", at)

    def _plain(self) -> str:
        """Return the characters from this place on that stand for themselves."""
        ends = (k for k in range(self.at, len(self.text)) if self.text[k] in ESCAPED)
        return self.text[self.at : next(ends, None)]

    def _escape(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "d":
            begin, self.at = self.at, self.at + 2
            self._repeated(Choice(DIGITS), begin)
        else:
            self.add(Literal(self._escaped()), self.at)
            self.at += 2

    def _escaped(self) -> str:
        """Return the character behind the backslash at this place, which stays where it is."""
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            raise self.error(r"a backslash at the end; write \\ for a backslash")
        if following in ESCAPED:
            return following
        if following == "d":
            raise self.error(r"\d means any of ten digits, but a single character belongs here")
        hint = f"a backslash may come before d and {ESCAPED}"
        if following in SHORTHANDS:
            hint = f"did you mean {SHORTHANDS[following]}?"
        elif following == "-":
            hint = "write - alone; in a class, write it last"
        raise self.error(f"no \\{following}; {hint}")

    def _class(self) -> None:
        begin, self.at = self.at, self.at + 1
        members: dict[str, None] = {}
        if self.text.startswith("^", self.at):
            raise self.error(
                r"a class lists what it has, not what it excludes; write \^ for a literal ^"
            )
        while (character := self.text[self.at : self.at + 1]) != "]":
            if not character:
                raise self.error("this '[' is never closed", begin)
            at = self.at
            for member in self._members():
                if member in members:
                    raise self.error(f"{member!r} is in this class twice", at)
                members[member] = None
        self.at += 1
        if not members:
            raise self.error("this class has no characters", begin)
        self._repeated(Choice(tuple(members)), begin)

    def _members(self) -> tuple[str, ...]:
        r"""Read a character, a range or ``\d`` of a class."""
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
            meant = f"{last}-{first}"
            if first.islower() and last.isupper() and first <= last.lower():
                meant = f"{first.upper()}-{last}{first}-{last.lower()}"  # as in [a-Z]
            raise self.error(f"{first}-{last} is the wrong way round; did you mean {meant}?", at)
        return tuple(map(chr, range(ord(first), ord(last) + 1)))

    def _member(self) -> str:
        character = self.text[self.at : self.at + 1]
        if character == "\\":
            character = self._escaped()
            self.at += 1
        elif character == "[":
            raise self.error(r"in a class, write \[ for '['")
        elif not character:
            raise self.error("a class is never closed")
        elif not character.isascii():
            raise self.error(
                f"{shown(character)} is not ASCII; a class has only ASCII, a group has any text"
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
                raise self.error(f"{shown(text)} is in this group twice", at)
            texts[text] = None
            closed = self.text[self.at] == ")"
            self.at += 1
        if len(texts) == 1 and "" in texts:
            raise self.error("this group has no texts", begin)
        self._repeated(Choice(tuple(texts)), begin)

    def _alternative(self, begin: int) -> str:
        """Read a text of a group, up to the bar or bracket behind it."""
        parts: list[str] = []
        while (character := self.text[self.at : self.at + 1]) not in ("|", ")"):
            if not character:
                raise self.error("this '(' is never closed", begin)
            if plain := self._plain():
                parts.append(plain)
                self.at += len(plain)
            elif character == "\\":
                parts.append(self._escaped())
                self.at += 2
            else:
                raise self.error(
                    f"a group has plain texts; write \\{character} for {character!r} itself"
                )
        return "".join(parts)

    def _repeated(self, choice: Choice, begin: int) -> None:
        """Add a class or group as often as the braces behind it say."""
        times = 1
        if count := self._count():
            times = self._times(count)
            self.at += len("{}") + len(count)
            if self._count():
                raise self.error("two repeats in a row; multiply the two numbers")
        self.add(choice, begin, times)

    def _count(self) -> str:
        """Return what stands in the braces of a repeat at this place; empty where there is none."""
        if self.text[self.at : self.at + 1] != "{":
            return ""
        end = self.text.find("}", self.at)
        count = self.text[self.at + 1 : end]
        return count if end > 0 and count[:1] in DIGITS and "{" not in count else ""

    def _times(self, text: str) -> int:
        if not text.isdecimal() or not text.isascii():
            raise self.error(f"a repeat is one whole number such as {{4}}, not {{{text[:20]}}}")
        if not 1 <= int(text[:20]) <= LIMIT:
            raise self.error(f"a repeat is from 1 to {LIMIT}, not {text[:20]}")
        return int(text)
