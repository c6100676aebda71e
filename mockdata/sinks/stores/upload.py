"""One upload: bytes go up in parts, and the object appears when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from mockdata.sinks.stores.errors import naming_store, was_undoing

if TYPE_CHECKING:
    from obstore import AsyncWritableFile
    from obstore.store import ObjectStore

__all__ = ["Upload"]

T = TypeVar("T")

TOGETHER: Final = 2**20
"""Bytes that go to obstore at once: each call costs a turn of two event loops."""

PATIENCE: Final = 3.0
"""Seconds that a request which opens an upload may take once its run is cancelled."""


class Upload:
    """An object written in parts of ``part`` bytes, up to ``at_once`` of them at a time.

    Closing sends a last, smaller part. So a small object takes a single request.
    Each method raises OSError with the object's URL.
    """

    def __init__(self, store: ObjectStore, key: str, url: str, *, part: int, at_once: int) -> None:
        import obstore

        self.key, self.url = key, url
        self.size = 0
        """Bytes that were appended."""
        self.is_left_open = False
        """Whether it could be neither closed nor aborted."""
        self._part = part
        self._held = bytearray()
        self._written = 0
        self._is_open = True
        self._writer: AsyncWritableFile = obstore.open_writer_async(
            store, key, buffer_size=part, max_concurrency=at_once
        )

    async def append(self, content: bytes | memoryview) -> None:
        """Write at the end. The content is copied: a batch's memory is free to be lent again."""
        self._held += content
        self.size += len(content)
        if len(self._held) >= TOGETHER:
            await self._write()

    async def _write(self) -> None:
        """Hand over the buffer. obstore does not change it until the part is sent."""
        content, self._held = self._held, bytearray()
        begins = self._written < self._part <= self._written + len(content)
        self._written += len(content)
        with naming_store(self.url):
            writing = self._writer.write(content)
            await (_to_its_end(writing) if begins else writing)

    async def settle(self) -> None:
        """Hand over what is left: only closing remains."""
        if self._held:
            await self._write()

    async def close(self) -> None:
        """Send the rest, and have the object appear. If that fails, the upload is aborted."""
        self._is_open = False
        try:
            with naming_store(self.url):
                await self._writer.close()
        except OSError as error:
            self.is_left_open = was_undoing(error)
            raise

    async def abort(self) -> None:
        """Have nothing of the object remain, unless it was closed."""
        if self._is_open:
            self._is_open = False
            with naming_store(self.url):
                await self._writer.__aexit__(asyncio.CancelledError, None, None)


async def _to_its_end(call: Awaitable[T]) -> T:
    """Await a call that opens an upload. If it were cancelled, nobody could abort the upload."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task], timeout=PATIENCE)
            task.cancel()
            with suppress(Exception, asyncio.CancelledError):  # the cancellation counts
                await task
        raise
