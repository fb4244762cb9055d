"""Retention: old days go, what stays is right, and the books say how many events were removed (G4, G13)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tallystick.config import Settings
from tallystick.model.query import MetricsQuery
from tallystick.queue import make_queue
from tallystick.store import Store
from tallystick.worker.worker import Worker
from tests.helpers.samples import block_of, sample_event


async def test_days_older_than_the_retention_are_removed(store: Store, settings: Settings) -> None:
    """Whole UTC days, by the events' own times; the day that the border lies in stays."""
    now = datetime.now(UTC)
    ages = [0, 1, 6, 7, 8, 40]
    await store.write(
        [block_of(0, [sample_event(n, timestamp=now - timedelta(days=age)) for n, age in enumerate(ages)])]
    )
    changed = settings.model_copy(update={"retention_days": 7.0, "maintain_every": 0.05})
    queue = make_queue(changed)
    await queue.open()
    worker = Worker(queue, store, changed)
    running = asyncio.create_task(worker.run())
    try:
        while await count(store) > 4:  # noqa: ASYNC110 - a store has no event to wait for
            await asyncio.sleep(0.05)
    finally:
        worker.stop()
        await running
        await queue.close()
    assert await count(store) == 4
    assert await store.verify() == []


async def test_without_a_retention_everything_stays(store: Store, settings: Settings) -> None:
    await store.write([block_of(0, [sample_event(1, timestamp=datetime(2001, 1, 1, tzinfo=UTC))])])
    changed = settings.model_copy(update={"maintain_every": 0.01})
    queue = make_queue(changed)
    await queue.open()
    worker = Worker(queue, store, changed)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.5)
    worker.stop()
    await running
    await queue.close()
    assert await count(store) == 1


async def count(store: Store) -> int:
    return int((await store.run(MetricsQuery())).rows[0]["events"])
