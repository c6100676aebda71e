"""Draw the pictures in docs/pictures: ``python -m tests.pictures``, after a change of the screen."""

import io
import os
import re
import sys
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from mockdata.command.arguments import parse
from mockdata.command.options import help_text
from mockdata.command.summary import summary
from mockdata.pipeline.report import Progress, Report, VaultReport
from mockdata.screen import Seen
from mockdata.screen.picture import Picture

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"

THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    [(72, 79, 88), (255, 161, 152), (86, 211, 100), (227, 179, 65),
     (121, 192, 255), (210, 168, 255), (86, 212, 221), (240, 246, 252)],
)  # fmt: skip

FRAME = """\
<svg viewBox="0 0 1000 HEIGHT" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="TITLE">
<title>TITLE</title>
<style>
text {{
  font: 20px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre;
}}
{styles}
</style>
<rect fill="#161b22" stroke="#30363d" x="1" y="1" width="998" height="INSIDE" rx="8"/>
<g transform="translate(12, 10)">
{matrix}
</g>
</svg>
"""
"""A terminal without a title; the fonts are those of the reader's machine."""

LINE = 24.4
"""The height of a line, as rich has it."""

REPEATS = "mockdata 1000 --seed 7 --timestamp 1700000000"


def console():
    return Console(
        file=io.StringIO(),
        record=True,
        width=80,
        height=24,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
    )


def progress(screen):
    """Draw a run of four vaults that is under way."""
    seen = Seen()
    total = 40_000_000
    for vault, taken, width in (
        ("name", 21_400_000, 79),
        ("id", total, 69),
        ("dob", 33_600_000, 75),
        ("ssn", 8_200_000, 76),
    ):
        seen.taken[vault] = Progress(vault, taken, total, taken * width, 7.9)
    print_prompt(screen, "mockdata 40M")
    screen.print(Picture(seen))


def ending(screen):
    """Draw the summary of a run."""
    sizes = {"name": (41_991, 37_016), "id": (34_003, 35_011)}
    sizes |= {"dob": (39_004, 36_014), "ssn": (40_004, 36_016)}
    report = Report(
        seed=7,
        timestamp=1_700_000_000,
        records=4000,
        bytes=sum(map(sum, sizes.values())),
        seconds=0.02,
        records_per_second=196_712.0,
        peak_memory=41_700_000,
        vaults={name: VaultReport(1000, *both) for name, both in sizes.items()},
    )
    print_prompt(screen, REPEATS)
    screen.print(summary(report, parse(REPEATS.split()[1:]), REPEATS), markup=False)


def usage(screen):
    """Draw what --help prints."""
    print_prompt(screen, "mockdata --help")
    with mock.patch.dict(os.environ, COLUMNS="80"):
        screen.print(help_text().rstrip(), markup=False)


def print_prompt(screen, words):
    screen.print(f"[bold green]$[/] [bold]{words}[/]")


PICTURES = {
    "progress": (progress, "Bars that show how far a run of mockdata has come"),
    "summary": (ending, "What mockdata says at the end of a run"),
    "help": (usage, "What mockdata --help prints"),
}


def drawn(name):
    """Return a picture as SVG."""
    draw, title = PICTURES[name]
    screen = console()
    draw(screen)
    svg = screen.export_svg(theme=THEME, code_format=FRAME, unique_id=name)
    svg = re.sub(r"<text [^>]*>\n</text>", "\n", svg)  # the ends of lines
    svg = re.sub(r' clip-path="[^"]*"', "", svg).replace("\n\n", "\n")
    last = max(float(place) for place in re.findall(r' y="([\d.]+)" textLength', svg))
    height = round(last + LINE)
    svg = svg.replace("HEIGHT", str(height)).replace("INSIDE", str(height - 2))
    return svg.replace("TITLE", title)


def texts(svg):
    """Return what a picture says, and in which colours: rich may draw the same in another way."""
    colours = dict(re.findall(r"\.([\w-]+-r\d+) \{ (.*?) \}", svg))
    pieces = re.findall(r'<text class="([\w-]+)"[^>]*>(.*?)</text>', svg)
    return [(colours[style], text) for style, text in pieces]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture}.svg").write_text(drawn(picture), encoding="utf-8")
    print(*sorted(FOLDER.iterdir()), sep="\n", file=sys.stderr)
