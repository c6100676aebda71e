"""A vault's lists of texts: given in place, or in a file that has a text a line or is CSV."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Final

from mockdata.errors import one_line
from mockdata.vaults.frozen import frozen
from mockdata.vaults.pieces import Choice, Piece, Weighted
from mockdata.vaults.texts import LIMIT, PatternError, control, shown, utf8_width

__all__ = ["TextList"]

BYTES: Final = 2**25
"""Bytes of a list's file, at most."""

TEXTS: Final = 2**20
"""Texts of a list, at most."""

HEAVIEST: Final = 10**12
"""The largest weight of a text."""

HEADER: Final = ["text", "weight"]


@frozen
class TextList:
    """The texts of a list, none twice, and their weights. Without weights, all weigh the same."""

    texts: tuple[str, ...]
    weights: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<{len(self.texts)} texts>"

    @classmethod
    def of(cls, given: object) -> TextList:
        """Return the list that is given: texts, a mapping of text to weight, or a file's path.

        Raises PatternError, which says what is wrong with it.
        """
        if isinstance(given, TextList):
            return given
        if isinstance(given, str | os.PathLike):
            return cls._of_file(os.fspath(given))
        if isinstance(given, Mapping):
            return _checked([*given.keys()], [*given.values()], "text")
        if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
            return _checked([*given], [], "text")
        kind = type(given).__name__
        raise PatternError(0, f"a list must be texts or the path of a file, not {kind}")

    @classmethod
    def _of_file(cls, path: str) -> TextList:
        try:
            text = _text(path)
            begin = text[: len("text,weight\n")].rstrip("\n")
            if path.lower().endswith(".csv") or begin in ("text,weight", "weight,text"):
                return _checked(*_columns(text), "line", first=2)
            lines = text.split("\n")
            del text
            return _checked(lines[:-1] if lines[-1] == "" else lines, [], "line")
        except PatternError as error:
            raise PatternError(0, one_line(f"{path}: {error.problem}")) from None

    def piece(self, field: str) -> Piece:
        """Return the piece that draws a text of the list."""
        if self.weights:
            return Weighted("list", "", self.texts, self.weights, field)
        return Choice(self.texts, field)


def _text(path: str) -> str:
    """Return the content of a regular file. Nothing else is opened: a pipe may never end."""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
        data = _beginning(path) if regular else b""
    except ValueError:
        raise PatternError(0, "not the path of a file") from None
    except OSError as error:
        raise PatternError(0, error.strerror or str(error)) from None
    if not regular:
        raise PatternError(0, "not a regular file")
    if len(data) > BYTES:
        raise PatternError(0, f"has more than {BYTES} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PatternError(0, f"line {line} is not UTF-8") from None


def _beginning(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(BYTES + 1)


def _columns(text: str) -> tuple[list[str], list[object]]:
    """Return the texts and weights of CSV with a header, whose rows are a line each."""
    import csv
    import io

    lines = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")  # smaller than StringIO
    reader = csv.reader(lines, strict=True)
    texts: list[str] = []
    weights: list[object] = []
    try:
        header = next(reader, [])
        if sorted(header) != HEADER:
            raise PatternError(
                0, "CSV must start with the line text,weight; name a plain list .txt"
            )
        at = header.index("text")
        for line, row in enumerate(reader, 2):
            if len(row) != 2 or reader.line_num != line:
                raise PatternError(0, f"line {line} must have two fields, text and weight")
            texts.append(row[at])
            weights.append(_weight(row[1 - at]))
    except csv.Error as error:
        raise PatternError(0, f"line {reader.line_num} is not CSV: {error}") from None
    return texts, weights


def _weight(text: str) -> object:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text


def _checked(
    texts: list[object] | list[str], weights: list[object], unit: str, first: int = 1
) -> TextList:
    """Check a list and return it; ``unit`` and ``first`` number its texts."""
    if not 1 <= len(texts) <= TEXTS:
        raise PatternError(0, f"has {len(texts)} texts; a list has from 1 to {TEXTS}")
    _check_texts(texts, unit, first)
    for number, weight in enumerate(weights, first):
        if type(weight) is not int or not 1 <= weight <= HEAVIEST:
            problem = f"weight {shown(weight)} is not a whole number from 1 to {HEAVIEST}"
            raise PatternError(0, f"{unit} {number}: {problem}")
    return TextList(tuple(texts), tuple(weights))  # type: ignore[arg-type]


def _check_texts(texts: list[object] | list[str], unit: str, first: int) -> None:
    """Refuse what is not a text, is empty, repeats another, or does not fit in a line."""
    seen: set[str] = set()
    for number, text in enumerate(texts, first):
        if not isinstance(text, str):
            raise PatternError(0, f"{unit} {number} is not a text: {shown(text)}")
        if not text:
            raise PatternError(0, f"{unit} {number} is empty")
        if text in seen:
            raise PatternError(0, f"{unit} {number}: {shown(text)} is there twice")
        if place := control(text):
            raise PatternError(0, f"{unit} {number} has the character {text[place - 1]!a}")
        if len(text) * 4 > LIMIT and utf8_width(text) > LIMIT:
            raise PatternError(0, f"{unit} {number} has more than {LIMIT} bytes")
        seen.add(text)
