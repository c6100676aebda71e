"""Programs of the ready-made vaults' CSV files, for callers that know a vault by its key."""

from __future__ import annotations

from functools import lru_cache

from mockdata.render.compile import compile_program
from mockdata.render.layout import CSV_LINES
from mockdata.render.program import Program
from mockdata.vaults import Key
from mockdata.vaults.catalogue import READY_MADE
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.vault import Vault

__all__ = ["program_of"]


@lru_cache(8)
def program_of(key: Key) -> Program:
    """Return the program of a ready-made vault's two CSV files."""
    vault = READY_MADE[key.vault]
    if not isinstance(vault, Vault):
        raise TypeError(vault)
    found = Resolver(READY_MADE).vault(vault)
    columns = (found.value, found.token)
    return compile_program(columns, CSV_LINES, seed=key.seed, timestamp=key.timestamp)
