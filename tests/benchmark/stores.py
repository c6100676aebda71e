"""Into an S3 server on loopback: MB/s of the command, and of obstore that puts ready-made files."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.s3 import S3Server

from .runs import COMMAND, seconds

EACH = 1_000_000
"""Records of each of the four vaults."""

PUT = """
import asyncio, os, sys
import obstore
from obstore.store import from_url

async def main(url, folder):
    store = from_url(url, client_options={"allow_http": True})
    files = [(name, open(f"{folder}/{name}", "rb")) for name in os.listdir(folder)]
    await asyncio.gather(*(obstore.put_async(store, name, file) for name, file in files))

asyncio.run(main(*sys.argv[1:]))
os._exit(0)  # obstore's threads may abort an interpreter that ends before them
"""


def _into_server(folder: Path, command: Callable[[str, Path], list[str]]) -> float:
    """Return the MB/s of a command that is given a URL and the folder of the ready-made files."""
    made = folder.with_name("ready-made")
    if not made.exists():
        subprocess.run([*COMMAND, str(EACH), "-o", made], check=True)
    server = S3Server()
    try:
        url = f"s3://{server.make_bucket()}/prefix"
        settings = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        env = os.environ | settings | {"AWS_ENDPOINT_URL": server.endpoint}
        taken = seconds(command(url, made), env=env)
    finally:
        server.stop()
    return sum(file.stat().st_size for file in made.iterdir()) / taken / 1e6


def _ours(url: str, _: Path) -> list[str]:
    return [*COMMAND, str(EACH), "-o", url]


def _put(url: str, made: Path) -> list[str]:
    return [sys.executable, "-c", PUT, url, str(made)]


ROWS = {
    "into S3, MB/s": lambda folder: _into_server(folder, _ours),
    "obstore, ready-made files into S3, MB/s": lambda folder: _into_server(folder, _put),
}
