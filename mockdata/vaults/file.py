"""Definitions from a TOML file, and from whatever else ``vaults=`` may be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mockdata.errors import PlanError, one_line
from mockdata.vaults.catalogue import DEFAULT, READY_MADE, Known
from mockdata.vaults.frozen import frozen
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.texts import did_you_mean, shown
from mockdata.vaults.vault import Table, Vault, checked_name

__all__ = ["Definitions", "Vaults", "definitions", "read_vaults"]

BYTES: Final = 2**22
"""Bytes of a file of definitions, at most. A longer list has its own file."""

SECTIONS: Final = ("vaults", "tables")
SETTINGS: Final = (
    "value", "token", "data_column", "token_column", "lists", "distinct", "repeats",
)  # fmt: skip

Vaults = str | os.PathLike[str] | Iterable[Vault | Table]
"""What ``vaults=`` may be: a file of definitions, or definitions."""


@frozen
class Definitions:
    """All definitions that a run may name, and those that a single count applies to."""

    known: Known
    counted: tuple[str, ...]

    @property
    def given(self) -> tuple[Vault | Table, ...]:
        """The definitions that are not ready-made ones."""
        return tuple(self.known.given.values())

    def joined(self, more: Iterable[Vault | Table]) -> Definitions:
        """Return these definitions with others, which replace those of the same name."""
        given = {definition.name: definition for definition in more}
        return Definitions(self.known.joined(given), self.counted) if given else self


def definitions(vaults: Vaults | None = None) -> Definitions:
    """Return the ready-made vaults, replaced and joined by those that are given.

    Raises PlanError for a mistake in them, and OSError if their file cannot be read.
    """
    if vaults is None:
        return Definitions(READY_MADE, DEFAULT)
    given = _given(vaults)
    return Definitions(Known(given), tuple(given))


def _given(vaults: Vaults) -> Mapping[str, Vault | Table]:
    if isinstance(vaults, str | os.PathLike):
        return read_vaults(vaults)
    if not isinstance(vaults, Iterable):
        raise PlanError("vaults", f"{shown(vaults)} is neither a file nor a list of vaults")
    given: dict[str, Vault | Table] = {}
    for definition in vaults.values() if isinstance(vaults, Mapping) else vaults:
        if not isinstance(definition, Vault | Table):
            raise PlanError("vaults", f"{shown(definition)} is neither a Vault nor a Table")
        if definition.name in given:
            raise PlanError("vaults", f"there are two definitions of {definition.name}")
        given[definition.name] = definition
    return given


def read_vaults(path: str | os.PathLike[str]) -> dict[str, Vault | Table]:
    """Return the vaults and tables that a TOML file defines, in the file's order, vaults first.

    They may refer to one another and to the ready-made vaults. Lists in files of their own are read
    too, with paths relative to the TOML file's folder. No other file is read, and nothing in a file
    runs code. Raises PlanError for a mistake, in one line with the file, vault, column and place,
    and OSError if the file cannot be read.
    """
    if not isinstance(path, str | os.PathLike):
        raise PlanError("vaults", f"{shown(path)} is not the path of a file")
    name = os.fspath(path)
    try:
        found = _Reader(name).read()
    except PlanError as error:
        if error.argument == one_line(name):
            raise
        raise PlanError(one_line(name), str(error)) from None
    return found


def _decoded(name: str) -> dict[str, Any]:
    """Return what a TOML file says."""
    import tomllib

    data = _content(name)
    if len(data) > BYTES:
        raise PlanError(one_line(name), f"has more than {BYTES} bytes")
    try:
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PlanError(one_line(name), f"line {line} is not UTF-8") from None
    except ValueError as error:
        raise PlanError(one_line(name), one_line(f"not TOML: {error}")[:300]) from None
    except RecursionError:
        raise PlanError(one_line(name), "nested too deeply") from None


def _content(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            return file.read(BYTES + 1)
    except ValueError:
        raise PlanError(one_line(name), "not the path of a file") from None


class _Reader:
    """Reads the definitions of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._folder = os.path.dirname(name)

    def read(self) -> dict[str, Vault | Table]:
        """Return the definitions, checked."""
        document = _decoded(self._name)
        _known("", document, SECTIONS)
        vaults = _section(document, "vaults")
        tables = _section(document, "tables")
        for both in vaults.keys() & tables.keys():
            raise PlanError(f"table {both}", "a vault has the same name")
        found: dict[str, Vault | Table] = {}
        found |= {name: self._vault(name, settings) for name, settings in vaults.items()}
        found |= {name: self._table(name, columns) for name, columns in tables.items()}
        if not found:
            raise PlanError(one_line(self._name), "defines no vault; begin with [vaults.NAME]")
        resolver = Resolver(Known(found))
        for definition in found.values():
            resolver.resolve(definition)
        return found

    def _vault(self, name: str, settings: object) -> Vault:
        where = f"vault {name}"
        if not isinstance(settings, dict):
            raise PlanError(where, f"write [vaults.{name}] and its settings below")
        _known(where, settings, SETTINGS)
        if "value" not in settings:
            raise PlanError(where, "has no value; write value = 'PATTERN'")
        arguments = dict(settings)
        lists = arguments.pop("lists", {})
        if not isinstance(lists, dict):
            raise PlanError(where, "lists needs names; write lists.NAME = [...]")
        arguments["lists"] = {key: self._list(texts) for key, texts in lists.items()}
        return Vault(name, **arguments, source=self._name)

    def _list(self, given: object) -> object:
        """Return a list as given; a file's path is relative to this file."""
        return os.path.join(self._folder, given) if isinstance(given, str) else given

    def _table(self, name: str, columns: object) -> Table:
        if not isinstance(columns, dict):
            raise PlanError(f"table {name}", f"write [tables.{name}] and its columns below")
        return Table(name, columns, source=self._name)


def _section(document: dict[str, Any], name: str) -> dict[str, object]:
    """Return the definitions of a section by their names, once the names are checked."""
    section: object = document.get(name, {})
    if not isinstance(section, dict):
        raise PlanError(name, f"write [{name}.NAME] for each one")
    for key in section:
        checked_name(name.removesuffix("s"), key)
    return section


def _known(where: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    """Refuse a setting that there is not, with the nearest that there is."""
    for setting in settings:
        if setting not in known:
            problem = f"no setting {shown(setting)}{did_you_mean(setting, known)}"
            raise PlanError(where or "settings", problem)
