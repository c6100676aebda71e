"""Rows of vault, value and token on standard output, as CSV or as JSON lines."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, Literal

import anyio

from mockdata.errors import PlanError
from mockdata.render.batch import Batch
from mockdata.sinks._rows import Rows
from mockdata.sinks.base import Run, VaultRun, Writer
from mockdata.workers.limits import naming
from mockdata.workers.tasks import in_thread

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
    """Writes a row a record, one vault after the other in the run's order.

    They go to ``sys.stdout`` as it is when the run begins, behind what has been printed to it: as
    bytes or, where it has no ``buffer``, as in a notebook, as text.

    Raises OSError if standard output is closed, BrokenPipeError if nobody reads it any more.
    """

    def __init__(self, format: Literal["csv", "jsonl"] = "csv", *, header: bool = True) -> None:
        if format not in FORMATS:
            raise PlanError("format", f"{format!r} is not one of " + ", ".join(FORMATS))
        first, *self._row = FORMATS[format]
        self._header = first if header else ""

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Writer]:
        """Yield a writer that has a vault's batches wait until the vaults before it are written."""
        output = _Output(sys.stdout)
        vaults = [vault for vault in run.vaults if vault.records]
        turns = [anyio.Event() for _ in range(len(vaults) + 1)]
        writers = {
            vault.name: _VaultWriter(output, vault, self._row, turns[k], turns[k + 1])
            for k, vault in enumerate(vaults)
        }

        async def write(batch: Batch) -> None:
            await writers[batch.vault].write(batch)

        try:
            _widen_pipe(sys.stdout)
            await output.put(self._header.encode())
            await output.flush()
            turns[0].set()
            yield write
        finally:
            await output.close()


class _VaultWriter:
    """Renders the rows of a vault's batch while those of the batch before are written."""

    def __init__(
        self, output: _Output, vault: VaultRun, row: list[str], turn: anyio.Event, then: anyio.Event
    ) -> None:
        self._output = output
        self._make_rows = partial(Rows, vault.vault, *row)
        self._rows: deque[Rows] = deque(maxlen=2)
        self._left = vault.records
        self._turn, self._then = turn, then

    async def write(self, batch: Batch) -> None:
        """Begin to write a batch's rows; with the vault's last ones, wait until all is written."""
        await self._turn.wait()
        if len(self._rows) < 2:
            self._rows.append(self._make_rows())
        self._rows.rotate()
        await self._output.put(self._rows[0].render(batch))
        self._left -= len(batch)
        if not self._left:
            await self._output.flush()
            self._then.set()


class _Output:
    """Writes what is put, one piece after the other, and leaves at once when cancelled."""

    def __init__(self, stream: Any) -> None:
        if stream is None or getattr(stream, "closed", False):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)
        self._stream = stream
        self._writing: asyncio.Task[None] | None = None

    async def put(self, rows: bytes | memoryview) -> None:
        """Begin to write when all that was put before is written."""
        await self.flush()
        self._writing = asyncio.create_task(
            in_thread(_write, self._stream, rows, abandon_on_cancel=True)
        )

    async def flush(self) -> None:
        """Wait until all is written. Raises OSError if it is not."""
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Wait no longer for what is being written. Raises OSError if it was not."""
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing


def _widen_pipe(stream: Any) -> None:
    """Have a pipe hold the rows of a batch, where the system lets it: fewer turns to fill it."""
    with suppress(AttributeError, OSError, ValueError):
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _write(stream: Any, rows: bytes | memoryview) -> None:
    """Write all of it behind what was printed before, as text if the stream takes nothing else."""
    buffer = getattr(stream, "buffer", None)
    with naming(STDOUT):
        _flush(stream)
        if buffer is None:
            stream.write(str(rows, "ascii"))
            _flush(stream)
            return
        left = memoryview(rows)
        while left:
            taken = buffer.write(left)  # not all of it, where nothing is buffered
            if not taken:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), STDOUT)
            left = left[taken:]
        _flush(buffer)


def _flush(stream: Any) -> None:
    if hasattr(stream, "flush"):
        stream.flush()
