"""The command's arguments: from words to options, checked. Imports nothing that takes time."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final, NoReturn

from mockdata.command.options import FOLDER, LOCAL, argument_parser
from mockdata.command.plugins import OURS, find_sink
from mockdata.command.words import read_counts, read_part, read_rate, read_start
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
    "FORMATS",
    "Options",
    "Said",
    "load_sink",
    "parse",
]

FORMATS: Final = ("csv", "jsonl")

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
"""Options of some of our sinks: the sinks, and the message for any other sink."""


class Said(argparse.Namespace):
    """What the arguments say. It is filled even if one of them turns out to be wrong."""

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
    given = argument_parser().parse_intermixed_args(list(arguments), said or Said())
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

        print(completion(given.completion, argument_parser()), end="")
    else:
        from mockdata.command.about import version, versions

        print(versions() if given.json else version(), end="")
    raise SystemExit


def _move_argument(given: argparse.Namespace) -> None:
    """Move the argument of one of our own sinks to its option."""
    name, colon, argument = given.sink.partition(":")
    option = OWN_ARGUMENTS.get(name)
    if colon and option is not None:
        if getattr(given, option) is not None:
            raise PlanError("sink", f"{shown(given.sink)} and --{option} cannot be combined")
        given.sink = name
        setattr(given, option, argument)


def _check_sink_options(given: argparse.Namespace) -> None:
    """Refuse wrong options of a sink, and options that it does not have."""
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
    """Return advice for files of a format, if it was asked for by ``--format``."""
    return f"; for files, use -s {given.format}" if given.format in FILE_SINKS else ""


def _check_sink_name(name: str) -> None:
    """Refuse an unknown sink: its name is the mistake then, and not another option."""
    if ":" not in name and name not in OURS:
        find_sink(name)


def _check_cluster_options(given: argparse.Namespace) -> None:
    """Refuse options that cannot be combined with ``--dask``, and those that need it."""
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
