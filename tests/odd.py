"""Vaults and tables whose texts hold what CSV quotes and JSON escapes, and characters of any width."""

import mockdata
from mockdata.testing import ListSink

from .conftest import RUN

MARKS = "(\"|,|\\\\|ü|漢|😀|'|;|a ){2}"

ODD = mockdata.Vault("odd", value=f"[A-Z]{{3}}{MARKS}{{suffix}}", token=f"{MARKS}-{{uuid}}")
"""Marks of one to four bytes in values and tokens, of which CSV has to quote some."""

QUOTED = mockdata.Vault(
    "quoted",
    value="{city}{suffix}",
    data_column='the "city", in full',
    lists={"city": {'"': 5, 'Zwei"Brücken, ': 3, "\\": 1, "東京": 1}},
)
"""A weighted list, in a column whose own name has to be quoted."""

PEOPLE = mockdata.Table(
    "people",
    {
        "number": {"pattern": "{index:1}", "type": "int64"},
        "odd_value": "{odd.value}",
        "odd_token": "{odd.token}",
        "born": {"pattern": "{date:1940-01-01..2010-12-31}", "type": "date"},
    },
)

PEOPLE_TWICE = mockdata.Table("twice", {"name": "{name.value}"})


async def kept(counts, **options):
    """Return a list sink that has the records of a run."""
    sink = ListSink()
    await mockdata.generate(counts, sink=sink, **{**RUN, **options})
    return sink
