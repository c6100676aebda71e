"""A sink for mockdata: records into PostgreSQL by COPY.

Installed, it is there as ``mockdata 1000 -s postgres:postgresql://HOST/DATABASE``. In a program it
is ``sink=PostgresSink("postgresql://HOST/DATABASE")``.
"""

from __future__ import annotations

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
    async def open(self, vault: mockdata.VaultPlan) -> AsyncIterator[mockdata.Writer]:
        """Yield a writer to the vault's table, in a transaction on a connection of its own."""
        connection = await asyncpg.connect(self._address)
        try:
            async with connection.transaction():
                await connection.execute(
                    f'CREATE TABLE IF NOT EXISTS "{vault.name}" '
                    "(value text NOT NULL, token text NOT NULL)"
                )

                async def write(batch: mockdata.Batch) -> None:
                    await connection.copy_to_table(vault.name, source=rows(batch), columns=COLUMNS)

                yield write
        finally:
            await connection.close()


async def rows(batch: mockdata.Batch) -> AsyncIterator[bytes]:
    """Yield a batch in COPY's text form; no value or token has a character that it would escape."""
    values = bytes(batch.data_lines).splitlines()
    tokens = bytes(batch.token_lines).splitlines(keepends=True)
    yield b"".join(map(b"\t".join, zip(values, tokens, strict=True)))
