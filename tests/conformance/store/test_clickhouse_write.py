"""ClickHouse has no transactions across tables: a worker may stop after any statement, and others work beside it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.books import IngesterLedger
from tallystick.model.event import Event
from tallystick.store.base import DeadLetter
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.server.connection import Connection
from tallystick.store.clickhouse.upkeep.settling import settle_blocks
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.migrations import migrations
from tallystick.store.retention import Borders
from tests.faults.times import REPETITIONS, Record
from tests.helpers.samples import INGESTER, block_of, sample_block, sample_event
from tests.helpers.thorough import chance, some
from tests.servers.clickhouse import ClickHouseServer
from tests.servers.scratch import scratch_folder

NOW = datetime.now(UTC)


class Killed(Exception):
    """The process is gone at this point."""


@pytest.fixture
def settings(settings: Settings, clickhouse_url: str) -> Settings:
    return settings.model_copy(update={"store_url": clickhouse_url})


@pytest.fixture
def sql(settings: Settings, clickhouse_server: ClickHouseServer) -> Callable[[str], str]:
    """Statements beside the stores."""
    database = urlsplit(settings.resolved_store_url).path[1:]
    return lambda statement: clickhouse_server.sql(statement, database).strip()


@asynccontextmanager
async def opened(settings: Settings, number: int = 1) -> AsyncIterator[list[ClickHouseStore]]:
    """Stores as so many processes have them."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(number):
            store = ClickHouseStore(settings)
            await store.open()
            stack.push_async_callback(store.close)
            stores.append(store)
        yield stores


def arriving(number: int, timestamp: datetime, **changed: Any) -> Event:
    """A sample event that is received now."""
    event = msgspec.structs.replace(sample_event(number), timestamp=timestamp, received_at=datetime.now(UTC))
    return msgspec.structs.replace(event, **changed)


def kill_after(connection: Connection, statements: int, monkeypatch: pytest.MonkeyPatch, *, done: bool) -> list[int]:
    """Let a process end at one of the statements of a connection: once it is `done`, or before.

    Returns:
        A list with the number of statements that there were.
    """
    seen = [0]

    def counted(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def one(*given: Any, **named: Any) -> Any:
            seen[0] += 1
            last = seen[0] > statements
            if seen[0] > statements + 1 or (last and not done):
                raise Killed
            result = await run(*given, **named)
            if last:
                raise Killed
            return result

        return one

    for name in ("query", "command", "insert"):
        monkeypatch.setattr(connection, name, counted(getattr(connection, name)))
    return seen


async def stored(sql: Callable[[str], str]) -> list[int]:
    """The numbers of the stored sample events, ascending."""
    rows = sql("SELECT toUInt128(event_id) AS number FROM events FINAL ORDER BY number").splitlines()
    return [int(row) for row in rows]


async def check_books(store: ClickHouseStore, sql: Callable[[str], str], accepted: int) -> None:
    """G4: before the blocks are settled and after it."""
    for _ in range(2):
        ledger = (await store.ledger()).values()
        assert sum(one.count for one in ledger) == accepted
        assert sum(one.stored + one.duplicates + one.dead for one in ledger) == accepted
        assert sum(one.stored for one in ledger) == int(sql("SELECT count() FROM events FINAL"))
        assert await store.verify() == []
        await settle_all(store)


async def settle_all(store: ClickHouseStore) -> None:
    await settle_blocks(store._writer, datetime.now(UTC) + timedelta(hours=1))


async def test_any_batches_have_the_outcome_that_they_have_on_duckdb(settings: Settings, tmp_path: Path) -> None:
    """G2, G4: which lines are stored, duplicates and conflicts, for ids that come again at several times."""
    for seed in some(range(10)):
        draw = random.Random(seed)
        site = f"site-{seed}"
        (tmp_path / site).mkdir(0o700)
        embedded = DuckDBStore(settings.model_copy(update={"store_url": "", "data": tmp_path / site}))
        await embedded.open()
        await embedded.migrate()
        async with opened(settings) as (store,):
            for number in range(6):
                blocks = []
                for seq in range(draw.randrange(1, 4)):
                    events = [
                        arriving(
                            draw.randrange(25),
                            NOW - timedelta(days=draw.choice([0, 0, 0, 1, 5]), seconds=draw.choice([0, 0, 0, 1])),
                            name=draw.choice("aaab"),
                            received_at=NOW - timedelta(days=draw.choice([0, 0, 0, 0, 6])),
                            site_id=site + draw.choice("xy"),
                        )
                        for _ in range(draw.randrange(1, 12))
                    ]
                    blocks.append(block_of(seq, events, f"{seed:08x}{number:08x}"))
                reports = [await one.write(blocks) for one in (store, embedded)]
                outcomes = [[(e.stored, e.duplicates, e.conflicts) for e in report.entries] for report in reports]
                assert outcomes[0] == outcomes[1], f"seed {seed}, batch {number}"
            assert await store.verify() == []
        await embedded.close()


# --- a worker that stops --------------------------------------------------------------------------------------------


def batch() -> tuple[list[Block], list[DeadLetter]]:
    """Blocks with all that a write does: duplicates, days, ids that are joined, bots, dead letters."""
    joins = msgspec.Raw(b'{"anonymous_id":"device","$bot":true}')
    blocks = [
        block_of(1, [arriving(n, NOW - timedelta(days=n % 3)) for n in (1, 2, 3, 4, 2, 10)]),
        block_of(2, [arriving(4, NOW), arriving(5, NOW), arriving(11, NOW + timedelta(seconds=9))]),
        block_of(3, [arriving(6, NOW, name="identify", properties=joins, user_id="host"), arriving(7, NOW)]),
        Block(INGESTER, 4, 2, b"noise"),
    ]
    letters = [
        DeadLetter(INGESTER, 4, -1, b"noise", "block_corrupt", "noise", 2),
        DeadLetter(INGESTER, 3, 1, b"7", "data_rejected", "seven", 1),
    ]
    return blocks, letters


async def test_killed_at_any_statement_of_a_migration(
    settings: Settings, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    """G6: the next start makes what is missing, and the tables are those of a start that nothing stopped."""

    async def tables(statements: int, *, done: bool) -> tuple[int, str]:
        """The tables after a start that is killed and another one; the number of statements of the first."""
        url = clickhouse_server.new_database()
        database = urlsplit(url).path[1:]
        here = settings.model_copy(update={"store_url": url})
        with monkeypatch.context() as killed, suppress(Killed):
            store = ClickHouseStore(here)
            seen = kill_after(store._writer, statements, killed, done=done)
            await store.open()
            await store.close()
        async with opened(here) as (store,):
            await store.write([sample_block(0, range(5))])
            assert await store.verify() == []
        made = clickhouse_server.sql(
            f"SELECT create_table_query FROM system.tables WHERE database = '{database}' ORDER BY name"
        )
        clickhouse_server.drop_database(url)
        return seen[0], made.replace(database, "database")

    number, whole = await tables(1_000, done=True)
    assert number > len(migrations("clickhouse")) * 2
    taken = some(range(number))
    record_property(REPETITIONS, 2 * len(taken))
    for statements in taken:
        for done in (False, True):
            assert await tables(statements, done=done) == (statements + 1, whole), f"statement {statements}"


WANTED = [1, 2, 3, 4, 5, 6, 10, 11]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_at_any_statement(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """G2, G3, G4: the queue delivers the blocks again, alone or with others, and everything is stored once."""
    before = block_of(0, [arriving(10, NOW - timedelta(days=1)), arriving(11, NOW)])

    async def write(statements: int) -> tuple[int, list[Block]]:
        """Write into an empty store until the process is killed; returns the number of statements, and the blocks."""
        for table in ("events", "recent_ids", "blocks", "dead_letters", "identities", "bot_sites"):
            sql(f"TRUNCATE TABLE IF EXISTS {table}")
        async with opened(settings) as (store,):
            await store.write([before])
            blocks, letters = batch()
            with monkeypatch.context() as killed, suppress(Killed):
                seen = kill_after(store._writer, statements, killed, done=done)
                await store.write(blocks, letters)
        return seen[0], blocks

    number, _ = await write(1_000)
    assert number > 12
    for statements in some(range(number)):
        _, blocks = await write(statements)
        async with opened(settings) as (store,):
            assert await store.verify() == []
            random.Random(statements).shuffle(blocks)
            for part in (blocks[:2], blocks[2:], blocks):
                keys = {block.key for block in part}
                await store.write(part, [one for one in batch()[1] if (one.ingester, one.seq) in keys])
            assert await stored(sql) == WANTED
            assert sql("SELECT user_id, person_id FROM identities FINAL") == "device\thost"
            assert sql("SELECT DISTINCT site_id FROM bot_sites") == "default"
            assert sorted(one.letter.seq for one in await store.dead_letters()) == [3, 4]
            await check_books(store, sql, 2 + 13)


async def test_an_insert_that_stops_in_the_middle(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3: ClickHouse inserts day by day, and some days may be there when it fails."""
    block = block_of(0, [arriving(n, NOW - timedelta(days=n % 5)) for n in range(50)])
    async with opened(settings) as (store,):
        with monkeypatch.context() as killed:
            killed.setattr(store._loader, "_insert_blocks", _kill)
            with pytest.raises(Killed):
                await store.write([block])
        there = int(sql("SELECT count() FROM events FINAL"))
        assert there == 50, "the events were inserted, and the ledger has no row"
        assert sql("SELECT count() FROM blocks") == "0"
        assert await store.verify() == [], "they are just being stored"
        sql(f"ALTER TABLE events DROP PARTITION ID '{NOW:%Y%m%d}'")
        assert (await store.write([block])).entries[0].stored == 50
        await check_books(store, sql, 50)


async def _kill(*_: Any) -> None:
    raise Killed


async def test_the_server_is_killed_while_blocks_are_stored(settings: Settings) -> None:
    """G2, G3: what the ledger has is there, and what is delivered again is stored once."""
    with scratch_folder("clickhouse") as folder:
        server = ClickHouseServer(folder)
        server.start()
        url = server.new_database()
        database = urlsplit(url).path[1:]
        blocks = [
            block_of(seq, [arriving(seq * 50 + n, NOW - timedelta(days=n % 4)) for n in range(50)]) for seq in range(30)
        ]
        waiting = list(blocks)
        kept = settings.model_copy(update={"store_url": url})
        for round_ in range(3):
            async with opened(kept) as (store,):
                some_written = asyncio.Event()
                writing = asyncio.create_task(_write_all(store, waiting, 25 - 5 * round_, some_written))
                await some_written.wait()
                await asyncio.sleep(chance().uniform(0, 0.05))
                server.kill()
                with pytest.raises(StoreUnavailable):
                    await writing
            server.start()
        async with opened(kept) as (store,):
            assert await store.verify() == []
            skipped = await _write_all(store, list(blocks))
            acknowledged = len(blocks) - len(waiting)
            assert acknowledged <= skipped <= acknowledged + 3, (
                "a kill may come between the ledger's row and the answer"
            )
            await check_books(store, lambda statement: server.sql(statement, database).strip(), 1500)
        numbers = server.sql("SELECT toUInt128(event_id) AS number FROM events FINAL ORDER BY number", database)
        assert [int(number) for number in numbers.split()] == list(range(1500))
        server.stop()


async def _write_all(
    store: ClickHouseStore, waiting: list[Block], left: int = 0, reached: asyncio.Event | None = None
) -> int:
    """Write blocks one by one, each until it is acknowledged; returns how many the ledger had.

    Args:
        reached: set when no more blocks than `left` wait, or when a write fails.
    """
    skipped = 0
    try:
        while waiting:
            skipped += (await store.write([waiting[0]])).skipped
            waiting.pop(0)
            if reached is not None and len(waiting) <= left:
                reached.set()
    finally:
        if reached is not None:
            reached.set()
    return skipped


# --- several workers ------------------------------------------------------------------------------------------------


async def test_what_is_computed_of_an_event_is_what_the_table_computes(
    settings: Settings, sql: Callable[[str], str]
) -> None:
    """The insert has the table's own expressions, and only numbers that ClickHouse would change need a second text."""
    plain: list[dict[str, Any]] = [
        {"a": "site-05 of 1.0 and 0e1"},
        {"b": 1.5},
        {"c": -7},
        {"d": [1, "x:2"]},
        {"utm_source": "news"},
        {},
    ]
    changed: list[dict[str, Any]] = [
        {"a": 1.0},
        {"b": [7, 1e300]},
        {"c": 10**29},
        {"d": {"e": -10.00}},
        {"f": 1e-7},
        {"g": "-0", "h": 2e22},
    ]
    events = [
        arriving(n, NOW, name="identify" if n % 2 else "page_view", properties={**given, "anonymous_id": f"a{n}"})
        for n, given in enumerate([*plain, *changed])
    ]
    async with opened(settings) as (store,):
        await store.write([block_of(0, events)])
        assert sql("SELECT groupArray(readable <> '') FROM (SELECT readable FROM events ORDER BY line)") == (
            "[" + ",".join(["0"] * len(plain) + ["1"] * len(changed)) + "]"
        )
        assert int(sql("SELECT count(joined_id) FROM events")) == len(events) // 2
        assert int(sql("SELECT countIf(origin <> '') FROM events")) == 1
        for column in ("readable", "joined_id", "origin"):
            expression = sql(
                "SELECT default_expression FROM system.columns WHERE database = currentDatabase() AND table = 'events' "
                f"AND default_kind = 'DEFAULT' AND name = '{column}' FORMAT TSVRaw"
            )
            assert sql(f"SELECT count() FROM events WHERE {column} IS DISTINCT FROM ({expression})") == "0"


@pytest.mark.parametrize(("days", "level"), [(1, 0), (2, 0), (3, 1)])
async def test_the_parts_of_a_batch_of_many_days_are_marked_as_merged(
    days: int, level: int, settings: Settings, sql: Callable[[str], str]
) -> None:
    """FINAL reads the only part of a day fast where it is marked; marking it is a fifth of the insert's time."""
    async with opened(settings) as (store,):
        await store.migrate()
        await store.write([block_of(0, [arriving(day, NOW - timedelta(days=day)) for day in range(days)])])
        parts = sql("SELECT level FROM system.parts WHERE active AND table = 'events' AND database = currentDatabase()")
        assert parts.splitlines() == [str(level)] * days
        assert await stored(sql) == list(range(days))


async def test_overlapping_blocks_and_resent_events(settings: Settings, sql: Callable[[str], str]) -> None:
    """G2, G4: blocks that several workers have, and events that are in several blocks, all at once."""
    draw = random.Random(7)
    blocks = []
    for seq in range(12):
        numbers = [draw.randrange(200) for _ in range(40)]
        blocks.append(block_of(seq, [arriving(n, NOW - timedelta(days=n % 3)) for n in numbers]))

    async def work(store: ClickHouseStore, seed: int) -> None:
        mine = list(blocks)
        random.Random(seed).shuffle(mine)
        for first in range(0, len(mine), 3):
            await store.write(mine[first : first + 3])

    async with opened(settings, 3) as stores:
        async with asyncio.timeout(120):
            await asyncio.gather(*(work(store, seed) for seed, store in enumerate(stores)))
        there = await stored(sql)
        assert there == sorted(set(there))
        await check_books(stores[0], sql, 12 * 40)


async def test_one_event_in_two_blocks_at_the_same_moment(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2, G4: both workers think that they store it; the row names one of them, which is what the ledger counts."""
    async with opened(settings, 2) as stores:
        meet_before(stores, "INSERT INTO events", monkeypatch)
        blocks = [block_of(0, [arriving(1, NOW), arriving(2 + n, NOW)], f"{n:016x}") for n in range(2)]
        reports = await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))
        assert [report.entries[0].stored for report in reports] == [2, 2]
        assert await stored(sql) == [1, 2, 3]
        ledger = (await stores[0].ledger()).values()
        assert sorted((one.stored, one.duplicates) for one in ledger) == [(1, 1), (2, 0)]
        await check_books(stores[0], sql, 4)
        receipts = [await stores[0].receipt(block.ingester, 0) for block in blocks]
        assert sorted((one.stored, one.duplicates) for one in receipts if one) == [(1, 1), (2, 0)]


async def test_one_event_at_two_times_at_the_same_moment(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: it is stored twice until housekeeping has swept; then the first write is left, with what follows from it."""
    joins = [msgspec.Raw(b'{"anonymous_id":"device-%d"}' % n) for n in range(2)]
    events = [
        arriving(1, NOW - timedelta(days=900 * n), name="identify", properties=joins[n], user_id="host")
        for n in range(2)
    ]
    async with opened(settings, 2) as stores:
        meet_before(stores, "INSERT INTO recent_ids", monkeypatch)
        blocks = [block_of(0, [event], f"{n:016x}") for n, event in enumerate(events)]
        await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))
        assert await stored(sql) == [1, 1]
        first = sql("SELECT seq, ingester, joined_id FROM events FINAL ORDER BY version DESC, timestamp LIMIT 1")
        assert await stores[0].maintain() is False
        assert sql("SELECT seq, ingester, joined_id FROM events FINAL") == first
        assert sql("SELECT user_id FROM identities FINAL") == first.rpartition("\t")[2]
        await check_books(stores[0], sql, 2)
        assert await stores[1]._housekeeper.sweep(stores[1]._writer, NOW - timedelta(hours=1)) == 0


async def test_many_events_at_two_times_at_the_same_moment(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: a sweep deletes the later copy of each, by several statements, and no event that shares a time with one. It
    looks at some identities at a time.
    """
    monkeypatch.setattr("tallystick.store.clickhouse.upkeep.housekeeping.IDENTITIES_AT_ONCE", 5)
    monkeypatch.setattr("tallystick.store.clickhouse.upkeep.housekeeping.COPIES_AT_ONCE", 3)
    count = 8
    ids = [number if turn == 0 else (number + 1) % count for turn in range(2) for number in range(count)]
    events = [arriving(id_, NOW - timedelta(days=place % count)) for place, id_ in enumerate(ids)]
    async with opened(settings, 2) as stores:
        meet_before(stores, "INSERT INTO recent_ids", monkeypatch)
        blocks = [block_of(0, events[turn * count : (turn + 1) * count], f"{turn:016x}") for turn in range(2)]
        await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))
        assert len(await stored(sql)) == 2 * count
        await stores[0].maintain()
        assert await stored(sql) == list(range(count))
        await check_books(stores[0], sql, 2 * count)


async def test_two_links_that_make_a_chain_at_the_same_moment(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10: neither worker sees the other's link; the next housekeeping finds where both lead."""
    chain = [
        arriving(n, NOW, name="identify", user_id=user, properties=msgspec.Raw(b'{"anonymous_id":"%s"}' % joined))
        for n, (joined, user) in enumerate([(b"a", "b"), (b"b", "c")])
    ]
    async with opened(settings, 2) as stores:
        meet_before(stores, "INSERT INTO identities", monkeypatch)
        blocks = [block_of(0, [event], f"{n:016x}") for n, event in enumerate(chain)]
        await asyncio.gather(*(s.write([b]) for s, b in zip(stores, blocks, strict=True)))
        persons = "SELECT user_id, person_id FROM identities FINAL ORDER BY user_id"
        assert sql(persons) == "a\tb\nb\tc"
        assert {one.check for one in await stores[0].verify()} == {"persons"}
    async with opened(settings) as (store,):
        await store.maintain()
        assert sql(persons) == "a\tc\nb\tc"
        assert await store.verify() == []


async def test_letters_of_two_workers_have_ids_of_their_own(settings: Settings, sql: Callable[[str], str]) -> None:
    """G7: a letter is dropped or sent again by its id, which no other letter has."""
    async with opened(settings, 2) as stores:
        for seq in range(5):
            sides = []
            for n, store in enumerate(stores):
                letters = [DeadLetter(f"{n:016x}", seq, index, b"\xff\x00", "code", "why") for index in range(20)]
                sides.append(store.write([Block(f"{n:016x}", seq, 20, b"")], letters))
            await asyncio.gather(*sides)
        letters_there = await stores[0].dead_letters(limit=1000)
        ids = [one.id for one in letters_there]
        assert len(ids) == 200
        assert ids == sorted(set(ids))
        assert {one.letter.original for one in letters_there} == {b"\xff\x00"}
        assert await stores[0].mark_dead(ids[:3], "dropped") == 3
        assert await stores[1].mark_dead(ids[:4], "dropped") == 1
        assert len(await stores[0].dead_letters()) == 100
        assert len(await stores[0].dead_letters(None, limit=1000)) == 200
        assert await stores[0].verify() == []


def meet_before(stores: Sequence[ClickHouseStore], statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the stores wait for each other before the first statement that begins so."""
    barrier = asyncio.Barrier(len(stores))

    def waiting(run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def one(sql: str, *given: Any, **named: Any) -> None:
            text = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
            if text.startswith(statement):
                await barrier.wait()
            await run(sql, *given, **named)

        return one

    for store in stores:
        for name in ("command", "insert"):
            monkeypatch.setattr(store._writer, name, waiting(getattr(store._writer, name)))


# --- the ledger and removals ----------------------------------------------------------------------------------------


async def test_a_compacted_ledger_says_the_same(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4: killed between any two statements of compaction, with a gap, and with blocks that come again."""
    hurried = settings.model_copy(update={"ledger_keep_hours": 0.0})
    blocks = [sample_block(seq, [seq, seq + 1]) for seq in (0, 1, 2, 4)]
    async with opened(hurried) as (store,):
        for block in blocks:
            await store.write([block])
        await settle_all(store)
        before = _all_of(await store.ledger())
        for statements in range(3):
            with monkeypatch.context() as killed:
                kill_after(store._writer, statements, killed, done=True)
                with suppress(Killed):
                    await store._housekeeper._compact_ledger(store._writer, datetime.now(UTC) + timedelta(hours=1))
            assert _all_of(await store.ledger()) == before
            assert await store.verify() == []
        assert sql("SELECT seq FROM blocks FINAL") == "4"
        assert (await store.write(blocks)).skipped == 4
        assert await store.receipt(INGESTER, 1) is None
        await store.write([sample_block(3, [3, 100])])
        await check_books(store, sql, 10)
        await store._housekeeper._compact_ledger(store._writer, datetime.now(UTC) + timedelta(hours=1))
        assert sql("SELECT folded, count, stored, duplicates FROM ledger_folded FINAL") == "5\t10\t7\t3"
        await check_books(store, sql, 10)


async def test_verify_finds_what_is_lost(settings: Settings, sql: Callable[[str], str]) -> None:
    """G4: an event of a settled block, and a dead letter."""
    letter = DeadLetter(INGESTER, 0, 0, b"bad", "code", "why")
    async with opened(settings) as (store,):
        await store.write([block_of(0, [arriving(n, NOW) for n in range(5)])], [letter])
        await settle_all(store)
        assert await store.verify() == []
        sql(f"DELETE FROM events WHERE event_id = '{arriving(3, NOW).event_id}'")
        assert [one.check for one in await store.verify()] == ["stored"]
        sql("TRUNCATE TABLE dead_letters")
        assert [one.check for one in await store.verify()] == ["stored", "dead"]


async def test_identities_of_before_the_window_are_forgotten(settings: Settings, sql: Callable[[str], str]) -> None:
    """G2: with the same time an event is known for ever, with another one for the window."""
    old = arriving(1, NOW - timedelta(days=9), received_at=NOW - timedelta(days=8))
    async with opened(settings) as (store,):
        await store.write([block_of(0, [old, arriving(2, NOW)])])
        assert sql("SELECT count() FROM recent_ids") == "2"
        await store.maintain()
        assert sql("SELECT count() FROM recent_ids") == "1"
        again = [old, arriving(2, NOW + timedelta(seconds=1)), msgspec.structs.replace(old, timestamp=NOW)]
        (entry,) = (await store.write([block_of(1, again)])).entries
        assert (entry.stored, entry.duplicates) == (0, 3), "the third has the identity of the first, in this block"
        (entry,) = (await store.write([block_of(2, again[2:])])).entries
        assert (entry.stored, entry.duplicates) == (1, 0)


def _all_of(ledger: Mapping[str, IngesterLedger]) -> tuple[list[int], tuple[int, ...]]:
    """The seqs that one ingester's ledger has, and its sums, wherever they are kept."""
    (of,) = ledger.values()
    return [*range(of.folded), *of.seqs], (of.count, of.stored, of.duplicates, of.conflicts, of.dead)


@pytest.mark.parametrize("kind", ["purge", "retention", "undo"])
async def test_a_removal_that_stops_is_finished(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """G4, G13: the books close after each statement, and the next removal or housekeeping does the rest."""
    marked = msgspec.Raw(b'{"$import":"wrong","anonymous_id":"device"}')
    events = [
        arriving(n, NOW - timedelta(days=n % 4), name="identify", user_id=f"u{n}", properties=marked) for n in range(12)
    ]
    kept = [arriving(100 + n, NOW) for n in range(5)]
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)

    async def remove(store: ClickHouseStore) -> None:
        if kind == "purge":
            await store.purge(NOW - timedelta(hours=1))
        elif kind == "retention":
            site = events[0].site_id
            await store.retire(Borders(None, {site: midnight}))
        else:
            await store.undo_import("wrong")

    async def start(statements: int) -> int:
        """Remove events until the process is killed; returns the number of statements."""
        for table in ("events", "recent_ids", "blocks", "removals", "identities", "splits", "ledger_folded"):
            sql(f"TRUNCATE TABLE IF EXISTS {table}")
        async with opened(settings) as (store,):
            await store.write([block_of(0, events), block_of(1, kept)])
            with monkeypatch.context() as killed, suppress(Killed):
                seen = kill_after(store._writer, statements, killed, done=statements % 2 == 0)
                await remove(store)
        return seen[0]

    for statements in some(range(await start(1_000))):
        await start(statements)
        async with opened(settings) as (store,):
            # Ids that only a removed event joined are released last.
            assert [one for one in await store.verify() if one.check != "persons"] == []
            if statements % 3:
                await store.maintain()
            await remove(store)
            assert int(sql("SELECT count() FROM events FINAL")) == 5 + (0 if kind == "undo" else 3)
            assert sql("SELECT count() FROM identities FINAL") == ("0" if kind == "undo" else "1")
            assert sum(one.stored for one in (await store.ledger()).values()) == 17
            assert await store.verify() == []
