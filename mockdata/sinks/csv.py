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
    """Writes two CSV files a vault in a folder, which it makes, and one a table.

    They are ``<vault>_data.csv`` and ``<vault>_tokens.csv``, and ``<table>.csv``. The workers write
    the lines by themselves, under other names in the same folder. At the end of the run the files
    of all vaults are renamed, and earlier ones of their names removed. If the run fails, nothing is
    left of it and earlier files are as they were. Files that do not fit on the disk are refused
    before anything is written. Raises OSError, with the file's name.

    Args:
        folder: Its path; the folder above it has to be there.
        header: Begin each file with its column's name. Without, ``cat`` joins the files of parts.
        clobber: Replace earlier files. If False, a file that is there is a FileExistsError.
        fsync: Have the files and the folder reach the disk before the run ends. Without, a power
            cut soon after the run may leave files that are empty or cut short.

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
        """Make the files, with their header lines, for the workers to fill."""
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
