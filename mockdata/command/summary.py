"""What is said of a run's records, in words: sizes, rates, what has been delivered."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Final

from mockdata.command.arguments import Options
from mockdata.errors import plural
from mockdata.pipeline.report import Report
from mockdata.sinks import Delivery, Run, VaultRun

__all__ = ["account", "described_delivery", "objects", "scaled", "summary"]

WIDTH: Final = 80
"""Columns that a line of a vault has, at most, where its file names are short enough."""

RECORDS: Final = 15
"""Columns of a number of records, where there is room."""

FILES: Final = {
    "csv": (("_data.csv", "_tokens.csv"), (".csv",)),
    "jsonl": ((".jsonl",), (".jsonl",)),
    "parquet": ((".parquet",), (".parquet",)),
}
"""Of each sink that writes files: how the names of a vault's files end, and those of a table's."""

PAIR: Final = ("values", "tokens")
ROWS: Final = ("rows",)


def summary(report: Report, options: Options, command: str) -> str:
    """Return what is said when a run is done; ``command`` repeats it."""
    lines = _vault_lines(report, options.run, options.sink)
    where = f" in {options.output}" if options.sink in FILES else ""
    if options.dask is not None:
        from mockdata.dask.job import default_parts

        parts = options.parts or default_parts(report.records)
        where = f" in {parts} {'parts' if parts > 1 else 'part'} in {options.output}"
    size, seconds = scaled(report.bytes, "B"), f"{report.seconds:.2f} s"
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


def _vault_lines(report: Report, run: Run, sink: str) -> list[str]:
    """Return a line a vault; of files whose names would make it too wide, with their endings."""
    if sink not in FILES:
        return _aligned(report, {v.name: ROWS if _is_rows(report, v) else PAIR for v in run.vaults})
    endings = {v.name: FILES[sink][v.is_table] for v in run.vaults}
    names = {name: tuple(name + ending for ending in of) for name, of in endings.items()}
    lines = _aligned(report, names, RECORDS)
    return lines if max(map(len, lines)) <= WIDTH else _aligned(report, endings)


def _is_rows(report: Report, vault: VaultRun) -> bool:
    """Return whether a sink has taken whole rows, and not values and tokens apart."""
    taken = report.vaults[vault.name]
    return vault.is_table or (taken.data_bytes > 0 and not taken.token_bytes)


def _aligned(report: Report, labels: Mapping[str, tuple[str, ...]], records: int = 0) -> list[str]:
    """Return a line a vault: its name, records, and a label and a size for each output."""
    name = max(map(len, labels))
    records = max(records, *(len(f"{v.records:,}") for v in report.vaults.values()))
    nouns = max(len(plural(v.records, "record")) for v in report.vaults.values())
    widths = [max(map(len, column)) for column in zip_longest(*labels.values(), fillvalue="")]
    lines = []
    for vault, named in labels.items():
        taken = report.vaults[vault]
        noun = plural(taken.records, "record")
        line = f"{vault:<{name}} {taken.records:>{records},} {noun:<{nouns}}"
        for label, width, size in zip(
            named, widths, (taken.data_bytes, taken.token_bytes), strict=False
        ):
            line += f"   {label:<{width}} {scaled(size, 'B'):>7}"
        lines.append(line)
    return lines


def described_delivery(delivery: Delivery, seconds: float) -> str:
    """Say how a delivery goes, or went."""
    parts = [
        f"sent {delivery.sent:,} ({scaled(delivery.sent / max(seconds, 1e-3), '/s')})",
        f"failed {delivery.failed:,}",
        f"in flight {delivery.in_flight}",
        f"median {_milliseconds(delivery.latency_median)}",
        f"p95 {_milliseconds(delivery.latency_p95)}",
        f"retries {delivery.retries:,}",
        f"429s {delivery.throttled:,}",
    ]
    return ", ".join(parts)


def account(delivery: Delivery) -> str:
    """Say what has become of every record of a run that was delivered."""
    counts = {
        f"{plural(delivery.sent, 'record')} sent": delivery.sent,
        "failed": delivery.failed,
        "not sent": delivery.not_sent,
    }
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    logs = ", ".join(delivery.error_logs)
    return f"{text}; see {logs}" if logs else text


def scaled(number: float, unit: str) -> str:
    """Write a number with three digits or so, and its unit with the prefix of its thousands."""
    for prefix in ("", "k", "M", "G"):
        if number < 999.5:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} T{unit}"


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 9.95 else 0}f} ms"
