"""What ``--list-vaults`` prints: columns, an example, and how many records there can be."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from mockdata.errors import PlanError, one_line, plural
from mockdata.pipeline.plan import MAX_COUNT
from mockdata.render.example import example
from mockdata.vaults.catalogue import Listed, listed
from mockdata.vaults.file import Definitions
from mockdata.vaults.resolve import Resolved, Resolver, check_count
from mockdata.vaults.vault import Table, Vault

__all__ = ["list_vaults"]

WIDTH: Final = 80
"""Columns where there is no terminal."""

MOST: Final = 100
"""Columns on a wide terminal, at most: longer lines are hard to read."""

INDENT: Final = "    {:<9}"
"""The indentation of a vault's lines."""

Lines = Iterator[tuple[str, str]]
"""A label and its text; the label is empty in a line that continues another."""


def list_vaults(defined: Definitions) -> str:
    """Return a paragraph for each vault and table; on a terminal, it fits the width."""
    known = defined.known
    tables = [found for found in known.values() if isinstance(found, Table)]
    vaults = listed(known, lambda resolved: "\n".join(example(resolved)))
    page = _Page()
    paragraphs = [page.paragraph(found.name, _vault(found, known[found.name])) for found in vaults]
    resolver = Resolver(known)
    paragraphs += [
        page.paragraph(f"{found.name} (table)", _table(found, resolver)) for found in tables
    ]
    return "\n".join(paragraphs)


def _vault(found: Listed, definition: Vault | Table) -> Lines:
    yield "columns", f"{found.data_column}, {found.token_column}"
    if found.problem:
        yield "problem", found.problem
    else:
        yield from zip(("example", ""), found.example.split("\n"), strict=True)
        yield "values", _values(found, definition)
    if definition.source:
        yield "file", one_line(definition.source)
    elif found.source:
        yield "source", found.source


def _table(table: Table, resolver: Resolver) -> Lines:
    yield "columns", ", ".join(column.name for column in table.columns)
    try:
        found = resolver.resolve(table)
    except PlanError as error:
        yield "problem", error.problem
    else:
        yield "example", ", ".join(example(found))
        yield "rows", _rows(found)
    yield "file", one_line(table.source)


def _rows(found: Resolved) -> str:
    """Say how many rows there can be: as many as the vaults that the columns refer to have."""

    def are_too_many(rows: int) -> bool:
        try:
            check_count(found, rows)
        except PlanError:
            return True
        return False

    most = bisect_left(range(1, MAX_COUNT + 1), 1, key=are_too_many)
    return f"up to {most:,}" if most < MAX_COUNT else "any number"


def _values(found: Listed, definition: Vault | Table) -> str:
    """Say how many values there can be; a run has 2**40 records of a vault, at most."""
    if isinstance(definition, Vault) and definition.distinct is not None:
        return f"{definition.distinct:,}, each with its one token, again and again"
    if isinstance(definition, Vault) and definition.repeats:
        return "any number; one may come again"
    values, tokens = (min(n or MAX_COUNT, MAX_COUNT) for n in (found.capacity, found.tokens))
    fewer = f"; up to {tokens:,} {plural(tokens, 'token')}" if tokens < values else ""
    return f"up to {values:,}, none twice{fewer}"


class _Page:
    """Where the list is printed: a terminal of some width, or a file, which keeps long texts."""

    def __init__(self) -> None:
        self._screen = sys.stdout is not None and sys.stdout.isatty()
        width = shutil.get_terminal_size((WIDTH, 24)).columns if self._screen else WIDTH
        self._width = min(max(width, 40), MOST)
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb"
        self._title = "\x1b[1m{}\x1b[0m" if self._screen and not plain else "{}"

    def paragraph(self, title: str, lines: Lines) -> str:
        """Return a title and the lines below it."""
        text = [self._title.format(title)]
        for label, words in lines:
            indent = INDENT.format(label)
            if label == "file":
                text.append(indent + words)
            elif label in ("example", ""):  # spaces may matter
                text.append(self._cut(indent + words))
            else:
                text += textwrap.wrap(
                    words,
                    self._width,
                    initial_indent=indent,
                    subsequent_indent=INDENT.format(""),
                    break_long_words=self._screen,
                    break_on_hyphens=False,
                )
        return "\n".join([*text, ""])

    def _cut(self, line: str) -> str:
        too_long = self._screen and len(line) > self._width
        return f"{line[: self._width - 1]}…" if too_long else line
