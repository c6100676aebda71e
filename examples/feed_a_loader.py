"""Feed a loader from ``mockdata.stream``: 300 records per request, 32 requests at a time.

Run it with ``python feed_a_loader.py``. This loader keeps its records in memory. A comment marks
the place for your request to a vault.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import mockdata

COUNTS = {"name": 5_000, "ssn": 20_000}
RECORDS_A_REQUEST = 300
REQUESTS_AT_A_TIME = 32


class Loader:
    """Stands in for a vault's client."""

    def __init__(self) -> None:
        self.loaded: Counter[str] = Counter()
        self._free = asyncio.Semaphore(REQUESTS_AT_A_TIME)

    async def load(self, batches: mockdata.BatchStream) -> None:
        """Post every batch in requests, and take no more from the stream than can be posted."""
        async with asyncio.TaskGroup() as requests:
            async for batch in batches:
                for records in split(list(batch)):
                    await self._free.acquire()
                    requests.create_task(self._post(batch.vault, records))

    async def _post(self, vault: str, records: list[mockdata.Record]) -> None:
        try:
            await asyncio.sleep(0)  # the request goes here
            self.loaded[vault] += len(records)
        finally:
            self._free.release()


def split(records: list[mockdata.Record]) -> Iterator[list[mockdata.Record]]:
    """Cut records into lists for one request each."""
    for start in range(0, len(records), RECORDS_A_REQUEST):
        yield records[start : start + RECORDS_A_REQUEST]


async def main() -> None:
    loader = Loader()
    async with mockdata.stream(COUNTS) as batches:
        await loader.load(batches)
    for vault, records in sorted(loader.loaded.items()):
        print(f"{vault}: {records:,} records")


if __name__ == "__main__":
    asyncio.run(main())
