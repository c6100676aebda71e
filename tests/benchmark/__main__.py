"""Run every row in turn, several times, and write what comes of it to ``docs/``.

``python -m tests.benchmark WORD...`` runs the rows whose names have one of the words, and only
prints what comes of them; ``--rounds`` says how often.
"""

import argparse
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
from .report import table
from .rows import ROWS, medians

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


def last() -> dict[str, float]:
    """Run half a billion records."""
    command = [sys.executable, "-c", LAST % HALF_A_BILLION]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    taken, peak = map(float, printed.split())
    return {"records": HALF_A_BILLION, "seconds": taken, "peak_memory": peak}


def everything(folder: Path, rounds: int) -> dict:
    """Return the results of all that is measured."""
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": rounds,
        "go": runs.GO,
        "medians": medians(folder, rounds),
        "peers": {
            name: statistics.median(run(folder) for _ in range(3)) for name, run in PEERS.items()
        },
        "counts": by_count(folder),
        "memory": [runs.peak_pss(folder, str(each)) for each in (runs.EACH, 10 * runs.EACH)],
        "last": last(),
    }


def main() -> None:
    """Measure some rows and print them, or everything, and write the table and the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark")
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)  # else every start compiles the sources again
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name) / "run"
        if given.words:
            names = [row for row in ROWS if any(word in row for word in given.words)]
            for row, median in medians(folder, given.rounds, names).items():
                print(f"{row}: {median:.4g}")
            return
        results = everything(folder, given.rounds)
    (DOCS / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    (DOCS / "benchmark.md").write_text(table(results))
    draw(results, DOCS / "benchmark.svg")
    print(table(results))


if __name__ == "__main__":
    main()
