"""Rows of vault, value and token on standard output, as CSV or as JSON lines."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal

import anyio

from mockdata.errors import PlanError
from mockdata.render.batch import Batch
from mockdata.render.layout import Rows, json_objects
from mockdata.sinks.base import Run, Session, VaultRun
from mockdata.workers.limits import naming
from mockdata.workers.tasks import in_thread

__all__ = ["FORMATS", "StdoutSink"]

Format = Literal["csv", "jsonl"]

FORMATS: Final = ("csv", "jsonl")
"""How rows may be written: as CSV with one header line, or as a JSON object a line."""

STDOUT: Final = "standard output"
"""The name of the file in an error."""

PIPE_SIZE: Final = 2**20
"""Bytes that a pipe may hold without privileges: Linux's ``/proc/sys/fs/pipe-max-size``."""

AHEAD: Final = 4
"""Batches that wait while others are written: they are written with one turn of a thread."""


class StdoutSink:
    """Writes one row for each record to standard output, vault after vault.

    Rows go to whatever ``sys.stdout`` is when the run begins, after anything printed before. They
    are UTF-8, or text if the stream has no ``buffer``, as in a notebook. JSON lines take any vaults
    and tables. CSV has one header, so it takes vaults, or one table and nothing else.

    Raises PlanError for a table with anything else in CSV, OSError if standard output is closed,
    and BrokenPipeError if nothing reads it any more.
    """

    def __init__(self, format: Format = "csv", *, header: bool = True) -> None:
        if format not in FORMATS:
            raise PlanError("format", f"{format!r} is not one of " + ", ".join(FORMATS))
        self._format: Format = format
        self._header = header

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Yield a writer that has a vault's batches wait until the vaults before it are written."""
        header = _header(run) if self._format == "csv" else b""
        layouts = {vault.name: _LAYOUTS[self._format](vault) for vault in run.vaults}
        output = _Output(sys.stdout)
        vaults = [vault for vault in run.vaults if vault.records]
        turns = [anyio.Event() for _ in range(len(vaults) + 1)]
        writers = {
            vault.name: _VaultWriter(output, vault.records, turns[k], turns[k + 1])
            for k, vault in enumerate(vaults)
        }

        async def write(batch: Batch) -> None:
            await writers[batch.vault].write(batch)

        try:
            _widen_pipe(sys.stdout)
            await output.put(header if self._header else b"")
            await output.flush()
            turns[0].set()
            yield Session(write=write, layouts=layouts)
        finally:
            await output.close()


def _header(run: Run) -> bytes:
    """Return the header line of CSV. Raises PlanError where rows of one kind are not all."""
    tables = [vault for vault in run.vaults if vault.is_table]
    if tables and len(run.vaults) > 1:
        raise PlanError(
            "format", f"csv has one header, so the table {tables[0].name} must be alone; use jsonl"
        )
    columns = tables[0].columns if tables else ("vault", "value", "token")
    return f"{','.join(columns)}\n".encode()


def _csv_rows(vault: VaultRun) -> Rows:
    before = "" if vault.is_table else f"{vault.name},"
    return Rows(before.encode(), b",", b"\n", escape="csv")


def _json_rows(vault: VaultRun) -> Rows:
    if vault.is_table:
        if "table" in vault.columns:
            problem = (
                f'jsonl needs the key "table" for itself, and {vault.name} has such a column; '
            )
            raise PlanError("format", problem + "rename the column, or use csv")
        return json_objects(vault.columns, table=vault.name)
    return json_objects(("value", "token"), vault=vault.name)


_LAYOUTS: Final = {"csv": _csv_rows, "jsonl": _json_rows}


class _VaultWriter:
    """Writes one vault's batches, in its turn."""

    def __init__(self, output: _Output, records: int, turn: anyio.Event, then: anyio.Event) -> None:
        self._output = output
        self._left = records
        self._turn, self._then = turn, then

    async def write(self, batch: Batch) -> None:
        """Have a batch's rows written; with the vault's last ones, wait until all is written."""
        if not self._turn.is_set():  # waiting for what has come takes turns of the event loop
            await self._turn.wait()
        await self._output.put(batch.rows)
        self._left -= len(batch)
        if not self._left:
            await self._output.flush()
            self._then.set()


class _Output:
    """Writes pieces in order, and leaves at once when cancelled.

    What is put while something is written waits, and is then written in one go.
    """

    def __init__(self, stream: Any) -> None:
        if stream is None or getattr(stream, "closed", False):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)
        self._stream = stream
        self._waiting: list[bytes | memoryview] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, rows: bytes | memoryview) -> None:
        """Queue rows to be written. Raises OSError if earlier ones could not be written."""
        self._waiting.append(rows)
        if self._writing is None or self._writing.done() or len(self._waiting) >= AHEAD:
            await self._begin()

    async def _begin(self) -> None:
        """Wait for the write under way, then begin to write what is queued."""
        if self._writing is not None:
            await self._writing
        rows, self._waiting = self._waiting, []
        self._writing = asyncio.create_task(
            in_thread(_write, self._stream, rows, abandon_on_cancel=True)
        )

    async def flush(self) -> None:
        """Wait until all is written. Raises OSError if it is not."""
        if self._waiting:
            await self._begin()
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Stop waiting for the write under way. Raises OSError if it failed."""
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing


def _widen_pipe(stream: Any) -> None:
    """Widen a pipe to hold the rows of a batch, if the system allows: fewer turns to fill it."""
    with suppress(AttributeError, OSError, ValueError):
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _write(stream: Any, rows: Sequence[bytes | memoryview]) -> None:
    """Write everything after earlier output, as text if the stream takes nothing else."""
    buffer = getattr(stream, "buffer", None)
    with naming(STDOUT):
        _flush(stream)
        for each in rows:
            if buffer is None:
                stream.write(str(each, "utf-8"))
            else:
                _write_bytes(buffer, memoryview(each))
        _flush(stream if buffer is None else buffer)


def _write_bytes(buffer: Any, left: memoryview) -> None:
    while left:
        taken = buffer.write(left)  # not all of it, where nothing is buffered
        if not taken:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), STDOUT)
        left = left[taken:]


def _flush(stream: Any) -> None:
    if hasattr(stream, "flush"):
        stream.flush()
