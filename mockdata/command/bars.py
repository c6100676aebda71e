"""Bars on a terminal: one a vault, or totals and as many vaults as fit. It alone knows rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from mockdata.command.summary import described_delivery, scaled
from mockdata.command.watch import Watch
from mockdata.pipeline.report import Progress
from mockdata.sinks import Run

__all__ = ["Bars", "cut"]

REFRESH: Final = 0.1
"""Seconds between two pictures of the bars, at least."""

LONGEST_NAME: Final = 20
"""Columns of a name, at most; on a wide terminal, a quarter of its width."""

SHORTEST_BAR: Final = 8
"""Columns of a bar, at least: on a narrow terminal, other columns go."""

DELIVERY: Final = 2
"""Lines that a delivery may take on a terminal of 80 columns."""


class Bars:
    """Shows how far the vaults have come, and below them a line of the delivery, if there is one.

    A column is as wide at the end as it is at the beginning. What has changed is drawn by ``tick``,
    so that a run of many vaults draws as often as one of few.
    """

    def __init__(self, watch: Watch, run: Run) -> None:
        self.first = self.then = REFRESH
        self._watch = watch
        self._picture = Picture(watch, run)
        self._changed = False
        self._live = Live(
            self._picture,
            console=self._picture.console,
            auto_refresh=False,
            redirect_stdout=self._picture.is_beside_stdout,
            vertical_overflow="crop",
        )
        with suppress(OSError):
            self._live.start()

    def show(self, progress: Progress) -> None:
        """Draw what has been taken with the next tick."""
        self._changed = True

    def tick(self) -> None:
        """Draw what has changed; a delivery changes though no records are taken."""
        if self._changed or self._watch.delivery() is not None:
            self._changed = False
            self._live.refresh()

    def stop(self) -> None:
        """Show the bars a last time, and the cursor again."""
        self._live.stop()


@dataclass(frozen=True, slots=True)
class Row:
    """What a bar says."""

    name: str
    total: int
    records: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.records >= self.total


class Picture:
    """Draws the rows that fit the terminal as it is at that time."""

    def __init__(self, watch: Watch, run: Run) -> None:
        self.console = Console(stderr=True)
        self.is_beside_stdout = sys.stdout is not None and sys.stdout.isatty()
        """Whether what is printed on standard output has to appear above the bars."""
        self._watch = watch
        self._totals = {vault.name: vault.records for vault in run.vaults if vault.records}
        self._sum = f"{len(self._totals)} vaults"
        self._slots: list[str] = []
        self._began = time.perf_counter()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        delivery = self._watch.delivery()
        room = console.size.height - 1 - (DELIVERY if delivery is not None else 0)
        rows = {name: self._row(name) for name in self._totals}
        shown = list(rows.values())
        if len(rows) > room:
            shown = self._chosen(rows, _sum(self._sum, rows.values()), room)
        columns = _Columns(
            max(map(len, [*rows, *(row.name for row in shown)]), default=0),
            max((row.total for row in shown), default=0),
            options.max_width,
        )
        for row in shown:
            yield _drawn(row, columns, options, has_colors=bool(console.color_system))
        if delivery is not None:
            yield Text(described_delivery(delivery, time.perf_counter() - self._began))

    def _row(self, name: str) -> Row:
        taken = self._watch.taken.get(name)
        if taken is None:
            return Row(name, self._totals[name])
        return Row(name, self._totals[name], taken.records, taken.bytes, taken.seconds)

    def _chosen(self, rows: dict[str, Row], whole: Row, room: int) -> list[Row]:
        """Return the sum and as many vaults as there is room for.

        Each keeps its line until it is done; then the next one that is not takes it.
        """
        size = max(room - 1, 0)
        if len(self._slots) != size:
            self._slots = sorted(rows, key=lambda name: rows[name].is_done)[:size]
        waiting = [name for name, row in rows.items() if not row.is_done]
        waiting = [name for name in waiting if name not in self._slots]
        waiting.sort(key=lambda name: not rows[name].records)
        for number, name in enumerate(self._slots):
            if waiting and rows[name].is_done:
                self._slots[number] = waiting.pop(0)
        return [whole, *(rows[name] for name in self._slots)]


class _Columns:
    """How wide a row's columns are: the same in the whole run."""

    def __init__(self, name: int, total: int, width: int) -> None:
        self.name = min(name, max(LONGEST_NAME, width // 4))
        self.others = [4, len(f"{total:,}"), 8, 7, 8]
        while self._left(width) < SHORTEST_BAR and len(self.others) > 1:
            self.others.pop(-2 if len(self.others) > 2 else -1)
        self.bar = max(self._left(width), 1)

    def _left(self, width: int) -> int:
        """Return how much of a width is left to the bar."""
        return width - self.name - 1 - sum(self.others) - len(self.others)


def _drawn(row: Row, columns: _Columns, options: ConsoleOptions, *, has_colors: bool) -> Text:
    """Return a row's line."""
    text = Text(f"{cut(row.name, columns.name):<{columns.name}} ", no_wrap=True)
    whole, half = divmod(2 * columns.bar * min(row.records, row.total) // row.total, 2)
    full, begun, rest = ("-", " ", " ") if options.ascii_only else ("━", "╸", "━")
    text.append(full * whole + begun * half, "bar.finished" if row.is_done else "bar.complete")
    text.append((rest if has_colors else " ") * (columns.bar - whole - half), "bar.back")
    for (words, style), width in zip(_cells(row, len(columns.others)), columns.others, strict=True):
        text.append(f" {words:>{width}}", style)
    return text


def _cells(row: Row, count: int) -> list[tuple[str, str]]:
    """Return what stands behind a bar, with its style; of few columns, what matters most."""
    rate = row.records / row.seconds if row.records and row.seconds else 0.0
    percent, left = f"{row.records * 100 // row.total}%", ""
    if row.is_done:
        left = _clock(row.seconds)
    elif rate:
        left = _clock((row.total - row.records) / rate)
    columns = [
        (percent, "progress.percentage"),
        (f"{row.records:,}", ""),
        (scaled(rate, "/s") if rate else "", ""),
        (scaled(row.bytes, "B") if row.bytes else "", ""),
        (left, "progress.elapsed" if row.is_done else "progress.remaining"),
    ]
    return [*columns[: count - 1], columns[-1]] if count > 1 else columns[:1]


def _sum(name: str, rows: Iterable[Row]) -> Row:
    rows = list(rows)
    return Row(
        name,
        sum(row.total for row in rows),
        sum(row.records for row in rows),
        sum(row.bytes for row in rows),
        max((row.seconds for row in rows), default=0.0),
    )


def cut(name: str, width: int) -> str:
    """Return a name, with an ellipsis in place of its middle if it is too long.

    Names that are long often begin alike, or end alike.
    """
    if len(name) <= width:
        return name
    head = width // 2
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"
