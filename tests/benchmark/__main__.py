"""Run every row in turn, several times, and write what comes of it to ``docs/``."""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from . import runs
from .peers import PEERS
from .picture import draw

ROUNDS = 5
DOCS = Path(__file__).parents[2] / "docs"

PUBLISHED = {1_000: ("<1 s", 10e3), 10_000: ("~1 s", 100e3), 100_000: ("~5 s", 200e3), 1_000_000: ("~20 s", 500e3),
             10_000_000: ("~3 min", 600e3)}  # fmt: skip
"""The table that users of the Go program know: records to its time and records/s."""

HALF_A_BILLION = 500_000_000
LAST = """
import mockdata
report = mockdata.generate_sync({"ssn": %d}, sink=lambda batch: None)
print(report.seconds, report.peak_memory)
"""


def machine() -> str:
    """Name the processor, and how many of it this process may use."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def medians(folder: Path) -> dict[str, float]:
    """Run all rows in turn, once to warm up and then ROUNDS times."""
    seen: dict[str, list[float]] = {name: [] for name in runs.ROWS}
    for round_ in range(ROUNDS + 1):
        for name, run in runs.ROWS.items():
            result = run(folder)
            if round_:
                seen[name].append(result)
        print(f"round {round_} of {ROUNDS}", file=sys.stderr)
    seen["to the ceiling"] = [
        a / b for a, b in zip(seen["command to CSV"], seen["write ceiling"], strict=True)
    ]
    seen["started, to the ceiling"] = [
        a / b for a, b in zip(seen["files"], seen["write ceiling"], strict=True)
    ]
    for what in ("files", "dropping sink"):
        seen[f"{what}, two workers / one"] = [
            a / b for a, b in zip(seen[what], seen[f"{what}, one worker"], strict=True)
        ]
    return {name: statistics.median(values) for name, values in seen.items()}


def by_count(folder: Path) -> list[dict]:
    """Fill the table that users of the Go program know."""
    rows = []
    for records, (go_time, go_rate) in PUBLISHED.items():
        command = [*runs.COMMAND, str(records // 4)]
        taken = statistics.median(runs.seconds(command, folder) for _ in range(3))
        files = list((folder / "data").iterdir())
        sizes = {
            kind: sum(f.stat().st_size for f in files if kind in f.name)
            for kind in ("data", "tokens")
        }
        rows.append({"records": records, "seconds": taken, "rate": records / taken, "go_time": go_time,
                     "go_rate": go_rate} | sizes)  # fmt: skip
    return rows


def table(results: dict) -> str:
    """Return the results as Markdown."""
    m = results["medians"]
    memory = results["memory"]
    rows = [
        ("whole command, 4 x 2.5 million records to CSV", f"{m['command to CSV']:.1f} M records/s",
         f"{m['command to CSV'] / runs.GO:.0f} times the Go program's {runs.GO} M"),
        ("the same against two processes that write ready-made bytes", f"{m['write ceiling']:.1f} M records/s there",
         f"{m['to the ceiling']:.2f} of it"),
        ("the same without the start of Python and its imports, by the run's report", f"{m['files']:.1f} M records/s",
         f"{m['started, to the ceiling']:.2f} of it"),
        ("a sink that drops its batches", f"{m['dropping sink']:.1f} M records/s", ""),
        ("`stream`, batches as bytes", f"{m['stream, bytes']:.1f} M records/s", ""),
        ("`stream`, lists of str", f"{m['stream, lists of str']:.1f} M records/s", ""),
        ("`-s stdout` into `cat`", f"{m['stdout into a pipe']:.1f} M records/s", ""),
        ("one worker to two, into files", f"{m['files, one worker']:.1f} M records/s with one",
         f"{m['files, two workers / one']:.2f} times with two"),
        ("one worker to two, a sink that drops its batches", f"{m['dropping sink, one worker']:.1f} M records/s with one",
         f"{m['dropping sink, two workers / one']:.2f} times with two"),
        ("1,000 records, whole command", "", f"{m['1,000 records / import numpy']:.2f} times `import numpy`"),
        ("memory of all processes (PSS), 10 and 100 million records", f"{memory[0]:.0f} and {memory[1]:.0f} MB", ""),
        ("500 million ssn records into a dropping sink", f"{results['last']['seconds']:.1f} s",
         f"{results['last']['peak_memory'] / 1e6:.0f} MB"),
    ]  # fmt: skip
    lines = ["# Benchmark", "", f"{results['machine']}, Python {results['python']}, {results['date']}. Medians of {ROUNDS}",
             "rounds in which every row ran once, after one round to warm up. `nox -s bench` repeats it.", "",
             "![throughput by count, by workers and by program](benchmark.svg)", "",
             "| what | measured | ratio |", "|---|---|---|"]  # fmt: skip
    lines += [f"| {what} | {measured} | {ratio} |" for what, measured, ratio in rows]
    lines += ["", "Other programs, on the same cores:", "", "| program | measured |", "|---|---|"]
    for name, rate in results["peers"].items():
        unit = "GB/s of CSV" if "GB" in name else "M records/s"
        lines.append(f"| {name.split(',')[0]} | {rate:.3g} {unit} |")
    lines.append(
        f"| mockdata, whole command | {m['command to CSV'] * runs.BYTES / 1e7 / 1e3:.2f} GB/s of CSV |"
    )
    lines += ["", "The table that users of the Go program know; its own figures are as published, from a faster",
              "machine with more cores:", "",
              "| records | time | throughput | data files | token files | the Go program |", "|---|---|---|---|---|---|"]  # fmt: skip
    for row in results["counts"]:
        lines.append(
            f"| {row['records']:,} | {row['seconds']:.2f} s | {row['rate']:,.0f}/s | {row['data'] / 1e6:.2f} MB "
            f"| {row['tokens'] / 1e6:.2f} MB | {row['go_time']}, {row['go_rate']:,.0f}/s |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure everything, print the table, and write it, the figures and the picture to docs."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name) / "run"
        results = {
            "machine": machine(),
            "python": platform.python_version(),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "go": runs.GO,
            "medians": medians(folder),
            "peers": {
                name: statistics.median(run(folder) for _ in range(3))
                for name, run in PEERS.items()
            },
            "counts": by_count(folder),
            "memory": [runs.peak_pss(folder, each) for each in (runs.EACH, 10 * runs.EACH)],
        }
    last = subprocess.run(
        [sys.executable, "-c", LAST % HALF_A_BILLION], capture_output=True, check=True, text=True
    )
    taken, peak = map(float, last.stdout.split())
    results["last"] = {"records": HALF_A_BILLION, "seconds": taken, "peak_memory": peak}
    (DOCS / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    (DOCS / "benchmark.md").write_text(table(results))
    draw(results, DOCS / "benchmark.svg")
    print(table(results))


if __name__ == "__main__":
    main()
