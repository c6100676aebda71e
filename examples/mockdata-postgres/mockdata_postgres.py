"""A sink for mockdata that copies records into PostgreSQL.

Once it is installed, run ``mockdata 1000 -s postgres:postgresql://HOST/DATABASE``. In a program,
pass ``sink=PostgresSink("postgresql://HOST/DATABASE")``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

import mockdata

__all__ = ["PostgresSink"]

ROWS = mockdata.Rows(b"", b",", b"\n", escape="csv")
"""How the workers render a batch: as rows that ``COPY ... (FORMAT csv)`` takes as they are."""


class PostgresSink:
    """Copies records into PostgreSQL, one table per vault: the whole run or nothing.

    The tables have the names and columns of the run's vaults. Missing tables are created, and
    existing rows stay.

    Args:
        address: ``postgresql://USER@HOST:PORT/DATABASE``, as libpq and asyncpg read it. Whatever it
            leaves out comes from the environment (PGHOST, PGPASSWORD ...) and the password file.
            None means that all of it does.

    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    @asynccontextmanager
    async def open(self, run: mockdata.Run) -> AsyncIterator[mockdata.Session]:
        """Yield a writer to the vaults' tables, in one transaction on one connection.

        The transaction commits when the context is left without an exception. That happens when
        every record of the run is written.
        """
        connection = await asyncpg.connect(self._address)
        turn = asyncio.Lock()  # vaults write side by side, and a connection does one COPY at a time
        try:
            async with connection.transaction():
                await make_tables(connection, run)

                async def write(batch: mockdata.Batch) -> None:
                    async with turn:
                        await connection.copy_to_table(
                            batch.vault, source=batch.rows, columns=batch.columns, format="csv"
                        )

                layouts = {vault.name: ROWS for vault in run.vaults}
                yield mockdata.Session(write=write, layouts=layouts)
        finally:
            await connection.close()


async def make_tables(connection: asyncpg.Connection, run: mockdata.Run) -> None:
    """Make the tables that are not there. Runs that do so at the same time take turns."""
    tables = {quoted(vault.name): vault.columns for vault in run.vaults}
    found = [await connection.fetchval("SELECT to_regclass($1)", table) for table in tables]
    if None in found:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mockdata'))")
        for table, names in tables.items():
            columns = ", ".join(f"{quoted(name)} text NOT NULL" for name in names)
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")


def quoted(name: str) -> str:
    """Return a name as SQL has it; a vault's columns may be called anything."""
    return '"' + name.replace('"', '""') + '"'
