"""Parquet files, complete or absent: one for each vault or table."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Final

from mockdata import __version__
from mockdata.errors import PlanError
from mockdata.render.batch import Encoded
from mockdata.render.layout import Texts
from mockdata.sinks.base import Run, Session, VaultRun
from mockdata.sinks.folder import NewFile
from mockdata.sinks.parquet.assembly import MAGIC, MOST_CHUNKS, MOST_GROUPS, Assembly
from mockdata.sinks.place import place_at

__all__ = ["ParquetSink"]

GROUP: Final = 50_000
"""Records of a row group, at most."""

GROUP_BYTES: Final = 2**24
"""Bytes of a row group's texts, about: of wide tables, a row group has fewer records."""

SHARE: Final = 0.35
"""Bytes of a file for each byte of text, about: names, and 16 characters of 36 that are random."""


class ParquetSink:
    """Writes Parquet files to a folder: one for each vault or table.

    The file is ``<name>.parquet``, with a vault's data column and token column side by side, or the
    table's columns with their types. The workers encode row groups of up to 50,000 records and
    compress them with zstd. The footer has the run's seed, timestamp and part, the range of
    indices, and the version of mockdata, under ``mockdata.seed`` and so on. Files are complete or
    absent, as with ``CsvSink``. Needs pyarrow, from the extra ``mockdata[parquet]``. Raises
    PlanError without it, and for more records than fit in one file. Other errors are an OSError
    with the file's name.

    Args:
        folder: The folder's path, or the URL of an object store. The folder is made, but the folder
            above it must exist.
        clobber: Replace existing files. If False, an existing file is a FileExistsError.
        fsync: Wait until the files and the folder are on the disk.

    """

    def __init__(
        self,
        folder: str | os.PathLike[str] = "data",
        *,
        clobber: bool = True,
        fsync: bool = False,
    ) -> None:
        self._blocks = _blocks()
        self._place = place_at(folder, clobber=clobber, fsync=fsync)

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Create the files, and write to them what the workers encode."""
        blocks = self._blocks
        rows = {vault.name: _group_rows(vault) for vault in run.vaults}
        assemblies = {vault.name: _assembly(vault, run, blocks) for vault in run.vaults}
        wanted = {vault.name: [_new_file(vault)] for vault in run.vaults}
        async with self._place.made(wanted) as made:

            async def write(encoded: Encoded) -> None:
                await made.append(encoded.vault, assemblies[encoded.vault].add(encoded.data))

            async def commit() -> None:
                await made.check()
                for name, assembly in assemblies.items():
                    await made.append(name, assembly.end())
                await made.check()
                await made.commit()

            yield Session(
                write=write,
                encode=blocks.file_of,
                layouts=dict.fromkeys(rows, Texts()),
                batch_size=rows,
                commit=commit,
                grace=made.grace,
                file_sizes=lambda: {name: each.size for name, each in assemblies.items()},
            )


def _blocks() -> ModuleType:
    """Return the module that makes row groups. Raises PlanError if pyarrow is not there."""
    try:
        from mockdata.sinks.parquet import blocks
    except ImportError as error:
        problem = "parquet needs pyarrow; run pip install 'mockdata[parquet]'"
        raise PlanError("sink", problem) from error
    return blocks


def _group_rows(vault: VaultRun) -> int:
    """Return how many records a row group has. Raises PlanError if they are too many groups."""
    width = sum(vault.mean_widths())
    rows = max(min(GROUP, int(GROUP_BYTES / width)), 1)
    groups = min(MOST_GROUPS, MOST_CHUNKS // len(vault.columns))
    if vault.records > (most := groups * rows):
        problem = f"{vault.records} records do not fit in one Parquet file, which has up to {most}"
        problem += "; make the run in parts"
        raise PlanError("counts", f"{vault.name}: {problem}")
    return rows


def _assembly(vault: VaultRun, run: Run, blocks: ModuleType) -> Assembly:
    number, parts = run.part
    metadata = {
        "seed": run.seed,
        "timestamp": run.timestamp,
        "part": f"{number}/{parts}",
        "start": vault.start,
        "stop": vault.stop,
        "version": __version__,
    }
    model = memoryview(blocks.empty_file(vault.columns, vault.types))
    return Assembly(model, {f"mockdata.{key}": str(value) for key, value in metadata.items()})


def _new_file(vault: VaultRun) -> NewFile:
    texts = vault.records * sum(vault.mean_widths())
    return NewFile(f"{vault.name}.parquet", MAGIC, SHARE * texts, most=texts)
