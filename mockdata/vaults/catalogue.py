"""The ready-made vaults, and what may be known about a set of definitions before anything is made.

Where there are numbers and names that belong to nobody, the ready-made values are of those.
Importing this costs next to nothing: a pattern is read when the first vault is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mockdata.errors import PlanError
from mockdata.vaults.frozen import frozen

if TYPE_CHECKING:
    from mockdata.vaults.resolve import Resolved, Resolver
    from mockdata.vaults.vault import Table, Vault

__all__ = ["DEFAULT", "READY_MADE", "SOURCES", "Known", "Listed", "listed"]

DEFAULT: Final = ("name", "id", "dob", "ssn")
"""The vaults that a count alone stands for where no file defines others."""

STAMP: Final = "{timestamp}_{suffix}"

AREA_CODES: Final = ",".join(f"{n}00-{n}10,{n}12-{n}89" for n in range(2, 10))

CARDS: Final = "(411111|222300|555555|601111)"

STREETS: Final = (
    "Acacia Alder Ash Aspen Beech Birch Cedar Cherry Chestnut Cypress Elm Fir Hazel Hickory "
    "Holly Juniper Larch Linden Magnolia Maple Oak Pine Poplar Sycamore Walnut Willow"
)

TOWNS: Final = (
    "Arlington Ashland Auburn Bristol Burlington Centerville Clayton Clinton Dayton Dover "
    "Fairview Franklin Georgetown Greenville Hudson Jackson Kingston Lebanon Lexington Madison "
    "Milford Milton Newport Oxford Riverside Salem Springfield Winchester"
)

STATES: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ "
    "NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY"
)

DEFINITIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "name": {"value": f"{{first_name}} {{last_name}} {STAMP}", "data_column": "full_name"},
    "id": {"value": f"{{number:10000-99999}}-{STAMP}"},
    "dob": {"value": f"{{date:1940-01-01..2010-12-31}}-{STAMP}"},
    "ssn": {
        "value": f"{{number:001-665,667-899}}-{{number:01-99}}-{{number:0001-9999}}-{STAMP}",
    },
    "email": {
        "value": "{name.first_name:lower}.{name.last_name:lower}.[a-z0-9]{6}@{domain}",
        "lists": {"domain": ("example.com", "example.net", "example.org")},
    },
    "phone": {"value": f"{{number:{AREA_CODES}}}-555-01[0-9]{{2}}"},
    "card": {"value": f"{CARDS}[0-9]{{9}}{{luhn}}", "token": "{same:6,4}"},
    "mrn": {"value": "MRN-[0-9]{9}"},
    "npi": {"value": "2[0-9]{8}{luhn:80840}"},
    "address": {
        "value": "{number:100-9999} {street} (Street|Avenue|Road|Lane|Drive|Court), "
        "{town}, {state} 003[0-9]{2}",
        "lists": {"street": STREETS.split(), "town": TOWNS.split(), "state": STATES.split()},
    },
    "uuid": {"value": "{uuid}", "token": "{uuid}"},
}

SOURCES: Final[Mapping[str, str]] = {
    "name": "Names by their frequency in the 2020 US Census; the counts are in the public domain.",
    "id": "Numbers of five digits.",
    "dob": "Every day from 1940 to 2010.",
    "ssn": "Areas 001-899 without 666, groups 01-99, serials 0001-9999: what the Social Security "
    "Administration may issue. The timestamp behind it makes sure that it is no one's number.",
    "email": "The names of the vault name at example.com, .net and .org, which RFC 2606 reserves.",
    "phone": "555-0100 to 555-0199, which the North American Numbering Plan reserves for fiction, "
    "in all area codes that its format allows: 712 x 100 numbers.",
    "card": "The first six digits of test cards that card networks and gateways publish: Visa "
    "4111 11, Mastercard 2223 00 and 5555 55, Discover 6011 11; nine digits and a check digit.",
    "mrn": "Nine digits. Each hospital has its own way to number records.",
    "npi": "National provider identifiers that begin with 2: allowed by 45 CFR 162.406, but not "
    "issued so far, since all begin with 1. Check digit over 80840 and nine digits (CMS).",
    "address": "Invented, with ZIP codes that begin with 003, a prefix that the US Postal Service "
    "does not use.",
    "uuid": "Version 4 of RFC 9562, of random bits.",
}


@frozen
class Listed:
    """What ``--list-vaults`` says of a vault."""

    name: str
    data_column: str
    token_column: str
    example: str
    capacity: int | None
    """How many values there can be, or None for as many as there are indices, 2**40."""
    tokens: int | None
    """How many tokens there can be, likewise."""
    source: str
    problem: str = ""
    """Why none can be made: of a ready-made vault that refers to what has been replaced."""


class Known(Mapping[str, "Vault | Table"]):
    """The ready-made vaults by name, replaced and joined by those that are given.

    A ready-made one is read when it is first asked for.
    """

    _made: ClassVar[dict[str, Vault]] = {}

    def __init__(self, given: Mapping[str, Vault | Table]) -> None:
        self.given = given

    def joined(self, given: Mapping[str, Vault | Table]) -> Known:
        """Return this set with others, which take the place of those of their names."""
        return Known({**self.given, **given})

    def __getitem__(self, name: str) -> Vault | Table:
        if name in self.given:
            return self.given[name]
        if name not in self._made:
            from mockdata.vaults.vault import Vault

            self._made[name] = Vault(name, **DEFINITIONS[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**DEFINITIONS, **self.given})

    def __len__(self) -> int:
        return len({*DEFINITIONS, *self.given})

    def __contains__(self, name: object) -> bool:
        return name in self.given or name in DEFINITIONS


READY_MADE: Final = Known({})
"""The ready-made vaults alone; those of ``DEFAULT`` come first."""


def listed(known: Mapping[str, Vault | Table], example: Callable[[Resolved], str]) -> list[Listed]:
    """Return what a list of vaults says, in the order of ``known``.

    ``example`` renders a value of a vault. Tables are left out.
    """
    from mockdata.vaults.resolve import Resolver
    from mockdata.vaults.vault import Vault

    resolver = Resolver(known)
    vaults = [found for found in known.values() if isinstance(found, Vault)]
    return [_listed(resolver, vault, example) for vault in vaults]


def _listed(resolver: Resolver, vault: Vault, example: Callable[[Resolved], str]) -> Listed:
    columns = vault.name, vault.data_column, vault.token_column
    source = SOURCES.get(vault.name, "") if vault == READY_MADE.get(vault.name) else ""
    try:
        found = resolver.resolve(vault)
    except PlanError as error:
        return Listed(*columns, "", 0, 0, source, error.problem)
    values, tokens = (vault.distinct or column.capacity for column in found.columns)
    return Listed(*columns, example(found), values, tokens, source)
