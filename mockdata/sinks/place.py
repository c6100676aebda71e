"""Where a sink's new files go: a folder, or an object store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from mockdata.errors import PlanError
from mockdata.render.layout import Layout
from mockdata.sinks.base import Session
from mockdata.sinks.folder import Folder, NewFile
from mockdata.sinks.stores.url import check_url, is_url

__all__ = ["NewFiles", "Place", "place_at"]


class NewFiles(Protocol):
    """Files that are open, for a sink that writes to them itself, one for each vault."""

    @property
    def grace(self) -> float:
        """Seconds that leaving them may take."""
        ...

    async def append(self, vault: str, content: bytes | memoryview, /) -> None:
        """Write at the end of a vault's file."""
        ...

    async def check(self) -> None:
        """Raise OSError unless the files are there, with everything written so far."""
        ...

    async def commit(self) -> None:
        """Have the files appear under their names."""
        ...


class Place(Protocol):
    """Opens the new files of a run, complete or absent: a format says which, a place says how."""

    def made(
        self, files: Mapping[str, Sequence[NewFile]], /
    ) -> AbstractAsyncContextManager[NewFiles]:
        """Yield the files, to be written to and committed; they are by the names of vaults."""
        ...

    def open(
        self, files: Mapping[str, Sequence[NewFile]], layouts: Mapping[str, Layout], /
    ) -> AbstractAsyncContextManager[Session]:
        """Yield the session that fills them; both are by the names of vaults."""
        ...


def place_at(path: str | os.PathLike[str], *, clobber: bool, fsync: bool) -> Place:
    """Return the place that a path, or the URL of an object store, names.

    Raises PlanError for a URL that names no store, or for ``fsync`` of one.
    """
    text = os.fspath(path)
    if not is_url(text):
        return Folder(text, clobber, fsync)
    check_url(text)
    if fsync:
        raise PlanError("fsync", f"only works with a folder, and {text} is an object store")
    from mockdata.sinks.stores.store import Store

    return Store(text, clobber)
