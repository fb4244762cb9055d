"""The session index on PostgreSQL: how it is built, by whom, and what changes it besides new events (G4, G10).

That the answers are right is tested with the oracle in tests/conformance/analyses/test_sessions_materialized.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.event import Event
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.query import Condition, SessionsQuery
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.upkeep import sessions
from tallystick.store.postgres.upkeep.watermark import Watermark
from tests.helpers.postgres_steps import connected, opened
from tests.helpers.samples import NOON, block_of, sample_event
from tests.helpers.thorough import some
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

ASKED = SessionsQuery(metrics=["sessions", "pages", "events", "avg_duration"], breakdown=["entry_page"])
BY_CHANNEL = SessionsQuery(metrics=["sessions", "median_duration"], breakdown=["channel"])
ADS = {"utm_source": "ads"}
RAW = Condition(field="session_id", op="set")
"""A filter that leaves no session out and is answered from the events."""


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


def visit(number: int, session: str, at: datetime | None = None, came: Mapping[str, str] = ADS) -> Event:
    event = sample_event(number, timestamp=at, properties=msgspec.json.encode(came))
    return msgspec.structs.replace(event, session_id=session, path=f"/{number % 3}")


async def put(store: PostgresStore, seq: int, events: Sequence[Event]) -> None:
    await store.write([block_of(seq, events)])


async def tidied(store: PostgresStore) -> int:
    """Do all housekeeping; how many steps it took."""
    count = 0
    while await store.maintain():
        count += 1
    return count


async def check(store: PostgresStore, indexed: bool = True) -> list[dict[str, Any]]:
    """The session index and the raw events give the same rows, which are returned."""
    for query in (BY_CHANNEL, ASKED):
        result = await store.run(query)
        raw = await store.run(query.model_copy(update={"filter": RAW}))
        assert (result.from_rollup, raw.from_rollup) == (indexed, False)
        assert result.rows == raw.rows
    return result.rows


async def test_stored_events_are_covered_in_steps(
    store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade: until all of them are, the events answer, and what arrives meanwhile is counted once."""
    monkeypatch.setattr(sessions, "PIECE", 5)
    hours = [NOON + timedelta(hours=number) for number in range(40)]
    await put(store, 0, [visit(number, f"s{number % 7}", at) for number, at in enumerate(hours)])
    await beside.execute("UPDATE events SET load_id = NULL")
    await beside.execute("DELETE FROM loads")
    for seq in range(1, 6):
        assert await store.maintain()
        await check(store, indexed=False)
        assert await store.verify() == []
        await put(store, seq, [visit(100 * seq + number, f"s{seq}", hours[7 * seq]) for number in range(2)])
    assert await tidied(store) > 5
    await check(store)
    assert await store.verify() == []
    assert await beside.fetchval("SELECT count(*) FROM loads") == 0
    assert await beside.fetchval("SELECT sum(events) FROM session_index") == 50


async def test_loads_that_commit_late_are_counted_once(store: PostgresStore, settings: Settings) -> None:
    """A load gets its id before it commits; housekeeping passes by it meanwhile and covers it later."""
    await tidied(store)
    async with opened(settings, 1) as (other,), connected(settings) as beside:
        async with beside.transaction():
            await beside.execute("LOCK TABLE blocks")  # the last thing that a load writes to
            writing = asyncio.create_task(other.write([block_of(0, [visit(number, "late") for number in range(4)])]))
            async with asyncio.timeout(60):
                while not await beside.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await beside.execute("INSERT INTO loads (oldest, newest, events) VALUES (now(), now(), 0)")
        await writing
        await tidied(store)
        assert (await check(store))[0]["sessions"] == 1
        assert await beside.fetchval("SELECT events FROM session_index") == 4


async def test_two_workers_build_it_together(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is covered by one of them."""
    monkeypatch.setattr(sessions, "PIECE", 10)
    async with opened(settings, 3) as stores:
        await tidied(stores[0])

        async def build(store: PostgresStore, side: int) -> None:
            for seq in range(12):
                events = [visit(1_000 * side + 10 * seq + number, f"s{number}") for number in range(10)]
                await store.write([block_of(seq, events, f"{side:016x}")])
                await store.maintain()

        await asyncio.gather(*(build(store, side) for side, store in enumerate(stores)))
        await tidied(stores[0])
        await check(stores[1])
        assert await stores[2].verify() == []
        async with connected(settings) as beside:
            assert await beside.fetchval("SELECT sum(events) FROM session_index") == 360


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    with scratch_folder("sessions") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


async def test_killed_while_it_is_built(
    settings: Settings, durable_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL dies between any two statements of a step: the next process goes on where the last commit was."""
    monkeypatch.setattr(sessions, "PIECE", 20)
    own = settings.model_copy(update={"store_url": durable_server.new_database()})
    blocks: list[Block] = []
    for seq in range(8):
        blocks.append(block_of(seq, [visit(20 * seq + number, f"s{number % 9}") for number in range(20)]))
    async with opened(own, 1) as (store,):
        await store.write(blocks[:4])
        await tidied(store)
        for block in blocks[4:]:
            await store.write([block])
    statements = sessions._statements
    for dies_after in some(range(len(statements("TRUE")))):

        def fewer(condition: str, count: int = dies_after) -> list[str]:
            return [*statements(condition)[:count], "SELECT pg_sleep(60)"]

        async with opened(own, 1) as (store,):
            with monkeypatch.context() as patch:
                patch.setattr(sessions, "_statements", fewer)
                step = asyncio.create_task(store.maintain())
                await asyncio.sleep(0.3)
                assert not step.done()
                await asyncio.to_thread(durable_server.kill)
                with pytest.raises(StoreUnavailable):
                    await step
            await asyncio.to_thread(durable_server.start)
        async with opened(own, 1) as (store,):
            assert await store.verify() == []
    async with opened(own, 1) as (store,):
        await tidied(store)
        await check(store)
        assert await store.verify() == []


@pytest.mark.parametrize(
    "damage",
    [
        "session_index SET pages = 7 WHERE session_id = 's1'",
        "session_index SET exit_path = NULL WHERE session_id = 's1'",
        "session_index SET origin = 12345 WHERE session_id = 's1'",
        "session_index SET duration = duration + 1 WHERE session_id = 's1'",
        "session_index SET trail = '{1}' WHERE session_id = 's1'",
        "session_index SET bot_events = 1 WHERE session_id = 's1'",
        "session_index SET session_id = 'other' WHERE session_id = 's1'",
        "session_origins SET channel = 'direct'",
        "session_paths SET path = path || '/'",
        "session_counts SET sessions = sessions + 1 WHERE kind = 1",
        "session_counts SET lasting_0 = lasting_0 + 1 WHERE kind = 2",
        "session_counts SET viewed = false WHERE kind = 3",
    ],
)
async def test_verify_finds_what_is_wrong(store: PostgresStore, beside: Connection, damage: str) -> None:
    """G4: the session index is compared with the raw events, and its counts with the index."""
    await put(store, 0, [visit(number, f"s{number % 2}") for number in range(6)])
    await tidied(store)
    assert await store.verify() == []
    await beside.execute(f"UPDATE {damage}")
    assert {difference.check for difference in await store.verify()} == {"sessions"}


async def test_other_rules_build_it_anew(
    store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that puts sessions together otherwise does not read an older version's index."""
    await put(store, 0, [visit(number, "s") for number in range(5)])
    await tidied(store)
    await beside.execute("UPDATE session_index SET pages = 77")
    monkeypatch.setattr(sessions, "WATERMARK", Watermark("sessions", "of today"))
    await check(store, indexed=False)
    assert await store.verify() == []
    await tidied(store)
    assert (await check(store))[0]["pages"] == 5
    assert await store.verify() == []


async def test_other_referrers_change_channels_only(settings: Settings) -> None:
    """The operator's own domains: the channels of all origins are found again, no session is built again."""
    at_work = visit(0, "s", came={"$referring_domain": "intranet.example"})
    async with opened(settings, 1) as (store,):
        await put(store, 0, [at_work])
        await tidied(store)
        assert (await store.run(BY_CHANNEL)).rows[0]["channel"] == "referral"
    async with opened(settings.model_copy(update={"own_domains": "intranet.example"}), 1) as (store,):
        assert not (await store.run(BY_CHANNEL)).from_rollup
        await tidied(store)
        await put(store, 1, [visit(1, "s")])
        await tidied(store)
        result = await store.run(BY_CHANNEL)
        assert (result.from_rollup, result.rows[0]["channel"]) == (True, "direct")
        assert await store.verify() == []


async def test_a_purge_cuts_sessions(store: PostgresStore, beside: Connection) -> None:
    """Sessions that go on after the border are put together again from what is left, covered or not."""
    yesterday = NOON - timedelta(days=1)
    await put(store, 0, [visit(number, f"s{number % 3}", yesterday + timedelta(hours=number)) for number in range(30)])
    await tidied(store)
    await put(store, 1, [visit(40, "s1", yesterday), visit(41, "s9", NOON)])
    assert (await store.purge(NOON - timedelta(hours=10))).events == 15
    assert await beside.fetchval("SELECT count(*) FROM session_counts WHERE sessions = 0") == 0
    assert await beside.fetchval("SELECT min(started) FROM session_index") >= NOON - timedelta(hours=10)
    await check(store)
    assert await store.verify() == []
    await tidied(store)
    await check(store)
    assert await store.verify() == []
    await store.purge(NOON + timedelta(days=2))
    assert await beside.fetchval("SELECT count(*) FROM session_index") == 0
    assert await store.verify() == []


async def test_pages_out_of_order_have_no_trail(store: PostgresStore) -> None:
    """Events of a session that arrive between covered ones: paths are then read from its events."""
    await tidied(store)
    times = [NOON + timedelta(minutes=minutes) for minutes in (0, 10, 5, 20)]
    for seq, at in enumerate(times):
        await put(store, seq, [visit(seq, "s", at)])
        await tidied(store)
    query = PathsQuery(site_id="default")
    result = await store.run(query)
    assert result.from_rollup
    raw = await store.run(query.model_copy(update={"filter": RAW}))
    assert (result.rows, raw.from_rollup) == (raw.rows, False)
    assert await store.verify() == []
