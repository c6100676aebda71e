"""The server's side of a connection. The application can drop it."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mockdata.emulator.app import DROP

__all__ = ["DroppingProtocol"]


class DroppingProtocol(HttpToolsProtocol):
    """uvicorn's own, with what drops the connection among the scope's extensions."""

    def on_message_begin(self) -> None:
        """Begin the scope of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"now": self.transport.abort}}
