"""The benchmark's picture: throughput by count, by workers and by program."""

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "mockdata", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402

OURS, THEIRS = "#1f6feb", "#9aa4b2"


def draw(results: dict, target: Path) -> None:
    """Write the picture of a benchmark's results, as SVG."""
    figure, (by_count, by_workers, by_program) = plt.subplots(1, 3, figsize=(11, 3.2))
    counts = results["counts"]
    records = [4 * row["each"] for row in counts]
    ours = [4 * row["each"] / row["seconds"] for row in counts]
    by_count.loglog(records, ours, "o-", color=OURS, label="mockdata")
    has_peer = all("peer_seconds" in row for row in counts)
    if has_peer:
        theirs = [4 * row["each"] / row["peer_seconds"] for row in counts]
        by_count.loglog(records, theirs, "s--", color=THEIRS, label="the Go program")
    by_count.legend(frameon=False, loc="upper left")
    by_count.set(title="whole command, by count", xlabel="records", ylabel="records/s")

    medians = results["medians"]
    workers = [medians["files, one worker"], medians["files"]]
    by_workers.bar(["1", "2"], workers, color=OURS, width=0.5)
    by_workers.set(title="into files, by workers", xlabel="workers", ylabel="million records/s")

    rates = {"mockdata": medians["command to CSV"]}
    if has_peer:
        rates["the Go program"] = max(theirs) / 1e6
    rates |= {name: rate for name, rate in results["peers"].items() if "GB" not in name}
    names = sorted(rates, key=rates.__getitem__)
    colours = [OURS if name == "mockdata" else THEIRS for name in names]
    by_program.barh(names, [rates[name] for name in names], color=colours)
    by_program.set(title="by program", xlabel="million records/s", xscale="log")
    for axes in (by_count, by_workers, by_program):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
