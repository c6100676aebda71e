"""The steps of a program, and the tables that they need: plain data, which ``program`` explains."""

from __future__ import annotations

from typing import Final

from mockdata.render.permute import Permutation, Rounds
from mockdata.vaults.frozen import frozen

__all__ = [
    "INDEX",
    "CheckDigit",
    "Days",
    "Digit",
    "Distinct",
    "Factor",
    "Fraction",
    "Join",
    "Justify",
    "Names",
    "Numbers",
    "Permute",
    "Pick",
    "PutLength",
    "PutSuffix",
    "PutText",
    "PutUuid",
    "Scatter",
    "Shift",
    "Split",
    "Step",
    "Table",
    "Term",
    "Texts",
    "Tweak",
    "Weights",
    "Wide",
    "Word",
]

INDEX: Final = 0
"""The register of the record's index."""


@frozen
class Texts:
    """A table's texts, or a literal if it is one."""

    texts: tuple[bytes, ...]


@frozen
class Numbers:
    """The numbers of ascending, inclusive ranges, in ``width`` digits, or without zeros if 0."""

    ranges: tuple[tuple[int, int], ...]
    width: int


@frozen
class Days:
    """``size`` days from the proleptic ordinal ``first`` on, as ``format`` says."""

    first: int
    size: int
    format: str


@frozen
class Names:
    """The names of the census, in one of the cases of ``mockdata.vaults.pieces.Case``."""

    source: str
    case: str


Factor = Texts | Numbers | Days | Names


@frozen
class Table:
    """Texts: every combination of the factors' texts, the first factor most significant.

    ``end`` follows each text. The table has the bytes from ``start`` up to ``start + width``, with
    zeros where a text is shorter; if ``width`` is 0, it has all bytes of the longest text.
    """

    factors: tuple[Factor, ...]
    end: bytes = b""
    start: int = 0
    width: int = 0


@frozen
class Weights:
    """Weights of a table's rows: the name of a census table, or the numbers themselves."""

    source: str
    weights: tuple[int, ...] = ()


@frozen
class Distinct:
    """``out = permuted source * size >> 64``."""

    out: int
    source: int
    key: Permutation
    size: int


@frozen
class Permute:
    """``out`` = the permuted ``source``: a hash."""

    out: int
    source: int
    key: Permutation


@frozen
class Word:
    """``out`` = the word of this number of a hash."""

    out: int
    hash: int
    number: int


@frozen
class Pick:
    """``out`` = a row by its weight: by the upper or the lower 32 bits of a word."""

    out: int
    word: int
    lower: bool
    weights: Weights


@frozen
class Fraction:
    """``out = word >> 16``."""

    out: int
    word: int


@frozen
class Digit:
    """``out = fraction * size >> 48``; the fraction becomes what is left behind the point."""

    out: int
    fraction: int
    size: int


@frozen
class Wide:
    """``out = (first << 64 | second) * size >> 128``."""

    out: int
    first: int
    second: int
    size: int


@frozen
class Scatter:
    """``left * rounds.right + right`` = ``number``, permuted; ``tweak`` is added to every key.

    A number that is not below ``rounds.size`` is reduced modulo it; ``tweak`` is -1 if there is
    none.
    """

    left: int
    right: int
    number: int
    rounds: Rounds
    tweak: int = -1


@frozen
class Join:
    """``out = high * size + low``."""

    out: int
    high: int
    size: int
    low: int


@frozen
class Split:
    """``high, low = divmod(number, size)``."""

    high: int
    low: int
    number: int
    size: int


@frozen
class Tweak:
    """``out`` = a hash of registers: ``z = (z ^ register) * FILL; z ^= z >> 32``, from key on."""

    out: int
    key: int
    registers: tuple[int, ...]


@frozen
class Shift:
    """``out = number * step + start``, and ``gap`` more from each ``at`` on."""

    out: int
    number: int
    start: int
    step: int = 1
    gaps: tuple[tuple[int, int], ...] = ()


@frozen
class Justify:
    """``length`` = the digits of ``number``; ``out = number * 10 ** (digits - length)``."""

    out: int
    length: int
    number: int
    digits: int


@frozen
class Term:
    """What a check digit is computed from: ``text``, ``suffix``, ``uuid`` or ``number``.

    ``source`` is the register of a table's row (-1: it has one), of a hash or of the number.
    """

    kind: str
    source: int
    table: Table = Table(())


@frozen
class CheckDigit:
    """``out`` = the Luhn check digit of the terms, the last one first."""

    out: int
    terms: tuple[Term, ...]


@frozen
class PutText:
    """Put the text in row ``pick`` of a table to places: outputs, and offsets in their rows."""

    pick: int
    table: Table
    places: tuple[tuple[int, int], ...]


@frozen
class PutSuffix:
    """Put the 16 characters of a hash to places."""

    hash: int
    places: tuple[tuple[int, int], ...]


@frozen
class PutUuid:
    """Put the 36 characters of a hash to places."""

    hash: int
    places: tuple[tuple[int, int], ...]


@frozen
class PutLength:
    """Set the bytes of a unit: of a table's text, or what a register says; ``more`` is added."""

    pick: int
    table: Table | None
    more: int
    places: tuple[tuple[int, int], ...]


Step = (
    Distinct
    | Permute
    | Word
    | Pick
    | Fraction
    | Digit
    | Wide
    | Scatter
    | Join
    | Split
    | Tweak
    | Shift
    | Justify
    | CheckDigit
    | PutText
    | PutSuffix
    | PutUuid
    | PutLength
)
