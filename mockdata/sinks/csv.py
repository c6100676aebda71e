"""CSV files, complete or absent: two for a vault, one for a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from mockdata.render.layout import CSV_LINES, QUOTES, Layout, Rows, escaped, needs_quotes
from mockdata.sinks.base import Run, Session, VaultRun
from mockdata.sinks.folder import NewFile
from mockdata.sinks.place import place_at

__all__ = ["CSV_ROWS", "CsvSink", "header_line"]

CSV_ROWS: Final = Rows(b"", b",", b"\n", escape="csv")
"""How a table's rows are written."""


class CsvSink:
    """Writes CSV files to a folder: two for each vault, one for each table.

    They are ``<vault>_data.csv`` and ``<vault>_tokens.csv``, and ``<table>.csv``. The workers write
    them under temporary names in the same folder. At the end of the run, all files get their names
    together and replace earlier ones. If the run fails, it leaves nothing, and earlier files stay
    as they were. If the files will not fit on the disk, the run is refused before anything is
    written. Errors are an OSError with the file's name.

    Args:
        folder: The folder's path, or the URL of an object store. The folder is made, but the folder
            above it must exist.
        header: Start each file with the column's name. Without it, ``cat`` joins the parts' files.
        clobber: Replace existing files. If False, an existing file is a FileExistsError.
        fsync: Wait until the files and the folder are on the disk. Without it, a power cut soon
            after the run may leave files that are empty or cut short.

    """

    def __init__(
        self,
        folder: str | os.PathLike[str] = "data",
        *,
        header: bool = True,
        clobber: bool = True,
        fsync: bool = False,
    ) -> None:
        self._place = place_at(folder, clobber=clobber, fsync=fsync)
        self._header = header

    def open(self, run: Run) -> AbstractAsyncContextManager[Session]:
        """Create the files, with their header lines, for the workers to fill."""
        files = {vault.name: self._new_files(vault) for vault in run.vaults}
        layouts: dict[str, Layout] = {v.name: CSV_ROWS for v in run.vaults if v.is_table}
        return self._place.open(files, layouts)

    def _new_files(self, vault: VaultRun) -> list[NewFile]:
        if vault.is_table:
            wanted = {f"{vault.name}.csv": vault.columns}
        else:
            data, tokens = vault.columns
            wanted = {f"{vault.name}_data.csv": (data,), f"{vault.name}_tokens.csv": (tokens,)}
        widths = vault.mean_widths(CSV_ROWS if vault.is_table else CSV_LINES)
        return [
            NewFile(name, header_line(columns) if self._header else b"", vault.records * width)
            for (name, columns), width in zip(wanted.items(), widths, strict=True)
        ]


def header_line(columns: Sequence[str]) -> bytes:
    """Return the header line of columns, quoted where it has to be."""
    fields = [f"{QUOTES}{escaped(c, 'csv')}{QUOTES}" if needs_quotes([c]) else c for c in columns]
    return f"{','.join(fields)}\n".encode()
