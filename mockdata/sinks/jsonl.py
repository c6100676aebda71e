"""Files of JSON lines, complete or absent: one for each vault or table."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager

from mockdata.render.layout import Layout, json_objects
from mockdata.sinks.base import Run, Session
from mockdata.sinks.folder import NewFile
from mockdata.sinks.place import place_at

__all__ = ["JsonlSink"]


class JsonlSink:
    """Writes JSON lines to a folder: one file for each vault or table.

    The file is ``<name>.jsonl``, with one object for each record. The keys are the names of the
    columns: a vault's data column and token column, or the table's columns. All values are strings.
    Files are complete or absent, as with ``CsvSink``. Errors are an OSError with the file's name.

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
        self._place = place_at(folder, clobber=clobber, fsync=fsync)

    def open(self, run: Run) -> AbstractAsyncContextManager[Session]:
        """Create the files for the workers to fill."""
        layouts: dict[str, Layout] = {v.name: json_objects(v.columns) for v in run.vaults}
        files = {}
        for vault in run.vaults:
            (width,) = vault.mean_widths(layouts[vault.name])
            expected = vault.records * width
            files[vault.name] = [NewFile(f"{vault.name}.jsonl", expected=expected)]
        return self._place.open(files, layouts)
