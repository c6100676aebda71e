"""The example of an installable sink, installed, against a PostgreSQL server of the tests' own."""

import asyncio
import contextlib
import importlib
import itertools
import os
import pty
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

import mockdata
from mockdata.testing import ListSink, check_sink

from .odd import ODD, PEOPLE, QUOTED

EXAMPLE = Path(__file__).parents[1] / "examples" / "mockdata-postgres"
RUN = {"seed": 1, "timestamp": 1_700_000_000}
SAME = ["--seed", "1", "--timestamp", "1700000000"]
VAULTS = ["name", "id", "dob", "ssn"]


def server_programs():
    """Return the folder with PostgreSQL's server programs, the newest one's, or None."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest_last = sorted(found, key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    candidates = [*newest_last, *([Path(on_path).resolve()] if on_path else [])]
    return candidates[-1].parent if candidates else None


PROGRAMS = server_programs()
pytestmark = pytest.mark.skipif(
    PROGRAMS is None, reason="no PostgreSQL server is installed: apt install postgresql"
)


@pytest.fixture(scope="module")
def server():
    """Start a server in a folder of its own, on a socket there; return how it is addressed."""
    folder = tempfile.mkdtemp(prefix="mockdata-")
    account = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        known = {entry.pw_name for entry in pwd.getpwall()}
        user = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
        account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)

    def program(name, *words):
        command = [PROGRAMS / name, "-D", f"{folder}/data", *words]
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            **account,
        )

    settings = f"-k {folder} -c listen_addresses= -c fsync=off"
    try:
        program("initdb", "-U", "mockdata", "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8")
        program("pg_ctl", "start", "-w", "-l", f"{folder}/log", "-o", settings)
        try:
            yield lambda database: f"postgresql://mockdata@/{database}?host={folder}"
        finally:
            program("pg_ctl", "stop", "-w", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


NUMBERS = itertools.count()


@pytest.fixture
def database(server):
    """Make an empty database; return its address."""
    name = f"test{next(NUMBERS)}"
    queried(server("postgres"), f"CREATE DATABASE {name}")
    return server(name)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the example as a user would, into a folder of its own; return the folder."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, EXAMPLE], check=True)
    return folder


@pytest.fixture
def environment(site):
    return os.environ | {"PYTHONPATH": str(site), "TERM": "xterm-256color", "COLUMNS": "120"}


@pytest.fixture
def command(mockdata_command, environment):
    """Return a function that runs the real command where the example is installed."""
    return lambda *words: mockdata_command(*words, env=environment)


async def query(address, *statements):
    """Return the rows that the last statement gives."""
    connection = await asyncpg.connect(address)
    try:
        return [tuple(row) for row in [await connection.fetch(text) for text in statements][-1]]
    finally:
        await connection.close()


def queried(address, *statements):
    return asyncio.run(query(address, *statements))


def tables(address):
    return [
        name for (name,) in queried(address, "SELECT relname FROM pg_stat_user_tables ORDER BY 1")
    ]


def test_it_is_listed(command):
    lines = command("--list-sinks").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("postgres ")]
    assert line.split(maxsplit=2)[1:] == [
        "mockdata-postgres",
        "Copies records into PostgreSQL, one table per vault: the whole run or nothing.",
    ]


def test_every_record_is_there_once_and_in_order(command, database):
    done = command("20k", "-q", *SAME, "-s", f"postgres:{database}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expected = ListSink()
    mockdata.generate_sync(20_000, sink=expected, **RUN)
    for vault in VAULTS:
        rows = queried(database, f'SELECT * FROM "{vault}" ORDER BY ctid')
        assert rows == expected.records(vault)
        value = "full_name" if vault == "name" else vault
        distinct = f'SELECT count(DISTINCT {value}), count(DISTINCT {value}_token) FROM "{vault}"'
        assert queried(database, distinct) == [(20_000, 20_000)]


async def test_any_vault_and_table_is_there_character_by_character(site, database, monkeypatch):
    monkeypatch.syspath_prepend(site)
    sink = importlib.import_module("mockdata_postgres").PostgresSink(database)
    counts, expected = {ODD: 10_001, QUOTED: 100, PEOPLE: 50}, ListSink()
    for each in (sink, expected):
        await mockdata.generate(counts, sink=each, **RUN)
    for vault in ("odd", "quoted", "people"):
        rows = await query(database, f'SELECT * FROM "{vault}" ORDER BY ctid')
        assert rows == expected.records(vault)
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'quoted'::regclass AND attnum > 0"
    found = await query(database, columns)
    assert found == [('the "city", in full',), ('the "city", in full_token',)]


def test_a_run_adds_to_what_is_there(command, database):
    for records in (3, 10_001):
        assert command(f"id={records}", "-q", "-s", f"postgres:{database}").returncode == 0
    assert queried(database, 'SELECT count(*) FROM "id"') == [(10_004,)]
    assert tables(database) == ["id"]


def test_the_environment_may_have_the_address(mockdata_command, environment, database):
    rest, host = database.split("?host=")
    variables = {"PGHOST": host, "PGUSER": "mockdata", "PGDATABASE": rest.rpartition("/")[2]}
    done = mockdata_command("dob=5", "-q", "-s", "postgres", env=environment | variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert queried(database, 'SELECT count(*) FROM "dob"') == [(5,)]


async def test_runs_that_make_the_tables_at_once_take_turns(site, database, monkeypatch):
    monkeypatch.syspath_prepend(site)
    sink = importlib.import_module("mockdata_postgres").PostgresSink(database)
    await asyncio.gather(*(mockdata.generate(100, sink=sink) for _ in range(4)))
    for vault in VAULTS:
        assert await query(database, f'SELECT count(*) FROM "{vault}"') == [(400,)]


def test_an_error_leaves_every_table_as_it_was(command, database):
    sink = ["-q", *SAME, "-s", f"postgres:{database}"]
    assert command("5", *sink).returncode == 0
    expected = ListSink()
    mockdata.generate_sync({"ssn": 20_000}, sink=expected, **RUN)
    refused = expected.records("ssn")[15_000].value
    refuse = (
        "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the table is full'; END $$"
    )
    when = (
        "CREATE TRIGGER full_up BEFORE INSERT ON ssn FOR EACH ROW "
        f"WHEN (new.ssn = '{refused}') EXECUTE FUNCTION full_up()"
    )
    queried(database, refuse, when)
    done = command("20k", *sink)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the table is full" in done.stderr
    assert "at ssn records 10000 to 19999" in done.stderr
    for vault in VAULTS:
        assert queried(database, f'SELECT count(*) FROM "{vault}"') == [(5,)]


def test_a_server_that_is_not_there_is_one_line(command, tmp_path):
    done = command("5", "-q", "-s", f"postgres:postgresql:///none?host={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "mockdata: " in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_row_and_no_table(tmp_path, environment, database, number):
    queried(database, "CREATE TABLE name (full_name text, full_name_token text)")
    main, side = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "mockdata", "name=1", "ssn=100M", "-s", f"postgres:{database}"],
        cwd=tmp_path,
        env=environment | {"CI": ""},
        stdin=subprocess.DEVNULL,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b""
    while b"0,000" not in shown:  # some batches of ssn have been copied
        shown += os.read(main, 65536)
    run.send_signal(number)
    with contextlib.suppress(OSError):  # the other side is closed
        while os.read(main, 65536):
            pass
    os.close(main)
    assert run.wait(20) == 128 + number
    assert tables(database) == ["name"]
    assert queried(database, "SELECT count(*) FROM name") == [(0,)]


async def test_it_passes_the_checks_for_sinks(server, site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    example = importlib.import_module("mockdata_postgres")
    addresses = []
    for _ in range(7):  # one for each sink
        name = f"test{next(NUMBERS)}"
        await query(server("postgres"), f"CREATE DATABASE {name}")
        addresses.append(server(name))
    used = iter(addresses)
    runs = []

    def make():
        runs.append(next(used))
        return example.PostgresSink(runs[-1])

    async def read(sink, vault):
        there = await query(runs[-1], f"SELECT to_regclass('public.{vault}') IS NOT NULL")
        if there == [(False,)]:
            return []
        return await query(runs[-1], f'SELECT * FROM "{vault}" ORDER BY ctid')

    await check_sink(make, read, any_text=True)
    assert runs == addresses
