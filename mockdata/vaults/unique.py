"""Whether a text tells which texts its pieces have: what no text repeating rests on.

A column never repeats if no two records have the same texts in its *carrying* pieces, those that
hold the permuted index, and if those texts can be told from the column's text. Where every piece
has one width, each stands at a place that is known. Where widths vary, two records could read
alike: ``{number:1-99}{number:1-99}`` writes 1 and 23 as it writes 12 and 3.

**What is shown.** Take two records with the same text, and read it along both at once. Call a piece
*apart* if the two do not begin and end it at the same places of the text. A piece that is not apart
has the same characters in both, so its texts are the same. If no carrying piece can be apart, the
carrying pieces are the same in both, so the two are one record.

**How.** Each piece is replaced by its profile, which allows more texts, never fewer. A *node* is a
piece and how much of it has been read: how many characters or, where the profile has the texts,
which ones; a pair of nodes says how far the two readings are after the same
characters. They part where one leaves a piece that the other stays in, and meet again at the same
node: both have then read as many characters of the same piece, and so began it together. All pieces
that one of them left in between may be apart, no others. So the search follows all pairs from where
they part until they meet, and remembers whether a carrying piece was left; if they meet with one,
the pattern is refused.

That is done by numbers of characters first, which takes few nodes. A pattern that this refuses is
looked at once more by texts: ``(B|HH)[A-Z]`` can be read one way, since no text of the group begins
with another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from mockdata.vaults.profile import Profile, character_set

__all__ = ["apart"]

WORK: Final = 300_000
"""Steps of the search, at most. A pattern that takes more is refused."""

UNKNOWN: Final = -1

Option = tuple[int, int]
"""A set of characters, and the node that reading one of them leads to."""


State = tuple[Sequence[Option], bool]
"""What may be read in a piece, and whether the piece may end there."""


def _by_place(profile: Profile) -> Iterator[State]:
    """Return the states of a piece after reading so many characters."""
    for k in range(len(profile.places) + 1):
        yield [(characters, k + 1) for characters in profile.places[k : k + 1]], k in profile.widths


def _by_text(profile: Profile) -> Iterator[State]:
    """Return the states of a piece after reading some characters: the nodes of a trie."""
    following: list[dict[int, int]] = [{}]
    ends = set()
    for text in profile.texts:
        at = 0
        for character in text:
            read = character_set(character)
            if read not in following[at]:
                following[at][read] = len(following)
                following.append({})
            at = following[at][read]
        ends.add(at)
    for at, options in enumerate(following):
        yield [*options.items()], at in ends


class _Nodes:
    """The nodes of a row of profiles: node ``begins[i] + k`` is the k-th state of piece i."""

    def __init__(self, profiles: Sequence[Profile], *, exact: bool) -> None:
        self.begins, self.pieces = [0], list[int]()
        self._states: list[State] = []
        for i, found in enumerate(profiles):
            self._states += _by_text(found) if exact and found.texts else _by_place(found)
            self.begins.append(len(self._states))
            self.pieces += [i] * (self.begins[-1] - self.begins[-2])
        self.pieces.append(len(profiles))
        self.end = self.begins[-1]

    def exits(self, node: int) -> bool:
        """Whether the piece of a node may end there."""
        return node < self.end and self._states[node][1]

    def options(self, node: int) -> list[Option]:
        """Return what may be read at a node, in this piece or, where it may end, in the next."""
        found: list[Option] = []
        while node < self.end:
            i = self.pieces[node]
            options, may_end = self._states[node]
            found += [(characters, self.begins[i] + k) for characters, k in options]
            if not may_end:
                break
            node = self.begins[i + 1]
        return found

    def reaches_end(self, node: int) -> bool:
        """Whether nothing more need be read."""
        while node < self.end and self.exits(node):
            node = self.begins[self.pieces[node] + 1]
        return node == self.end


def apart(profiles: Sequence[Profile], carrying: Sequence[bool]) -> int | None:
    """Return the piece where two readings part so that a carrying one may be apart, or None.

    Also returns a piece, the first of varying width, where that takes too long to say.
    """
    varying = next((i for i, p in enumerate(profiles) if not p.fixed), None)
    if varying is None or not any(carrying[varying:]):
        return None  # all of them begin and end at places that are known
    refused = _searched(profiles, carrying, exact=False)
    if refused is not None and any(found.texts for found in profiles):
        refused = _searched(profiles, carrying, exact=True)
    return varying if refused == UNKNOWN else refused


def _searched(profiles: Sequence[Profile], carrying: Sequence[bool], *, exact: bool) -> int | None:
    try:
        return _Search(_Nodes(profiles, exact=exact), carrying).run()
    except OverflowError:
        return UNKNOWN


class _Search:
    """Follows pairs of readings from where they part until they meet."""

    def __init__(self, nodes: _Nodes, carrying: Sequence[bool]) -> None:
        self._nodes = nodes
        self._carried = [*accumulate(carrying, initial=0)]
        self._options: dict[int, list[Option]] = {}
        self._seen: set[tuple[int, int, bool]] = set()
        self._open: list[tuple[int, int, bool, int]] = []  # and the piece where they parted
        self._work = 0

    def run(self) -> int | None:
        """Return the piece where two readings part and meet with a carrying piece left."""
        for node in range(self._nodes.end):
            if self._nodes.exits(node):
                found = self._follow(node, node, self._nodes.pieces[node])
                if found is not None:
                    return found
        while self._open:
            a, b, left, parted = self._open.pop()
            found = self._follow(a, b, parted, left=left)
            if found is not None:
                return found
        return None

    def _follow(self, a: int, b: int, parted: int, *, left: bool = False) -> int | None:
        """Let both readings read the same character, in every way; return ``parted`` if refused."""
        nodes = self._nodes
        if a != b and nodes.reaches_end(a) and nodes.reaches_end(b):
            left_at_end = left or self._leaves(a, nodes.end) or self._leaves(b, nodes.end)
            if left_at_end:
                return parted
        for characters, x in self._at(a):
            for others, y in self._at(b):
                self._spend(1)
                if not characters & others or (a == b and x >= y):
                    continue  # no such character; or not parted, or the same pair turned round
                now = left or self._leaves(a, x) or self._leaves(b, y)
                if x == y and now:
                    return parted
                state = (min(x, y), max(x, y), now)
                if x != y and state not in self._seen:
                    self._seen.add(state)
                    self._open.append((*state, parted))
        return None

    def _at(self, node: int) -> list[Option]:
        if node not in self._options:
            self._options[node] = self._nodes.options(node)
            self._spend(len(self._options[node]))
        return self._options[node]

    def _leaves(self, node: int, to: int) -> bool:
        """Whether a carrying piece is left on the way from one node to another."""
        pieces = self._nodes.pieces
        return self._carried[pieces[to]] > self._carried[pieces[node]]

    def _spend(self, steps: int) -> None:
        self._work += steps
        if self._work > WORK:
            raise OverflowError
