"""The command's options and its help, for argparse. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NoReturn

from mockdata.command.plugins import list_sinks
from mockdata.command.words import read_number
from mockdata.errors import PlanError, one_line

__all__ = ["FOLDER", "LOCAL", "argument_parser", "help_text"]

LOCAL: Final = "local"
"""A cluster on this machine, started for a run."""

FOLDER: Final = "data"

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
"""The text above each group of options in the help."""

EPILOG: Final = """\
Write a count as 1000, 10_000, 250k, 1.5M, 2G or 1T. A count alone makes the
vaults name, id, dob and ssn. The other ready-made vaults are email, phone,
card, mrn, npi, address and uuid.
"""


def help_text() -> str:
    """Return what ``--help`` prints."""
    return argument_parser().format_help()


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


def argument_parser() -> argparse.ArgumentParser:
    """Return a parser that raises PlanError for wrong use."""
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
            "help": f"folder of the files (default: {FOLDER}), or s3://BUCKET/PREFIX, gs://, "
            "az:// or file://",
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
