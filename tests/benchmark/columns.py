"""Card numbers and e-mail addresses with their tokens: by mockdata, and by others.

Each is written as a user of that program would write it. The others' values and tokens may repeat.
"""

import random
import string
import time
from collections.abc import Callable

from .runs import MILLION, printed

OURS = """
import mockdata
card = mockdata.Vault("card", value="4[0-9]{{14}}{{luhn}}", token="{{same:6,4}}")
email = mockdata.Vault(
    "email",
    value="{{name.first_name:lower}}.{{name.last_name:lower}}.[a-z0-9]{{6}}@{{domain}}",
    lists={{"domain": {domains}}},
)
print(mockdata.generate_sync({{{vault}: 10_000_000}}, sink=lambda batch: None).records_per_second)
"""

DUCKDB = """
import time, duckdb, numpy
from mockdata.vaults import census

duckdb.execute("SET threads = 2; SET enable_progress_bar = false")
for table in census.TABLES:
    names = numpy.load(f"{{census.__path__[0]}}/{{table}}.npy").astype(str).tolist()
    query = f"CREATE TABLE {{table}} AS SELECT unnest(range(?)) AS row, lower(unnest(?)) AS name"
    duckdb.execute(query, [len(names), names])
began = time.perf_counter()
duckdb.execute('''COPY ({query}) TO '/dev/null' (FORMAT csv)''')
print({records} / (time.perf_counter() - began))
"""
"""Lines that are dropped. The names are drawn evenly, which is less work than by frequency."""

DOMAINS = ["example.com", "example.net", "example.org"]
CHARACTERS = string.ascii_lowercase + string.digits

DIGITS = [f"(digits // {10**place} % 10)" for place in range(15)]
LUHN = " + ".join(
    f"{digit} * 2 % 10 + {digit} // 5" if place % 2 == 0 else digit
    for place, digit in enumerate(DIGITS)
)
"""The Luhn sum of 15 digits: from the right, every other one doubled, the first among them."""

CARD = f"""
SELECT card, left(card, 6) || lpad(floor(random() * 1e6)::INT::VARCHAR, 6, '0') || right(card, 4)
FROM (SELECT digits || ((10 - ({LUHN}) % 10) % 10)::VARCHAR AS card
      FROM (SELECT 400000000000000 + floor(random() * 1e14)::BIGINT AS digits FROM range({MILLION})))
"""

EMAIL = f"""
SELECT concat(first_names.name, '.', surnames.name, '.',
              lower(to_base(floor(random() * 36 ** 6)::BIGINT, 36, 6)), '@', {DOMAINS}[domain]),
       'tok_email_1700000000_' || left(md5(random()::VARCHAR), 16)
FROM (SELECT floor(random() * 5000) AS first, floor(random() * 10000) AS last,
             1 + floor(random() * 3)::INT AS domain FROM range({MILLION}))
JOIN first_names ON first_names.row = first JOIN surnames ON surnames.row = last
"""


def ours(vault: str) -> float:
    """Return million records/s into a sink that drops them."""
    return printed(OURS, vault=vault, domains=DOMAINS)


def by_duckdb(query: str) -> float:
    """Return million records/s of a query on two threads, its lines dropped."""
    return printed(DUCKDB, query=query, records=MILLION)


def card_by_mimesis() -> float:
    """Return million records/s of Mimesis, in one process."""
    from mimesis import Payment
    from mimesis.enums import CardType

    payment = Payment()

    def make() -> tuple[str, str]:
        card = payment.credit_card_number(CardType.VISA).replace(" ", "")
        return card, f"{card[:6]}{random.randrange(10**6):06}{card[-4:]}"

    return _timed(make, 30_000)


def email_by_mimesis() -> float:
    """Return million records/s of Mimesis, in one process."""
    from mimesis import Locale, Person

    person = Person(Locale.EN)

    def make() -> tuple[str, str]:
        more, suffix = ("".join(random.choices(CHARACTERS, k=k)) for k in (6, 16))
        name = f"{person.first_name()}.{person.last_name()}".lower()
        return f"{name}.{more}@{random.choice(DOMAINS)}", f"tok_email_1700000000_{suffix}"

    return _timed(make, 30_000)


def card_by_faker() -> float:
    """Return million records/s of Faker, in one process."""
    from faker import Faker

    fake = Faker("en_US")

    def make() -> tuple[str, str]:
        card = fake.credit_card_number("visa16")
        return card, fake.numerify(f"{card[:6]}######{card[-4:]}")

    return _timed(make, 5_000)


def email_by_faker() -> float:
    """Return million records/s of Faker, in one process."""
    from faker import Faker

    fake = Faker("en_US")

    def make() -> tuple[str, str]:
        more, suffix = (fake.lexify("?" * k, letters=CHARACTERS) for k in (6, 16))
        name = f"{fake.first_name()}.{fake.last_name()}".lower()
        return f"{name}.{more}@{fake.random_element(DOMAINS)}", f"tok_email_1700000000_{suffix}"

    return _timed(make, 5_000)


def _timed(make: Callable[[], tuple[str, str]], times: int) -> float:
    make()
    began = time.perf_counter()
    for _ in range(times):
        make()
    return times / (time.perf_counter() - began) / MILLION


ROWS = {
    "card": lambda _: ours("card"),
    "card, DuckDB": lambda _: by_duckdb(CARD),
    "card, Mimesis": lambda _: card_by_mimesis(),
    "card, Faker": lambda _: card_by_faker(),
    "email": lambda _: ours("email"),
    "email, DuckDB": lambda _: by_duckdb(EMAIL),
    "email, Mimesis": lambda _: email_by_mimesis(),
    "email, Faker": lambda _: email_by_faker(),
}
