"""The Skyflow sink in the command: its account, its endings, and what is missing."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mockdata.command.plugins import list_sinks

from .scripted import serving
from .skyflow import (
    TOKEN,
    asked_of,
    configuration,
    in_a_folder_of_its_own,  # noqa: F401
    logged,
    places_of,
    with_token,
)
from .terminal import on_terminal

SAME = ["--seed", "7", "--timestamp", "1700000000"]
MISSING = "skyflow needs pyreqwest; run pip install 'pyreqwest>=0.15', or mockdata[skyflow]"


def test_the_command_loads_a_vault(vault, tmp_path, mockdata_command):
    emulator = asked_of(vault, tmp_path)
    done = mockdata_command("3k", "-s", "skyflow:config.json", env=with_token())
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert re.search(
        r"^sent 12,000 \(.* k/s\), failed 0, in flight 0, median [\d.]+ ms, p95",
        done.stderr,
        re.MULTILINE,
    )
    report = mockdata_command("ssn=1000", "-s", "skyflow", "--json", env=with_token())
    assert (report.returncode, report.stderr) == (0, "")
    assert json.loads(report.stdout)["delivery"]["sent"] == 1000
    assert {name: table["values"] for name, table in emulator.stats()["tables"].items()} == {
        "name": 3000, "id": 3000, "dob": 3000, "ssn": 4000,
    }  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_the_command_says_what_has_failed(vault, tmp_path, mockdata_command):
    emulator = asked_of(vault, tmp_path, "--refuse", 0.1)
    done = mockdata_command("ssn=1000", "-q", "-s", "skyflow:config.json", env=with_token())
    failed = logged(tmp_path)["ssn"]
    (log,) = tmp_path.glob("error_log_SSN_*")
    assert (done.returncode, done.stdout) == (1, "")
    sent = 1000 - len(failed)
    account = f"{sent} records sent, {len(failed)} failed, 0 not sent"
    assert done.stderr.startswith(f"mockdata: {account}; see {log.name}; to repeat: ")
    assert done.stderr.count("\n") == 1
    assert emulator.stats()["tables"]["ssn"]["records"] == sent


def test_the_command_loads_a_table_of_a_file(vault, tmp_path, mockdata_command):
    emulator = vault("--refuse", 0.1, token=TOKEN)
    configuration(tmp_path, emulator.url, {"people": "v", "ssn": "w"})
    (tmp_path / "people.toml").write_text(
        '[tables.people]\nssn_token = "{ssn.token}"\nssn = "{ssn.value}"\nborn = "{dob.date}"\n'
    )
    words = ["people=1000", "--vaults", "people.toml", "-s", "skyflow:config.json", "--json", *SAME]
    done = mockdata_command(*words, env=with_token())
    delivery, failed = json.loads(done.stdout)["delivery"], logged(tmp_path)["people"]
    assert (done.returncode, delivery["sent"]) == (1, 1000 - len(failed))
    assert {(*record["fields"], *record["tokens"]) for record in failed} == {("ssn", "born", "ssn")}
    assert emulator.stats()["tables"]["people"]["tokens"] == delivery["sent"]


def test_a_vault_without_an_id_is_wrong_use(vault, tmp_path, mockdata_command):
    emulator = vault()
    configuration(tmp_path, emulator.url, {"ssn": "v", "dob": "v"})
    done = mockdata_command("5", "-s", "skyflow:config.json", env=with_token())
    assert done.returncode == 2
    assert (
        done.stderr
        == "mockdata: vaults: 'name' has no vault id; use ssn=COUNT dob=COUNT (see --help)\n"
    )
    assert emulator.stats()["tables"] == {}


def test_a_refused_token_is_one_line(vault, tmp_path, mockdata_command):
    asked_of(vault, tmp_path)
    wrong = os.environ | {"SKYFLOW_BEARER_TOKEN": "wrong-token"}
    done = mockdata_command("1000", "-s", "skyflow:config.json", env=wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    for text in (
        "refuses the bearer token: 401 Invalid",
        "0 records sent, 0 failed, 4,000 not sent",
    ):
        assert text in done.stderr
    assert "wrong-token" not in done.stderr


@pytest.mark.parametrize(
    ("number", "count"), [(signal.SIGINT, "ssn=5k"), (signal.SIGTERM, "ssn=5M")]
)
async def test_a_signal_stops_the_command_and_every_record_is_accounted_for(
    tmp_path, number, count
):
    answered, reached, never = [], asyncio.Event(), asyncio.Event()
    place_of = await places_of(1500, 300)

    async def answer(request, number):
        if place_of(request) == 5:
            await never.wait()
        answered.append(request.records)
        if len(answered) == 5:
            reached.set()
        return 200

    async with serving(answer) as server:
        configuration(tmp_path, server.url, {"ssn": "v"})
        command = [sys.executable, "-m", "mockdata", count, *SAME, "-s", "skyflow:config.json"]
        run = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env=with_token()
        )
        await reached.wait()
        run.send_signal(number)
        _, errors = await asyncio.wait_for(run.communicate(), 20)
    assert run.returncode == 128 + number
    stopping, line = errors.decode().splitlines()
    assert stopping == "mockdata: stopping: requests in flight have 2 s"
    found = re.fullmatch(
        r"mockdata: stopped: ([\d,]+) records sent, 0 failed, ([\d,]+) not sent; to go on: (.*)",
        line,
    )
    sent, not_sent = (int(text.replace(",", "")) for text in found.groups()[:2])
    assert f" ssn={not_sent} " in found[3]
    assert " --start ssn=1500 " in found[3]
    assert sent == sum(answered) == 1500
    assert sent + not_sent == {"k": 5_000, "M": 5_000_000}[count[-1]]
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


async def test_a_second_signal_waits_for_the_requests_in_flight(tmp_path):
    """The account is told and the error log complete, though the second one came late."""
    reached, stopping, never = asyncio.Event(), asyncio.Event(), asyncio.Event()
    place_of, arrived = await places_of(600, 300), set()

    async def answer(request, number):
        place = place_of(request)
        arrived.add(place)
        if arrived >= {0, 1}:
            reached.set()
        if place == 0:
            return 400, "no", {}
        await (stopping if place == 1 else never).wait()
        return 200

    async with serving(answer) as server:
        configuration(tmp_path, server.url, performance__max_concurrency=3)
        run = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "mockdata", "ssn=5k", *SAME, "-s", "skyflow"],
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN},
        )
        await reached.wait()
        run.send_signal(signal.SIGINT)
        told = [await asyncio.wait_for(run.stderr.readline(), 20)]
        with pytest.raises(TimeoutError):  # longer than the command waits for other sinks
            await asyncio.wait_for(run.wait(), 0.8)
        run.send_signal(signal.SIGINT)
        stopping.set()
        told += (await asyncio.wait_for(run.stderr.read(), 20)).splitlines()
        assert await run.wait() == 130
    (log,) = tmp_path.glob("error_log_*")
    account = "mockdata: stopped: 300 records sent, 300 failed, 4,400 not sent"
    stopping_line, ended_line = (line.decode().strip() for line in told)
    assert stopping_line == "mockdata: stopping: requests in flight have 2 s"
    assert ended_line.startswith(f"{account}; see {log.name}; to go on: ")
    assert " --start ssn=600 " in ended_line
    assert len(logged(tmp_path)["ssn"]) == 300


def test_progress_shows_the_delivery(vault, tmp_path, monkeypatch):
    asked_of(vault, tmp_path, "--throttle", 0.05, "--retry-after", 0)
    monkeypatch.setenv("SKYFLOW_BEARER_TOKEN", TOKEN)
    words = ["-m", "mockdata", "10k", "-s", "skyflow:config.json"]
    shown, _ = on_terminal([sys.executable, *words], tmp_path)
    assert re.search(
        r"sent [\d,]+ \(.*?/s\), failed 0, in flight [1-9]\d*, median .* ms, p95 .* ms, retries",
        shown,
    )
    assert re.search(r"429s [1-9]", shown)


def test_the_list_of_sinks_says_what_it_does():
    (line,) = [line for line in list_sinks().splitlines() if line.startswith("skyflow")]
    assert "to Skyflow vaults" in line


def test_without_its_extra_the_command_says_what_to_install(tmp_path, mockdata_command):
    configuration(tmp_path, "https://vault.example")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pyreqwest'] = None\n")
    done = mockdata_command("5", "-s", "skyflow", env=with_token() | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == f"mockdata: sink: {MISSING} (see --help)\n"


def test_what_to_install_is_what_the_extra_installs():
    with open(Path(__file__).parents[1] / "pyproject.toml", "rb") as file:
        (needed,) = tomllib.load(file)["project"]["optional-dependencies"]["skyflow"]
    assert f"pip install '{needed}'" in MISSING


def test_a_plain_install_has_every_name():
    script = (
        "import sys; sys.modules['pyreqwest'] = None\n"
        "from mockdata import *\n"
        "import mockdata\n"
        "assert hasattr(mockdata, 'SkyflowSink')\n"
        "try:\n"
        "    SkyflowSink('https://vault.example', {'ssn': 'v'}, token='t')\n"
        "except PlanError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"sink: {MISSING}\n", "")
