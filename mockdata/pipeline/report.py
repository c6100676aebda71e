"""What a run says about itself: Progress while it runs, and a Report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mockdata.errors import MockDataError, plural
from mockdata.sinks.base import Delivery, Run
from mockdata.vaults.frozen import frozen

__all__ = ["Follower", "Meter", "Progress", "Report", "VaultReport"]


class Progress(NamedTuple):
    """How far one vault has come. You get one each time the sink has taken records of it."""

    vault: str
    records: int
    """Records that the sink has taken so far."""
    total: int
    """Records of this vault in the run."""
    bytes: int
    """Bytes of those records in the sink's layout, and of the files' header lines."""
    seconds: float
    """Since the run began."""


@frozen
class VaultReport:
    """How many records and bytes the run made for one vault. For files, bytes are file sizes."""

    records: int
    data_bytes: int
    """Bytes of the data lines. For a table, or a sink that takes whole rows, bytes of all rows."""
    token_bytes: int
    """Bytes of the token lines."""


@frozen
class Report:
    """What a run made, the time and memory it took, and the seed and timestamp that repeat it."""

    seed: int
    timestamp: int
    records: int
    bytes: int
    seconds: float
    records_per_second: float
    peak_memory: int
    """Peak memory of the process and its workers, in bytes. Shared pages count once."""
    vaults: dict[str, VaultReport]
    delivery: Delivery | None = None
    """What was delivered, from a sink that sends records to a service. None for other sinks."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts and numbers, ready for JSON."""
        from dataclasses import asdict

        items = asdict(self)
        if self.delivery is None:
            del items["delivery"]
        return items


class Follower:
    """An ``on_progress`` that also hears of what a sink delivers."""

    def __call__(self, progress: Progress) -> None:
        """Count what the sink has taken."""
        raise NotImplementedError

    def delivering(self, delivery: Callable[[], Delivery | None]) -> None:
        """Take notice of what says, at any time, what has become of the records."""
        raise NotImplementedError


class Meter:
    """Counts what the sinks have taken, and tells ``on_progress`` of it."""

    def __init__(self, run: Run, on_progress: Callable[[Progress], object] | None) -> None:
        self._seed, self._timestamp = run.seed, run.timestamp
        self._on_progress = on_progress
        self._began = time.perf_counter()
        self._totals = {vault.name: vault.records for vault in run.vaults}
        self._taken = {vault.name: VaultReport(0, 0, 0) for vault in run.vaults}
        self._pairs = {vault.name for vault in run.vaults if not vault.is_table}

    def add(self, vault: str, records: int, sizes: tuple[int, ...]) -> None:
        """Count records that a sink has taken, or the header lines of its files.

        ``sizes`` are the bytes of each output of the vault's layout.
        """
        taken = self._taken[vault]
        data, tokens = sizes if len(sizes) == 2 and vault in self._pairs else (sum(sizes), 0)
        taken = VaultReport(
            taken.records + records, taken.data_bytes + data, taken.token_bytes + tokens
        )
        self._taken[vault] = taken
        if self._on_progress is not None:
            done = taken.data_bytes + taken.token_bytes
            seconds = time.perf_counter() - self._began
            self._on_progress(Progress(vault, taken.records, self._totals[vault], done, seconds))

    def follow(self, delivery: Callable[[], Delivery] | None) -> None:
        """Have a display show what becomes of the records of a sink that delivers them."""
        if delivery is not None and isinstance(self._on_progress, Follower):
            self._on_progress.delivering(delivery)

    def check_complete(self) -> None:
        """Raise MockDataError unless the sink has taken every record."""
        for vault, total in self._totals.items():
            taken = self._taken[vault].records
            if taken != total:
                records = f"{taken:,} of {total:,} {plural(total, 'record')}"
                raise MockDataError(f"{vault}: the sink received {records}, without an error")

    def set_sizes(self, sizes: Mapping[str, int]) -> None:
        """Have the sizes of files in place of the bytes that were counted."""
        for vault, size in sizes.items():
            self._taken[vault] = VaultReport(self._taken[vault].records, size, 0)

    def report(self, peak_memory: int, delivery: Delivery | None = None) -> Report:
        """Return the report of a run that ends now."""
        seconds = time.perf_counter() - self._began
        vaults = self._taken.values()
        records = sum(vault.records for vault in vaults)
        return Report(
            seed=self._seed,
            timestamp=self._timestamp,
            records=records,
            bytes=sum(vault.data_bytes + vault.token_bytes for vault in vaults),
            seconds=seconds,
            records_per_second=records / seconds,
            peak_memory=peak_memory,
            vaults=self._taken,
            delivery=delivery,
        )
