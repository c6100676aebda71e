"""One record, rendered slowly and plainly: what the kernels have to agree with."""

import csv
import datetime
import hashlib
from functools import cache
from pathlib import Path

import numpy as np

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
FILL, DRAW = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
CENSUS = Path(__file__).parent / "census"
TABLES = Path(__file__).parent.parent / "mockdata" / "vaults" / "census"


def key(seed, vault, kind):
    """Return offset and gamma of a stream."""
    digest = hashlib.blake2b(f"{seed}/{vault}/{kind}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little") | 1


def permute(index, offset, gamma, bits=64):
    """Permute the words of ``bits`` bits; the shifts are scaled with them."""
    mask = 2**bits - 1
    h = (offset + index * gamma) & mask
    h = (h ^ h >> 30 * bits // 64) * MIX_1 & mask
    h = (h ^ h >> 27 * bits // 64) * MIX_2 & mask
    return h ^ h >> 31 * bits // 64


def unpermute(h, offset, gamma, bits=64):
    """Undo ``permute``, step by step."""
    mask = 2**bits - 1

    def unshift(h, shift):
        word = h
        for _ in range(bits // shift + 1):
            word = h ^ word >> shift
        return word

    h = unshift(h, 31 * bits // 64) * pow(MIX_2, -1, 2**bits) & mask
    h = unshift(h, 27 * bits // 64) * pow(MIX_1, -1, 2**bits) & mask
    return (unshift(h, 30 * bits // 64) - offset) * pow(gamma, -1, 2**bits) & mask


def suffix(h):
    """Spell a permuted index in 16 characters."""
    filled = h * FILL % 2**64
    filled ^= filled >> 32
    pairs = list(zip(h.to_bytes(8, "little"), filled.to_bytes(8, "little"), strict=True))
    first = [byte & 31 for byte, _ in pairs]
    last = [byte >> 5 | fill & 24 for byte, fill in pairs]
    return "".join(ALPHABET[digit] for digit in first + last)


def index_of(suffix, offset, gamma):
    """Return the index that a suffix holds."""
    digits = [ALPHABET.index(character) for character in suffix]
    h = bytes(low | (high & 7) << 5 for low, high in zip(digits[:8], digits[8:], strict=True))
    return unpermute(int.from_bytes(h, "little"), offset, gamma)


def word_of(h):
    """Return the word that a value is drawn from."""
    word = h * DRAW % 2**64
    return word ^ word >> 32


def draws(word, *sizes):
    """Draw numbers below each of the sizes out of the word's top 48 bits."""
    fraction = word >> 16
    for size in sizes:
        fraction *= size
        yield fraction >> 48
        fraction %= 2**48


@cache
def names(table):
    """Return the census's names, in order, and their counts."""
    with (CENSUS / f"{table}_2020.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["name"] for row in rows], [int(row["count"]) for row in rows]


@cache
def buckets(table):
    """Return the built alias table: where each bucket's own name ends, that name's row, the other's."""
    return [
        (bucket >> 32, bucket >> 16 & 0xFFFF, bucket & 0xFFFF)
        for bucket in np.load(TABLES / f"{table}_buckets.npy").tolist()
    ]


def drawn_name(table, draw):
    """Return the name that a draw of 32 bits gives."""
    end, own, alias = buckets(table)[draw * len(buckets(table)) >> 32]
    return names(table)[0][own if draw < end else alias]


def value(vault, word):
    """Return what stands before the timestamp, for the word that a value is drawn from."""
    if vault == "id":
        hundreds, rest = draws(word, 900, 100)
        return f"{100 + hundreds}{rest:02}-"
    if vault == "dob":
        (day,) = draws(word, 25_933)
        return f"{datetime.date(1940, 1, 1) + datetime.timedelta(day)}-"
    if vault == "ssn":
        area, group, serial = draws(word, 898, 99, 9999)
        area += 1 if area < 665 else 2
        return f"{area:03}-{1 + group:02}-{1 + serial:04}-"
    first, last = word >> 32, word % 2**32
    return f"{drawn_name('first_names', first)} {drawn_name('surnames', last)} "


def record(vault, seed, timestamp, index):
    """Return one record's value and token."""
    h = permute(index, *key(seed, vault, "value"))
    t = permute(index, *key(seed, vault, "token"))
    return (
        f"{value(vault, word_of(h))}{timestamp}_{suffix(h)}",
        f"tok_{vault}_{timestamp}_{suffix(t)}",
    )
