"""From a URL to obstore's store, with the patience that this program has."""

from __future__ import annotations

import atexit
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mockdata.errors import PlanError
from mockdata.sinks.stores.url import parts

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["FIRST_LOOK", "UPLOAD", "Patience", "connect", "new_folders", "obstore_there"]

ENDPOINTS: Final = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "GOOGLE_BASE_URL",
)
"""Variables that obstore reads an endpoint from. One of http:// is meant, so it is allowed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store may take, and how often a request is made again.

    A request has ``timeout`` seconds. One that fails, or is answered by 5xx, is made again up to
    ``retries`` times, and not once ``seconds`` have gone since the first.
    """

    timeout: float
    retries: int
    seconds: float


FIRST_LOOK: Final = Patience(timeout=10, retries=3, seconds=10)
"""Before a run: a store that does not answer is not waited for."""

UPLOAD: Final = Patience(timeout=30, retries=8, seconds=60)
"""While records are made: a store may stumble."""

AT_EXIT: Final = 0.05
"""Seconds that threads are given at the end of the process."""

_memory: dict[str, ObjectStore] = {}
"""The stores of memory://, by name: they last as long as the process does."""


def obstore_there() -> None:
    """Raise PlanError if obstore is not installed."""
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        problem = "object stores need obstore: pip install 'mockdata[stores]'"
        raise PlanError("sink", problem) from error


def new_folders(url: str) -> list[Path]:
    """Return the folders that connecting to a ``file://`` URL makes, the innermost first."""
    scheme, _, path = parts(url)
    if scheme != "file":
        return []
    folder = Path("/", unquote(path))
    return [each for each in (folder, *folder.parents) if not each.exists()]


@cache
def _settle_at_exit() -> None:
    """Let obstore's threads finish before the interpreter exits.

    One of them that passes an answer on, and is not done with it, aborts the whole process when it
    finds the interpreter gone.
    """
    atexit.register(time.sleep, AT_EXIT)


def connect(url: str, patience: Patience = UPLOAD) -> tuple[ObjectStore, str]:
    """Return the store that a checked URL names, and what its keys begin with.

    The settings are those of the environment. Raises what obstore raises; nothing is asked yet.
    """
    import obstore.store

    _settle_at_exit()
    scheme, name, prefix = parts(url)
    if scheme == "memory":
        store = _memory.setdefault(name, obstore.store.MemoryStore())
        return store, f"{prefix}/" if prefix else ""
    if scheme == "file":
        return obstore.store.LocalStore.from_url(url, mkdir=True), ""
    options: Any = {"timeout": timedelta(seconds=patience.timeout)}
    if any(os.environ.get(each, "").startswith("http://") for each in ENDPOINTS):
        options["allow_http"] = True
    retry: Any = {
        "max_retries": patience.retries,
        "retry_timeout": timedelta(seconds=patience.seconds),
        "backoff": {"max_backoff": timedelta(seconds=5)},
    }
    return obstore.store.from_url(url, client_options=options, retry_config=retry), ""
