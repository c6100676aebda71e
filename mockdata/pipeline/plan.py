"""What a run makes: counts, seed, timestamp, part and rate, checked, and cut into index ranges."""

from __future__ import annotations

import math
import operator
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, SupportsFloat, SupportsIndex

from mockdata.errors import PlanError
from mockdata.vaults import VAULTS, Key, Vault

__all__ = ["MAX_COUNT", "Counts", "Plan", "VaultPlan", "checked_workers"]

MAX_COUNT: Final = 2**40
"""Records of a vault, at most."""

MAX_WORKERS: Final = 1024

SEED_BITS: Final = 64

Counts = SupportsIndex | Mapping[str, SupportsIndex]
"""Records of every vault, or of some: vault name to records."""


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """One vault's share of a run: the half-open range ``start`` to ``stop`` of its indices."""

    vault: Vault
    key: Key
    start: int
    stop: int
    run: object = field(default=None, repr=False)
    """The same object for all vaults of one run, and another one for another run's."""

    @property
    def name(self) -> str:
        """The vault's name: name, id, dob or ssn."""
        return self.vault.name

    @property
    def records(self) -> int:
        """How many records that is."""
        return self.stop - self.start

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the range into ranges of ``size`` records; the last one may have fewer."""
        for start in range(self.start, self.stop, size):
            yield start, min(start + size, self.stop)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run, checked. ``vaults`` has those that are asked for, in the order of the contract."""

    seed: int
    timestamp: int
    vaults: tuple[VaultPlan, ...]
    rate: float | None
    """Records a second, of all vaults together, or None for as many as can be had."""

    @property
    def records(self) -> int:
        """Records of all vaults together."""
        return sum(vault.records for vault in self.vaults)

    @classmethod
    def of(
        cls,
        counts: Counts,
        seed: int | None = None,
        timestamp: int | None = None,
        part: tuple[int, int] = (1, 1),
        *,
        rate: float | None = None,
    ) -> Plan:
        """Check what was asked for; see ``mockdata.generate`` for the arguments.

        Raises PlanError, which names the argument and says what is allowed.
        """
        records = _records(counts)
        if seed is None:
            seed = int.from_bytes(os.urandom(SEED_BITS // 8), sys.byteorder)
        seed = _whole("seed", seed, 0, 2**SEED_BITS - 1)
        if timestamp is None:
            timestamp = int(time.time())
        timestamp = _timestamp(timestamp)
        number, parts = _part(part)
        run = object()
        return cls(
            seed,
            timestamp,
            tuple(
                VaultPlan(
                    vault,
                    Key(vault.name, seed, timestamp),
                    (number - 1) * records[vault.name] // parts,
                    number * records[vault.name] // parts,
                    run,
                )
                for vault in VAULTS.values()
                if vault.name in records
            ),
            _rate(rate),
        )


def checked_workers(workers: int | None) -> int:
    """Return a number of processes: by default the CPUs that this one may use, at most 8."""
    if workers is not None:
        return _whole("workers", workers, 1, MAX_WORKERS)
    if hasattr(os, "sched_getaffinity"):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)


def _rate(rate: SupportsFloat | None) -> float | None:
    if rate is None:
        return None
    try:
        number = float(rate) if isinstance(rate, SupportsFloat) else 0.0
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if isinstance(rate, bool) or not 0 < number < math.inf:
        raise PlanError("rate", f"{rate!r} is not a number of records a second above 0")
    return number


def _records(counts: Counts) -> dict[str, int]:
    if not isinstance(counts, Mapping):
        every = _whole("counts", counts, 1, MAX_COUNT)
        return dict.fromkeys(VAULTS, every)
    if not counts:
        raise PlanError("counts", "no vault is named; name at least one of " + ", ".join(VAULTS))
    for name in counts:
        if name not in VAULTS:
            raise PlanError("counts", f"no vault {name!r}; there are " + ", ".join(VAULTS))
    return {name: _whole(f"counts[{name!r}]", n, 1, MAX_COUNT) for name, n in counts.items()}


def _timestamp(value: object) -> int:
    try:
        return _whole("timestamp", value, 10**9, 10**10 - 1)
    except PlanError:
        raise PlanError(
            "timestamp", f"{value!r} is not a Unix time in seconds of ten digits"
        ) from None


def _part(part: object) -> tuple[int, int]:
    try:
        number, parts = map(operator.index, part)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        number, parts = 0, 0
    if not 1 <= number <= parts:
        raise PlanError("part", f"{part!r} is not (k, n) with 1 <= k <= n")
    return number, parts


def _whole(argument: str, value: object, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise PlanError(argument, f"{value!r} is not a whole number from {least} to {most}")
    return number
