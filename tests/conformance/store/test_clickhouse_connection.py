"""What a ClickHouse server that refuses, hangs, dies or has no memory means for the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tallystick.config import Settings
from tallystick.errors import (
    BatchTooLarge,
    ConfigError,
    DataRejected,
    MemoryTaken,
    QueryTimeout,
    QueryTooExpensive,
    StoreUnavailable,
)
from tallystick.model.query import MetricsQuery
from tallystick.store import make_store
from tallystick.store.clickhouse.read import ALONE, Reader
from tallystick.store.clickhouse.server.connection import Connection, ServerError, query_errors, table_of
from tallystick.store.clickhouse.server.session import READ_SESSION, WRITE_SESSION
from tests.servers.clickhouse import PASSWORD_IN_URL, ClickHouseServer
from tests.servers.scratch import scratch_folder


@asynccontextmanager
async def connected(settings: Settings, url: str, *, size: int = 2, seconds: float = 20.0) -> AsyncIterator[Connection]:
    made = settings.model_copy(update={"store_url": url, "store_acquire_timeout": 0.2})
    connection = Connection(made, {**READ_SESSION, **WRITE_SESSION}, seconds, size=size)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def own_clickhouse() -> Iterator[ClickHouseServer]:
    """A server of this test's own, to be paused and killed."""
    with scratch_folder("clickhouse", in_memory=True) as folder:
        server = ClickHouseServer(folder)
        server.start()
        yield server
        server.kill()


async def test_values_come_back_as_they_were_given(settings: Settings, clickhouse_url: str) -> None:
    given = {
        "text": 'tab\t quote\' "double" back\\slash\nline \0 🦊 {x:String} $1 %s',
        "at": datetime(2025, 3, 30, 1, 2, 3, 456_789, tzinfo=UTC),
        "id": UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "number": 1.7976931348623157e308,
        "whole": -(2**63),
        "none": None,
        "list": ["a'b", "\\"],
    }
    sql = """
    SELECT {text:String}, {at:DateTime64(6, 'UTC')}, {id:UUID}, {number:Float64}, {whole:Int64},
           {none:Nullable(String)}, {list:Array(String)}
    """
    async with connected(settings, clickhouse_url) as connection:
        (row,) = await connection.query(sql, given)
        assert list(row) == list(given.values())


async def test_many_values_are_a_table_of_their_own(settings: Settings, clickhouse_url: str) -> None:
    ids = table_of("ids", "id UInt64, name String", b"".join(b'{"id":%d,"name":"x"}\n' % n for n in range(100_000)))
    async with connected(settings, clickhouse_url) as connection:
        assert await connection.query("SELECT count(), max(id) FROM ids", external=ids) == [(100_000, 99_999)]


async def test_a_wrong_password_or_database_is_the_operator_s(
    settings: Settings, clickhouse_url: str, clickhouse_server: ClickHouseServer
) -> None:
    for url in (clickhouse_url.replace(PASSWORD_IN_URL, "wrong"), f"{clickhouse_server.url}/nowhere"):
        with pytest.raises(ConfigError, match=r"^TALLYSTICK_STORE_URL: ClickHouse refuses") as refused:
            async with connected(settings, url):
                pass
        assert "wrong" not in str(refused.value)


async def test_a_server_that_is_not_there_may_come(settings: Settings) -> None:
    with pytest.raises(StoreUnavailable, match="TALLYSTICK_STORE_URL"):
        async with connected(settings, "clickhouse://127.0.0.1:1/events"):
            pass


async def test_errors_say_whose_fault_it_is(settings: Settings, clickhouse_url: str) -> None:
    async with connected(settings, clickhouse_url) as connection:
        await connection.script("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n;\n-- nothing\n")
        with pytest.raises(DataRejected):
            await connection.insert("INSERT INTO t FORMAT JSONEachRow", b'{"n":"no number"}\n')
        assert await connection.value("SELECT count() FROM t") == 0
        await connection.insert("INSERT INTO t FORMAT JSONEachRow", b'{"n":1}\n{"n":2}\n')
        await connection.insert("INSERT INTO t FORMAT JSONEachRow", b"")
        assert await connection.value("SELECT sum(n) FROM t") == 3
        assert await connection.value("SELECT n FROM t WHERE n > 9") is None
        with pytest.raises(StoreUnavailable) as failed:
            await connection.command("SELECT * FROM nowhere")
        assert isinstance(failed.value.__cause__, ServerError)
        assert failed.value.__cause__.code == 60
        much = "SELECT arraySort(groupArray(number)) FROM numbers(10000000)"
        with pytest.raises(BatchTooLarge):
            await connection.query(much, settings={"max_memory_usage": 10_000_000})
        with pytest.raises(QueryTooExpensive), query_errors():
            await connection.query(much, settings={"max_memory_usage": 10_000_000})
        with pytest.raises(QueryTimeout), query_errors():
            await connection.query("SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1", seconds=0.5)


LACKS = "SELECT throwIf(1, '(total) memory limit exceeded', toInt16(241))"


async def test_memory_that_others_hold_is_waited_for(
    settings: Settings, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 422 at once. It still is where no other statement has much, where others keep the memory, and where the
    limit is the query's own.
    """
    lacking: list[str] = []
    find = Reader._find

    async def found(reader: Reader, *args: Any) -> Any:
        if lacking:
            custom = {"allow_custom_error_code_in_throwif": 1}
            await reader._connection.query(lacking.pop(), settings=custom)
        return await find(reader, *args)

    monkeypatch.setattr(Reader, "_find", found)
    store = make_store(settings.model_copy(update={"store_url": clickhouse_url}))
    await store.open()
    query = MetricsQuery()
    try:
        await store.migrate()
        lacking += [LACKS] * 9
        with pytest.raises(QueryTooExpensive) as refused:
            await store.run(query)
        assert (type(refused.value), len(lacking)) == (QueryTooExpensive, 8)
        async with connected(settings, clickhouse_url) as other:
            text = "SELECT groupArray(repeat('x', 1000)) FROM numbers(60000)"
            large = f"WITH ({text}) AS list SELECT sleepEachRow(0.02), length(list) FROM numbers(100000)"
            holding = asyncio.create_task(other.query(large, settings={"max_block_size": 100}, seconds=600))
            async with asyncio.timeout(60):
                while await other.value(ALONE):  # noqa: ASYNC110 - it changes in the server
                    await asyncio.sleep(0.01)
            with pytest.raises(MemoryTaken):
                await store.run(query)
            assert len(lacking) < 7, "it was tried several times"
            lacking[:] = [LACKS.replace("(total)", "(for query)")]
            with pytest.raises(QueryTooExpensive) as refused:
                await store.run(query)
            assert type(refused.value) is QueryTooExpensive
            lacking[:] = [LACKS]
            assert (await store.run(query)).rows == [{"events": 0}]
            holding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holding
    finally:
        await store.close()


async def test_requests_wait_for_their_turn_and_no_longer(settings: Settings, clickhouse_url: str) -> None:
    async with connected(settings, clickhouse_url, size=1) as connection:
        slow = asyncio.create_task(connection.query("SELECT sleep(2)"))
        await asyncio.sleep(0.1)
        with pytest.raises(StoreUnavailable, match="all are in use"):
            await connection.query("SELECT 1")
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await connection.value("SELECT 1") == 1


async def test_rows_come_in_pieces_and_may_be_left(settings: Settings, clickhouse_url: str) -> None:
    async with connected(settings, clickhouse_url) as connection:
        few = {"max_block_size": 1000}
        pieces = [piece async for piece in connection.stream("SELECT number FROM numbers(3000)", settings=few)]
        assert [row[0] for piece in pieces for row in piece] == list(range(3000))
        assert len(pieces) >= 3
        endless = connection.stream("SELECT number FROM numbers(100000000000)", settings=few)
        assert len(await anext(endless)) > 0
        await endless.aclose()
        assert await connection.value("SELECT 1") == 1


async def test_a_server_that_hangs_or_dies_is_unavailable_until_it_is_back(
    settings: Settings, own_clickhouse: ClickHouseServer
) -> None:
    url = own_clickhouse.new_database()
    async with connected(settings, url, seconds=0.3) as connection:
        own_clickhouse.pause()
        with pytest.raises(StoreUnavailable):
            await connection.query("SELECT 1")
        with pytest.raises(QueryTimeout), query_errors():
            await connection.query("SELECT 1")
        own_clickhouse.resume()
        assert await connection.query("SELECT 1", seconds=60) == [(1,)]
        own_clickhouse.kill()
        with pytest.raises(StoreUnavailable):
            await connection.query("SELECT 1")
        own_clickhouse.start()
        assert await connection.query("SELECT 1", seconds=60) == [(1,)]


async def test_rollups_cannot_stay(settings: Settings, clickhouse_url: str) -> None:
    """There are none: a setting that asks for them is refused at the start."""
    store = make_store(settings.model_copy(update={"store_url": clickhouse_url, "retention_rollups": True}))
    with pytest.raises(ConfigError, match="TALLYSTICK_RETENTION_ROLLUPS: ClickHouse has no rollups"):
        await store.open()
