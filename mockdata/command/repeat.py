"""The command that repeats a run, and the one that continues it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from mockdata.command.arguments import FILE_SINKS, FORMATS, Options
from mockdata.command.options import FOLDER

__all__ = ["continuing", "repeating"]

Numbers = int | Mapping[str, int]


def repeating(options: Options) -> str:
    """Return the whole command that repeats a run, quoted for a shell."""
    number, parts = options.part
    part = [] if parts == 1 else ["--part", f"{number}/{parts}"]
    return _command(options, options.counts, options.start, part)


def continuing(options: Options, resume: Mapping[str, int]) -> str:
    """Return the command that makes what a run has not accounted for, "" if there is nothing.

    ``resume`` is that of the Delivery. Its indices are the vaults' own, so no part is needed.
    """
    left = [(v.name, resume.get(v.name, v.start), v.stop) for v in options.run.vaults]
    counts = {name: stop - start for name, start, stop in left if start < stop}
    starts = {name: start for name, start, stop in left if start < stop}
    return _command(options, counts, starts, []) if counts else ""


def _command(options: Options, counts: Numbers, start: Numbers, part: list[str]) -> str:
    import shlex

    words = [*_program(), *_named(counts)]
    if options.vaults is not None:
        words += _option("--vaults", "--vaults", options.vaults)
    words += ["--seed", str(options.run.seed), "--timestamp", str(options.run.timestamp)]
    if any(start.values() if isinstance(start, Mapping) else (start,)):
        words += ["--start", ",".join(_named(start))]
    return shlex.join([*words, *part, *_place(options)])


def _named(numbers: Numbers) -> list[str]:
    if isinstance(numbers, Mapping):
        return [f"{name}={number}" for name, number in numbers.items()]
    return [str(numbers)]


def _place(options: Options) -> Iterator[str]:
    """Yield the options for the sink and the rate, if they are not the defaults."""
    if options.sink != "csv":
        yield from _option("-s", "--sink", options.sink)
    if options.sink in FILE_SINKS and options.output != FOLDER:
        yield from _option("-o", "--output", options.output)
    if options.format != FORMATS[0]:
        yield from ("-f", options.format)
    flags = {
        "--no-header": not options.header,
        "--no-clobber": not options.clobber,
        "--fsync": options.fsync,
    }
    yield from (flag for flag, is_given in flags.items() if is_given)
    if options.rate is not None:
        yield from ("--rate", options.rate)
    if options.dask is not None:
        yield from _option("--dask", "--dask", options.dask)
    if options.parts is not None:
        yield from ("--parts", str(options.parts))


def _option(short: str, long: str, value: str) -> tuple[str, ...]:
    return (f"{long}={value}",) if value.startswith("-") else (short, value)


def _program() -> list[str]:
    """Return how this command was called; a program by its name alone where a shell finds it so."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [_name(sys.executable or "python"), "-m", "mockdata"]
    return [_name(sys.argv[0])] if os.path.basename(sys.argv[0]) == "mockdata" else ["mockdata"]


def _name(path: str) -> str:
    """Return a program's name alone, if a shell with this environment finds the program by it."""
    name = os.path.basename(path)
    for folder in os.get_exec_path():
        found = os.path.join(folder, name)
        if os.access(found, os.X_OK) and not os.path.isdir(found):
            return name if found == path else path
    return path
