"""The command's arguments: from words to options, checked. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mockdata import __version__
from mockdata.command.plugins import find_sink, list_sinks
from mockdata.errors import PlanError, one_line
from mockdata.pipeline.plan import MAX_COUNT, Plan, checked_workers
from mockdata.sinks import AnySink
from mockdata.vaults import VAULTS

__all__ = ["Options", "help_text", "load_sink", "parse"]

RATE: Final = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)([kKmM]?)", re.ASCII)
COUNT: Final = re.compile("([0-9]+(?:_[0-9]+)*)([kKmM]?)", re.ASCII)
NUMBER: Final = re.compile("-?[0-9]+(?:_[0-9]+)*", re.ASCII)
FACTORS: Final = {"": 1, "k": 1_000, "m": 1_000_000}
FORMATS: Final = ("csv", "jsonl")

FOLDER: Final = "data"

OWN_ARGUMENTS: Final = {"csv": "output", "stdout": "format"}
"""Our sinks, and the option that says the same as ``NAME:ARGUMENT``."""

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
    rate: float | None
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
    rate = _rate(given.rate)
    _move_argument(given)
    Plan.of(counts, given.seed, given.timestamp, part, rate=rate)  # type: ignore[arg-type]
    checked_workers(given.workers)
    if given.output == "":
        raise PlanError("output", "'' is not the path of a folder")
    if given.format is not None and given.format not in FORMATS:
        raise PlanError("format", f"{given.format!r} is not one of " + ", ".join(FORMATS))
    if given.format == "jsonl" and given.sink != "stdout":
        raise PlanError("format", "jsonl is for -s stdout")
    return Options(
        counts=counts,
        sink=given.sink,
        output=given.output or FOLDER,
        format=given.format or FORMATS[0],
        workers=given.workers,
        seed=given.seed,
        timestamp=given.timestamp,
        part=part,  # type: ignore[arg-type]
        rate=rate,  # type: ignore[arg-type]
        quiet=given.quiet,
        progress=not (given.quiet or given.no_progress),
        json=given.json,
    )


def help_text() -> str:
    """Return what ``--help`` prints."""
    return _parser().format_help()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise PlanError("arguments", one_line(message))


class _Print(argparse.Action):
    """Prints what a function returns, and ends; argparse's own actions hide that it failed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(self.const(), end="")
        parser.exit()


def _parser() -> _Parser:
    parser = _Parser(
        prog="mockdata",
        usage="mockdata [options] COUNT\n       mockdata [options] VAULT=COUNT ...",
        description="Make realistic, unique value/token pairs for load-testing a privacy vault.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("counts", nargs="*", help=argparse.SUPPRESS)
    for names, settings in _OPTIONS:
        parser.add_argument(*names.split(), **settings)
    return parser


def _number(text: str) -> int | str:
    """Return the number that a text writes; a text that writes none is for Plan to refuse."""
    return int(text) if NUMBER.fullmatch(text) and len(text) < 40 else text


def _printed(text: Callable[[], str], about: str) -> dict[str, Any]:
    return {"action": _Print, "nargs": 0, "const": text, "help": about}


_OPTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("-h --help", _printed(help_text, "show this help message and exit")),
    (
        "-o --output",
        {"metavar": "DIR", "help": f"folder of the CSV files (default: {FOLDER})"},
    ),
    (
        "-s --sink",
        {
            "default": "csv",
            "help": "csv (default), stdout, MODULE:CALLABLE or an installed sink's NAME[:ARGUMENT]",
        },
    ),
    ("--list-sinks", _printed(list_sinks, "list the sinks by name and exit")),
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
    (
        "--rate",
        {"metavar": "N", "help": "records a second, at most, all vaults together"},
    ),
    ("-q --quiet", {"action": "store_true", "help": "show nothing but errors"}),
    ("--no-progress", {"action": "store_true", "help": "show no live progress"}),
    (
        "--json",
        {"action": "store_true", "help": "the report as JSON on stdout (stderr with -s stdout)"},
    ),
    (
        "-V --version",
        _printed(lambda: f"mockdata {__version__}\n", "show program's version number and exit"),
    ),
)


def _move_argument(given: argparse.Namespace) -> None:
    """Have an argument of one of our own sinks where its option is."""
    name, colon, argument = given.sink.partition(":")
    option = OWN_ARGUMENTS.get(name)
    if colon and option is not None:
        if getattr(given, option) is not None:
            raise PlanError("sink", f"{given.sink!r} and --{option} do not go together")
        given.sink = name
        setattr(given, option, argument)


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


def _rate(text: str | None) -> float | str | None:
    """Return the rate that a text writes; a text that writes none is for Plan to refuse."""
    match = RATE.fullmatch(text or "")
    return float(match[1]) * FACTORS[match[2].lower()] if match else text


def load_sink(options: Options) -> AnySink:
    """Return the sink that the options name. Raises PlanError if it cannot be had."""
    option = OWN_ARGUMENTS.get(options.sink)
    return find_sink(f"{options.sink}:{getattr(options, option)}" if option else options.sink)
