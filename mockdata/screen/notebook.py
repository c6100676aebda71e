"""Bars below a notebook's cell, redrawn in place; no widgets are needed. It knows IPython."""

from __future__ import annotations

import io
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from mockdata.screen import Seen
from mockdata.screen.picture import Picture

__all__ = ["Cell"]

REFRESH: Final = 0.2
"""Seconds between two pictures: each is a message to the browser."""

WIDTH: Final = 100
HEIGHT: Final = 40
"""Columns and lines of a picture, at most."""

HTML: Final = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace\">{code}</pre>"
)
"""The frame of a picture. It has no colours, so it suits light and dark pages."""

MIDDLE: Final = (128, 136, 145)
COLORS: Final = TerminalTheme(
    (255, 255, 255),
    (0, 0, 0),
    [MIDDLE, MIDDLE, (22, 163, 74), MIDDLE, MIDDLE, MIDDLE, (8, 145, 178), MIDDLE],
    [MIDDLE] * 8,
)
"""Colours that are readable on light and dark pages. A picture has green and cyan."""


class Cell:
    """Shows bars in the output of the cell that it was made in."""

    def __init__(self, seen: Seen) -> None:
        self.first = self.then = REFRESH
        self._seen = seen
        self._picture = Picture(seen)
        self._shown: Any = None
        self._last: dict[str, str] = {}

    def tick(self) -> None:
        """Draw what has changed."""
        if not self._seen.taken:
            return
        picture = drawn(self._picture)
        if self._shown is None:
            from IPython.display import display

            self._shown = display(picture, raw=True, display_id=True)
        elif picture != self._last:
            self._shown.update(picture, raw=True)
        self._last = picture

    def stop(self) -> None:
        """Draw the end."""
        self.tick()


def drawn(picture: Picture) -> dict[str, str]:
    """Return a picture as a notebook takes it, in HTML and in plain text."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=WIDTH,
        height=HEIGHT,
        force_terminal=True,
        force_jupyter=False,  # or it shows by itself what is printed here
        color_system="standard",
    )
    console.print(picture)
    html = console.export_html(theme=COLORS, code_format=HTML, inline_styles=True, clear=False)
    return {"text/html": html, "text/plain": console.export_text().rstrip("\n")}
