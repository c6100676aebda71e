"""Tests for a vault's client, with records made in the test's own process and event loop.

Run it with ``pytest test_harness.py``. It needs ``pytest-asyncio``, in any mode.
"""

from __future__ import annotations

import pytest
import pytest_asyncio

import mockdata

pytestmark = pytest.mark.asyncio

SEED, TIMESTAMP = 7, 1_700_000_000
CARD = mockdata.Vault("card", "4[0-9]{14}{luhn}", "{same:6,4}")


class VaultDouble:
    """Stands in for a vault: keeps values by their tokens, until it is full."""

    def __init__(self, room: int = 100_000) -> None:
        self.values: dict[str, str] = {}
        self._room = room

    async def insert(self, batch: mockdata.Batch) -> None:
        if len(self.values) + len(batch) > self._room:
            raise ConnectionError("507 the vault is full")
        self.values.update(zip(batch.tokens, batch.values, strict=True))

    async def detokenize(self, token: str) -> str:
        return self.values[token]


@pytest_asyncio.fixture
async def vault() -> VaultDouble:
    """Return a vault with 1,000 records, the same ones every time."""
    vault = VaultDouble()
    await mockdata.generate({"ssn": 1000}, sink=vault.insert, seed=SEED, timestamp=TIMESTAMP)
    return vault


async def test_every_token_stands_for_a_value_of_its_own(vault: VaultDouble) -> None:
    assert len(vault.values) == len(set(vault.values.values())) == 1000


async def test_a_token_gives_its_value_back(vault: VaultDouble) -> None:
    value = await vault.detokenize("tok_ssn_1700000000_yfzrafr4qerrltb5")
    assert value == "238-73-8631-1700000000_ke5lzjupovj3i3bx"


async def test_a_full_vault_stops_the_run_and_says_where() -> None:
    vault = VaultDouble(room=20_000)
    with pytest.raises(ConnectionError, match="full") as failure:
        await mockdata.generate({"ssn": 50_000}, sink=vault.insert)
    assert failure.value.__notes__ == ["mockdata: at ssn records 20000 to 29999"]
    assert len(vault.values) == 20_000


async def test_a_card_and_its_token_begin_and_end_alike() -> None:
    vault = VaultDouble()
    await mockdata.generate({CARD: 1000}, sink=vault.insert, seed=SEED, timestamp=TIMESTAMP)
    for token, value in vault.values.items():
        assert (token[:6], token[-4:]) == (value[:6], value[-4:])
