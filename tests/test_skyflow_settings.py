"""The Skyflow sink's arguments and settings file: what they do, and what is refused."""

import json
import math
import os
import re
import time

import pytest

import mockdata
from mockdata.sinks.skyflow import SkyflowSink, VaultTarget
from mockdata.sinks.skyflow.settings import read_config

from .scripted import serving
from .skyflow import (
    IDS,
    TOKEN,
    configuration,
    in_a_folder_of_its_own,  # noqa: F401
    sink,
)


async def test_settings_of_the_loader(tmp_path):
    async with serving() as server:
        changes = {"batch_size": 7, "max_concurrency": 1, "base_delay_ms": 60, "upsert": True}
        changed = {f"performance__{key}": value for key, value in changes.items()}
        configuration(
            tmp_path, server.url, {"Ssn": "v"}, skyflow__bearer_token=f" {TOKEN}\n", **changed
        )
        began = time.monotonic()
        report = await mockdata.generate({"ssn": 20}, sink=SkyflowSink.from_config("config.json"))
        assert time.monotonic() - began >= 0.18
    assert [request.records for request in server.requests] == [7, 7, 6]
    assert server.most_open == 1
    assert {request.json["upsert"] for request in server.requests} == {"Ssn"}
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
    assert report.delivery.sent == 20


async def test_options_go_before_settings(tmp_path):
    async with serving() as server:
        configuration(tmp_path, server.url)
        await mockdata.generate(
            {"ssn": 20}, sink=SkyflowSink.from_config("config.json", batch_size=20, token=TOKEN)
        )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"vault_url": "ftp://vault.example"}, "vault_url"),
        ({"vault_url": "vault.example"}, "vault_url"),
        ({"vault_url": ""}, "vault_url"),
        ({"vault_url": None}, "vault_url"),
        ({"vault_url": "https://vault example"}, "vault_url"),
        ({"vault_url": "https://vault.example:99999"}, "vault_url"),
        ({"vault_url": "https://[vault"}, "vault_url"),
        ({"vault_url": "https://vault.example\n"}, "vault_url"),
        ({"vault_url": "http://vault.example"}, "unencrypted"),
        ({"vault_url": "https://user:word@vault.example"}, "must have only"),
        ({"vaults": {}}, "names no vault"),
        ({"vaults": {"my phone": "v"}}, "'my phone' is not the name of a vault"),
        ({"vaults": {5: "v"}}, "5 is not the name of a vault"),
        ({"vaults": {"ssn": "v", "SSN": "v"}}, "twice"),
        ({"vaults": {"ssn": " "}}, "has no id"),
        ({"vaults": {"ssn": None}}, "has no id"),
        ({"byot": "enable"}, "ENABLE_STRICT"),
        ({"batch_size": 0}, "batch_size"),
        ({"concurrency": "many"}, "concurrency"),
        ({"tries": True}, "tries"),
        ({"grace": -1}, "grace"),
    ],
)
def test_wrong_arguments(arguments, named):
    wrong = {"vault_url": "https://vault.example", "vaults": IDS, "token": TOKEN} | arguments
    with pytest.raises(mockdata.PlanError, match=re.escape(named)):
        SkyflowSink(**wrong)


VAULT = {"name": "SSN", "id": "v"}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "config.json: not JSON"),
        ("[]", "config.json: not a JSON object"),
        ("{}", "config.json: skyflow.vaults: a list of vaults is missing"),
        ({"vaults": {}}, "skyflow.vaults: a list"),
        ({"vaults": [5]}, "not a JSON object"),
        ({"vaults": [{"id": "v"}]}, "name: missing"),
        ({"vaults": [{"name": "SSN"}]}, "id: missing"),
        ({"vaults": [{"name": "SSN", "id": 5}]}, "id: not a text"),
        (
            {"vaults": [{"name": "my-ssn", "id": "v"}], "vault_url": "https://v.example"},
            "'my-ssn' is not the name of a vault: letters, digits and underscores",
        ),
        ({"vaults": [VAULT, VAULT]}, "twice"),
        ({"vaults": [VAULT]}, "vault_url: missing"),
        ({"vaults": [VAULT], "vault_url": "http://vault.example"}, "unencrypted"),
        ({"vaults": [VAULT], "vault_url": "https://v.example", "bearer_token": 5}, "bearer_token"),
        ('{"skyflow": 5}', "skyflow: not a JSON object"),
    ],
)
def test_wrong_settings_are_one_line(mockdata_command, tmp_path, content, named):
    text = content if isinstance(content, str) else json.dumps({"skyflow": content})
    (tmp_path / "config.json").write_text(text)
    done = mockdata_command("ssn=5", "-s", "skyflow:config.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch_size", "many"), ("max_concurrency", -1), ("base_delay_ms", True), ("upsert", 5)],
)
def test_wrong_performance_settings(tmp_path, key, value):
    configuration(tmp_path, "https://vault.example", **{f"performance__{key}": value})
    with pytest.raises(mockdata.PlanError, match=f"performance.{key}"):
        read_config("config.json")


def test_settings_that_are_absent_have_defaults(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"skyflow": {"vault_url": "https://vault.example/", "vaults": [VAULT]}})
    )
    config = read_config("config.json")
    assert config.vaults == {"ssn": VaultTarget("v", "ssn", "SSN")}
    assert (config.vault_url, config.bearer_token) == ("https://vault.example", "")


OPTIONS = {
    "byot": "ENABLE_STRICT",
    "tries": 3,
    "retry_seconds": 0,
    "connect_timeout": 1.5,
    "answer_timeout": 7,
    "log_folder": "logs",
}


async def test_a_settings_file_may_have_what_the_loader_has_not(tmp_path):
    (tmp_path / "logs").mkdir()
    async with serving(lambda request, number: 503) as server:
        changes = {f"performance__{key}": value for key, value in OPTIONS.items()}
        configuration(tmp_path, server.url, **changes)
        used = SkyflowSink.from_config("config.json", token=TOKEN)
        report = await mockdata.generate({"ssn": 5}, sink=used)
    assert read_config("config.json").options.items() >= OPTIONS.items()
    (request,) = server.requests
    assert request.json["byot"] == "ENABLE_STRICT"
    assert [os.path.dirname(log) for log in report.delivery.error_logs] == ["logs"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", math.inf),
        ("batch_size", 1.5),
        ("batch_size", 10_001),
        ("byot", "enable"),
        ("tries", 2.5),
        ("retry_seconds", math.nan),
        ("connect_timeout", 0),
        ("answer_timeout", "x"),
        ("log_folder", 5),
        ("base_delay_ms", math.inf),
    ],
)
def test_wrong_settings(tmp_path, key, value):
    configuration(tmp_path, "https://vault.example", **{f"performance__{key}": value})
    with pytest.raises(mockdata.PlanError, match=f"performance.{key}"):
        read_config("config.json")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *((name, value) for name in ("batch_size", "concurrency", "tries") for value in (1.5, math.nan, "5", 0)),
        *(
            (name, value)
            for name in ("connect_timeout", "answer_timeout", "retry_seconds", "pause", "backoff", "grace")
            for value in ("x", math.inf, math.nan, -1, True)
        ),
        ("batch_size", 10_001),
        ("connect_timeout", 0),
        ("answer_timeout", 0),
        ("upsert", 5),
    ],
)  # fmt: skip
def test_wrong_counts_and_times(argument, value):
    with pytest.raises(mockdata.PlanError, match=f"^{argument}: "):
        sink("https://vault.example", **{argument: value})
