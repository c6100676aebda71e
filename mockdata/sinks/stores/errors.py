"""What a store's errors mean: an OSError each, with the URL and what to do, in one line."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mockdata.errors import one_line
from mockdata.sinks.stores.url import parts

__all__ = ["meaning", "naming_store", "was_undoing"]

CODE: Final = re.compile(r"<Code>(\w+)</Code>")
MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
STATUS: Final = re.compile(r"status code: (\d{3})")

METADATA: Final = re.compile(
    r"latest/api/token|169\.254\.169\.254|metadata\.google\.internal|metadata_endpoint"
)
"""Where a machine in the cloud asks for credentials: one that has none asks there in vain."""

CREDENTIALS: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}

REFUSED: Final = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
"""Codes of S3 for credentials that are wrong, and not only too few."""

BY_NAME: Final = {
    "PermissionDeniedError": "403",
    "UnauthenticatedError": "401",
    "FileNotFoundError": "404",
}
"""The status of an obstore error whose text has none."""

NOT_SAID: Final = re.compile(r"Missing ?(AccessKeyId|SecretAccessKey|Account|Credentials)")
"""What is in the text of an error where the environment says too little."""

Meaning = tuple[type[OSError], int, str]

TOLD: Final = 200
"""Characters of a message that is passed on unchanged."""


@contextmanager
def naming_store(url: str) -> Iterator[None]:
    """Make what obstore raises an OSError that names a URL, the store's or an object's."""
    try:
        yield
    except Exception as error:
        raise meaning(error, url) from error


def meaning(error: Exception, url: str) -> OSError:
    """Return the OSError for an error of obstore."""
    if isinstance(error, OSError) and error.filename is not None:
        return error
    text, name, scheme = str(error), type(error).__name__, parts(url)[0]
    status = _first(STATUS, text) or BY_NAME.get(name)
    kind, number, problem = _refusal(text, status, scheme) or _trouble(text, name, status)
    return kind(number, problem, url)


def was_undoing(error: OSError) -> bool:
    """Return whether an error of ``naming_store`` is that of aborting an upload."""
    return "performing DELETE" in str(error.__cause__)


def _refusal(text: str, status: str | None, scheme: str) -> Meaning | None:
    """Say what the store does not let us do, if it is that."""
    code = _first(CODE, text) or status
    if METADATA.search(text) or NOT_SAID.search(text):
        return PermissionError, errno.EACCES, _no_credentials(scheme)
    if code in REFUSED or status == "401":
        problem = f"the store does not accept the credentials ({code}): check them"
        return PermissionError, errno.EACCES, problem
    if status == "403":
        problem = f"no permission ({code}): the credentials have to allow to list, put and delete"
        return PermissionError, errno.EACCES, problem
    if status == "404":
        what = "container" if scheme == "az" else "bucket"
        return (
            FileNotFoundError,
            errno.ENOENT,
            f"there is no such {what}: make it, or check the URL",
        )
    return None


def _trouble(text: str, name: str, status: str | None) -> Meaning:
    """Say what does not work in a store, or on the way to it."""
    if "without LOCATION" in text or status == "301":
        return OSError, errno.EIO, "the bucket is in another region: set AWS_REGION"
    if status is not None:
        said = one_line(_first(MESSAGE, text) or "it gives no reason")[:TOLD].rstrip(".")
        again = "; try again later" if status >= "500" else ""
        code = f" {_first(CODE, text) or ''}".rstrip()
        return OSError, errno.EIO, f"the store answers {status}{code}: {said}{again}"
    if "kind: Timeout" in text or "TimedOut" in text or name == "TimeoutError":
        return TimeoutError, errno.ETIMEDOUT, "the store does not answer in time: try again later"
    if "sending request" in text:
        # what a closing raises has lost the reason
        late = "" if "kind: " in text else ", or does not answer in time"
        problem = f"the store cannot be reached{late}: check the network and the endpoint"
        return ConnectionError, errno.ECONNREFUSED, problem
    return OSError, errno.EIO, one_line(text.partition("\n\nDebug source:")[0])[:TOLD]


def _no_credentials(scheme: str) -> str:
    return f"there are no credentials: {CREDENTIALS.get(scheme, 'set them in the environment')}"


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
