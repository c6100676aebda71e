"""The bearer token: where it comes from, when it is renewed, and that nobody gets to see it."""

from __future__ import annotations

import asyncio
import getpass
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NoReturn

from mockdata.errors import DeliveryError, PlanError

__all__ = ["VARIABLE", "Bearer", "TokenSource", "found_token"]

VARIABLE: Final = "SKYFLOW_BEARER_TOKEN"
"""The environment variable that has the token."""

HIDDEN: Final = "[bearer token]"

TokenSource = str | Callable[[], str | Awaitable[str]]
"""A token, or a plain or async callable that returns one."""


def found_token(given: TokenSource | None, in_file: str = "") -> TokenSource:
    """Return the token that is given, in the environment, in a file, or typed at a terminal.

    Raises PlanError where there is none.
    """
    token = given or os.environ.get(VARIABLE) or in_file
    if not token and sys.stdin is not None and sys.stdin.isatty():
        token = _typed()
    if not token:
        raise PlanError(VARIABLE, "the bearer token is missing: set this environment variable")
    return token if callable(token) else _checked(token)


class _Signalled(BaseException):
    """A signal came while the token was asked for."""


def _typed() -> str:
    """Ask for the token. A signal takes effect only when the terminal echoes again."""
    came = 0

    def interrupt(number: int, _: object) -> NoReturn:
        nonlocal came
        came = number
        raise _Signalled

    earlier = {}
    with suppress(ValueError):  # only a main thread hears signals
        for number in (signal.SIGINT, signal.SIGTERM):
            earlier[number] = signal.signal(number, interrupt)
    try:
        return getpass.getpass("bearer token of the vault: ")
    except _Signalled:
        return ""
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came)


def _checked(token: object) -> str:
    text = token.strip() if isinstance(token, str) else ""
    if not text or not text.isascii() or not text.isprintable():
        raise PlanError("token", "not a bearer token: it must be ASCII text")
    return text


class Bearer:
    """The token that requests carry now.

    A callable is called before the first request, and again when a token that was good is
    refused: once for each token, however many requests were under way with it.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token = "" if callable(source) else source
        self._known: set[str] = {self._token} - {""}
        self._lock = asyncio.Lock()
        self._was_accepted = True

    async def token(self) -> str:
        """Return the token."""
        if not self._token:
            await self.renew("")
        return self._token

    def accepted(self, token: str) -> None:
        """Note that the vault has answered to a token."""
        if token == self._token:
            self._was_accepted = True

    async def renew(self, refused: str) -> bool:
        """Get another token than the refused one; return whether there is one to try."""
        async with self._lock:
            if self._token != refused:
                return True  # another request has seen to it
            if not callable(self._source) or not self._was_accepted:
                return False
            found = self._source()
            token = await found if inspect.isawaitable(found) else found
            try:
                self._token = _checked(token)
            except PlanError as error:  # it is too late for one
                raise DeliveryError(0, str(error)) from None
            self._known.add(self._token)
            self._was_accepted = not refused  # the first one may be an old one of the callable's
            return self._token != refused

    def hide(self, text: str) -> str:
        """Return a text with the token, or an earlier one, taken out."""
        for token in sorted(self._known, key=len, reverse=True):  # one may be a part of another
            text = text.replace(token, HIDDEN)
        return text
