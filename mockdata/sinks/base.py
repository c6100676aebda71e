"""What a sink is: the protocol that the pipeline asks of it, and the run that it is told about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from mockdata.render.batch import BATCH, Batch, Encoded
from mockdata.render.layout import CSV_LINES, Layout
from mockdata.vaults.resolve import Resolved

if TYPE_CHECKING:
    from mockdata.vaults.typed import Type

__all__ = ["Delivery", "Encoder", "File", "Run", "Session", "Sink", "VaultRun", "Writer"]

AHEAD: Final = 2**25
"""Bytes that are filled at a time, where a session does not say how many."""

Writer = Callable[[Batch], Awaitable[object]] | Callable[[Encoded], Awaitable[object]]
"""Takes one batch or, if the session encodes, what that has made of one. When it returns, the batch
is done with and the vault's next one may come."""

Encoder = Callable[[Batch], Any]
"""Returns a bytes-like object that it makes of a batch, in a worker."""


@dataclass(frozen=True, slots=True)
class VaultRun:
    """One vault's or table's share of a run: the half-open range ``start`` to ``stop``."""

    resolved: Resolved
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The vault's name, or the table's."""
        return self.resolved.name

    @property
    def is_table(self) -> bool:
        """Whether it is a table."""
        return self.resolved.is_table

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns: a vault's are its data column and its token column."""
        return self.resolved.column_names

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of its columns: ``string``, ``int64`` or ``date``; a vault's are strings."""
        return self.resolved.column_types

    @property
    def records(self) -> int:
        """How many records the run makes of it."""
        return self.stop - self.start

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the range into ranges of ``size`` records; the last one may have fewer."""
        for start in range(self.start, self.stop, size):
            yield start, min(start + size, self.stop)

    def mean_widths(self, layout: Layout = CSV_LINES) -> tuple[float, ...]:
        """Return how many bytes a line of each output of a layout has, on average."""
        from mockdata.render.estimate import mean_widths

        return mean_widths(self.resolved.columns, layout, range(self.start, self.stop))


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was asked for and checked: what a sink is opened for."""

    seed: int
    timestamp: int
    vaults: tuple[VaultRun, ...]
    """The vaults and tables that are asked for, in their order."""
    part: tuple[int, int] = (1, 1)
    """Which part it is, of how many; ``start`` and ``stop`` of the vaults are those of the part."""

    @property
    def records(self) -> int:
        """Records of all vaults together."""
        return sum(vault.records for vault in self.vaults)


@dataclass(frozen=True, slots=True)
class File:
    """A file that the workers write lines to, from an offset on."""

    path: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the records that a sink delivers to a service; all counts are of the run.

    At the end of a run, ``sent + failed + not_sent`` is what was asked for, however it ended.
    """

    sent: int
    """Records that the service has taken, by its own answer."""
    failed: int
    """Records that it refused, or did not answer for, to the last try: see ``error_logs``."""
    not_sent: int
    """Records whose fate is unknown: of a run that ended early, or is under way."""
    in_flight: int
    """Requests that wait for their answer now."""
    retries: int
    """Requests that were made again."""
    throttled: int
    """Answers of 429, too many requests."""
    latency_median: float
    """Seconds from a request to its answer, to within a tenth."""
    latency_p95: float
    """Seconds that 95 in 100 requests took at most, to within a tenth."""
    error_logs: tuple[str, ...]
    """Files that have the failed records."""
    resume: dict[str, int]
    """Vault name to the first index whose record is neither sent nor failed; the vault's stop
    where there is none. A run with this ``start`` goes on where this one ended."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a sink yields if it has more than a writer: how a run is written and made permanent.

    Give either ``write`` or ``files``.
    """

    write: Writer | None = None
    """Takes each batch."""
    files: Mapping[str, Sequence[File]] | None = None
    """Vault name to the files that the workers write to, one for each output of its layout. Several
    ranges are written at once, in any order."""
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    """Vault name to how its bytes are wanted. Without, each column is an output of CSV lines."""
    batch_size: int | Mapping[str, int] = BATCH
    """Records of a batch, 10,000 at most. Only a vault's last batch has fewer, unless there is a
    rate, or a table is so wide that they might have more than 16 MiB. For ``encode`` it is 200,000
    at most, with a rate as without, and may be a mapping of vaults' names."""
    encode: Encoder | None = None
    """Called in the workers with each batch. ``write`` then takes, in place of a batch, an
    ``Encoded`` with the bytes that are returned. It has to be picklable, and a function of the
    batch alone: if a worker dies, another one makes its batch again."""
    heads: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Vault name to the bytes that ``write``'s sink has put before each output, as header lines:
    the report counts them. Of ``files``, their offsets say so."""
    ahead: int = AHEAD
    """Bytes that the workers fill for ``write`` at a time, all vaults together, unless there are so
    many that a batch of each takes more. Up to four times as much waits for a slow sink."""
    commit: Callable[[], object] | None = None
    """Called once, when every record is written, and awaited if it returns an awaitable."""
    file_sizes: Callable[[], Mapping[str, int]] | None = None
    """Says, after the commit, how many bytes the files of each vault have, where that is not what
    was rendered or encoded."""
    delivery: Callable[[], Delivery] | None = None
    """Says what became of the records so far; asked at any time, and after the context is left."""
    grace: float = 0.0
    """Seconds that leaving the context may take: the command gives it these before a second
    signal ends the process."""

    def batch_of(self, vault: str) -> int:
        """Return how many records a batch of a vault has."""
        if isinstance(self.batch_size, int):
            return self.batch_size
        return self.batch_size.get(vault, BATCH)


class Sink(Protocol):
    """Where records go. A sink is a configuration; opening it for a run gives a session.

    A class with this one method is a sink; it need not import us::

        class Lines:
            @asynccontextmanager
            async def open(self, run):
                async with await anyio.open_file("lines.txt", "wb") as file:

                    async def write(batch):
                        await file.write(batch.data_lines)

                    yield write

    What a sink can rely on:

    - It is entered once a run, before anything is started, and left once. Entering may raise
      PlanError to refuse the run.
    - It yields a writer, or a ``Session``. A vault's batches come in index order, one at a time;
      those of different vaults come side by side. Once the run has failed, no batch comes any more.
    - ``commit`` is called once, when every record of every vault is written, and never in a run
      that has failed or was cancelled. What stands behind the ``yield`` is reached only then, too.
      A context that is left without it undoes: the ``yield`` raises what ended the run.
    - Committing and leaving are shielded from cancellation. Both happen in the task that entered.
    - When it is left, no worker writes to its files any more.
    - What it raises stops the run and reaches the caller as it is. If the run has failed already,
      it becomes a note on the first error. To swallow an error has no effect.
    - A batch stays valid for as long as it, or a view of its lines, is referred to.
    """

    def open(self, run: Run, /) -> AbstractAsyncContextManager[Writer | Session]:
        """Return the context in which one run's records are written."""
        ...
