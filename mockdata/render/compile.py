r"""From columns and a layout to a program.

>>> from mockdata.render.layout import Rows
>>> from mockdata.vaults.pieces import Choice, Literal
>>> pin = Column("pin", "value", (Literal("P"), *[Choice(tuple("0123456789"))] * 4))
>>> program = compile_program([pin], Rows(b"pin,", b",", b"\n"), seed=1, timestamp=1_700_000_000)
>>> program.lines[0].longest
10
"""

from __future__ import annotations

from collections.abc import Sequence

from mockdata.render.drawn import is_quoted
from mockdata.render.items import Item, Lit
from mockdata.render.layout import Columns, Layout, Texts
from mockdata.render.layout import Rows as LayoutOfRows
from mockdata.render.lines import Rows
from mockdata.render.program import Program
from mockdata.render.schedule import scheduled
from mockdata.render.streams import Compiler
from mockdata.vaults.columns import Column

__all__ = ["compile_program"]

QUOTE = b'"'


def compile_program(
    columns: Sequence[Column],
    layout: Layout,
    *,
    seed: int,
    timestamp: int,
) -> Program:
    """Return the program that renders columns in a layout.

    There is one line for each column, in order, or a single one for ``Rows``. No two different
    columns have the same vault and side. Raises ValueError if ``Rows`` do not fit the columns.
    """
    compiler = Compiler(seed, timestamp, layout.escape)
    quoted = tuple(is_quoted(column, layout.escape) for column in columns)
    order = layout.order(len(columns)) if isinstance(layout, LayoutOfRows) else range(len(columns))
    for place in order:
        compiler.look_ahead(columns[place])
    cells = []
    for place in order:
        items = compiler.column(columns[place])
        cells.append([Lit(QUOTE), *items, Lit(QUOTE)] if quoted[place] else items)
    rows = Rows(compiler.steps)
    for items in _outputs(cells, layout, len(columns)):
        rows.add(items)
    steps = scheduled(compiler.steps.made, rows.puts(), rows.lines)
    content = compiler.steps.registers, tuple(steps), tuple(rows.lines), quoted, compiler.bias
    return Program(*content, offsets=isinstance(layout, Texts))


def _outputs(cells: Sequence[Sequence[Item]], layout: Layout, columns: int) -> list[list[Item]]:
    """Return the items of each output's rows. ``columns`` is how many columns there are in all."""
    if isinstance(layout, Texts):
        return [[*items] for items in cells]
    if isinstance(layout, Columns):
        return [[*items, Lit(layout.end)] for items in cells]
    before, *gaps = layout.gaps(columns)
    row: list[Item] = [Lit(before)]
    for items, gap in zip(cells, gaps, strict=True):
        row += [*items, Lit(gap)]
    return [row]
