"""What a run shows on standard error: live progress on a terminal, and a summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from mockdata.report import Progress, Report

__all__ = ["live_progress", "on_terminal", "summary"]

REFRESH: Final = 0.1
"""Seconds between two pictures, at least."""


@contextmanager
def live_progress() -> Iterator[Callable[[Progress], None]]:
    """Show a bar a vault on standard error; yields what to call with each Progress."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description:<4}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[records]:>13,}"),
        TextColumn("{task.fields[rate]:>8}"),
        TextColumn("{task.fields[size]:>7}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
        auto_refresh=False,
    )
    tasks: dict[str, TaskID] = {}
    shown = 0.0

    def show(progress: Progress) -> None:
        nonlocal shown
        if progress.vault not in tasks:
            tasks[progress.vault] = bars.add_task(
                progress.vault, total=progress.total, records=0, rate="", size=""
            )
        rate = progress.records / progress.seconds if progress.records else 0.0
        bars.update(
            tasks[progress.vault],
            completed=progress.records,
            records=progress.records,
            rate=_scaled(rate, "/s"),
            size=_scaled(progress.bytes, "B"),
        )
        if progress.seconds - shown >= REFRESH or progress.records == progress.total:
            shown = progress.seconds
            bars.refresh()

    with bars:
        yield show


def summary(report: Report, folder: str | None) -> str:
    """Return what is said at the end of a run; ``folder`` is that of the CSV files, if any."""
    lines = []
    for name, vault in report.vaults.items():
        line = f"{name:<4} {vault.records:>15,} records"
        sizes = f"{name}_data.csv", vault.data_bytes, f"{name}_tokens.csv", vault.token_bytes
        if folder is None:
            sizes = "values", vault.data_bytes, "tokens", vault.token_bytes
        data, data_bytes, tokens, token_bytes = sizes
        line += f"   {data} {_scaled(data_bytes, 'B'):>7}"
        lines.append(f"{line}   {tokens} {_scaled(token_bytes, 'B'):>7}")
    where = f" in {folder}" if folder is not None else ""
    size, seconds = _scaled(report.bytes, "B"), f"{report.seconds:.2f} s"
    lines.append(
        f"{report.records:,} records, {size}{where}, in {seconds}: "
        f"{report.records_per_second:,.0f} records/s, "
        f"{_scaled(report.peak_memory, 'B')} of memory"
    )
    lines.append(f"the same again: --seed {report.seed} --timestamp {report.timestamp}")
    return "\n".join(lines)


def _scaled(number: float, unit: str) -> str:
    """Write a number with three digits or so, and its unit with the prefix of its thousands."""
    for prefix in ("", "k", "M", "G"):
        if number < 999.5:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} T{unit}"


def on_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is shown to somebody."""
    return stream is not None and stream.isatty()
