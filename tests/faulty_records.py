"""Sinks with a fault in what becomes of records and batches; the docstring is what is said of it."""

from contextlib import asynccontextmanager
from dataclasses import replace

import mockdata

from .faulty import Store


class Rewritten(Store):
    """Keeps the rows of the faultless sink, changed by ``changed`` when they are committed."""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:

            def commit():
                session.commit()
                for vault in run.vaults:
                    self.tables[vault.name] = self.changed(self.tables[vault.name])

            yield replace(session, commit=commit)


class Loses(Rewritten):
    """a run of 85,002 records: records of ssn are missing: 7,000"""

    def changed(self, rows):
        return rows[:63_000]


class Repeats(Rewritten):
    """records of ssn are there more than once: 1"""

    def changed(self, rows):
        return rows[:10_000] + rows


class Disorders(Rewritten):
    """a run of 85,002 records: the records of name are not in order"""

    def changed(self, rows):
        return rows[::-1]


class Invents(Rewritten):
    """a run of one record: records of ssn are not its own: 1"""

    def changed(self, rows):
        return [*rows, ("123-45-6789", "tok_ssn")]


class Mixes(Store):
    """a run of 85,002 records: records of .* are not its own"""

    last = None

    async def write(self, batch, keep):
        self.last = self.last or batch
        await keep(replace(batch, form=self.last.form))


class SharesRows(Store):
    """two runs at once: records of .* are not its own"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            if hasattr(self, "session"):  # of a run that is still under way
                yield replace(session, write=self.session.write, commit=self.session.commit)
            else:
                self.session = session
                try:
                    yield session
                finally:
                    del self.session


class SharesAPlace(Store):
    """two runs at once: records of .* are missing"""

    @asynccontextmanager
    async def open(self, run):
        async with super().open(run) as session:
            try:
                yield session
            except BaseException:
                self.is_undone = True
                raise

    async def write(self, batch, keep):
        if not hasattr(self, "is_undone"):
            await keep(batch)


class Hoards(Store):
    """batches of 60,000 records are still referred to when the writer has returned from the last"""

    async def write(self, batch, keep):
        self.batches = [*getattr(self, "batches", ()), batch]
        await keep(batch)


class HoardsLines(Store):
    """batches of 60,000 records are still referred to when the writer has returned from the last"""

    async def write(self, batch, keep):
        self.lines = [*getattr(self, "lines", ()), batch.token_lines]
        await keep(batch)


class Releases(Store):
    """a run of one record: <Batch ssn 0 to 0> was released"""

    async def write(self, batch, keep):
        await keep(batch)
        batch.token_lines.release()


class Delivering(Store):
    """Has an account of its delivery, ``changed``."""

    @asynccontextmanager
    async def open(self, run):
        sent = dict.fromkeys((vault.name for vault in run.vaults), 0)

        def delivery():
            done = sum(sent.values())
            resume = {vault.name: vault.start + sent[vault.name] for vault in run.vaults}
            whole = (done, 0, run.records - done, 0, 0, 0, 0.0, 0.0, (), resume)
            return self.changed(mockdata.Delivery(*whole))

        async with super().open(run) as session:

            async def write(batch):
                await session.write(batch)
                sent[batch.vault] += len(batch)

            yield replace(session, write=write, delivery=delivery)

    def changed(self, delivery):
        return delivery


class Miscounts(Delivering):
    """a run of one record: its delivery is not of 1 record"""

    def changed(self, delivery):
        return replace(delivery, not_sent=1)


class CannotResume(Delivering):
    """a run of one record: its delivery cannot resume ssn at 0"""

    def changed(self, delivery):
        return replace(delivery, resume=dict.fromkeys(delivery.resume, 0))


WRONG_RECORDS = [
    Loses,
    Repeats,
    Disorders,
    Invents,
    Mixes,
    SharesRows,
    SharesAPlace,
    Hoards,
    HoardsLines,
    Releases,
    Miscounts,
    CannotResume,
]
