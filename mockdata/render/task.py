"""What a worker does: it renders a range of records and writes their lines to files.

The files belong to a sink, or they are a slab: memory that the parent process reads. Either way
the lines are written with plain system calls, so a full disk or no memory is an OSError.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Final, Self

from mockdata.render.batch import BATCH
from mockdata.render.layout import OFFSET
from mockdata.render.places import Place
from mockdata.render.program import Program
from mockdata.render.renderers import Renderer, renderer

__all__ = ["Writing", "batch_size", "blocks", "measure", "render"]

KEPT_BYTES: Final = 4 * 2**20
"""Bytes of the buffers that a worker's thread keeps for its next tasks: those of the vaults that
are written at a time. A vault's are 0.3 to 2 MB."""

BATCH_BYTES: Final = 2**24
"""Bytes that the lines of a batch may have: for wide tables, a batch has fewer records."""

BLOCK_BYTES: Final = 2**20
"""Bytes of a block that is rendered and written at a time: what a core's cache holds."""

LEAST: Final = 100
"""Records of a block, at least: each block costs a few operations for each step of a program."""


class _Renderers(threading.local):
    """The renderers of this thread, the one used last at the end."""

    def __init__(self) -> None:
        self._made: dict[Program, Renderer] = {}

    def get(self, program: Program, capacity: int) -> Renderer:
        """Return a renderer of at least some capacity."""
        found = self._made.pop(program, None)
        if found is None or found.capacity < capacity:
            found = renderer(program, capacity)
        self._made[program] = found
        while sum(made.nbytes for made in self._made.values()) > KEPT_BYTES and len(self._made) > 1:
            del self._made[next(iter(self._made))]
        return found


_renderers = _Renderers()


def batch_size(program: Program) -> int:
    """Return how many records a batch has, at most: 10,000, unless they are wide."""
    return _records(program, BATCH_BYTES)


def _block_size(program: Program) -> int:
    """Return how many records are rendered at a time, at most, unless a batch has more."""
    return _records(program, BLOCK_BYTES)


def _records(program: Program, size: int) -> int:
    width = sum(line.longest for line in program.lines)
    return max(min(BATCH, size // max(width, 1)), LEAST)


def render(
    program: Program, start: int, stop: int, places: Sequence[Place], batch: int | None = None
) -> list[tuple[int, ...]]:
    """Write the lines of the indices from ``start`` up to ``stop`` to a place for each output.

    If offsets are wanted, each output's offsets have a place after the places of all outputs.

    Returns how many bytes each output has for each ``batch`` records; the last may be smaller. If
    None, a batch is what is rendered at a time. Raises OSError, with the file's name.
    """
    most = _block_size(program)
    batch = most if batch is None else batch
    block = max(most // batch, 1) * batch
    found = _renderers.get(program, min(block, stop - start))
    sizes: list[tuple[int, ...]] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(Writing(place)) for place in places]
        for first in range(start, stop, block):
            last = min(first + block, stop)
            outputs = found.render(first, last)
            made = [tuple(map(len, outputs))]
            if last - first > batch:
                made = _sizes(found, len(outputs), last - first, batch)
            if program.offsets:
                made, offsets = _with_offsets(found, made, last - first, batch)
                outputs += offsets
            for write, lines in zip(writers, outputs, strict=True):
                write(lines)
            sizes += made
    return sizes


def blocks(program: Program, start: int, stop: int) -> Iterator[list[memoryview]]:
    """Yield the lines of each output for the indices from ``start`` up to ``stop``, block by block.

    If offsets are wanted, each output's offsets follow, and begin with 0 in each block. A block is
    valid only until you ask for the next one.
    """
    found = _renderers.get(program, min(_block_size(program), stop - start))
    for first in range(start, stop, found.capacity):
        last = min(first + found.capacity, stop)
        outputs = found.render(first, last)
        if program.offsets:
            sizes = [tuple(map(len, outputs))]
            outputs += _with_offsets(found, sizes, last - first, last - first)[1]
        yield outputs


def measure(program: Program, start: int, stop: int) -> tuple[int, ...]:
    """Return the bytes that each output has of the indices from ``start`` up to ``stop``."""
    found = _renderers.get(program, min(_block_size(program), stop - start))
    step = found.capacity
    blocks = [found.measure(k, min(k + step, stop)) for k in range(start, stop, step)]
    return tuple(map(sum, zip(*blocks, strict=True)))


def _sizes(renderer: Renderer, outputs: int, count: int, batch: int) -> list[tuple[int, ...]]:
    """Return the bytes of each batch of the records that were rendered last."""
    last = [*range(batch, count, batch), count]
    sizes = []
    for output in range(outputs):
        ends = renderer.ends(output, count)
        sizes.append([b - a for a, b in pairwise([0, *(int(ends[k - 1]) for k in last)])])
    return [*zip(*sizes, strict=True)]


def _with_offsets(
    renderer: Renderer, sizes: Sequence[tuple[int, ...]], count: int, batch: int
) -> tuple[list[tuple[int, ...]], list[memoryview]]:
    """Return the bytes of each batch including its offsets, and the offsets of each output.

    The offsets of each batch begin with 0.
    """
    made = [renderer.offsets(output, count, batch) for output in range(len(sizes[0]))]
    lengths = [min(batch, count - first) for first in range(0, count, batch)]
    each = [
        (*size, *[OFFSET * (length + 1)] * len(size))
        for size, length in zip(sizes, lengths, strict=True)
    ]
    return each, made


class Writing:
    """Writes to a file from a place on, in full: it continues a short write, or raises."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> Self:
        self._file = self._place.open(os.O_WRONLY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def __call__(self, lines: memoryview) -> None:
        """Write lines after those already written."""
        while lines:
            try:
                written = os.write(self._file, lines)
            except OSError as error:
                error.filename = self._place.path
                raise
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO), self._place.path)
            lines = lines[written:]
