"""Frozen dataclasses with slots that cost little to define.

A command that makes a thousand records is over before twenty classes are defined by ``dataclass``,
which compiles six methods for each. Here they share six that are written once.

>>> @frozen
... class Point:
...     x: int
...     y: int = 0
>>> Point(1) == Point(1, y=0), Point(2)
(True, Point(x=2, y=0))
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
from typing import Any, NoReturn, TypeVar, cast, dataclass_transform

__all__ = ["frozen"]

T = TypeVar("T")


def __init__(self: Any, *values: object, **named: object) -> None:  # noqa: N807
    names = self.__match_args__
    given = self._defaults | dict(zip(names, values, strict=False)) | named
    if (
        len(values) > len(names)
        or given.keys() != {*names}
        or not named.keys().isdisjoint(names[: len(values)])
    ):
        raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")
    for name in names:
        object.__setattr__(self, name, given[name])


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def __repr__(self: Any) -> str:  # noqa: N807
    pairs = zip(self.__match_args__, _values(self), strict=True)
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"


def __eq__(self: Any, other: object) -> bool:  # noqa: N807
    return type(self) is type(other) and (self is other or _values(self) == _values(other))


def __hash__(self: Any) -> int:  # noqa: N807
    return hash((type(self).__qualname__, _values(self)))


def __setattr__(_: Any, name: str, value: object) -> NoReturn:  # noqa: ARG001, N807
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def __delattr__(_: Any, name: str) -> NoReturn:  # noqa: N807
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def __reduce__(self: Any) -> tuple[type, tuple[Any, ...]]:  # noqa: N807
    return type(self), _values(self)


METHODS = (__init__, __repr__, __eq__, __hash__, __setattr__, __delattr__, __reduce__)


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class as ``dataclass(frozen=True, slots=True)`` does; all fields take part."""
    for method in METHODS:
        setattr(cls, method.__name__, method)
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made._defaults = {f.name: f.default for f in fields(made) if f.default is not MISSING}  # noqa: SLF001
    return cast("type[T]", made)
