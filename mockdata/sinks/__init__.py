"""Where records go: files, standard output, a callback, a service, or a sink of the user's."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import cast

from mockdata.errors import PlanError
from mockdata.render.batch import Batch
from mockdata.sinks.base import Delivery, File, Run, Session, Sink, VaultRun, Writer
from mockdata.vaults.texts import shown

__all__ = [
    "AnySink",
    "Delivery",
    "File",
    "Run",
    "Session",
    "Sink",
    "VaultRun",
    "Writer",
    "as_sink",
]

AnySink = str | os.PathLike[str] | Callable[[Batch], object] | Sink
"""A folder for CSV files, a plain or async callable, or any object of the Sink protocol."""


def as_sink(sink: AnySink) -> Sink:
    """Return the sink that was meant. Raises PlanError for anything that cannot be one."""
    if isinstance(sink, str | os.PathLike) and os.fspath(sink):
        from mockdata.sinks.csv import CsvSink

        return CsvSink(sink)
    if callable(getattr(sink, "open", None)) and not isinstance(sink, type):
        return cast(Sink, sink)
    if callable(sink) and not callable(getattr(sink, "open", None)):
        if any(map(_is_generator, (sink, getattr(sink, "__call__", None)))):  # noqa: B004
            problem = "is a generator function: calling it does nothing; take out yield"
            raise PlanError("sink", f"{shown(sink)} {problem}")
        from mockdata.sinks.callback import CallbackSink

        return CallbackSink(sink)
    problem = "is not the path of a folder, a callable or an object with open(run)"
    raise PlanError("sink", f"{shown(sink)} {problem}")


def _is_generator(function: object) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
