"""A map of a file that does not keep the file open. Python's own does, before 3.13."""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref

__all__ = ["mapped"]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

FAILED = ctypes.c_void_p(-1).value


def mapped(file: int, size: int) -> memoryview:
    """Map the first ``size`` bytes of a file for reading, until no view of them is left.

    Raises OSError.
    """
    address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    if address == FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    buffer = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(buffer, _libc.munmap, address, size).atexit = False
    return memoryview(buffer).cast("B").toreadonly()
