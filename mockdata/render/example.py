"""One record of a vault or table, to show what it looks like."""

from __future__ import annotations

from typing import Final

from mockdata.render.compile import compile_program
from mockdata.render.layout import Columns
from mockdata.render.renderers import renderer
from mockdata.vaults.resolve import Resolved

__all__ = ["example"]

SEED: Final = 7
TIMESTAMP: Final = 1_700_000_000
"""What the examples in the documentation are made with, too."""


def example(resolved: Resolved) -> tuple[str, ...]:
    """Return the text of each column at index 0: a vault's value and token, or a table's row.

    It is the same at any time and on any machine.
    """
    program = compile_program(resolved.columns, Columns(b""), seed=SEED, timestamp=TIMESTAMP)
    return tuple(str(text, "utf-8") for text in renderer(program, 1).render(0, 1))
