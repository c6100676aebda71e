"""What is said of a run's records, in words: sizes, rates, what has been delivered."""

from __future__ import annotations

from mockdata.pipeline.report import Report
from mockdata.sinks import Delivery

__all__ = ["account", "described_delivery", "scaled", "summary"]


def summary(report: Report, folder: str | None, command: str) -> str:
    """Return what is said when a run is done.

    ``folder`` is that of the CSV files, if there are any; ``command`` repeats the run.
    """
    lines = []
    for name, vault in report.vaults.items():
        line = f"{name:<4} {vault.records:>15,} records"
        sizes = f"{name}_data.csv", vault.data_bytes, f"{name}_tokens.csv", vault.token_bytes
        if folder is None:
            sizes = "values", vault.data_bytes, "tokens", vault.token_bytes
        data, data_bytes, tokens, token_bytes = sizes
        line += f"   {data} {scaled(data_bytes, 'B'):>7}"
        lines.append(f"{line}   {tokens} {scaled(token_bytes, 'B'):>7}")
    where = f" in {folder}" if folder is not None else ""
    size, seconds = scaled(report.bytes, "B"), f"{report.seconds:.2f} s"
    lines.append(
        f"{report.records:,} records, {size}{where}, in {seconds}: "
        f"{report.records_per_second:,.0f} records/s, "
        f"{scaled(report.peak_memory, 'B')} of memory"
    )
    if report.delivery is not None:
        lines.append(described_delivery(report.delivery, report.seconds))
    lines.append(command)
    return "\n".join(lines)


def described_delivery(delivery: Delivery, seconds: float) -> str:
    """Say how a delivery goes, or went."""
    parts = [
        f"sent {delivery.sent:,} ({scaled(delivery.sent / max(seconds, 1e-3), '/s')})",
        f"failed {delivery.failed:,}",
        f"in flight {delivery.in_flight}",
        f"median {_milliseconds(delivery.latency_median)}",
        f"p95 {_milliseconds(delivery.latency_p95)}",
        f"retries {delivery.retries:,}",
        f"429s {delivery.throttled:,}",
    ]
    return ", ".join(parts)


def account(delivery: Delivery) -> str:
    """Say what has become of every record of a run that was delivered."""
    counts = {
        "records sent": delivery.sent,
        "failed": delivery.failed,
        "not sent": delivery.not_sent,
    }
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    logs = ", ".join(delivery.error_logs)
    return f"{text}; see {logs}" if logs else text


def scaled(number: float, unit: str) -> str:
    """Write a number with three digits or so, and its unit with the prefix of its thousands."""
    for prefix in ("", "k", "M", "G"):
        if number < 999.5:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} T{unit}"


def _milliseconds(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.{2 if milliseconds < 9.95 else 0}f} ms"
