"""A store over two shards: two ClickHouse processes with Distributed tables over local ones.

The local tables are not replicated: the servers in `chdb-core` have no Keeper. Replication, and the fail-over between
replicas, is in no test; docs/run/cluster.md has a checklist.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError, StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.event import Event
from tallystick.model.queries.statement import SqlQuery
from tallystick.model.query import Condition, MetricsQuery, SessionsQuery
from tallystick.store import Store, make_store
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.tables.schema import Cluster, statements_of
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.migrations import migrations
from tests.helpers.query_steps import make_event, put
from tests.helpers.samples import block_of, sample_event
from tests.servers.clickhouse import ClickHouseCluster, ClickHouseServer
from tests.servers.scratch import scratch_folder

NOW = datetime.now(UTC)
ASKS_IN_SQL = True


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClickHouseCluster]:
    """Two shards, one of which the tests kill and start again."""
    with scratch_folder("shards", in_memory=True) as folder:
        cluster = ClickHouseCluster(folder)
        cluster.start()
        yield cluster
        cluster.kill()


@pytest.fixture
def sharded(cluster: ClickHouseCluster, settings: Settings) -> Iterator[Settings]:
    """Settings of a new database over both."""
    url = cluster.new_database(statements=True)
    yield settings.model_copy(update={"store_url": url, "sql": True, "sql_url": cluster.statements_url(url)})
    cluster.drop_database(url)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    store = make_store(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def on_each(cluster: ClickHouseCluster, settings: Settings, statement: str) -> list[str]:
    """What each shard says."""
    database = urlsplit(settings.store_url).path[1:]
    return [server.sql(statement, database).strip() for server in cluster.servers]


def arriving(number: int, days_ago: int = 0) -> Event:
    at = datetime.now(UTC)
    return msgspec.structs.replace(sample_event(number), timestamp=at - timedelta(days=days_ago), received_at=at)


async def count(store: Store) -> int:
    rows = (await store.run(MetricsQuery())).rows
    return int(rows[0]["events"]) if rows else 0


async def test_events_lie_on_both_shards_and_the_rest_on_the_first(
    cluster: ClickHouseCluster, sharded: Settings
) -> None:
    async with opened(sharded) as store:
        await store.write([block_of(0, [arriving(n) for n in range(400)])])
        first, second = map(int, on_each(cluster, sharded, "SELECT count() FROM events_local"))
        assert first + second == 400
        assert min(first, second) > 100
        assert on_each(cluster, sharded, "SELECT count() FROM blocks_local") == ["1", "0"]
        assert await count(store) == 400
        hashes = "SELECT sum(rows) FROM (SELECT count() AS rows FROM {} GROUP BY {} HAVING count() > 1)"
        assert set(on_each(cluster, sharded, hashes.format("recent_ids", "hash"))) == {"0"}


async def test_an_identity_meets_its_copy(sharded: Settings) -> None:
    """G2: the same ids in two blocks, at the same and at another time, and a block that comes again."""
    async with opened(sharded) as store:
        events = [arriving(n) for n in range(60)]
        moved = [msgspec.structs.replace(event, timestamp=event.timestamp - timedelta(hours=1)) for event in events]
        first = block_of(0, events, "a" * 16)
        (entry,) = (await store.write([first])).entries
        assert (entry.stored, entry.duplicates) == (60, 0)
        report = await store.write([first, block_of(0, events, "b" * 16), block_of(0, moved, "c" * 16)])
        assert report.skipped == 1
        assert sorted((entry.stored, entry.duplicates) for entry in report.entries) == [(0, 60), (0, 60)]
        assert await count(store) == 60
        assert await store.verify() == []


async def test_a_purge_and_an_undo_reach_all_shards(cluster: ClickHouseCluster, sharded: Settings) -> None:
    async with opened(sharded) as store:
        old = [make_event(n, "default", name="n", timestamp=NOW - timedelta(days=40 + n % 3)) for n in range(200)]
        imported = [
            make_event(1_000 + n, "default", name="n", timestamp=NOW, properties={"$import": "first"})
            for n in range(200)
        ]
        await put(
            store, [*old, *imported, *[make_event(5_000 + n, "default", name="n", timestamp=NOW) for n in range(100)]]
        )
        assert (await store.purge(NOW - timedelta(days=30))).events == 200
        assert await store.undo_import("first") == 200
        assert sum(map(int, on_each(cluster, sharded, "SELECT count() FROM events_local"))) == 100
        assert await count(store) == 100
        assert await store.verify() == []


async def test_statements_of_users_read_all_shards(sharded: Settings) -> None:
    async with opened(sharded) as store:
        await put(store, [make_event(n, "mine", name="n", timestamp=NOW, user_id=f"u{n % 7}") for n in range(100)])
        await put(store, [make_event(500 + n, "theirs", name="n", timestamp=NOW, user_id="x") for n in range(50)])
        for sealed in (False, True):
            asked = SqlQuery(sql="SELECT count(*), count(DISTINCT user_id) FROM events", site_id="mine")
            assert (await store.select(asked, sealed=sealed)).rows == [[100, 7]]
        joined = "SELECT count(*) FROM events AS a JOIN users AS b ON a.user_id = b.user_id AND a.site_id = b.site_id"
        assert (await store.select(SqlQuery(sql=joined))).rows == [[150]]
        sessions = await store.select(SqlQuery(sql="SELECT sum(events) FROM sessions", site_id="mine"))
        assert sessions.rows == [[100]]


async def test_a_shard_is_killed_and_comes_back(cluster: ClickHouseCluster, sharded: Settings) -> None:
    """Questions say why they have no answer, what is to be stored waits, and afterwards all is there once."""
    settings = sharded.model_copy(update={"store_write_timeout": 20.0, "query_timeout": 20.0})
    async with opened(settings) as store:
        await store.write([block_of(0, [arriving(n) for n in range(300)])])
        gone = cluster.servers[1]
        gone.kill()
        try:
            with pytest.raises(StoreUnavailable, match="a shard of ClickHouse cannot be reached"):
                await store.run(MetricsQuery())
            with pytest.raises(StoreUnavailable, match="a shard of ClickHouse cannot be reached"):
                await store.select(SqlQuery(sql="SELECT count(*) FROM events"))
            waiting = [block_of(seq, [arriving(1_000 * seq + n) for n in range(300)]) for seq in range(1, 4)]
            for block in waiting:
                with pytest.raises(StoreUnavailable):
                    await store.write([block])
            with pytest.raises(StoreUnavailable):
                await store.purge(NOW - timedelta(days=30))
        finally:
            gone.start()
        await _stored(store, waiting)
        assert await count(store) == 1_200
        rows = sum(map(int, on_each(cluster, settings, "SELECT count() FROM events_local FINAL")))
        assert rows == 1_200
        ledger = await store.ledger()
        assert sum(entry.stored for entry in ledger.values()) == 1_200
        assert await store.verify() == []


async def test_sessions_by_day_are_built_over_both_shards(
    cluster: ClickHouseCluster, sharded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of a session lie on both, its row on one. A shard that is away makes no answer smaller."""
    for name, value in (("LEAST", 1), ("QUIET", 0), ("AGAIN", 0)):
        monkeypatch.setattr(session_days, name, value)
    settings = sharded.model_copy(update={"store_write_timeout": 20.0, "query_timeout": 20.0})
    query = SessionsQuery(metrics=["sessions", "events"], breakdown=["entry_page"])
    raw = query.model_copy(update={"filter": Condition(field="session_id", op="set")})

    async with opened(settings) as store:
        assert isinstance(store, ClickHouseStore)
        events = [msgspec.structs.replace(arriving(n, 1 + n % 3), session_id=f"s{n % 40}") for n in range(300)]
        await store.write([block_of(0, events)])
        while await store.maintain():
            pass
        result = await store.run(query)
        assert result.from_rollup
        assert result.rows == (await store.run(raw)).rows
        assert await store.verify() == []
        rows = list(map(int, on_each(cluster, settings, "SELECT count() FROM session_parts_local")))
        assert all(rows)
        assert sum(rows) == len({(event.session_id, event.timestamp.date()) for event in events})
        address, _, rest = settings.store_url.rpartition("@")
        servers, _, database = rest.partition("/")
        turned = f"{address}@{','.join(reversed(servers.split(',')))}/{database}"
        async with opened(settings.model_copy(update={"store_url": turned, "sql": False})) as other:
            assert (await other.run(query)).from_rollup  # whichever server a process asks first
        gone = cluster.servers[1]
        gone.kill()
        try:
            with pytest.raises(StoreUnavailable):
                await store.run(query)
        finally:
            gone.start()
        await _stored(store, [block_of(1, [arriving(1_000, 1)])])  # of one shard
        result = await store.run(query)
        assert result.from_rollup
        assert result.rows == (await store.run(raw)).rows


async def test_a_shard_is_killed_while_blocks_are_stored(cluster: ClickHouseCluster, sharded: Settings) -> None:
    """G3: what a killed server did not answer to comes again; nothing is lost, and nothing is there twice."""
    settings = sharded.model_copy(update={"store_write_timeout": 20.0})
    async with opened(settings) as store:
        blocks = [block_of(seq, [arriving(1_000 * seq + n, n % 3) for n in range(500)]) for seq in range(12)]
        storing = asyncio.create_task(_stored(store, blocks))
        while await _known(store) < 3:  # noqa: ASYNC110 - the ledger has no event to wait for
            await asyncio.sleep(0.05)
        cluster.servers[1].kill()
        await asyncio.sleep(0.5)
        cluster.servers[1].start()
        await storing
        assert await count(store) == 6_000
        ledger = await store.ledger()
        assert sum(entry.stored for entry in ledger.values()) == 6_000
        assert await store.verify() == []


async def _known(store: Store) -> int:
    """How many blocks the ledger has; 0 while it cannot be asked."""
    try:
        return sum(ledger.folded + len(ledger.seqs) for ledger in (await store.ledger()).values())
    except StoreUnavailable:
        return 0


async def _stored(store: Store, blocks: list[Block]) -> None:
    """Write blocks as the queue gives them: again, until each is taken."""
    for block in blocks:
        async with asyncio.timeout(240):
            while True:
                try:
                    await store.write([block])
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.2)


# --- what is refused -------------------------------------------------------------------------------------------------


async def test_the_tables_of_one_server_are_no_cluster_s(cluster: ClickHouseCluster, sharded: Settings) -> None:
    database = urlsplit(sharded.store_url).path[1:]
    alone = sharded.model_copy(update={"store_url": f"{cluster.servers[0].url}/{database}", "sql": False})
    async with opened(alone):
        pass
    with pytest.raises(ConfigError, match="tallystick move"):
        await make_store(sharded).open()


async def test_the_tables_of_a_cluster_are_no_server_s(cluster: ClickHouseCluster, sharded: Settings) -> None:
    async with opened(sharded):
        pass
    database = urlsplit(sharded.store_url).path[1:]
    alone = sharded.model_copy(update={"store_url": f"{cluster.servers[0].url}/{database}", "sql": False})
    with pytest.raises(ConfigError, match=r"add \?cluster="):
        await make_store(alone).open()


async def test_a_cluster_has_to_be_there_with_all_shards(sharded: Settings) -> None:
    for old, new, why in (
        ("cluster=two", "cluster=three", "knows no cluster 'three'"),
        (re.search(r",[^/]+", sharded.store_url.partition("@")[2])[0], "", "has 2 shards"),  # type: ignore[index]
    ):
        other = sharded.model_copy(update={"store_url": sharded.store_url.replace(old, new), "sql": False})
        with pytest.raises(ConfigError, match=why):
            await make_store(other).open()


def test_clickhouse_reads_the_replicated_tables(clickhouse_server: ClickHouseServer) -> None:
    """It cannot make them without Keeper; it knows the engines and their arguments."""
    for migration in migrations("clickhouse"):
        for statement in statements_of(migration, Cluster("two")):
            read = clickhouse_server.sql(f"EXPLAIN AST {statement}")
            assert read.startswith("AlterQuery" if "ALTER TABLE" in statement else "CreateQuery")
