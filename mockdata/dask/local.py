"""Loaded by the workers of a local cluster: a terminal's signals are the command's to answer."""

from __future__ import annotations

import signal

__all__ = ["dask_setup"]


def dask_setup(worker: object) -> None:  # noqa: ARG001, Dask gives it
    """Ignore the signals that a terminal sends to all processes; the command stops its cluster."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
