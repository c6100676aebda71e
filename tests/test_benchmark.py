"""The benchmark's other program: it is run as it is, counted, and left out where it is not given."""

import os
import stat
import sys

import pytest

from .benchmark import report
from .benchmark.counts import by_count

PEER = """#!{python}
import os, sys
os.makedirs("../data", exist_ok=True)
for vault in ("name", "id", "dob", "ssn"):
    for kind in {kinds}:
        with open(f"../data/{{vault}}_{{kind}}.csv", "w") as file:
            file.write("x\\n" * (1 + int(sys.argv[1])))
with open({calls!r}, "a") as file:
    file.write(sys.argv[1] + "\\n")
"""


def peer_of(tmp_path, *kinds):
    path, calls = tmp_path / "peer", tmp_path / "calls"
    path.write_text(PEER.format(python=sys.executable, kinds=kinds, calls=str(calls)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path), calls


def test_a_peer_is_run_beside_the_command_for_each_count_and_round(tmp_path):
    peer, calls = peer_of(tmp_path, "data", "tokens")
    rows = by_count(tmp_path / "run", peer, counts=(10, 20), rounds=2)
    assert calls.read_text().split() == ["10", "10", "20", "20"]
    assert [row["each"] for row in rows] == [10, 20]
    for row in rows:
        assert row["ratio"] > 0
        assert row["peer_seconds"] > 0
    assert rows[1]["data"] > 4 * 20 * 20  # the command's own files
    assert not os.path.exists(tmp_path / "run")
    table = report.counts({"counts": rows})
    assert "| the Go program | ratio |" in table
    assert f"| {rows[0]['peer_seconds']:.3f} s |" in table


def test_without_a_peer_nothing_is_said_of_one(tmp_path):
    rows = by_count(tmp_path / "run", counts=(10,), rounds=1)
    assert rows[0].keys() == {"each", "seconds", "data", "tokens"}
    assert "Go" not in report.counts({"counts": rows})
    assert report.beside_peer({"counts": rows}) == ""


def test_a_peer_that_does_not_write_the_files_is_an_error(tmp_path):
    peer, _ = peer_of(tmp_path, "data")
    with pytest.raises(ValueError, match=r"peer 10 has written no data and token files"):
        by_count(tmp_path / "run", peer, counts=(10,), rounds=1)
