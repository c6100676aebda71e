"""Checks a sink by running it. For authors of sinks."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from mockdata.pipeline.report import Progress
from mockdata.pipeline.run import generate
from mockdata.render.batch import BATCH, Batch, Record
from mockdata.render.layout import Rows, escaped
from mockdata.sinks import AnySink, as_sink
from mockdata.testing.doubles import ListSink
from mockdata.testing.trial import Item, Trial
from mockdata.vaults.vault import Vault

__all__ = ["check_sink"]

Pairs = Iterable[tuple[str, str]]
ReadBack = Callable[[Any, str], Pairs | Awaitable[Pairs]]

MARKS: Final = r"""( |,|;|"|'|\\|ü|漢|😀){3}"""

ODD: Final = Vault("odd", value=f"{MARKS}{{suffix}}{MARKS}", token=f"{MARKS}{{suffix}}{MARKS}")
"""A vault of texts that need quotes in CSV, an escape in JSON, and up to four bytes a character."""

_generate: Final = partial(generate, timestamp=1_700_000_000, vaults=[ODD])

SEED: Final = 1
ONE: Final = {"ssn": 1}
MANY: Final = {"name": 10_001, "id": 1, "dob": 5_000, "ssn": 70_000}
ANY_TEXT: Final = {ODD.name: 5_000}
BROKEN_OFF: Final = {"name": 10_001, "id": 1, "ssn": 20_001}

HELD: Final = 4 * BATCH
"""Records in batches that a sink may still refer to when its writer has returned from all."""

SIDE_BY_SIDE: Final = 1.0
"""Seconds that one of two runs waits for the other, if the sink takes one at a time."""


async def check_sink(
    make_sink: Callable[[], AnySink],
    read_back: ReadBack | None = None,
    *,
    atomic: bool = True,
    keeps_batches: bool = False,
    any_text: bool = False,
    step_timeout: float = 60.0,
) -> None:
    """Run a sink through everything that it will meet, and report the first fault.

    The runs are real. One has a single record, one has none, and one has 85,002 in four vaults. One
    fails when one vault is done and another is not. One is cancelled while a batch is being
    written. Two run at the same time, and one of these fails. Each run gets a new sink, but the
    last two share one. These are the checks:

    - **Form.** ``open(run)`` returns an async context manager that can be left once. It yields an
      async callable, or a ``Session`` with either ``write`` or files for each vault.
    - **Errors and cancellation.** A failed run raises what it failed with, and a cancelled run ends
      as cancelled: leaving the sink neither replaces nor swallows the error. Such a run is not
      committed. Every other run is committed once.
    - **Order and completeness**, with ``read_back``: all records of each vault, each once, in index
      order, character by character. After a run that failed or was cancelled, none.
    - **Layouts**, if the session has any, are for vaults of the run, and the sink's rows are those
      of the records. Only ``read_back`` checks what ``encode`` makes.
    - **Two runs at once** share nothing: no record of the failed run is among those of the other.
    - **Back-pressure.** When the writer has returned from a vault's last batch, it holds on to few
      of the batches. (This does not find a sink that queues copies.)
    - **Kept batches** stay valid: the sink does not release their memory.
    - **A delivery**, if the session has one, accounts for all records of the run.
    - **Time.** No step takes longer than ``step_timeout``, and the sink leaves no task running.

    Args:
        make_sink: Returns a new sink for an empty place.
        read_back: Called when a run has ended, with the sink and a vault's name. It returns the
            (value, token) pairs that the sink made permanent, in order. It may be async.
        atomic: Whether a run is written as a whole or not at all. If False, a failed run may leave
            some of its records, each once.
        keeps_batches: Whether the sink keeps batches on purpose.
        any_text: Whether to run one more vault, ``odd``, whose texts have quotes, commas,
            backslashes, spaces at both ends, and characters of up to four bytes.
        step_timeout: How many seconds each step of the sink may take: to open, to write a batch, to
            commit, or to leave.

    Raises:
        AssertionError: The sink has a fault. The message says what it is, and in which run.

    """
    bench = _Bench(make_sink, read_back, atomic, keeps_batches, step_timeout)
    await bench.whole_run("a run of one record", ONE)
    await bench.whole_run("a run of no record", ONE, part=(1, 2))
    await bench.whole_run(f"a run of {sum(MANY.values()):,} records", MANY)
    if any_text:
        await bench.whole_run("a run of texts of every kind", ANY_TEXT)
    await bench.failing_run("a run that fails")
    await bench.cancelled_run("a run that is cancelled")
    await bench.two_runs("two runs at once")


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
        run = _generate(counts, sink=trial, part=part, seed=SEED)
        _check_done(trial, await self._ended(trial, asyncio.ensure_future(run)))
        if trial.held > HELD and not self.keeps_batches:
            raise trial.fault(
                f"batches of {trial.held:,} records are still referred to when the writer has "
                "returned from the last: it has to wait until a batch is done with"
            )
        expected = await _expected(counts, part=part)
        for vault in counts:
            found, given = await self._found(trial, vault), expected.records(vault)
            if found is not None and found != given:
                raise trial.fault(_difference(vault, found, given))
            _check_rows(trial, vault, expected.batches[vault])

    async def failing_run(self, case: str) -> None:
        """Check a run that fails when one vault is done and another has begun."""
        trial, failure = self._trial(case), RuntimeError("this run is meant to fail")
        run = _generate(BROKEN_OFF, sink=trial, on_progress=_failing_with(failure), seed=SEED)
        _check_broken_off(trial, await self._ended(trial, asyncio.ensure_future(run)), failure)
        await self._check_undone(trial)

    async def cancelled_run(self, case: str) -> None:
        """Check a run that is cancelled while a batch is written, or its files are there."""
        trial = self._trial(case)

        async def before_batch(batch: Item) -> None:
            if batch.vault == "ssn" and _is_later(batch):
                asyncio.get_running_loop().call_soon(task.cancel)

        def show(progress: Progress) -> None:
            if trial.has_files and progress.vault == "ssn":
                task.cancel()

        trial.before_batch = before_batch
        run = _generate(BROKEN_OFF, sink=trial, on_progress=show, seed=SEED)
        task = asyncio.ensure_future(run)
        _check_broken_off(trial, await self._ended(trial, task), None)
        await self._check_undone(trial)

    async def two_runs(self, case: str) -> None:
        """Check a run that succeeds, while another one of the same sink is open and then fails."""
        failing, failure = self._trial(case), RuntimeError("this run is meant to fail")
        whole = Trial(case, failing.made, failing.sink, self.step_timeout)
        written = asyncio.Event()

        async def wait_for_the_other(batch: Item) -> None:
            if batch.vault == "ssn":
                with suppress(TimeoutError):
                    await asyncio.wait_for(written.wait(), SIDE_BY_SIDE)

        async def let_the_other_fail(batch: Item) -> None:
            if batch.vault == "ssn" and _is_later(batch):
                written.set()
                await asyncio.wait([first], timeout=SIDE_BY_SIDE)

        failing.before_batch, whole.before_batch = wait_for_the_other, let_the_other_fail
        fail = _failing_with(failure)
        run = _generate(BROKEN_OFF, sink=failing, on_progress=fail, seed=SEED + 1)
        first = asyncio.ensure_future(run)
        first.add_done_callback(lambda _: failing.opened.set())
        await failing.opened.wait()
        second = asyncio.ensure_future(_generate(BROKEN_OFF, sink=whole, seed=SEED))
        await asyncio.wait([first, second])
        _check_broken_off(failing, await self._ended(failing, first), failure)
        _check_done(whole, await self._ended(whole, second))
        await self._check_both(whole)

    def _trial(self, case: str) -> Trial:
        made = self.make_sink()
        return Trial(case, made, as_sink(made), self.step_timeout)

    async def _ended(self, trial: Trial, task: asyncio.Task[Any]) -> BaseException | None:
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
        trial.check_account()
        return error

    async def _found(self, trial: Trial, vault: str) -> list[Record] | None:
        if self.read_back is None:
            return None
        rows = self.read_back(trial.made, vault)
        if inspect.isawaitable(rows):
            rows = await rows
        return [Record(*row) for row in rows]

    async def _check_undone(self, trial: Trial) -> None:
        """Check that a run that was broken off has left nothing, or nothing but its own."""
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

    async def _check_both(self, whole: Trial) -> None:
        """Check that the records of the whole run are there, and what may be of the failed one."""
        expected, failed = await _expected(BROKEN_OFF), await _expected(BROKEN_OFF, seed=SEED + 1)
        for vault in BROKEN_OFF:
            found, given = await self._found(whole, vault), expected.records(vault)
            if found is None:
                continue
            if not self.atomic:
                may_be_there = set(failed.records(vault))
                found = [record for record in found if record not in may_be_there]
            if found != given:
                raise whole.fault(_difference(vault, found, given))


def _is_later(batch: Item) -> bool:
    """Return whether a batch goes beyond the first one of most sinks."""
    return batch.start > 0 or len(batch) > BATCH


def _failing_with(failure: Exception) -> Callable[[Progress], None]:
    """Return what raises when one vault is done and another has begun."""
    taken: dict[str, int] = {}

    def fail(progress: Progress) -> None:
        taken[progress.vault] = progress.records
        if taken.get("id") and taken.get("ssn"):
            raise failure

    return fail


def _check_done(trial: Trial, error: BaseException | None) -> None:
    """Check the end of a run that nothing has stopped."""
    if error is not None:
        raise trial.fault(f"it raised {error!r}") from error
    if trial.commits != 1:
        raise trial.fault(f"it was committed {trial.commits} times")
    for batch in trial.kept:
        trial.check_valid(batch)


def _check_broken_off(trial: Trial, error: BaseException | None, failure: Exception | None) -> None:
    """Check the end of a run that has failed, or that was cancelled if ``failure`` is None."""
    if failure is not None and error is not failure:
        raise trial.fault(f"it ended with {error!r} and not with what it failed with")
    if failure is None and not isinstance(error, asyncio.CancelledError):
        raise trial.fault(f"it ended with {error!r} and not as cancelled")
    if trial.commits:
        raise trial.fault("it was committed")


async def _expected(
    counts: dict[str, int], *, part: tuple[int, int] = (1, 1), seed: int = SEED
) -> ListSink:
    expected = ListSink()
    await _generate(counts, sink=expected, part=part, seed=seed)
    return expected


def _check_rows(trial: Trial, vault: str, batches: list[Batch]) -> None:
    """Check the rows that a sink was given, if it has asked for any, against values and tokens."""
    layout = trial.session.layouts.get(vault)
    if isinstance(layout, Rows) and b"".join(trial.rows.get(vault, ())) != b"".join(
        _row(layout, batch, record) for batch in batches for record in batch
    ):
        raise trial.fault(f"the rows of {vault} are not what {layout} makes of its records")


def _row(layout: Rows, batch: Batch, record: Record) -> bytes:
    """Return the row of a record."""
    before, *behind = layout.gaps(len(record))
    row = [before]
    for place, gap in zip(layout.order(len(record)), behind, strict=True):
        mark = '"' if batch.form.quoted[place] and layout.escape == "csv" else ""
        row += [f"{mark}{escaped(record[place], layout.escape)}{mark}".encode(), gap]
    return b"".join(row)


def _difference(vault: str, found: list[Record], given: list[Record]) -> str:
    """Say in what way the records that were found are not those that were given."""
    missing, more = Counter(given) - Counter(found), Counter(found) - Counter(given)
    if missing:
        return f"records of {vault} are missing: {missing.total():,}"
    if more:
        kind = "there more than once" if set(more) <= set(given) else "not its own"
        return f"records of {vault} are {kind}: {more.total():,}"
    return f"the records of {vault} are not in order"
