"""Bars on a terminal, drawn over those before. It and the picture alone know rich."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, TextIO, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.file_proxy import FileProxy
from rich.segment import Segment

from mockdata.screen import Seen
from mockdata.screen.direct import Direct
from mockdata.screen.picture import Picture

__all__ = ["Bars"]

REFRESH: Final = 0.1
"""Seconds between two pictures of the bars, at least."""

TOGETHER: Final = ("\x1b[?2026h", "\x1b[?2026l")
"""Put around what a terminal should show at once. Terminals that do not know them ignore them."""

ERASE_BELOW: Final = "\x1b[J"
ERASE_RIGHT: Final = "\x1b[K"


class Bars(RenderHook):
    """Keeps a picture at the bottom of a terminal; printed text appears above it.

    When the window changes its size, the next picture is of that size and takes the place of what
    the terminal has made of the last one.
    """

    def __init__(self, seen: Seen) -> None:
        self.first = self.then = REFRESH
        self._console = Console(file=cast("TextIO", Direct(sys.stderr)), force_terminal=True)
        self._seen = seen
        self._picture = Picture(seen)
        self._widths: list[int] = []
        self._last: tuple[object, ...] = ()
        self._streams: list[tuple[str, TextIO]] = []
        self._console.push_render_hook(self)
        self._stand_in("stderr")
        if sys.stdout is not None and sys.stdout.isatty():
            self._stand_in("stdout")
        with suppress(OSError):
            self._console.show_cursor(show=False)

    def _stand_in(self, name: str) -> None:
        """Send what is printed on a standard stream through the console."""
        stream = getattr(sys, name)
        if not isinstance(stream, FileProxy):
            self._streams.append((name, stream))
            setattr(sys, name, cast("TextIO", FileProxy(self._console, stream)))

    def tick(self) -> None:
        """Draw what has changed; a delivery changes though no records are taken."""
        now = (*self._seen.taken.values(), self._console.size, self._delivered())
        if now != self._last:
            self._last = now
            self._console.print(Control(), crop=False)

    def _delivered(self) -> float:
        """Return what differs from the last tick where a delivery is shown."""
        return time.perf_counter() if self._seen.delivery() is not None else 0.0

    def stop(self) -> None:
        """Show the bars a last time, and the cursor again."""
        try:
            self._console.print(Control(), crop=False)
        finally:
            for name, stream in self._streams:
                setattr(sys, name, stream)
            self._console.pop_render_hook()
            self._console.show_cursor(show=True)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Print a text above the picture, in place of the last picture."""
        begin = TOGETHER[0] + self._back()
        if not all(isinstance(each, Control) for each in renderables):
            begin += ERASE_BELOW
        return [_Raw(begin), *renderables, self, _Raw(TOGETHER[1])]

    def _back(self) -> str:
        """Return what moves the cursor to where the last picture begins."""
        width = self._console.size.width
        height = len(self._widths)
        if _wraps_again():
            height = sum(max(1, -(-length // width)) for length in self._widths)
        return "\r" + (f"\x1b[{height}A" if height else "")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw over the last picture. Nothing is erased first, so nothing flickers."""
        self._widths = []
        for line in self._picture.lines(console, options):
            self._widths.append(line.cell_len)
            yield line
            if line.cell_len < options.max_width:
                yield _Raw(ERASE_RIGHT)
            yield Segment.line()
        yield _Raw(ERASE_BELOW)


class _Raw:
    """A sequence that a terminal obeys."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        yield Segment(self._text, None, ())


def _wraps_again() -> bool:
    """Return whether the terminal rewraps its lines when it becomes narrower."""
    if "TMUX" in os.environ:
        return True
    return not {"XTERM_VERSION", "STY"} & {*os.environ}
