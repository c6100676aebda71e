"""One Parquet file out of many small ones: their row groups, and one footer of all their footers.

Workers make a complete file of each block of records. Of that file, the bytes between the magic
and the footer are a row group, whose footer says where its columns stand. Put behind each other in
one file, only these places change. Format: https://parquet.apache.org/docs/file-format/ and
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mockdata.sinks.parquet.thrift import (
    BINARY,
    I16,
    I64,
    LIST,
    STRUCT,
    Struct,
    encoded,
    read_struct,
)

__all__ = ["MAGIC", "MOST_CHUNKS", "MOST_GROUPS", "Assembly"]

MAGIC: Final = b"PAR1"

MOST_GROUPS: Final = 2**15 - 1
"""Row groups of a file: their ordinal number is one of 16 bits, with a sign."""

MOST_CHUNKS: Final = 2**20
"""Columns of all row groups: a footer has some 130 bytes for each, and is read as a whole."""

SIZE: Final = 4
"""Bytes of a footer's size, which is between the footer and the final magic bytes."""

FILE: Final = {"num_rows": 3, "row_groups": 4, "key_value_metadata": 5}
GROUP: Final = {"columns": 1, "file_offset": 5, "num_rows": 3, "ordinal": 7}
CHUNK: Final = {"meta_data": 3}
"""Fields of ``FileMetaData``, ``RowGroup`` and ``ColumnChunk``."""

CHUNK_PLACES: Final = (2, 4, 6)
"""Of a ``ColumnChunk``: where the chunk stands, its offset index and its column index."""

COLUMN_PLACES: Final = (9, 10, 11, 14)
"""Of a ``ColumnMetaData``: its data pages, index page, dictionary page and Bloom filter."""


class Assembly:
    """What is known of a file whose row groups come one by one; writing it is for the caller.

    ``model`` is a file without rows, for the schema, and ``metadata`` what the footer says beside
    it. Of a row group its part of the footer is kept, some 130 bytes a column.
    """

    def __init__(self, model: memoryview, metadata: Mapping[str, str]) -> None:
        _, self._footer = _cut(model)
        self._metadata = metadata
        self._groups: list[bytes] = []
        self._rows = 0
        self.size = len(MAGIC)
        """Bytes of the file so far, the magic at its beginning included."""

    def add(self, file: memoryview) -> memoryview:
        """Return the bytes of a file's row group, to be written next."""
        body, footer = _cut(file)
        _, (group,) = footer[FILE["row_groups"]][1]
        _move(group, self.size - len(MAGIC), len(self._groups))
        self._groups.append(encoded(group))
        self._rows += group[GROUP["num_rows"]][1]
        self.size += len(body)
        return body

    def end(self) -> bytes:
        """Return the footer, which completes the file."""
        pairs = [
            {1: (BINARY, k.encode()), 2: (BINARY, v.encode())} for k, v in self._metadata.items()
        ]
        footer = self._footer | {
            FILE["num_rows"]: (I64, self._rows),
            FILE["row_groups"]: (LIST, (STRUCT, self._groups)),
            FILE["key_value_metadata"]: (LIST, (STRUCT, pairs)),
        }
        content = encoded(dict(sorted(footer.items())))
        ending = content + len(content).to_bytes(SIZE, "little") + MAGIC
        self.size += len(ending)
        return ending


def _cut(file: memoryview) -> tuple[memoryview, Struct]:
    """Return what is between a file's magic bytes and its footer, and the footer."""
    end = len(file) - len(MAGIC)
    start = end - SIZE - int.from_bytes(file[end - SIZE : end], "little")
    return file[len(MAGIC) : start], read_struct(bytes(file[start : end - SIZE]))


def _move(group: Struct, distance: int, ordinal: int) -> None:
    """Move the places that a row group's footer names, and give it its number."""
    _shift(group, (GROUP["file_offset"],), distance)
    if GROUP["ordinal"] in group:
        group[GROUP["ordinal"]] = I16, ordinal
    for chunk in group[GROUP["columns"]][1][1]:
        _shift(chunk, CHUNK_PLACES, distance)
        _shift(chunk[CHUNK["meta_data"]][1], COLUMN_PLACES, distance)


def _shift(struct: Struct, fields: tuple[int, ...], distance: int) -> None:
    """Add to those of the places that a struct has; 0 stands for none."""
    for field in fields:
        kind, place = struct.get(field, (I64, 0))
        if place:
            struct[field] = kind, place + distance
