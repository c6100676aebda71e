"""What a run makes: counts, seed, timestamp, start and part, checked, and made index ranges."""

from __future__ import annotations

import math
import operator
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Final, Protocol, SupportsFloat, SupportsIndex

from mockdata.errors import PlanError, plural
from mockdata.render.renderers import chosen
from mockdata.sinks.base import Run, VaultRun
from mockdata.vaults.file import Definitions, Vaults, definitions
from mockdata.vaults.resolve import Resolver, check_count
from mockdata.vaults.texts import not_one_of, shown
from mockdata.vaults.vault import Table, Vault

__all__ = [
    "MAX_COUNT",
    "Counts",
    "checked_rate",
    "checked_workers",
    "plan_run",
]

MAX_COUNT: Final = 2**40
"""Records of a vault, at most."""

MAX_WORKERS: Final = 1024
MOST_BY_DEFAULT: Final = 8

SEED_BITS: Final = 64


class OfVaults(Protocol):
    """What a type checker takes for a mapping of vaults, or their names, to numbers.

    A ``Mapping`` is invariant in its keys, so it would not take both names and vaults.
    """

    def items(self) -> Iterable[tuple[str | Vault | Table, SupportsIndex]]:
        """Return the vaults and their numbers."""
        ...


Counts = SupportsIndex | OfVaults
"""A number for every vault, or for some: a vault, or its name, to a number."""


def plan_run(
    counts: Counts,
    *,
    vaults: Vaults | Definitions | None = None,
    seed: int | None = None,
    timestamp: int | None = None,
    start: Counts = 0,
    part: tuple[int, int] = (1, 1),
) -> Run:
    """Check the arguments, which are those of ``mockdata.generate``, and return the run.

    Raises PlanError, which names the argument and says what is allowed (for a renderer that there
    is not, too), and OSError if a file of
    definitions cannot be read.
    """
    chosen()
    defined = vaults if isinstance(vaults, Definitions) else definitions(vaults)
    defined = defined.joined(_objects(counts))
    records = _records(counts, defined)
    starts = _starts(start, records)
    if seed is None:
        seed = int.from_bytes(os.urandom(SEED_BITS // 8), sys.byteorder)
    seed = _whole("seed", seed, 0, 2**SEED_BITS - 1)
    timestamp = _timestamp(int(time.time()) if timestamp is None else timestamp)
    number, parts = _part(part)
    resolver = Resolver(defined.known)
    made = []
    for name in filter(records.__contains__, defined.known):
        first, count = starts[name], records[name]
        resolved = resolver.resolved(name)
        check_count(resolved, first + count)
        begin, end = ((number + k) * count // parts for k in (-1, 0))
        made.append(VaultRun(resolved, first + begin, first + end))
    return Run(seed, timestamp, tuple(made), (number, parts))


def checked_workers(workers: int | None) -> int:
    """Return a number of processes: by default the CPUs that this one may use, at most 8."""
    if workers is not None:
        return _whole("workers", workers, 1, MAX_WORKERS)
    return min(MOST_BY_DEFAULT, _cpus())


def _cpus() -> int:
    """Return how many CPUs this process may use; ``PYTHON_CPU_COUNT`` counts from Python 3.13."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_rate(rate: SupportsFloat | None) -> float | None:
    """Return a number of records a second; None for as many as can be had."""
    if rate is None:
        return None
    try:
        number = float(rate) if isinstance(rate, SupportsFloat) else 0.0
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if isinstance(rate, bool) or not 0 < number < math.inf:
        raise PlanError("rate", f"{shown(rate)} is not a number of records per second above 0")
    return number


def _objects(counts: Counts) -> list[Vault | Table]:
    """Return the vaults and tables among the keys of a mapping."""
    keys = counts if isinstance(counts, Mapping) else ()
    return [key for key in keys if isinstance(key, Vault | Table)]


def _name(key: object) -> object:
    return key.name if isinstance(key, Vault | Table) else key


def _records(counts: Counts, defined: Definitions) -> dict[str, int]:
    if not isinstance(counts, Mapping):
        every = _whole("counts", counts, 1, MAX_COUNT)
        if not defined.counted:
            raise PlanError("vaults", "there are none, so one count makes nothing; name some")
        return dict.fromkeys(defined.counted, every)
    if not counts:
        known = ", ".join(defined.counted)
        raise PlanError("counts", f"names no vault; name at least one of {known}")
    records: dict[str, int] = {}
    for key, number in counts.items():
        name = _name(key)
        if not isinstance(name, str) or name not in defined.known:
            raise PlanError("counts", not_one_of(name, defined.known))
        if name in records:
            raise PlanError("counts", f"{name} is given twice")
        records[name] = _whole(f"counts[{name!r}]", number, 1, MAX_COUNT)
    return records


def _starts(start: Counts, records: Mapping[str, int]) -> dict[str, int]:
    """Return the first index of each requested vault. All indices are below 2**40."""
    if not isinstance(start, Mapping):
        first = _whole("start", start, 0, MAX_COUNT)
        start = dict.fromkeys(records, first)
    named = {_name(key): first for key, first in start.items()}
    for name in named:
        if name not in records:
            problem = f"{shown(name)} is not in this run, which has {', '.join(records)}"
            raise PlanError("start", problem)
    return {name: _start(name, named.get(name, 0), count) for name, count in records.items()}


def _start(name: str, start: object, count: int) -> int:
    first = _whole(f"start[{name!r}]", start, 0, MAX_COUNT)
    if first + count > MAX_COUNT:
        both = f"{first} and {count} {plural(count, 'record')} together"
        raise PlanError("start", f"{name}: {both} are more than {MAX_COUNT}")
    return first


def _timestamp(value: object) -> int:
    try:
        return _whole("timestamp", value, 10**9, 10**10 - 1)
    except PlanError:
        raise PlanError(
            "timestamp", f"{shown(value)} is not a Unix time in seconds, with ten digits"
        ) from None


def _part(part: object) -> tuple[int, int]:
    try:
        number, parts = map(operator.index, part)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        number, parts = 0, 0
    if not 1 <= number <= parts:
        raise PlanError("part", f"{shown(part)} is not (k, n) with 1 <= k <= n")
    return number, parts


def _whole(argument: str, value: object, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        raise PlanError(argument, f"{shown(value)} is not a whole number from {least} to {most}")
    return number
