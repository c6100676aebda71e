"""A run's files in an object store: uploaded while they are made, and completed together."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from mockdata.errors import plural
from mockdata.render.batch import Batch
from mockdata.render.layout import Layout
from mockdata.sinks.base import Session
from mockdata.sinks.folder import NewFile, check_names
from mockdata.sinks.stores.connect import (
    FIRST_LOOK,
    UPLOAD,
    Patience,
    connect,
    new_folders,
    obstore_there,
)
from mockdata.sinks.stores.errors import meaning, naming_store
from mockdata.sinks.stores.sizes import at_once, check_size, part_size
from mockdata.sinks.stores.upload import Upload
from mockdata.workers.tasks import note_later_error

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["Store", "Uploads"]

UNDOING: Final = 8.0
"""Seconds that aborting the uploads may take, or removing objects: a store may be gone."""

AHEAD: Final = 2**24
"""Bytes that the workers fill at a time: the parts on their way take memory as well."""

SLOWEST: Final = 2**18
"""Bytes a second that a part has to make in order not to time out."""


@dataclass(frozen=True, slots=True)
class Store:
    """A place in an object store, by its URL. ``clobber`` replaces earlier objects."""

    url: str
    clobber: bool = True

    def url_of(self, file: NewFile) -> str:
        """Return the URL of a file's object."""
        return f"{self.url.rstrip('/')}/{file.name}"

    @asynccontextmanager
    async def open(
        self, files: Mapping[str, Sequence[NewFile]], layouts: Mapping[str, Layout]
    ) -> AsyncIterator[Session]:
        """Yield a session whose writer uploads what the workers render.

        Raises PlanError if obstore is missing, if two files have one name, or for a file that is
        larger than an object can be, and OSError with the URL of the store or of an object.
        """
        async with self.made(files) as made:

            async def write(batch: Batch) -> None:
                for upload, content in zip(made.of(batch.vault), batch.outputs, strict=True):
                    await upload.append(content)

            heads = {v: tuple(len(file.header) for file in each) for v, each in files.items()}
            yield Session(
                write=write,
                layouts=layouts,
                heads=heads,
                ahead=AHEAD,
                commit=made.commit,
                grace=made.grace,
            )

    @asynccontextmanager
    async def made(self, files: Mapping[str, Sequence[NewFile]]) -> AsyncIterator[Uploads]:
        """Yield uploads that are open, to be written to and committed. Raises as ``open`` does."""
        obstore_there()
        check_names(files)
        made = Uploads(self, files)
        try:
            await made.begin()
            yield made
        finally:
            with anyio.CancelScope(shield=True):
                await made.leave()


class Uploads:
    """The objects of one run. They appear one after the other once all are complete.

    Making it asks nothing of the store. Raises PlanError for a file that is too large, and OSError
    with the store's URL if its settings are wrong.
    """

    grace = UNDOING

    def __init__(self, place: Store, files: Mapping[str, Sequence[NewFile]]) -> None:
        self._place, self._files = place, files
        sizes = [_part_size(place, file) for each in files.values() for file in each]
        timeout = max(UPLOAD.timeout, max(sizes) / SLOWEST)
        patience = Patience(timeout, UPLOAD.retries, max(UPLOAD.seconds, 2 * timeout))
        self._new_folders = new_folders(place.url)
        with naming_store(place.url):
            self._first, _ = connect(place.url, FIRST_LOOK)
            self._store, self._prefix = connect(place.url, patience)
        parts, most = iter(sizes), at_once(sizes)
        self._of_vaults = {
            vault: [self._upload(file, next(parts), most) for file in each]
            for vault, each in files.items()
        }
        self._all = [upload for each in self._of_vaults.values() for upload in each]

    def _upload(self, file: NewFile, part: int, most: int) -> Upload:
        key, url = self._prefix + file.name, self._place.url_of(file)
        return Upload(self._store, key, url, part=part, at_once=most)

    async def begin(self) -> None:
        """Look at the store, and begin each object with its header."""
        await self._look()
        for vault, each in self._files.items():
            for upload, file in zip(self.of(vault), each, strict=True):
                await upload.append(file.header)

    def of(self, vault: str) -> list[Upload]:
        """Return the uploads of a vault's files."""
        return self._of_vaults[vault]

    async def _look(self) -> None:
        """Make a first request, which fails if the store is missing or refuses the credentials."""
        import obstore

        try:
            with anyio.fail_after(2 * FIRST_LOOK.timeout):
                async for _ in obstore.list(self._first, self._prefix or None, chunk_size=1):
                    break
        except Exception as error:
            found = meaning(error, self._place.url)
            if not (isinstance(found, PermissionError) and "AccessDenied" in str(error)):
                raise found from error  # who may not list may yet put
        await self._check_absent(self._first)

    async def _check_absent(self, store: ObjectStore) -> None:
        """Raise FileExistsError if an object is there that may not be replaced."""
        import obstore

        for upload in () if self._place.clobber else self._all:
            try:
                with naming_store(upload.url):
                    await obstore.head_async(store, upload.key)
            except FileNotFoundError:
                continue
            raise FileExistsError(errno.EEXIST, "File exists", upload.url)

    async def append(self, vault: str, content: bytes | memoryview) -> None:
        """Write at the end of a vault's object, if it has one alone."""
        (upload,) = self.of(vault)
        await upload.append(content)

    async def check(self) -> None:
        """Do nothing: an upload is checked when it is closed."""

    async def commit(self) -> None:
        """Have the objects appear. If one does not, those that did are deleted again.

        What they have replaced is lost then: no store gives it back.
        """
        for upload in self._all:
            await upload.settle()
        await self._check_absent(self._store)
        done: list[Upload] = []
        try:
            for upload in self._all:
                await upload.close()
                done.append(upload)
        except BaseException as error:
            await self._delete(done, error)
            raise

    async def _delete(self, done: Sequence[Upload], because: BaseException) -> None:
        """Delete the objects that have appeared, as far as the store allows."""
        import obstore

        with anyio.CancelScope(shield=True):
            try:
                if done:
                    with naming_store(done[0].url), anyio.fail_after(UNDOING):
                        await obstore.delete_async(self._store, [upload.key for upload in done])
            except OSError as later:
                note_later_error(because, later)

    async def leave(self) -> None:
        """Abort the open uploads. Raises OSError if that fails: they may remain."""
        errors: list[OSError] = []

        async def abort(upload: Upload) -> None:
            try:
                with naming_store(upload.url), anyio.fail_after(UNDOING):
                    await upload.abort()
            except OSError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for upload in self._all:
                tasks.start_soon(partial(abort, upload))
        for folder in self._new_folders:
            with suppress(OSError):  # one that has files stays
                folder.rmdir()
        if left := len(errors) + sum(upload.is_left_open for upload in self._all):
            uploads = f"{left} {plural(left, 'upload')}"
            problem = f"{uploads} may be left open, for a lifecycle rule of the bucket to abort"
            raise OSError(errno.EIO, problem, self._place.url) from next(iter(errors), None)


def _part_size(place: Store, file: NewFile) -> int:
    size = len(file.header) + file.expected
    check_size(place.url_of(file), size)
    return part_size(max(size, file.most))
