"""A sink for mockdata: records into PostgreSQL by COPY.

Installed, it is there as ``mockdata 1000 -s postgres:postgresql://HOST/DATABASE``. In a program it
is ``sink=PostgresSink("postgresql://HOST/DATABASE")``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

import mockdata

__all__ = ["PostgresSink"]

COLUMNS = ("value", "token")


class PostgresSink:
    """Copies records into PostgreSQL, a table a vault: the whole run or nothing.

    The tables are called name, id, dob and ssn, have the columns value and token, and are made
    where they are not there. What is in them stays.

    Args:
        address: ``postgresql://USER@HOST:PORT/DATABASE``, as libpq and asyncpg read it. What it
            leaves out, and all of it if None, comes from the environment (PGHOST, PGPASSWORD ...)
            and from the password file.

    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    @asynccontextmanager
    async def open(self, run: mockdata.Run) -> AsyncIterator[mockdata.Writer]:
        """Yield a writer to the vaults' tables, in one transaction on one connection.

        The transaction commits when the context is left without an exception, which it is when
        every record of the run is written.
        """
        connection = await asyncpg.connect(self._address)
        turn = asyncio.Lock()  # vaults write side by side, and a connection does one COPY at a time
        try:
            async with connection.transaction():
                await make_tables(connection, run)

                async def write(batch: mockdata.Batch) -> None:
                    source = rows(batch)
                    async with turn:
                        await connection.copy_to_table(batch.vault, source=source, columns=COLUMNS)

                yield write
        finally:
            await connection.close()


async def make_tables(connection: asyncpg.Connection, run: mockdata.Run) -> None:
    """Make the tables that are not there. Runs that do so at the same time take turns."""
    names = [f'"{vault.name}"' for vault in run.vaults]
    found = [await connection.fetchval("SELECT to_regclass($1)", name) for name in names]
    if None in found:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mockdata'))")
        for name in names:
            columns = "(value text NOT NULL, token text NOT NULL)"
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")


async def rows(batch: mockdata.Batch) -> AsyncIterator[bytes]:
    """Yield a batch in COPY's text form; no value or token has a character that it would escape."""
    values = bytes(batch.data_lines).splitlines()
    tokens = bytes(batch.token_lines).splitlines(keepends=True)
    yield b"".join(map(b"\t".join, zip(values, tokens, strict=True)))
