"""Files on their way to their names.

They are locked as long as they are written, so that what a run that was killed has left can be
told from what another run is writing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Final

try:
    import fcntl
except ImportError:  # a system without them: then nothing is taken for a leftover
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "EARLIER",
    "TEMPORARY",
    "create_locked",
    "locked_folder",
    "remove_leftovers",
    "second_name",
]

TEMPORARY: Final = ".mockdata-tmp"
"""What the names of files end with that are not complete yet."""

EARLIER: Final = "-earlier"
"""What stands behind that in the second name of a file that is about to be replaced."""

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


@contextmanager
def second_name(path: str, other: str) -> Iterator[Callable[[], None]]:
    """Give a file a second name for a while; yields what puts it back under its first."""
    existed = os.path.lexists(path)
    with suppress(OSError):
        os.link(path, other, follow_symlinks=False)

    def put_back() -> None:
        with suppress(OSError):
            if os.path.lexists(other):
                os.replace(other, path)
            elif not existed:
                os.unlink(path)

    try:
        yield put_back
    finally:
        with suppress(OSError):
            os.unlink(other)


def _lock(file: int, *, wait: bool = True) -> bool:
    """Lock a file, or only if nobody else has; return whether that was done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
