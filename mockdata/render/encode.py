"""What a worker does for a session that encodes: it renders records and calls its function."""

from __future__ import annotations

import multiprocessing
import pickle
from functools import lru_cache
from typing import Any, Final

from mockdata.render.batch import Batch, Form
from mockdata.render.places import Place
from mockdata.render.program import Program
from mockdata.render.task import Writing, blocks

__all__ = ["encode"]

FUNCTIONS: Final = 4
"""Functions that a process keeps for its next tasks; a run has one."""


def encode(
    program: Program, form: Form, start: int, stop: int, function: bytes, place: Place, room: int
) -> int | bytes:
    """Render the indices from ``start`` up to ``stop``, and have a pickled function encode them.

    What the function returns is written to the place if it takes ``room`` bytes at most; then the
    number of bytes is returned. More than that is returned itself: this is rare, and so the place
    need not grow. What the function raises has a note of the records.
    """
    batch = _batch(program, form, start, stop)
    try:
        data = memoryview(_function(function)(batch)).cast("B")
    except Exception as error:
        error.add_note(f"mockdata: at {form.name} records {start} to {stop - 1}")
        raise _portable(error) from error.__cause__
    if len(data) > room:
        return bytes(data)
    with Writing(place) as write:
        write(data)
    return len(data)


def _batch(program: Program, form: Form, start: int, stop: int) -> Batch:
    """Render records to memory of their own: the function may keep the batch."""
    outputs = [bytearray() for _ in program.lines]
    for lines in blocks(program, start, stop):
        for output, some in zip(outputs, lines, strict=True):
            output += some
    return Batch(form, start, stop - start, tuple(memoryview(o).toreadonly() for o in outputs))


@lru_cache(FUNCTIONS)
def _function(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301  (from the process that sent it)


def _portable(error: Exception) -> Exception:
    """Return an error that gets to another process; one that does not would look like a death."""
    if multiprocessing.parent_process() is None:
        return error
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        made = RuntimeError(f"{type(error).__name__}: {error}")
        for note in error.__notes__:
            made.add_note(note)
        return made
    return error
