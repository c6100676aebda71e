"""The errors that the library raises.

    MockDataError
    ├── PlanError       you asked for something that cannot be done (also a ValueError)
    ├── WorkerError     the workers died on the same records again and again
    └── DeliveryError   the vault that you send records to takes none of them

File trouble stays an OSError with the file's name. An exception from your own code reaches you
unchanged, with a note that names the vault and the records.
"""

from __future__ import annotations

__all__ = ["DeliveryError", "MockDataError", "PlanError", "WorkerError", "one_line", "plural"]


class MockDataError(Exception):
    """The base class of the errors that mockdata raises."""


class PlanError(MockDataError, ValueError):
    """You asked for a run that cannot be done. Nothing was started or written.

    ``argument`` names the argument that is wrong. The message names it too, and says what is
    allowed.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(argument, problem)
        self.argument = argument
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


class WorkerError(MockDataError):
    """The workers died on the same records again and again.

    ``vault`` names the vault. ``start`` and ``stop`` are the range of indices, without ``stop``.
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
    """The vault that you send records to takes none of them, so the run has ended.

    ``status`` is the status of its HTTP answer, or 0 if there was none. A failure of some records
    is not an error: the run continues, and ``Report.delivery`` says what failed.
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
