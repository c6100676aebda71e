"""Realistic, unique values and their tokens, to load-test a data-privacy vault.

>>> import mockdata
>>> report = mockdata.generate_sync({"ssn": 2}, sink=print, seed=7, timestamp=1700000000)
<Batch ssn 0 to 1>
>>> report.records
2

Names are imported when you first use them, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdata.errors import DeliveryError, MockDataError, PlanError, WorkerError
    from mockdata.pipeline.report import Progress, Report, VaultReport
    from mockdata.pipeline.run import generate, generate_sync
    from mockdata.pipeline.stream import BatchStream, stream
    from mockdata.render.batch import Batch, Encoded, Record
    from mockdata.render.layout import Columns, Rows, Texts
    from mockdata.screen import progress
    from mockdata.sinks import Delivery, File, Run, Session, Sink, VaultRun, Writer
    from mockdata.sinks.csv import CsvSink
    from mockdata.sinks.jsonl import JsonlSink
    from mockdata.sinks.parquet import ParquetSink
    from mockdata.sinks.skyflow import SkyflowSink
    from mockdata.sinks.stdout import StdoutSink
    from mockdata.vaults.file import read_vaults
    from mockdata.vaults.vault import Table, Vault

__all__ = [
    "Batch",
    "BatchStream",
    "Columns",
    "CsvSink",
    "Delivery",
    "DeliveryError",
    "Encoded",
    "File",
    "JsonlSink",
    "MockDataError",
    "ParquetSink",
    "PlanError",
    "Progress",
    "Record",
    "Report",
    "Rows",
    "Run",
    "Session",
    "Sink",
    "SkyflowSink",
    "StdoutSink",
    "Table",
    "Texts",
    "Vault",
    "VaultReport",
    "VaultRun",
    "WorkerError",
    "Writer",
    "generate",
    "generate_sync",
    "progress",
    "read_vaults",
    "stream",
]

__version__ = "2.0.0"

_HOMES = {
    "errors": ("DeliveryError", "MockDataError", "PlanError", "WorkerError"),
    "pipeline.report": ("Progress", "Report", "VaultReport"),
    "pipeline.run": ("generate", "generate_sync"),
    "pipeline.stream": ("BatchStream", "stream"),
    "render.batch": ("Batch", "Encoded", "Record"),
    "render.layout": ("Columns", "Rows", "Texts"),
    "screen": ("progress",),
    "sinks": ("Delivery", "File", "Run", "Session", "Sink", "VaultRun", "Writer"),
    "sinks.csv": ("CsvSink",),
    "sinks.jsonl": ("JsonlSink",),
    "sinks.parquet": ("ParquetSink",),
    "sinks.skyflow": ("SkyflowSink",),
    "sinks.stdout": ("StdoutSink",),
    "vaults.file": ("read_vaults",),
    "vaults.vault": ("Table", "Vault"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    if name == "dask":  # a module, which you need not import by itself
        return import_module(f"{__name__}.dask")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
