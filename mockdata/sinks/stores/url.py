"""URLs of object stores: the schemes, and what they must name."""

from __future__ import annotations

import re
from typing import Final

from mockdata.errors import PlanError

__all__ = ["check_url", "is_url", "parts"]

SCHEMES: Final = {
    "s3": "s3://BUCKET/PREFIX",
    "gs": "gs://BUCKET/PREFIX",
    "az": "az://CONTAINER/PREFIX",
    "file": "file:///FOLDER",
    "memory": "memory://NAME/PREFIX",
}
"""For each scheme, what its URLs look like."""

URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def is_url(text: str) -> bool:
    """Return whether a text is a URL, and not the path of a folder.

    >>> is_url("s3://bucket/prefix"), is_url("data"), is_url("./s3://bucket")
    (True, False, False)
    """
    return URL.fullmatch(text) is not None


def parts(url: str) -> tuple[str, str, str]:
    """Return a URL's scheme, what stands up to the first slash behind it, and the rest.

    >>> parts("s3://bucket/some/prefix/")
    ('s3', 'bucket', 'some/prefix')
    """
    scheme, _, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    return scheme, name, prefix.strip("/")


def check_url(url: str, argument: str = "sink") -> None:
    """Raise PlanError, which names the argument, unless a URL names a place in a store."""
    scheme, name, prefix = parts(url)
    form = SCHEMES.get(scheme)
    if form is None:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise PlanError(argument, f"{scheme}:// is not a known object store; use {known}")
    if "@" in name or re.search(r"[?#\s]", url):
        problem = f"write {form}, without a user name, query, fragment or space"
        raise PlanError(argument, problem)
    if (not prefix or name) if scheme == "file" else not name:
        raise PlanError(argument, f"{url!r} is not {form}")
