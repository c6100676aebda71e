"""Places in files that another process has made."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

__all__ = ["Place"]


class Place(NamedTuple):
    """An existing file, and an offset in it."""

    path: str
    identity: tuple[int, int]
    """Its device and inode. Under the same path another process may see another file."""
    offset: int = 0

    def behind(self, size: int) -> Place:
        """Return the place in the same file that is ``size`` bytes further on."""
        return self._replace(offset=self.offset + size)

    def open(self, flags: int) -> int:
        """Return the file, opened, at the offset. Raises OSError, with the file's name."""
        file = os.open(self.path, flags)
        status = os.fstat(file)
        if self.identity != (status.st_dev, status.st_ino):
            os.close(file)
            raise OSError(errno.ESTALE, "the workers see another file at this path", self.path)
        os.lseek(file, self.offset, os.SEEK_SET)
        return file
