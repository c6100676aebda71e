"""Tests for a loader against a practice vault, with mockdata's pytest fixtures.

Run it with ``pytest test_loader.py``. It needs ``mockdata[skyflow,emulator]`` and
``pytest-asyncio``, in any mode. Replace ``load`` with your own loader.
"""

from __future__ import annotations

import csv
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mockdata
from mockdata.pytest_plugin import PracticeVault

BATCH = 300


def load(folder: Path, vault: PracticeVault, name: str, column: str) -> int:
    """Load one vault's two files, as simply as can be; return the records that were taken."""
    with (
        open(folder / f"{name}_data.csv", newline="") as data,
        open(folder / f"{name}_tokens.csv", newline="") as tokens,
    ):
        pairs = list(zip(csv.DictReader(data), csv.DictReader(tokens), strict=True))
    taken = 0
    for start in range(0, len(pairs), BATCH):
        records = [
            {"fields": {name: value[column]}, "tokens": {name: token[f"{column}_token"]}}
            for value, token in pairs[start : start + BATCH]
        ]
        body = {"records": records, "tokenization": True, "byot": "ENABLE"}
        request = urllib.request.Request(
            f"{vault.url}/v1/vaults/practice-{name}/{name}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {vault.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            taken += len(json.load(answer)["records"])
    return taken


def test_every_record_of_the_files_reaches_the_vault(
    mockdata_folder: Callable[..., Path], mockdata_vault: PracticeVault
) -> None:
    folder = mockdata_folder({"name": 1000})
    assert load(folder, mockdata_vault, "name", "full_name") == 1000
    table = mockdata_vault.stats()["tables"]["name"]
    assert (table["records"], table["repeated_values"]) == (1000, 0)


@pytest.mark.asyncio
async def test_a_vault_takes_what_is_streamed_to_it(mockdata_vault: PracticeVault) -> None:
    settings = mockdata_vault.settings("ssn")
    sink = mockdata.SkyflowSink.from_config(str(settings))
    report = await mockdata.generate({"ssn": 2000}, sink=sink)
    assert report.records == mockdata_vault.stats()["tables"]["ssn"]["records"] == 2000


def test_a_record_is_the_same_each_time(mockdata_records: Callable[..., dict[str, Any]]) -> None:
    (record,) = mockdata_records({"id": 1})["id"]
    assert mockdata_records({"id": 1}) == {"id": [record]}


@pytest.mark.asyncio
async def test_values_do_not_repeat(mockdata_stream: Callable[..., Any]) -> None:
    seen: set[str] = set()
    async with mockdata_stream({"id": 30_000}) as batches:
        async for batch in batches:
            seen.update(batch.values)
    assert len(seen) == 30_000
