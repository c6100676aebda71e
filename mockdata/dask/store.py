"""An object store as a place for parts: the objects of a part appear, and the mark last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mockdata.dask.job import Job
from mockdata.dask.places import PART, Place
from mockdata.sinks.stores.connect import connect, obstore_there
from mockdata.sinks.stores.errors import naming_store

__all__ = ["Store"]


class Store(Place):
    """A prefix in an object store."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        obstore_there()
        self._url = job.place.rstrip("/")
        with naming_store(self._url):
            self._store, self._prefix = connect(self._url)

    def path(self, path: str) -> str:
        """Return the URL of a path."""
        return f"{self._url}/{path}"

    def _key(self, path: str) -> str:
        return self._prefix + path.removeprefix(f"{self._url}/")

    def load(self, path: str) -> bytes:
        """Return an object's bytes. Raises FileNotFoundError."""
        import obstore

        with naming_store(self.path(path)):
            return bytes(obstore.get(self._store, self._key(path)).bytes())

    def save(self, path: str, content: bytes) -> None:
        """Put an object."""
        import obstore

        with naming_store(self.path(path)):
            obstore.put(self._store, self._key(path), content)

    def remove(self, path: str) -> None:
        """Delete an object, if it is there."""
        import obstore

        with suppress(FileNotFoundError), naming_store(self.path(path)):
            obstore.delete(self._store, self._key(path))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of a part's objects, by the last words of their keys."""
        import obstore

        prefix = f"{self._key(folder)}/"
        found: dict[str, int] = {}
        with naming_store(folder):
            for objects in obstore.list(self._store, prefix):
                for each in objects:
                    name = each["path"].rpartition("/")[2]
                    if name != PART:
                        found[name] = each["size"]
        return found

    @contextmanager
    def making(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield the URL of a part, and a function that takes its mark."""
        yield self.path(name), lambda mark: self.write(f"{name}/{PART}", mark)

    def clean(self) -> None:
        """Do nothing: a store shows no object that is not whole."""
