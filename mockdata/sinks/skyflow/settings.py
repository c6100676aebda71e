"""Where records go and how: checked, from arguments or from the loader's own settings file."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from mockdata.errors import PlanError
from mockdata.vaults import VAULTS

__all__ = ["BYOT", "Config", "VaultTarget", "checked_targets", "checked_url", "read_config"]

T = TypeVar("T", int, float, str)

BYOT: Final = ("ENABLE", "ENABLE_STRICT", "DISABLE")
"""Bring your own token: whether the vault takes the tokens that are sent with the values."""

VISIBLE: Final = re.compile("[!-~]+")

NONE: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class VaultTarget:
    """A vault of the service: its id, and the column that takes the values.

    The column is the table's name as well. ``name`` is what error logs call the vault.
    """

    id: str
    column: str
    name: str

    def url(self, vault_url: str) -> str:
        """Return the URL that records are posted to."""
        return f"{vault_url}/v1/vaults/{quote(self.id, safe='')}/{quote(self.column, safe='')}"


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
        raise PlanError("vault_url", "it has more than a scheme, a host, a port and a path")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise PlanError("vault_url", f"{url!r} would send the bearer token unencrypted; say https")
    return text.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_targets(vaults: Mapping[str, str | VaultTarget]) -> dict[str, VaultTarget]:
    """Return the target of each vault, by the vault's name. Raises PlanError for a bad one."""
    targets: dict[str, VaultTarget] = {}
    for given, target in vaults.items():
        name = given.lower() if isinstance(given, str) else given
        if name not in VAULTS:
            raise PlanError("vaults", f"{given!r} is not one of " + ", ".join(VAULTS))
        if name in targets:
            raise PlanError("vaults", f"{given!r} is given twice")
        if isinstance(target, VaultTarget):
            targets[name] = target
        else:
            targets[name] = VaultTarget(target, name, name.upper())
        if not (isinstance(targets[name].id, str) and targets[name].id.strip()):
            raise PlanError("vaults", f"{given!r} has no id")
    if not targets:
        raise PlanError("vaults", "none is given")
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
        targets[name] = VaultTarget(vault.text("id", required=True), column, name)
    options: dict[str, Any] = {"upsert": performance.upsert()}
    for key, argument in (("batch_size", "batch_size"), ("max_concurrency", "concurrency")):
        if number := performance.number(key):
            options[argument] = int(number)
    options["pause"] = performance.number("base_delay_ms") / 1000
    return Config(
        checked_url(skyflow.text("vault_url", required=True)),
        checked_targets(targets),
        skyflow.text("bearer_token"),
        options,
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

    def number(self, key: str) -> float:
        found = self._content.get(key) or 0
        if isinstance(found, bool) or not isinstance(found, int | float) or not found >= 0:
            raise PlanError(f"{self.name}.{key}", f"{found!r} is not a number from 0 on")
        return found

    def upsert(self) -> bool | str:
        found = self._content.get("upsert") or False
        if not isinstance(found, bool | str):
            raise PlanError(f"{self.name}.upsert", f"{found!r} is not a column, true or false")
        return found
