"""Sinks by name: our own, those that other packages install, and MODULE:CALLABLE."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from mockdata.errors import PlanError, one_line
from mockdata.sinks import AnySink, as_sink
from mockdata.vaults.texts import nearest

__all__ = ["GROUP", "OURS", "find_sink", "list_sinks"]

GROUP: Final = "mockdata.sinks"
"""The entry-point group in which a package names its sinks."""

OURS: Final = {
    "csv": "mockdata.sinks.csv:CsvSink",
    "jsonl": "mockdata.sinks.jsonl:JsonlSink",
    "parquet": "mockdata.sinks.parquet:ParquetSink",
    "stdout": "mockdata.sinks.stdout:StdoutSink",
    "skyflow": "mockdata.sinks.skyflow:SkyflowSink.from_config",
}
"""Our entry points, as pyproject.toml has them. What is known here needs no search, which would
take longer than a short run, and cannot be taken over by another package."""

OUR_PACKAGE: Final = "mockdata"


class Plugin(NamedTuple):
    """An installed sink: its name, its package, and the function that loads its factory."""

    name: str
    package: str
    load: Callable[[], Any]


def find_sink(text: str, **settings: object) -> AnySink:
    """Return the sink that ``NAME``, ``NAME:ARGUMENT`` or ``MODULE:CALLABLE`` names.

    An installed name wins over a module. ``settings`` are further arguments of one of our own.
    Raises PlanError if there is no such sink, if two packages have installed one of that name, or
    if it does not load.
    """
    name, colon, argument = text.partition(":")
    with _said_in_one_line(text):
        if (factory := _factory(name)) is not None:
            return as_sink(factory(argument, **settings) if colon else factory(**settings))
        if not (name and argument):
            known = f"{', '.join(OURS)}, MODULE:CALLABLE or an installed sink"
            raise PlanError("sink", f"{text!r} is not {known}{nearest(name, OURS)}")
        if os.getcwd() not in sys.path and "" not in sys.path:
            sys.path.append(os.getcwd())  # last: its files stand in for no other module
        return _checked(text, _imported(text))


def list_sinks() -> str:
    """Return a line for each named sink: name, package, and what it does."""
    ours = [Plugin(name, OUR_PACKAGE, partial(_imported, at)) for name, at in OURS.items()]
    others = [found for found in _installed() if not (_is_ours(found) and found.name in OURS)]
    plugins = sorted(
        [*ours, *others], key=lambda found: (found.name, not _is_ours(found), found.package)
    )
    name_width = max(len(plugin.name) for plugin in plugins)
    package_width = max(len(plugin.package) for plugin in plugins)
    return "".join(
        f"{plugin.name:<{name_width}}  {plugin.package:<{package_width}}  {about}\n"
        for plugin in plugins
        for about in [_described(plugin, plugins)]
    )


def _installed(name: str | None = None) -> list[Plugin]:
    from importlib.metadata import entry_points

    return [
        Plugin(entry.name, entry.dist.name if entry.dist else "?", entry.load)
        for entry in entry_points(group=GROUP)
        if name in (None, entry.name)
    ]


def _is_ours(plugin: Plugin) -> bool:
    return plugin.package == OUR_PACKAGE


def _factory(name: str) -> Any:
    """Return the factory of the sink with that name, or None if there is none."""
    if name in OURS:
        return _imported(OURS[name])
    found = _installed(name)
    if len(found) > 1:
        packages = " and ".join(sorted(plugin.package for plugin in found))
        raise PlanError("sink", f"{packages} both install {name!r}: uninstall all but one")
    return found[0].load() if found else None


def _described(plugin: Plugin, plugins: list[Plugin]) -> str:
    same = [other.package for other in plugins if other.name == plugin.name and other != plugin]
    if same and not _is_ours(plugin):
        return f"cannot be used: {', '.join(same)} has a sink with this name"
    try:
        first_line, *_ = (plugin.load().__doc__ or "").strip().splitlines() or ["no description"]
    except (Exception, SystemExit) as error:
        return "does not load: " + one_line(f"{type(error).__name__}: {error}")
    return str(first_line)


def _imported(reference: str) -> Any:
    """Return the object that ``MODULE:ATTRIBUTE`` names; the attribute may be dotted."""
    module, _, attributes = reference.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return found


def _checked(name: str, found: Any) -> AnySink:
    if isinstance(found, type):
        raise PlanError("sink", f"{name!r} is a class; name a function or an object")
    if not (callable(found) or callable(getattr(found, "open", None))):
        raise PlanError("sink", f"{name!r} is neither a callable nor a sink")
    return as_sink(found)


@contextmanager
def _said_in_one_line(name: str) -> Iterator[None]:
    """Make any error that a module raises while it loads a PlanError."""
    try:
        yield
    except PlanError:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        if isinstance(error, OSError) and error.filename is not None:  # such as a settings file
            reason = one_line(f"{error.filename}: {error.strerror}")
        raise PlanError("sink", f"{name!r} does not load: {reason}") from error
