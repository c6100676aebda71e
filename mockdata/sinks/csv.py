"""Two CSV files a vault, complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import BinaryIO, Final

import anyio

from mockdata.pipeline.plan import VaultPlan
from mockdata.sinks._files import (
    TEMPORARY,
    FolderLock,
    create_locked,
    put_in_place,
    remove_leftovers,
)
from mockdata.sinks.base import Files
from mockdata.workers.limits import naming
from mockdata.workers.tasks import off_the_loop

__all__ = ["CsvSink"]

LOCK_WAIT: Final = 5.0
"""Seconds that a run waits for another one that renames its files, which takes less than one."""

LOCK_CHECK: Final = 0.01
"""Seconds between two looks."""


class CsvSink:
    """Writes two CSV files a vault in a folder, which it makes.

    They are ``<vault>_data.csv`` and ``<vault>_tokens.csv``. The workers write the lines by
    themselves, under other names in the same folder. At the end of the run the files of all vaults
    are renamed, and earlier ones of their names removed. If the run fails, nothing is left of it
    and earlier files are as they were. Raises OSError, with the file's name.
    """

    def __init__(self, folder: str | os.PathLike[str] = "data") -> None:
        self._path = os.fspath(folder)
        self._runs: dict[object, _Run] = {}

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Files]:
        """Make the two files, with their header lines, for the workers to fill."""
        run = self._runs.setdefault(vault.run, _Run(self._path))
        pair = run.add(vault)
        is_complete = False
        try:
            await off_the_loop(run.make_folder)
            await off_the_loop(pair.create)
            yield pair.files
            await run.commit()
            is_complete = True
        except OSError as error:
            if error.filename is not None:
                error.filename = run.final_name(error.filename)
            raise
        finally:
            if run.leave(is_complete=is_complete):
                del self._runs[vault.run]
                with anyio.CancelScope(shield=True):
                    await run.end()


class _Run:
    """The files of one run, which get their names together or not at all.

    The first vault that is left when every vault is written renames the files of all; the last one
    that is left removes the earlier files or, if any vault was left otherwise, puts them back. No
    other run renames files in the folder in between.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._folder_is_new = False
        self._pairs: list[_Pair] = []
        self._open = 0
        self._failed = False
        self._turn = anyio.Lock()
        self._is_committed = False
        self._lock = FolderLock(folder)

    def add(self, vault: VaultPlan) -> _Pair:
        """Return the files of one more vault."""
        self._open += 1
        self._pairs.append(_Pair(self._folder, vault))
        return self._pairs[-1]

    def make_folder(self) -> None:
        """Make the folder, or remove what a run that was killed has left in it."""
        try:
            os.mkdir(self._folder)
            self._folder_is_new = True
        except FileExistsError:
            remove_leftovers(self._folder)

    async def commit(self) -> None:
        """Rename the files of all vaults, unless another vault has done so."""
        async with self._turn:
            if not (self._is_committed or self._failed):
                try:
                    await self._take_lock()
                    await off_the_loop(self._rename)
                except OSError:
                    self._failed = True
                    raise
                self._is_committed = True

    async def _take_lock(self) -> None:
        """Wait until no other run renames files in the folder. Raises OSError after some time."""
        with anyio.move_on_after(LOCK_WAIT):
            while not self._lock.take():  # noqa: ASYNC110, it is other processes that have it
                await anyio.sleep(LOCK_CHECK)
            return
        raise OSError(errno.EBUSY, "another run is renaming its files there", self._folder)

    def _rename(self) -> None:
        for pair in self._pairs:
            pair.rename()

    def leave(self, *, is_complete: bool) -> bool:
        """Say how a vault was left; return whether it was the last one."""
        self._open -= 1
        self._failed = self._failed or not is_complete
        return not self._open

    async def end(self) -> None:
        """Put back what was there if the run has failed, and remove everything but the result."""
        try:
            if self._failed:
                await off_the_loop(self._put_back)
            async with anyio.create_task_group() as tasks:
                for pair in self._pairs:  # at once: large files take long to remove
                    tasks.start_soon(off_the_loop, partial(pair.discard, failed=self._failed))
        finally:
            self._lock.release()
        if self._failed and self._folder_is_new:
            with suppress(OSError):
                os.rmdir(self._folder)

    def _put_back(self) -> None:
        for pair in self._pairs:
            pair.put_back()

    def final_name(self, name: object) -> object:
        """Return the name that the user knows, for one of the temporary names."""
        names = {file.temporary: file.final for pair in self._pairs for file in pair.both}
        return names.get(name, name) if isinstance(name, str) else name


class _Pair:
    """The life of one vault's two files; every step is done at once, off the event loop."""

    def __init__(self, folder: str, vault: VaultPlan) -> None:
        run = os.urandom(4).hex()
        self._data = _File(folder, f"{vault.name}_data.csv", run, vault.vault.data_column)
        self._tokens = _File(folder, f"{vault.name}_tokens.csv", run, vault.vault.token_column)
        self.both = self._data, self._tokens

    @property
    def files(self) -> Files:
        """What the workers have to know."""
        data, tokens = self.both
        return Files(data.temporary, tokens.temporary, len(data.header), len(tokens.header))

    def create(self) -> None:
        for file in self.both:
            file.check()
        for file in self.both:
            file.create()

    def rename(self) -> None:
        for file in self.both:
            file.rename()

    def put_back(self) -> None:
        for file in self.both:
            file.put_back()

    def discard(self, *, failed: bool) -> None:
        for file in self.both:
            file.discard(failed=failed)


class _File:
    """A file that has a temporary name until its run is complete."""

    def __init__(self, folder: str, name: str, run: str, column: str) -> None:
        self.final = os.path.join(folder, name)
        self.temporary = os.path.join(folder, f".{name}.{run}{TEMPORARY}")
        self.header = f"{column}\n".encode()
        self._file: BinaryIO | None = None
        self._is_renamed = self._has_earlier = False

    def check(self) -> None:
        """Raise OSError if the file cannot have its name, before it is made."""
        if os.path.isdir(self.final):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.final)

    def create(self) -> None:
        """Make the file under its temporary name, and lock it: it is not left over."""
        self._file = create_locked(self.temporary)
        with naming(self.temporary):
            self._file.write(self.header)

    def rename(self) -> None:
        """Give the file its name, and an earlier one of that name the temporary one."""
        self._has_earlier = put_in_place(self.temporary, self.final)
        self._is_renamed = True

    def put_back(self) -> None:
        """Undo ``rename``, if it was done."""
        if self._is_renamed:
            with suppress(OSError):
                if self._has_earlier:
                    put_in_place(self.temporary, self.final)
                else:
                    os.unlink(self.final)
                self._has_earlier = False

    def discard(self, *, failed: bool) -> None:
        """Remove what has the temporary name, unless it is a file that could not be put back."""
        if self._file is not None:
            self._file.close()
            if not (failed and self._has_earlier):
                with suppress(OSError):
                    os.unlink(self.temporary)
