"""The results of a benchmark as Markdown."""

from . import runs, stores
from .rows import OTHERS

BEGIN = """# Benchmark

{machine}, Python {python}, {date}. Medians of {rounds}
rounds in which every row ran once, after one round to warm up. `nox -s bench` repeats it.

![throughput by count, by workers and by program](benchmark.svg)
"""

COUNTS = """
The whole command, by records of each of the four vaults{beside}.
These are medians of three rounds, apart from those above, so the speeds differ a little:

"""

BESIDE = """, and the Go program, run in turn on the same cores.
The ratio is the median of each round's own"""

COLUMNS = """
Columns that you define, a value and its token, into a sink that drops them: `4[0-9]{14}{luhn}` with
`{same:6,4}`, and `{name.first_name:lower}.{name.last_name:lower}.[a-z0-9]{6}@{domain}`. DuckDB has
both cores, and writes CSV to `/dev/null`; Mimesis and Faker run in one process. What they make may
repeat.

| column | mockdata | DuckDB | Mimesis | Faker |
|---|---|---|---|---|
"""


def table(results: dict) -> str:
    """Return the results as Markdown."""
    parts = [measured(results), columns(results["medians"]), programs(results), counts(results)]
    return BEGIN.format(**results) + "".join(parts)


def measured(results: dict) -> str:
    """Return the table of mockdata's own rows."""
    m, last = results["medians"], results["last"]
    rows = [
        ("whole command, 4 x 2.5 million records to CSV", f"{m['command to CSV']:.1f} M records/s",
         beside_peer(results)),
        ("two processes that only write ready-made bytes", f"{m['write ceiling']:.1f} M records/s",
         f"the command reaches {m['to the ceiling']:.2f} of that"),
        ("the same records as rows of one table, in one file", f"{m['table to CSV']:.1f} M records/s",
         f"{m['table to CSV / command to CSV']:.2f} of the command's"),
        ("the command without the start of Python and its imports, by the run's report", f"{m['files']:.1f} M records/s",
         f"{m['started, to the ceiling']:.2f} of the ready-made bytes"),
        ("a sink that drops its batches", f"{m['dropping sink']:.1f} M records/s", ""),
        ("`stream`, batches as bytes", f"{m['stream, bytes']:.1f} M records/s", ""),
        ("`stream`, lists of str", f"{m['stream, lists of str']:.1f} M records/s", ""),
        ("`stream`, Arrow arrays, in the layout for it", f"{m['stream, Arrow']:.1f} M records/s",
         f"{m['stream, Arrow / lists of str']:.1f} times the lists"),
        ("`stream`, Arrow arrays out of lines", f"{m['stream, Arrow out of lines']:.1f} M records/s", ""),
        ("`-s stdout` into `cat`", f"{m['stdout into a pipe']:.1f} M records/s", ""),
        ("one worker to two, into files", f"{m['files, one worker']:.1f} M records/s with one",
         f"{m['files, two workers / one']:.2f} times with two"),
        ("one worker to two, a sink that drops its batches", f"{m['dropping sink, one worker']:.1f} M records/s with one",
         f"{m['dropping sink, two workers / one']:.2f} times with two"),
        (f"into an S3 server on loopback (moto), 4 x {stores.EACH:,} records to CSV", f"{m['into S3, MB/s']:.0f} MB/s",
         f"{m['into S3 / obstore']:.2f} of obstore putting the ready-made files"),
        ("4 x 1 million records to Parquet, by the run's report", f"{m['parquet']:.1f} M records/s",
         f"{m['parquet / DuckDB']:.2f} times DuckDB's `COPY` of the same columns from memory, with two threads"),
        ("one worker to two, to Parquet", f"{m['parquet, one worker']:.1f} M records/s with one",
         f"{m['parquet, two workers / one']:.2f} times with two"),
        ("1,000 records, whole command", f"{m['1,000 of 4 vaults']:.2f} s",
         f"{m['1,000 records / import asyncio, anyio']:.2f} times `import asyncio, anyio`"),
        ("1,000 records of each of 30 vaults that a file defines", f"{m['1,000 of 30 vaults']:.2f} s",
         f"{m['1,000 of 30 vaults / 4']:.2f} times the four vaults' time"),
        ("memory of all processes (PSS), 10 and 100 million records", "{:.0f} and {:.0f} MB".format(*results["memory"]), ""),
        ("memory with 30 vaults of a million records, to CSV", f"{m['memory of 30 vaults']:.0f} MB",
         f"{m['memory of 30 vaults / 4']:.2f} times that of 4 vaults of a million"),
        ("the Skyflow sink, 300 records a request", f"{m['Skyflow request']:.0f} us of the parent's CPU a request", ""),
        ("500 million ssn records into a dropping sink", f"{last['seconds']:.1f} s", f"{last['peak_memory'] / 1e6:.0f} MB"),
    ]  # fmt: skip
    lines = [f"| {what} | {figure} | {ratio} |\n" for what, figure, ratio in rows]
    return "".join(["\n| what | measured | ratio |\n|---|---|---|\n", *lines])


def columns(m: dict[str, float]) -> str:
    """Return the table of the columns that others make, too, with how often ours is as fast."""
    text = COLUMNS
    for column in ("card", "email"):
        cells = [
            f"{m[f'{column}, {other}']:.3g} M/s, 1 : {m[f'{column} / {other}']:.0f}"
            for other in OTHERS
        ]
        text += f"| {column} | {m[column]:.1f} M/s | {' | '.join(cells)} |\n"
    return text


def programs(results: dict) -> str:
    """Return the table of other programs."""
    lines = ["\nOther programs, on the same cores:\n\n", "| program | measured |\n|---|---|\n"]
    for name, rate in results["peers"].items():
        unit = "GB/s of CSV" if "GB" in name else "M records/s"
        lines.append(f"| {name.split(',')[0]} | {rate:.3g} {unit} |\n")
    ours = results["medians"]["command to CSV"] * runs.BYTES / 1e7 / 1e3
    return "".join([*lines, f"| mockdata, whole command | {ours:.2f} GB/s of CSV |\n"])


def counts(results: dict) -> str:
    """Return the table of the command by count, beside the Go program if that was run, too."""
    rows = results["counts"]
    has_peer = all("peer_seconds" in row for row in rows)
    heads = ["records a vault", "time", "throughput", "data files", "token files"]
    heads += ["the Go program", "ratio"] if has_peer else []
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        cells = [
            f"{row['each']:,}",
            f"{row['seconds']:.2f} s",
            f"{4 * row['each'] / row['seconds']:,.0f}/s",
        ]
        cells += [f"{row[kind] / 1e6:.2f} MB" for kind in ("data", "tokens")]
        cells += [f"{row['peer_seconds']:.3f} s", f"{row['ratio']:.2g}"] if has_peer else []
        lines.append(cells)
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return COUNTS.format(beside=BESIDE if has_peer else "") + table


def beside_peer(results: dict) -> str:
    """Return how many times as long the Go program takes for ten million records, if it was run."""
    ratios = [
        row["ratio"] for row in results["counts"] if row["each"] == runs.EACH and "ratio" in row
    ]
    return f"{ratios[0]:.0f} times the Go program's" if ratios else ""
