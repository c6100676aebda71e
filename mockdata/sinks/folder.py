"""A run's files in a folder: made under other names, and given theirs together or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import BinaryIO, Final

import anyio

from mockdata.errors import PlanError
from mockdata.render.layout import Layout
from mockdata.sinks._files import (
    EARLIER,
    TEMPORARY,
    FolderLock,
    all_of,
    check_place,
    check_whole,
    create_locked,
    final_path,
    identity,
    put_back,
    put_in_place,
    remove_leftovers,
    sync_folder,
)
from mockdata.sinks.base import File, Session
from mockdata.vaults.frozen import frozen
from mockdata.workers.limits import naming
from mockdata.workers.tasks import note_later_error, off_the_loop

__all__ = ["Folder", "NewFile", "check_names"]

LOCK_WAIT: Final = 5.0
"""Seconds that a run waits while another renames its files; that takes less than one."""

LOCK_CHECK: Final = 0.01
"""Seconds between two looks."""

REMOVERS: Final = 4
"""Threads that remove files at a time: large files take long to remove."""


@frozen
class NewFile:
    """A file to be made: its name, its header, and about how many bytes follow."""

    name: str
    header: bytes = b""
    expected: float = 0.0
    most: float = 0.0
    """How many bytes come to it at most, if ``expected`` may be far off."""


@frozen
class Folder:
    """Where files go, and how.

    ``clobber`` replaces earlier files. With ``fsync`` the files and the folder reach the disk
    before the run ends.
    """

    path: str
    clobber: bool = True
    fsync: bool = False

    @asynccontextmanager
    async def open(
        self, files: Mapping[str, Sequence[NewFile]], layouts: Mapping[str, Layout]
    ) -> AsyncIterator[Session]:
        """Yield a session whose files, by the names of vaults, are made for the workers to fill.

        Raises PlanError if two files have one name, and OSError with a file's name.
        """
        async with self.made(files) as made:
            yield Session(files=made.places(), layouts=layouts, commit=made.commit)

    @asynccontextmanager
    async def made(self, files: Mapping[str, Sequence[NewFile]]) -> AsyncIterator[_Files]:
        """Yield files that are made, to be written to and committed. Raises as ``open`` does."""
        check_names(files)
        path = _absolute(self.path)
        made = _Files(path, files, self)
        with _as_given(path, self.path):
            try:
                await off_the_loop(made.create)
                yield made
            finally:
                with anyio.CancelScope(shield=True):
                    await made.leave()


def check_names(files: Mapping[str, Sequence[NewFile]]) -> None:
    """Raise PlanError if two files have one name."""
    owners: dict[str, str] = {}
    for owner, each in files.items():
        for file in each:
            if (other := owners.setdefault(file.name, owner)) != owner:
                raise PlanError("counts", f"{other} and {owner} would both write {file.name}")


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


class _Files:
    """The files of one run. They get their names together or not at all."""

    grace = 0.0

    def __init__(
        self, folder: str, files: Mapping[str, Sequence[NewFile]], options: Folder
    ) -> None:
        self._folder = folder
        self._options = options
        self._folder_is_new = self._is_committed = False
        self._lock = FolderLock(folder, fsync=options.fsync)
        tag = os.urandom(4).hex()
        self._of_vaults = {
            vault: [_File(folder, file, tag) for file in each] for vault, each in files.items()
        }
        self._files = [file for each in self._of_vaults.values() for file in each]

    def create(self) -> None:
        """Make the files, and the folder if needed, and remove what killed runs have left there."""
        remove_leftovers(self._folder)
        for file in self._files:
            check_place(file.final, clobber=self._options.clobber)
        _check_room(self._folder, sum(file.expected for file in self._files))
        with suppress(FileExistsError):
            os.mkdir(self._folder)
            self._folder_is_new = True
        for file in self._files:
            file.create()

    def places(self) -> dict[str, list[File]]:
        """Return where the workers write to, by the names of vaults."""
        return {vault: [file.place for file in each] for vault, each in self._of_vaults.items()}

    async def append(self, vault: str, content: bytes | memoryview) -> None:
        """Write at the end of a vault's file, if it has one that the sink itself writes to."""
        (file,) = self._of_vaults[vault]
        await off_the_loop(partial(file.append, content))

    async def check(self) -> None:
        """Raise OSError unless the files that were appended to are there, and whole."""
        await off_the_loop(self._check)

    def _check(self) -> None:
        for file in self._files:
            file.check()

    async def commit(self) -> None:
        """Give the files their names, once all are complete."""
        if self._options.fsync:
            await off_the_loop(self._sync)
        await self._take_lock()
        await off_the_loop(self._rename)

    def _sync(self) -> None:
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
        raise OSError(errno.EBUSY, "another run is renaming its files here", self._folder)

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

        def remove(files: Sequence[_File]) -> None:
            try:
                all_of(partial(file.discard, committed=self._is_committed) for file in files)
            except OSError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for k in range(min(REMOVERS, len(self._files))):
                tasks.start_soon(off_the_loop, partial(remove, self._files[k::REMOVERS]))
        self._lock.release()
        if self._folder_is_new and not self._is_committed:
            with suppress(OSError):
                os.rmdir(self._folder)
        if errors and not self._is_committed:
            raise errors[0]


def _check_room(folder: str, size: float) -> None:
    """Raise OSError if files of ``size`` bytes are known not to fit on the disk."""
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

    def __init__(self, folder: str, file: NewFile, tag: str) -> None:
        self.final = os.path.join(folder, file.name)
        self.temporary = os.path.join(folder, f".{file.name}.{tag}{TEMPORARY}")
        self.expected = len(file.header) + file.expected
        self._header = file.header
        self._file: BinaryIO | None = None

    @property
    def place(self) -> File:
        """Where the workers write to."""
        return File(self.temporary, len(self._header))

    def create(self) -> None:
        """Make the file under its temporary name, and lock it: it is not left over."""
        self._file = create_locked(self.temporary)
        self.append(self._header)

    def append(self, content: bytes | memoryview) -> None:
        """Write everything at the end: continue a short write, or raise."""
        with naming(self.temporary), memoryview(content) as left:
            while left:
                left = left[os.write(self.number, left) :]  # noqa: PLW2901

    def check(self) -> None:
        """Raise OSError unless the file is still there, and ends where it was written to."""
        status, end = os.fstat(self.number), os.lseek(self.number, 0, os.SEEK_CUR)
        check_whole(self.temporary, (status.st_dev, status.st_ino), end)

    @property
    def number(self) -> int:
        """The number of the open file."""
        assert self._file is not None  # noqa: S101, it was created
        return self._file.fileno()

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
