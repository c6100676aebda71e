"""The ready-made vaults: what they promise, and that it costs nothing to have them."""

import random
import re
import subprocess
import sys

import pytest

from mockdata.vaults.catalogue import DEFAULT, READY_MADE, SOURCES, Known, Listed, listed
from mockdata.vaults.pieces import Date, Literal, Number, Suffix, Timestamp, Weighted
from mockdata.vaults.resolve import Resolver
from mockdata.vaults.vault import Table, Vault

from .drawn import day, drawn, luhn
from .expressions import expression_of

END = (Timestamp(), Literal("_"), Suffix())
FOUR = {
    "name": (Weighted("first_name", field="first_name"), Literal(" "), Weighted("last_name", field="last_name"), Literal(" "), *END),
    "id": (Number(((10_000, 99_999),)), Literal("-"), *END),
    "dob": (Date(day("1940-01-01"), day("2010-12-31")), Literal("-"), *END),
    "ssn": (Number(((1, 665), (667, 899)), 3), Literal("-"), Number(((1, 99),), 2), Literal("-"), Number(((1, 9999),), 4), Literal("-"), *END),
}  # fmt: skip


def texts(name, side="value", count=3_000):
    """Return texts that a ready-made vault may have."""
    resolver = Resolver(READY_MADE)
    items = resolver._expander.items(READY_MADE[name], side)
    source = random.Random(name)
    return [drawn(items, source) for _ in range(count)]


def test_the_four_vaults_are_what_they_were():
    assert [*READY_MADE][:4] == [*DEFAULT] == [*FOUR]
    for name, pieces in FOUR.items():
        found = Resolver(READY_MADE).resolve(READY_MADE[name])
        assert found.columns[0].pieces == pieces
        assert found.columns[1].pieces == (Literal(f"tok_{name}_"), *END)
        assert found.capacity is None
    columns = {name: (v.data_column, v.token_column) for name, v in READY_MADE.items()}
    assert columns["name"] == ("full_name", "full_name_token")
    assert columns["ssn"] == ("ssn", "ssn_token")


def test_every_ready_made_vault_says_where_its_ranges_come_from():
    assert [*SOURCES] == [*READY_MADE]
    assert {"email", "phone", "card", "mrn", "npi", "address", "uuid"} < {*READY_MADE}
    for source in SOURCES.values():
        assert source.endswith(".")
        assert source.isprintable()


@pytest.mark.parametrize("name", READY_MADE)
def test_texts_match_the_pattern_and_no_text_begins_like_a_formula(name):
    resolver = Resolver(READY_MADE)
    for side in ("value", "token"):
        expression = (
            expression_of(resolver, READY_MADE[name], side)
            if side == "value" or name != "card"
            else None
        )
        for text in texts(name, side, 500):
            assert text[0] not in "=+-@\t\r"
            assert expression is None or expression.fullmatch(text)


FORMS = {
    "email": r"[a-z]+\.[a-z]+\.[a-z0-9]{6}@example\.(com|net|org)",
    "phone": r"[2-9](?!11)[0-8][0-9]-555-01[0-9]{2}",
    "card": r"(411111|222300|555555|601111)[0-9]{10}",
    "mrn": r"MRN-[0-9]{9}",
    "npi": r"2[0-9]{9}",
    "address": r"[1-9][0-9]{2,3} [A-Z][a-z]+ (Street|Avenue|Road|Lane|Drive|Court), [A-Z][a-z]+, [A-Z]{2} 003[0-9]{2}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}


@pytest.mark.parametrize("name", FORMS)
def test_values_are_of_the_ranges_that_belong_to_nobody(name):
    assert all(re.fullmatch(FORMS[name], text) for text in texts(name))


def test_check_digits_are_right():
    assert all(luhn(text[:-1]) == text[-1] for text in texts("card"))
    assert all(luhn("80840" + text[:-1]) == text[-1] for text in texts("npi"))
    assert luhn("7992739871") == "3"
    assert luhn("80840123456789") == "3"


def test_phones_are_of_every_area_code_that_the_format_allows():
    areas = {text[:3] for text in texts("phone", count=20_000)}
    allowed = {
        f"{a}{b}{c}" for a in range(2, 10) for b in range(9) for c in range(10) if (b, c) != (1, 1)
    }
    assert areas == allowed


def test_capacities_are_what_they_are():
    capacities = {
        found.name: found.capacity for found in listed(READY_MADE, lambda vault: vault.name)
    }
    assert capacities == {
        "name": None,
        "id": None,
        "dob": None,
        "ssn": None,
        "email": 36**6 * 3,
        "phone": 712 * 100,
        "card": 4 * 10**9,
        "mrn": 10**9,
        "npi": 10**8,
        "address": 9900 * 26 * 6 * 28 * 50 * 100,
        "uuid": None,
    }


def test_a_list_of_vaults_says_all_of_each():
    pin = Vault("pin", "[0-9]{4}", distinct=500, data_column="PIN")
    ssn = Vault("ssn", "{number:001-899}")
    known = Known({"pin": pin, "ssn": ssn, "people": Table("people", {"a": "x"})})
    found = {vault.name: vault for vault in listed(known, lambda vault: f"<{vault.name}>")}
    assert [*found] == [*READY_MADE, "pin"]
    assert found["pin"] == Listed("pin", "PIN", "PIN_token", "<pin>", 500, 500, "")
    assert found["ssn"] == Listed("ssn", "ssn", "ssn_token", "<ssn>", 899, None, "")
    assert found["npi"].source == SOURCES["npi"]


def test_a_ready_made_vault_that_cannot_be_made_is_listed_with_the_reason():
    known = Known({"name": Vault("name", "[A-Z]{9}")})
    found = {vault.name: vault for vault in listed(known, lambda vault: f"<{vault.name}>")}
    assert [*found] == [*READY_MADE]
    assert "name has no 'first_name'" in found["email"].problem
    assert {name for name, vault in found.items() if vault.problem} == {"email"}


def test_the_catalogue_loads_nothing_before_a_vault_is_asked_for():
    script = (
        "import sys, mockdata.vaults.catalogue as catalogue\n"
        "slow = {'tomllib', 'difflib', 'csv', 'numpy', 'mockdata.vaults.pattern', 'mockdata.vaults.fields'}\n"
        "assert not slow & {*sys.modules}, slow & {*sys.modules}\n"
        "from mockdata.vaults.resolve import Resolver\n"
        "Resolver(catalogue.READY_MADE).resolve(catalogue.READY_MADE['name'])\n"
        "assert not (slow - {'mockdata.vaults.pattern'}) & {*sys.modules}, slow & {*sys.modules}\n"
        "assert list(catalogue.Known._made) == ['name']\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)
