"""What users define: a vault, which is two patterns, and a table, which is several columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from mockdata.errors import PlanError, one_line
from mockdata.vaults.frozen import frozen
from mockdata.vaults.pattern import FIELDS, Kind, Pattern
from mockdata.vaults.pieces import Reference
from mockdata.vaults.texts import (
    LIMIT,
    PatternError,
    control,
    did_you_mean,
    is_name,
    shown,
    utf8_width,
)

if TYPE_CHECKING:
    from mockdata.vaults.lists import TextList
    from mockdata.vaults.typed import Type

__all__ = ["Lists", "Table", "TableColumn", "Vault", "checked_name"]

MAX_DISTINCT: Final = 2**40

Lists = Mapping[str, Sequence[str] | Mapping[str, int] | str | os.PathLike[str]]
"""A name to texts, to texts with their weights, or to the path of a file that has them."""


@frozen
class Vault:
    """A vault: a pattern for its values, a pattern for its tokens, and the names of its columns.

    Without ``token``, tokens are ``tok_NAME_{timestamp}_{suffix}``. ``lists`` are the lists that
    the patterns may name. ``distinct`` is how many different records there are. With ``repeats``,
    values and tokens may repeat. A mistake raises PlanError, which says where in the pattern it is.
    References to other vaults are looked up when you use the vault.

    >>> pin = Vault("pin", value="[0-9]{4}", token="{same}")
    >>> pin.data_column, pin.token_column
    ('pin', 'pin_token')
    """

    name: str
    value: str
    token: str
    data_column: str
    token_column: str
    lists: tuple[tuple[str, TextList], ...]
    distinct: int | None
    repeats: bool
    value_pattern: Pattern
    token_pattern: Pattern
    source: str

    __match_args__ = (
        "name", "value", "token", "data_column", "token_column", "lists", "distinct", "repeats",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        value: str,
        token: str | None = None,
        *,
        data_column: str | None = None,
        token_column: str | None = None,
        lists: Lists | Iterable[tuple[str, TextList]] = (),
        distinct: int | None = None,
        repeats: bool = False,
        source: str = "",
    ) -> None:
        checked_name("vault", name)
        where = f"vault {name}"
        texts = _lists(where, lists)
        token = f"tok_{name}_{{timestamp}}_{{suffix}}" if token is None else token
        data = name if data_column is None else data_column
        _set(
            self,
            name=name,
            value=value,
            token=token,
            data_column=_column(where, "data_column", data),
            token_column=_column(
                where, "token_column", f"{data}_token" if token_column is None else token_column
            ),
            lists=tuple(texts.items()),
            distinct=_distinct(where, distinct),
            repeats=_flag(where, "repeats", repeats),
            value_pattern=_pattern(where, "value", value, texts, "value"),
            token_pattern=_pattern(where, "token", token, texts, "token"),
            source=source,
        )
        if self.data_column == self.token_column:
            raise PlanError(where, f"both columns are named {shown(self.data_column)}")
        if distinct is not None and repeats:
            raise PlanError(where, "distinct and repeats cannot be combined; leave one out")

    def __hash__(self) -> int:
        return hash((self.name, self.value, self.token))  # and not of its lists, which may be long


@frozen
class TableColumn:
    """A column of a table: its name, its pattern, and the type of its texts."""

    name: str
    pattern: Pattern
    type: Type = "string"


@frozen
class Table:
    """A table: columns with patterns that mostly refer to vaults, so that one row is one person.

    ``columns`` maps each name to a pattern, or to ``{"pattern": ..., "type": ...}``. The type is
    ``string`` (the default), ``int64`` or ``date``. A mistake raises PlanError.

    >>> Table("people", {"id": {"pattern": "{index:1}", "type": "int64"}}).columns[0].type
    'int64'
    """

    name: str
    columns: tuple[TableColumn, ...]
    source: str

    __match_args__ = ("name", "columns")

    def __init__(
        self,
        name: str,
        columns: Mapping[str, str | Mapping[str, str]] | Sequence[TableColumn],
        *,
        source: str = "",
    ) -> None:
        checked_name("table", name)
        where = f"table {name}"
        made = _table_columns(where, columns)
        if not 1 <= len(made) <= LIMIT:
            raise PlanError(where, f"{len(made)} columns; a table has from 1 to {LIMIT}")
        _set(self, name=name, columns=made, source=source)


def checked_name(what: str, name: object) -> str:
    """Return the name of a vault, table, column or list; raises PlanError if it is none."""
    if not is_name(name):
        raise PlanError(
            what,
            f"{shown(name)} is not a name: use lower-case letters, digits and underscores, with a "
            "letter first and at most 64 characters",
        )
    return name


def _set(instance: object, **values: object) -> None:
    """Fill the fields of a frozen dataclass that makes itself."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def _lists(where: str, lists: object) -> dict[str, TextList]:
    try:
        given: dict[object, object] = dict(lists)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise PlanError(where, "lists must map names to texts or to files") from None
    made: dict[str, TextList] = {}
    for name, texts in given.items():
        if not is_name(name):
            raise PlanError(where, f"lists: {shown(name)} is not a name such as domain or zip_code")
        label = f"lists.{name}"
        if name in FIELDS or name in ("value", "token"):
            raise PlanError(where, f"{label}: {name} means something else; give it another name")
        made[name] = _list(where, label, texts)
    return made


def _list(where: str, label: str, texts: object) -> TextList:
    from mockdata.vaults.lists import TextList

    try:
        return TextList.of(texts)
    except PatternError as error:
        raise PlanError(where, f"{label}: {error.problem}") from None


def _pattern(
    where: str, label: str, text: object, lists: Mapping[str, TextList], kind: Kind
) -> Pattern:
    if not isinstance(text, str):
        raise PlanError(where, f"{label}: a pattern must be a string, not {shown(text)}")
    try:
        return Pattern.parse(text, lists, kind)
    except PatternError as error:
        comma = ", " if error.place else ": "
        raise PlanError(where, one_line(f"{label}{comma}{error}")) from None


def _column(where: str, label: str, name: object) -> str:
    if not isinstance(name, str):
        raise PlanError(where, f"{label}: {shown(name)} is not a text")
    if not name:
        raise PlanError(where, f"{label}: is empty")
    if place := control(name):
        problem = f"a name cannot have {name[place - 1]!a}"
        raise PlanError(where, f"{label}, character {place}: {problem}")
    if utf8_width(name) > LIMIT:
        raise PlanError(where, f"{label}: has more than {LIMIT} bytes")
    return name


def _distinct(where: str, distinct: object) -> int | None:
    if distinct is None:
        return None
    if type(distinct) is not int or not 1 <= distinct <= MAX_DISTINCT:
        problem = f"{shown(distinct)} is not a whole number from 1 to {MAX_DISTINCT}"
        raise PlanError(where, f"distinct: {problem}")
    return distinct


def _flag(where: str, label: str, flag: object) -> bool:
    if not isinstance(flag, bool):
        raise PlanError(where, f"{label}: {shown(flag)} is neither true nor false")
    return flag


def _table_columns(where: str, columns: object) -> tuple[TableColumn, ...]:
    """Return the columns that are given, or those of another table, each under a name."""
    if isinstance(columns, Mapping):
        return tuple(_table_column(where, *item) for item in columns.items())
    made = tuple(columns) if isinstance(columns, Iterable) else ()
    names = {column.name for column in made if isinstance(column, TableColumn)}
    if not isinstance(columns, Iterable) or len(names) < len(made):
        raise PlanError(where, "columns must map each name to a pattern")
    return made


def _table_column(where: str, name: object, given: object) -> TableColumn:
    from mockdata.vaults.typed import TYPES, misfit

    checked_name(f"{where}, column", name)
    label = f"column {name}"
    settings = dict(given) if isinstance(given, Mapping) else {"pattern": given}
    for key in settings:
        if key not in ("pattern", "type"):
            hint = did_you_mean(key, ("pattern", "type"))
            raise PlanError(where, f"{label}: no setting {shown(key)}{hint}")
    kind = settings.get("type", "string")
    if kind not in TYPES:
        hint = did_you_mean(kind, TYPES)
        raise PlanError(where, f"{label}: no type {shown(kind)}{hint}")
    if "pattern" not in settings:
        raise PlanError(where, f"{label}: has no pattern")
    pattern = _pattern(where, label, settings["pattern"], {}, "column")
    column = TableColumn(cast("str", name), pattern, kind)
    refers = any(isinstance(piece, Reference) for piece in pattern.pieces)
    if not refers and (problem := misfit(column.type, pattern.pieces)):
        raise PlanError(where, f"{label}: {problem}")
    return column
