"""A terminal that remembers what it shows: as much of one as the live display needs."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

PIECE = re.compile(r"\x1b\[(\??\d*(?:;\d+)*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """Shows text in lines of a width; the topmost goes when there are more lines than it has."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.lines, self.row, self.column = [""], 0, 0
        self.scrolled = 0
        self.pictures = []
        """What it showed each time that a picture was drawn."""

    def feed(self, text):
        """Show what a program writes."""
        at = 0
        while at < len(text):
            piece = PIECE.match(text, at)
            assert piece, f"unknown: {text[at : at + 20]!r}"
            at = piece.end()
            numbers, letter, back, down, written = piece.groups()
            if letter == "A":
                self.row = max(self.row - int(numbers or 1), 0)
            elif letter in ("J", "K"):
                self.lines[self.row] = self.lines[self.row][: self.column]
                if letter == "J":
                    del self.lines[self.row + 1 :]
            elif back:
                self.column = 0
            elif down:
                self._next_line()
                self.column = 0
            elif written:
                for character in written:
                    self._put(character)
            elif numbers == "?2026" and letter == "l":
                self.pictures.append([*self.lines])
            else:
                assert letter in "mhl"  # colours, and whether the cursor is shown

    def resize(self, width, height):
        """Wrap what is shown anew, as most terminals do, and keep its end."""
        assert not self.lines[self.row]  # the cursor is below what was written
        self.lines = [
            line[at : at + width]
            for line in self.lines
            for at in range(0, max(len(line), 1), width)
        ][-height:]
        self.width, self.height, self.row, self.column = width, height, len(self.lines) - 1, 0

    def _put(self, character):
        if self.column == self.width:
            self._next_line()
            self.column = 0
        line = self.lines[self.row]
        self.lines[self.row] = (
            line[: self.column].ljust(self.column) + character + line[self.column + 1 :]
        )
        self.column += 1

    def _next_line(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")
        if len(self.lines) > self.height:
            del self.lines[0]
            self.row -= 1
            self.scrolled += 1


def on_terminal(command, folder, *, width=120, height=24, term="xterm-256color", ci="", **options):
    """Run a command with a terminal of a size for standard error; return what it writes there.

    Whatever else it writes goes where ``options``, those of ``Popen``, say.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    env |= {"TERM": term, "CI": ci}
    keywords = {"stdout": subprocess.DEVNULL, "stderr": side} | options
    keywords = {k: side if v == "terminal" else v for k, v in keywords.items()}
    run = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, env=env, **keywords)
    os.close(side)
    shown = b""
    while True:
        select.select([main], [], [], 60)
        try:
            shown += os.read(main, 65536)
        except OSError:  # the other side is closed
            break
    os.close(main)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, shown.decode()
    return shown.decode(), (output or b"").decode()
