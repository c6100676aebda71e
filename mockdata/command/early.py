"""What the command says if a signal ends it before its arguments are read."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

__all__ = ["last_words"]


def last_words(arguments: Sequence[str], number: int) -> None:
    """Print the object that ``--json`` asks for. May be called from within a signal's handler."""
    if "--json" not in arguments:
        return
    sinks = (word.removeprefix("--sink=").removeprefix("-s") for word in arguments)
    to_stdout = any(sink.partition(":")[0] == "stdout" for sink in sinks)
    name = signal.Signals(number).name
    try:
        text = f'{{"outcome": "stopped", "error": "stopped by {name}"}}\n'
        os.write(2 if to_stdout else 1, text.encode())
    except OSError:  # closed, or full: the exit code says the same
        pass
