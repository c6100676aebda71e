"""The whole command by count, and beside it the program that mockdata replaces, if its path is given.

That program takes a count of each vault and writes eight CSV files to ``data`` or, in its later
versions, to ``../data``. Both are run in turn, each time into a new folder, so a ratio is of two
runs that the machine was alike for.
"""

import shutil
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import runs

COUNTS = (1_000, 10_000, 100_000, 1_000_000, 2_500_000, 10_000_000)
"""Records of each of the four vaults."""

ROUNDS = 3


def by_count(
    folder: Path, peer: str | None = None, counts: Sequence[int] = COUNTS, rounds: int = ROUNDS
) -> list[dict]:
    """Return for each count the seconds and sizes of the command, and the seconds of the peer.

    ``ratio`` is the median of the rounds' ratios: how many times as long the peer takes.
    """
    rows = []
    for each in counts:
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(runs.seconds([*runs.COMMAND, str(each)], folder))
            sizes = sizes_of(folder / "data")
            if peer is not None:
                theirs.append(of_peer(peer, each, folder))
        row = {"each": each, "seconds": statistics.median(ours)} | sizes
        if theirs:
            row["peer_seconds"] = statistics.median(theirs)
            row["ratio"] = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        rows.append(row)
    shutil.rmtree(folder)
    return rows


def of_peer(peer: str, each: int, folder: Path) -> float:
    """Return the seconds of the other program. Raises ValueError if it has not made the files."""
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "generator"
    taken = runs.seconds(
        [str(Path(peer).resolve()), str(each)],
        place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = [sizes_of(place / "data"), sizes_of(folder / "data")]
    if not any(all(sizes.values()) for sizes in made):
        raise ValueError(f"--peer: {peer} {each} has written no data and token files")
    return taken


def sizes_of(data: Path) -> dict[str, int]:
    """Return the bytes of the data files and of the token files."""
    return {
        kind: sum(file.stat().st_size for file in data.glob(f"*_{kind}.csv"))
        for kind in ("data", "tokens")
    }
