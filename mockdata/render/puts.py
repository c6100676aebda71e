"""The steps of a program that put texts into rows, and check digits, in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mockdata.render.arithmetic import Run
from mockdata.render.items import UUID_FIELDS
from mockdata.render.outputs import Output
from mockdata.render.steps import CheckDigit, PutLength, PutSuffix, PutText, PutUuid, Term
from mockdata.render.tables import lengths, luhn, texts
from mockdata.render.words import FILL, HALF, U, Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Puts", "spelled_suffix"]

HIGH_3_BITS: Final = U(5)
FIRST_PLACES: Final = U(0x1F1F1F1F1F1F1F1F)
LAST_PLACES: Final = U(0x0707070707070707)
FILLED_BITS: Final = U(0x1818181818181818)
LETTERS: Final = np.uint8(26)
LETTER_A: Final = np.uint8(ord("a"))
TO_DIGIT: Final = np.uint8((ord("2") - ord("a") - 26) % 256)
"""What takes the 27th "letter" to the digit 2, modulo 256."""

NIBBLES: Final = U(0x0F0F0F0F0F0F0F0F)
NIBBLE: Final = U(4)
TEN: Final = np.uint8(10)
DIGIT_0: Final = np.uint8(ord("0"))
TO_LETTER: Final = np.uint8(ord("a") - ord("0") - 10)


class Puts:
    """Binds steps to the rows of outputs.

    ``work`` has two words a record, ``places`` four.
    """

    def __init__(
        self,
        registers: dict[int, Words],
        work: Words,
        places: Words,
        outputs: Sequence[Output],
    ) -> None:
        self._registers = registers
        self._work, self._places = work, places
        self._capacity = len(work) // 2
        self._outputs = outputs

    def bind(self, step: object) -> Run:
        """Return what runs a step."""
        run: Run = getattr(self, f"_{type(step).__name__.lower()}")(step)
        return run

    def _field(self, output: int, offset: int, dtype: Any) -> NDArray[Any]:
        return self._outputs[output].field(offset, dtype)

    def _puttext(self, step: PutText) -> Run:
        pick = self._registers[step.pick].view(np.intp)
        table = texts(step.table)
        fields = [self._field(*place, table.dtype) for place in step.places]
        spare = self._places.view(np.uint8)[: self._capacity * table.itemsize]
        if len(spare) < self._capacity * table.itemsize:
            spare = np.empty(self._capacity * table.itemsize, np.uint8)
        found = spare.view(table.dtype)
        if fields[0].flags.c_contiguous:
            found, *fields = fields

        def run(_: int, size: int) -> None:
            made = table.take(pick[:size], out=found[:size], mode="clip")
            for field in fields:
                field[:size] = made

        return run

    def _putlength(self, step: PutLength) -> Run:
        pick = self._registers[step.pick].view(np.intp)
        units = [self._outputs[output].advance(unit) for output, unit in step.places]
        table = None if step.table is None else lengths(step.table, step.more)
        found = self._places.view(np.intp)
        if table is not None and units[0].flags.c_contiguous:
            found, *units = units

        def run(_: int, size: int) -> None:
            made = pick[:size]
            if table is not None:
                made = table.take(made, out=found[:size], mode="clip")
            for unit in units:
                unit[:size] = made

        return run

    def _putsuffix(self, step: PutSuffix) -> Run:
        hashes, work, places = self._registers[step.hash], self._work, self._places
        fields = [
            (self._field(output, at, "V8"), self._field(output, at + 8, "V8"))
            for output, at in step.places
        ]

        def run(_: int, size: int) -> None:
            first, last = spelled_suffix(hashes[:size], work, places)
            for one, other in fields:
                one[:size], other[:size] = first.view("V8"), last.view("V8")

        return run

    def _putuuid(self, step: PutUuid) -> Run:
        hashes, work, places = self._registers[step.hash], self._work, self._places
        fields = [
            [self._field(output, at + offset, f"V{width}") for offset, width, _ in UUID_FIELDS]
            for output, at in step.places
        ]

        def run(_: int, size: int) -> None:
            digits = spelled_uuid(hashes[:size], work, places)
            parts = [
                np.ndarray((size,), f"V{width}", digits[k // 8].data, k % 8, (8,))
                for _, width, k in UUID_FIELDS
            ]
            for views in fields:
                for view, part in zip(views, parts, strict=True):
                    view[:size] = part

        return run

    def _checkdigit(self, step: CheckDigit) -> Run:
        out = self._registers[step.out]
        fixed, sure = self._sure(step.terms)
        terms = [self._term(term) for term in step.terms[len(fixed) :]]
        spare = self._places[: self._capacity]
        highest = sure[0] + 9 * (len(fixed) + 40 * len(terms))
        digit = (U(10) - np.arange(highest + 1, dtype=U) % U(10)) % U(10)

        def run(_: int, size: int) -> None:
            total, found = out[:size], spare[:size]
            total.fill(sure[0])
            for sums, pick in fixed:
                if sums is not None:
                    sums.take(pick[:size], out=found, mode="clip")
                    np.add(total, found, out=total)
            if terms:
                odd = np.full(size, sure[1], U)
                for add in terms:
                    add(total, odd)
            digit.take(total.view(np.intp), out=found, mode="clip")
            total[:] = found

        return run

    def _sure(
        self, terms: Sequence[Term]
    ) -> tuple[list[tuple[Words | None, NDArray[np.intp]]], tuple[int, int]]:
        """Return the first terms for which no record need be looked at: sums by row.

        Also return what literals add, and the parity of all these digits.
        """
        found: list[tuple[Words | None, NDArray[np.intp]]] = []
        total, parity = 0, 0
        for term in terms:
            if term.kind != "text":
                break
            sums, odd = luhn(term.table)
            if len(set(odd.tolist())) > 1:
                break
            of_parity = np.ascontiguousarray(sums[parity::2])
            if term.source < 0:
                total += int(of_parity[0])
                found.append((None, np.zeros(0, np.intp)))
            else:
                found.append((of_parity, self._registers[term.source].view(np.intp)))
            parity ^= int(odd[0])
        return found, (total, parity)

    def _term(self, term: Term) -> Callable[[Words, Words], None]:
        if term.kind == "text":
            return self._text_term(term)
        source = self._registers[term.source]
        if term.kind == "number":
            return lambda total, odd: _add_number(source[: len(total)], total, odd)
        spell = spelled_suffix if term.kind == "suffix" else spelled_uuid
        work, places = self._work, self._places

        def add(total: Words, odd: Words) -> None:
            for word in reversed(spell(source[: len(total)], work, places)):
                for column in word.view(np.uint8).reshape(-1, 8).T[::-1]:
                    digit = (column - DIGIT_0).astype(U)
                    _add_digit(digit, digit < TEN, total, odd)

        return add

    def _text_term(self, term: Term) -> Callable[[Words, Words], None]:
        sums, parity = luhn(term.table)
        pick = self._registers[term.source] if term.source >= 0 else None

        def add(total: Words, odd: Words) -> None:
            row = np.zeros(len(total), U) if pick is None else pick[: len(total)]
            total += sums.take((row * U(2) + odd).view(np.intp), mode="clip")
            odd ^= parity.take(row.view(np.intp), mode="clip")

        return add


def _add_digit(digit: Words, counts: NDArray[np.bool_], total: Words, odd: Words) -> None:
    """Add the digits of the records that ``counts`` is true for."""
    doubled = U(2) * digit - U(9) * (digit > U(4))
    total += np.where(odd == 0, doubled, digit) * counts
    odd ^= counts


def _add_number(number: Words, total: Words, odd: Words) -> None:
    first = True
    while first or number.any():
        number, digit = np.divmod(number, U(10))
        counts = np.ones(len(digit), np.bool_) if first else (digit > 0) | (number > 0)
        _add_digit(digit, counts, total, odd)
        first = False


def spelled_suffix(h: Words, work: Words, places: Words) -> tuple[Words, Words]:
    """Return hashes as suffixes: their first 8 characters, and their last, within ``places``."""
    count = len(h)
    scratch, first, last = work[:count], places[:count], places[count : 2 * count]
    np.multiply(h, FILL, out=scratch)
    np.right_shift(scratch, HALF, out=last)
    np.bitwise_xor(scratch, last, out=scratch)
    np.bitwise_and(scratch, FILLED_BITS, out=scratch)
    np.right_shift(h, HIGH_3_BITS, out=last)
    np.bitwise_and(last, LAST_PLACES, out=last)
    np.bitwise_or(last, scratch, out=last)
    np.bitwise_and(h, FIRST_PLACES, out=first)
    digits = places[: 2 * count].view(np.uint8)
    is_digit = work[: 2 * count].view(np.bool_)
    np.greater_equal(digits, LETTERS, out=is_digit)
    np.add(digits, LETTER_A, out=digits)
    correction = is_digit.view(np.uint8)
    np.multiply(correction, TO_DIGIT, out=correction)
    np.add(digits, correction, out=digits)
    return first, last


def spelled_uuid(h: Words, work: Words, places: Words) -> tuple[Words, Words, Words, Words]:
    """Return hashes as the 32 digits of version 4 UUIDs, 8 at a time, within ``places``.

    The low halves of the hash's 8 bytes are the first 8 digits, and the high halves the next 8,
    except for the version digit: the half that it replaces is the 25th digit. The other digits come
    from a hash of the hash.
    """
    count = len(h)
    words = [places[k * count : (k + 1) * count] for k in range(4)]
    fill, scratch = work[:count], work[count : 2 * count]
    np.multiply(h, FILL, out=fill)
    np.right_shift(fill, HALF, out=scratch)
    np.bitwise_xor(fill, scratch, out=fill)
    for k, source in enumerate((h, h, fill, fill)):
        np.right_shift(source, NIBBLE if k % 2 else U(0), out=words[k])
        np.bitwise_and(words[k], NIBBLES, out=words[k])
    np.right_shift(words[1], HALF, out=scratch)
    np.bitwise_and(scratch, U(0xF), out=scratch)
    np.bitwise_and(words[3], U(0xFFFFFFFFFFFFFF00), out=words[3])
    np.bitwise_or(words[3], scratch, out=words[3])
    np.bitwise_and(words[1], U(0xFFFFFFF0FFFFFFFF), out=words[1])
    np.bitwise_or(words[1], U(4 << 32), out=words[1])
    np.bitwise_and(words[2], U(0xFFFFFFFFFFFFFFF3), out=words[2])
    np.bitwise_or(words[2], U(8), out=words[2])
    digits = places[: 4 * count].view(np.uint8)
    for part in (digits[: 16 * count], digits[16 * count :]):
        is_letter = work[: 2 * count].view(np.bool_)
        np.greater_equal(part, TEN, out=is_letter)
        np.add(part, DIGIT_0, out=part)
        correction = is_letter.view(np.uint8)
        np.multiply(correction, TO_LETTER, out=correction)
        np.add(part, correction, out=part)
    return words[0], words[1], words[2], words[3]
