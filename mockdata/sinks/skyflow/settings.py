"""Where records go and how: checked, from arguments or from the loader's own settings file."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from mockdata.errors import PlanError
from mockdata.render.batch import BATCH
from mockdata.vaults.texts import is_name

__all__ = [
    "Config",
    "VaultTarget",
    "checked_batch_size",
    "checked_byot",
    "checked_count",
    "checked_seconds",
    "checked_targets",
    "checked_timeout",
    "checked_upsert",
    "checked_url",
    "read_config",
]

BYOT: Final = ("ENABLE", "ENABLE_STRICT", "DISABLE")
"""Bring your own token: whether the vault takes the tokens that are sent with the values."""

VISIBLE: Final = re.compile("[!-~]+")

MOST_SECONDS: Final = 1_000_000

NAMED: Final = "letters, digits and underscores, with a letter first"
"""What the name of a vault consists of; in a settings file the letters may be of either case."""

NONE: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class VaultTarget:
    """A vault of the service: its id, and the column that takes the values.

    The column is the table's name as well, unless ``table`` is another. Of a table of ours it is
    the table's name alone: its columns have their own. ``name`` is what error logs call the vault.
    """

    id: str
    column: str
    name: str
    table: str = ""

    def url(self, vault_url: str) -> str:
        """Return the URL that records are posted to."""
        table = quote(self.table or self.column, safe="")
        return f"{vault_url}/v1/vaults/{quote(self.id, safe='')}/{table}"


@dataclass(frozen=True, slots=True)
class Config:
    """What a settings file says; the bearer token is not shown."""

    vault_url: str
    vaults: dict[str, VaultTarget]
    bearer_token: str = field(repr=False)
    options: dict[str, Any]
    """Arguments of the sink, those that the file has."""


def checked_url(url: object) -> str:
    """Return the vault's URL without a slash at its end.

    Raises PlanError unless it is one of https, or of http to this machine: the bearer token goes
    there.
    """
    try:
        text = url if isinstance(url, str) and VISIBLE.fullmatch(url) else ""
        parts = urlsplit(text)
        is_url = parts.scheme in ("https", "http") and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not parts.hostname:
        raise PlanError("vault_url", f"{url!r} is not the URL of a vault, https://...")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise PlanError("vault_url", "must have only a scheme, a host, a port and a path")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise PlanError("vault_url", f"{url!r} would send the bearer token unencrypted; use https")
    return text.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_count(name: str, given: object) -> int:
    """Return a whole number from 1 on. Raises PlanError for anything else."""
    if type(given) is not int or given < 1:
        raise PlanError(name, f"{given!r} is not a whole number of at least 1")
    return given


def checked_batch_size(name: str, given: object) -> int:
    """Return the records of a request, 10,000 at most. Raises PlanError for anything else."""
    if type(given) is not int or not 1 <= given <= BATCH:
        raise PlanError(name, f"{given!r} is not a whole number from 1 to {BATCH:,}")
    return given


def checked_seconds(name: str, given: object) -> float:
    """Return a time in seconds, which may be 0. Raises PlanError for anything else."""
    if type(given) not in (int, float) or not 0 <= given <= MOST_SECONDS:  # type: ignore[operator]
        raise PlanError(name, f"{given!r} is not a number from 0 to {MOST_SECONDS:,}")
    return given  # type: ignore[return-value]


def checked_timeout(name: str, given: object) -> float:
    """Return a time in seconds, more than 0. Raises PlanError for anything else."""
    if not checked_seconds(name, given):
        raise PlanError(name, "must be more than 0 seconds")
    return given  # type: ignore[return-value]


def checked_byot(name: str, given: object) -> str:
    """Return one of the ways to bring tokens. Raises PlanError for anything else."""
    if given not in BYOT:
        raise PlanError(name, f"{given!r} is not one of " + ", ".join(BYOT))
    return str(given)


def checked_upsert(name: str, given: object) -> bool | str:
    """Return a column, or whether it is the vault's own. Raises PlanError for anything else."""
    if given is not None and not isinstance(given, bool | str):
        raise PlanError(name, f"{given!r} is not a column, true or false")
    return given or False


def checked_targets(vaults: Mapping[str, str | VaultTarget]) -> dict[str, VaultTarget]:
    """Return the target of each vault, by the vault's name. Raises PlanError for a bad one."""
    targets: dict[str, VaultTarget] = {}
    for given, target in vaults.items():
        name = given.lower() if isinstance(given, str) else given
        if not is_name(name):
            raise PlanError("vaults", f"{given!r} is not the name of a vault: {NAMED}")
        if name in targets:
            raise PlanError("vaults", f"{given!r} is given twice")
        if isinstance(target, VaultTarget):
            targets[name] = target
        else:
            targets[name] = VaultTarget(target, name, name.upper())
        if not (isinstance(targets[name].id, str) and targets[name].id.strip()):
            raise PlanError("vaults", f"{given!r} has no id")
    if not targets:
        raise PlanError("vaults", "names no vault; give at least one")
    return targets


def read_config(path: str | os.PathLike[str]) -> Config:
    """Read a settings file of the loader. Raises OSError, and PlanError for one that is none.

    ``max_records``, ``append_suffix``, ``csv`` and ``snowflake`` say where the loader's records
    come from; ours come from the run, so these are not looked at.
    """
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise PlanError(_name(path), f"not JSON: {error}") from None
    section = _Section(_name(path), content)
    skyflow, performance = section.section("skyflow"), section.section("performance")
    vaults = [_Section(f"{skyflow.name}.vaults", item) for item in skyflow.sequence("vaults")]
    targets: dict[str, str | VaultTarget] = {}
    for vault in vaults:
        name = vault.text("name", required=True)
        if name in targets:
            raise PlanError(vault.name, f"{name!r} is given twice")
        column = vault.text("column") or name.lower()
        id_ = vault.text("id", required=True)
        targets[name] = VaultTarget(id_, column, name, vault.text("table"))
    return Config(
        checked_url(skyflow.text("vault_url", required=True)),
        checked_targets(targets),
        skyflow.text("bearer_token"),
        performance.options(),
    )


def _name(path: str | os.PathLike[str]) -> str:
    return os.path.basename(os.fspath(path))


class _Section:
    """An object of the settings file; ``name`` is its place, for errors."""

    def __init__(self, name: str, content: object) -> None:
        if not isinstance(content, dict):
            raise PlanError(name, "not a JSON object")
        self.name = name
        self._content: Mapping[str, Any] = content

    def section(self, key: str) -> _Section:
        return _Section(f"{self.name}: {key}", self._content.get(key, NONE))

    def sequence(self, key: str) -> Sequence[Any]:
        found = self._content.get(key)
        if not isinstance(found, list) or not found:
            raise PlanError(f"{self.name}.{key}", "a list of vaults is missing")
        return found

    def text(self, key: str, *, required: bool = False) -> str:
        found = self._content.get(key) or ""
        if not isinstance(found, str):
            raise PlanError(
                f"{self.name}.{key}", "not a text"
            )  # which is not shown: a token is one
        if required and not found.strip():
            raise PlanError(f"{self.name}.{key}", "missing")
        return found

    def options(self) -> dict[str, Any]:
        """Return the arguments of the sink that the section has."""
        options = {
            argument: checked(f"{self.name}.{key}", given)
            for key, (argument, checked) in OPTIONS.items()
            if (given := self._content.get(key)) is not None
            and (given or checked not in COUNTS)  # the loader takes 0 for its default
        }
        if "pause" in options:
            options["pause"] /= 1000
        return options


def _checked_folder(name: str, given: object) -> str:
    if not isinstance(given, str):
        raise PlanError(name, f"{given!r} is not the path of a folder")
    return given


COUNTS: Final = (checked_batch_size, checked_count)

OPTIONS: Final[Mapping[str, tuple[str, Callable[[str, object], Any]]]] = {
    "batch_size": ("batch_size", checked_batch_size),
    "max_concurrency": ("concurrency", checked_count),
    "base_delay_ms": ("pause", checked_seconds),
    "upsert": ("upsert", checked_upsert),
    "byot": ("byot", checked_byot),
    "tries": ("tries", checked_count),
    "retry_seconds": ("retry_seconds", checked_seconds),
    "connect_timeout": ("connect_timeout", checked_timeout),
    "answer_timeout": ("answer_timeout", checked_timeout),
    "log_folder": ("log_folder", _checked_folder),
}
"""Keys of the section ``performance``, and the arguments that they are, with what checks them."""
