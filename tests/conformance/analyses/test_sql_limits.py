"""G12: what a user's own statement cannot do: reach out, write, run on, take the memory, see another site."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tallystick.config import MIB, Settings
from tallystick.errors import (
    ConfigError,
    InvalidRequest,
    QueryTimeout,
    QueryTooExpensive,
    StoreUnavailable,
    TallystickError,
)
from tallystick.model.queries.statement import SqlQuery
from tallystick.model.query import MetricsQuery
from tallystick.store import Store, make_store
from tallystick.store.duckdb import select as duckdb_select
from tallystick.store.duckdb.connection import cursor, open_database
from tallystick.store.migrations import migrations
from tallystick.store.postgres import memory
from tallystick.usersql.check import CheckedSql, check_sql
from tallystick.usersql.wrap import views_of
from tests.helpers.postgres_steps import connected
from tests.helpers.query_steps import put, some_events
from tests.helpers.samples import sample_block
from tests.helpers.sql.steps import with_store
from tests.servers.postgres import PostgresServer

ASKS_IN_SQL = True
SECRET = "the-secret-of-this-machine"
T = TypeVar("T")
ENDLESS = [
    "SELECT count(*) FROM generate_series(1, 1000000000000) AS s(i) WHERE i % 7 = 3",
    "SELECT count(*) FROM generate_series(1, 100000) AS a(i), generate_series(1, 100000) AS b(i), "
    "generate_series(1, 100000) AS c(i) WHERE a.i + b.i + c.i = 7",
    "SELECT a.i FROM generate_series(1, 100000) AS a(i) JOIN generate_series(1, 10000000) AS b(i) ON a.i * b.i < 0",
    "SELECT max(md5(CAST(a.i AS VARCHAR) || CAST(b.i AS VARCHAR))) FROM generate_series(1, 100000) AS a(i), "
    "generate_series(1, 100000) AS b(i)",
]
REACHING = [
    "SELECT * FROM read_text('{path}')",
    "SELECT * FROM read_csv('{path}')",
    "SELECT * FROM '{path}'",
    'SELECT * FROM "{path}"',
    "SELECT * FROM read_blob('{path}')",
    "SELECT * FROM glob('{path}')",
    "SELECT * FROM read_json('{path}')",
    "SELECT * FROM sniff_csv('{path}')",
    "SELECT pg_read_file('{path}')",
    "SELECT * FROM pg_read_file('{path}')",
    "SELECT pg_read_binary_file('{path}')",
    "SELECT lo_import('{path}')",
    "SELECT * FROM pg_ls_dir('{folder}')",
    "SELECT * FROM query('FROM read_text(''{path}'')')",
    "SELECT * FROM query_table('{path}')",
    "COPY (SELECT 1) TO '{path}'",
    "COPY events TO PROGRAM 'cat {path}'",
    "ATTACH '{path}' AS x",
    "SELECT query_to_xml('SELECT pg_read_file(''{path}'')', true, true, '')",
    "SELECT * FROM events UNION ALL SELECT content FROM read_text('{path}')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('data_directory')",
    "SELECT name FROM events, LATERAL (SELECT pg_read_file('{path}')) AS x",
    "WITH events AS (SELECT * FROM read_text('{path}')) SELECT * FROM events",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
    "SELECT dblink('host=127.0.0.1', 'SELECT 1')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 'x')",
    'SELECT content FROM read_text(\t"{path}")',
]


class Secret:
    """A file that no statement may read or write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(f"{SECRET}\n", "ascii")
        path.chmod(0o644)

    def untouched(self) -> bool:
        return self.path.read_text("ascii") == f"{SECRET}\n"


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret(tmp_path / "secret.csv")


async def opened(settings: Settings) -> Store:
    store = make_store(settings)
    await store.open()
    return store


async def patient(attempt: Callable[[], Awaitable[T]]) -> T:
    """What succeeds at last: on a busy machine a short deadline may be too short for anything."""
    for _ in range(60):
        try:
            return await attempt()
        except (QueryTimeout, StoreUnavailable):
            await asyncio.sleep(0.1)
    return await attempt()


@pytest.fixture
async def hurried(store_settings: Settings, store: Store) -> AsyncIterator[Store]:
    """The store, asked with a short deadline: DuckDB's file is held by one store at a time."""
    await store.close()
    quick = await patient(lambda: opened(store_settings.model_copy(update={"query_timeout": 0.5})))
    yield quick
    await quick.close()
    await store.open()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sql", REACHING, ids=lambda sql: sql[:40])
async def test_nothing_reaches_a_file_or_the_network(kept_store: Store, secret: Secret, sql: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^sql: ") as refused:
        await kept_store.select(SqlQuery(sql=sql.format(path=secret.path, folder=secret.path.parent)))
    assert SECRET not in str(refused.value)
    assert secret.untouched()


def unchecked(sql: str, _store: str) -> CheckedSql:
    return CheckedSql(sql, frozenset())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{path}')",
        "SELECT * FROM '{path}'",
        "SELECT pg_read_file('{path}')",
        "SELECT 1 AS a) AS asked; COPY (SELECT 1) TO '{path}'; SELECT * FROM (SELECT 1 AS a",
        "SELECT 1 AS a) AS asked; DELETE FROM events; SELECT * FROM (SELECT 1 AS a",
        "SELECT 1 AS a) AS asked (c0); DROP TABLE events; SELECT c0 FROM (SELECT 1 AS a",
        "SELECT nextval('dead_letter_ids')",
    ],
    ids=lambda sql: sql[:70],
)
async def test_what_stands_behind_the_check(
    store: Store, secret: Secret, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a statement get past the check, the store itself still writes nothing and reads no file but its own.

    The test's PostgreSQL user is a superuser, who may read the server's files; the role that statements run as may not.
    """
    await put(store, some_events("default", 4))
    monkeypatch.setattr(duckdb_select, "check_sql", unchecked)
    monkeypatch.setattr("tallystick.usersql.check.check_sql", unchecked)
    with pytest.raises(TallystickError) as refused:
        await store.select(SqlQuery(sql=sql.format(path=secret.path)))
    assert SECRET not in str(refused.value)
    assert secret.untouched()
    monkeypatch.undo()
    assert (await store.select(SqlQuery(sql="SELECT count(*) FROM events WHERE site_id = 'default'"))).rows == [[4]]


@pytest.mark.parametrize("sql", ENDLESS, ids=lambda sql: sql[:60])
async def test_a_deadline_ends_a_statement(hurried: Store, sql: str) -> None:
    """And events are stored while it runs."""
    asked = asyncio.create_task(hurried.select(SqlQuery(sql=sql)))
    await asyncio.sleep(0.05)
    await hurried.write([sample_block(1, range(5))])
    with pytest.raises(QueryTimeout):
        await asyncio.wait_for(asked, 60)  # without a deadline it would take days
    assert (await patient(lambda: hurried.select(SqlQuery(sql="SELECT count(*) FROM events")))).rows == [[5]]


async def test_rows_are_not_gathered_beyond_an_answer(store: Store) -> None:
    """A long series is left when the answer is full."""
    table = await store.select(SqlQuery(sql="SELECT i FROM generate_series(1, 1000000) AS s(i)", limit=3))
    assert (table.rows, table.truncated) == ([[1], [2], [3]], True)


async def test_a_client_that_goes_away_takes_its_statement_along(store: Store) -> None:
    await put(store, some_events("default", 4))
    for _ in range(3):
        asked = asyncio.create_task(store.select(SqlQuery(sql=ENDLESS[1])))
        await asyncio.sleep(0.1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert (await store.run(MetricsQuery())).rows == [{"events": 4}]


async def test_a_row_too_large_for_an_answer_is_refused(store: Store) -> None:
    sql = "SELECT string_agg('0123456789abcdef', '') FROM generate_series(1, 2000000) AS s(i)"
    with pytest.raises(InvalidRequest, match="single row"):
        await store.select(SqlQuery(sql=sql))


# --- DuckDB ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT array_agg(i) FROM generate_series(1, 10000000000) AS s(i)",
        "SELECT length(string_agg(md5(CAST(i AS VARCHAR)), '')) FROM generate_series(1, 10000000000) AS s(i)",
    ],
    ids=lambda sql: sql[:40],
)
async def test_duckdb_a_statement_that_does_not_fit_fails_alone(settings: Settings, sql: str) -> None:
    store = make_store(settings)
    await store.open()
    with pytest.raises(QueryTooExpensive):
        await store.select(SqlQuery(sql=sql))
    await put(store, some_events("default", 4))
    assert (await store.run(MetricsQuery())).rows == [{"events": 4}]
    await store.close()


async def test_duckdb_a_statement_that_makes_the_process_grow_is_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB's limit does not see what an expression makes; here any growth is too much."""
    monkeypatch.setattr(duckdb_select, "GROWTH", -(10**15))
    store = make_store(settings)
    await store.open()
    with pytest.raises(QueryTooExpensive, match="more memory"):
        await store.select(SqlQuery(sql=ENDLESS[1]))
    assert (await store.run(MetricsQuery())).rows == [{"events": 0}]
    await store.close()


async def test_duckdb_a_statement_does_not_take_the_disk_s_reserve(settings: Settings) -> None:
    """It would sort in a file for as long as it may; here the whole disk is the reserve."""
    full = settings.model_copy(update={"disk_reserve_bytes": 10**18, "disk_reserve_fraction": 1.0})
    store = make_store(full)
    await store.open()
    with pytest.raises(QueryTooExpensive, match="reserve"):
        await store.select(
            SqlQuery(sql="SELECT md5(CAST(i AS TEXT)) FROM generate_series(1, 1000000000000) AS s(i) ORDER BY 1")
        )
    assert await store.receipt("0" * 16, 0) is None  # it goes on, and this is no statement that the reserve stops
    await store.close()


def test_duckdb_growth_is_seen(settings: Settings) -> None:
    growth = duckdb_select.Growth(settings.model_copy(update={"store_memory": 32 * MIB - duckdb_select.GROWTH}))
    assert not growth.too_much()
    taken = bytearray(b"x") * (64 * MIB)
    assert growth.too_much()
    assert len(taken) == 64 * MIB


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside another"])
def test_duckdb_evaluates_no_condition_before_the_site_s(settings: Settings, others: int) -> None:
    """In its plan the count of rows, below which it moves nothing, stands between the two."""
    connection = cursor(open_database(settings.data / "plan.duckdb", settings.data / "spool", settings))
    for statements in migrations("duckdb"):
        connection.execute(statements)
    connection.execute(
        "INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, source, path, properties) "
        f"SELECT uuid(), CASE WHEN i % 2 < {others} THEN 'mine' ELSE 'theirs' END, '', now()::TIMESTAMP, "
        "now()::TIMESTAMP, i::VARCHAR, '', '/', '{}' FROM range(99) r(i)"
    )
    for view in ("events", "users", "sessions"):
        checked = check_sql(f"SELECT count(*) FROM {view} WHERE CAST(user_id AS INTEGER) = 815", "duckdb")
        for sealed in (True, False):
            views = views_of(checked, "duckdb", site=True, sealed=sealed)
            rows = connection.execute(f"EXPLAIN {views}{checked.sql}", ["theirs"]).fetchall()
            plan = str(rows[0][1])
            if others == 0:  # DuckDB knows that every row is of this site: nothing is left to be kept apart
                assert "site_id = 'theirs'" not in plan
            elif sealed:
                assert plan.index("815") < plan.index("Streaming Window") < plan.index("site_id = 'theirs'")
            else:
                assert "Streaming Window" not in plan
    connection.close()


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def on_postgres(request: pytest.FixtureRequest, settings: Settings, postgres_url: str) -> Settings:
    """Settings of a store on PostgreSQL with the role for statements."""
    return with_store(request, settings, postgres_url)


async def test_postgres_evaluates_no_condition_before_the_site_s(on_postgres: Settings) -> None:
    """In its plan they are conditions of a scan of the view's rows. What can tell nothing goes down to the index."""
    store = make_store(on_postgres)
    await store.open()
    await put(store, some_events("default", 40))
    asked = (
        "SELECT count(*) FROM events WHERE CAST(user_id AS INTEGER) = 815 AND timestamp >= '2030-01-01' "
        "AND properties->>'a' = 'x'"
    )
    views = views_of(check_sql(asked, "postgres"), "postgres", site=True, sealed=True)
    async with connected(on_postgres) as connection:
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {views}{check_sql(asked, 'postgres').sql}")
        sooner = asked.replace("2030", "2020")
        all_days = await connection.fetch(f"EXPLAIN (COSTS OFF) {views}{check_sql(sooner, 'postgres').sql}")
    plan, longer = "\n".join(row[0] for row in rows), "\n".join(row[0] for row in all_days)
    assert "One-Time Filter: false" in plan or "Seq Scan" not in plan, "no day of the range has a partition"
    above, _, below = longer.partition("Subquery Scan")
    assert "815" not in above
    scan = below.splitlines()
    assert "815" in scan[1]
    assert "'x'" in scan[1]
    inner = "\n".join(scan[2:])
    assert "815" not in inner
    assert "InitPlan" in inner, "the seal is looked at once, not for each row"
    assert "site_id = $0" in inner
    assert "2020" in inner
    await store.close()


async def test_postgres_looks_names_up_where_the_store_is(on_postgres: Settings) -> None:
    """A table or function of another user with the same name is not found, and gives the role no more rights."""
    store = make_store(on_postgres)
    await store.open()
    await put(store, some_events("default", 4))
    async with connected(on_postgres) as connection:
        await connection.execute("CREATE SCHEMA tallystick_sql CREATE VIEW all_events AS SELECT 1 AS event_id")
        await connection.execute("GRANT USAGE ON SCHEMA tallystick_sql TO tallystick_sql")
        await connection.execute("GRANT SELECT ON tallystick_sql.all_events TO tallystick_sql")
    assert (await store.select(SqlQuery(sql="SELECT count(*) FROM events"))).rows == [[4]]
    await store.close()
    with pytest.raises(ConfigError, match=r"may read or change tallystick_sql\.all_events"):
        await make_store(on_postgres).open()


async def test_postgres_a_database_of_before_the_role_opens(on_postgres: Settings) -> None:
    """With its events, and its view of one site built again."""
    async with connected(on_postgres) as connection:
        await connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
        for number, statements in enumerate(migrations("postgres")[:4], 1):
            await connection.execute(statements)
            await connection.execute("INSERT INTO schema_version VALUES ($1)", number)
    store = make_store(on_postgres.model_copy(update={"sql": False}))
    await store.open()  # as a worker does, which needs no role
    await put(store, some_events("default", 4))
    await store.close()
    store = make_store(on_postgres)
    await store.open()
    for sealed in (True, False):
        asked = SqlQuery(sql="SELECT count(*) FROM events", site_id="default")
        assert (await store.select(asked, sealed=sealed)).rows == [[4]]
    await store.close()


# what takes memory or disk that no part of the statement's text says
UNBOUNDED = {
    "rows of a series": ("SELECT count(*) FROM generate_series(1, 1000000000000) AS s(i)", "temp"),
    "a sort": (
        "SELECT i FROM generate_series(1, 1000000000000) AS s(i) ORDER BY md5(CAST(i AS TEXT)) LIMIT 20000",
        "temp",
    ),
    "rows in a list": (
        "SELECT array_length(array_agg(concat(name, md5(CAST(i AS TEXT)))), 1) "
        "FROM events, generate_series(1, 30000) AS s(i), generate_series(1, 30000) AS t(j)",
        "memory",
    ),
}


@pytest.fixture
def little_to_spill(on_postgres: Settings, postgres_server: PostgresServer) -> Iterator[None]:
    """The role may have 64 MB of temporary files."""
    postgres_server.sql("ALTER ROLE tallystick_sql SET temp_file_limit = '64MB'", "postgres")
    yield
    postgres_server.sql("ALTER ROLE tallystick_sql SET temp_file_limit = '2GB'", "postgres")


@pytest.mark.parametrize("name", UNBOUNDED)
async def test_postgres_a_statement_takes_no_more_than_it_may(
    on_postgres: Settings, little_to_spill: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of temporary files, which the role's setting bounds, and of memory, which is watched; less here, to be quick."""
    sql, kind = UNBOUNDED[name]
    monkeypatch.setattr(memory, "GROWTH", 64 * MIB)
    store = make_store(on_postgres.model_copy(update={"query_memory": 4 * MIB, "query_timeout": 120.0}))
    await store.open()
    await put(store, some_events("default", 4))
    with pytest.raises(QueryTooExpensive) as refused:
        await store.select(SqlQuery(sql=sql))
    assert {"temp": "temp_file_limit", "memory": "more memory"}[kind] in refused.value.whole
    assert (await store.select(SqlQuery(sql="SELECT count(*) FROM events"))).rows == [[4]]
    await store.close()
