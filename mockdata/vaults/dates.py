"""Days as texts, in the few forms that columns have them in, whatever the locale."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

__all__ = ["DIRECTIVES", "MONTHS", "spelled"]

MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

DIRECTIVES: Final[dict[str, Callable[[dt.date], str]]] = {
    "Y": lambda day: f"{day.year:04}",
    "y": lambda day: f"{day.year % 100:02}",
    "m": lambda day: f"{day.month:02}",
    "d": lambda day: f"{day.day:02}",
    "b": lambda day: MONTHS[day.month - 1],
    "j": lambda day: f"{day.timetuple().tm_yday:03}",
}
"""What may stand behind a ``%``, and the text it gives; all of one width each."""


def spelled(day: dt.date, form: str) -> str:
    """Return a day as ``form`` says, as ``strftime`` would in the C locale."""
    first, *parts = form.split("%")
    return first + "".join(DIRECTIVES[part[0]](day) + part[1:] for part in parts)
