"""What a sink is: the protocol that the pipeline asks of it, and nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mockdata.pipeline.plan import VaultPlan
from mockdata.pipeline.report import Delivery
from mockdata.render.batch import Batch

__all__ = ["DeliverySink", "Files", "Sink", "Writer"]

Writer = Callable[[Batch], Awaitable[object]]
"""Takes one batch. When it returns, the batch is done with and the next one may come."""


@dataclass(frozen=True, slots=True)
class Files:
    """Two files that the workers write a vault's lines to, each from an offset on."""

    data: str
    tokens: str
    data_offset: int
    token_offset: int


class Sink(Protocol):
    """Where records go. A sink is a configuration; opening it for one vault gives a writer.

    A class with this one method is a sink; it need not import us::

        class Lines:
            @asynccontextmanager
            async def open(self, vault):
                async with await anyio.open_file(f"{vault.name}.txt", "wb") as file:

                    async def write(batch):
                        await file.write(batch.data_lines)

                    yield write

    What a sink can rely on:

    - It is opened once for every vault of the run, in their order; the vaults' writers then work
      side by side, and each is given its vault's batches in index order, one at a time.
    - It is left exactly once, shielded from cancellation: without an exception when every vault's
      last batch has been written, so this is the place to commit; with the exception when the run
      has failed or was cancelled, so this is the place to undo.
    - An exception that it raises stops the run and reaches the caller as it is. To swallow an
      exception that it is left with has no effect.
    - A batch stays valid for as long as it, or a view of its lines, is referred to.

    A sink that owns two files a vault may yield ``Files`` in place of a writer: the workers then
    write the lines there by themselves, several ranges at once and in any order.
    """

    def open(self, vault: VaultPlan, /) -> AbstractAsyncContextManager[Writer | Files]:
        """Return the context in which one vault's records are written."""
        ...


@runtime_checkable
class DeliverySink(Sink, Protocol):
    """A sink that delivers records to a service, and so has more to say than what it has taken.

    A sink that has these two methods beside ``open`` is one. If it has an attribute ``grace`` as
    well, the seconds that it takes to stop at most, the command gives it these before a second
    signal ends the process.
    """

    def begin(self, vaults: Sequence[VaultPlan], /) -> None:
        """Begin a run of these vaults, before anything is started; raises PlanError to refuse."""
        ...

    def delivery(self) -> Delivery:
        """Return what has become of the records so far. It is asked for at any time."""
        ...
