"""Several processes write to one PostgreSQL: stored once, the books close, no process waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from asyncpg import DeadlockDetectedError  # type: ignore[import-untyped]

from tallystick.config import Settings
from tallystick.errors import DataRejected, TallystickError
from tallystick.model.block import Block
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.postgres import PostgresStore, load
from tallystick.store.postgres.connection import Connection, Duplicate
from tests.helpers.postgres_steps import arriving, connected, ids, opened, outcomes
from tests.helpers.samples import block_of, sample_block, sample_event


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


# --- several writers ------------------------------------------------------------------------------------------------


async def test_overlapping_blocks_and_resent_events(settings: Settings) -> None:
    """G2, G4: blocks that several workers have, and events that are in several blocks at other times, all at once."""
    chance = random.Random(7)
    blocks = []
    for seq in range(24):
        numbers = [chance.randrange(600) for _ in range(60)]
        moments = [datetime.now(UTC) - timedelta(days=chance.choice([0, 0, 1, 400]), seconds=seq) for _ in numbers]
        blocks.append(block_of(seq, [arriving(n, moment) for n, moment in zip(numbers, moments, strict=True)]))

    async def work(store: PostgresStore, seed: int) -> list[WriteReport]:
        mine = blocks * 2
        random.Random(seed).shuffle(mine)
        return [await store.write(mine[first : first + 3]) for first in range(0, len(mine), 3)]

    async with opened(settings, 4) as stores, connected(settings) as beside:
        async with asyncio.timeout(120):
            reports = await asyncio.gather(*(work(store, seed) for seed, store in enumerate(stores)))
        entries = [entry for of_store in reports for report in of_store for entry in report.entries]
        assert sorted((entry.ingester, entry.seq) for entry in entries) == sorted(block.key for block in blocks)
        there = await ids(beside)
        assert list(there) == sorted(set(there))
        assert sum(entry.stored for entry in entries) == len(there)
        assert sum(entry.count for entry in entries) == sum(entry.stored + entry.duplicates for entry in entries)
        assert await stores[0].verify() == []


async def test_one_block_at_two_workers_at_the_same_moment(settings: Settings) -> None:
    """G2: one of them stores it, the other skips it whole."""
    async with opened(settings, 2) as stores:
        for seq in range(10):
            block = sample_block(seq, range(seq * 100, seq * 100 + 100))
            reports = await asyncio.gather(*(store.write([block]) for store in stores))
            assert sorted(report.skipped for report in reports) == [0, 1]
            assert outcomes(*reports) == [(100, 0, 0, 0)]
        assert await stores[0].verify() == []


async def test_a_block_without_a_line_at_two_workers(settings: Settings) -> None:
    """G2, G7: a block that is all dead has nothing but its place in the ledger to be known by."""
    block = Block("00000000000000aa", 0, 7, b"damaged")
    letter = DeadLetter("00000000000000aa", 0, -1, b"damaged", "block_corrupt", "noise", 7)
    async with opened(settings, 2) as stores:
        reports = await asyncio.gather(*(store.write([block], [letter]) for store in stores))
        assert outcomes(*reports) == [(0, 0, 0, 7)]
        assert len(await stores[0].dead_letters()) == 1
        assert await stores[0].verify() == []


async def test_one_event_at_two_times_at_two_workers(settings: Settings, beside: Connection) -> None:
    """G2: the window knows it although neither had committed when the other looked."""
    now = datetime.now(UTC)
    async with opened(settings, 2) as stores:
        for number in range(10):
            events = [arriving(number, now - timedelta(days=days)) for days in (0, 900)]
            blocks = [block_of(0, [event], f"{number:015x}{side}") for side, event in enumerate(events)]
            reports = await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))
            assert sorted(outcomes(*reports)) == [(0, 1, 0, 0), (1, 0, 0, 0)]
    assert await ids(beside) == list(range(10))


async def test_a_deadlock_is_begun_anew(store: PostgresStore, beside: Connection) -> None:
    """A session that locks in another order than batches costs a second, not a batch."""
    for seq in range(10):
        block, event = sample_block(seq, range(3 * seq, 3 * seq + 3)), sample_event(3 * seq + 2)
        # On a busy machine PostgreSQL may end the other side instead: it looks once, a second after a session waits.
        ended = True
        with contextlib.suppress(DeadlockDetectedError):
            async with beside.transaction():
                await beside.execute("INSERT INTO blocks VALUES ($1, $2, 0, 0, 0, 0, 0, now())", block.ingester, seq)
                writing = asyncio.create_task(store.write([block]))
                async with asyncio.timeout(60):
                    while not await beside.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                row = (event.event_id, event.site_id, event.timestamp, event.received_at)
                await beside.execute("INSERT INTO recent_ids VALUES ($1, $2, $3, $4)", *row)
                await beside.execute("DELETE FROM recent_ids WHERE event_id = $1", event.event_id)
                await beside.execute("DELETE FROM blocks WHERE seq = $1", seq)
            ended = False
        assert outcomes(await writing) == [(3, 0, 0, 0)]
        if not ended:
            break
    assert not ended, "it was never the store that PostgreSQL ended"
    assert await store.verify() == []


async def test_a_block_that_was_folded_meanwhile(settings: Settings) -> None:
    """G2: the ledger knows a block by its sum too."""
    async with opened(settings.model_copy(update={"ledger_keep_hours": 0.0}), 1) as (store,):
        await store.write([sample_block(0, range(5)), sample_block(2, range(20, 25))])
        while await store.maintain():
            pass
        assert await store.receipt("00000000000000aa", 0) is None
        assert await store.receipt("00000000000000aa", 2) is not None

        report = await store.write([sample_block(0, range(5)), sample_block(1, range(10, 15))])
        while await store.maintain():
            pass

        assert report.skipped == 1
        assert outcomes(report) == [(5, 0, 0, 0)]
        (ingester,) = (await store.ledger()).values()
        assert (ingester.folded, list(ingester.seqs), ingester.stored) == (3, [], 15)
        assert await store.verify() == []


# --- the window -----------------------------------------------------------------------------------------------------


async def test_sent_again_when_its_first_time_is_years_old(store: PostgresStore, beside: Connection) -> None:
    """G2: the window counts from an event's arrival, so a backfilled one is known too."""
    first = arriving(1, datetime(2003, 4, 5, tzinfo=UTC))
    again = arriving(1, datetime(2011, 4, 5, tzinfo=UTC))

    reports = [await store.write([block_of(seq, [event])]) for seq, event in enumerate([first, again, first])]

    assert outcomes(*reports) == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0)]
    assert await ids(beside) == [1]


async def test_sent_again_after_the_window_with_another_time(store: PostgresStore, beside: Connection) -> None:
    """G2: with another time it is another event then, with the same it never is."""
    long_ago = sample_event(1)  # its arrival is long past
    assert datetime.now(UTC) - long_ago.received_at > timedelta(hours=48)
    later = arriving(1)
    again = arriving(1, datetime.now(UTC) - timedelta(hours=5))

    events = [long_ago, later, again, long_ago]
    reports = [await store.write([block_of(seq, [event])]) for seq, event in enumerate(events)]

    assert outcomes(*reports) == [(1, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0)]
    assert await ids(beside) == [1, 1]
    assert await store.verify() == []


async def test_a_time_that_no_client_can_have_sent(store: PostgresStore) -> None:
    """G2: lines of another writer, whose times are younger than their arrival, are stored once too."""
    odd = msgspec.structs.replace(arriving(1), received_at=datetime(2001, 1, 1, tzinfo=UTC))
    async with store._writers.acquire() as connection:
        await store.write([block_of(0, [odd])])
        await connection.execute("DELETE FROM recent_ids")

    assert outcomes(await store.write([block_of(1, [odd, sample_event(2)])])) == [(1, 1, 0, 0)]
    assert await store.verify() == []


async def test_ids_that_postgresql_emptied_are_built_anew(settings: Settings, beside: Connection) -> None:
    """G2: after a crash the table of recent ids is empty; nothing is written before it is complete again."""
    now = datetime.now(UTC)
    async with opened(settings, 3) as stores:
        old, young = arriving(1, datetime(2004, 1, 1, tzinfo=UTC)), arriving(2, now)
        await stores[0].write([block_of(0, [old, young, sample_event(3)])])
        await beside.execute("TRUNCATE recent_ids, recent_state")

        again = [arriving(1, now - timedelta(days=3)), arriving(2, now - timedelta(days=3)), arriving(4)]
        reports = await asyncio.gather(*(s.write([block_of(n, again)]) for n, s in enumerate(stores, 1)))

    assert sum(entry.stored for report in reports for entry in report.entries) == 1
    assert await ids(beside) == [1, 2, 3, 4]
    kept = await beside.fetch("SELECT event_id FROM recent_ids ORDER BY 1")
    assert [int(row[0].hex, 16) for row in kept] == [1, 2, 4]


async def test_ids_older_than_the_window_are_forgotten(store: PostgresStore, beside: Connection) -> None:
    """The table holds a window, not all time."""
    await store.write([block_of(0, [sample_event(1), arriving(2)])])
    assert await beside.fetchval("SELECT count(*) FROM recent_ids") == 2
    await beside.execute("UPDATE recent_state SET swept_at = now() - interval '1 day'")

    while await store.maintain():
        pass

    left = await beside.fetch("SELECT event_id FROM recent_ids")
    assert [int(row[0].hex, 16) for row in left] == [2]
    assert await beside.fetchval("SELECT swept_at > now() - interval '1 minute' FROM recent_state")


async def test_resent_events_among_new_ones(store: PostgresStore, beside: Connection) -> None:
    """G2: the batch that meets the first one is tried again; the next ones expect them, and later batches do not."""
    written = [await store.write([block_of(0, [arriving(number) for number in range(5)])])]
    expecting = []
    for seq in range(1, load.CAREFUL_BATCHES + 3):
        again = [4, 4] if seq < 3 else []
        numbers = [*again, *range(5 * seq, 5 * seq + 5)]
        written.append(await store.write([block_of(seq, [arriving(number) for number in numbers])]))
        expecting.append(store._loader._careful_batches)

    assert outcomes(*written)[:4] == [(5, 0, 0, 0), (5, 2, 0, 0), (5, 2, 0, 0), (5, 0, 0, 0)]
    assert expecting[:3] == [load.CAREFUL_BATCHES, load.CAREFUL_BATCHES, load.CAREFUL_BATCHES - 1]
    assert expecting[-1] == 0
    assert await ids(beside) == list(range(5 * load.CAREFUL_BATCHES + 15))
    assert await store.verify() == []


async def test_an_identity_that_is_twice_in_a_batch(store: PostgresStore, beside: Connection) -> None:
    """G2: the first line counts, and a later one with another payload is a conflict."""
    first, other = arriving(1), msgspec.structs.replace(arriving(1), name="other")

    assert outcomes(await store.write([block_of(0, [first, other, arriving(2)])])) == [(2, 1, 1, 0)]

    assert await beside.fetchval("SELECT count(*) FROM events WHERE name = 'other'") == 0
    assert await store.verify() == []


async def test_an_identity_is_one_of_its_site(store: PostgresStore, beside: Connection) -> None:
    """G2: the same id at several sites, in batches of several sites."""
    events = [msgspec.structs.replace(arriving(n), site_id=site) for n in (3, 1, 2) for site in ("b", "é", "a")]

    assert outcomes(await store.write([block_of(0, events)])) == [(9, 0, 0, 0)]
    assert outcomes(await store.write([block_of(1, [*events, arriving(1)])])) == [(1, 9, 0, 0)]
    assert await store.verify() == []


async def test_users_of_removed_events_are_counted_again(store: PostgresStore, beside: Connection) -> None:
    """G10, G13: what this process remembers of the rollup of users ends when its rows may be gone."""
    await store.write([sample_block(0, range(10))])
    await store.write([sample_block(1, range(10, 20))])
    assert await beside.fetchval("SELECT count(*) FROM people") == 7  # the second batch inserts none

    await store.purge(sample_event(0).timestamp + timedelta(days=1))
    assert await beside.fetchval("SELECT count(*) FROM people") == 0
    await store.write([sample_block(2, range(20, 30))])

    assert await beside.fetchval("SELECT count(*) FROM people") == 7
    assert await beside.fetchval("SELECT count(*) FROM people_days") == 7
    assert await store.verify() == []


async def test_users_of_a_batch_that_failed_are_not_remembered(
    store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3, G10: only what is committed is."""
    insert = load._insert_ledger
    fails = iter([True, False])

    async def once(*given: Any) -> Any:
        if next(fails):
            raise DataRejected("not this time")
        return await insert(*given)

    monkeypatch.setattr(load, "_insert_ledger", once)
    with pytest.raises(DataRejected):
        await store.write([sample_block(0, range(10))])
    await store.write([sample_block(0, range(10))])

    assert await beside.fetchval("SELECT count(*) FROM people") == 7
    assert await store.verify() == []


# --- housekeeping ---------------------------------------------------------------------------------------------------


async def test_rollups_are_compacted(settings: Settings, beside: Connection) -> None:
    """G10: several processes append and compact at once, the sums stay what the events say."""
    async with opened(settings, 3) as stores:
        for seq in range(30):
            await stores[seq % 3].write([sample_block(seq, range(seq * 40, seq * 40 + 40))])
        await beside.execute("UPDATE appended SET rows = rows + 10001")
        before = await beside.fetchval("SELECT count(*) FROM rollup")

        async def keep(store: PostgresStore) -> None:
            while await store.maintain():
                pass

        late = [stores[n].write([sample_block(30 + n, range(5_000 + n * 40, 5_040 + n * 40))]) for n in range(3)]
        await asyncio.gather(*map(keep, stores), *late)

        assert before >= 30
        assert await beside.fetchval("SELECT count(*) FROM rollup") < before
        assert await stores[0].verify() == []


@pytest.mark.parametrize(
    ("change", "undo", "check"),
    [
        ("UPDATE blocks SET count = count + 1", "UPDATE blocks SET count = count - 1", "ledger"),
        (
            "UPDATE blocks SET stored = stored + 1, count = count + 1",
            "UPDATE blocks SET stored = stored - 1, count = count - 1",
            "stored",
        ),
        (
            "UPDATE blocks SET dead = dead + 1, count = count + 1",
            "UPDATE blocks SET dead = dead - 1, count = count - 1",
            "dead",
        ),
        ("UPDATE rollup SET events = events + 1", "UPDATE rollup SET events = events - 1", "rollup"),
        ("UPDATE rollup SET bot = true", "UPDATE rollup SET bot = false", "rollup"),
        ("UPDATE people SET bot = true", "UPDATE people SET bot = false", "people"),
        ("UPDATE people_days SET bot = true", "UPDATE people_days SET bot = false", "people"),
        (
            "DELETE FROM people WHERE user_id = 'user-3'",
            "INSERT INTO people VALUES ('default', '2026-03-01 12:00:00+00', 'user-3')",
            "people",
        ),
        (
            "DELETE FROM people_days WHERE user_id = 'user-3'",
            "INSERT INTO people_days VALUES ('default', '2026-03-01', 'user-3')",
            "people",
        ),
        (
            "INSERT INTO people_days VALUES ('default', '2026-03-02', 'nobody')",
            "DELETE FROM people_days WHERE user_id = 'nobody'",
            "people",
        ),
    ],
)
async def test_verify_finds_what_is_wrong(
    store: PostgresStore, beside: Connection, change: str, undo: str, check: str
) -> None:
    """G4, G10: each kind of difference is seen."""
    await store.write([sample_block(0, range(10))])

    await beside.execute(change)
    assert {difference.check for difference in await store.verify()} == {check}

    await beside.execute(undo)
    assert await store.verify() == []


async def test_it_gives_up_when_others_are_always_in_the_way(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: a batch that finds no way through goes back to the queue."""
    tries = 0

    async def always(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise Duplicate("again")

    monkeypatch.setattr(load, "_insert_ledger", always)
    with pytest.raises(TallystickError) as caught:
        await store.write([sample_block(0, range(3))])

    assert caught.value.code == "store_unavailable"
    assert tries == load.TRIES
