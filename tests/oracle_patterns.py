"""One text of a column, spelled slowly and plainly out of its pieces: what programs must agree with."""

import hashlib
from functools import cache
from math import isqrt, prod

from mockdata.vaults.alias import buckets
from mockdata.vaults.frozen import replace
from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Literal,
    Number,
    Reference,
    Same,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)

from . import oracle

EVEN = (Choice, Number, Date)
WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15
ROUND_1, ROUND_2 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


def digest(text, size):
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def word(h, number):
    """Return a hash's word of a number."""
    if number == 0:
        return oracle.word_of(h)
    return oracle.permute(0, (h + number * GOLDEN) % WORD, 1)


def digits(number, sizes):
    """Return the digits of a number, the first most significant."""
    found = []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        found.insert(0, digit)
    return found


def number_of(digits, sizes):
    """Return the number that has these digits."""
    number = 0
    for digit, size in zip(digits, sizes, strict=True):
        number = number * size + digit
    return number


class Rounds:
    """The permutation of the combinations of some sizes."""

    def __init__(self, key, sizes):
        self.size = prod(sizes)
        splits = [prod(sizes[:k]) for k in range(len(sizes) + 1)]
        best = min(splits, key=lambda left: max(left, self.size // left))
        low, high = sorted((best, self.size // best))
        if (self.size >= 2**16 and high <= 16 * low) or self.size > 2**63:
            self.left, self.right = best, self.size // best
        else:
            self.left = isqrt(self.size - 1) + 1
            self.right = -(-self.size // self.left)
        count = 4 if 2**32 <= self.size <= 2**63 else 6 if self.size >= 2**16 else 10
        one = digest(f"{key}/rounds", 64)
        two = digest_of(one)
        self.keys = [int.from_bytes((one + two)[8 * k : 8 * k + 8], "little") for k in range(count)]

    def draw(self, number, x, modulus, tweak):
        t = (x * ROUND_1 + self.keys[number] + tweak) % WORD
        t = (t ^ t >> 32) * ROUND_2 % WORD
        bits = modulus.bit_length()
        if bits <= 32:
            t = t >> bits << bits
        return t * modulus >> 64

    def permute(self, number, tweak=0):
        number %= self.size
        while True:
            left, right = divmod(number, self.right)
            for k in range(len(self.keys)):
                if k % 2 == 0:
                    left = (left + self.draw(k, right, self.left, tweak)) % self.left
                else:
                    right = (right + self.draw(k, left, self.right, tweak)) % self.right
            number = left * self.right + right
            if number < self.size:
                return number

    def invert(self, number, tweak=0):
        while True:
            left, right = divmod(number, self.right)
            for k in reversed(range(len(self.keys))):
                if k % 2 == 0:
                    left = (left - self.draw(k, right, self.left, tweak)) % self.left
                else:
                    right = (right - self.draw(k, left, self.right, tweak)) % self.right
            number = left * self.right + right
            if number < self.size:
                return number


def digest_of(data):
    return hashlib.blake2b(data).digest()


sampler = cache(buckets)


def weighted(piece, draw):
    """Return the row and the text that a draw of 32 bits gives."""
    if piece.source == "list":
        table = sampler(piece.weights)
        k = draw * len(table) >> 32
        bucket = table[k]
        if len(piece.weights) <= 2**16:
            own, alias = bucket >> 16 & 0xFFFF, bucket & 0xFFFF
        else:
            own, alias = k, bucket & 0xFFFFFFFF
        row = own if draw < bucket >> 32 else alias
        return row, cased(piece.texts[row], piece.case)
    table = {"first_name": "first_names", "last_name": "surnames"}[piece.source]
    end, own, alias = oracle.buckets(table)[draw * len(oracle.buckets(table)) >> 32]
    row = own if draw < end else alias
    return row, cased(oracle.names(table)[0][row], piece.case)


def cased(text, case):
    return {"": text, "lower": text.lower(), "title": text.title()}[case]


def check_digit(text):
    total = 0
    for k, digit in enumerate(int(c) for c in reversed(text) if c in "0123456789"):
        total += digit if k % 2 else digit * 2 - 9 * (digit > 4)
    return str(-total % 10)


def uuid(h):
    fill = h * oracle.FILL % WORD
    fill ^= fill >> 32
    one, two = h.to_bytes(8, "little"), fill.to_bytes(8, "little")
    nibbles = [b & 15 for b in one] + [b >> 4 for b in one] + [b & 15 for b in two]
    nibbles += [b >> 4 for b in two]
    nibbles[24], nibbles[12] = nibbles[12], 4
    nibbles[16] = nibbles[16] & 3 | 8
    text = "".join(f"{n:x}" for n in nibbles)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def chunks(places, sizes):
    """Cut places so that each part has at most 2**63 combinations."""
    parts = [[]]
    for place in places:
        if parts[-1] and prod(sizes[k] for k in [*parts[-1], place]) > 2**63:
            parts.append([])
        parts[-1].append(place)
    return [part for part in parts if part]


class Drawn:
    """All that a column has at a record: the texts of its pieces, and what they were drawn as."""

    def __init__(self, run, column, index):
        self.run, self.column, self.index = run, column, index
        self.h = oracle.permute(index, *oracle.key(run.seed, column.vault, column.side))
        self.even, self.row = {}, {}
        pieces = column.pieces
        evens = [k for k, p in enumerate(pieces) if isinstance(p, EVEN)]
        weights = [k for k, p in enumerate(pieces) if isinstance(p, Weighted)]
        counted = any(isinstance(p, (Suffix, Uuid, Index, Same)) for p in pieces)
        drawn = evens
        if not counted and not column.repeats:
            taken = self.selected([pieces[k].size for k in evens])
            permuted = [k for k, is_taken in zip(evens, taken, strict=True) if is_taken]
            drawn = [k for k in evens if k not in permuted]
            if permuted:
                self.permute(permuted, index)
        self.draw(drawn, (len(weights) + 1) // 2)
        self.texts = []
        for k, piece in enumerate(pieces):
            if isinstance(piece, Weighted):
                half = weights.index(k)
                draw = word(self.h, half // 2) >> 32 * (half % 2 == 0) & 0xFFFFFFFF
                self.row[k], text = weighted(piece, draw)
                self.texts.append(text)
            elif isinstance(piece, Same):
                self.texts.append("".join(self.same()))
            else:
                self.texts.append(self.single(k, piece, self.texts))

    def selected(self, sizes):
        if prod(sizes) <= 2**63:
            return [True] * len(sizes)
        for k, size in enumerate(sizes):
            if size >= 2**48:
                return [k == j for j in range(len(sizes))]
        product, taken = 1, []
        for size in sizes:
            taken.append(product < 2**48)
            product *= size
        return taken

    def permute(self, places, number):
        sizes = [self.column.pieces[k].size for k in places]
        rounds = Rounds(f"{self.run.seed}/{self.column.vault}/{self.column.side}", sizes)
        self.even.update(zip(places, digits(rounds.permute(number), sizes), strict=True))

    def draw(self, places, number):
        """Draw even pieces from the words of this number on."""
        sizes = {k: self.column.pieces[k].size for k in places}
        while places:
            part = [places.pop(0)]
            while places and prod(sizes[k] for k in [*part, places[0]]) <= 2**30:
                part.append(places.pop(0))
            product = prod(sizes[k] for k in part)
            if product <= 2**30:
                drawn = (word(self.h, number) >> 16) * product >> 48
                number += 1
            else:
                both = word(self.h, number) << 64 | word(self.h, number + 1)
                drawn = both * product >> 128
                number += 2
            self.even.update(zip(part, digits(drawn, [sizes[k] for k in part]), strict=True))

    def single(self, k, piece, before):
        match piece:
            case Literal(text):
                return text
            case Timestamp():
                return str(self.run.timestamp)
            case Choice() | Number() | Date():
                return piece.text(self.even[k])
            case Suffix():
                return oracle.suffix(self.h)
            case Uuid():
                return uuid(self.h)
            case Index(start, step):
                return str(start + step * self.index)
            case CheckDigit(prefix):
                return check_digit(prefix + "".join(before))
            case Reference(_, what, case):
                return self.run.referred(self.column.referred(piece), what, case, self.index)
        raise TypeError(piece)

    def same(self):
        run, column = self.run, self.column
        value = Drawn(run, column.referred(Same()), self.index)
        pieces = value.column.pieces
        left, right = column.kept
        free = range(left, len(pieces) - right)
        evens = [k for k, p in enumerate(pieces) if isinstance(p, EVEN)]
        sizes = [getattr(p, "size", 0) for p in pieces]
        key, end = oracle.key(run.seed, column.vault, f"{column.side}/same")

        def number(part):
            return number_of([value.even[k] for k in part], [sizes[k] for k in part])

        context = [number(part) for part in chunks([k for k in evens if k not in free], sizes)]
        context += [row for k, row in value.row.items() if k not in free]
        even = {}
        for part in chunks([k for k in evens if k in free], sizes):
            of = [sizes[k] for k in part]
            rounds = Rounds(f"{run.seed}/{column.vault}/{column.side}", of)
            tweak = tweaked(key, context) if context else 0
            even.update(zip(part, digits(rounds.permute(number(part), tweak), of), strict=True))
            context.append(number(part))
        hashed = tweaked(end, context + [row for k, row in value.row.items() if k in free])
        token = object.__new__(Drawn)
        token.__dict__.update(self.__dict__, even=even, column=replace(column, pieces=pieces))
        texts, half = [], 0
        for k, piece in enumerate(pieces):
            if k not in free or isinstance(piece, (Reference, Index)):
                texts.append(value.texts[k])
            elif isinstance(piece, Weighted):
                draw = word(hashed, half // 2) >> 32 * (half % 2 == 0) & 0xFFFFFFFF
                texts.append(weighted(piece, draw)[1])
                half += 1
            else:
                texts.append(token.single(k, piece, texts))
        return texts


def tweaked(key, registers):
    z = key
    for register in registers:
        z = (z ^ register) * oracle.FILL % WORD
        z ^= z >> 32
    return z


class Run:
    """What columns depend on besides the index."""

    def __init__(self, seed, timestamp):
        self.seed, self.timestamp = seed, timestamp

    def drawn(self, column, index):
        if column.distinct:
            h = oracle.permute(index, *oracle.key(self.seed, column.vault, "distinct"))
            index = h * column.distinct >> 64
        return Drawn(self, column, index)

    def text(self, column, index):
        """Return a column's text at an index."""
        return "".join(self.drawn(column, index).texts)

    def referred(self, column, what, case, index):
        """Return what another column has at an index, with weighted pieces in another case."""
        if case:
            pieces = [
                replace(p, case=case) if isinstance(p, Weighted) else p for p in column.pieces
            ]
            column = replace(column, pieces=tuple(pieces))
        texts = self.drawn(column, index).texts
        whole = what in ("value", "token")
        fields = [getattr(piece, "field", "") for piece in column.pieces]
        return "".join(t for t, field in zip(texts, fields, strict=True) if whole or field == what)
