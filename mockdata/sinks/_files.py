"""Files on their way to their names.

They are locked as long as they are written, so that what a run that was killed has left can be
told from what another run is writing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Final

try:
    import fcntl
except ImportError:  # a system without them: then nothing is taken for a leftover
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "TEMPORARY",
    "create_locked",
    "locked_folder",
    "put_in_place",
    "remove_leftovers",
]

TEMPORARY: Final = ".mockdata-tmp"
"""What the names of files end with that are not complete yet."""

EARLIER: Final = "-earlier"
"""What stands behind that in the second name of a file while it is exchanged for another."""

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


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files in a folder that no run is writing any more."""
    with suppress(OSError):
        for name in filter(LEFTOVER.fullmatch, os.listdir(folder)):
            with suppress(OSError):
                file = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    if _lock(file, wait=False):
                        os.unlink(os.path.join(folder, name))
                finally:
                    os.close(file)


@contextmanager
def locked_folder(path: str) -> Iterator[None]:
    """Wait until no other run renames files in a folder, and keep others from it meanwhile."""
    with ExitStack() as stack:
        with suppress(OSError):  # a folder may be written to and not read
            folder = os.open(path, os.O_RDONLY)
            stack.callback(os.close, folder)
            _lock(folder)
        yield


def put_in_place(temporary: str, final: str) -> bool:
    """Give a file its final name; return whether an earlier one now has the temporary name.

    There is a whole file under the final name at any time, if there was one. The earlier one is
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
        os.link(final, earlier, follow_symlinks=False)
        try:
            os.replace(temporary, final)
        except OSError:
            os.unlink(earlier)
            raise
        os.rename(earlier, temporary)
    return True


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
