"""A picture of progress: a line for each vault, or their sum and as many vaults as fit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from mockdata.screen import Seen
from mockdata.screen.text import clock, cut, delivery_parts, scaled

__all__ = ["Picture"]

LONGEST_NAME: Final = 20
"""Columns of a name, at most; on a wide terminal, a quarter of its width, and half on a narrow."""

SHORTEST_BAR: Final = 8
"""Columns of a bar, at least: on a narrow terminal, other columns go."""

DELIVERY: Final = 2
"""Lines that a delivery may take."""

DOING: Final = "cyan"
DONE: Final = "green"
TO_DO: Final = "bright_black"
"""Colours of the terminal's own palette that are readable on a light and a dark background."""

NO_TIME: Final = "--:--"
"""The time left, where nothing is known of it."""


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

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._slots: list[str] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(console, options):
            yield line
            yield Segment.line()

    def lines(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Return the lines. They fill the width and end in no blank, but for a delivery's."""
        delivery = self._seen.delivery()
        room = console.size.height - 1 - (DELIVERY if delivery is not None else 0)
        taken = [progress for progress in self._seen.taken.values() if progress.total]
        rows = {p.vault: Row(p.vault, p.total, p.records, p.bytes, p.seconds) for p in taken}
        shown = list(rows.values())
        if len(rows) > room:
            shown = self._chosen(rows, _sum(f"{len(rows)} vaults", rows.values()), room)
        columns = _Columns(
            max(map(len, [*rows, *(row.name for row in shown)]), default=0),
            max((row.total for row in shown), default=0),
            options.max_width,
        )
        has_colors = console.color_system is not None and not console.no_color
        for row in shown:
            yield _drawn(row, columns, is_ascii=options.ascii_only, has_colors=has_colors)
        if delivery is not None:
            parts = delivery_parts(delivery, time.perf_counter() - self._seen.began)
            yield from _folded(parts, options.max_width)

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
        self.width = width
        self.name = min(name, max(width // 4, min(LONGEST_NAME, width // 2)))
        self.others = [4, len(f"{total:,}"), 8, 7, 8]
        while self._left(width) < SHORTEST_BAR and len(self.others) > 1:
            self.others.pop(-2 if len(self.others) > 2 else -1)
        self.bar = max(self._left(width), 1)

    def _left(self, width: int) -> int:
        """Return how much of a width is left to the bar."""
        return width - self.name - 1 - sum(self.others) - len(self.others)


def _drawn(row: Row, columns: _Columns, *, is_ascii: bool, has_colors: bool) -> Text:
    """Return a row's line."""
    name = cut(row.name, columns.name, "~" if is_ascii else "…")
    text = Text(f"{name:<{columns.name}} ", no_wrap=True, overflow="crop", end="")
    whole, half = divmod(2 * columns.bar * min(row.records, row.total) // row.total, 2)
    full, begun, rest = ("-", " ", " ") if is_ascii else ("━", "╸", "━")
    text.append(full * whole + begun * half, DONE if row.is_done else DOING)
    text.append((rest if has_colors else " ") * (columns.bar - whole - half), TO_DO)
    for words, width in zip(_cells(row, len(columns.others)), columns.others, strict=True):
        text.append(f" {words:>{width}}")
    text.truncate(columns.width)
    return text


def _folded(parts: list[str], width: int) -> list[Text]:
    """Return as much of a delivery as fits its lines."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < DELIVERY:
            lines[-1] += "," if len(lines[-1]) < width else ""
            lines.append(part)
        else:
            break
    return [Text(line[:width], no_wrap=True, end="") for line in lines]


def _cells(row: Row, count: int) -> list[str]:
    """Return the text after a bar; if there are few columns, what matters most."""
    rate = row.records / row.seconds if row.records and row.seconds else 0.0
    left = NO_TIME
    if row.is_done:
        left = clock(row.seconds)
    elif rate:
        left = clock((row.total - row.records) / rate)
    columns = [
        f"{row.records * 100 // row.total}%",
        f"{row.records:,}",
        scaled(rate, "/s") if rate else "",
        scaled(row.bytes, "B") if row.bytes else "",
        left,
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
