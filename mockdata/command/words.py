"""What a word of the command line says: counts, starts, parts and rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mockdata.errors import PlanError
from mockdata.pipeline.plan import MAX_COUNT
from mockdata.vaults.file import Definitions
from mockdata.vaults.texts import not_one_of, shown

__all__ = ["read_counts", "read_number", "read_part", "read_rate", "read_start"]

DIGITS: Final = "[0-9]+(?:_[0-9]+)*"
COUNT: Final = f"({DIGITS})(?:(?:\\.([0-9]+))?([kKmMgGtT]))?"
RATE: Final = f"({DIGITS}(?:\\.[0-9]+)?)([kKmMgGtT]?)"
NUMBER: Final = f"-?{DIGITS}"
"""Patterns. Each is compiled when it is first used: compiling takes longer than matching."""

FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

LONGEST: Final = 40
"""Characters of a number, at most. Python takes long to read very long ones."""


def read_counts(words: Sequence[str], defined: Definitions) -> int | dict[str, int]:
    """Return what ``COUNT``, or ``VAULT=COUNT ...`` of vaults that are defined, says.

    Raises PlanError if it is neither.
    """
    if not words:
        raise PlanError("count", "give COUNT for every vault, or VAULT=COUNT for some vaults")
    named = [word for word in words if "=" in word]
    if not named:
        if len(words) > 1:
            problem = f"{shown(words[1])} is one count too many; give COUNT or VAULT=COUNT ..."
            raise PlanError("count", problem)
        return _whole("count", words[0], words[0], 1)
    for word in words:
        if "=" not in word:
            problem = f"{shown(word)} and {shown(named[0])} cannot be combined"
            raise PlanError("count", f"{problem}; give COUNT or VAULT=COUNT ...")
    return _by_vault("count", words, 1, defined)


def read_start(words: Sequence[str], defined: Definitions) -> int | dict[str, int]:
    """Return what ``N``, or ``VAULT=N,...``, says; more than one is as if joined by commas."""
    parts = [part for word in words for part in word.split(",")]
    if len(parts) == 1 and "=" not in parts[0]:
        return _whole("start", parts[0], parts[0], 0)
    for part in parts:
        if "=" not in part:
            raise PlanError("start", f"{shown(','.join(words))} is not N or VAULT=N,...")
    return _by_vault("start", parts, 0, defined)


def read_part(text: str) -> tuple[int, int]:
    """Return what ``K/N`` says."""
    number, _, parts = map(read_number, text.partition("/"))
    if isinstance(number, int) and isinstance(parts, int) and 1 <= number <= parts:
        return number, parts
    raise PlanError("part", f"{shown(text)} is not K/N with K from 1 to N")


def read_rate(text: str | None) -> float | str | None:
    """Return the rate that a text writes; a text that writes none is for the plan to refuse."""
    match = re.fullmatch(RATE, text) if text is not None else None
    return float(match[1]) * FACTORS[match[2].lower()] if match else text


def read_number(text: str) -> int | str:
    """Return the number that a text writes; a text that writes none is for the plan to refuse."""
    return int(text) if len(text) < LONGEST and re.fullmatch(NUMBER, text) else text


def _by_vault(
    argument: str, words: Sequence[str], least: int, defined: Definitions
) -> dict[str, int]:
    numbers: dict[str, int] = {}
    about = "vault" if argument == "count" else argument
    for word in words:
        vault, _, number = word.partition("=")
        name = vault.strip().lower()
        if name not in defined.known:
            raise PlanError(about, not_one_of(vault, defined.known))
        if name in numbers:
            raise PlanError(about, f"{shown(vault)} is given twice")
        numbers[name] = _whole(argument, number, word, least)
    return numbers


def _whole(argument: str, text: str, word: str, least: int) -> int:
    """Return the number that a text writes, such as 1000, 10_000, 250k or 1.5M."""
    number, rest = _value(text)
    if rest or not least <= number <= MAX_COUNT:
        problem = f"{shown(word)} is not a whole number from {least} to {MAX_COUNT}"
        raise PlanError(argument, problem)
    return number


def _value(text: str) -> tuple[int, int]:
    """Return a number's whole part, and whether there is a fraction; -1 and 0 for no number."""
    match = re.fullmatch(COUNT, text) if len(text) <= LONGEST else None
    if match is None:
        return -1, 0
    digits, fraction, letter = match[1], match[2] or "", (match[3] or "").lower()
    return divmod(int(digits + fraction) * FACTORS[letter], int("1" + "0" * len(fraction)))
