"""A block of records as a Parquet file in memory: what the workers do; all that knows pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from mockdata.render.arrow import column_buffers
from mockdata.render.batch import Batch

__all__ = ["empty_file", "file_of", "record_batch", "schema_of"]

TYPES: Final = {"string": pa.string(), "int64": pa.int64(), "date": pa.date32()}

LEVEL: Final = 1
"""The level of zstd. Level 3 takes twice the time, and random texts get no smaller."""

PAGES: Final = {"max_rows_per_page": 2**20}
"""Pages are cut by their bytes, 1 MiB. By default newer versions cut them after 20,000 records as
well, which takes a third more time; older ones know no such limit."""

SAMPLE: Final = 2_000
"""How many records decide the encoding of a column."""

FEW: Final = SAMPLE // 2
"""Different texts among them, up to which a dictionary makes a column smaller."""


def file_of(batch: Batch) -> pa.Buffer:
    """Return a batch of the layout ``Texts`` as a file of one row group."""
    made = _file(pa.Table.from_batches([record_batch(batch)]))
    pa.default_memory_pool().release_unused()  # mimalloc, the default, keeps 20 MB and more
    return made


def record_batch(batch: Batch) -> pa.RecordBatch:
    """Return a batch of the layout ``Texts`` as Arrow's, which refers to the batch's memory."""
    schema = schema_of(batch.columns, batch.form.types)
    arrays = []
    for place, type_ in enumerate(schema.types):
        buffers = map(pa.py_buffer, column_buffers(batch, place))
        arrays.append(pa.Array.from_buffers(type_, len(batch), [None, *buffers]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def empty_file(columns: Sequence[str], types: Sequence[str]) -> pa.Buffer:
    """Return a file without records, of columns of these names and types."""
    return _file(schema_of(columns, types).empty_table())


def schema_of(columns: Sequence[str], types: Sequence[str]) -> pa.Schema:
    """Return the schema of columns of these names and types."""
    pairs = zip(columns, types, strict=True)
    return pa.schema([pa.field(name, TYPES[kind], nullable=False) for name, kind in pairs])


def _file(table: pa.Table) -> pa.Buffer:
    # Arrow's own pool gives memory back after each block, and takes it anew: a quarter of the time.
    sink = pa.BufferOutputStream(pa.system_memory_pool())
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[name for name in table.column_names if _repeats(table[name])],
        write_statistics=[f.name for f in table.schema if not pa.types.is_string(f.type)],
        store_schema=False,
        **(PAGES if "max_rows_per_page" in signature(pq.ParquetWriter).parameters else {}),
    ) as writer:
        if table.num_rows:
            writer.write_table(table, row_group_size=table.num_rows)
    return sink.getvalue()


def _repeats(column: pa.ChunkedArray) -> bool:
    """Return whether a text comes so often that a dictionary makes the column smaller."""
    sample = column.slice(0, SAMPLE)
    return len(sample.unique()) * SAMPLE <= FEW * len(sample)
