"""The steps of a program that compute registers, in numpy: each into buffers that are made once.

``program`` says what a step computes. numpy makes an operation cost a quarter of a nanosecond a
record if it need not allocate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from mockdata.render import permute as of
from mockdata.render.permute import Permutation
from mockdata.render.steps import (
    Digit,
    Distinct,
    Fraction,
    Join,
    Justify,
    Permute,
    Pick,
    Scatter,
    Shift,
    Split,
    Tweak,
    Wide,
    Word,
)
from mockdata.render.tables import Sampler, sampler
from mockdata.render.words import DRAW, FILL, HALF, LOW, U, Words, halves, high_product, mixed, walk

__all__ = ["Arithmetic", "Run"]

Run = Callable[[int, int], None]
"""Runs a step: the first argument is the first index, the second how many indices there are."""

FRACTION_BITS: Final = U(48)
FRACTION: Final = U(2**48 - 1)
SURPLUS: Final = U(64 - 48)
QUARTER: Final = U(24)
LOW_QUARTER: Final = U(2**24 - 1)
SMALL_DIGIT: Final = 2**16
OWN: Final = U(16)
ROW: Final = U(2**16 - 1)
POWERS: Final = [10**k for k in range(20)]


class Arithmetic:
    """Binds steps to registers and scratch buffers, as long as ``counts``: 0, 1, 2 and so on."""

    def __init__(
        self, registers: dict[int, Words], scratch: tuple[Words, Words, Words], counts: Words
    ) -> None:
        self._registers = registers
        self._scratch = scratch
        self._counts = counts

    def bind(self, step: object) -> Run:
        """Return what runs a step."""
        run: Run = getattr(self, f"_{type(step).__name__.lower()}")(step)
        return run

    def _permute(self, step: Permute) -> Run:
        out, scratch = self._registers[step.out], self._scratch[0]
        count = self._counter(step.source, step.key)

        def run(start: int, size: int) -> None:
            count(start, size, out)
            mixed(out[:size], scratch[:size])

        return run

    def _counter(self, index: int, key: Permutation) -> Callable[[int, int, Words], None]:
        """Return what writes ``offset + index * gamma``."""
        offset, gamma = key.offset, key.gamma
        if index:
            source = self._registers[index]

            def multiply(_: int, size: int, out: Words) -> None:
                np.multiply(source[:size], U(gamma), out=out[:size])
                np.add(out[:size], U(offset), out=out[:size])

            return multiply
        steps = self._counts * U(gamma)

        def count(start: int, size: int, out: Words) -> None:
            np.add(steps[:size], U((offset + start * gamma) & of.MASK), out=out[:size])

        return count

    def _distinct(self, step: Distinct) -> Run:
        out, (scratch, low, _) = self._registers[step.out], self._scratch
        count = self._counter(step.source, step.key)
        high, rest = U(step.size >> 32), U(step.size & 0xFFFFFFFF)

        def run(start: int, size: int) -> None:
            h, s, lo = out[:size], scratch[:size], low[:size]
            count(start, size, out)
            mixed(h, s)
            if high:
                h[:] = high_product(h, step.size)
                return
            np.bitwise_and(h, LOW, out=lo)
            np.multiply(lo, rest, out=lo)
            np.right_shift(lo, HALF, out=lo)
            np.right_shift(h, HALF, out=h)
            np.multiply(h, rest, out=h)
            np.add(h, lo, out=h)
            np.right_shift(h, HALF, out=h)

        return run

    def _word(self, step: Word) -> Run:
        out, hashes = self._registers[step.out], self._registers[step.hash]
        scratch = self._scratch[0]

        def first(_: int, size: int) -> None:
            words, s = out[:size], scratch[:size]
            np.multiply(hashes[:size], DRAW, out=words)
            np.right_shift(words, HALF, out=s)
            np.bitwise_xor(words, s, out=words)

        further = U(step.number * of.GOLDEN & of.MASK)

        def other(_: int, size: int) -> None:
            np.add(hashes[:size], further, out=out[:size])
            mixed(out[:size], scratch[:size])

        return other if step.number else first

    def _pick(self, step: Pick) -> Run:
        out, word = self._registers[step.out], self._registers[step.word]
        scratch, bucket_buffer, draw_buffer = self._scratch
        drawn = sampler(step.weights)

        def run(_: int, size: int) -> None:
            words = word[:size]
            if step.lower:
                words = np.left_shift(words, HALF, out=draw_buffer[:size])
            pick(words, drawn, out[:size], bucket_buffer[:size], scratch[:size])

        return run

    def _fraction(self, step: Fraction) -> Run:
        out, word = self._registers[step.out], self._registers[step.word]

        def run(_: int, size: int) -> None:
            np.right_shift(word[:size], SURPLUS, out=out[:size])

        return run

    def _digit(self, step: Digit) -> Run:
        out, fraction = self._registers[step.out], self._registers[step.fraction]
        scratch, size_of = self._scratch[0], U(step.size)

        def small(_: int, size: int) -> None:
            f, digit = fraction[:size], out[:size]
            np.multiply(f, size_of, out=f)
            np.right_shift(f, FRACTION_BITS, out=digit)
            np.bitwise_and(f, FRACTION, out=f)

        def large(_: int, size: int) -> None:
            f, digit, low = fraction[:size], out[:size], scratch[:size]
            np.bitwise_and(f, LOW_QUARTER, out=low)
            np.multiply(low, size_of, out=low)
            np.right_shift(f, QUARTER, out=f)
            np.multiply(f, size_of, out=f)
            np.right_shift(low, QUARTER, out=digit)
            np.add(f, digit, out=f)
            np.right_shift(f, QUARTER, out=digit)
            np.bitwise_and(f, LOW_QUARTER, out=f)
            np.left_shift(f, QUARTER, out=f)
            np.bitwise_and(low, LOW_QUARTER, out=low)
            np.bitwise_or(f, low, out=f)

        return small if step.size <= SMALL_DIGIT else large

    def _wide(self, step: Wide) -> Run:
        registers = self._registers
        out, first, second = registers[step.out], registers[step.first], registers[step.second]

        def run(_: int, size: int) -> None:
            low = first[:size] * U(step.size)
            carry = low + high_product(second[:size], step.size) < low
            np.add(high_product(first[:size], step.size), carry, out=out[:size])

        return run

    def _scatter(self, step: Scatter) -> Run:
        registers = self._registers
        tweak = registers[step.tweak] if step.tweak >= 0 else None
        rounds, scratch = step.rounds, self._scratch
        left, right = registers[step.left], registers[step.right]
        read = self._reader(step.number, rounds.size)

        def run(start: int, size: int) -> None:
            high, low = left[:size], right[:size]
            number = read(start, size)
            np.floor_divide(number, U(rounds.right), out=high)
            np.multiply(high, U(rounds.right), out=low)
            np.subtract(number, low, out=low)
            halves(high, low, rounds, None if tweak is None else tweak[:size], scratch)
            if rounds.left * rounds.right > rounds.size:
                walk(high, low, rounds, None if tweak is None else tweak[:size], scratch)

        return run

    def _reader(self, register: int, limit: int) -> Callable[[int, int], Words]:
        """Return what reads a register modulo a limit; for the index's, what counts."""
        source, counted = self._registers.get(register), self._scratch[2]
        counts = self._counts

        def read(start: int, size: int) -> Words:
            if source is None:
                numbers = np.add(counts[:size], U(start), out=counted[:size])
                highest = start + size - 1
            else:
                numbers = source[:size]
                highest = int(numbers.max())
            return numbers if highest < limit else numbers % U(limit)

        return read

    def _join(self, step: Join) -> Run:
        out, high, low = (self._registers[k] for k in (step.out, step.high, step.low))

        def run(_: int, size: int) -> None:
            np.multiply(high[:size], U(step.size), out=out[:size])
            np.add(out[:size], low[:size], out=out[:size])

        return run

    def _split(self, step: Split) -> Run:
        high, low, number = (self._registers[k] for k in (step.high, step.low, step.number))

        def run(_: int, size: int) -> None:
            np.floor_divide(number[:size], U(step.size), out=high[:size])
            np.multiply(high[:size], U(step.size), out=low[:size])
            np.subtract(number[:size], low[:size], out=low[:size])

        return run

    def _tweak(self, step: Tweak) -> Run:
        out, scratch = self._registers[step.out], self._scratch[0]
        sources = [self._registers[k] for k in step.registers]

        def run(_: int, size: int) -> None:
            z, s = out[:size], scratch[:size]
            np.bitwise_xor(sources[0][:size], U(step.key), out=z)
            for source in sources[1:]:
                np.multiply(z, FILL, out=z)
                np.right_shift(z, HALF, out=s)
                np.bitwise_xor(z, s, out=z)
                np.bitwise_xor(z, source[:size], out=z)
            np.multiply(z, FILL, out=z)
            np.right_shift(z, HALF, out=s)
            np.bitwise_xor(z, s, out=z)

        return run

    def _shift(self, step: Shift) -> Run:
        out, scratch = self._registers[step.out], self._scratch[0]
        read = self._reader(step.number, 2**64)

        def run(start: int, size: int) -> None:
            n, s = out[:size], scratch[:size]
            source = read(start, size)
            np.multiply(source, U(step.step), out=n)
            np.add(n, U(step.start), out=n)
            for at, gap in step.gaps:
                np.greater_equal(source, U(at), out=s.view(np.bool_)[:size])
                np.multiply(s.view(np.bool_)[:size].view(np.uint8), U(gap), out=s)
                np.add(n, s, out=n)

        return run

    def _justify(self, step: Justify) -> Run:
        out, length, number = (self._registers[k] for k in (step.out, step.length, step.number))
        powers = np.array([*reversed(POWERS[: step.digits]), 1], U)

        def run(_: int, size: int) -> None:
            n, digits = number[:size], length[:size]
            digits.fill(1)
            for power in POWERS[1 : step.digits]:
                np.add(digits, n >= U(power), out=digits)
            factors = powers.take((digits - U(1)).view(np.intp), mode="clip")
            np.multiply(n, factors, out=out[:size])

        return run


def pick(words: Words, drawn: Sampler, out: Words, bucket: Words, scratch: Words) -> None:
    """Write to ``out`` the row that each word draws, by its top 32 bits.

    The draw's top bits number the bucket. For the comparison, the bits below the draw are set: a
    draw that equals an ``end`` never compares as less, whatever rows are stored below
    that. ``bucket`` and ``scratch`` are buffers to work in.
    """
    np.right_shift(words, drawn.shift, out=out)
    drawn.buckets.take(out.view(np.intp), out=bucket, mode="clip")
    np.bitwise_or(words, LOW, out=scratch)
    if drawn.both:
        is_own = out.view(np.bool_)[: len(out)]
        np.less(scratch, bucket, out=is_own)
        np.multiply(is_own.view(np.uint8), OWN, out=scratch)
        np.right_shift(bucket, scratch, out=out)
        np.bitwise_and(out, ROW, out=out)
    else:
        is_other = np.greater_equal(scratch, bucket)
        np.copyto(out, bucket & LOW, where=is_other)
