"""The HTTP client: a request, its answer, or what kept it from coming; all that knows pyreqwest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from mockdata.errors import DeliveryError, PlanError
from mockdata.sinks.skyflow.answers import Answer

try:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.exceptions import DetailedPyreqwestError, RequestTimeoutError
except ImportError as error:
    raise PlanError(
        "sink", "skyflow needs pyreqwest; run pip install 'pyreqwest>=0.15', or mockdata[skyflow]"
    ) from error

if TYPE_CHECKING:
    from pyreqwest.client import Client as HttpClient
    from pyreqwest.response import Response

__all__ = ["Client"]

NO_CONNECTION: Final = "client error (Connect)"
"""The cause of an error that came before the connection: refused, DNS, TLS, late."""

LONGEST: Final = 4_000_000
"""Bytes of an answer that are read whatever the request was; a longer request may get more."""

PER_BYTE: Final = 8
"""Bytes of an answer that are read for a byte of the request."""


class Client:
    """Posts JSON, by HTTP/2 where the server speaks it, and keeps its connections open.

    Certificates are checked; no redirect is followed, since it would take the token elsewhere, and
    for the same reason there is no proxy between a server that is asked without encryption and us.
    Times are in seconds.
    """

    def __init__(self, url: str, connect_timeout: float) -> None:
        builder = (
            ClientBuilder()
            .http2(enable=True)
            .follow_redirects(enable=False)
            .gzip(enable=True)
            .connect_timeout(timedelta(seconds=connect_timeout))
        )
        is_encrypted = url.lower().startswith("https:")
        self._client: HttpClient = (builder if is_encrypted else builder.no_proxy()).build()
        self._connect_timeout = connect_timeout

    async def post(self, url: str, content: bytes, token: str, timeout: float) -> Answer:  # noqa: ASYNC109
        """Post a body and return the answer. Raises DeliveryError if the server is not trusted.

        ``timeout`` is that of the whole request, the connecting included.
        """
        request = (
            self._client.post(url)
            .bearer_auth(token)
            .header("Content-Type", "application/json")
            .body_bytes(content)
            .timeout(timedelta(seconds=timeout))
            .build_streamed()
        )
        longest = max(LONGEST, PER_BYTE * len(content))
        try:
            async with request as response:
                text = bytes(await response.body_reader.read(longest) or b"")
                return Answer(
                    response.status,
                    text,
                    _header(response, "x-request-id"),
                    _header(response, "retry-after"),
                )
        except DetailedPyreqwestError as error:
            causes = _causes(url, error)
            is_timeout = isinstance(error, RequestTimeoutError)
            was_connecting = NO_CONNECTION in causes or (
                is_timeout and timeout <= self._connect_timeout  # which of the two, nobody knows
            )
            is_late = is_timeout and not was_connecting  # the client would call it a connection's
            reason = f"{'no answer in time' if is_late else error.message}: {causes[-1]}"
            return Answer(0, reason.encode(), connected=not was_connecting)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _header(response: Response, name: str) -> str | None:
    """Return a header of an answer, unless it is not of ASCII characters."""
    try:
        return response.get_header(name)
    except ValueError:
        return None


def _causes(url: str, error: DetailedPyreqwestError) -> list[str]:
    causes = [cause["message"] for cause in error.details["causes"] or ()] or [error.message]
    if "certificate" in causes[-1]:
        raise DeliveryError(0, f"{url} is not trusted: {causes[-1]}") from None
    return causes
