"""Rows of vault, value and token on standard output, as CSV or as JSON lines."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio

from mockdata.batch import Batch
from mockdata.errors import PlanError
from mockdata.limits import naming
from mockdata.plan import VaultPlan
from mockdata.sinks._rows import Rows
from mockdata.sinks.base import Writer
from mockdata.tasks import in_thread

__all__ = ["FORMATS", "StdoutSink"]

FORMATS: Final = {
    "csv": ("vault,value,token\n", "{vault},", ",", ""),
    "jsonl": ("", '{"vault":"{vault}","value":"', '","token":"', '"}'),
}
"""Format to its header line, and what stands before, between and after a row's two texts."""


class StdoutSink:
    """Writes a row a record, one vault after the other in the order they are opened in.

    Raises OSError if standard output is closed, BrokenPipeError if nobody reads it any more.
    """

    def __init__(self, format: Literal["csv", "jsonl"] = "csv") -> None:
        if format not in FORMATS:
            raise PlanError("format", f"{format!r} is not one of " + ", ".join(FORMATS))
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
        rows = Rows(vault.vault, *self._row)

        async def write(batch: Batch) -> None:
            nonlocal left
            await turn.wait()
            await _put(rows.render(batch))
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


async def _put(rows: bytes | memoryview) -> None:
    """Write to standard output, whoever holds it up, and leave at once when cancelled."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    await in_thread(_write, rows, abandon_on_cancel=True)


def _write(rows: bytes | memoryview) -> None:
    with naming("standard output"):
        sys.stdout.buffer.write(rows)
        sys.stdout.buffer.flush()
