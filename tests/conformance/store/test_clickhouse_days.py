"""Sessions built by day on ClickHouse: whatever happens while they are built or read, no answer misses an event.

That the answers are right is tested with the oracle in tests/conformance/analyses/test_sessions_materialized.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import BatchTooLarge, StoreUnavailable
from tallystick.model.event import Event
from tallystick.model.query import Condition, SessionsQuery
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.server.connection import Connection
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.retention import Borders
from tests.conformance.store.test_clickhouse_write import Killed, kill_after, opened
from tests.helpers.samples import block_of, sample_event
from tests.helpers.thorough import some
from tests.servers.clickhouse import ClickHouseServer

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BY_PAGE = SessionsQuery(metrics=["sessions", "pages", "events", "avg_duration"], breakdown=["entry_page", "exit_page"])
BY_CHANNEL = SessionsQuery(metrics=["sessions", "median_duration"], breakdown=["channel"])
PER_DAY = SessionsQuery(metrics=["sessions", "events"], interval="day", since=TODAY - timedelta(days=9), until=TODAY)
QUERIES = (BY_PAGE, BY_CHANNEL, PER_DAY)
RAW = Condition(field="session_id", op="set")
"""A filter that leaves no session out and is answered from the events."""


@pytest.fixture(autouse=True)
def built_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of few events is built too, as soon as it changed, and in several pieces."""
    for name, value in (("LEAST", 1), ("QUIET", 0), ("AGAIN", 0), ("PIECE", 7)):
        monkeypatch.setattr(session_days, name, value)


@pytest.fixture
def settings(settings: Settings, clickhouse_url: str) -> Settings:
    return settings.model_copy(update={"store_url": clickhouse_url})


@pytest.fixture
def sql(settings: Settings, clickhouse_server: ClickHouseServer) -> Callable[[str], str]:
    """Statements beside the stores."""
    database = urlsplit(settings.resolved_store_url).path[1:]
    return lambda statement: clickhouse_server.sql(statement, database).strip()


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[ClickHouseStore]:
    async with opened(settings) as (store,):
        yield store


def visit(number: int, **changed: Any) -> Event:
    """An event of one of seven sessions, some of which go on over midnight; four days have events."""
    at = TODAY - timedelta(days=number % 4, minutes=1 + number)
    came = {"$referring_domain": f"site{number % 3}.example", "utm_source": "ads"} if number % 2 else {}
    event = msgspec.structs.replace(
        sample_event(number),
        timestamp=at,
        received_at=datetime.now(UTC),
        session_id=f"s{number % 7}",
        user_id=f"u{number % 5}",
        name=("page_view", "click", "page_leave")[number % 3],
        path=f"/{number % 3}",
        properties=msgspec.Raw(msgspec.json.encode(came)),
    )
    return msgspec.structs.replace(event, **changed)


EVENTS = [visit(number) for number in range(60)]
FEW = [event for number, event in enumerate(EVENTS) if number % 4 < 2]
"""Those of two days."""
LATE = [visit(100), visit(104)]
"""More of one of these."""
TABLES = (
    "events",
    "recent_ids",
    "blocks",
    "removals",
    "erasure_keys",
    "tombstones",
    "erasures",
    "erasing",
    "session_parts",
    "session_days",
)


async def build(store: ClickHouseStore) -> None:
    """Build all days that are due."""
    while await session_days.step(store._admin):
        pass


async def counting(store: ClickHouseStore) -> list[int]:
    """How many days ago the days began whose build counts, ascending."""
    days = await session_days.days_that_count(session_days._looking(store._admin), store._admin, None, None, None)
    return sorted((TODAY - day.start).days for day in days)


async def check(store: ClickHouseStore, *, built: bool | None = True) -> None:
    """Queries with built days and from the events have the same answer; `built`: whether days are read (None: any)."""
    for query in QUERIES:
        result = await store.run(query)
        raw = await store.run(query.model_copy(update={"filter": RAW}))
        assert built is None or result.from_rollup == built
        assert not raw.from_rollup
        assert result.rows == raw.rows
    assert await store.verify() == []


async def test_closed_days_are_built_and_read(store: ClickHouseStore) -> None:
    """Not the day that goes on."""
    await store.write([block_of(0, [*EVENTS, visit(100, timestamp=TODAY)])])
    await check(store, built=False)
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]
    await check(store)


PARTS = """
    SELECT concat(partition_id, ' ', toString(count()), ' ', toString(min(level) > 0)) AS of_day
    FROM system.parts
    WHERE database = currentDatabase() AND active AND table = 'events'
    GROUP BY partition_id
    ORDER BY partition_id
"""
"""The days of events: how many parts each has, and whether these are merged."""


async def test_a_closed_day_becomes_one_part(store: ClickHouseStore, sql: Callable[[str], str]) -> None:
    """So that queries need not merge it. The setting keeps ClickHouse from doing so by itself."""
    sql("ALTER TABLE events MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")
    for seq in range(6):
        await store.write([block_of(seq, EVENTS[10 * seq : 10 * seq + 10])])
    assert [line.split(" ")[1] for line in sql(PARTS).split("\n")] == ["6"] * 4
    await build(store)
    assert [line.split(" ")[1:] for line in sql(PARTS).split("\n")] == [["1", "1"]] * 4
    assert await counting(store) == [1, 2, 3, 4]


async def test_a_day_that_cannot_be_merged_is_built_all_the_same(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For lack of room on the disk."""
    await store.write([block_of(0, EVENTS)])
    run = store._admin.everywhere

    async def everywhere(sql: str, *given: Any, **named: Any) -> None:
        if sql.startswith("OPTIMIZE"):
            raise StoreUnavailable("ClickHouse failed")
        await run(sql, *given, **named)

    monkeypatch.setattr(store._admin, "everywhere", everywhere)
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]
    await check(store)


async def test_a_late_event_is_counted_at_once(store: ClickHouseStore) -> None:
    """G10: its day is read from the events until it is built again."""
    await store.write([block_of(0, EVENTS)])
    await build(store)
    await store.write([block_of(1, [visit(100)])])
    assert await counting(store) == [2, 3, 4]
    await check(store)
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]
    await check(store)


async def test_a_day_is_not_built_all_the_time(store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.write([block_of(0, EVENTS)])
    monkeypatch.setattr(session_days, "QUIET", 1_000)
    await build(store)
    assert await counting(store) == []
    monkeypatch.setattr(session_days, "QUIET", 0)
    await build(store)
    monkeypatch.setattr(session_days, "AGAIN", 1_000)
    await store.write([block_of(1, [visit(100)])])
    await build(store)
    assert await counting(store) == [2, 3, 4]
    await check(store)


async def test_what_is_merged_or_comes_again_counts_on(store: ClickHouseStore, sql: Callable[[str], str]) -> None:
    """The parts of a day are others, its events are the same: it is not built again."""
    await store.write([block_of(0, EVENTS[:30])])
    await store.write([block_of(1, EVENTS[30:])])
    await build(store)
    builds = sql("SELECT build FROM session_days FINAL ORDER BY day")
    sql("OPTIMIZE TABLE events FINAL")
    assert await counting(store) == []
    await check(store, built=False)
    await session_days.refresh(store._admin)
    assert await counting(store) == [1, 2, 3, 4]
    assert sql("SELECT build FROM session_days FINAL ORDER BY day") == builds
    sql("INSERT INTO events SELECT * FROM events")  # as another worker stores a batch again
    await session_days.refresh(store._admin)
    assert sql("SELECT build FROM session_days FINAL ORDER BY day") == builds
    await check(store)


@pytest.mark.parametrize("done", [True, False])
async def test_killed_at_any_statement(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """A build that stops counts for nothing, and the next one is whole."""

    async def killed(statements: int) -> int:
        for table in TABLES:
            sql(f"TRUNCATE TABLE IF EXISTS {table}")
        async with opened(settings) as (store,):
            await store.write([block_of(0, FEW)])
            await build(store)
            await store.write([block_of(1, LATE)])
            with monkeypatch.context() as patched, suppress(Killed):
                seen = kill_after(store._admin, statements, patched, done=done)
                await build(store)
        return seen[0]

    for statements in some(range(await killed(1_000))):
        await killed(statements)
        async with opened(settings) as (store,):
            await check(store, built=None)
            monkeypatch.setattr(session_days, "ABANDONED", 0)
            await build(store)
            assert await counting(store) == [1, 2]
            await check(store)
            await session_days.refresh(store._admin)
            assert int(sql("SELECT uniqExact(build) FROM session_parts")) == 2


def before_each(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, at: int, do: Callable[[], Awaitable[None]]
) -> list[int]:
    """Do something before one of a connection's statements; a list with how many there were."""
    seen = [0]

    def watched(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def one(*given: Any, **named: Any) -> Any:
            seen[0] += 1
            if seen[0] == at + 1:
                await do()
            return await run(*given, **named)

        return one

    for name in ("query", "command"):
        monkeypatch.setattr(connection, name, watched(getattr(connection, name)))
    return seen


async def test_a_late_batch_beside_the_builder(
    settings: Settings, sql: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of a day that is being built, and an erasure, between any two of its statements."""

    async def beside(at: int, erases: bool) -> int:
        for table in TABLES:
            sql(f"TRUNCATE TABLE IF EXISTS {table}")
        async with opened(settings, 2) as (store, other):
            await store.write([block_of(0, FEW)])

            async def late() -> None:
                if erases:
                    await other.erase(FEW[0].site_id, "u1")
                else:
                    await other.write([block_of(1, LATE)])

            with monkeypatch.context() as patched:
                seen = before_each(store._admin, patched, at, late)
                await build(store)
            await check(store, built=None)
            await build(store)
            await check(store)
            assert not erases or sql("SELECT sum(events) FROM session_parts") == "24"
        return seen[0]

    for at in some(range(await beside(10_000, False))):
        await beside(at, at % 2 == 1)


async def test_a_build_that_goes_away_in_the_middle_of_a_query(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query reads the events then."""
    async with opened(settings, 2) as (store, other):
        await store.write([block_of(0, FEW)])
        await build(store)
        query = BY_PAGE.model_copy(update={"filter": RAW})
        wanted = (await store.run(query)).rows
        reader = store._query_reader()

        async def away() -> None:
            for day in await session_days.days_that_count(
                session_days._looking(other._admin), other._admin, None, None, None
            ):
                await session_days._drop(other._admin, day.build)

        with monkeypatch.context() as patched:
            total = before_each(reader._connection, patched, 10_000, away)
            assert (await store.run(BY_PAGE)).from_rollup
        for at in some(range(total[0])):
            await build(store)
            with monkeypatch.context() as patched:
                before_each(reader._connection, patched, at, away)
                assert (await store.run(BY_PAGE)).rows == wanted
            await session_days.refresh(store._admin)


@pytest.mark.parametrize("kind", ["purge", "retention", "undo", "erase"])
async def test_what_is_removed_is_in_no_build(store: ClickHouseStore, sql: Callable[[str], str], kind: str) -> None:
    """G13: the days that lose events are not built any more, the others count on."""
    marked = msgspec.Raw(b'{"$import":"wrong"}')
    of_day_4 = [
        msgspec.structs.replace(event, user_id="gone", properties=marked) if n % 4 == 3 else event
        for n, event in enumerate(EVENTS)
    ]
    await store.write([block_of(0, of_day_4)])
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]
    site = EVENTS[0].site_id
    if kind == "purge":
        await store.purge(TODAY - timedelta(days=3))
    elif kind == "retention":
        await store.retire(Borders(None, {site: TODAY - timedelta(days=3)}))
    elif kind == "undo":
        await store.undo_import("wrong")
    else:
        await store.erase(site, "gone")
    assert await counting(store) == [1, 2, 3]
    assert int(sql("SELECT sum(events) FROM session_parts")) == 45
    await check(store)


async def test_two_processes_build_at_once(settings: Settings, sql: Callable[[str], str]) -> None:
    async with opened(settings, 3) as stores:
        for seq in range(2):
            events = [visit(100 * seq + number) for number in range(30)]
            await asyncio.gather(stores[0].write([block_of(seq, events)]), build(stores[1]), build(stores[2]))
            await check(stores[0], built=None)
        await asyncio.gather(*(build(store) for store in stores))
        await build(stores[0])
        assert await counting(stores[0]) == [1, 2, 3, 4]
        await check(stores[0])


async def test_verify_finds_a_build_that_is_wrong(store: ClickHouseStore, sql: Callable[[str], str]) -> None:
    await store.write([block_of(0, EVENTS)])
    await build(store)
    sql("ALTER TABLE session_parts UPDATE pages = pages + 1 WHERE 1 SETTINGS mutations_sync = 1")
    assert [one.check for one in await store.verify()] == ["sessions"]


async def test_a_day_that_takes_too_much_memory_is_read_from_the_events(
    store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Housekeeping goes on with the others, and tries it again later."""
    await store.write([block_of(0, EVENTS)])
    monkeypatch.setattr(session_days, "AGAIN", 1_000)
    run = store._admin.command

    async def command(sql: str, *given: Any, **named: Any) -> None:
        await run(sql, *given, **named)
        if sql == session_days.INSERT:
            raise BatchTooLarge("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(store._admin, "command", command)
        await session_days.step(store._admin)
    await build(store)
    assert await counting(store) == [2, 3, 4]
    await check(store)
    monkeypatch.setattr(session_days, "AGAIN", 0)
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]


async def test_other_rules_build_all_days_again(store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_days, "AGAIN", 1_000)
    await store.write([block_of(0, EVENTS)])
    await build(store)
    monkeypatch.setattr(session_days, "RULES", "newer")
    assert await counting(store) == []
    await build(store)
    assert await counting(store) == [1, 2, 3, 4]
    await check(store)


async def test_a_comparison_reads_both_periods_of_one_moment(store: ClickHouseStore) -> None:
    await store.write([block_of(0, EVENTS)])
    await build(store)
    query = SessionsQuery(since=TODAY - timedelta(days=2), until=TODAY, compare="previous")
    result = await store.run(query)
    assert result.from_rollup
    assert result.rows == (await store.run(query.model_copy(update={"filter": RAW}))).rows
