"""From a batch's data lines and token lines to rows that have both, without an object a record."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mockdata.render.batch import Batch
from mockdata.vaults import BATCH, Vault

__all__ = ["Rows"]

LINE_FEED = ord("\n")


class Rows:
    """Renders rows of ``before``, value, ``between``, token, ``after``, into buffers made once.

    ``{vault}`` in the three texts stands for the vault's name. A row is written in three steps at
    its offset: what stands before the value, as many bytes as the longest value has, and over what
    is left of those the exact rest, which is always longer than that.

    ``ends`` are the offsets at which the rows of the last call end.
    """

    ends: NDArray[np.intp]

    def __init__(self, vault: Vault, before: str, between: str, after: str) -> None:
        texts = [text.replace("{vault}", vault.name).encode() for text in (before, between, after)]
        token = bytes(vault.token_width - 1)
        self._before = np.frombuffer(texts[0], f"V{len(texts[0])}")
        self._rests = Lines(texts[1] + token + texts[2], BATCH)
        self._rest = self._rests.field(0, self._rests.width)
        self._token = self._rests.field(len(texts[1]), len(token))
        self._token_width = vault.token_width
        self._values = np.zeros((BATCH + 1) * vault.data_width, np.uint8)
        self._value_at = items_anywhere(self._values, np.dtype(f"V{vault.data_width}"))
        width = len(texts[0]) + vault.data_width + self._rests.width
        self._rows = np.empty(BATCH * width, np.uint8)
        self._places = [
            items_anywhere(self._rows, item)
            for item in (self._before.dtype, self._value_at.dtype, self._rest.dtype)
        ]

    def render(self, batch: Batch) -> memoryview:
        """Return the rows of a batch, valid until the next call."""
        count, size = len(batch), len(batch.data_lines)
        values = self._values[:size]
        values[:] = np.frombuffer(batch.data_lines, np.uint8)
        ends = np.flatnonzero(values == LINE_FEED)
        starts = np.concatenate(([0], ends[:-1] + 1))
        tokens = np.ndarray((count,), self._token.dtype, batch.token_lines, 0, (self._token_width,))
        self._token[:count] = tokens

        before_at, value_at, rest_at = self._places
        added = self._before.itemsize + self._rests.width
        row_ends = ends - np.arange(count) + added * np.arange(1, count + 1)
        rests = row_ends - self._rests.width
        rows = rests - (ends - starts) - self._before.itemsize
        before_at[rows] = self._before
        value_at[rows + self._before.itemsize] = self._value_at[starts]
        rest_at[rests] = self._rest[:count]
        self.ends = row_ends
        return self._rows[: row_ends[-1]].data


class Lines:
    """Lines that all look like ``template``, side by side in one buffer that is made once.

    ``field`` is a view of one place of every line: assigning to it fills that place.
    """

    def __init__(self, template: bytes, capacity: int) -> None:
        self.width = len(template)
        self._capacity = capacity
        self._bytes = np.tile(np.frombuffer(template, np.uint8), capacity)

    def field(self, offset: int, width: int) -> NDArray[np.void]:
        """Return the view of ``width`` bytes at ``offset`` of every line."""
        return np.ndarray((self._capacity,), f"V{width}", self._bytes, offset, (self.width,))

    def first(self, count: int) -> memoryview:
        """Return the bytes of the first ``count`` lines."""
        return self._bytes[: count * self.width].data


def items_anywhere(text: NDArray[np.uint8], item: np.dtype[Any]) -> NDArray[Any]:
    """Return the view of a text whose item k begins at byte k: overlapping, one byte apart."""
    return np.ndarray((len(text) - item.itemsize + 1,), item, text, 0, (1,))
