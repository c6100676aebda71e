"""``python -m mockdata``, and the console script."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Final

from mockdata.command.early import last_words

__all__ = ["main"]

COLLECTED: Final = 100_000
"""Objects after which Python collects garbage. A start makes 30,000, and next to none of it is
garbage, so that looking for it would be a twentieth of a short run."""


def main() -> int:
    """Run the command. A signal that comes while it is imported ends the process at once."""
    gc.set_threshold(COLLECTED)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from mockdata.command import cli

    return cli.main()


def _leave(number: int, _: object) -> None:
    last_words(sys.argv, number)
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
