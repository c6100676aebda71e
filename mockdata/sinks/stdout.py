"""Rows of vault, value and token on standard output, as CSV or as JSON lines."""

from __future__ import annotations

import errno
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

import anyio

from mockdata.errors import PlanError
from mockdata.pipeline.plan import VaultPlan
from mockdata.render.batch import Batch
from mockdata.sinks._rows import Rows
from mockdata.sinks.base import Writer
from mockdata.workers.limits import naming
from mockdata.workers.tasks import Tasks, in_thread, open_tasks

__all__ = ["FORMATS", "StdoutSink"]

FORMATS: Final = {
    "csv": ("vault,value,token\n", "{vault},", ",", "\n"),
    "jsonl": ("", '{"vault":"{vault}","value":"', '","token":"', '"}\n'),
}
"""Format to its header line, and what stands before, between and after a row's two texts."""


STDOUT: Final = "standard output"
"""The name of the file in an error."""

PIPE_SIZE: Final = 2**20
"""Bytes that a pipe may hold without privileges: Linux's ``/proc/sys/fs/pipe-max-size``."""


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

        async def write(batch: Batch) -> None:
            nonlocal left
            await turn.wait()
            await output.put(batch)
            left -= len(batch)
            if not left:
                await output.flush()
                done.set()

        try:
            async with open_tasks() as tasks:
                if is_first:
                    _widen_pipe()
                    await _put(self._header.encode())
                    turn.set()
                output = _Output(tasks, lambda: Rows(vault.vault, *self._row))
                yield write
        finally:
            self._open -= 1


class _Output:
    """Renders the rows of a batch while those of the batch before are written."""

    def __init__(self, tasks: Tasks, make_rows: Callable[[], Rows]) -> None:
        self._tasks = tasks
        self._make_rows = make_rows
        self._rows: deque[Rows] = deque(maxlen=2)
        self._written = anyio.Event()
        self._written.set()

    async def put(self, batch: Batch) -> None:
        """Render the batch's rows, and begin to write them when the batch before is written."""
        if len(self._rows) < 2:
            self._rows.append(self._make_rows())
        self._rows.rotate()
        rows = self._rows[0].render(batch)
        await self.flush()
        self._written = anyio.Event()
        self._tasks.start(self._write, rows)

    async def flush(self) -> None:
        """Wait until all is written."""
        await self._written.wait()

    async def _write(self, rows: memoryview) -> None:
        await _put(rows)
        self._written.set()


def _widen_pipe() -> None:
    """Have a pipe hold the rows of a batch, where the system lets it: fewer turns to fill it."""
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import fcntl

        fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


async def _put(rows: bytes | memoryview) -> None:
    """Write to standard output, whoever holds it up, and leave at once when cancelled."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)
    await in_thread(_write, rows, abandon_on_cancel=True)


def _write(rows: bytes | memoryview) -> None:
    with naming(STDOUT):
        sys.stdout.buffer.write(rows)
        sys.stdout.buffer.flush()
