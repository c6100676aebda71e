"""Thrift's compact protocol, as far as a Parquet footer needs it: trees of fields, and their bytes.

A struct is a dict of field ids to (type, value), a list is (the elements' type, the elements).
Nothing here knows what a field means, so what is not touched is written as it was read.
Specification: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["BINARY", "I16", "I32", "I64", "LIST", "STRUCT", "Struct", "encoded", "read_struct"]

TRUE: Final = 1
FALSE: Final = 2
BYTE: Final = 3
I16: Final = 4
I32: Final = 5
I64: Final = 6
DOUBLE: Final = 7
BINARY: Final = 8
LIST: Final = 9
SET: Final = 10
STRUCT: Final = 12

Struct = dict[int, tuple[int, Any]]


def read_struct(content: bytes) -> Struct:
    """Return the struct that some bytes begin with. Raises ValueError if it has a map or so."""
    return _Reader(content).struct()


def encoded(struct: Struct) -> bytes:
    """Return the bytes of a struct. Structs within it may be their bytes already."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while header := self._byte():
            delta, kind = header >> 4, header & 15
            number = number + delta if delta else self._integer()
            fields[number] = (TRUE, kind == TRUE) if kind <= FALSE else (kind, self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (I16, I32, I64):
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list()
        if kind == STRUCT:
            return self.struct()
        if kind in (TRUE, FALSE, BYTE):
            return self._bytes(1)
        if kind == DOUBLE:
            return self._bytes(8)
        raise ValueError(f"type {kind} is not one of a Parquet footer")

    def _list(self) -> tuple[int, list[Any]]:
        header = self._byte()
        count = header >> 4
        if count == 15:
            count = self._varint()
        return header & 15, [self._value(header & 15) for _ in range(count)]

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)


def _put_struct(out: bytearray, struct: Struct | bytes) -> None:
    if isinstance(struct, bytes):
        out += struct
        return
    last = 0
    for number, (kind, value) in struct.items():
        shown = FALSE if kind == TRUE and not value else kind
        if 0 < number - last <= 15:
            out.append((number - last) << 4 | shown)
        else:
            out.append(shown)
            _put_integer(out, number)
        if kind != TRUE:
            _put(out, kind, value)
        last = number
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        _put_integer(out, value)
    elif kind == BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind in (LIST, SET):
        _put_list(out, *value)
    elif kind == STRUCT:
        _put_struct(out, value)
    else:
        out += value


def _put_list(out: bytearray, kind: int, values: list[Any]) -> None:
    out.append(min(len(values), 15) << 4 | kind)
    if len(values) >= 15:
        _put_varint(out, len(values))
    for value in values:
        _put(out, kind, value)


def _put_varint(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _put_integer(out: bytearray, number: int) -> None:
    _put_varint(out, number << 1 if number >= 0 else ~number << 1 | 1)
