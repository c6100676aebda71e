"""What others do: million records/s, or bytes/s, of programs that make data like ours."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from .runs import MILLION, seconds

DUCKDB = """
import duckdb
duckdb.execute("SET threads = 2; SET enable_progress_bar = false")
duckdb.execute('''
    COPY (SELECT printf('%03d-%02d-%04d-1700000000_%s', 1 + (random() * 898)::INT, 1 + (random() * 98)::INT,
                        1 + (random() * 9998)::INT, substr(md5(random()::VARCHAR), 1, 16)) AS ssn,
                 'tok_ssn_1700000000_' || substr(md5(random()::VARCHAR), 1, 16) AS ssn_token
          FROM range({records})) TO 'ssn.csv' (HEADER)
''')
"""


def duckdb(folder: Path) -> float:
    """Return million records/s of DuckDB writing values and tokens of the ssn vault to CSV."""
    records = 2 * MILLION
    return (
        records / seconds([sys.executable, "-c", DUCKDB.format(records=records)], folder) / MILLION
    )


def faker(_: Path) -> float:
    """Return million records/s of Faker making a name, a date and a number, in one process."""
    from faker import Faker

    fake = Faker("en_US")
    return _timed(lambda: (fake.name(), fake.date_of_birth(), fake.ssn()), 5_000)


def mimesis(_: Path) -> float:
    """Return million records/s of Mimesis making a name, a date and a number, in one process."""
    from mimesis import Locale, Person

    person = Person(Locale.EN)
    number = {"mask": "###-##-####"}
    return _timed(
        lambda: (person.full_name(), person.birthdate(), person.identifier(**number)), 50_000
    )


def tpchgen(folder: Path) -> float:
    """Return GB/s of tpchgen-cli, written in Rust, writing CSV on the same cores."""
    command = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or "tpchgen-cli"
    taken = seconds(
        [command, "csv", "-s", "1", "--output-dir", "."],
        folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return sum(file.stat().st_size for file in folder.rglob("*.csv")) / taken / 1e9


def _timed(make, times: int) -> float:
    make()
    began = time.perf_counter()
    for _ in range(times):
        make()
    return 3 * times / (time.perf_counter() - began) / MILLION


PEERS = {"DuckDB": duckdb, "Faker": faker, "Mimesis": mimesis, "tpchgen-cli, GB/s": tpchgen}
