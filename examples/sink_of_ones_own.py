"""A sink of one's own: a file of JSON lines for each vault, complete or absent.

Run it with ``python sink_of_ones_own.py``, or from this folder by way of the command with
``python -m mockdata 10 -s sink_of_ones_own:sink``. It needs ``aiofiles``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiofiles

import mockdata


@dataclass(frozen=True)
class JsonLines:
    """Writes ``<vault>.jsonl`` in a folder, under another name until the whole run is written."""

    folder: Path

    @asynccontextmanager
    async def open(self, vault: mockdata.VaultPlan) -> AsyncIterator[mockdata.Writer]:
        self.folder.mkdir(exist_ok=True)
        unfinished = self.folder / f".{vault.name}.jsonl.tmp"
        try:
            async with aiofiles.open(unfinished, "w") as file:

                async def write(batch: mockdata.Batch) -> None:
                    await file.writelines(json.dumps(row._asdict()) + "\n" for row in batch)

                yield write
            unfinished.replace(self.folder / f"{vault.name}.jsonl")
        finally:
            unfinished.unlink(missing_ok=True)


sink = JsonLines(Path("records"))

if __name__ == "__main__":
    report = mockdata.generate_sync(1000, sink=sink)
    print(f"{report.records:,} records in {sink.folder}/")
