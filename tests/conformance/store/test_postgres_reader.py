"""Questions to PostgreSQL end: at their deadline, with their client, without memory, on a server that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tallystick.analysis.dispatch import compile_query
from tallystick.analysis.statement import Statement
from tallystick.config import Settings
from tallystick.errors import InvalidRequest, MemoryTaken, QueryTimeout, QueryTooExpensive, StoreUnavailable
from tallystick.model.queries.funnel import EventTest, FunnelQuery, FunnelUsersQuery
from tallystick.model.query import Condition, EventsQuery, Freshness, Metric, MetricsQuery, Query, Result
from tallystick.store import patience
from tallystick.store.postgres import PostgresStore, read
from tallystick.store.postgres.connection import Connection
from tests.helpers.postgres_steps import connected, opened
from tests.helpers.query_steps import NOON, put, some_events
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_until_stopped

DAY = timedelta(days=1)
FILTER = Condition(field="path", op="not_set")
NO_UNICODE = Condition(field="path", op="=", value="\ud800")
RAW = MetricsQuery(filter=FILTER)
"""It looks at `events`, so that it waits when the table is locked."""
ANSWER = [{"events": 20}]


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"store_url": postgres_url})


@asynccontextmanager
async def asked(settings: Settings, **changes: Any) -> AsyncIterator[PostgresStore]:
    """A store with twenty events."""
    async with opened(settings.model_copy(update=changes), 1) as (store,):
        await put(store, some_events("default", 20))
        yield store


@asynccontextmanager
async def blocked(settings: Settings) -> AsyncIterator[Connection]:
    """A lock that lets no query read events, and a connection that can still look around."""
    async with connected(settings) as connection, connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        yield connection


async def waiting(connection: Connection) -> list[int]:
    """The server's processes that wait for a lock on behalf of a query."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the others as it first saw them
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row[0] for row in rows]


async def until_waiting(connection: Connection, questions: int = 1) -> list[int]:
    async with asyncio.timeout(60):
        found: list[int] = []
        while len(found) < questions:
            await asyncio.sleep(0.01)
            found = await waiting(connection)
    return found


def hurry(store: PostgresStore, seconds: float) -> None:
    """From now on queries have this deadline. What has to succeed must not have a short one: a machine may be busy."""
    store._query_reader()._timeout = seconds


async def test_the_server_ends_a_question_at_its_deadline(settings: Settings) -> None:
    async with asked(settings) as store:
        async with blocked(settings) as connection:
            hurry(store, 0.3)
            started = time.monotonic()
            with pytest.raises(QueryTimeout):
                await store.run(RAW)
            assert time.monotonic() - started >= 0.25
            assert await waiting(connection) == []
            with pytest.raises(QueryTimeout):
                [chunk async for chunk in store.export(EventsQuery())]
        hurry(store, 600)
        assert (await store.run(RAW)).rows == ANSWER, "the next one has its own deadline"


async def test_a_server_that_says_nothing_loses_the_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "GRACE_SECONDS", 0.2)
    async with asked(settings, store_read_connections=1) as store, blocked(settings) as connection:
        hurry(store, 0.5)
        task = asyncio.create_task(store.run(RAW))
        while not (found := await waiting(connection)):
            if task.done():  # its deadline came before it was seen
                with pytest.raises(QueryTimeout):
                    await task
                task = asyncio.create_task(store.run(RAW))
            await asyncio.sleep(0.01)
        (frozen,) = found
        os.kill(frozen, signal.SIGSTOP)
        wait_until_stopped(frozen)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(QueryTimeout):
                    await task
                hurry(store, 600)
                assert (await store.run(MetricsQuery())).rows == ANSWER, "on a new connection"
        finally:
            os.kill(frozen, signal.SIGCONT)


async def test_a_client_that_goes_away_takes_its_question_along(settings: Settings) -> None:
    async with asked(settings, query_concurrency=1, store_read_connections=1) as store:
        async with blocked(settings) as connection:
            for _ in range(3):
                task = asyncio.create_task(store.run(RAW))
                (process,) = await until_waiting(connection)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await waiting(connection) == []
                result = await store.run(MetricsQuery())
                assert result.rows == ANSWER, "its turn and its connection are free"
            alive = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", process)
            assert alive == 1, "the connection is used on"
        assert (await store.run(RAW)).rows == ANSWER


async def test_the_wait_for_a_turn_counts(settings: Settings) -> None:
    async with asked(settings, query_timeout=0.4, query_concurrency=1) as store, blocked(settings):
        results = await asyncio.gather(*(store.run(RAW) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [QueryTimeout] * 3
    assert sum("no turn" in str(result) for result in results) == 2


async def test_no_more_questions_at_a_time_than_set(settings: Settings) -> None:
    async with asked(settings, query_concurrency=3) as store:
        async with blocked(settings) as connection:
            tasks = [asyncio.create_task(store.run(RAW)) for _ in range(4)]
            await until_waiting(connection, 2)
            await asyncio.sleep(0.2)
            assert len(await waiting(connection)) == 2
        assert [(await task).rows for task in tasks] == [ANSWER] * 4


@pytest.mark.parametrize("limits", [{"store_acquire_timeout": 0.2}, {"query_timeout": 1.0}], ids=["pool", "deadline"])
async def test_without_a_free_connection_it_is_503(settings: Settings, limits: dict[str, float]) -> None:
    async with asked(settings, store_read_connections=1, **limits) as store:
        async with store._readers.acquire(), asyncio.timeout(60):
            with pytest.raises(StoreUnavailable, match="connection"):
                await store.run(RAW)
        hurry(store, 600)
        assert (await store.run(RAW)).rows == ANSWER


async def test_a_question_that_does_not_fit_fails_alone(settings: Settings, postgres_server: PostgresServer) -> None:
    """What it may keep in memory is a setting, what it may write to temporary files PostgreSQL's own limit."""
    database = settings.store_url.rpartition("/")[2]
    async with asked(settings) as store, connected(settings) as connection:
        await connection.execute(
            "INSERT INTO events SELECT gen_random_uuid(), 'large', 'view', timestamptz '2025-06-01 12:00Z', now(), "
            "md5(i::text), NULL, '', NULL, '{}' FROM generate_series(1, 60000) i"
        )
        await connection.execute("ANALYZE events")
        postgres_server.sql(f"ALTER DATABASE {database} SET temp_file_limit = '1MB'", "postgres")
    users = MetricsQuery(site_id="large", metrics=[Metric(kind="users")], filter=FILTER)
    async with opened(settings.model_copy(update={"query_memory": 1024 * 1024}), 1) as (store,):
        with pytest.raises(QueryTooExpensive) as refused:
            await store.run(users)
        assert "temp_file_limit" in refused.value.whole
        assert (await store.run(RAW)).rows == ANSWER
    async with opened(settings.model_copy(update={"query_memory": 256 * 1024 * 1024}), 1) as (store,):
        assert (await store.run(users)).rows == [{"users": 60_000}]


LACKS = """
CREATE FUNCTION lacks() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND granted) THEN
        RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200';
    END IF;
    RETURN true;
END $$
"""
"""A statement that calls it finds no memory while another one holds the lock 4711."""


async def test_memory_that_others_hold_is_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was 422 at once. It still is where no other statement runs, and where the others keep the memory."""
    tried: list[Query] = []

    def lacking(query: Query, *args: Any) -> Statement:
        tried.append(query)
        statement = compile_query(query, *args)
        return replace(statement, sql=f"SELECT * FROM ({statement.sql}) AS answer WHERE lacks()")

    monkeypatch.setattr(read, "compile_query", lacking)
    compared = RAW.model_copy(update={"since": NOON, "until": NOON + DAY, "compare": "previous"})
    async with asked(settings) as store, connected(settings) as holder:
        await holder.execute(LACKS)
        for query in (RAW, compared):
            answer = await store.run(query)
            await holder.execute("SELECT pg_advisory_lock(4711)")
            tried.clear()
            with pytest.raises(QueryTooExpensive) as refused:
                await store.run(query)
            assert not isinstance(refused.value, MemoryTaken), "the other connection does nothing"
            assert len(tried) == 2, "before it has a connection, and the one attempt"
            sleeping = asyncio.create_task(holder.execute("SELECT pg_sleep(600)"))
            tried.clear()
            with pytest.raises(MemoryTaken):
                await store.run(query)
            assert len(tried) > 2
            with monkeypatch.context() as patient:
                patient.setattr(patience, "BRIEF", 60.0)
                patient.setattr(patience, "BRIEF_PAUSES", (0.05,) * 500)
                tried.clear()
                running = asyncio.create_task(store.run(query))
                async with asyncio.timeout(60):
                    while len(tried) < 4:  # noqa: ASYNC110 - it changes in a task
                        await asyncio.sleep(0.01)
                sleeping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sleeping
                ending = asyncio.create_task(holder.execute("SELECT pg_advisory_unlock(4711), pg_sleep(1)"))
                assert (await running).rows == answer.rows
                await ending


async def test_a_connection_that_breaks_is_made_anew(settings: Settings) -> None:
    async with asked(settings, store_read_connections=1) as store:
        async with blocked(settings) as connection:
            task = asyncio.create_task(store.run(RAW))
            (process,) = await until_waiting(connection)
            await connection.fetchval("SELECT pg_terminate_backend($1)", process)
            with pytest.raises(StoreUnavailable):
                await task
            task = asyncio.create_task(store.run(RAW))
            (process,) = await until_waiting(connection)
            await connection.fetchval("SELECT pg_cancel_backend($1)", process)
            with pytest.raises(StoreUnavailable, match="stopped"):
                await task
        assert (await store.run(RAW)).rows == ANSWER


async def test_closing_stops_what_runs(settings: Settings) -> None:
    async with asked(settings) as store, blocked(settings) as connection:
        task = asyncio.create_task(store.run(RAW))
        await until_waiting(connection)
        async with asyncio.timeout(60):
            await store.close()
            with pytest.raises(StoreUnavailable):
                await task
            with pytest.raises(StoreUnavailable):
                await store.probe(b"")
        await store.open()
        assert (await store.run(MetricsQuery())).rows == ANSWER


async def test_a_broken_question_takes_no_connection(settings: Settings) -> None:
    async with asked(settings, store_read_connections=1) as store:
        for _ in range(3):
            with pytest.raises(InvalidRequest):
                await store.run(EventsQuery(cursor="none"))
            with pytest.raises(InvalidRequest):
                [chunk async for chunk in store.export(EventsQuery(filter=NO_UNICODE))]
        assert (await store.run(RAW)).rows == ANSWER


async def test_an_export_is_one_snapshot_leaves_turns_to_others_and_can_be_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "EXPORT_ROWS", 6)
    async with asked(settings, query_concurrency=1) as store, connected(settings) as connection:
        sizes = []
        async for chunk in store.export(EventsQuery()):
            sizes.append(chunk.count(b"\n"))
            await put(store, some_events("default", 5))
            assert (await store.run(RAW)).rows == [{"events": 20 + 5 * len(sizes)}]
        assert sizes == [6, 6, 6, 2], "what was stored meanwhile is not in it"
        export = store.export(EventsQuery())
        await anext(export)
        await export.aclose()
        states = await connection.fetch("SELECT state FROM pg_stat_activity WHERE datname = current_database()")
        assert "idle in transaction" not in {row[0] for row in states}


async def test_a_funnel_looks_up_no_persons_events_one_by_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes the persons for few; looking up the events of each took 70 s where 12 were enough.

    A funnel of names joins nothing; its persons are joined by hash.
    """
    plans: list[str] = []

    def explained(*args: Any, **kwargs: Any) -> Statement:
        statement = compile_query(*args, **kwargs)
        return replace(statement, sql=f"EXPLAIN {statement.sql}")

    def kept(query: Query, statement: Statement, rows: list[Any], loaded_at: Any) -> Result:
        plans.append("\n".join(row[0] for row in rows))
        return Result(
            rows=[],
            next_cursor=None,
            exact=True,
            from_rollup=False,
            freshness=Freshness(loaded_at=None, queue_lag_seconds=None),
        )

    monkeypatch.setattr(read, "compile_query", explained)
    monkeypatch.setattr(read, "_result", kept)
    steps = [EventTest(name="page_view"), EventTest(name="add"), EventTest(name="buy")]
    async with asked(settings) as store:
        await store.run(FunnelQuery(steps=steps))
        await store.run(FunnelUsersQuery(steps=steps, step=2, outcome="dropped"))
    assert [("Hash Join" in plan, "Nested Loop" in plan) for plan in plans] == [(False, False), (True, False)]
