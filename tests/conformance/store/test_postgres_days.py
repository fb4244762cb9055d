"""Partitions of PostgreSQL's events: made for the days that a batch holds, dropped whole by retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.query import EventsQuery
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.upkeep import housekeeping
from tallystick.store.postgres.upkeep.partitions import AHEAD, day_of, existing, name_of
from tallystick.store.retention import Borders
from tests.helpers.postgres_steps import arriving, connected, ids, opened, outcomes
from tests.helpers.samples import NOON, block_of, sample_block, sample_event

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"store_url": postgres_url})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[PostgresStore]:
    async with opened(settings, 1) as (store,):
        yield store


@pytest.fixture
async def beside(settings: Settings, store: PostgresStore) -> AsyncIterator[Connection]:
    async with connected(settings) as connection:
        yield connection


# --- made -----------------------------------------------------------------------------------------------------------


async def test_a_batch_of_hundreds_of_days(store: PostgresStore, beside: Connection) -> None:
    """A backfill: each event lies in the partition of its own UTC day, and there is no other."""
    days = [datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=80 * n) for n in range(120)]
    events = [arriving(2 * n, day) for n, day in enumerate(days)]
    events += [arriving(2 * n + 1, day + timedelta(days=1, microseconds=-1)) for n, day in enumerate(days)]

    report = await store.write([block_of(0, events)])

    assert outcomes(report) == [(240, 0, 0, 0)]
    lie = await beside.fetch("SELECT tableoid::regclass::text, timestamp FROM events")
    assert len(lie) == 240
    assert all(row[0] == name_of(day_of(row[1])) for row in lie)
    assert await existing(beside) == {day_of(day) for day in days}
    assert await beside.fetchval("SELECT partdefid FROM pg_partitioned_table") == 0
    assert await store.verify() == []


async def test_several_workers_make_the_same_partitions(settings: Settings) -> None:
    """Each is made once, and no process fails."""
    async with opened(settings, 4) as stores, connected(settings) as beside:
        days = [MIDNIGHT + timedelta(days=n) for n in range(60)]
        blocks = [
            block_of(0, [arriving(100 * side + n, day) for n, day in enumerate(days)], f"{side:016x}")
            for side in range(4)
        ]
        reports = await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))

        assert outcomes(*reports) == [(60, 0, 0, 0)] * 4
        assert await existing(beside) == {day_of(day) for day in days}
        assert await stores[0].verify() == []


async def test_the_days_that_come_are_made_ahead(store: PostgresStore, beside: Connection) -> None:
    await store.maintain()

    today = day_of(datetime.now(UTC))
    assert await existing(beside) >= set(range(today, today + AHEAD))


# --- purged ---------------------------------------------------------------------------------------------------------


async def test_a_purge_drops_whole_days_and_cuts_one_at_its_quarter_hour(
    store: PostgresStore, beside: Connection
) -> None:
    """G4, G10: rollups, people and ledger agree with what is left."""
    moments = [
        NOON - timedelta(days=2),
        NOON - timedelta(days=1),
        *(NOON + timedelta(minutes=5 * n) for n in range(12)),
    ]
    await store.write([block_of(0, [sample_event(n, timestamp=moment) for n, moment in enumerate(moments)])])

    report = await store.purge(NOON + timedelta(minutes=44))

    assert report.events == 2 + 6
    assert await ids(beside) == list(range(8, 14))
    assert await existing(beside) == {day_of(NOON)}
    assert (
        await beside.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'events\\_2%' AND relkind = 'r'") == 1
    )
    assert await store.verify() == []
    assert (await store.purge(NOON + timedelta(minutes=44))).events == 0


async def test_a_day_is_dropped_when_all_of_its_sites_let_it_go(store: PostgresStore, beside: Connection) -> None:
    """Else the rows of those that do are deleted, although another site keeps everything."""
    sites = {0: ["a", "b"], 1: ["a", "b", "c"], 2: ["b"], 3: ["a", "b"]}
    events = [
        msgspec.structs.replace(sample_event(10 * day + n, timestamp=NOON + timedelta(days=day)), site_id=site)
        for day, names in sites.items()
        for n, site in enumerate(names)
    ]
    await store.write([block_of(0, events)])
    borders = Borders(None, {"a": MIDNIGHT + timedelta(days=2), "b": MIDNIGHT + timedelta(days=3)})

    report = await store.retire(borders)

    assert report.events == 5
    assert await existing(beside) == {day_of(NOON) + 1, day_of(NOON) + 3}
    assert await ids(beside) == [12, 30, 31]
    assert await store.verify() == []
    assert (await store.retire(borders)).events == 0
    assert (await store.write([block_of(1, events)])).entries[0].stored == 5
    assert (await store.retire(borders)).events == 5
    assert await store.verify() == []


async def test_events_of_a_purged_day_may_come_again(settings: Settings) -> None:
    """By a worker that still believes in the partition, and at another time too."""
    async with opened(settings, 2) as (one, other):
        await one.write([block_of(0, [arriving(1, NOON), arriving(2, NOON)])])
        await other.write([block_of(1, [arriving(3, NOON)])])
        assert (await other.purge(NOON + timedelta(days=1))).events == 3

        report = await one.write([block_of(2, [arriving(1, NOON), arriving(2, NOON + timedelta(days=3))])])

        assert outcomes(report) == [(2, 0, 0, 0)]
        assert await one.verify() == []


async def test_a_purge_while_others_write(settings: Settings) -> None:
    """G4: days are dropped under the hands of writers; at the end every event is stored or purged."""
    async with opened(settings, 3) as stores:

        async def write(side: int) -> None:
            for seq in range(12):
                events = [arriving(1000 * side + 20 * seq + n, MIDNIGHT + timedelta(hours=7 * n)) for n in range(20)]
                await stores[side].write([block_of(seq, events, f"{side:016x}")])

        async def purge() -> int:
            return sum([(await stores[2].purge(MIDNIGHT + timedelta(days=2, hours=5))).events for _ in range(8)])

        async with asyncio.timeout(120):
            _, _, purged = await asyncio.gather(write(0), write(1), purge())
        assert await stores[0].verify() == []
        left = (await stores[0].purge(MIDNIGHT + timedelta(days=30))).events
        assert purged + left == 2 * 12 * 20


async def test_a_purge_gives_way_to_who_reads(
    store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long export holds a purge up; batches go on."""
    monkeypatch.setattr(housekeeping, "PURGE_TRIES", 1)
    monkeypatch.setattr(housekeeping, "LOCK_SECONDS", 1)
    await store.write([sample_block(0, range(5))])
    async with beside.transaction():
        assert await beside.fetchval("SELECT count(*) FROM events") == 5
        with pytest.raises(StoreUnavailable, match="being read"):
            await store.purge(NOON + timedelta(days=1))
        await store.write([sample_block(1, range(5, 10))])

    assert (await store.purge(NOON + timedelta(days=1))).events == 10
    assert await store.verify() == []


async def test_an_export_goes_on_while_partitions_are_made(store: PostgresStore) -> None:
    """A reader delays no batch of another day."""
    await store.write([sample_block(0, range(3_000))])
    export = store.export(EventsQuery(site_id=None))
    first = await anext(export)
    await store.write([block_of(1, [arriving(5_000, MIDNIGHT + timedelta(days=100))])])

    rest = b"".join([chunk async for chunk in export])

    assert (first + rest).count(b"\n") == 3_000
