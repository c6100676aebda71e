"""Two CSV files a vault, complete or absent."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final, NamedTuple

import anyio

from mockdata.sinks._files import (
    EARLIER,
    TEMPORARY,
    FolderLock,
    all_of,
    check_place,
    create_locked,
    final_path,
    identity,
    put_back,
    put_in_place,
    remove_leftovers,
    sync_folder,
)
from mockdata.sinks.base import Files, Run, Session
from mockdata.vaults import STAMP, Vault
from mockdata.workers.limits import naming
from mockdata.workers.tasks import note_later_error, off_the_loop

__all__ = ["CsvSink"]

LOCK_WAIT: Final = 5.0
"""Seconds that a run waits for another one that renames its files, which takes less than one."""

LOCK_CHECK: Final = 0.01
"""Seconds between two looks."""

NAME_PADDING: Final = 15.022
"""Bytes that a line with a name is shorter than the longest one, on average over the census."""


@dataclass(frozen=True, slots=True)
class _Options:
    header: bool
    clobber: bool
    fsync: bool


class CsvSink:
    """Writes two CSV files a vault in a folder, which it makes.

    They are ``<vault>_data.csv`` and ``<vault>_tokens.csv``. The workers write the lines by
    themselves, under other names in the same folder. At the end of the run the files of all vaults
    are renamed, and earlier ones of their names removed. If the run fails, nothing is left of it
    and earlier files are as they were. Files that do not fit on the disk are refused before
    anything is written. Raises OSError, with the file's name.

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
        self._folder = os.fspath(folder)
        self._options = _Options(header, clobber, fsync)

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Make the files, with their header lines, for the workers to fill."""
        folder = _absolute(self._folder)
        files = _Run(folder, run, self._options)
        with _as_given(folder, self._folder):
            try:
                await off_the_loop(files.create)
                yield Session(files=files.places(), commit=files.commit)
            finally:
                with anyio.CancelScope(shield=True):
                    await files.leave()


def _absolute(folder: str) -> str:
    """Return a path that stays right when the current folder changes, or in another process."""
    try:
        here = "" if os.path.isabs(folder) else os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "the current folder is gone", folder) from error
    return os.path.join(here, folder).rstrip("/") or "/"


@contextmanager
def _as_given(folder: str, given: str) -> Iterator[None]:
    """Have an OSError name a file as the user knows it: in the folder as given, by its own name."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str):
            place, name = os.path.split(final_path(error.filename))
            if error.filename == folder:
                error.filename = given
            elif place == folder:
                error.filename = os.path.join(given, name)
                del error.filename2  # the other name of a file that was renamed
        raise


class _Run:
    """The files of one run, which get their names together or not at all."""

    def __init__(self, folder: str, run: Run, options: _Options) -> None:
        self._folder = folder
        self._options = options
        self._folder_is_new = self._is_committed = False
        self._lock = FolderLock(folder, fsync=options.fsync)
        tag = os.urandom(4).hex()
        self._pairs: dict[str, tuple[_File, _File]] = {}
        for part in run.vaults:
            vault, path = part.vault, os.path.join(folder, part.name)
            data, tokens = _widths(vault)
            columns = (f"{vault.data_column}\n", f"{vault.token_column}\n")
            headers = columns if options.header else ("", "")
            self._pairs[part.name] = (
                _File(f"{path}_data.csv", tag, headers[0], part.records, data),
                _File(f"{path}_tokens.csv", tag, headers[1], part.records, tokens),
            )
        self._files = [file for pair in self._pairs.values() for file in pair]

    def create(self) -> None:
        """Make the files, in a folder that is made, or freed of what killed runs have left."""
        remove_leftovers(self._folder)
        for file in self._files:
            check_place(file.final, clobber=self._options.clobber)
        _check_room(self._folder, sum(file.expected for file in self._files))
        with suppress(FileExistsError):
            os.mkdir(self._folder)
            self._folder_is_new = True
        for file in self._files:
            file.create()

    def places(self) -> dict[str, Files]:
        """Return what the workers have to know."""
        return {
            vault: Files(data.temporary, tokens.temporary, len(data.header), len(tokens.header))
            for vault, (data, tokens) in self._pairs.items()
        }

    async def commit(self) -> None:
        """Give the files their names, once all of them are whole."""
        await off_the_loop(self._check)
        await self._take_lock()
        await off_the_loop(self._rename)

    def _check(self) -> None:
        for file in self._files:
            file.check()
        if self._options.fsync:
            for file in self._files:
                file.sync()
            if self._folder_is_new:
                sync_folder(os.path.dirname(self._folder))

    async def _take_lock(self) -> None:
        """Wait until no other run renames files in the folder. Raises OSError after some time."""
        with anyio.move_on_after(LOCK_WAIT):
            while not self._lock.take():  # noqa: ASYNC110, it is other processes that have it
                await anyio.sleep(LOCK_CHECK)
            return
        raise OSError(errno.EBUSY, "another run is renaming its files there", self._folder)

    def _rename(self) -> None:
        new = {file.temporary: identity(file.number) or "" for file in self._files}
        try:
            self._lock.begin(new)
            for file in self._files:
                put_in_place(file.temporary, file.final, clobber=self._options.clobber)
            self._lock.end()
            self._is_committed = True
        except BaseException as error:
            try:
                all_of(partial(put_back, path, each) for path, each in new.items())
                self._lock.end()
            except OSError as later:
                note_later_error(error, later)
            raise

    async def leave(self) -> None:
        """Remove everything but the result. What fails is an error unless there is a result."""
        errors: list[OSError] = []

        def remove(pair: tuple[_File, _File]) -> None:
            try:
                all_of(partial(file.discard, committed=self._is_committed) for file in pair)
            except OSError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:  # at once: large files take long to remove
            for pair in self._pairs.values():
                tasks.start_soon(off_the_loop, partial(remove, pair))
        self._lock.release()
        if self._folder_is_new and not self._is_committed:
            with suppress(OSError):
                os.rmdir(self._folder)
        if errors and not self._is_committed:
            raise errors[0]


class _Width(NamedTuple):
    """Bytes of a line, its line feed included."""

    least: int
    mean: float


def _widths(vault: Vault) -> tuple[_Width, _Width]:
    """Return how wide a vault's data lines and its token lines are."""
    data, tokens = vault.data_width, vault.token_width
    names = _Width(STAMP + 1, data - NAME_PADDING)
    return _Width(data, data) if vault.fixed else names, _Width(tokens, tokens)


def _check_room(folder: str, size: float) -> None:
    """Raise OSError if files of ``size`` bytes do not fit on the disk, unless that is not known."""
    place = folder
    while not os.path.exists(place):
        place = os.path.dirname(place)
    try:
        disk = os.statvfs(place)
    except OSError:
        return
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < size:
        problem = f"no room: the files take {size:,.0f} bytes, and {free:,} are free"
        raise OSError(errno.ENOSPC, problem, folder)


class _File:
    """A file that has a temporary name until its run is complete."""

    def __init__(self, path: str, tag: str, header: str, records: int, width: _Width) -> None:
        folder, name = os.path.split(path)
        self.final = path
        self.temporary = os.path.join(folder, f".{name}.{tag}{TEMPORARY}")
        self.header = header.encode()
        self.expected = len(self.header) + records * width.mean
        self._least = len(self.header) + records * width.least
        self._file: BinaryIO | None = None

    def create(self) -> None:
        """Make the file under its temporary name, and lock it: it is not left over."""
        self._file = create_locked(self.temporary)
        with naming(self.temporary):
            self._file.write(self.header)

    @property
    def number(self) -> int:
        """The number of the open file."""
        assert self._file is not None  # noqa: S101, it was created
        return self._file.fileno()

    def check(self) -> None:
        """Raise OSError unless the file has its temporary name, and all that was written to it."""
        status = os.fstat(self.number)
        if not os.path.samestat(os.lstat(self.temporary), status):
            raise OSError(errno.ESTALE, "it was replaced while it was written", self.temporary)
        size = status.st_size
        if size < self._least or (size and os.pread(self.number, 1, size - 1) != b"\n"):
            raise OSError(errno.EIO, "it was cut short while it was written", self.temporary)

    def sync(self) -> None:
        """Have the file's content reach the disk."""
        with naming(self.temporary):
            os.fsync(self.number)

    def discard(self, *, committed: bool) -> None:
        """Remove the file or, if it has got its final name, the earlier one of that name."""
        if self._file is None:
            return
        left = [self.temporary, self.temporary + EARLIER] if committed else []
        if not committed and identity(self.temporary) == identity(self.number):
            left = [self.temporary]
        try:
            for path in left:
                with suppress(FileNotFoundError):
                    os.unlink(path)
        finally:
            self._file.close()
            self._file = None
