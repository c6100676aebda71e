"""Slabs: files in memory that workers write batches to and this process reads in place.

On Linux a slab is a ``memfd``: it has no name, is freed with its last user, and any process of
the same user can open it by way of ``/proc``. Elsewhere it is a temporary file.

A slab belongs to a task until the task is done. Then its batches are the user's, and the slab is
lent again when the user refers to none of them any more.
"""

from __future__ import annotations

import mmap
import os
import sys
import weakref
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from mockdata.render.places import Place
from mockdata.workers.limits import naming

__all__ = ["Slab", "Slabs"]


class Slab:
    """A file of ``size`` bytes, mapped for reading; ``path`` opens it in any process of this user.

    Raises OSError if the system has no memory, or no file, for it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        file, self.path, self._is_named = _file_in_memory()
        self._file: int | None = file
        try:
            with naming("shared memory"):
                status = os.fstat(file)
                self.identity = status.st_dev, status.st_ino
                os.truncate(file, size)
                self._map = _mapped(file, size)
        except BaseException:
            self.close()
            raise

    def read(self) -> Any:
        """Return a new object with the slab's bytes; views of it keep it, but no file."""
        if sys.version_info >= (3, 12):
            return _Bytes(self._map)
        import numpy as np

        return np.frombuffer(self._map, np.uint8)

    def write(self, content: bytes) -> None:
        """Write to the beginning of the slab. Raises OSError if the system has no memory for it."""
        with naming("shared memory"), open(self.path, "r+b") as file:
            file.write(content)

    def close(self) -> None:
        """Let no further process open the slab; bytes that are referred to stay valid."""
        if self._file is not None:
            os.close(self._file)
            if self._is_named:
                os.unlink(self.path)
            self._file = None


class _Bytes:
    """The bytes of a map. A view of them keeps this object: from Python 3.12 on, without numpy."""

    def __init__(self, mapped: Any) -> None:
        self._mapped = mapped

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self._mapped)


class Slabs:
    """The slabs of a run.

    ``most`` slabs may be with the user at a time and still be waited for. Where there are more, the
    user keeps batches, and the oldest is given up: what is kept holds memory and no file.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: list[Slab] = []
        self._lent: set[Slab] = set()
        self._shared: dict[Slab, None] = {}  # in the order in which they came to the user

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slab in (*self._free, *self._lent, *self._shared):
            slab.close()
        self._free, self._lent, self._shared = [], set(), {}

    def lend(self, size: int) -> Slab:
        """Return a slab of at least ``size`` bytes, for a task to write to.

        It is the task's until ``share`` is called.
        """
        slab = next((slab for slab in self._free if slab.size >= size), None)
        if slab is None:
            slab = Slab(size)
        else:
            self._free.remove(slab)
        self._lent.add(slab)
        return slab

    def keep(self, content: bytes) -> Place:
        """Return a place where any process of this user can read the content during the run."""
        slab = self.lend(len(content))
        slab.write(content)
        return Place(slab.path, slab.identity)

    def share(self, slab: Slab) -> memoryview:
        """Return the bytes of a written slab. It is lent again when no view is left."""
        lines = slab.read()
        self._lent.remove(slab)
        self._shared[slab] = None
        weakref.finalize(lines, self._returned, slab).atexit = False
        if len(self._shared) > self._most:
            oldest = next(iter(self._shared))
            del self._shared[oldest]
            oldest.close()
        return memoryview(lines)

    def _returned(self, slab: Slab) -> None:
        if slab in self._shared:
            del self._shared[slab]
            self._free.append(slab)


def _file_in_memory() -> tuple[int, str, bool]:
    """Make a file; return it, its path, and whether the path has to be removed."""
    if hasattr(os, "memfd_create"):
        with naming("shared memory"):
            file = os.memfd_create("mockdata")
        path = f"/proc/{os.getpid()}/fd/{file}"
        with suppress(OSError):  # /proc may be missing, closed to us, or of another namespace
            is_ours = os.lstat(path).st_uid == os.geteuid()
            if is_ours and os.path.samestat(os.stat(path), os.fstat(file)):
                return file, path, False
        os.close(file)
    import tempfile

    file, path = tempfile.mkstemp(prefix="mockdata-")
    return file, path, True


def _mapped(file: int, size: int) -> Any:
    """Return a file's bytes, read-only, as an object that does not keep the file open."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(file, size, prot=mmap.PROT_READ, trackfd=False)
    try:
        from mockdata.workers.mapping import mapped
    except ImportError:  # a Python without ctypes: the map keeps a file of its own
        return mmap.mmap(file, size, prot=mmap.PROT_READ)
    return mapped(file, size)
