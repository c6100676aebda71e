"""The place for the parts and their JSON files: a folder, or an object store."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from mockdata.dask.job import Job

__all__ = ["PART", "SUCCESS", "Place", "place_of"]

PART: Final = "_PART.json"
SUCCESS: Final = "_SUCCESS.json"

UNFINISHED: Final = ".mockdata-tmp"
"""The end of the name of a part's folder while the part is made."""


class Place(ABC):
    """A place that all machines see. Paths in it have slashes."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def read(self, path: str) -> dict[str, Any]:
        """Return the content of a JSON file, or {} if there is no such file."""
        with suppress(FileNotFoundError, ValueError):
            content = json.loads(self.load(path))
            return content if isinstance(content, dict) else {}
        return {}

    def write(self, path: str, content: dict[str, Any]) -> None:
        """Write a file of JSON, whole or not at all."""
        self.save(path, json.dumps(content, indent=1).encode() + b"\n")

    @abstractmethod
    def load(self, path: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""

    @abstractmethod
    def save(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def path(self, path: str) -> str:
        """Return where a path in this place is: what a sink takes."""

    @abstractmethod
    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in a folder of a part, by their names."""

    @abstractmethod
    @contextmanager
    def making(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield where a part's files go while it is made, and what to call with its ``_PART.json``.

        The part appears by this call. Without it, nothing is left.
        """

    @abstractmethod
    def clean(self) -> None:
        """Remove what killed workers left of this run."""


class Folder(Place):
    """A folder of a file system: a part appears, whole, by one renaming."""

    def path(self, path: str) -> str:
        return os.path.join(self._job.place, *path.split("/"))

    def load(self, path: str) -> bytes:
        with open(self.path(path), "rb") as file:
            return file.read()

    def save(self, path: str, content: bytes) -> None:
        temporary = f"{self.path(path)}.{secrets.token_hex(4)}{UNFINISHED}"
        try:
            with open(temporary, "wb") as file:
                file.write(content)
            os.replace(temporary, self.path(path))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path(path))

    def sizes(self, folder: str) -> dict[str, int]:
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            return {e.name: e.stat().st_size for e in entries if e.name != PART}
        return {}

    @contextmanager
    def making(self, name: str) -> Iterator[tuple[str, Any]]:
        temporary = self._temporary(name)

        def appear(mark: dict[str, Any]) -> None:
            with open(os.path.join(temporary, PART), "w", encoding="utf-8") as file:
                json.dump(mark, file, indent=1)
            self._exchange(temporary, self.path(name))

        try:
            yield temporary, appear
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _temporary(self, name: str) -> str:
        token = secrets.token_hex(4)
        return self.path(f".{name}.{self._job.run_id}.{token}{UNFINISHED}")

    def _exchange(self, made: str, path: str) -> None:
        """Put a folder in place of one that may exist: the task may have run twice."""
        while True:
            try:
                os.rename(made, path)
            except OSError:
                if not os.path.isdir(path):
                    raise
                earlier = self._temporary(os.path.basename(path))
                with suppress(FileNotFoundError):
                    os.rename(path, earlier)
                    shutil.rmtree(earlier, ignore_errors=True)
            else:
                return

    def clean(self) -> None:
        for name in os.listdir(self._job.place):
            if f".{self._job.run_id}." in name and name.endswith(UNFINISHED):
                shutil.rmtree(os.path.join(self._job.place, name), ignore_errors=True)


def place_of(job: Job) -> Place:
    """Return the place of a job's parts."""
    if job.is_store:
        from mockdata.dask.store import Store

        return Store(job)
    return Folder(job)
