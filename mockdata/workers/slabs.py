"""Slabs: files in memory that workers write batches to and this process reads in place.

On Linux a slab is a ``memfd``: it has no name, is freed with its last user, and any process of
the same user can open it by way of ``/proc``. Elsewhere it is a temporary file.
"""

from __future__ import annotations

import mmap
import os
import weakref
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np

from mockdata.workers.limits import naming

__all__ = ["Slab", "Slabs"]


class Slab:
    """A file of ``size`` bytes, open for reading; ``path`` opens it in any process of this user."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._file, self.path, self._is_named = _file_in_memory()
        try:
            with naming("shared memory"):
                os.truncate(self._file, size)
                self._map = mmap.mmap(self._file, size, prot=mmap.PROT_READ)
        except BaseException:
            self.close()
            raise

    def read(self) -> np.ndarray:
        """Return the slab's bytes as a new array; views of it keep it alive."""
        return np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        """Let no further process open the slab; bytes that are referred to stay valid."""
        os.close(self._file)
        if self._is_named:
            os.unlink(self.path)


class Slabs:
    """The slabs of a run. One that nobody refers to any more is lent again."""

    def __init__(self) -> None:
        self._all: list[Slab] = []
        self._free: list[Slab] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slab in self._all:
            slab.close()

    def lend(self, size: int) -> tuple[str, memoryview]:
        """Return the path and the bytes of a slab of at least ``size`` bytes.

        The slab is lent again as soon as no view of its bytes is left.
        """
        slab = next((slab for slab in self._free if slab.size >= size), None)
        if slab is None:
            slab = Slab(size)
            self._all.append(slab)
        else:
            self._free.remove(slab)
        lent = slab.read()
        weakref.finalize(lent, self._free.append, slab).atexit = False
        return slab.path, lent.data


def _file_in_memory() -> tuple[int, str, bool]:
    if hasattr(os, "memfd_create"):
        with naming("shared memory"):
            file = os.memfd_create("mockdata")
        path = f"/proc/{os.getpid()}/fd/{file}"
        with suppress(OSError):  # there may be no /proc, or one that others may not read
            if os.lstat(path).st_uid == os.geteuid():
                return file, path, False
        os.close(file)
    import tempfile

    file, path = tempfile.mkstemp(prefix="mockdata-")
    return file, path, True
