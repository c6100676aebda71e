"""A program: how a range of indices becomes bytes, as plain data that any renderer can run.

``mockdata.render.compile`` makes it out of columns and a layout; it names no pattern and no vault.
A **register** holds one 64-bit word a record. Register 0 is the record's index, and each step
computes registers out of others, or puts texts into the rows of an output:

- ``Distinct``, ``Permute``, ``Word``: from the index to hashes, and to words to draw from.
- ``Pick``, ``Fraction``, ``Digit``, ``Wide``: from words to rows of tables.
- ``Scatter``, ``Join``, ``Split``, ``Tweak``: numbers below a number of combinations.
- ``Shift``, ``Justify``, ``CheckDigit``: numbers and check digits.
- ``PutText``, ``PutSuffix``, ``PutUuid``, ``PutLength``: into a row.

**Words.** A column's hash h gives it words to draw from. Word 0 is ``w = h * DRAW``, folded:
``w ^ w >> 32``. Word k is what ``mix`` of SplitMix64 makes of ``h + k * GOLDEN``. The first
weighted piece of a column takes the upper 32 bits of word 0, the second the lower, the third the
upper of word 1, and so on. Even pieces that are drawn take the words that follow, the first one if
there is no weighted piece.

**Even draws.** Even pieces share the top 48 bits of a word, a fraction f, for as long as the
product P of their sizes stays at or below 2**30; then comes the next word. ``f * P``, without what
is behind the point, is a number below P, and its digits are the pieces' texts, the first piece most
significant. It is computed piece by piece: times n, the whole part is a draw below n, and what is
behind the point is the next fraction. A piece of a size above 2**30 takes two words of its own: the
first, followed by the second, as a fraction of 128 bits; the next piece begins another word.
``Program.bias`` bounds how much likelier than another a combination is.

**Permuted in the format.** Otherwise the even pieces of a column are the digits of one number, the
permuted index (``permute.Rounds``), again the first most significant. Where there are more than
2**63 combinations, the first piece that has 2**48 texts or more takes the index; if there is none,
the pieces from the first on, until they have 2**48 combinations or more. The others are drawn as
above.

**Of a number of distinct records**, an index has number ``h * distinct >> 64``, for the hash h of
the stream ``distinct`` of its vault. That number is the index of both columns, and of what they
refer to.

**A token of the value's own pattern** has the value's kept pieces as they are. Its free even pieces
hold the number that they hold in the value, permuted by rounds of the token's stream whose keys a
``Tweak`` is added to: of the number that the kept even pieces hold, and the rows of the kept
weighted ones. Adding the same to the keys of all rounds gives a permutation again, so tokens of
values that agree in what is kept differ. Of more than 2**63 combinations, each part of the pieces
is a number, and the tweak of each is of the parts before it, too. Free weighted pieces are drawn
from a ``Tweak`` of all this and their rows in the value. So a token is a function of its value.

**Rows.** An output whose lines have one width has rows of this width, one after the other. Else a
row has several units of ``unit`` bytes: the text of each begins at its unit, and is moved to where
the one before it ends.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

from mockdata.render.items import Item
from mockdata.render.places import Place
from mockdata.render.steps import Step
from mockdata.vaults.frozen import frozen

__all__ = ["Line", "Program"]


@frozen
class Line:
    """The rows of one output. ``template`` has all literals in their places.

    A row of varying width has units of ``unit`` bytes, ``advances`` long, or as long as steps say
    where that is 0. ``head`` begins the output's first line; it ends every row, so that it begins
    the next line, and the last line is cut.
    """

    template: bytes
    unit: int = 0
    advances: tuple[int, ...] = ()
    head: bytes = b""
    longest: int = 0
    """Bytes of a line, at most."""
    items: tuple[Item, ...] = ()
    """What the lines consist of, for a renderer that has no rows."""

    @property
    def is_fixed(self) -> bool:
        """Whether all lines have the same width."""
        return not self.unit


class Program:
    """Steps, in order, and the rows that they fill.

    Programs of the same content are one object in a process: they are sent packed, with a digest,
    and unpacked only when they first arrive. ``quoted`` says for each column whether the layout
    puts it in CSV quotes. ``bias`` is how much likelier one combination of evenly drawn pieces can
    be than another. ``offsets`` asks for the offsets of each output's lines as well.
    """

    def __init__(
        self,
        registers: int,
        steps: tuple[Step, ...],
        lines: tuple[Line, ...],
        quoted: tuple[bool, ...],
        bias: float,
        *,
        offsets: bool = False,
    ) -> None:
        self.registers, self.steps, self.lines = registers, steps, lines
        self.quoted, self.bias, self.offsets = quoted, bias, offsets
        self.place: Place | None = None
        """A file that has ``packed``: tasks then need not carry it, and a process reads it once."""

    @cached_property
    def packed(self) -> bytes:
        """The program in the form that another process receives."""
        import pickle

        content = (self.registers, self.steps, self.lines, self.quoted, self.bias)
        return pickle.dumps((content, self.offsets), pickle.HIGHEST_PROTOCOL)

    @cached_property
    def digest(self) -> bytes:
        """Identifies the program."""
        return hashlib.blake2b(self.packed, digest_size=16).digest()

    def __reduce__(self) -> tuple[Callable[..., Program], tuple[Any, ...]]:
        if self.place is not None:
            return _fetched, (self.digest, self.place, len(self.packed))
        return _arrived, (self.digest, self.packed)


_programs: WeakValueDictionary[bytes, Program] = WeakValueDictionary()


def _arrived(digest: bytes, packed: bytes) -> Program:
    found = _programs.get(digest)
    if found is None:
        import pickle

        content, offsets = pickle.loads(packed)  # noqa: S301  (from the process that sent it)
        found = Program(*content, offsets=offsets)
        found.packed = packed
        _programs[digest] = found
    return found


def _fetched(digest: bytes, place: Place, size: int) -> Program:
    found = _programs.get(digest)
    if found is None:
        with open(place.open(os.O_RDONLY), "rb") as file:
            found = _arrived(digest, file.read(size))
    return found
