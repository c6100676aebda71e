"""What a user's program may give as counts and columns: the type checker reads this file."""

import mockdata

card = mockdata.Vault("card", value="4[0-9]{14}{luhn}", token="{same:6,4}")
people = mockdata.Table(
    "people", {"name": "{name.value}", "born": {"pattern": "{dob.date}", "type": "date"}}
)
of_names = {"ssn": 1}
of_vaults = {card: 1}


def run() -> list[int]:
    """Make records by all kinds of counts; return how many each time."""
    reports = [
        mockdata.generate_sync(1, sink=len),
        mockdata.generate_sync(of_names, sink=len),
        mockdata.generate_sync(of_vaults, sink=len),
        mockdata.generate_sync({people: 1}, sink=len),
        mockdata.generate_sync({card: 1, people: 1}, sink=len),
        mockdata.generate_sync({card: 1, "ssn": 1}, sink=len, start={card: 5, "ssn": 1}),
    ]
    return [report.records for report in reports]


def run_wrongly() -> None:
    """Name a vault by a number."""
    mockdata.generate_sync({3: 1}, sink=len)  # type: ignore[dict-item]
