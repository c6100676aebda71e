"""The pytest plugin: fixtures that give a test records, files, a stream, or a practice vault.

The timestamp is fixed and the seed comes from the test's id. So a test sees the same records each
time it runs, and two tests see different ones. pytest loads this module in every project that has
mockdata installed, so it imports nothing else of mockdata until a test uses a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractAsyncContextManager

    from mockdata import Batch, BatchStream, Record
    from mockdata.pipeline.plan import Counts

TIMESTAMP: Final = 1_700_000_000
"""Unix time of every record, unless a test asks for another: 14 November 2023."""

DEFAULT_VAULTS: Final = ("name", "id", "dob", "ssn")

TOKEN: Final = "practice-token"  # noqa: S105, it opens nothing but a vault on this machine

START_SECONDS: Final = 60
"""How long the practice vault may take to start and to answer, on a busy machine."""

Records = Callable[..., "dict[str, list[Record]]"]
Folder = Callable[..., Path]
Stream = Callable[..., "AbstractAsyncContextManager[BatchStream]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mockdata-seed``."""
    group = parser.getgroup("mockdata", "mock data")
    group.addoption(
        "--mockdata-seed",
        type=int,
        default=0,
        metavar="N",
        help="change the records that every test sees (default: 0)",
    )


@pytest.fixture
def mockdata_seed(request: pytest.FixtureRequest) -> int:
    """Return this test's seed, made from the test's id and ``--mockdata-seed``: 0 to 2**63 - 1."""
    from hashlib import blake2b

    given = request.config.getoption("--mockdata-seed")
    digest = blake2b(f"{given} {request.node.nodeid}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@pytest.fixture
def mockdata_records(mockdata_seed: int) -> Records:
    """Return a function that makes records: ``mockdata_records(counts, **arguments)``.

    It takes the arguments of ``mockdata.generate`` except ``sink``. It returns a dict of vault name
    to list of ``Record``; a table's records are tuples. Use it in plain and in async tests.
    """

    def records(counts: Counts, **arguments: Any) -> dict[str, list[Record]]:
        made: dict[str, list[Record]] = {}

        def keep(batch: Batch) -> None:
            made.setdefault(batch.vault, []).extend(batch)

        _generate(counts, keep, mockdata_seed, arguments)
        return made

    return records


@pytest.fixture
def mockdata_folder(mockdata_seed: int, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return a function that writes CSV files: ``mockdata_folder(counts, **arguments)``.

    It takes the arguments of ``mockdata.generate`` except ``sink``. It returns the path of a new
    temporary folder with the files. Use it in plain and in async tests.
    """

    def folder(counts: Counts, **arguments: Any) -> Path:
        path = tmp_path_factory.mktemp("mockdata")
        _generate(counts, path, mockdata_seed, arguments)
        return path

    return folder


@pytest.fixture
def mockdata_stream(mockdata_seed: int) -> Stream:
    """Return ``mockdata.stream`` with this test's seed and timestamp filled in."""

    def stream(counts: Counts, **arguments: Any) -> AbstractAsyncContextManager[BatchStream]:
        import mockdata

        return mockdata.stream(counts, **_fixed(mockdata_seed, arguments))

    return stream


class PracticeVault:
    """A vault on this machine that checks requests as the real service does.

    ``url`` is where it listens. ``token`` is the bearer token that it accepts.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.token = TOKEN
        self._folder = folder
        self._written = 0

    def stats(self) -> dict[str, Any]:
        """Return what the vault has received so far: requests, answers, and records by table."""
        import json
        import urllib.request

        with urllib.request.urlopen(f"{self.url}/stats", timeout=START_SECONDS) as answer:  # noqa: S310
            stats: dict[str, Any] = json.load(answer)
        return stats

    def settings(self, *vaults: str) -> Path:
        """Write a settings file of the loader for some vaults, and return its path.

        The default vaults are name, id, dob and ssn. The records of each vault go to the table and
        field with the vault's name.
        """
        import json

        settings = {
            "skyflow": {
                "vault_url": self.url,
                "bearer_token": self.token,
                "vaults": [
                    {"name": name.upper(), "id": f"practice-{name}", "column": name}
                    for name in vaults or DEFAULT_VAULTS
                ],
            },
        }
        self._written += 1
        path = self._folder / f"settings-{self._written}.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return path


@pytest.fixture
def mockdata_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeVault]:
    """Start a practice vault on a free port, and stop it after the test.

    It needs the extra ``mockdata[emulator]``. Without it, the test fails with a line that says so.
    """
    import os
    import subprocess
    import sys

    server = subprocess.Popen(
        [sys.executable, "-m", "mockdata.emulator", "--port", "0"],
        env=os.environ | {"SKYFLOW_BEARER_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().strip() if server.stdout else ""
        if not url:
            _, problem = server.communicate(timeout=START_SECONDS)
            pytest.fail(problem.strip(), pytrace=False)
        yield PracticeVault(url, tmp_path_factory.mktemp("mockdata_vault"))
    finally:
        _stop(server)


def _stop(server: subprocess.Popen[str]) -> None:
    """Ask the server to end, and make it end if it does not."""
    from subprocess import TimeoutExpired

    server.terminate()
    try:
        server.communicate(timeout=START_SECONDS)
    except TimeoutExpired:
        server.kill()
        server.communicate()


def _fixed(seed: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"seed": seed, "timestamp": TIMESTAMP} | arguments


def _generate(counts: Counts, sink: Any, seed: int, arguments: dict[str, Any]) -> None:
    """Run ``generate_sync``, in a thread of its own where an event loop runs in this one."""
    import asyncio

    import mockdata

    def run() -> None:
        mockdata.generate_sync(counts, sink=sink, **_fixed(seed, arguments))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        run()
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as thread:
            thread.submit(run).result()
