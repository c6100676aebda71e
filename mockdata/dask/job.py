"""What a run is to its tasks, as plain data that travels to the workers once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import mockdata
from mockdata.errors import PlanError
from mockdata.sinks import Run, Sink
from mockdata.vaults.texts import not_one_of
from mockdata.vaults.vault import Table, Vault

__all__ = ["FORMATS", "Job", "checked_format", "fingerprint"]

FORMATS: Final = {"csv": "CsvSink", "jsonl": "JsonlSink", "parquet": "ParquetSink"}


@dataclass(frozen=True, slots=True)
class Job:
    """One run, cut into ``parts`` parts. Each goes to its own folder in ``place``."""

    run_id: str
    """What tells the run's records and files from those of others; see ``fingerprint``."""
    counts: dict[str, int]
    start: dict[str, int]
    seed: int
    timestamp: int
    definitions: tuple[Vault | Table, ...]
    parts: int
    place: str
    """A folder, by its absolute path, or the URL of an object store."""
    format: str
    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the format's sink."""
    version: str = mockdata.__version__

    @property
    def is_store(self) -> bool:
        """Whether the parts go to an object store."""
        return "://" in self.place

    @property
    def topic(self) -> str:
        """What the workers' messages to the client stand under."""
        return f"mockdata-{self.run_id}"

    def name(self, number: int) -> str:
        """Return the name of a part's folder.

        >>> Job("", {}, {}, 0, 0, (), 64, "out", "csv").name(1)
        'part-00001-of-00064'
        """
        return f"part-{number:05}-of-{self.parts:05}"

    def sink(self, place: str) -> Sink:
        """Return the sink that writes a part."""
        sink: Sink = getattr(mockdata, FORMATS[self.format])(place, **self.options)
        return sink


def fingerprint(run: Run, *settings: object) -> str:
    """Return 16 hexadecimal digits that depend on all that the bytes of a run depend on."""
    vaults = [(v.name, v.start, v.stop, v.columns, v.resolved.columns) for v in run.vaults]
    content = repr((mockdata.__version__, run.seed, run.timestamp, vaults, settings))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def checked_format(name: object) -> str:
    """Return the format. Raises PlanError for one that there is not."""
    if name not in FORMATS:
        raise PlanError("format", not_one_of(name, FORMATS))
    return str(name)
