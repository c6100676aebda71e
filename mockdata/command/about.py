"""What ``--version`` prints: a line, or with ``--json`` all that a report of a fault needs."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any, Final

from mockdata import __version__
from mockdata.pipeline.plan import checked_workers
from mockdata.render.renderers import chosen

__all__ = ["EXTRAS", "NEEDED", "version", "versions"]

NEEDED: Final = ("anyio", "numpy", "rich", "shtab", "uvloop")
"""The packages that are always installed."""

EXTRAS: Final = {
    "arrow": ("nanoarrow",),
    "dask": ("distributed",),
    "emulator": ("httptools", "msgspec", "uvicorn"),
    "parquet": ("pyarrow",),
    "skyflow": ("pyreqwest",),
    "spark": ("pyarrow", "pyspark"),
    "stores": ("obstore",),
}
"""The extras, and the packages that each installs. An installation from source may not know."""


def version() -> str:
    """Return the version in a line. Raises PlanError for a renderer that there is not."""
    return f"mockdata {__version__}, {chosen()} renderer\n"


def versions() -> str:
    """Return a JSON object of all versions; a package that is not installed has null."""
    made: dict[str, Any] = {
        "mockdata": __version__,
        "renderer": chosen(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "workers": checked_workers(None),
        "packages": _installed(NEEDED),
        "extras": {extra: _installed(packages) for extra, packages in EXTRAS.items()},
    }
    return json.dumps(made, indent=2) + "\n"


def _installed(packages: Sequence[str]) -> dict[str, str | None]:
    return {package: _version_of(package) for package in packages}


def _version_of(package: str) -> str | None:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None
