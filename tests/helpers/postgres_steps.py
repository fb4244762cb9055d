"""Steps that the suites of the PostgreSQL store share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import msgspec

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.store.base import WriteReport
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres.connection import READ_SESSION, Connection, Pool
from tests.helpers.samples import sample_event


@asynccontextmanager
async def opened(settings: Settings, count: int) -> AsyncIterator[list[PostgresStore]]:
    """Several stores on one database, as several processes have them."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(count):
            store = PostgresStore(settings)
            await store.open()
            stack.push_async_callback(store.close)
            stores.append(store)
        yield stores


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """A connection beside the stores, for looking and for getting in their way."""

    async def prepare(connection: Connection) -> None:
        """Nothing to prepare."""

    pool = Pool(settings, 1, READ_SESSION, prepare, 60.0)
    await pool.open()
    try:
        async with pool.acquire() as connection:
            yield connection
    finally:
        await pool.close()


def arriving(number: int, timestamp: datetime | None = None) -> Event:
    """A sample event that arrives now: what the dedupe window looks at."""
    now = datetime.now(UTC)
    return msgspec.structs.replace(sample_event(number), timestamp=timestamp or now, received_at=now)


def outcomes(*reports: WriteReport) -> list[tuple[int, int, int, int]]:
    """Stored, duplicates, conflicts and dead of each block, in order."""
    entries = sorted((entry for report in reports for entry in report.entries), key=lambda e: (e.ingester, e.seq))
    return [(entry.stored, entry.duplicates, entry.conflicts, entry.dead) for entry in entries]


async def ids(connection: Connection) -> Sequence[int]:
    """The numbers of the stored sample events, ascending."""
    rows = await connection.fetch("SELECT event_id FROM events ORDER BY event_id")
    return [int(row[0].hex, 16) for row in rows]
