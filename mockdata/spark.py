"""Spark: a data source whose partitions are parts of a run, and whose rows come in Arrow's batches.

It needs the extra ``mockdata[spark]``, on the driver and on the executors::

    spark.read.format("mockdata").option("counts", "ssn=10M").load()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import mockdata
from mockdata.command.words import read_counts, read_number, read_start
from mockdata.errors import MockDataError, PlanError, one_line
from mockdata.pipeline.parts import checked_parts, default_parts
from mockdata.pipeline.plan import plan_run
from mockdata.render.batch import Form
from mockdata.render.compile import compile_program
from mockdata.render.encode import rendered
from mockdata.render.layout import Texts
from mockdata.sinks import Run, VaultRun
from mockdata.vaults.file import Definitions, definitions
from mockdata.vaults.texts import not_one_of
from mockdata.vaults.vault import Table, Vault

try:
    import pyarrow as pa
    from pyspark.sql import types as of_spark
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

    from mockdata.sinks.parquet.blocks import record_batch, schema_of
except ImportError as error:
    problem = f"mockdata.spark needs pyspark 4 and pyarrow: pip install 'mockdata[spark]' ({error})"
    raise ImportError(problem) from error

__all__ = ["MockDataSource"]

OPTIONS: Final = ("counts", "vaults", "seed", "timestamp", "start", "parts")

ROWS: Final = 20_000
"""Rows of a batch, at most."""

TYPES: Final = {
    "string": of_spark.StringType(),
    "int64": of_spark.LongType(),
    "date": of_spark.DateType(),
}

SEVERAL: Final = ("vault", "value", "token")
"""The columns of more than one vault."""


class MockDataSource(DataSource):  # type: ignore[misc]  # of what pyspark is, mypy sees nothing
    """``spark.read.format("mockdata")``: records as rows, made where they are read.

    Its options are those of the command: ``counts``, such as ``ssn=10M name=500``, ``vaults``, a
    TOML file that the driver reads, ``seed``, ``timestamp``, ``start``, and ``parts``, which is how
    many partitions there are: by default, one for each two million records.

    One vault or table has its columns, in their types. Several vaults have the columns ``vault``,
    ``value`` and ``token``. Raises PlanError for an option that is not what it has to be.
    """

    @classmethod
    def name(cls) -> str:
        """Return what ``format`` calls it."""
        return "mockdata"

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self._job = _job({key.lower(): value for key, value in options.items()})

    def schema(self) -> of_spark.StructType:
        """Return the columns and their types. None is ever null."""
        return _schema(self._job.run())

    def reader(self, schema: of_spark.StructType) -> DataSourceReader:
        """Return what makes the rows. Raises PlanError for a schema that is not theirs."""
        own = self.schema()
        if schema != own:
            problem = f"the columns are {own.simpleString()}; leave out .schema(...)"
            raise PlanError("schema", problem)
        return _Reader(self._job)


@dataclass(frozen=True)
class _Job:
    """A run as plain data, which travels to the executors."""

    counts: dict[str, int]
    start: dict[str, int]
    vaults: tuple[Vault | Table, ...]
    seed: int
    timestamp: int
    parts: int
    version: str = mockdata.__version__

    def run(self, part: int = 1) -> Run:
        """Return one of the parts."""
        return plan_run(
            self.counts,
            vaults=self.vaults,
            seed=self.seed,
            timestamp=self.timestamp,
            start=self.start,
            part=(part, self.parts),
        )


def _job(options: Mapping[str, str]) -> _Job:
    for option in options:
        if option not in OPTIONS:
            raise PlanError("options", not_one_of(option, OPTIONS))
    if not options.get("counts"):
        raise PlanError("counts", 'say .option("counts", "ssn=10M") or the like')
    defined = _definitions(options.get("vaults"))
    numbers: dict[str, Any] = {
        option: read_number(options[option])
        for option in ("seed", "timestamp", "parts")
        if option in options
    }
    parts = numbers.pop("parts", None)
    run = plan_run(
        read_counts(options["counts"].split(), defined),
        vaults=defined,
        start=read_start([options.get("start", "0")], defined),
        **numbers,
    )
    return _Job(
        counts={vault.name: vault.records for vault in run.vaults},
        start={vault.name: vault.start for vault in run.vaults},
        vaults=defined.given,
        seed=run.seed,
        timestamp=run.timestamp,
        parts=default_parts(run.records) if parts is None else checked_parts(parts),
    )


def _definitions(file: str | None) -> Definitions:
    try:
        return definitions(file)
    except OSError as error:
        raise PlanError("vaults", one_line(f"{file}: {error.strerror}")) from error


def _schema(run: Run) -> of_spark.StructType:
    tables = [vault for vault in run.vaults if vault.is_table]
    if tables and len(run.vaults) > 1:
        problem = f"the table {tables[0].name} has columns of its own: read it alone"
        raise PlanError("counts", problem)
    columns: Mapping[str, str] = dict.fromkeys(SEVERAL, "string")
    if len(run.vaults) == 1:
        columns = dict(zip(run.vaults[0].columns, run.vaults[0].types, strict=True))
    fields = (
        of_spark.StructField(name, TYPES[kind], nullable=False) for name, kind in columns.items()
    )
    return of_spark.StructType(list(fields))


class _Reader(DataSourceReader):  # type: ignore[misc]
    """Makes the rows of a part, by the executor's Python."""

    def __init__(self, job: _Job) -> None:
        self._job = job

    def partitions(self) -> Sequence[InputPartition]:
        return [InputPartition(part) for part in range(1, self._job.parts + 1)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        if mockdata.__version__ != self._job.version:
            raise MockDataError(
                f"this executor has mockdata {mockdata.__version__}, and the driver "
                f"{self._job.version}: install the same on all machines"
            )
        run = self._job.run(partition.value)
        for vault in run.vaults:
            for batch in _batches(vault, run):
                yield batch if len(run.vaults) == 1 else _named(vault.name, batch)


def _batches(vault: VaultRun, run: Run) -> Iterator[pa.RecordBatch]:
    columns, layout = vault.resolved.columns, Texts()
    program = compile_program(columns, layout, seed=run.seed, timestamp=run.timestamp)
    form = Form(vault.name, vault.columns, program.quoted, vault.is_table, layout, vault.types)
    for start, stop in vault.ranges(ROWS):
        yield record_batch(rendered(program, form, start, stop))


def _named(vault: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    names = pa.repeat(pa.scalar(vault), len(batch))
    schema = schema_of(SEVERAL, ["string"] * len(SEVERAL))
    return pa.RecordBatch.from_arrays([names, *batch.columns], schema=schema)
