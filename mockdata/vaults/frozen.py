"""Frozen classes with slots that cost little to define.

A command that makes a thousand records is over before fifty classes are defined by ``dataclass`` or
``NamedTuple``, which compile methods for each. Here they inherit methods that are written once.

>>> @frozen
... class Point:
...     x: int
...     y: int = 0
>>> Point(1) == Point(1, y=0), Point(2)
(True, Point(x=2, y=0))
>>> import dataclasses
>>> dataclasses.replace(Point(1), x=3), dataclasses.asdict(Point(1))
(Point(x=3, y=0), {'x': 1, 'y': 0})
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, Self, TypeVar, cast, dataclass_transform

__all__ = ["frozen", "replace"]

T = TypeVar("T")

_set = object.__setattr__


class _Fields:
    """A class's fields as ``dataclasses`` has them, made when that is first asked for them.

    So its ``replace``, ``asdict`` and ``fields`` take frozen classes, too.
    """

    def __get__(self, instance: object, owner: type[Frozen]) -> dict[str, Any]:
        from dataclasses import make_dataclass

        made: Any = make_dataclass(owner.__name__, owner.__match_args__)
        fields: dict[str, Any] = made.__dataclass_fields__
        owner.__dataclass_fields__ = fields  # type: ignore[assignment]
        return fields


class Frozen:
    """What all frozen classes inherit. ``__match_args__`` are the fields that are compared."""

    __slots__: tuple[str, ...] = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__ = _Fields()
    _defaults: ClassVar[dict[str, object]] = {}

    def __init__(self, *values: object, **named: object) -> None:
        names = self.__match_args__
        if named or len(values) != len(names):
            values = self._completed(values, named)
        for name, value in zip(names, values, strict=True):
            _set(self, name, value)

    def _completed(
        self, values: tuple[object, ...], named: dict[str, object]
    ) -> tuple[object, ...]:
        """Return a value for every field: the given ones, and defaults for the others."""
        names = self.__match_args__
        others = names[len(values) :]
        given = self._defaults | named
        if len(values) > len(names) or not named.keys() <= {*others} <= given.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")
        return (*values, *[given[name] for name in others])

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __repr__(self) -> str:
        pairs = zip(self.__match_args__, self._values(), strict=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in pairs)
        return f"{type(self).__qualname__}({shown})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or type(self) is not type(other):
            return NotImplemented
        return self is other or self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self).__qualname__, self._values()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete field {name!r}")

    def __getstate__(self) -> list[object]:
        return [getattr(self, name) for name in self.__slots__]

    def __setstate__(self, state: list[object]) -> None:
        for name, value in zip(self.__slots__, state, strict=True):
            _set(self, name, value)

    def __replace__(self, **changes: object) -> Self:
        return replace(self, **changes)


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class much as ``dataclass(frozen=True, slots=True)`` does.

    A class that has an ``__init__`` of its own names the fields to compare in ``__match_args__``.
    """
    fields = tuple(cls.__annotations__)
    body = {name: found for name, found in vars(cls).items() if name not in fields}
    for own in ("__dict__", "__weakref__"):
        body.pop(own, None)
    made = {
        "__match_args__": fields,
        **body,
        "__slots__": fields,
        "__qualname__": cls.__qualname__,
        "_defaults": {name: vars(cls)[name] for name in fields if name in vars(cls)},
    }
    return cast("type[T]", type(cls.__name__, (Frozen,), made))


def replace(instance: T, **changes: Any) -> T:
    """Return a frozen class's instance with some fields changed."""
    values = {name: getattr(instance, name) for name in cast("Any", instance).__match_args__}
    return type(instance)(**values | changes)
