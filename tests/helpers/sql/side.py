"""What the attacks on SQL are aimed at: a PostgreSQL whose store belongs to a plain user, as an operator has it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from tallystick.config import Settings
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.store import Store, make_store
from tallystick.usersql.check import CheckedSql
from tests.helpers.commands import run_command
from tests.helpers.query_steps import NOON, make_event, put
from tests.servers.postgres import PASSWORD, ROLE_PASSWORD, PostgresServer
from tests.servers.scratch import scratch_folder

OWNER = "keeper"
"""The owner of the store's database: no superuser."""
MINE, THEIRS = "mine", "theirs"
CANARY = "canary-of-theirs"
"""What stands in every text of the other site's events."""
CALLED = "CANARY CALLED"
"""What the functions say that no statement may call."""


@contextlib.contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server for a file's tests."""
    with scratch_folder("postgres", in_memory=True) as folder:
        server = PostgresServer(folder, durable=False)
        server.start()
        try:
            server.sql(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'", "postgres")
            yield server
        finally:
            server.stop()


def made(server: PostgresServer, folder: Path) -> Settings:
    """Settings of a new database, in which what `tallystick sql-role` prints was run by psql as a superuser."""
    url = server.new_database(owner=OWNER)
    statements_url = server.statements_url(url)
    printed = run_command({"TALLYSTICK_STORE_URL": url, "TALLYSTICK_SQL_URL": statements_url}, "sql-role")
    assert ROLE_PASSWORD not in printed
    server.script(printed, database_of(url))
    return Settings(
        data=folder,
        store_url=url,
        sql=True,
        sql_url=statements_url,
        allow_weak_durability=True,
        disk_reserve_bytes=0,
        query_timeout=20.0,
    )


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store with two events of one site, and two of another whose texts are the canary."""
    store = make_store(settings)
    await store.open()
    try:
        texts = {"user_id": CANARY, "session_id": CANARY, "path": CANARY, "properties": {"a": CANARY}}
        await put(
            store,
            [
                make_event(1, MINE, name="own", timestamp=NOON, user_id="me", properties={"a": 1}),
                make_event(2, MINE, name="own", timestamp=NOON, user_id="7"),
                make_event(3, THEIRS, name=CANARY, timestamp=NOON, **texts),
                make_event(4, THEIRS, name=CANARY, timestamp=NOON, **texts),
            ],
        )
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def asked(store: Store, sql: str, site: str = MINE) -> Table:
    """As the key of one site asks."""
    return await store.select(SqlQuery(sql=sql, site_id=site), sealed=True)


def unchecked(sql: str, _store: str) -> CheckedSql:
    """In place of `check_sql`: what it would be if the first fence were down."""
    return CheckedSql(sql, frozenset())
