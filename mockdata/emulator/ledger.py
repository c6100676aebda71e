"""What the emulator has seen: numbers of records, values and tokens, and of those seen before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Ledger"]


@dataclass(slots=True)
class _Table:
    records: int = 0
    values: set[int] = field(default_factory=set)
    tokens: set[int] = field(default_factory=set)
    repeated_values: int = 0
    repeated_tokens: int = 0


class Ledger:
    """Counts what is taken, a table at a time. Values and tokens are kept as 64-bit hashes."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self._tables: dict[str, _Table] = {}

    def take(self, table: str, pairs: list[tuple[str, str | None]]) -> None:
        """Count records by their values and tokens."""
        seen = self._tables.setdefault(table, _Table())
        seen.records += len(pairs)
        for value, token in pairs:
            seen.repeated_values += _repeats(seen.values, value)
            if token is not None:
                seen.repeated_tokens += _repeats(seen.tokens, token)

    def count(self, table: str, records: int) -> None:
        """Count records alone."""
        self._tables.setdefault(table, _Table()).records += records

    def stats(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
            "faults": dict(sorted(self.faults.items())),
            "tables": {
                name: {
                    "records": table.records,
                    "values": len(table.values),
                    "tokens": len(table.tokens),
                    "repeated_values": table.repeated_values,
                    "repeated_tokens": table.repeated_tokens,
                }
                for name, table in sorted(self._tables.items())
            },
        }


def _repeats(seen: set[int], text: str) -> bool:
    before = len(seen)
    seen.add(hash(text))
    return len(seen) == before
