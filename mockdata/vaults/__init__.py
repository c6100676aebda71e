"""What a record looks like: vaults, the patterns that define them, and the ready-made ones.

This module has the columns and widths of the four vaults that a run makes, and is cheap to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["BATCH", "VAULTS", "Key", "Vault"]

BATCH = 10_000
"""Records in a batch, at most."""

STAMP = len("TTTTTTTTTT_RRRRRRRRRRRRRRRR\n")
"""Bytes of a line's end: timestamp, underscore, suffix and line feed."""


NAME_PREFIX = 12 + len(" ") + 15 + len(" ")
"""The longest first name and the longest surname of the census, which ``census.build`` checks."""


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault: its name, its two CSV columns, and how wide its lines are.

    ``prefix`` is the number of characters that stand before the timestamp of a value, at most;
    where ``fixed`` is true, every value has exactly that many.
    """

    name: str
    data_column: str
    token_column: str
    prefix: int
    fixed: bool = True

    @property
    def data_width(self) -> int:
        """Bytes of the longest data line, its line feed included."""
        return self.prefix + STAMP

    @property
    def token_width(self) -> int:
        """Bytes of every token line, its line feed included."""
        return len(f"tok_{self.name}_") + STAMP


VAULTS: dict[str, Vault] = {
    vault.name: vault
    for vault in (
        Vault("name", "full_name", "full_name_token", NAME_PREFIX, fixed=False),
        Vault("id", "id", "id_token", len("NNNNN-")),
        Vault("dob", "dob", "dob_token", len("YYYY-MM-DD-")),
        Vault("ssn", "ssn", "ssn_token", len("AAA-GG-SSSS-")),
    )
}


class Key(NamedTuple):
    """All that a record depends on besides its index."""

    vault: str
    seed: int
    timestamp: int
