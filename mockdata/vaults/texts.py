"""What texts may hold, and what their names look like; the limits that bound every definition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeGuard

from mockdata.errors import one_line

__all__ = [
    "LIMIT",
    "PatternError",
    "control",
    "did_you_mean",
    "is_name",
    "is_word",
    "nearest",
    "not_one_of",
    "shown",
    "utf8_width",
]

LIMIT: Final = 1_000
"""Bytes of UTF-8 that the text of one column may have, at most."""

LONGEST_NAME: Final = 64
"""Characters of the name of a vault, a table, a table's column or a list, at most."""

CONTROL: Final = "[\0-\x1f\x7f-\x9f\ud800-\udfff]"
"""Control characters, and surrogates, which UTF-8 cannot write."""


class PatternError(ValueError):
    """A pattern that cannot be read: the place is a 1-based character of it, or 0 for the whole."""

    def __init__(self, place: int, problem: str) -> None:
        super().__init__(place, problem)
        self.place = place
        self.problem = problem

    def __str__(self) -> str:
        return f"character {self.place}: {self.problem}" if self.place else self.problem


def control(text: str) -> int:
    """Return the 1-based place of the first character that no text may hold, or 0."""
    if text.isprintable():
        return 0  # as it nearly always is, and the expression need not be compiled
    import re

    found = re.search(CONTROL, text)
    return found.start() + 1 if found else 0


def is_word(text: str) -> bool:
    """Return whether a text is ASCII letters, digits and underscores, and begins with a letter."""
    return text.isidentifier() and text.isascii() and text[0] != "_"


def is_name(text: object) -> TypeGuard[str]:
    """Return whether something may name a vault, a table, a table's column or a list."""
    return isinstance(text, str) and is_word(text) and text.islower() and len(text) <= LONGEST_NAME


def utf8_width(text: str) -> int:
    """Return the bytes of a text that is known to have no surrogates."""
    return len(text) if text.isascii() else len(text.encode())


def shown(value: object, most: int = 40) -> str:
    """Return a value as a message shows it: in one line, a text in quotes, cut where it is long.

    A function or class is shown by its name, and an object without a text of its own by its class:
    an address in memory tells nobody anything.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= most else f"{value[:most]}...")
    if isinstance(name := getattr(value, "__qualname__", None), str):
        return name
    if type(value).__repr__ is object.__repr__:
        return f"{type(value).__qualname__} object"
    try:
        text = one_line(repr(value))
    except Exception:  # a number of thousands of digits has none
        return f"{type(value).__name__} object"
    return text if len(text) <= most else f"{text[:most]}..."


def not_one_of(word: object, known: Iterable[str]) -> str:
    """Return what is wrong with a word that is not among the known ones, and the nearest of them.

    >>> not_one_of("cvs", ["csv", "jsonl"])
    "'cvs' is not one of csv, jsonl; did you mean csv?"
    """
    words = [*known]
    return f"{shown(word)} is not one of {', '.join(words)}{nearest(word, words)}"


def did_you_mean(word: object, known: Iterable[str], form: str = "{}") -> str:
    """Return ``; did you mean ...?`` with the nearest of the known words, or what there is."""
    words = list(dict.fromkeys(known))
    every = f"; there are {', '.join(map(form.format, words))}" if 0 < len(words) <= 30 else ""
    return nearest(word, words, form) or every


def nearest(word: object, known: Iterable[str], form: str = "{}") -> str:
    """Return ``; did you mean ...?`` with the nearest of the known words, if any is near."""
    import difflib

    text = word[:LONGEST_NAME].lower() if isinstance(word, str) else ""
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.55)
    return f"; did you mean {form.format(near[0])}?" if near else ""
