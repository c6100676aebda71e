"""Texts of pieces drawn at random, without a renderer: what a pattern may give, not when it does."""

import datetime

from mockdata.vaults.pieces import (
    CheckDigit,
    Choice,
    Date,
    Index,
    Literal,
    Number,
    Suffix,
    Timestamp,
    Uuid,
    Weighted,
)

from . import oracle

ALPHABET = oracle.ALPHABET


def luhn(digits):
    """Return the check digit of a text's digits."""
    total = 0
    for place, digit in enumerate(reversed([int(d) for d in digits if d in "0123456789"])):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def text_of(piece, before, random):
    """Return a text that a piece may give behind the text that stands before it."""
    match piece:
        case Literal(text):
            return text
        case Choice() | Number() | Date():
            return piece.text(random.randrange(piece.size))
        case Weighted(source, case, texts):
            table = {"first_name": "first_names", "last_name": "surnames"}
            name = random.choice(texts if source == "list" else oracle.names(table[source])[0])
            return getattr(name, case)() if case else name
        case Timestamp():
            return str(random.randrange(10**9, 10**10))
        case Suffix():
            return "".join(random.choices(ALPHABET, k=16))
        case Uuid():
            digits = "".join(random.choices("0123456789abcdef", k=32))
            return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        case Index(start, step):
            return str(start + step * random.randrange(2**40))
        case CheckDigit(prefix):
            return luhn(prefix + before)
    raise TypeError(piece)


def drawn(items, random):
    """Return a text of an expanded column."""
    text = ""
    for item in items:
        text += text_of(item.piece, text, random)
    return text


def every_text(piece):
    """Return all texts of a small piece."""
    if isinstance(piece, Literal):
        return [piece.text]
    if isinstance(piece, Weighted):
        return list(piece.texts)
    return [piece.text(k) for k in range(piece.size)]


def day(text):
    return datetime.date.fromisoformat(text)
