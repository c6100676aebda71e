"""What a worker does: it renders a range of records and writes their lines to two files.

The files belong to a sink, or they are a slab: memory that the parent process reads. Either way
the lines are written with plain system calls, so a full disk or no memory is an OSError.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import NamedTuple, Self

from mockdata.vaults import BATCH, Key, kernel
from mockdata.vaults._kernel import Kernel

__all__ = ["Place", "measure", "render"]

KERNELS = 8
"""Kernels that a worker keeps for its next task; one takes about 1.5 MB."""


class Place(NamedTuple):
    """A file that is there already, and the offset in it where the first line goes."""

    path: str
    identity: tuple[int, int]
    """Its device and inode. Under the same path another process may see another file."""
    offset: int

    def behind(self, size: int) -> Place:
        """Return the place in the same file that is ``size`` bytes further on."""
        return self._replace(offset=self.offset + size)


class _Kernels(threading.local):
    """The kernels of this thread, the one used last at the end."""

    def __init__(self) -> None:
        self._made: dict[tuple[Key, int], Kernel] = {}

    def get(self, key: Key, capacity: int) -> Kernel:
        found = self._made.pop((key, capacity), None) or kernel(key, capacity)
        self._made[key, capacity] = found
        if len(self._made) > KERNELS:
            del self._made[next(iter(self._made))]
        return found


_kernels = _Kernels()


def render(
    key: Key, start: int, stop: int, places: tuple[Place, Place], batch: int = BATCH
) -> list[int]:
    """Write the lines of the indices from ``start`` up to ``stop`` to places for data and tokens.

    Returns the bytes of the data lines of each batch of up to ``batch`` records. Raises OSError,
    with the file's name.
    """
    kernel = _kernels.get(key, min(batch, stop - start))
    sizes = []
    with _Writer(places[0]) as write_data, _Writer(places[1]) as write_tokens:
        for first in range(start, stop, batch):
            data_lines, token_lines = kernel.render(first, min(first + batch, stop))
            write_data(data_lines)
            write_tokens(token_lines)
            sizes.append(len(data_lines))
    return sizes


def measure(key: Key, start: int, stop: int) -> int:
    """Return the bytes of the data lines of the indices from ``start`` up to ``stop``."""
    kernel = _kernels.get(key, min(BATCH, stop - start))
    return sum(
        kernel.measure(first, min(first + BATCH, stop)) for first in range(start, stop, BATCH)
    )


class _Writer:
    """Writes to a file from a place on, whole or not at all: a short write goes on or raises."""

    def __init__(self, place: Place) -> None:
        self._path, self._identity, self._offset = place

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_WRONLY)
        status = os.fstat(self._file)
        if self._identity != (status.st_dev, status.st_ino):
            os.close(self._file)
            raise OSError(errno.ESTALE, "another file is there for the workers", self._path)
        os.lseek(self._file, self._offset, os.SEEK_SET)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def __call__(self, lines: memoryview) -> None:
        while lines:
            try:
                written = os.write(self._file, lines)
            except OSError as error:
                error.filename = self._path
                raise
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO), self._path)
            lines = lines[written:]
