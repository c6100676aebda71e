"""A block of records as a Parquet file in memory: what the workers do; all that knows pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mockdata.render.batch import Batch
from mockdata.vaults.frozen import frozen

__all__ = ["Blocks"]

LEVEL: Final = 1
"""Of zstd: what is random in the texts, level 3 makes no smaller, in twice the time."""

PAGES: Final = {"max_rows_per_page": 2**20}
"""Pages are cut by their bytes, 1 MiB. By default newer versions cut them after 20,000 records as
well, which takes a third more time; older ones know no such limit."""

SAMPLE: Final = 2_000
"""Records by which a column is judged."""

FEW: Final = SAMPLE // 2
"""Different texts among them, up to which a dictionary makes a column smaller."""

END: Final = ord("\n")

TYPES: Final = {"string": pa.string(), "int64": pa.int64(), "date": pa.date32()}


@frozen
class Blocks:
    """Makes files of one row group, of vaults and tables whose columns' types it knows."""

    types: Mapping[str, Sequence[str]]

    def __call__(self, batch: Batch) -> pa.Buffer:
        """Return a batch as a file."""
        schema = self._schema(batch.vault, batch.columns)
        arrays = [_texts(batch.lines(field.name), len(batch)).cast(field.type) for field in schema]
        return _file(pa.Table.from_arrays(arrays, schema=schema))

    def empty(self, vault: str, columns: Sequence[str]) -> pa.Buffer:
        """Return a file without records."""
        return _file(self._schema(vault, columns).empty_table())

    def _schema(self, vault: str, columns: Sequence[str]) -> pa.Schema:
        pairs = zip(columns, self.types[vault], strict=True)
        return pa.schema([pa.field(name, TYPES[kind], nullable=False) for name, kind in pairs])


def _texts(lines: memoryview, count: int) -> pa.StringArray:
    """Return so many lines as an array of texts, without their ends."""
    content = np.frombuffer(lines, np.uint8)
    width = len(content) // count
    if len(content) == count * width and (content[width - 1 :: width] == END).all():
        offsets = np.arange(count + 1, dtype=np.int32) * (width - 1)
        content = np.ascontiguousarray(content.reshape(count, width)[:, :-1])
    else:
        is_end = content == END
        offsets = np.zeros(count + 1, np.int32)
        offsets[1:] = np.flatnonzero(is_end) - np.arange(count)
        content = content[~is_end]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def _file(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
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
