"""What a run says of itself: Progress while it is under way, and a Report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mockdata.pipeline.plan import Plan

__all__ = ["Delivery", "Meter", "Progress", "Report", "VaultReport"]


class Progress(NamedTuple):
    """How far one vault has come, each time that a sink has taken records of it."""

    vault: str
    records: int
    """Records that the sink has taken so far."""
    total: int
    """Records of this vault in the run."""
    bytes: int
    """Bytes of those records' data and token lines, and of the files' header lines."""
    seconds: float
    """Since the run began."""


@dataclass(frozen=True, slots=True)
class VaultReport:
    """One vault's records and bytes; with the CSV sink, the bytes are the sizes of its files."""

    records: int
    data_bytes: int
    token_bytes: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What has become of the records that a sink delivers to a service; all counts are of the run.

    At the end of a run, ``sent + failed + not_sent`` is what was asked for, however it ended.
    """

    sent: int
    """Records that the service has taken, by its own answer."""
    failed: int
    """Records that it has refused, or not answered for, to the last try: see ``error_logs``."""
    not_sent: int
    """Records that nothing is known of: of a run that has ended early, or is under way."""
    in_flight: int
    """Requests that wait for their answer now."""
    retries: int
    """Requests that were made again."""
    throttled: int
    """Answers of 429, too many requests."""
    latency_median: float
    """Seconds from a request to its answer, to within a tenth."""
    latency_p95: float
    """Seconds that 95 in 100 requests took at most, to within a tenth."""
    error_logs: tuple[str, ...]
    """Files that have the failed records."""


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

    def __init__(self, plan: Plan, on_progress: Callable[[Progress], object] | None) -> None:
        self._seed, self._timestamp = plan.seed, plan.timestamp
        self._on_progress = on_progress
        self._began = time.perf_counter()
        self._totals = {vault.name: vault.records for vault in plan.vaults}
        self._taken = {vault.name: VaultReport(0, 0, 0) for vault in plan.vaults}

    def add(self, vault: str, records: int, data_bytes: int, token_bytes: int) -> None:
        """Count records that a sink has taken, or the header lines of its files."""
        taken = self._taken[vault]
        taken = VaultReport(
            taken.records + records, taken.data_bytes + data_bytes, taken.token_bytes + token_bytes
        )
        self._taken[vault] = taken
        if self._on_progress is not None:
            done = taken.data_bytes + taken.token_bytes
            seconds = time.perf_counter() - self._began
            self._on_progress(Progress(vault, taken.records, self._totals[vault], done, seconds))

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
