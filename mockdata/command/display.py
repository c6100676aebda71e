"""What a run shows on standard error: live progress on a terminal, and a summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from mockdata.pipeline.report import Delivery, Progress, Report

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

__all__ = ["live_progress", "on_terminal", "summary"]

REFRESH: Final = 0.1
"""Seconds between two pictures, at least."""


@contextmanager
def live_progress(
    delivery: Callable[[], Delivery] | None = None,
) -> Iterator[Callable[[Progress], None]]:
    """Show a bar a vault on standard error; yields what to call with each Progress.

    ``delivery`` is that of a sink that has one, for a line below the bars, which is shown anew
    though no records are taken.
    """
    from rich.progress import TaskID

    bars = _bars(delivery)
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


def _bars(delivery: Callable[[], Delivery] | None) -> Bars:
    """Return the bars, without one as yet, and the line of a delivery below them."""
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    began = time.perf_counter()

    class BarsAndLine(Bars):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            if delivery is not None:
                yield Text(_told(delivery(), time.perf_counter() - began), overflow="ellipsis")

    return BarsAndLine(
        TextColumn("{task.description:<4}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[records]:>13,}"),
        TextColumn("{task.fields[rate]:>8}"),
        TextColumn("{task.fields[size]:>7}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
        auto_refresh=delivery is not None,
    )


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
    if report.delivery is not None:
        lines.append(_told(report.delivery, report.seconds))
    lines.append(f"the same again: --seed {report.seed} --timestamp {report.timestamp}")
    return "\n".join(lines)


def _told(delivery: Delivery, seconds: float) -> str:
    """Say how the delivery goes, or went."""
    lines = [
        f"sent {delivery.sent:,} ({_scaled(delivery.sent / max(seconds, 1e-3), '/s')})",
        f"failed {delivery.failed:,}",
        f"in flight {delivery.in_flight}",
        f"median {_milliseconds(delivery.latency_median)}",
        f"p95 {_milliseconds(delivery.latency_p95)}",
        f"retries {delivery.retries:,}",
        f"429s {delivery.throttled:,}",
    ]
    return ", ".join(lines)


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 9.95 else 0}f} ms"


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
