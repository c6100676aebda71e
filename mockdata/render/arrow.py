"""Batches as Arrow arrays: a struct array with a field for each column.

With the layout ``Texts``, the texts are used in place, without a copy. With other layouts they are
copied once, without the bytes around them; no str is made.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mockdata.errors import MockDataError
from mockdata.render.layout import CSV_LINES, Columns, Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mockdata.render.batch import Batch

__all__ = ["column_buffers", "text_buffers", "to_arrow"]

LINE_END: Final = ord("\n")

PLAIN: Final = (Columns(), CSV_LINES)
"""Layouts of lines that hold a text as it is, unless CSV quotes it."""

ZERO: Final = ord("0")

SCHEMAS: Final = 100
"""Schemas that are kept: to make one takes as long as to make a batch's arrays."""


def to_arrow(batch: Batch) -> Any:
    """Return a batch as an array of nanoarrow's. Raises MockDataError if that is not installed."""
    try:
        import nanoarrow as na
    except ImportError as error:
        problem = "to_arrow needs nanoarrow: pip install 'mockdata[arrow]'"
        raise MockDataError(problem) from error
    schema, kinds = _schema(batch.columns, batch.form.types)
    # Unchecked: the buffers are as long as they have to be, and to look at them takes longer.
    array = partial(na.c_array_from_buffers, null_count=0, move=True, validation_level="none")
    children = [
        array(kind, len(batch), [None, *column_buffers(batch, place)])
        for place, kind in enumerate(kinds)
    ]
    return na.Array(array(schema, len(batch), [None], children=children))


@lru_cache(SCHEMAS)
def _schema(columns: tuple[str, ...], types: tuple[str, ...]) -> tuple[Any, list[Any]]:
    """Return the schema of a struct of columns, and those of the columns."""
    import nanoarrow as na

    kinds = {"string": na.string, "int64": na.int64, "date": na.date32}
    made = [kinds[kind](nullable=False) for kind in types]
    struct = na.struct(dict(zip(columns, made, strict=True)), nullable=False)
    return na.c_schema(struct), [*map(na.c_schema, made)]


def column_buffers(batch: Batch, place: int) -> list[NDArray[Any]]:
    """Return the buffers of a column in its type: numbers, days, or offsets and texts."""
    offsets, content = text_buffers(batch, place)
    match batch.form.types[place]:
        case "int64":
            return [_numbers(offsets, content)]
        case "date":
            return [_days(content, len(batch))]
        case _:
            return [offsets, content]


def text_buffers(batch: Batch, place: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return a column's offsets, one more than there are records, and its texts side by side.

    Raises AttributeError if the batch's layout has no texts.
    """
    if isinstance(batch.form.layout, Texts):
        outputs = batch.outputs
        content = np.frombuffer(outputs[place], np.uint8)
        return np.frombuffer(outputs[place + len(batch.columns)], np.int32), content
    column = batch.columns[place]
    if batch.form.layout in PLAIN and not batch.form.quoted[place]:
        return _without_ends(batch.lines(column), len(batch))
    return _joined(batch.column(column))


def _joined(texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([*map(len, encoded)], out=offsets[1:])
    return offsets, np.frombuffer(b"".join(encoded), np.uint8)


def _without_ends(lines: memoryview, count: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the texts of so many lines, which hold no other line feed than the one at the end."""
    content = np.frombuffer(lines, np.uint8)
    width, rest = divmod(len(content), count)
    if not rest and (content[width - 1 :: width] == LINE_END).all():
        offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width - 1)
        return offsets, np.ascontiguousarray(content.reshape(count, width)[:, :-1]).reshape(-1)
    offsets = np.zeros(count + 1, np.int32)
    ends = np.flatnonzero(content == LINE_END)
    np.subtract(ends, np.arange(count), out=offsets[1:], casting="unsafe")
    return offsets, np.frombuffer(bytes(lines).replace(b"\n", b""), np.uint8)


def _numbers(offsets: NDArray[np.int32], content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the numbers that texts of digits alone are."""
    ends, lengths = offsets[1:].astype(np.intp), np.diff(offsets)
    numbers = np.zeros(len(lengths), np.int64)
    for place in range(int(lengths.max())):
        digit = content[np.maximum(ends - 1 - place, 0)].astype(np.int64) - ZERO
        digit[lengths <= place] = 0
        numbers += digit * 10**place
    return numbers


def _days(content: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
    """Return how many days after 1970-01-01 dates are that are written as 2024-12-31."""
    digit = content.reshape(count, 10).astype(np.int32) - ZERO
    years = digit[:, :4] @ np.array((1000, 100, 10, 1), np.int32)
    months = (years - 1970) * 12 + digit[:, 5] * 10 + digit[:, 6] - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
    days: NDArray[np.int32] = first + digit[:, 8] * 10 + digit[:, 9] - 1
    return days
