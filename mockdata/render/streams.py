"""Streams: the pieces of a column, drawn at an index, become the items of its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import prod
from operator import mul

from mockdata.render.drawn import Drawn, Part, Row, parts, places_of, term
from mockdata.render.evens import Between, Group, Steps, atoms, drawn, groups, selected
from mockdata.render.items import DIGITS, Cell, Count, Item, Lit, Spell, weighted_factor
from mockdata.render.layout import Escape, escaped
from mockdata.render.permute import Permutation, Rounds
from mockdata.render.steps import (
    INDEX,
    CheckDigit,
    Distinct,
    Fraction,
    Permute,
    Pick,
    Scatter,
    Shift,
    Step,
    Tweak,
    Weights,
    Wide,
    Word,
)
from mockdata.vaults import pieces as of
from mockdata.vaults.columns import Column
from mockdata.vaults.frozen import replace

__all__ = ["Compiler"]

LONGEST_INDEX, FRACTION, WORD = 2**40, 2**48, 2**64


class Compiler:
    """Makes the steps of one program."""

    def __init__(self, seed: int, timestamp: int, escape: Escape) -> None:
        self.steps = Steps()
        self.bias = 0.0
        self.seed, self.timestamp, self.escape = seed, str(timestamp), escape
        self._known: dict[object, int] = {}
        self._rows: dict[tuple[str, str, int], Row] = {}
        self._cuts: dict[tuple[str, str], set[int]] = {}

    def column(self, column: Column) -> list[Item]:
        """Return the items of a column at the record's index."""
        return [found.item for found in self.row(column, self._index(column, INDEX)).drawn]

    def look_ahead(self, column: Column) -> None:
        """Note where pieces must stay apart in the columns that a column is made of."""
        key = column.vault, column.side
        if key in self._cuts:
            return
        self._cuts[key] = set()
        for piece in column.pieces:
            if isinstance(piece, of.Reference):
                other = column.referred(piece)
                self.look_ahead(other)
                for place in places_of(other, piece.what):
                    self._cuts[other.vault, other.side] |= {place, place + 1}
            elif isinstance(piece, of.Same):
                value = column.referred(piece)
                self.look_ahead(value)
                left, right = column.kept
                self._cuts[value.vault, value.side] |= {
                    *(left, len(value.pieces) - right),
                    *(part[0][0] for part in (*parts(column, value)[0], *parts(column, value)[1])),
                }

    def once(self, key: object, make: Callable[[int], Step]) -> int:
        """Return the register of a step that is made only once, however often it is needed."""
        if key not in self._known:
            self._known[key] = register = self.steps.register()
            self.steps.made.append(make(register))
        return self._known[key]

    def hash(self, column: Column, index: int) -> int:
        """Return the register of a column's hash."""
        key = Permutation.keyed(self.seed, column.vault, column.side)
        return self.once((key, index), lambda out: Permute(out, index, key))

    def word(self, hash: int, number: int) -> int:
        """Return the register of a hash's word."""
        return self.once(("word", hash, number), lambda out: Word(out, hash, number))

    def scattered(
        self, column: Column, number: int, sizes: Sequence[int], tweak: int = -1
    ) -> list[tuple[slice, int]]:
        """Permute a number, and return which pieces are the digits of which registers."""
        rounds = Rounds.keyed(self.seed, column.vault, column.side, sizes)
        left, right = self.steps.register(), self.steps.register()
        self.steps.made.append(Scatter(left, right, number, rounds, tweak))
        before = [*accumulate(sizes, mul, initial=1)]
        if rounds.left in before and rounds.left * rounds.right == rounds.size:
            middle = before.index(rounds.left)
            return [(slice(0, middle), left), (slice(middle, len(sizes)), right)]
        return [(slice(0, len(sizes)), self.steps.join([(left, 0), (right, rounds.right)]))]

    def biased(self, bias: float) -> None:
        """Note how uneven a column's draws are."""
        self.bias = max(self.bias, bias)

    def referred(self, column: Column, piece: of.Reference, index: int) -> list[Item]:
        """Return the items of another vault's text at an index."""
        other = column.referred(piece)
        places = places_of(other, piece.what) or range(len(other.pieces))
        row = self.row(other, self._index(other, index))
        return [self._cased(found, other, piece.case) for found in row.at(places)]

    def _cased(self, found: Drawn, column: Column, case: of.Case) -> Item:
        """Return the item that was drawn; if it was drawn by weight, in the given case."""
        piece = column.pieces[found.place]
        if not case or not isinstance(piece, of.Weighted):
            return found.item
        return Cell((weighted_factor(replace(piece, case=case), self.escape),), found.pick)

    def _index(self, column: Column, index: int) -> int:
        """Return the register that says which record of its vault a column has at an index."""
        size = column.distinct
        if size is None:
            return index
        key = Permutation.keyed(self.seed, column.vault, "distinct")
        self.biased(size / WORD)
        return self.once((key, index), lambda out: Distinct(out, index, key, size))

    def row(self, column: Column, index: int) -> Row:
        """Return what a column consists of at the record whose index is in a register."""
        key = column.vault, column.side, index
        if key not in self._rows:
            cuts = self._cuts[column.vault, column.side]
            self._rows[key] = _Stream(self, column, index, cuts).row()
        return self._rows[key]


class _Stream:
    """Draws the pieces of one column at one index."""

    def __init__(self, compiler: Compiler, column: Column, index: int, cuts: set[int]) -> None:
        self._compiler, self._column, self._index, self._cuts = compiler, column, index, cuts
        self._steps = compiler.steps
        self._pieces = column.pieces
        weighted = [k for k, piece in enumerate(self._pieces) if isinstance(piece, of.Weighted)]
        self._halves = {place: half for half, place in enumerate(weighted)}
        self._evens: dict[int, list[Drawn]] = {}
        self._inside: set[int] = set()

    def row(self) -> Row:
        """Return what the column's text consists of."""
        pieces = self._pieces
        if any(isinstance(piece, of.Suffix | of.Uuid) for piece in pieces):
            self._hash()  # it is wanted first, while its buffers are in the cache
        if not any(isinstance(piece, of.Same) for piece in pieces):
            self._draw()
        else:
            self._draw_by_words(self._own_evens())
        made: list[Drawn] = []
        for place, piece in enumerate(pieces):
            made += self._made(place, piece, made)
        return Row(tuple(made), frozenset(self._inside))

    def _own_evens(self) -> Part:
        return [(k, p) for k, p in enumerate(self._pieces) if isinstance(p, of.Even)]

    def _draw(self) -> None:
        evens = self._own_evens()
        counted = any(isinstance(p, of.Suffix | of.Uuid | of.Index) for p in self._pieces)
        if counted or self._column.repeats:
            self._draw_by_words(evens)
            return
        taken = selected([piece.size for _, piece in evens])
        permuted = [even for even, is_taken in zip(evens, taken, strict=True) if is_taken]
        if permuted:
            self._scatter(permuted, self._index, self._pieces, self._cuts)
        self._draw_by_words([e for e, is_taken in zip(evens, taken, strict=True) if not is_taken])

    def _scatter(
        self,
        evens: Part,
        number: int,
        pieces: Sequence[of.Piece],
        cuts: set[int],
        tweak: int = -1,
    ) -> None:
        """Make pieces hold a permuted number."""
        sizes = [piece.size for _, piece in evens]
        for part, register in self._compiler.scattered(self._column, number, sizes, tweak):
            made = self._groups(evens[part], pieces, cuts)
            picks = self._steps.split(register, [group.size for group in made])
            self._place(made, picks, pieces)

    def _draw_by_words(self, evens: Part) -> None:
        """Draw pieces evenly, out of the words that follow those of the weighted pieces."""
        number, bias = (len(self._halves) + 1) // 2, 0.0
        for part, words in drawn([piece.size for _, piece in evens]):
            made = self._groups(evens[part], self._pieces, self._cuts)
            sizes = [group.size for group in made]
            out = self._steps.register()
            first = self._compiler.word(self._hash(), number)
            if words == 1:
                self._steps.made.append(Fraction(out, first))
                picks = self._steps.digits(out, sizes)
            else:
                second = self._compiler.word(self._hash(), number + 1)
                self._steps.made.append(Wide(out, first, second, prod(sizes)))
                picks = self._steps.split(out, sizes)
            self._place(made, picks, self._pieces)
            number += words
            bias += prod(sizes) / (FRACTION if words == 1 else WORD**2)
        self._compiler.biased(bias)

    def _groups(self, evens: Part, pieces: Sequence[of.Piece], cuts: set[int]) -> list[Group]:
        section = [atom for k, piece in evens for atom in atoms(k, piece, self._compiler.escape)]
        return [*groups(section, self._between(pieces), cuts)]

    def _between(self, pieces: Sequence[of.Piece]) -> Between:
        found: dict[int, tuple[bytes, int]] = {}
        last, literal = -1, b""
        for place, piece in enumerate(pieces):
            if isinstance(piece, of.Literal | of.Timestamp):
                literal += self._literal(piece)
                continue
            if last >= 0 and isinstance(piece, of.Even):
                found[last] = literal, place
            last, literal = place if isinstance(piece, of.Even) else -1, b""
        return found

    def _place(
        self, made: Sequence[Group], picks: Sequence[int], pieces: Sequence[of.Piece]
    ) -> None:
        for group, pick in zip(made, picks, strict=True):
            first, last = group.atoms[0].place, group.atoms[-1].place
            between = range(first + 1, last)
            self._inside |= {k for k in between if not isinstance(pieces[k], of.Even)}
            items = group.item(self._steps, pick)
            for item in items if isinstance(items, list) else [items]:
                self._evens.setdefault(first, []).append(Drawn(first, item, group, pick))

    def _literal(self, piece: of.Literal | of.Timestamp) -> bytes:
        text = piece.text if isinstance(piece, of.Literal) else self._compiler.timestamp
        return escaped(text, self._compiler.escape).encode()

    def _hash(self) -> int:
        return self._compiler.hash(self._column, self._index)

    def _made(self, place: int, piece: of.Piece, before: Sequence[Drawn]) -> list[Drawn]:
        """Return what a piece adds to the items before it."""
        if place in self._inside:
            return []
        if isinstance(piece, of.Even):
            return self._evens.get(place, [])
        if isinstance(piece, of.Same):
            value = self._column.referred(piece)
            row = self._compiler.row(value, self._index)
            column = replace(self._column, pieces=value.pieces)
            same = _Stream(self._compiler, column, self._index, set()).same(row)
            return [Drawn(place, found.item) for found in same]
        if isinstance(piece, of.Reference):
            items = self._compiler.referred(self._column, piece, self._index)
            return [Drawn(place, item) for item in items]
        if isinstance(piece, of.Weighted):
            half = self._halves[place]
            return [self._weighted(place, piece, self._hash(), half)]
        return [Drawn(place, self._single(piece, before))]

    def _single(self, piece: of.Piece, before: Sequence[Drawn]) -> Item:
        match piece:
            case of.Literal() | of.Timestamp():
                return Lit(self._literal(piece))
            case of.Suffix():
                return Spell("suffix", self._hash())
            case of.Uuid():
                return Spell("uuid", self._hash())
            case of.Index(start, step):
                out = self._steps.register()
                self._steps.made.append(Shift(out, self._index, start, step))
                return Count(out, len(str(start + step * LONGEST_INDEX)))
            case of.CheckDigit(prefix):
                return self._check_digit([found.item for found in before], prefix)
        raise TypeError(piece)

    def _check_digit(self, before: Sequence[Item], prefix: str) -> Item:
        items = [Lit(prefix.encode()), *before] if prefix else before
        out = self._steps.register()
        self._steps.made.append(CheckDigit(out, tuple(term(item) for item in reversed(items))))
        return Cell((DIGITS,), out)

    def _weighted(self, place: int, piece: of.Weighted, hash: int, half: int) -> Drawn:
        word = self._compiler.word(hash, half // 2)
        out = self._steps.register()
        weights = Weights(piece.source, piece.weights)
        self._steps.made.append(Pick(out, word, half % 2 == 1, weights))
        factor = weighted_factor(piece, self._compiler.escape)
        return Drawn(place, Cell((factor,), out), None, out)

    def same(self, row: Row) -> list[Drawn]:
        """Return a text made of a value's pieces: some are kept, the others are computed anew.

        The free even pieces are permuted by rounds keyed with the kept ones. So values that share
        the kept pieces have different tokens. Other free pieces are drawn from all of these.
        """
        left, right = self._column.kept
        ends = left, len(self._pieces) - right
        context = self._permute_free(row)
        made: list[Drawn] = []
        half = 0
        for place, piece in enumerate(self._pieces):
            free = ends[0] <= place < ends[1]
            if not free or isinstance(piece, of.Reference | of.Index):
                made += row.at((place,))
            elif isinstance(piece, of.Even):
                made += self._evens.get(place, [])
            elif isinstance(piece, of.Weighted):
                made.append(self._weighted(place, piece, context, half))
                half += 1
            elif place not in self._inside:
                made.append(Drawn(place, self._single(piece, made)))
        return made

    def _permute_free(self, row: Row) -> int:
        """Permute a value's free even pieces, and return a hash of all that was drawn."""
        compiler, column, pieces = self._compiler, self._column, self._pieces
        kept, free = parts(column, column)
        free_places = range(column.kept[0], len(pieces) - column.kept[1])
        weighted = [d for d in row.drawn if isinstance(pieces[d.place], of.Weighted)]
        key = Permutation.keyed(compiler.seed, column.vault, f"{column.side}/same")
        context = [self._number(part, row) for part in kept]
        context += [found.pick for found in weighted if found.place not in free_places]
        for part in free:
            tweak = self._tweak(key.offset, context) if context else -1
            number = self._number(part, row)
            self._scatter(part, number, pieces, set(), tweak)
            context.append(number)
        rows = [found.pick for found in weighted if found.place in free_places]
        return self._tweak(key.gamma, [*context, *rows]) if rows else -1

    def _tweak(self, key: int, registers: Sequence[int]) -> int:
        out = self._steps.register()
        self._steps.made.append(Tweak(out, key, tuple(registers)))
        return out

    def _number(self, part: Part, row: Row) -> int:
        """Return the register of the number that even pieces hold."""
        picks = {d.pick: d.group.size for d in row.at({k for k, _ in part}) if d.group}
        return self._steps.join([*picks.items()])
