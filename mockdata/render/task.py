"""What a worker does: it renders a range of records and writes their lines to files.

The files belong to a sink, or they are a slab: memory that the parent process reads. Either way
the lines are written with plain system calls, so a full disk or no memory is an OSError.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Self

import numpy as np

from mockdata.render.batch import BATCH
from mockdata.render.numpy_renderer import Renderer, Workspace
from mockdata.render.places import Place
from mockdata.render.program import Program

__all__ = ["OFFSET", "measure", "render"]

OFFSET: Final = np.dtype(np.int32)
"""Arrow's offsets of texts that have less than 2 GiB together."""

KEPT_BYTES: Final = 8 * 2**20
"""Bytes of the buffers that a worker's thread keeps for its next tasks; a vault's are 1 to 2 MB."""


class _Renderers(threading.local):
    """The renderers of this thread, the one used last at the end."""

    def __init__(self) -> None:
        self._made: dict[Program, Renderer] = {}
        self._workspace: Workspace | None = None

    def get(self, program: Program, capacity: int) -> Renderer:
        """Return a renderer of at least some capacity."""
        found = self._made.pop(program, None)
        if found is None or found.capacity < capacity:
            found = Renderer(program, capacity, self._room(capacity))
        self._made[program] = found
        while sum(made.nbytes for made in self._made.values()) > KEPT_BYTES and len(self._made) > 1:
            del self._made[next(iter(self._made))]
        return found

    def _room(self, capacity: int) -> Workspace:
        if self._workspace is None or self._workspace.capacity != capacity:
            self._workspace = Workspace(capacity)
        return self._workspace


_renderers = _Renderers()


def render(
    program: Program, start: int, stop: int, places: Sequence[Place], batch: int = BATCH
) -> list[tuple[int, ...]]:
    """Write the lines of the indices from ``start`` up to ``stop`` to a place for each output.

    Where offsets are wanted, those of each output have a place behind the places of all outputs.

    Returns the bytes that each output has of each ``batch`` records, the last of which may be
    fewer. Raises OSError, with the file's name.
    """
    block = max(BATCH // batch, 1) * batch
    renderer = _renderers.get(program, min(block, stop - start))
    sizes: list[tuple[int, ...]] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(_Writer(place)) for place in places]
        for first in range(start, stop, block):
            last = min(first + block, stop)
            outputs = renderer.render(first, last)
            made = [tuple(map(len, outputs))]
            if last - first > batch:
                made = _sizes(renderer, len(outputs), last - first, batch)
            if program.offsets:
                made, offsets = _with_offsets(renderer, made, last - first, batch)
                outputs += offsets
            for write, lines in zip(writers, outputs, strict=True):
                write(lines)
            sizes += made
    return sizes


def measure(program: Program, start: int, stop: int) -> tuple[int, ...]:
    """Return the bytes that each output has of the indices from ``start`` up to ``stop``."""
    renderer = _renderers.get(program, min(BATCH, stop - start))
    step = renderer.capacity
    blocks = [renderer.measure(k, min(k + step, stop)) for k in range(start, stop, step)]
    return tuple(map(sum, zip(*blocks, strict=True)))


def _sizes(renderer: Renderer, outputs: int, count: int, batch: int) -> list[tuple[int, ...]]:
    """Return the bytes of each batch of the records that were rendered last."""
    last = [*range(batch, count, batch), count]
    ends = [renderer.ends(output, count)[np.array(last) - 1] for output in range(outputs)]
    return [*zip(*(np.diff(end, prepend=0).tolist() for end in ends), strict=True)]


def _with_offsets(
    renderer: Renderer, sizes: Sequence[tuple[int, ...]], count: int, batch: int
) -> tuple[list[tuple[int, ...]], list[memoryview]]:
    """Return the bytes of each batch with those of its offsets, and the offsets of each output.

    The offsets of a batch begin with 0, whatever the batch before it.
    """
    firsts = range(0, count, batch)
    lengths = [min(batch, count - first) for first in firsts]
    made = []
    for output in range(len(sizes[0])):
        ends = renderer.ends(output, count)
        offsets = np.zeros(count + len(lengths), OFFSET)
        base = 0
        for number, (first, length) in enumerate(zip(firsts, lengths, strict=True)):
            at = first + number + 1
            batch_ends = ends[first : first + length]
            np.subtract(batch_ends, base, out=offsets[at : at + length], casting="unsafe")
            base = int(batch_ends[-1])
        made.append(offsets.view(np.uint8).data)
    each = [
        (*size, *[OFFSET.itemsize * (length + 1)] * len(size))
        for size, length in zip(sizes, lengths, strict=True)
    ]
    return each, made


class _Writer:
    """Writes to a file from a place on, whole or not at all: a short write goes on or raises."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> Self:
        self._file = self._place.open(os.O_WRONLY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def __call__(self, lines: memoryview) -> None:
        while lines:
            try:
                written = os.write(self._file, lines)
            except OSError as error:
                error.filename = self._place.path
                raise
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO), self._place.path)
            lines = lines[written:]
