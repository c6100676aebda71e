"""How large the parts of an upload are: what a store allows, and what memory takes.

S3's limits are those of the others too, or lower: 10,000 parts, at least 5 MiB each but for the
last one, and 5 TiB an object. Source:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html and
https://cloud.google.com/storage/quotas; Azure takes 50,000 blocks of up to 4,000 MiB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from mockdata.errors import PlanError

__all__ = ["at_once", "check_size", "part_size"]

MIB: Final = 2**20

LEAST: Final = 5 * MIB
"""Bytes of a part, at least: a store refuses less, but for the last one."""

PARTS: Final = 9_000
"""Parts planned for a file: the rest of 10,000 allows for a size that is an estimate."""

MOST: Final = 5 * 2**40
"""Bytes of an object, at most."""

MEMORY: Final = 40 * MIB
"""Bytes of all parts that are held at a time, as long as it is not less than one of each file."""

MOST_AT_ONCE: Final = 4
"""Parts of a file that are under way at a time, at most."""


def check_size(url: str, size: float) -> None:
    """Raise PlanError if an object of about ``size`` bytes is more than a store takes."""
    if size > MOST:
        terabytes = f"{size / 1e12:,.1f} TB, and an object has 5.5 TB at most"
        raise PlanError("counts", f"{url} would have {terabytes}; make the run in parts")


def part_size(size: float) -> int:
    """Return the bytes of a part of an object that has about ``size`` bytes.

    >>> part_size(1000) // 2**20, part_size(2**40) // 2**20
    (5, 117)
    """
    return max(LEAST, math.ceil(size / PARTS / MIB) * MIB)


def at_once(part_sizes: Sequence[int]) -> int:
    """Return how many parts of each file may be under way, of files with these parts."""
    return min(max(MEMORY // max(sum(part_sizes), 1), 1), MOST_AT_ONCE)
