"""Run every row in turn, several times, and write what comes of it to ``docs/``.

``python -m tests.benchmark WORD...`` runs the rows whose names have one of the words, and only
prints what comes of them; ``--rounds`` says how often. ``--peer PATH`` runs the Go program that
mockdata replaces beside it: without it, nothing is said of that program.
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
from .counts import by_count
from .peers import PEERS
from .picture import draw
from .report import table
from .rows import ROWS, medians

DOCS = Path(__file__).parents[2] / "docs"

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


def last() -> dict[str, float]:
    """Run half a billion records."""
    command = [sys.executable, "-c", LAST % HALF_A_BILLION]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    taken, peak = map(float, printed.split())
    return {"records": HALF_A_BILLION, "seconds": taken, "peak_memory": peak}


def everything(folder: Path, rounds: int, peer: str | None) -> dict:
    """Return the results of all that is measured."""
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": rounds,
        "medians": medians(folder, rounds),
        "peers": {
            name: statistics.median(run(folder) for _ in range(3)) for name, run in PEERS.items()
        },
        "counts": by_count(folder, peer),
        "memory": [runs.peak_pss(folder, str(each)) for each in (runs.EACH, 10 * runs.EACH)],
        "last": last(),
    }


def main() -> None:
    """Measure some rows and print them, or everything, and write the table and the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark")
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--peer", metavar="PATH", help="the Go program, built: it is run beside ours"
    )
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
        results = everything(folder, given.rounds, given.peer)
    (DOCS / "benchmark.json").write_text(json.dumps(results, indent=2) + "\n")
    (DOCS / "benchmark.md").write_text(table(results))
    draw(results, DOCS / "benchmark.svg")
    print(table(results))


if __name__ == "__main__":
    main()
