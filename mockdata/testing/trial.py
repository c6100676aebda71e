"""One run of a sink that is being checked: a sink around it, which watches what happens."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from mockdata.errors import plural
from mockdata.render.batch import Batch, Encoded
from mockdata.render.layout import Columns, Rows, Texts
from mockdata.sinks import AnySink, Delivery, Run, Session, Sink, Writer

__all__ = ["Item", "Trial"]

T = TypeVar("T")

Item = Batch | Encoded
"""What a writer is given."""


@dataclass(slots=True)
class Trial:
    """Opens ``sink`` for one run, and notes in ``faults`` what it does wrong."""

    case: str
    made: AnySink
    sink: Sink
    step_timeout: float
    before_batch: Callable[[Item], Awaitable[object]] | None = None
    """Awaited before each batch goes to the sink."""
    faults: list[AssertionError] = field(default_factory=list)
    tasks_before: set[asyncio.Task[Any]] = field(default_factory=asyncio.all_tasks)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    has_files: bool = False
    commits: int = 0
    run: Run = field(init=False)
    delivery: Callable[[], Delivery] | None = None
    kept: list[Item] = field(default_factory=list)
    given: list[tuple[int, list[weakref.ref[Any]]]] = field(default_factory=list)
    held: int = 0
    """Records in batches of ssn that were still referred to when its last one was written."""
    session: Session = field(init=False)
    rows: dict[str, list[bytes]] = field(default_factory=dict)
    """The rows that the sink was given, of the vaults that it has asked for rows of."""

    def fault(self, text: str) -> AssertionError:
        """Return a fault of the sink's, which is remembered whatever becomes of the run."""
        self.faults.append(AssertionError(f"{self.case}: {text}"))
        return self.faults[-1]

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Open the sink, and leave it with what the run is left with."""
        self.run = run
        context: Any = self.sink.open(run)
        if not hasattr(context, "__aenter__"):
            raise self.fault(f"open() returns {context!r}, which is no async context manager")
        session = self._watched(run, await self._in_time("to open it", context.__aenter__()))
        self.opened.set()
        try:
            yield session
        except BaseException as error:
            await self._leave(context, error)
            raise
        await self._leave(context, None)

    def _watched(self, run: Run, target: Any) -> Session:
        """Return a session that does what the sink's does, and notes it."""
        session = target if isinstance(target, Session) else Session(write=target)
        self.session = session
        self._check_layouts(run, session)
        if session.files is not None and session.write is None:
            self.has_files = True
            if missing := [vault.name for vault in run.vaults if vault.name not in session.files]:
                raise self.fault(f"its session has no files for {', '.join(missing)}")
            return replace(session, commit=self._watched_commit(session))
        if not callable(session.write):
            raise self.fault(
                f"it yields {target!r}, which is neither an async callable nor a Session"
            )
        if session.files is not None:
            raise self.fault("its session has both write and files; it needs one of the two")
        self.delivery = session.delivery
        return replace(
            session,
            write=self._watched_write(session.write),
            commit=self._watched_commit(session),
        )

    def _check_layouts(self, run: Run, session: Session) -> None:
        """Check that layouts are of vaults of the run, and fit them."""
        vaults = {vault.name: vault for vault in run.vaults}
        for name, layout in session.layouts.items():
            if name not in vaults:
                raise self.fault(f"it has a layout for {name!r}, which is not in the run")
            if not isinstance(layout, Columns | Rows | Texts):
                raise self.fault(f"its layout of {name} is {layout!r}, no Columns, Rows or Texts")

    def _watched_write(self, write: Writer) -> Writer:
        async def watched(batch: Any) -> None:
            if self.before_batch is not None:
                await self.before_batch(batch)
            if isinstance(batch, Batch) and isinstance(batch.form.layout, Rows):
                self.rows.setdefault(batch.vault, []).append(bytes(batch.rows))
            writing = cast("Callable[[Item], Awaitable[object]]", write)(batch)
            if not inspect.isawaitable(writing):
                raise self.fault(f"its writer is not async: it returned {writing!r}")
            await self._in_time("to write a batch", writing)
            self.check_valid(batch)
            self._note(batch)

        return watched

    def _watched_commit(self, session: Session) -> Callable[[], Awaitable[None]]:
        async def watched() -> None:
            self.commits += 1
            result = session.commit() if session.commit is not None else None
            if inspect.isawaitable(result):
                await self._in_time("to commit", result)

        return watched

    def _note(self, batch: Item) -> None:
        """Keep a vault's first batch, and note which of the others are still referred to."""
        vault = next(vault for vault in self.run.vaults if vault.name == batch.vault)
        if batch.start == vault.start:
            self.kept.append(batch)
        elif batch.vault == "ssn":
            refs = [weakref.ref(referred) for referred in (batch, *_memory(batch))]
            self.given.append((len(batch), refs))
            if batch.start + len(batch) == vault.stop:
                gc.collect()
                alive = (n for n, refs in self.given if any(ref() is not None for ref in refs))
                self.held = sum(alive)

    async def _leave(
        self, context: AbstractAsyncContextManager[Any], error: BaseException | None
    ) -> None:
        trace = error.__traceback__ if error is not None else None
        kind = type(error) if error is not None else None
        try:
            swallowed = await self._in_time("to leave it", context.__aexit__(kind, error, trace))
        except BaseException as raised:
            if not _stands_for(raised, error) and not isinstance(raised, AssertionError):
                self.fault(f"leaving it with {error!r} raised {raised!r}").__cause__ = raised
            raise
        if swallowed and error is not None:
            raise self.fault(
                f"leaving it with {error!r} swallows that: it goes on as if all is well"
            )

    async def _in_time(self, what: str, step: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.step_timeout) as limit:
                return await step
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.fault(f"{what} takes more than {self.step_timeout:g} s") from None

    def check_valid(self, batch: Item) -> None:
        """Check that the memory of a batch has not been released."""
        try:
            _ = [output.nbytes for output in _memory(batch)]
        except ValueError:
            raise self.fault(f"{batch!r} was released, and others may refer to it") from None

    def check_account(self) -> None:
        """Check that what the sink says of its delivery is of this run."""
        if self.delivery is None:
            return
        told = self.delivery()
        if told.sent + told.failed + told.not_sent != self.run.records:
            records = f"{self.run.records:,} {plural(self.run.records, 'record')}"
            raise self.fault(f"its delivery is not of {records}: {told}")
        for vault in self.run.vaults:
            at = told.resume.get(vault.name, -1)
            if not vault.start <= at <= vault.stop or (at < vault.stop and not told.not_sent):
                raise self.fault(f"its delivery cannot resume {vault.name} at {at}: {told}")


def _memory(batch: Item) -> tuple[memoryview, ...]:
    """Return the memory that a batch refers to."""
    return batch.outputs if isinstance(batch, Batch) else (batch.data,)


def _stands_for(raised: BaseException, error: BaseException | None) -> bool:
    """Return whether leaving raised what it was left with: itself, as a group of one, or anew."""
    if isinstance(raised, BaseExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    cancelled = asyncio.CancelledError
    return raised is error or (isinstance(raised, cancelled) and isinstance(error, cancelled))
