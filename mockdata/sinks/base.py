"""What a sink is: the protocol that it implements, and the run that it gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from mockdata.render.batch import BATCH, Batch, Encoded
from mockdata.render.layout import CSV_LINES, Layout
from mockdata.vaults.frozen import frozen
from mockdata.vaults.resolve import Resolved

if TYPE_CHECKING:
    from mockdata.vaults.typed import Type

__all__ = ["Delivery", "Encoder", "File", "Run", "Session", "Sink", "VaultRun", "Writer"]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

AHEAD: Final = 2**25
"""Bytes that are filled at a time, where a session does not say how many."""

Writer = Callable[[Batch], Awaitable[object]] | Callable[[Encoded], Awaitable[object]]
"""Takes one batch or, if the session encodes, the ``Encoded`` made from one. Return when you are
done with it: then the vault's next one comes."""

Encoder = Callable[[Batch], Any]
"""Turns a batch into a bytes-like object, in a worker."""


@frozen
class VaultRun:
    """One vault or table of a run, and its indices: from ``start`` up to, but without, ``stop``."""

    resolved: Resolved
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The name of the vault or table."""
        return self.resolved.name

    @property
    def is_table(self) -> bool:
        """Whether this is a table."""
        return self.resolved.is_table

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns. A vault has two: its data column and its token column."""
        return self.resolved.column_names

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of the columns: ``string``, ``int64`` or ``date``. A vault's are strings."""
        return self.resolved.column_types

    @property
    def records(self) -> int:
        """How many records the run makes."""
        return self.stop - self.start

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the indices into ranges of ``size`` records. The last one may have fewer."""
        for start in range(self.start, self.stop, size):
            yield start, min(start + size, self.stop)

    def mean_widths(self, layout: Layout = CSV_LINES) -> tuple[float, ...]:
        """Return the mean number of bytes in a line of each output of a layout."""
        from mockdata.render.estimate import mean_widths

        return mean_widths(self.resolved.columns, layout, range(self.start, self.stop))


@frozen
class Run:
    """A run, checked: what a sink is opened for."""

    seed: int
    timestamp: int
    vaults: tuple[VaultRun, ...]
    """The vaults and tables of the run, in order."""
    part: tuple[int, int] = (1, 1)
    """``(k, n)`` for part k of n. The ``start`` and ``stop`` of the vaults are the part's."""

    @property
    def records(self) -> int:
        """How many records the run makes, all vaults together."""
        return sum(vault.records for vault in self.vaults)


@frozen
class File:
    """A file that the workers write to, beginning at an offset."""

    path: str
    offset: int = 0


@frozen
class Delivery:
    """What happened to the records that a sink sent to a service. All counts are for the run.

    When a run has ended, in whatever way, ``sent + failed + not_sent`` is what you asked for.
    """

    sent: int
    """Records that the service confirmed."""
    failed: int
    """Records that it refused, or did not confirm, after the last try. ``error_logs`` has them."""
    not_sent: int
    """The other records: not sent yet, or sent without an answer in a run that ended early."""
    in_flight: int
    """Requests that are waiting for an answer now."""
    retries: int
    """Requests that were repeated."""
    throttled: int
    """Answers with status 429, too many requests."""
    latency_median: float
    """Median seconds from a request to its answer, to within a tenth."""
    latency_p95: float
    """95 in 100 answers took at most this many seconds, to within a tenth."""
    error_logs: tuple[str, ...]
    """The files that have the failed records."""
    resume: dict[str, int]
    """Vault name to the first index that is neither sent nor failed, or to the vault's ``stop`` if
    there is none. Pass it as ``start`` to continue the run."""


@frozen
class Session:
    """What a sink yields if it needs more than a writer: how to write a run and make it permanent.

    Give either ``write`` or ``files``.
    """

    write: Writer | None = None
    """Takes each batch."""
    files: Mapping[str, Sequence[File]] | None = None
    """Vault name to the files that the workers write to, one for each output of the vault's layout.
    The workers write several ranges at once, in any order."""
    layouts: Mapping[str, Layout] = NOTHING
    """Vault name to the layout of its bytes. The default is an output of CSV lines per column."""
    batch_size: int | Mapping[str, int] = BATCH
    """Records in a batch, at most 10,000. Only a vault's last batch is smaller, unless the run has
    a rate, or a table is so wide that a batch might have more than 16 MiB. With ``encode`` the
    limit is 200,000, a rate changes nothing, and you may give a mapping of vault names to sizes."""
    encode: Encoder | None = None
    """Called in the workers with each batch. ``write`` then takes an ``Encoded`` with the bytes
    that it returned. It must be picklable and depend on the batch alone: if a worker dies, another
    one makes its batch again."""
    heads: Mapping[str, Sequence[int]] = NOTHING
    """Vault name to a list of numbers: how many bytes your ``write`` puts before each output, such
    as header lines, so that the report counts them. With ``files``, the offsets say so."""
    ahead: int = AHEAD
    """How many bytes the workers fill for ``write`` at a time, all vaults together. It is more if
    one batch of each vault takes more. Up to four times as much waits for a slow sink."""
    commit: Callable[[], object] | None = None
    """Called once, when every record is written. If it returns an awaitable, that is awaited."""
    file_sizes: Callable[[], Mapping[str, int]] | None = None
    """Called after the commit: vault name to the bytes in its files, if these differ from what was
    rendered or encoded."""
    delivery: Callable[[], Delivery] | None = None
    """Returns what has happened to the records so far. It is called at any time, and once more
    after the sink is left."""
    grace: float = 0.0
    """How many seconds the sink may take to stop. The command waits that much longer before a
    second signal ends the process."""

    def batch_of(self, vault: str) -> int:
        """Return how many records a vault's batches have."""
        if isinstance(self.batch_size, int):
            return self.batch_size
        return self.batch_size.get(vault, BATCH)


class Sink(Protocol):
    """Where records go. A sink holds settings; ``open`` makes a session of them for each run.

    Any class with this one method is a sink. It need not import ``mockdata``::

        class Lines:
            @asynccontextmanager
            async def open(self, run):
                async with await anyio.open_file("lines.txt", "wb") as file:

                    async def write(batch):
                        await file.write(batch.data_lines)

                    yield write

    You can rely on this:

    - The context is entered once for each run, before anything starts, and left once. Raise
      PlanError on entering to refuse the run.
    - Yield a writer or a ``Session``. A vault's batches come in index order, one at a time; those
      of different vaults come side by side. Once the run has failed, no more batches come.
    - ``commit`` is called once, when every record of every vault is written. It is never called in
      a run that failed or was cancelled. Code after the ``yield`` runs only then, too. Otherwise
      the ``yield`` raises what ended the run, and you undo.
    - Committing and leaving are shielded from cancellation. Both happen in the task that entered.
    - When the context is left, no worker writes to the sink's files any more.
    - An exception from the sink stops the run and reaches the caller unchanged. If the run has
      failed already, the exception becomes a note on the first error. Swallowing one has no effect.
    - A batch stays valid for as long as you keep it, or a view of its lines.
    """

    def open(self, run: Run, /) -> AbstractAsyncContextManager[Writer | Session]:
        """Return the async context manager that writes one run's records."""
        ...
