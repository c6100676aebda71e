"""A run's records in words: sizes, rates, and what was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from mockdata.command.arguments import Options
from mockdata.errors import plural
from mockdata.pipeline.report import Report
from mockdata.screen.text import described_delivery, scaled
from mockdata.sinks import Delivery, Run, VaultRun

__all__ = ["account", "objects", "summary"]

WIDTH: Final = 80
"""Columns that the table has, at most, where its file names are short enough."""

FILES: Final = {
    "csv": (("_data.csv", "_tokens.csv"), (".csv",)),
    "jsonl": ((".jsonl",), (".jsonl",)),
    "parquet": ((".parquet",), (".parquet",)),
}
"""Of each sink that writes files: how the names of a vault's files end, and those of a table's."""


def summary(report: Report, options: Options, command: str) -> str:
    """Return what is said when a run is done; ``command`` repeats it.

    The table is aligned for a terminal, and a table of Markdown for wherever it is pasted.
    """
    table = _vaults(report, options.run, options.sink)
    where = f" in {options.output}" if options.sink in FILES else ""
    if options.dask is not None:
        from mockdata.pipeline.parts import default_parts

        parts = options.parts or default_parts(report.records)
        where = f" in {parts} {plural(parts, 'part')} in {options.output}"
    size, seconds = scaled(report.bytes, "B"), f"{report.seconds:.2f} s"
    lines = [*table, ""]
    lines.append(
        f"{report.records:,} {plural(report.records, 'record')}, {size}{where}, in {seconds}: "
        f"{report.records_per_second:,.0f} records/s, "
        f"{scaled(report.peak_memory, 'B')} of memory"
    )
    if report.delivery is not None:
        lines.append(described_delivery(report.delivery, report.seconds))
    lines.append(command)
    return "\n".join(lines)


def objects(report: Report, options: Options) -> dict[str, int]:
    """Return the URLs of the objects that a run has made, and their bytes."""
    made: dict[str, int] = {}
    of_one_folder = options.store and options.dask is None
    for vault in options.run.vaults if of_one_folder else ():
        taken = report.vaults[vault.name]
        endings = FILES[options.sink][vault.is_table]
        sizes = (taken.data_bytes, taken.token_bytes)
        for ending, size in zip(endings, sizes, strict=False):
            made[f"{options.output.rstrip('/')}/{vault.name}{ending}"] = size
    return made


def _vaults(report: Report, run: Run, sink: str) -> list[str]:
    """Return a row for each vault; file names that would make it too wide are cut to their ends."""
    if sink not in FILES:
        return _sizes(report, run)
    endings = {v.name: FILES[sink][v.is_table] for v in run.vaults}
    names = {name: tuple(name + ending for ending in of) for name, of in endings.items()}
    lines = _files(report, names)
    return lines if len(lines[0]) <= WIDTH else _files(report, endings)


def _sizes(report: Report, run: Run) -> list[str]:
    """Return the table of a sink that has taken values and tokens, or rows of both."""
    kinds = {_is_rows(report, vault) for vault in run.vaults}
    columns = {True: ("rows",), False: ("values", "tokens")}
    head = columns[True in kinds] if len(kinds) == 1 else ("values or rows", "tokens")
    return _table(("vault", "records", *head), [*_rows(report, len(head))])


def _is_rows(report: Report, vault: VaultRun) -> bool:
    """Return whether a sink has taken whole rows, and not values and tokens apart."""
    taken = report.vaults[vault.name]
    return vault.is_table or (taken.data_bytes > 0 and not taken.token_bytes)


def _files(report: Report, files: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the table of a sink that has written files."""
    most = max(map(len, files.values()))
    rows = []
    for name, records, *sizes in _rows(report, most):
        pairs = zip_longest(files[name], sizes, fillvalue="")
        rows.append((name, records, *(text for pair in pairs for text in pair)))
    return _table(("vault", "records", *("file", "size") * most), rows)


def _rows(report: Report, sizes: int) -> Iterator[tuple[str, ...]]:
    """Return each vault's name, records, and so many sizes; one that it has not is empty."""
    for name, taken in report.vaults.items():
        both = (taken.data_bytes, taken.token_bytes)[:sizes]
        yield name, f"{taken.records:,}", *(scaled(size, "B") if size else "" for size in both)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; names are on the left of their columns, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    left = [title in ("vault", "file") for title in head]
    rule = ["-" * width if is_left else "-" * (width - 1) + ":"
            for width, is_left in zip(widths, left, strict=True)]  # fmt: skip
    lines = []
    for row in (head, rule, *rows):
        cells = [
            text.ljust(width) if is_left else text.rjust(width)
            for text, width, is_left in zip(row, widths, left, strict=True)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def account(delivery: Delivery) -> str:
    """Say what became of every record of a delivered run."""
    counts = {
        f"{plural(delivery.sent, 'record')} sent": delivery.sent,
        "failed": delivery.failed,
        "not sent": delivery.not_sent,
    }
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    logs = ", ".join(delivery.error_logs)
    return f"{text}; see {logs}" if logs else text
