"""What the command knows of a run at any time: a sink around the one that the records go to."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING

from mockdata.sinks import AnySink, Delivery, Run, Session, Writer, as_sink

if TYPE_CHECKING:
    from types import TracebackType

    from mockdata.pipeline.report import Progress

__all__ = ["Watch"]


class Watch:
    """Passes a run on to a sink, and remembers its session and how far it has come."""

    def __init__(self, sink: AnySink) -> None:
        self._sink = as_sink(sink)
        self._session: Session | None = None
        self.taken: dict[str, Progress] = {}
        """Vault name to what the sink has taken so far."""

    def open(self, run: Run) -> AbstractAsyncContextManager[Writer | Session]:
        """Return the context of the sink."""
        return _Opened(self._sink.open(run), self)

    def keep(self, target: Writer | Session) -> None:
        """Remember what the sink has yielded."""
        self._session = target if isinstance(target, Session) else None

    @property
    def grace(self) -> float:
        """Seconds that the sink may take when the run is stopped."""
        return self._session.grace if self._session is not None else 0.0

    def delivery(self) -> Delivery | None:
        """Return what became of the records, if the sink delivers them."""
        if self._session is None or self._session.delivery is None:
            return None
        with suppress(Exception):  # at an ending, the run's own error counts
            return self._session.delivery()
        return None


class _Opened(AbstractAsyncContextManager[Writer | Session]):
    """A sink's context, unchanged: errors raised in it and by it pass through untouched."""

    def __init__(
        self, context: AbstractAsyncContextManager[Writer | Session], watch: Watch
    ) -> None:
        self._context = context
        self._watch = watch

    async def __aenter__(self) -> Writer | Session:
        target = await self._context.__aenter__()
        self._watch.keep(target)
        return target

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)
