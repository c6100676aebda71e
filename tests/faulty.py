"""A sink without a fault, and sinks that have one each: the docstring is what is said of it."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio

import mockdata


class Store:
    """A sink without a fault: what it has committed is in ``tables``."""

    def __init__(self):
        self.tables = {}

    @asynccontextmanager
    async def open(self, run):
        rows = {vault.name: [] for vault in run.vaults}

        async def keep(batch):
            await anyio.lowlevel.checkpoint()
            rows[batch.vault].extend(batch)

        async def write(batch):
            await self.write(batch, keep)

        def commit():
            self.tables |= rows

        yield mockdata.Session(write=write, commit=commit)

    async def write(self, batch, keep):
        await keep(batch)


def committed(store, vault):
    return store.tables.get(vault, [])


class NoContext(Store):
    """open\\(\\) returns <async_generator object .*>, which is no async context manager"""

    async def open(self, run):
        yield print


class NoWriter(Store):
    """a run of one record: it yields None, which is neither an async callable nor a Session"""

    @asynccontextmanager
    async def open(self, run):
        yield None


class NoFiles(Store):
    """a run of one record: its session has no files for ssn"""

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(files={"id": [mockdata.File("a"), mockdata.File("b")]})


class WriterAndFiles(Store):
    """a run of one record: its session has both write and files"""

    @asynccontextmanager
    async def open(self, run):
        yield mockdata.Session(write=print, files={"ssn": [mockdata.File("a"), mockdata.File("b")]})


class PlainWriter(Store):
    """a run of one record: its writer is not async: it returned None"""

    @asynccontextmanager
    async def open(self, run):
        yield lambda batch: None


class LeftTwice(Store):
    """leaving it with None raised RuntimeError\\("generator didn't stop"\\)"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            yield session
            yield session


class NeedsTheFirst(Store):
    """a run of no record: leaving it with None raised IndexError"""

    @asynccontextmanager
    async def open(self, run):
        batches = []
        async with super().open(run) as session:

            async def write(batch):
                batches[:] = [batch]
                await session.write(batch)

            yield replace(session, write=write)
            assert batches[0]


class CannotCommit(Store):
    """a run of one record: it raised ZeroDivisionError"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:

            async def commit():
                raise ZeroDivisionError

            yield replace(session, commit=commit)


class Refuses(Store):
    """a run of 85,002 records: it raised ZeroDivisionError"""

    async def write(self, batch, keep):
        if batch.start:
            raise ZeroDivisionError
        await keep(batch)


class CommitsAlways(Store):
    """a run that fails: records of name are there, and none may be: 10,00"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session.write
            finally:
                session.commit()


class CommitsBehindTheYield(Store):
    """a run that fails: leaving it with RuntimeError\\(.*\\) swallows that"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            with suppress(Exception):
                yield session.write
            session.commit()


class CommitsWithTheLastBatch(Store):
    """a run that fails: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, run):
        waiting = {vault.name: [] for vault in run.vaults}
        wanted = {vault.name: vault.records for vault in run.vaults}

        async def write(batch):
            rows = waiting[batch.vault]
            rows.extend(batch)
            if len(rows) == wanted[batch.vault]:
                self.tables[batch.vault] = rows

        yield write


class CommitsWhenCancelled(Store):
    """a run that is cancelled: records of .* are there, and none may be"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session
            except asyncio.CancelledError:
                session.commit()
                raise


class HidesTheError(Store):
    """a run that fails: leaving it with RuntimeError\\('this run is meant .* raised KeyError"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except Exception as error:
            raise KeyError("undo") from error


class HidesTheCancellation(Store):
    """a run that is cancelled: leaving it with CancelledError\\(.* raised KeyError"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except asyncio.CancelledError:
            raise KeyError("undo") from None


class StaysOpen(Store):
    """to open it takes more than 1 s"""

    @asynccontextmanager
    async def open(self, run):
        await anyio.sleep_forever()
        yield print


class StaysInABatch(Store):
    """to write a batch takes more than 1 s"""

    async def write(self, batch, keep):
        await anyio.sleep_forever()


class StaysInTheCommit(Store):
    """to commit takes more than 1 s"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            yield replace(session, commit=anyio.sleep_forever)


class StaysInTheEnd(Store):
    """a run that fails: to leave it takes more than 1 s"""

    @asynccontextmanager
    async def open(self, run):
        try:
            async with super().open(run) as session:
                yield session
        except BaseException:
            await anyio.sleep_forever()


class LeavesTasks(Store):
    """a run of one record: it has ended, and tasks of the sink's go on: 1"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            self.task = asyncio.ensure_future(anyio.sleep_forever())
            yield session


WRONG_FORM_OR_ENDING = [
    NoContext,
    NoWriter,
    NoFiles,
    WriterAndFiles,
    PlainWriter,
    LeftTwice,
    NeedsTheFirst,
    CannotCommit,
    Refuses,
    CommitsAlways,
    CommitsBehindTheYield,
    CommitsWithTheLastBatch,
    CommitsWhenCancelled,
    HidesTheError,
    HidesTheCancellation,
    StaysOpen,
    StaysInABatch,
    StaysInTheCommit,
    StaysInTheEnd,
    LeavesTasks,
]
