"""What a run says of itself: Progress while it is under way, and a Report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mockdata.errors import MockDataError, plural
from mockdata.sinks.base import Delivery, Run

__all__ = ["Meter", "Progress", "Report", "VaultReport"]


class Progress(NamedTuple):
    """How far one vault has come, each time that a sink has taken records of it."""

    vault: str
    records: int
    """Records that the sink has taken so far."""
    total: int
    """Records of this vault in the run."""
    bytes: int
    """Bytes of those records in the sink's layout, and of the files' header lines."""
    seconds: float
    """Since the run began."""


@dataclass(frozen=True, slots=True)
class VaultReport:
    """One vault's records and bytes; of files, the bytes are their sizes."""

    records: int
    data_bytes: int
    """Bytes of a vault's data lines; of whole rows where its sink takes these, and of a table."""
    token_bytes: int
    """Bytes of a vault's token lines."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has made, in what time and memory, and the seed and timestamp to repeat it."""

    seed: int
    timestamp: int
    records: int
    bytes: int
    seconds: float
    records_per_second: float
    peak_memory: int
    """Bytes of memory that the process and its workers held at the peak, shared pages once."""
    vaults: dict[str, VaultReport]
    delivery: Delivery | None = None
    """What a sink that delivers to a service says of it; None of every other sink."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts and numbers, ready for JSON."""
        items = asdict(self)
        if self.delivery is None:
            del items["delivery"]
        return items


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

    def check_complete(self) -> None:
        """Raise MockDataError unless every record that was asked for has been taken."""
        for vault, total in self._totals.items():
            taken = self._taken[vault].records
            if taken != total:
                records = plural(total, "record")
                raise MockDataError(f"{vault}: the sink took {taken:,} of {total:,} {records}")

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
