"""Your own sink: a file of JSON lines for each vault, with all of a run or nothing.

Run it with ``python own_sink.py``, or use it in the command, from this folder:
``python -m mockdata 10 -s own_sink:sink``. It needs ``aiofiles``.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiofiles

import mockdata


@dataclass(frozen=True)
class JsonLines:
    """Writes ``<vault>.jsonl`` in a folder, under a hidden name until the run is committed."""

    folder: Path

    @asynccontextmanager
    async def open(self, run: mockdata.Run) -> AsyncIterator[mockdata.Session]:
        self.folder.mkdir(exist_ok=True)
        names = {vault.name: f"{vault.name}.jsonl" for vault in run.vaults}
        with TemporaryDirectory(dir=self.folder, prefix=".") as hidden:
            async with AsyncExitStack() as stack:
                files = {
                    vault: await stack.enter_async_context(aiofiles.open(f"{hidden}/{name}", "w"))
                    for vault, name in names.items()
                }

                async def write(batch: mockdata.Batch) -> None:
                    rows = (json.dumps(row._asdict()) + "\n" for row in batch)
                    await files[batch.vault].writelines(rows)

                async def commit() -> None:
                    await stack.aclose()
                    for name in names.values():
                        os.replace(f"{hidden}/{name}", self.folder / name)

                yield mockdata.Session(write=write, commit=commit)


sink = JsonLines(Path("records"))

if __name__ == "__main__":
    report = mockdata.generate_sync(1000, sink=sink)
    print(f"{report.records:,} records in {sink.folder}/")
