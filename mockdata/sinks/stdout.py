"""Rows of vault, value and token on standard output, as CSV or as JSON lines."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio
import anyio.to_thread

from mockdata.batch import Batch
from mockdata.plan import VaultPlan
from mockdata.sinks.base import Writer

__all__ = ["FORMATS", "StdoutSink"]

FORMATS: Final = {
    "csv": ("vault,value,token\n", "{vault},", ",", ""),
    "jsonl": ("", '{{"vault":"{vault}","value":"', '","token":"', '"}}'),
}
"""Format to its header line, and what stands before, between and after a row's two texts."""


class StdoutSink:
    """Writes a row a record, one vault after the other in the order they are opened in.

    Raises OSError if standard output is closed, BrokenPipeError if nobody reads it any more.
    """

    def __init__(self, format: Literal["csv", "jsonl"] = "csv") -> None:
        self._header, *self._row = FORMATS[format]
        self._open = 0

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Writer]:
        """Yield a writer that waits until the vaults before this one are written."""
        is_first = not self._open
        if is_first:
            self._next_turn = anyio.Event()
        self._open += 1
        turn, left = self._next_turn, vault.records
        done = self._next_turn = anyio.Event() if left else turn

        async def write(batch: Batch) -> None:
            nonlocal left
            await turn.wait()
            await _put(self._rows(batch))
            left -= len(batch)
            if not left:
                done.set()

        try:
            if is_first:
                await _put(self._header.encode())
                turn.set()
            yield write
        finally:
            self._open -= 1

    def _rows(self, batch: Batch) -> bytes:
        before, between, after = (text.format(vault=batch.vault) for text in self._row)
        pairs = zip(batch.values, batch.tokens, strict=True)
        rows = f"{after}\n{before}".join(map(between.join, pairs))
        return f"{before}{rows}{after}\n".encode()


async def _put(rows: bytes) -> None:
    """Write to standard output, whoever holds it up, and leave at once when cancelled."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    await anyio.to_thread.run_sync(_write, rows, abandon_on_cancel=True)


def _write(rows: bytes) -> None:
    sys.stdout.buffer.write(rows)
    sys.stdout.buffer.flush()
