"""The Skyflow sink as the tests use it, and how what it has done is read."""

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager

import pytest

import mockdata
from mockdata.sinks.skyflow import SkyflowSink
from mockdata.testing import ListSink

FIXED = {"seed": 7, "timestamp": 1_700_000_000}
TOKEN = "sesame-open-4711"
IDS = {"name": "v-name", "id": "v-id", "dob": "v-dob", "ssn": "v-ssn"}


def sink(url, vaults=IDS, **options):
    return SkyflowSink(url, vaults, **{"token": TOKEN, "backoff": 0.01, "grace": 0.5} | options)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SKYFLOW_BEARER_TOKEN", raising=False)


def configuration(folder, url, vaults=IDS, **changes):
    """Write a settings file as the loader has it."""
    content = {
        "skyflow": {
            "vault_url": url,
            "bearer_token": "",
            "vaults": [
                {"name": name.upper(), "id": number, "column": name}
                for name, number in vaults.items()
            ],
        },
        "csv": {"data_directory": "data"},
        "performance": {
            "batch_size": 300,
            "max_concurrency": 32,
            "max_records": 100,
            "append_suffix": True,
            "base_delay_ms": 0,
        },
    }
    for place, value in changes.items():
        section, _, key = place.partition("__")
        content[section][key] = value
    (folder / "config.json").write_text(json.dumps(content))


def logged(folder):
    """Return the records of all error logs, by vault, each log checked against the format.

    A vault's are pairs; a table's are as a request has them.
    """
    found = {}
    for file in folder.glob("error_log_*.json"):
        log = json.loads(file.read_text())
        assert re.fullmatch(rf"error_log_{log['vault_name']}_\d{{8}}_\d{{6}}\.json", file.name)
        assert set(log) == {
            "vault_name", "vault_id", "column", "timestamp", "total_errors", "failed_records", "errors",
        }  # fmt: skip
        for error in log["errors"]:
            assert set(error) == {"batch_number", "records", "error", "status_code", "timestamp"}
        found_here = [record for error in log["errors"] for record in error["records"]]
        of_table = any("fields" in record for record in found_here)
        assert of_table or all(set(record) == {"Value", "Token"} for record in found_here)
        assert not of_table or all(set(record) <= {"fields", "tokens"} for record in found_here)
        records = found_here if of_table else [(r["Value"], r["Token"]) for r in found_here]
        assert log["total_errors"] == len(log["errors"])
        assert log["failed_records"] == len(records)
        found.setdefault(log["column"], []).extend(records)
    assert not list(folder.glob(".error_log*"))
    return found


def entries(folder):
    """Return the errors of the only error log."""
    (log,) = folder.glob("error_log_*")
    return json.loads(log.read_text())["errors"]


def asked_of(vault, folder, *options, **changes):
    """Start an emulator, write the settings for it, and return it."""
    emulator = vault(*options, token=TOKEN)
    configuration(folder, emulator.url, **changes)
    return emulator


async def command(*arguments, env):
    """Run the command beside a server of the test's own."""
    words = [sys.executable, "-m", "mockdata", *arguments]
    run = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE, env=env)
    _, errors = await asyncio.wait_for(run.communicate(), 60)
    return run.returncode, errors.decode()


async def values_of(count, start=0):
    """Return the values of the ssn vault's records, in the order of their indices."""
    made = ListSink()
    await mockdata.generate({"ssn": count}, sink=made, start=start, **FIXED)
    return [record.value for record in made.records("ssn")]


async def places_of(count, size):
    """Return what says a request's place by its records: requests arrive in any order.

    All those behind the first ``count`` records have one place, the last.
    """
    places = {value: k // size for k, value in enumerate(await values_of(count))}
    return lambda request: places.get(
        request.json["records"][0]["fields"]["ssn"], -(-count // size)
    )


def with_token():
    """Return the environment with the token."""
    return os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN}


class Watched:
    """A sink that shows the account of its last run, however that has ended."""

    def __init__(self, *arguments, **options):
        self._sink = sink(*arguments, **options)

    @asynccontextmanager
    async def open(self, run):
        async with self._sink.open(run) as session:
            self.delivery = session.delivery
            yield session
