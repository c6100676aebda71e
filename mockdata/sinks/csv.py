"""Two CSV files a vault, complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO

from mockdata.limits import naming
from mockdata.plan import VaultPlan
from mockdata.sinks._files import (
    EARLIER,
    TEMPORARY,
    create_locked,
    locked_folder,
    remove_leftovers,
    second_name,
)
from mockdata.sinks.base import Files
from mockdata.tasks import in_thread

__all__ = ["CsvSink"]


class CsvSink:
    """Writes ``<vault>_data.csv`` and ``<vault>_tokens.csv`` in a folder, which it makes.

    The workers write the lines by themselves, under other names in the same folder. At the end of
    the run each pair of files is renamed, over earlier ones. If the run fails, nothing is left of
    it and earlier files are as they were. Raises OSError, with the file's name.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = _Folder(os.fspath(folder))

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Files]:
        """Make the two files, with their header lines, for the workers to fill."""
        pair = _Pair(self._folder.path, vault)
        try:
            await in_thread(self._folder.create)
            await in_thread(pair.create)
            yield pair.files
            await in_thread(pair.commit)
            self._folder.keep()
        except OSError as error:
            if error.filename is not None:
                error.filename = pair.final_name(error.filename)
            raise
        finally:
            pair.discard()
            self._folder.discard()


class _Folder:
    """The folder of all vaults: one that a run has made goes with it if the run fails."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._is_new = False

    def create(self) -> None:
        """Make the folder, or remove what a run that was killed has left in it."""
        try:
            os.mkdir(self.path)
            self._is_new = True
        except FileExistsError:
            remove_leftovers(self.path)

    def keep(self) -> None:
        self._is_new = False

    def discard(self) -> None:
        if self._is_new:
            with suppress(OSError):
                os.rmdir(self.path)


class _Pair:
    """The life of one vault's two files; every step is done at once, off the event loop."""

    def __init__(self, folder: str, vault: VaultPlan) -> None:
        run = os.urandom(4).hex()
        names = f"{vault.name}_data.csv", f"{vault.name}_tokens.csv"
        self._final = [os.path.join(folder, name) for name in names]
        self._temporary = [os.path.join(folder, f".{name}.{run}{TEMPORARY}") for name in names]
        self._files: list[BinaryIO] = []
        columns = vault.vault.data_column, vault.vault.token_column
        self._headers = [f"{column}\n".encode() for column in columns]

    @property
    def files(self) -> Files:
        data, tokens = self._temporary
        data_header, token_header = self._headers
        return Files(data, tokens, len(data_header), len(token_header))

    def create(self) -> None:
        """Make the files under their temporary names, and lock them: they are not left over."""
        for final in self._final:
            if os.path.isdir(final):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), final)
        for temporary, header in zip(self._temporary, self._headers, strict=True):
            self._files.append(create_locked(temporary))
            with naming(temporary):
                self._files[-1].write(header)

    def commit(self) -> None:
        """Rename both files, or neither, while no other run does so in this folder."""
        with locked_folder(os.path.dirname(self._final[0]) or os.curdir):
            data, tokens = self._final
            with second_name(data, f"{self._temporary[0]}{EARLIER}") as put_back:
                os.replace(self._temporary[0], data)
                try:
                    os.replace(self._temporary[1], tokens)
                except OSError:
                    put_back()
                    raise

    def discard(self) -> None:
        """Remove what is left under a temporary name."""
        for file in self._files:
            file.close()
        for temporary in self._temporary:
            with suppress(OSError):
                os.unlink(temporary)

    def final_name(self, name: object) -> object:
        """Return the name that the user knows, for one of the temporary names."""
        names = dict(zip(self._temporary, self._final, strict=True))
        return names.get(name, name) if isinstance(name, str) else name
