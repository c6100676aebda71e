"""The HTTP client: a request, its answer, or what kept it from coming; all that knows pyreqwest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from mockdata.errors import DeliveryError, PlanError

try:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.exceptions import DetailedPyreqwestError
except ImportError as error:
    raise PlanError("sink", "skyflow needs more: pip install 'mockdata[skyflow]'") from error

if TYPE_CHECKING:
    from pyreqwest.client import Client as HttpClient

__all__ = ["Answer", "Client"]


class Answer(NamedTuple):
    """An answer; the status is 0 if none came, and the text then says why."""

    status: int
    text: bytes
    request_id: str | None = None
    retry_after: str | None = None


class Client:
    """Posts JSON, by HTTP/2 where the server speaks it, and keeps its connections open.

    Certificates are checked; no redirect is followed, since it would take the token elsewhere.
    """

    def __init__(self, connect_timeout: float, answer_timeout: float) -> None:
        self._client: HttpClient = (
            ClientBuilder()
            .http2(enable=True)
            .follow_redirects(enable=False)
            .gzip(enable=True)
            .connect_timeout(timedelta(seconds=connect_timeout))
            .timeout(timedelta(seconds=connect_timeout + answer_timeout))
            .build()
        )

    async def post(self, url: str, content: bytes, token: str) -> Answer:
        """Post a body and return the answer. Raises DeliveryError if the server is not trusted."""
        request = (
            self._client.post(url)
            .bearer_auth(token)
            .header("Content-Type", "application/json")
            .body_bytes(content)
            .build()
        )
        try:
            response = await request.send()
            text = bytes(await response.bytes())
        except DetailedPyreqwestError as error:
            return Answer(0, _reason(url, error).encode())
        return Answer(
            response.status,
            text,
            response.get_header("x-request-id"),
            response.get_header("retry-after"),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _reason(url: str, error: DetailedPyreqwestError) -> str:
    causes = [cause["message"] for cause in error.details["causes"] or ()]
    reason = causes[-1] if causes else error.message
    if "certificate" in reason:
        raise DeliveryError(0, f"{url} is not trusted: {reason}") from None
    return f"{error.message}: {reason}"
