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
    """Writes a file of JSON lines for each vault or table in a folder, which it makes.

    It is ``<name>.jsonl``, with an object a record. The keys are the names of the columns: a
    vault's data column and token column, or those of the table. All values are strings. The files
    are complete or absent, as those of ``CsvSink`` are. Raises OSError, with the file's name.

    Args:
        folder: Its path; the folder above it has to be there.
        clobber: Replace earlier files. If False, a file that is there is a FileExistsError.
        fsync: Have the files and the folder reach the disk before the run ends.

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
        """Make the files for the workers to fill."""
        layouts: dict[str, Layout] = {v.name: json_objects(v.columns) for v in run.vaults}
        files = {}
        for vault in run.vaults:
            (width,) = vault.mean_widths(layouts[vault.name])
            expected = vault.records * width
            files[vault.name] = [NewFile(f"{vault.name}.jsonl", expected=expected)]
        return self._place.open(files, layouts)
