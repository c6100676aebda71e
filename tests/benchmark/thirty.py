"""Runs of thirty vaults that a file defines, to be seen beside runs of the four."""

from pathlib import Path

from .runs import COMMAND, peak_pss, seconds

KINDS = {
    "card": ("4KK[0-9]{12}{luhn}", "{same:6,4}"),
    "member": ("MKK-{number:100000-999999}-{date:2015-01-01..2025-12-31,%Y%m%d}", "{uuid}"),
    "email": (r"{first_name:lower}.{last_name:lower}.[a-z0-9]{6}@KK\.example", "tok_{suffix}"),
    "patient": ("{last_name:title}, {first_name:title} {suffix}", "KK-{uuid}"),
    "born": ("{date:19KK-01-01..2024-12-31,%d %b %Y} #[0-9]{6}", "{same}"),
    "record": ("MRN-KK[0-9]{9}", "tok_{suffix}"),
    "phone": ("{number:200-999}-KK[0-9]-[0-9]{4}", "{same:3,4}"),
    "provider": ("2KK[0-9]{6}{luhn:80840}", "NPI-{suffix}"),
    "plan": ("(HMO|PPO|EPO)-KK-[A-Z]{4}[0-9]{4}", "{same:3,0}"),
    "code": ("[A-HJ-NP-Z0-9]{15}KK", "{suffix}"),
}
"""Patterns of values and tokens; each vault has a number of its own in place of KK."""


def definitions() -> str:
    """Return a file of three vaults of each kind."""
    return "\n".join(
        f"[vaults.{kind}_KK]\nvalue = '{value}'\ntoken = '{token}'\n".replace("KK", number)
        for number in ("21", "43", "65")
        for kind, (value, token) in KINDS.items()
    )


def arguments(folder: Path) -> list[str]:
    """Write the file beside a folder, and return what makes its vaults."""
    file = folder.with_suffix(".toml")
    file.write_text(definitions())
    return ["--vaults", str(file)]


ROWS = {
    "1,000 of 4 vaults": lambda folder: seconds([*COMMAND, "1000"], folder),
    "1,000 of 30 vaults": lambda folder: seconds([*COMMAND, "1000", *arguments(folder)], folder),
    "memory of 4 vaults": lambda folder: peak_pss(folder, "1M"),
    "memory of 30 vaults": lambda folder: peak_pss(folder, "1M", *arguments(folder)),
}
"""Seconds of whole commands, and MB."""
