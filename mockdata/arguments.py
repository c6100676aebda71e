"""The command's arguments: from words to options, checked. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mockdata import __version__
from mockdata.errors import PlanError
from mockdata.plan import MAX_COUNT, Plan, checked_workers
from mockdata.sinks import AnySink, as_sink
from mockdata.vaults import VAULTS

__all__ = ["Options", "help_text", "load_sink", "parse"]

COUNT: Final = re.compile("([0-9]+(?:_[0-9]+)*)([kKmM]?)", re.ASCII)
NUMBER: Final = re.compile("-?[0-9]+(?:_[0-9]+)*", re.ASCII)
FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000}
FORMATS: Final = ("csv", "jsonl")

SINKS: Final = "mockdata.sinks"
"""The entry-point group of installed sinks."""

EXAMPLES: Final = """\
examples:
  mockdata 1000                       1,000 records of every vault, under data/
  mockdata name=5000 ssn=10M -o out   some vaults; the files of the others are left alone
  mockdata 1000 -s stdout -f jsonl    rows of vault, value and token
  mockdata 1000 -s loader:insert      each batch to the function insert of loader.py

A count may be written 1000, 10_000, 250k or 10M. The vaults are name, id, dob and ssn.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command is asked to do; the arguments of ``generate`` are checked."""

    counts: int | dict[str, int]
    sink: str
    output: str
    format: str
    workers: int | None
    seed: int | None
    timestamp: int | None
    part: tuple[int, int]
    quiet: bool
    progress: bool
    json: bool


def parse(arguments: Sequence[str]) -> Options:
    """Return the options that the arguments say.

    Raises PlanError for wrong use, and SystemExit once ``--help`` or ``--version`` is answered.
    """
    given = _parser().parse_intermixed_args(list(arguments))
    counts = _counts(given.counts)
    part = tuple(_number(number) for number in given.part.split("/"))
    Plan.of(counts, given.seed, given.timestamp, part)  # type: ignore[arg-type]
    checked_workers(given.workers)
    if not given.output:
        raise PlanError("output", "'' is not the path of a folder")
    if given.format is not None and given.format not in FORMATS:
        raise PlanError("format", f"{given.format!r} is not one of " + ", ".join(FORMATS))
    if given.format == "jsonl" and given.sink != "stdout":
        raise PlanError("format", "jsonl is for -s stdout")
    return Options(
        counts=counts,
        sink=given.sink,
        output=given.output,
        format=given.format or FORMATS[0],
        workers=given.workers,
        seed=given.seed,
        timestamp=given.timestamp,
        part=part,  # type: ignore[arg-type]
        quiet=given.quiet,
        progress=not (given.quiet or given.no_progress),
        json=given.json,
    )


def help_text() -> str:
    """Return what ``--help`` prints."""
    return _parser().format_help()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise PlanError("arguments", " ".join(message.split()))


def _parser() -> _Parser:
    parser = _Parser(
        prog="mockdata",
        usage="mockdata [options] COUNT\n       mockdata [options] VAULT=COUNT ...",
        description="Make realistic, unique value/token pairs for load-testing a privacy vault.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("counts", nargs="*", help=argparse.SUPPRESS)
    for names, settings in _OPTIONS:
        parser.add_argument(*names.split(), **settings)
    return parser


def _number(text: str) -> int | str:
    """Return the number that a text writes; a text that writes none is for Plan to refuse."""
    return int(text) if NUMBER.fullmatch(text) and len(text) < 40 else text


_OPTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "-o --output",
        {"metavar": "DIR", "default": "data", "help": "folder of the CSV files (default: data)"},
    ),
    (
        "-s --sink",
        {
            "default": "csv",
            "help": "csv (default), stdout, MODULE:CALLABLE or an installed sink's NAME[:ARGUMENT]",
        },
    ),
    ("-f --format", {"help": "of rows on stdout: csv (default) or jsonl"}),
    (
        "-w --workers",
        {"metavar": "N", "type": _number, "help": "processes (default: the CPUs, at most 8)"},
    ),
    (
        "--seed",
        {"metavar": "N", "type": _number, "help": "the same seed and timestamp, the same records"},
    ),
    (
        "--timestamp",
        {"metavar": "N", "type": _number, "help": "Unix time in seconds (default: now)"},
    ),
    ("--part", {"metavar": "K/N", "default": "1/1", "help": "make part K of N of the records"}),
    ("-q --quiet", {"action": "store_true", "help": "show nothing but errors"}),
    ("--no-progress", {"action": "store_true", "help": "show no live progress"}),
    (
        "--json",
        {"action": "store_true", "help": "the report as JSON on stdout (stderr with -s stdout)"},
    ),
    ("-V --version", {"action": "version", "version": f"mockdata {__version__}"}),
)


def _counts(words: Sequence[str]) -> int | dict[str, int]:
    if not words:
        raise PlanError("count", "none is given; say COUNT, or VAULT=COUNT for some vaults")
    named = [word.partition("=") for word in words if "=" in word]
    if not named:
        if len(words) > 1:
            raise PlanError("count", f"{words[1]!r} is one too many; say COUNT or VAULT=COUNT ...")
        return _count(words[0], words[0])
    counts: dict[str, int] = {}
    for word in words:
        vault, equals, count = word.partition("=")
        if not equals:
            raise PlanError("count", f"{word!r} and {''.join(named[0])!r} do not go together")
        if vault.lower() not in VAULTS:
            raise PlanError("vault", f"{vault!r} is not one of " + ", ".join(VAULTS))
        if vault.lower() in counts:
            raise PlanError("vault", f"{vault!r} is given twice")
        counts[vault.lower()] = _count(count, word)
    return counts


def _count(text: str, word: str) -> int:
    match = COUNT.fullmatch(text)
    count = int(match[1][:40]) * FACTORS[match[2].lower()] if match else 0
    if not 1 <= count <= MAX_COUNT:
        raise PlanError("count", f"{word!r} is not a whole number from 1 to {MAX_COUNT}")
    return count


def load_sink(options: Options) -> AnySink:
    """Return the sink that the options name. Raises PlanError if it cannot be had."""
    if options.sink == "csv":
        return options.output
    if options.sink == "stdout":
        from mockdata.sinks.stdout import StdoutSink

        return StdoutSink(options.format)  # type: ignore[arg-type]
    name, colon, argument = options.sink.partition(":")
    from importlib.metadata import entry_points

    if found := tuple(entry_points(group=SINKS, name=name)):
        try:
            make = found[0].load()
            return as_sink(make(argument) if colon else make())
        except PlanError:
            raise
        except (Exception, SystemExit) as error:
            raise _not_loaded(options.sink, error) from error
    if not (name and argument):
        raise PlanError(
            "sink", f"{options.sink!r} is not csv, stdout, MODULE:CALLABLE or installed"
        )
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found_object: Any = importlib.import_module(name)
        for attribute in argument.split("."):
            found_object = getattr(found_object, attribute)
    except (Exception, SystemExit) as error:
        raise _not_loaded(options.sink, error) from error
    return _checked(options.sink, found_object)


def _checked(name: str, found: Any) -> AnySink:
    if isinstance(found, type):
        raise PlanError("sink", f"{name!r} is a class: name a function or an instance")
    if not (callable(found) or callable(getattr(found, "open", None))):
        raise PlanError("sink", f"{name!r} is neither a callable nor a sink")
    return as_sink(found)


def _not_loaded(sink: str, error: BaseException) -> PlanError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return PlanError("sink", f"{sink!r} does not load: {reason}")
