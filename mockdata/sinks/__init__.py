"""Where records go: files, standard output, a callback, or a sink of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

from mockdata.errors import PlanError
from mockdata.render.batch import Batch
from mockdata.sinks.base import DeliverySink, Files, Sink, Writer

__all__ = ["AnySink", "DeliverySink", "Files", "Sink", "Writer", "as_sink"]

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
        from mockdata.sinks.callback import CallbackSink

        return CallbackSink(sink)
    raise PlanError(
        "sink", f"{sink!r} is not the path of a folder, a callable or an object with open(vault)"
    )
