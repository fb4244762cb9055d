"""Queries to DuckDB have a deadline and a memory limit, and end when no caller waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tallystick.config import Settings
from tallystick.errors import InvalidRequest, MemoryTaken, QueryTimeout, QueryTooExpensive, StoreUnavailable
from tallystick.model.query import Condition, EventsQuery, KeysQuery, Metric, MetricsQuery, Query, Result
from tallystick.store import patience
from tallystick.store.duckdb import read
from tallystick.store.duckdb.read import Reader
from tallystick.store.migrations import migrations
from tallystick.store.turns import Turns

EVENTS = 1_200_000
SLOW = MetricsQuery(metrics=[Metric(kind="users")])
ENDLESS = "SELECT sum(hash(i)) FROM range(1_000_000_000_000_000) AS r(i)"
"""What `slow` runs before the query SLOW: it ends when it is interrupted, on a fast machine too."""
FAST = MetricsQuery(filter=Condition(field="path", op="set"))


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    for statements in migrations("duckdb"):
        connection.execute(statements)
    connection.execute(
        "INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, "
        "properties) SELECT uuid(), 'default', 'view', moment, moment, 'u' || i, 's' || i, '', '/' || i, "
        "'{\"amount\":' || i || ',\"page\":\"' || md5(i::VARCHAR) || '\"}' "
        f"FROM (SELECT i, TIMESTAMP '2025-05-01' + INTERVAL (i) SECOND AS moment FROM range({EVENTS}) r(i))"
    )
    connection.execute(
        "INSERT INTO rollup SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), "
        "max(received_at), is_bot(properties) FROM events GROUP BY ALL"
    )
    yield connection
    connection.close()


class Cursors:
    """Gives cursors and remembers them."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self.given: list[duckdb.DuckDBPyConnection] = []

    def __call__(self) -> duckdb.DuckDBPyConnection:
        self.given.append(self._database.cursor())
        return self.given[-1]

    def all_closed(self) -> bool:
        for cursor in self.given:
            try:
                cursor.execute("SELECT 1")
            except duckdb.ConnectionException:
                continue
            return False
        return True


def make_reader(database: duckdb.DuckDBPyConnection, **changes: Any) -> tuple[Reader, Cursors]:
    cursors = Cursors(database)
    settings = Settings(**changes)
    return Reader(cursors, settings, Turns(settings.query_concurrency)), cursors


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From now on the query SLOW is never over by itself; the event tells that one has begun."""
    begun = threading.Event()
    answer = read._answer

    def answered(cursor: duckdb.DuckDBPyConnection, query: Query) -> Result:
        if query is SLOW:
            begun.set()
            cursor.execute(ENDLESS).fetchall()
        return answer(cursor, query)

    monkeypatch.setattr(read, "_answer", answered)
    return begun


@pytest.mark.usefixtures("slow")
async def test_a_deadline_ends_a_question(database: duckdb.DuckDBPyConnection) -> None:
    reader, cursors = make_reader(database, query_timeout=0.1)
    with pytest.raises(QueryTimeout):
        await reader.run(SLOW)
    assert cursors.all_closed()
    reader._timeout = 600  # a busy machine may need longer than 0.1 s for the next one
    assert (await reader.run(MetricsQuery())).rows == [{"events": EVENTS}], "the next one has its own deadline"
    await reader.close()


@pytest.mark.usefixtures("slow")
async def test_the_wait_for_a_turn_counts(database: duckdb.DuckDBPyConnection) -> None:
    reader, cursors = make_reader(database, query_timeout=0.3, query_concurrency=1)
    results = await asyncio.gather(*(reader.run(SLOW) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [QueryTimeout] * 3
    assert cursors.all_closed()
    await reader.close()


async def test_no_more_questions_at_a_time_than_set(
    database: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: set[object] = set()
    most: list[int] = []
    answer = read._answer

    def counted(cursor: duckdb.DuckDBPyConnection, query: Query) -> Result:
        running.add(cursor)
        most.append(len(running))
        try:
            return answer(cursor, query)
        finally:
            running.discard(cursor)

    monkeypatch.setattr(read, "_answer", counted)
    reader, _ = make_reader(database, query_concurrency=3)
    await asyncio.gather(*(reader.run(FAST) for _ in range(12)))
    assert len(most) == 12
    assert max(most) == 2
    await reader.close()


async def test_a_client_that_goes_away_takes_its_question_along(
    database: duckdb.DuckDBPyConnection, slow: threading.Event
) -> None:
    reader, cursors = make_reader(database, query_concurrency=1)
    task = asyncio.create_task(reader.run(SLOW))
    assert await asyncio.to_thread(slow.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await reader.run(MetricsQuery())).rows == [{"events": EVENTS}], "its slot is free"
    assert cursors.all_closed()
    await reader.close()


@pytest.mark.usefixtures("slow")
async def test_who_is_cancelled_again_and_again_gives_the_turn_back(database: duckdb.DuckDBPyConnection) -> None:
    """As a server does whose client is gone. Every query after two of them was 504, until a restart."""
    turns = Turns(1)
    reader = Reader(Cursors(database), Settings(), turns)
    for exported in (False, True):
        for moment in (0.0, 0.01, 0.15):
            work = anext(reader.export(EventsQuery())) if exported else reader.run(SLOW)
            task = asyncio.ensure_future(work)
            await asyncio.sleep(moment)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            assert (turns.held, turns.waiting) == (0, 0)
            assert (await reader.run(FAST)).rows == [{"events": EVENTS}]
            assert len([chunk async for chunk in reader.export(EventsQuery(user_id="u7"))]) == 1
    await reader.close()


async def test_a_question_without_enough_memory_fails_alone() -> None:
    """And the store works on: a query can neither stop another one nor the loading of events."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "40MB", "temp_directory": ""})
    for statements in migrations("duckdb"):
        connection.execute(statements)
    connection.execute(
        "INSERT INTO events (event_id, site_id, name, timestamp, received_at, source, path, properties) "
        "SELECT uuid(), 'default', 'view', now()::TIMESTAMP, now()::TIMESTAMP, '', md5(i::VARCHAR), '{}' "
        "FROM range(300000) r(i)"
    )
    reader, cursors = make_reader(connection)
    with pytest.raises(QueryTooExpensive):
        await reader.run(MetricsQuery(breakdown=["path"], metrics=[Metric(kind="users")], top=5))
    assert (await reader.run(FAST)).rows == [{"events": 300_000}]
    assert cursors.all_closed()
    await reader.close()
    connection.close()


def count_answers(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The queries that are tried, once for each attempt."""
    tried: list[Query] = []
    answer = read._answer

    def counted(cursor: duckdb.DuckDBPyConnection, query: Query) -> Result:
        tried.append(query)
        return answer(cursor, query)

    monkeypatch.setattr(read, "_answer", counted)
    return tried


@pytest.fixture
def little() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with little memory, of which BY_PATH needs most."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "90MB", "temp_directory": ""})
    for statements in migrations("duckdb"):
        connection.execute(statements)
    connection.execute(
        "INSERT INTO events (event_id, site_id, name, timestamp, received_at, source, path, properties) "
        "SELECT uuid(), 'default', 'view', now()::TIMESTAMP, now()::TIMESTAMP, '', md5(i::VARCHAR), '{}' "
        "FROM range(300000) r(i)"
    )
    yield connection
    connection.close()


BY_PATH = MetricsQuery(breakdown=["path"], top=5)
HOLD = "CREATE OR REPLACE TEMP TABLE held AS SELECT md5(i::VARCHAR) AS text FROM range(720_000) AS r(i)"


async def test_memory_that_other_work_holds_is_waited_for(
    little: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 422 at once; and it still is when the other work keeps the memory."""
    reader, _ = make_reader(little)
    tried = count_answers(monkeypatch)
    held, release = threading.Event(), threading.Event()

    def hold(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute(HOLD)
        held.set()
        assert release.wait(60)
        cursor.execute("DROP TABLE held")

    async def holding() -> asyncio.Task[None]:
        held.clear()
        release.clear()
        task = asyncio.create_task(reader.check(hold))
        assert await asyncio.to_thread(held.wait, 60)
        return task

    assert len((await reader.run(BY_PATH)).rows) == 5, "it fits where no other work has memory"
    task = await holding()
    tried.clear()
    with pytest.raises(MemoryTaken):
        await reader.run(BY_PATH)
    assert len(tried) > 1
    monkeypatch.setattr(patience, "BRIEF", 60.0)
    monkeypatch.setattr(patience, "BRIEF_PAUSES", (0.05,) * 500)
    tried.clear()
    query = asyncio.create_task(reader.run(BY_PATH))
    async with asyncio.timeout(60):
        while len(tried) < 3:  # noqa: ASYNC110 - it changes in a thread
            await asyncio.sleep(0.01)
    release.set()
    assert len((await query).rows) == 5
    await task
    await reader.close()


async def test_a_query_that_is_too_large_by_itself_is_tried_once(
    little: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, _ = make_reader(little)
    little.execute(HOLD)  # as if the database were smaller: no work of the reader has it
    tried = count_answers(monkeypatch)
    with pytest.raises(QueryTooExpensive) as refused:
        await reader.run(BY_PATH)
    assert not isinstance(refused.value, MemoryTaken)
    assert tried == [BY_PATH]
    with reader.other_work(), pytest.raises(MemoryTaken):  # the loader may have it
        await reader.run(BY_PATH)
    assert len(tried) > 2
    await reader.close()


async def test_what_waits_for_memory_ends_with_the_store(
    little: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BRIEF", 60.0)
    monkeypatch.setattr(patience, "BRIEF_PAUSES", (0.05,) * 500)
    reader, cursors = make_reader(little)
    little.execute(HOLD)
    tried = count_answers(monkeypatch)
    with reader.other_work():
        query = asyncio.create_task(reader.run(BY_PATH))
        async with asyncio.timeout(60):
            while len(tried) < 2:  # noqa: ASYNC110 - it changes in a thread
                await asyncio.sleep(0.01)
        await reader.close()
        with pytest.raises(StoreUnavailable):
            await query
    assert cursors.all_closed()


async def test_ingestion_can_take_the_memory_back(
    database: duckdb.DuckDBPyConnection, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query begins anew a moment later; when the memory is needed again, it ends."""
    monkeypatch.setattr(read, "SHED_PAUSE", 0.3)
    monkeypatch.setattr(patience, "BRIEF", 0.5)
    reader, _ = make_reader(database)
    task = asyncio.create_task(reader.run(SLOW))
    assert await asyncio.to_thread(slow.wait, 60)
    while not task.done():  # an interrupt before the statement has begun has no effect
        reader.shed()
        await asyncio.sleep(0.01)
    with pytest.raises(QueryTooExpensive, match="its memory was needed"):
        await task
    assert (await reader.run(FAST)).rows == [{"events": EVENTS}]
    await reader.close()


async def test_a_broken_store_is_unavailable_and_a_broken_question_is_not() -> None:
    connection = duckdb.connect()
    reader, _ = make_reader(connection)
    with pytest.raises(StoreUnavailable) as failed:
        await reader.run(MetricsQuery())
    assert "does not exist" in failed.value.whole
    assert "does not exist" not in failed.value.public
    with pytest.raises(InvalidRequest):
        async for _ in reader.export(EventsQuery(filter=Condition(field="path", op="=", value="\ud800"))):
            pass
    connection.close()
    with pytest.raises(StoreUnavailable):
        await reader.run(MetricsQuery())
    await reader.close()


async def test_an_export_leaves_turns_to_others_and_can_be_left(database: duckdb.DuckDBPyConnection) -> None:
    reader, cursors = make_reader(database, query_concurrency=1)
    export = reader.export(EventsQuery())
    lines = 0
    async for chunk in export:
        lines += chunk.count(b"\n")
        assert (await reader.run(FAST)).rows == [{"events": EVENTS}]
        if lines >= 3000:
            break
    await export.aclose()
    assert cursors.all_closed()
    await reader.close()


async def test_a_sample_of_many_events_has_its_size(database: duckdb.DuckDBPyConnection) -> None:
    """DuckDB 2.0.0 drops some LIMITs, depending on what it expects of a table of this size."""
    reader, _ = make_reader(database)
    rows = (await reader.run(KeysQuery(sample=100_000))).rows
    assert rows == [{"key": "amount", "events": 100_000}, {"key": "page", "events": 100_000}]
    await reader.close()
