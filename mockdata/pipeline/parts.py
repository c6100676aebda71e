"""Into how many parts a run is cut that an engine hands out."""

from __future__ import annotations

from typing import Final

from mockdata.errors import PlanError
from mockdata.vaults.texts import shown

__all__ = ["checked_parts", "default_parts"]

PART_RECORDS: Final = 2_000_000
"""Records of a part, at least, of all vaults together: this many take a worker some tenths of a
second, and a part costs an engine's scheduler a millisecond."""

MOST_BY_DEFAULT: Final = 10_000
"""Parts, unless you ask for more: a folder of that many is still pleasant to list."""


def default_parts(records: int) -> int:
    """Return into how many parts a run is cut.

    >>> default_parts(1000), default_parts(4 * 10**9)
    (1, 2000)
    """
    return min(max(records // PART_RECORDS, 1), MOST_BY_DEFAULT)


def checked_parts(parts: object) -> int:
    """Return the number of parts. Raises PlanError unless it is one from 1 to 99,999."""
    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts <= 99_999:
        raise PlanError("parts", f"{shown(parts)} is not a whole number from 1 to 99999")
    return parts
