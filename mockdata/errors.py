"""Every error of the library's own.

    MockDataError
    ├── PlanError       what was asked for cannot be done (also a ValueError)
    ├── WorkerError     the worker processes failed, again and again
    └── DeliveryError   a vault takes no records of this run

File trouble stays an OSError with its file name, and an exception out of user code reaches the
user as it is, with a note that names the vault and the records.
"""

from __future__ import annotations

__all__ = ["DeliveryError", "MockDataError", "PlanError", "WorkerError", "one_line", "plural"]


class MockDataError(Exception):
    """The base of every error that mockdata raises on its own behalf."""


class PlanError(MockDataError, ValueError):
    """A run was asked for that cannot be done; raised before any process starts or file changes.

    ``argument`` names the argument at fault; the message names it too, with what is allowed.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(argument, problem)
        self.argument = argument
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


class WorkerError(MockDataError):
    """The workers died on the same records more often than is tried again.

    ``vault`` names the vault, and ``start`` and ``stop`` are the half-open range of its indices.
    """

    def __init__(self, vault: str, start: int, stop: int, problem: str) -> None:
        super().__init__(vault, start, stop, problem)
        self.vault = vault
        self.start = start
        self.stop = stop
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.vault} records {self.start} to {self.stop - 1}: {self.problem}"


class DeliveryError(MockDataError):
    """A vault that records were to be sent to takes none of this run, so that the run has ended.

    ``status`` is that of its HTTP answer, or 0 if none came. What fails for some records alone is
    no error: the run goes on, and ``Report.delivery`` says what failed.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


def plural(number: float, noun: str) -> str:
    """Return a noun as it stands behind a number.

    >>> plural(1, "record"), plural(2, "record")
    ('record', 'records')
    """
    return noun if number == 1 else f"{noun}s"


def one_line(text: str) -> str:
    """Return a text in one line, with what a terminal would not print spelled out."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
