"""What a worker does for a session that encodes: it renders records and calls its function."""

from __future__ import annotations

import os
import pickle
from functools import lru_cache
from typing import Any, Final, NamedTuple

from mockdata.render.batch import Batch, Form
from mockdata.render.places import Place
from mockdata.render.program import Program
from mockdata.render.task import Writing, blocks

__all__ = ["Encoding", "encode", "rendered"]

FUNCTIONS: Final = 4
"""Functions that a process keeps for its next tasks; a run has one."""


class Encoding(NamedTuple):
    """The function that encodes a batch, and where its bytes go."""

    function: bytes
    """The session's function, pickled. An error in unpickling it is an error like any other."""
    place: Place
    room: int
    """Bytes that the place has."""
    process: int
    """The run's process id. An error raised in another process must be sent there."""


def encode(program: Program, form: Form, start: int, stop: int, encoding: Encoding) -> int | bytes:
    """Render the indices from ``start`` up to ``stop``, and have a function encode them.

    If what the function returns fits into the place, it is written there, and the number of bytes
    is returned. If it does not fit, the bytes themselves are returned: this is rare, so the place
    need not grow. An error that the function raises gets a note about the records.
    """
    data = _encoded(rendered(program, form, start, stop), encoding)
    if isinstance(data, Exception):
        raise data  # here, where the one that it may stand for is not its context
    if len(data) > encoding.room:
        return bytes(data)
    with Writing(encoding.place) as write:
        write(data)
    return len(data)


def _encoded(batch: Batch, encoding: Encoding) -> memoryview | Exception:
    """Return what the function makes of a batch, or the error that it raises."""
    try:
        return memoryview(_function(encoding.function)(batch)).cast("B")
    except Exception as error:
        stop = batch.start + batch.records
        error.add_note(f"mockdata: at {batch.vault} records {batch.start} to {stop - 1}")
        return error if os.getpid() == encoding.process else _portable(error)


def rendered(program: Program, form: Form, start: int, stop: int) -> Batch:
    """Render records to new memory: you may keep the batch."""
    import numpy as np

    count = stop - start
    outputs = [np.empty(count * line.longest, np.uint8).data for line in program.lines]
    offsets = [[np.zeros(1, np.int32)] for _ in program.lines if program.offsets]
    sizes = [0] * len(outputs)
    for block in blocks(program, start, stop):
        lines, ends = block[: len(outputs)], block[len(outputs) :]
        for size, made, some in zip(sizes, offsets, ends, strict=False):
            made.append(np.frombuffer(some, np.int32)[1:] + np.int32(size))
        for k, some in enumerate(lines):
            outputs[k][sizes[k] : sizes[k] + len(some)] = some
            sizes[k] += len(some)
    whole = [output[:size] for output, size in zip(outputs, sizes, strict=True)]
    whole += [np.concatenate(made).data.cast("B") for made in offsets]
    return Batch(form, start, count, tuple(view.toreadonly() for view in whole))


@lru_cache(FUNCTIONS)
def _function(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301  (from the process that sent it)


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled: one that cannot would look like a dead worker."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        made = RuntimeError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            made.add_note(note)
        return made
    return error
