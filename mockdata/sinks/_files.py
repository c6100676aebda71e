"""Files on their way to their names.

They are locked as long as they are written, so that what a run that was killed has left can be
told from what another run is writing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO, Final

try:
    import fcntl
except ImportError:  # a system without them: then nothing is taken for a leftover
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "TEMPORARY",
    "FolderLock",
    "create_locked",
    "put_in_place",
    "remove_leftovers",
]

TEMPORARY: Final = ".mockdata-tmp"
"""What the names of files end with that are not complete yet."""

EARLIER: Final = "-earlier"
"""What stands behind that in the second name of a file while it is exchanged for another."""

LOCK: Final = ".mockdata-lock"
"""The file that is locked while a run renames its files."""

NOTHING_ELSE: Final = os.O_NOFOLLOW | os.O_NONBLOCK
"""Neither what a link leads to is opened, nor is somebody waited for at a pipe's other end."""

AT_CWD: Final = -100
RENAME_EXCHANGE: Final = 2
"""Linux's ``AT_FDCWD`` and flag of ``renameat2``, from ``fcntl.h`` and ``linux/fs.h``."""

LEFTOVER: Final = re.compile(
    rf"\.[a-z]+_(data|tokens)\.csv\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}({EARLIER})?"
)


def create_locked(path: str) -> BinaryIO:
    """Create a file that is not there yet, following no link, and lock it until it is closed."""
    while True:
        file = open(path, "xb", buffering=0)  # noqa: SIM115, for the caller to close
        try:
            _lock(file.fileno())
            if os.fstat(file.fileno()).st_nlink:
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # another run took it for a leftover before it was locked


class FolderLock:
    """Keeps other runs from renaming files in a folder, or from taking them for leftovers.

    It is a file of its own, which goes with it: the folder itself may be locked by whoever likes.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, LOCK)
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock, unless another run has it; return whether that was done."""
        if fcntl is None:
            return True
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | NOTHING_ELSE, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
        except OSError:
            pass  # a file system without locks
        else:
            if not os.fstat(self._file).st_nlink:
                self._close()  # another run has let go of it meanwhile, and so removed it
        return self._file is not None

    def release(self) -> None:
        """Let go of the lock, if it was taken."""
        if self._file is not None:
            with suppress(OSError):
                os.unlink(self._path)
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files in a folder that no run is writing or renaming any more."""
    lock = FolderLock(folder)
    with suppress(OSError):
        if lock.take():
            for name in filter(LEFTOVER.fullmatch, os.listdir(folder)):
                _remove_leftover(os.path.join(folder, name))
    lock.release()


def _remove_leftover(path: str) -> None:
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | NOTHING_ELSE)
        try:
            if _lock(file, wait=False):
                os.unlink(path)
        finally:
            os.close(file)


def put_in_place(temporary: str, final: str) -> bool:
    """Give a file its final name; return whether an earlier one now has the temporary name.

    There is a whole file under the final name at any time, if there was one, but for an instant
    where the file system neither exchanges names nor gives a file two of them. The earlier one is
    not replaced but kept, so that it can be put back, and because replacing a file makes some file
    systems write all of the new one to the disk first.
    """
    if os.path.isdir(final) and not os.path.islink(final):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), final)
    if not os.path.lexists(final):
        os.rename(temporary, final)
        return False
    if not _exchanged(temporary, final):
        earlier = temporary + EARLIER
        undo = _second_name(final, earlier)
        try:
            os.replace(temporary, final)
        except OSError:
            undo()
            raise
        os.rename(earlier, temporary)
    return True


def _second_name(path: str, other: str) -> Callable[[], None]:
    """Give a file another name, beside its own where the file system can; return what undoes it."""
    try:
        os.link(path, other, follow_symlinks=False)
    except OSError:
        os.rename(path, other)
        return partial(os.rename, other, path)
    return partial(os.unlink, other)


def _exchanged(one: str, other: str) -> bool:
    """Exchange the names of two files in one step, where the system can; return whether it did."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    code: int = rename(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), RENAME_EXCHANGE)
    return code == 0


def _lock(file: int, *, wait: bool = True) -> bool:
    """Lock a file, or only if nobody else has; return whether that was done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
