"""What a sink has to do, checked by running it: for the author of a sink."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from mockdata.pipeline.plan import VaultPlan
from mockdata.pipeline.report import Progress
from mockdata.pipeline.run import generate
from mockdata.render.batch import Batch, Record
from mockdata.sinks import AnySink, Files, Sink, Writer, as_sink
from mockdata.testing.doubles import ListSink

__all__ = ["check_sink"]

T = TypeVar("T")

Rows = Iterable[tuple[str, str]]
ReadBack = Callable[[Any, str], Rows | Awaitable[Rows]]

_generate: Final = partial(generate, seed=1, timestamp=1_700_000_000)

ONE: Final = {"ssn": 1}
MANY: Final = {"name": 10_001, "id": 1, "dob": 5_000, "ssn": 70_000}
BROKEN_OFF: Final = {"name": 10_001, "id": 1, "ssn": 20_001}

HELD: Final = 4
"""Batches of a vault that a sink may still refer to when its writer has returned from all."""


async def check_sink(
    make_sink: Callable[[], AnySink],
    read_back: ReadBack | None = None,
    *,
    atomic: bool = True,
    keeps_batches: bool = False,
    step_timeout: float = 60.0,
) -> None:
    """Run a sink through what it will meet, and say what is wrong with it, if anything is.

    The runs are real: one record; none; 85,002, of four vaults side by side; one that fails when
    one vault is done and another is not; one that is cancelled while a batch is being written.
    Each has a sink of its own. What is checked:

    - **Form.** ``open(vault)`` returns an async context manager that can be left once, and yields
      an async callable or ``Files``.
    - **Errors and cancellation.** A run that fails raises what it failed with, and a cancelled one
      ends as cancelled: leaving the sink raises nothing else in its place.
    - **Order and completeness**, if there is ``read_back``: each vault's records, each once, in
      index order, and nothing of another vault. After a run that failed or was cancelled, nothing.
    - **Back-pressure.** When the writer has returned from a vault's last batch, few of the batches
      are still referred to. (A sink that queues copies is not found out.)
    - **Batches kept** by somebody else stay valid: the sink does not release their memory.
    - **Time.** Nothing waits longer than ``step_timeout``, and when a run has ended, no task of the
      sink's goes on.

    Args:
        make_sink: Returns a new sink, for a place where nothing is yet; called for every run.
        read_back: Called, plain or async, with the sink and the name of a vault once a run has
            ended; returns the (value, token) pairs that the sink has made permanent, in order.
        atomic: Whether a run is written as a whole or not at all. If false, a run that fails may
            leave some of its records, each once.
        keeps_batches: Whether the sink keeps batches on purpose.
        step_timeout: Seconds that a step of the sink may take: to open, write a batch, or leave.

    Raises:
        AssertionError: The sink does something else; the message says what, and in which run.

    """
    bench = _Bench(make_sink, read_back, atomic, keeps_batches, step_timeout)
    await bench.whole_run("a run of one record", ONE)
    await bench.whole_run("a run of no record", ONE, part=(1, 2))
    await bench.whole_run(f"a run of {sum(MANY.values()):,} records", MANY)
    await bench.failing_run("a run that fails")
    await bench.cancelled_run("a run that is cancelled")


@dataclass(frozen=True, slots=True)
class _Bench:
    """The sink's maker, how its work is read, and what is asked of it."""

    make_sink: Callable[[], AnySink]
    read_back: ReadBack | None
    atomic: bool
    keeps_batches: bool
    step_timeout: float

    async def whole_run(
        self, case: str, counts: dict[str, int], part: tuple[int, int] = (1, 1)
    ) -> None:
        """Check a run that nothing stops."""
        trial = self._trial(case)
        task = asyncio.ensure_future(_generate(counts, sink=trial, part=part))
        error = await self._ended(trial, task)
        if error is not None:
            raise trial.fault(f"it raised {error!r}") from error
        expected = await _expected(counts, part)
        for batch in trial.kept:
            trial.check_valid(batch)
        if trial.held > HELD and not self.keeps_batches:
            raise trial.fault(
                f"{trial.held} batches are still referred to when the writer has returned "
                "from the last: it has to wait until a batch is done with"
            )
        for vault in counts:
            found, given = await self._found(trial, vault), expected.records(vault)
            if found is not None and found != given:
                raise trial.fault(_difference(vault, found, given))

    async def failing_run(self, case: str) -> None:
        """Check a run that fails when one vault is done and another has begun."""
        trial, failure, taken = self._trial(case), RuntimeError("this run is meant to fail"), {}

        def fail(progress: Progress) -> None:
            taken[progress.vault] = progress.records
            if taken.get("id") and taken.get("ssn"):
                raise failure

        run = _generate(BROKEN_OFF, sink=trial, on_progress=fail)
        error = await self._ended(trial, asyncio.ensure_future(run))
        if error is not failure:
            raise trial.fault(f"it ended with {error!r} and not with what it failed with")
        await self._check_undone(trial)

    async def cancelled_run(self, case: str) -> None:
        """Check a run that is cancelled while a batch is written, or its files are there."""
        trial = self._trial(case)
        run = _generate(BROKEN_OFF, sink=trial, on_progress=trial.show)
        task = asyncio.ensure_future(run)
        trial.interrupt = task.cancel
        error = await self._ended(trial, task)
        if not isinstance(error, asyncio.CancelledError):
            raise trial.fault(f"it ended with {error!r} and not as cancelled")
        await self._check_undone(trial)

    def _trial(self, case: str) -> _Trial:
        made = self.make_sink()
        return _Trial(case, made, as_sink(made), self.step_timeout, asyncio.all_tasks())

    async def _ended(self, trial: _Trial, task: asyncio.Task[Any]) -> BaseException | None:
        """Wait for a run and the tasks that it leaves; return what it raised. Raise its faults."""
        error: BaseException | None = None
        try:
            await asyncio.wait([task])
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
        finally:
            task.cancel()
        if trial.faults:
            raise trial.faults[0]
        left = asyncio.all_tasks() - trial.tasks_before
        if left and (pending := (await asyncio.wait(left, timeout=self.step_timeout))[1]):
            for going_on in pending:
                going_on.cancel()
            raise trial.fault(f"it has ended, and tasks of the sink's go on: {len(pending)}")
        return error

    async def _found(self, trial: _Trial, vault: str) -> list[Record] | None:
        if self.read_back is None:
            return None
        rows = self.read_back(trial.made, vault)
        if inspect.isawaitable(rows):
            rows = await rows
        return [Record(*row) for row in rows]

    async def _check_undone(self, trial: _Trial) -> None:
        expected = await _expected(BROKEN_OFF)
        for vault in BROKEN_OFF:
            found = await self._found(trial, vault)
            if found and self.atomic:
                raise trial.fault(f"records of {vault} are there, and none may be: {len(found):,}")
            more = Counter(found or ()) - Counter(expected.records(vault))
            if more:
                raise trial.fault(
                    f"records of {vault} are not its own, or too many: {more.total():,}"
                )


@dataclass(slots=True)
class _Trial:
    """One run of a sink, which it stands around: a sink itself, to watch what happens."""

    case: str
    made: AnySink
    sink: Sink
    step_timeout: float
    tasks_before: set[asyncio.Task[Any]]
    interrupt: Callable[[], object] | None = None
    faults: list[AssertionError] = field(default_factory=list)
    has_files: bool = False
    kept: list[Batch] = field(default_factory=list)
    given: list[weakref.ref[Any]] = field(default_factory=list)
    held: int = 0

    def fault(self, text: str) -> AssertionError:
        """Return a fault of the sink's, which is remembered whatever becomes of the run."""
        self.faults.append(AssertionError(f"{self.case}: {text}"))
        return self.faults[-1]

    @asynccontextmanager
    async def open(self, vault: VaultPlan) -> AsyncIterator[Writer | Files]:
        """Open the sink, and leave it with what the run is left with."""
        context: Any = self.sink.open(vault)
        if not hasattr(context, "__aenter__"):
            raise self.fault(f"open() returns {context!r}, which is no async context manager")
        target = await self._in_time("to open it", context.__aenter__())
        try:
            yield self._watched(target)
        except BaseException as error:
            await self._leave(context, error)
            raise
        await self._leave(context, None)

    def _watched(self, target: Any) -> Writer | Files:
        if isinstance(target, Files):
            self.has_files = True
            return target
        if not callable(target):
            raise self.fault(f"it yields {target!r}, which is neither an async callable nor Files")

        async def write(batch: Batch) -> None:
            if self.interrupt is not None and batch.vault == "ssn" and batch.start:
                asyncio.get_running_loop().call_soon(self.interrupt)
            writing = target(batch)
            if not inspect.isawaitable(writing):
                raise self.fault(f"its writer is not async: it returned {writing!r}")
            await self._in_time("to write a batch", writing)
            self.check_valid(batch)
            self._note(batch)

        return write

    def _note(self, batch: Batch) -> None:
        """Keep a vault's first batch, and note which of the others are still referred to."""
        if not batch.start:
            self.kept.append(batch)
        elif batch.vault == "ssn":
            self.given += map(weakref.ref, (batch, batch.data_lines, batch.token_lines))
            if batch.start + len(batch) == MANY["ssn"]:
                gc.collect()
                alive = [self.given[k : k + 3] for k in range(0, len(self.given), 3)]
                self.held = sum(any(ref() is not None for ref in refs) for refs in alive)

    def show(self, progress: Progress) -> None:
        """Interrupt a run whose files are there."""
        if self.interrupt is not None and self.has_files and progress.vault == "ssn":
            self.interrupt()

    async def _leave(
        self, context: AbstractAsyncContextManager[Any], error: BaseException | None
    ) -> None:
        trace = error.__traceback__ if error is not None else None
        kind = type(error) if error is not None else None
        try:
            await self._in_time("to leave it", context.__aexit__(kind, error, trace))
        except BaseException as raised:
            if not _stands_for(raised, error) and not isinstance(raised, AssertionError):
                self.fault(f"leaving it with {error!r} raised {raised!r}").__cause__ = raised
            raise

    async def _in_time(self, what: str, step: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.step_timeout) as limit:
                return await step
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.fault(f"{what} takes more than {self.step_timeout} seconds") from None

    def check_valid(self, batch: Batch) -> None:
        """Check that the memory of a batch has not been released."""
        try:
            _ = batch.data_lines.nbytes, batch.token_lines.nbytes
        except ValueError:
            raise self.fault(f"{batch!r} was released, and others may refer to it") from None


def _stands_for(raised: BaseException, error: BaseException | None) -> bool:
    """Return whether leaving raised what it was left with: itself, as a group of one, or anew."""
    if isinstance(raised, BaseExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    cancelled = asyncio.CancelledError
    return raised is error or (isinstance(raised, cancelled) and isinstance(error, cancelled))


async def _expected(counts: dict[str, int], part: tuple[int, int] = (1, 1)) -> ListSink:
    expected = ListSink()
    await _generate(counts, sink=expected, part=part)
    return expected


def _difference(vault: str, found: list[Record], given: list[Record]) -> str:
    """Say in what way the records that were found are not those that were given."""
    missing, more = Counter(given) - Counter(found), Counter(found) - Counter(given)
    if missing:
        return f"records of {vault} are missing: {missing.total():,}"
    if more:
        kind = "there more than once" if set(more) <= set(given) else "not its own"
        return f"records of {vault} are {kind}: {more.total():,}"
    return f"the records of {vault} are not in order"
