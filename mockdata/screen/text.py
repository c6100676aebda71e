"""Numbers in words, as the display, the summary and the log say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdata.sinks import Delivery

__all__ = ["clock", "cut", "delivery_parts", "described_delivery", "scaled"]


def scaled(number: float, unit: str) -> str:
    """Write a number in up to four characters, and its unit with the prefix of its thousands."""
    if number < 1:
        return f"{number:.2f} {unit}" if number else f"0 {unit}"
    for prefix in ("", "k", "M", "G", "T"):
        if number < 999.5:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} P{unit}"


def clock(seconds: float) -> str:
    """Write a time in up to eight characters."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24}d {hours % 24:02}h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def cut(name: str, width: int, ellipsis: str = "…") -> str:
    """Return a name, with an ellipsis in the middle if it is too long.

    Names that are long often begin alike, or end alike.
    """
    if len(name) <= width:
        return name
    head = width // 2
    return f"{name[:head]}{ellipsis}{name[len(name) - (width - 1 - head) :]}"


def described_delivery(delivery: Delivery, seconds: float) -> str:
    """Say how a delivery goes, or went."""
    return ", ".join(delivery_parts(delivery, seconds))


def delivery_parts(delivery: Delivery, seconds: float) -> list[str]:
    """Return the facts of a delivery, the most important first."""
    return [
        f"sent {delivery.sent:,} ({scaled(delivery.sent / max(seconds, 1e-3), '/s')})",
        f"failed {delivery.failed:,}",
        f"in flight {delivery.in_flight}",
        f"median {_milliseconds(delivery.latency_median)}",
        f"p95 {_milliseconds(delivery.latency_p95)}",
        f"retries {delivery.retries:,}",
        f"429s {delivery.throttled:,}",
    ]


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 9.95 else 0}f} ms"
