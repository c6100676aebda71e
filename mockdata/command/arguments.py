"""The command's arguments: from words to options, checked. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NoReturn

from mockdata.command.plugins import OURS, find_sink, list_sinks
from mockdata.command.words import read_counts, read_number, read_part, read_rate, read_start
from mockdata.errors import PlanError, one_line
from mockdata.pipeline.parts import checked_parts
from mockdata.pipeline.plan import checked_rate, checked_workers, plan_run
from mockdata.sinks import AnySink, Run
from mockdata.sinks.stores.url import check_url, is_url
from mockdata.vaults.file import Definitions, definitions
from mockdata.vaults.frozen import frozen
from mockdata.vaults.texts import not_one_of, shown

__all__ = [
    "FILE_SINKS",
    "FOLDER",
    "FORMATS",
    "LOCAL",
    "Options",
    "Said",
    "help_text",
    "load_sink",
    "parse",
]

FORMATS: Final = ("csv", "jsonl")

LOCAL: Final = "local"
"""The cluster that is started for a run, on this machine."""

FOLDER: Final = "data"

FILE_SINKS: Final = ("csv", "jsonl", "parquet")
"""Our sinks that write files in the folder of ``--output``."""

OWN_ARGUMENTS: Final = {**dict.fromkeys(FILE_SINKS, "output"), "stdout": "format"}
"""Our sinks, and the option that says the same as ``NAME:ARGUMENT``."""

FILES: Final = "files: -s csv, jsonl or parquet"

SINK_OPTIONS: Final = {
    "no_header": (("csv", "stdout"), "CSV, in files or on stdout"),
    "no_clobber": (FILE_SINKS, FILES),
    "fsync": (FILE_SINKS, FILES),
}
"""Options that some of our sinks have, these sinks, and what is said of them elsewhere."""

EXAMPLES: Final = {
    "which vaults": """\
mockdata 1000                        1,000 each of name, id, dob and ssn
mockdata name=5000 email=10M         some vaults; other files are left alone
mockdata 1000 --vaults clinic.toml   all that clinic.toml defines""",
    "which records": """\
mockdata 1000 --seed 7 --timestamp 1700000000   the same each time
mockdata 10M --seed 7 --timestamp 1700000000 --part 2/4""",
    "where they go": """\
mockdata 1000 -s parquet -o out      Parquet files in the folder out
mockdata 1M -o s3://bucket/load      CSV files in a bucket
mockdata 1000 -s stdout -f jsonl     rows of vault, value and token
mockdata 1000 -s loader:insert       each batch to insert() of loader.py""",
    "how fast": """\
mockdata 1M -s loader:insert --rate 500""",
    "on many machines": """\
mockdata 10G -o s3://bucket/load --dask tcp://scheduler:8786""",
    "what you see": """\
mockdata 1000 --json | jq .records_per_second""",
    "about mockdata": """\
mockdata --version --json            what a bug report needs
mockdata --completion bash           a script that completes words in bash""",
}
"""What stands at the head of each group of options in the help."""

EPILOG: Final = """\
Write a count as 1000, 10_000, 250k, 1.5M, 2G or 1T. A count alone makes the
vaults name, id, dob and ssn. The other ready-made vaults are email, phone,
card, mrn, npi, address and uuid.
"""


class Said(argparse.Namespace):
    """What the words have said so far: it is filled even if one of them turns out to be wrong."""

    json = False
    sink = "csv"


@frozen
class Options:
    """What the command is asked to do, checked."""

    run: Run
    """What is to be made; if no seed or timestamp is given, they are chosen here."""
    vaults: str | None
    """The file of definitions, as it was written."""
    defined: Definitions
    """What may be counted; the file is not read a second time."""
    counts: int | dict[str, int]
    start: int | dict[str, int]
    part: tuple[int, int]
    sink: str
    output: str
    format: str
    header: bool
    clobber: bool
    fsync: bool
    workers: int | None
    dask: str | None
    """The scheduler's address, or ``local``."""
    parts: int | None
    rate: str | None
    """As it was written; ``read_rate`` makes it a number."""
    quiet: bool
    progress: bool
    json: bool

    @property
    def store(self) -> str | None:
        """The URL of the object store that files go to, if they do."""
        return self.output if self.sink in FILE_SINKS and is_url(self.output) else None


def parse(arguments: Sequence[str], said: Said | None = None) -> Options:
    """Return the options that the arguments say; ``said`` is filled on the way.

    Raises PlanError for wrong use, and SystemExit once ``--help`` or the like is answered.
    """
    given = _parser().parse_intermixed_args(list(arguments), said or Said())
    if given.version or given.completion is not None:
        _print_about(given)
    defined = _definitions(given.vaults)
    if given.list_vaults:
        _print_vaults(defined)
    counts = read_counts(given.counts, defined)
    start, part = read_start(given.start or ["0"], defined), read_part(given.part)
    run = plan_run(
        counts,
        vaults=defined,
        seed=given.seed,
        timestamp=given.timestamp,
        start=start,
        part=part,
    )
    checked_workers(given.workers)
    checked_rate(read_rate(given.rate))  # type: ignore[arg-type]
    _move_argument(given)
    _check_sink_options(given)
    _check_cluster_options(given)
    return Options(
        run=run,
        vaults=given.vaults,
        defined=defined,
        counts=counts,
        start=start,
        part=part,
        sink=given.sink,
        output=given.output or FOLDER,
        format=given.format or FORMATS[0],
        header=not given.no_header,
        clobber=not given.no_clobber,
        fsync=given.fsync,
        workers=given.workers,
        dask=given.dask,
        parts=given.parts,
        rate=given.rate,
        quiet=given.quiet,
        progress=not (given.quiet or given.no_progress),
        json=given.json,
    )


def _definitions(file: str | None) -> Definitions:
    """Return the ready-made vaults, and what a file defines. Its mistakes are wrong use."""
    if file == "":
        raise PlanError("vaults", "'' is not the path of a file")
    try:
        return definitions(file)
    except PlanError:
        raise
    except (OSError, ValueError) as error:  # of a path that no file can have, the latter
        reason = error.strerror if isinstance(error, OSError) else "not the path of a file"
        raise PlanError("vaults", one_line(f"{file}: {reason}")) from error


def _print_vaults(defined: Definitions) -> NoReturn:
    from mockdata.command.listing import list_vaults

    print(list_vaults(defined), end="")
    raise SystemExit


def _print_about(given: argparse.Namespace) -> NoReturn:
    if given.completion is not None:
        from mockdata.command.completion import completion

        print(completion(given.completion, _parser()), end="")
    else:
        from mockdata.command.about import version, versions

        print(versions() if given.json else version(), end="")
    raise SystemExit


def _move_argument(given: argparse.Namespace) -> None:
    """Have an argument of one of our own sinks where its option is."""
    name, colon, argument = given.sink.partition(":")
    option = OWN_ARGUMENTS.get(name)
    if colon and option is not None:
        if getattr(given, option) is not None:
            raise PlanError("sink", f"{shown(given.sink)} and --{option} cannot be combined")
        given.sink = name
        setattr(given, option, argument)


def _check_sink_options(given: argparse.Namespace) -> None:
    """Refuse what is wrong with the options of a sink, and those that the sink does not have."""
    if given.output == "":
        raise PlanError("output", "'' is not the path of a folder")
    if given.format is not None and given.format not in FORMATS:
        raise PlanError("format", not_one_of(given.format, FORMATS) + _for_files(given))
    if given.format not in (None, given.sink) and given.sink in FILE_SINKS:
        raise PlanError("format", f"only works with -s stdout{_for_files(given)}")
    if given.format == "jsonl" and given.sink != "stdout":
        raise PlanError("format", "jsonl only works with -s stdout")
    for option, (sinks, only) in SINK_OPTIONS.items():
        if getattr(given, option) and (given.sink not in sinks or given.format == "jsonl"):
            _check_sink_name(given.sink)
            raise PlanError(option.replace("_", "-"), f"only works with {only}")
    if given.output is not None and is_url(given.output):
        check_url(given.output, "output")
        if given.sink not in FILE_SINKS:  # a folder is ignored: scripts have said so since 1.0
            _check_sink_name(given.sink)
            raise PlanError("output", f"an object store only works with {FILES}")
        if given.fsync:
            raise PlanError("fsync", "only works with a folder, not with an object store")


def _for_files(given: argparse.Namespace) -> str:
    """Return what to say for files of a format, for one who has asked for it by ``--format``."""
    return f"; for files, use -s {given.format}" if given.format in FILE_SINKS else ""


def _check_sink_name(name: str) -> None:
    """Refuse a name of no sink: what is wrong is the name then, and not another option."""
    if ":" not in name and name not in OURS:
        find_sink(name)


def _check_cluster_options(given: argparse.Namespace) -> None:
    """Refuse what does not go together with ``--dask``, and what needs it."""
    if given.dask is None:
        if given.parts is not None:
            raise PlanError("parts", "only works with --dask; to make one part, use --part K/N")
        return
    if not given.dask:
        raise PlanError("dask", f"'' is not a scheduler's address or {LOCAL}")
    if given.sink not in FILE_SINKS:
        raise PlanError("dask", "only works with files: -s csv, jsonl or parquet")
    if given.parts is not None:
        checked_parts(given.parts)
    if given.workers is not None and given.dask != LOCAL:
        raise PlanError("workers", f"only works with --dask {LOCAL}: a cluster has its own workers")
    taken = {"part": given.part != "1/1", "rate": given.rate, "no-clobber": given.no_clobber}
    for option, is_given in taken.items():
        if is_given:
            raise PlanError(option, "cannot be combined with --dask")


def load_sink(options: Options) -> AnySink:
    """Return the sink that the options name. Raises PlanError if it cannot be had."""
    if options.sink in FILE_SINKS:
        settings = {"clobber": options.clobber, "fsync": options.fsync}
        if options.sink == "csv":
            settings["header"] = options.header
        return find_sink(f"{options.sink}:{options.output}", **settings)
    if options.sink == "stdout":
        return find_sink(f"stdout:{options.format}", header=options.header)
    return find_sink(options.sink)


def help_text() -> str:
    """Return what ``--help`` prints."""
    return _parser().format_help()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise PlanError("arguments", one_line(message))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Asks for the terminal's width by itself: ``shutil``, which argparse asks, takes time."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


@lru_cache(1)
def _columns() -> int:
    """Return the columns of the terminal, by the environment or the system, as ``shutil`` does."""
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", "0"))) > 0:
            return columns
    with suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    return 80


class _Print(argparse.Action):
    """Prints what a function returns, and ends; argparse's own actions hide that it failed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(self.const(), end="")
        parser.exit()


def _parser() -> _Parser:
    parser = _Parser(
        prog="mockdata",
        usage="mockdata [options] COUNT\n       mockdata [options] VAULT=COUNT ...",
        description="Make realistic, unique values and their tokens to load-test a privacy vault.",
        epilog=EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("counts", nargs="*", help=argparse.SUPPRESS)
    for title, options in _OPTIONS.items():
        group = parser.add_argument_group(title, EXAMPLES[title])
        for names, settings in options.items():
            group.add_argument(*names.split(), **settings)
    return parser


def _printed(text: Callable[[], str], about: str) -> dict[str, Any]:
    return {"action": _Print, "nargs": 0, "const": text, "help": about}


def _number(about: str) -> dict[str, Any]:
    return {"metavar": "N", "type": read_number, "help": about}


def _flag(about: str) -> dict[str, Any]:
    return {"action": "store_true", "help": about}


_OPTIONS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "which vaults": {
        "--vaults": {
            "metavar": "FILE",
            "help": "TOML file with more vaults and tables; a count alone then makes all that "
            "it defines",
        },
        "--list-vaults": _flag("list all vaults, those of the file too, and exit"),
    },
    "which records": {
        "--seed": _number("the same seed and timestamp make the same records"),
        "--timestamp": _number("Unix time in seconds (default: now)"),
        "--start": {
            "metavar": "N",
            "action": "append",
            "help": "index of the first record (default: 0), or VAULT=N,...",
        },
        "--part": {"metavar": "K/N", "default": "1/1", "help": "make part K of N of the records"},
    },
    "where they go": {
        "-s --sink": {
            "default": "csv",
            "help": "csv (default), jsonl, parquet, stdout, MODULE:CALLABLE or an installed "
            "sink's NAME[:ARGUMENT]",
        },
        "--list-sinks": _printed(list_sinks, "list the sinks by name and exit"),
        "-o --output": {
            "metavar": "DIR",
            "help": f"folder of the files (default: {FOLDER}), or s3://BUCKET/PREFIX, gs:// or az://",
        },
        "-f --format": {"help": "format of rows on stdout: csv (default) or jsonl"},
        "--no-header": _flag("CSV without header lines, so that cat can join parts"),
        "--no-clobber": _flag("refuse to replace existing files"),
        "--fsync": _flag("wait until the files are on the disk"),
    },
    "how fast": {
        "-w --workers": _number("worker processes (default: one per CPU, at most 8)"),
        "--rate": {"metavar": "N", "help": "most records per second, all vaults together"},
    },
    "on many machines": {
        "--dask": {
            "metavar": "ADDRESS",
            "help": f"run on a Dask cluster: its scheduler's address, or {LOCAL} to start one here",
        },
        "--parts": _number("parts to cut the run into (default: one per 2M records)"),
    },
    "what you see": {
        "-q --quiet": _flag("print nothing but errors"),
        "--no-progress": _flag("show no live progress"),
        "--json": _flag("print a JSON report to stdout (stderr with -s stdout)"),
    },
    "about mockdata": {
        "--completion": {
            "metavar": "SHELL",
            "help": "print the script for bash, fish or zsh",
        },
        "-V --version": _flag("print the version and the renderer, and exit"),
        "-h --help": _printed(help_text, "print this help and exit"),
    },
}
