"""Files on their way to their names, and back if their run does not get to its end.

A file is written under a temporary name, and locked meanwhile: so what a run that was killed has
left can be told from what another run is writing. While a run renames its files it holds the lock
of the folder, and that lock's file says what is renamed: the next run that takes the lock undoes
what a run that was killed had begun.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, BinaryIO, Final

from mockdata.workers.limits import naming
from mockdata.workers.tasks import note_later_error

__all__ = [
    "EARLIER",
    "TEMPORARY",
    "FolderLock",
    "all_of",
    "check_place",
    "check_whole",
    "create_locked",
    "final_path",
    "identity",
    "put_back",
    "put_in_place",
    "remove_leftovers",
    "sync_folder",
]

TEMPORARY: Final = ".mockdata-tmp"
"""What the names of files end with that are not complete yet."""

EARLIER: Final = "-earlier"
"""Added to the name of an earlier file while a new one takes its place."""

LOCK: Final = ".mockdata-lock"
"""The file that is locked while a run renames its files."""

NOTHING_ELSE: Final = os.O_NOFOLLOW | os.O_NONBLOCK
"""Neither follow a link when a file is opened, nor wait for the other end of a pipe."""

AT_CWD: Final = -100
RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2
"""Linux's ``AT_FDCWD`` and flags of ``renameat2``, from ``fcntl.h`` and ``linux/fs.h``."""

LEFTOVER: Final = re.compile(rf"\.([^/\s]+)\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}({EARLIER})?")
"""A temporary name; its first group is the final one."""

RENAMED: Final = re.compile(r"(\d+-\d+--?\d+) (\S+)\n")
"""A line of the lock's file: a new file's identity and its temporary name."""

KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def create_locked(path: str) -> BinaryIO:
    """Create a new file, following no link, and lock it until it is closed."""
    while True:
        file = open(path, "x+b", buffering=0)  # noqa: SIM115, for the caller to close
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # another run took it for a leftover before it was locked


def final_path(path: str) -> str:
    """Return the final path for a temporary one, and any other path unchanged."""
    folder, name = os.path.split(path)
    match = LEFTOVER.fullmatch(name)
    return os.path.join(folder, match[1]) if match else path


def identity(file: str | int) -> str | None:
    """Return what tells a file from any later one of its name; None if there is no file."""
    try:
        status = os.lstat(file) if isinstance(file, str) else os.fstat(file)
    except FileNotFoundError:
        return None
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def check_place(final: str, *, clobber: bool) -> bool:
    """Return whether there is an earlier file of that name to replace.

    Raises FileExistsError if it may not be, and OSError if it is something else than a file.
    """
    try:
        mode = os.lstat(final).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), final)
    if (kind := KINDS.get(stat.S_IFMT(mode))) is not None:
        raise OSError(errno.EEXIST, f"it is {kind}, which is never replaced", final)
    if not clobber:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final)
    return True


def check_whole(path: str, identity: tuple[int, int], end: int) -> None:
    """Raise OSError unless a file is the one that was written to, and ends where it has to."""
    status = os.stat(path)
    if (status.st_dev, status.st_ino) != identity:
        raise OSError(errno.ESTALE, "it was replaced during the run", path)
    if status.st_size != end:
        what = "cut short" if status.st_size < end else "added to"
        raise OSError(errno.EIO, f"it was {what} during the run", path)


def put_in_place(temporary: str, final: str, *, clobber: bool = True) -> None:
    """Give a file its final name, and keep an earlier one of that name under a temporary one.

    There is a whole file under the final name at any time, if there was one, but for an instant
    where the file system neither exchanges names nor gives a file two of them. The earlier one is
    not replaced but kept, so that it can be put back, and because replacing a file makes some file
    systems write all of the new one to the disk first.
    """
    if not check_place(final, clobber=clobber):
        _move(temporary, final)
    elif not _renamed(temporary, final, RENAME_EXCHANGE):
        try:
            os.link(final, temporary + EARLIER, follow_symlinks=False)
        except OSError:
            os.rename(final, temporary + EARLIER)
        os.replace(temporary, final)


def _move(temporary: str, final: str) -> None:
    """Give a file its final name. Raises FileExistsError if another one has it meanwhile."""
    if _renamed(temporary, final, RENAME_NOREPLACE):
        return
    try:
        os.link(temporary, final, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # there are no second names either
        check_place(final, clobber=False)
        os.rename(temporary, final)
    else:
        os.unlink(temporary)


def put_back(temporary: str, new: str) -> None:
    """Undo ``put_in_place``, at whatever step it has stopped; ``new`` identifies the new file.

    What has the final name by now and is neither the new file nor the earlier one stays.
    """
    final, second = final_path(temporary), temporary + EARLIER
    earlier = second if os.path.lexists(second) else temporary
    if identity(final) in (None, new):
        if identity(earlier) not in (None, new):
            os.replace(earlier, final)
        elif identity(final) == new:
            os.unlink(final)
    with suppress(FileNotFoundError):
        os.unlink(second)  # of a file that still has its own name


def _renamed(one: str, other: str, flag: int) -> bool:
    """Rename in one step, as the flag says, where the system can; return whether it did."""
    rename = _renameat2()
    if rename is None:
        return False
    code: int = rename(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), flag)
    return code == 0


@cache
def _renameat2() -> Any:
    """Return the system's call, or None if it has none."""
    try:
        import ctypes

        return ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, AttributeError, OSError, TypeError):
        return None


class FolderLock:
    """Keeps other runs from renaming files in a folder, or from taking them for leftovers.

    It is a file of its own, which goes with it: anybody may lock the folder itself. With ``fsync``,
    what is begun and what is ended reaches the disk.
    """

    def __init__(self, folder: str, *, fsync: bool = False) -> None:
        self._folder = folder
        self._path = os.path.join(folder, LOCK)
        self._fsync = fsync
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock, unless another run has it; return whether that was done.

        What a run that was killed had renamed is put back. Raises OSError if that cannot be done.
        """
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | NOTHING_ELSE, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            return False
        except OSError:
            return True  # a file system without locks: another run may well be alive
        if not os.fstat(self._file).st_nlink:
            self._close()  # another run has let go of it meanwhile, and so removed it
            return False
        self._put_back(self._file)
        return True

    def _put_back(self, file: int) -> None:
        with naming(self._path):
            text = os.pread(file, os.fstat(file).st_size, 0).decode("ascii", "replace")
        all_of(
            partial(put_back, os.path.join(self._folder, name), new)
            for new, name in RENAMED.findall(text)
            if LEFTOVER.fullmatch(name)
        )
        os.ftruncate(file, 0)

    def begin(self, files: Mapping[str, str]) -> None:
        """Record what will be renamed: temporary paths, and the files' identities."""
        text = "".join(f"{new} {os.path.basename(path)}\n" for path, new in files.items())
        self._write(text.encode())
        if self._fsync:
            sync_folder(self._folder)

    def end(self) -> None:
        """Leave the names as they are now: a later run puts nothing back."""
        if self._fsync:
            sync_folder(self._folder)
        self._write(b"")

    def _write(self, text: bytes) -> None:
        assert self._file is not None  # noqa: S101, it is taken
        with naming(self._path):
            os.ftruncate(self._file, 0)
            with open(self._file, "wb", closefd=False) as file:
                file.write(text)
            if self._fsync:
                os.fsync(self._file)

    def release(self) -> None:
        """Let go of the lock, if it was taken. Its file stays where something is to be put back."""
        if self._file is not None:
            with suppress(OSError):
                if not os.fstat(self._file).st_size:
                    os.unlink(self._path)
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def sync_folder(folder: str) -> None:
    """Have the names in a folder reach the disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        with naming(folder):
            os.fsync(file)
    finally:
        os.close(file)


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files in a folder that no run is writing or renaming any more."""
    lock = FolderLock(folder)
    with suppress(OSError):
        left = [name for name in os.listdir(folder) if name == LOCK or LEFTOVER.fullmatch(name)]
        if left and lock.take():
            for name in left:
                _remove_leftover(folder, name)
    lock.release()


def _remove_leftover(folder: str, name: str) -> None:
    """Remove a leftover, or put it back if it is an earlier file whose place was not taken."""
    path = os.path.join(folder, name)
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | NOTHING_ELSE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name.endswith(EARLIER) and not os.path.lexists(final_path(path)):
                os.rename(path, final_path(path))
            elif name != LOCK:
                os.unlink(path)
        finally:
            os.close(file)


def all_of(steps: Iterable[Callable[[], object]]) -> None:
    """Take every step, even if one fails. Raises the first OSError; later ones are notes on it."""
    first: OSError | None = None
    for step in steps:
        try:
            step()
        except OSError as error:
            if first is None:
                first = error
            else:
                note_later_error(first, error)
    if first is not None:
        raise first
