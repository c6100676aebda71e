"""A sink's life over one run: entered, committed or undone, and left, in a task of its own.

The task is one of asyncio's, and no cancel scope stands around it. So a run that fails or is
cancelled does not reach into the sink's context: the context is told, once, by what its ``yield``
raises. Task groups that a sink has of its own see what they would see in any program, whatever
version of anyio is installed, and the undoing is not cancelled a second time.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from mockdata.errors import PlanError, plural
from mockdata.render.batch import BATCH, BLOCK
from mockdata.render.layout import CSV_LINES, Columns, Texts
from mockdata.sinks.base import Run, Session, Sink
from mockdata.vaults.texts import shown
from mockdata.workers.tasks import ended, note_later_error

__all__ = ["Life", "opened"]


@asynccontextmanager
async def opened(sink: Sink, run: Run) -> AsyncIterator[Life]:
    """Enter a sink's context for the block, and commit at its end.

    If the block raises, the sink undoes. The block's error is raised as it is; what the sink raises
    in undoing becomes a note on it.
    """
    life = Life(sink, run)
    try:
        await life.begin()
        yield life
    except BaseException as error:
        await life.undo(error)
        raise
    await life.commit()


class Life:
    """The task that enters and leaves a sink, and passes events to it."""

    session: Session

    def __init__(self, sink: Sink, run: Run) -> None:
        self._sink, self._run = sink, run
        self._is_open, self._is_told = asyncio.Event(), asyncio.Event()
        self._failure: BaseException | None = None
        self._task = asyncio.create_task(self._live(), name="mockdata sink")

    async def _live(self) -> None:
        async with _context(self._sink, self._run) as target:
            self._target = target
            self._is_open.set()
            await self._is_told.wait()
            if self._failure is not None:
                raise self._failure
            try:
                await self._call_commit()
            except BaseException as error:
                self._failure = error
                raise

    async def _call_commit(self) -> None:
        if self.session.commit is not None:
            done = self.session.commit()
            if inspect.isawaitable(done):
                await done

    async def begin(self) -> None:
        """Wait until the context is entered. Raises what entering raises, and PlanError."""
        opening = asyncio.ensure_future(self._is_open.wait())
        try:
            await asyncio.wait([opening, self._task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
        if self._task.done():
            raise _outcome(self._task) or self._closed_early()
        self.session = _session(self._target, self._run)

    def watch(self, fail: Callable[[BaseException], None]) -> None:
        """Have ``fail`` called if the sink ends by itself, as when a task of its own has failed."""

        def look(task: asyncio.Task[None]) -> None:
            if not self._is_told.is_set():
                fail(_outcome(task) or self._closed_early())

        self._task.add_done_callback(look)

    def _closed_early(self) -> Exception:
        return RuntimeError(f"{shown(self._sink)} closed before the end of the run")

    async def commit(self) -> None:
        """Have the sink commit and leave its context, come what may. Raises what that raises."""
        is_early = self._task.done()
        self._is_told.set()
        await _settled(self._task)
        error = _outcome(self._task)
        if self._failure is not None:  # of the commit: what came behind it is a note
            for later in _others(error, self._failure):
                note_later_error(self._failure, later)
            raise self._failure
        if error is not None or is_early:
            raise error or self._closed_early()

    async def undo(self, failure: BaseException) -> None:
        """Have the sink leave its context because of a failure, if it has not left it."""
        trace = failure.__traceback__
        if isinstance(failure, Exception):
            self._failure = failure
        else:  # an exit, too, is a cancellation to a task: asyncio would let it out of the loop
            self._failure = asyncio.CancelledError()
            self._task.cancel()
        self._is_told.set()
        await _settled(self._task)
        failure.__traceback__ = trace
        for error in _others(_outcome(self._task), failure):
            note_later_error(failure, error)


def _context(sink: Sink, run: Run) -> AbstractAsyncContextManager[object]:
    """Return what opening a sink gives. Raises PlanError unless it can be entered."""
    context: object = sink.open(run)
    if isinstance(context, AbstractAsyncContextManager):
        return context
    if inspect.iscoroutine(context):
        context.close()  # or Python warns that it was not awaited
    given = type(context).__name__
    problem = f"open of {shown(sink)} returns {given}, not an async context manager"
    raise PlanError("sink", f"{problem}: put @asynccontextmanager before it")


def _session(target: object, run: Run) -> Session:
    """Return what a sink yields as a session. Raises PlanError if it is not one."""
    if not (callable(target) or isinstance(target, Session)):
        raise PlanError(
            "sink", f"yields {shown(target)}, which is neither an async callable nor a Session"
        )
    session = target if isinstance(target, Session) else Session(write=target)
    if (session.files is None) == (session.write is None):
        raise PlanError("sink", "its session must have either write or files")
    if session.write is not None and not callable(session.write):
        raise PlanError("sink", f"write {shown(session.write)} is not an async callable")
    most = BATCH if session.encode is None else BLOCK
    for size in map(session.batch_of, (vault.name for vault in run.vaults)):
        if not 1 <= size <= most:
            raise PlanError("sink", f"batch_size {shown(size)} is not from 1 to {most}")
    if session.encode is not None:
        _check_encode(session)
    files = session.files
    for vault in run.vaults if files is not None else ():
        layout = session.layouts.get(vault.name, CSV_LINES)
        if isinstance(layout, Texts):
            raise PlanError("sink", f"{vault.name}: Texts is a layout of batches, not of files")
        outputs = len(vault.columns) if isinstance(layout, Columns) else 1
        if (given := len((files or {}).get(vault.name, ()))) != outputs:
            wanted = f"{outputs} {plural(outputs, 'output')}"
            problem = f"{vault.name} has {wanted} and {given} {plural(given, 'file')}"
            raise PlanError("sink", problem)
    return session


def _check_encode(session: Session) -> None:
    """Raise PlanError unless the workers can be given the session's function."""
    if session.write is None:
        raise PlanError("sink", "its session has encode and files; give write instead of files")
    if not callable(session.encode):
        raise PlanError("sink", f"encode {shown(session.encode)} is not callable")
    import pickle

    try:
        pickle.dumps(session.encode)
    except Exception as error:
        problem = f"encode {shown(session.encode)} cannot be sent to the workers: {error}"
        raise PlanError("sink", problem) from error


def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    """Return what a task has raised; of a group that has one error, the error."""
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _others(error: BaseException | None, failure: BaseException) -> Iterator[BaseException]:
    """Yield the errors raised along with a failure, taken out of their groups."""
    if error is None or error is failure or isinstance(error, asyncio.CancelledError):
        return
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _others(part, failure)
    else:
        yield error


async def _settled(task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        await ended(task)
