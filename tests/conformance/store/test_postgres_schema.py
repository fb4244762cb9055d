"""PostgreSQL's schema: numbered migrations, once each, whichever process starts first."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tallystick.config import Settings
from tallystick.errors import SchemaTooNew
from tallystick.store import migrations as numbered
from tallystick.store.migrations import migrations
from tallystick.store.postgres import PostgresStore
from tests.faults.times import REPETITIONS, Record
from tests.helpers.old_schema import without_later_parts
from tests.helpers.postgres_steps import connected, opened
from tests.helpers.samples import sample_block
from tests.servers.postgres import PostgresServer

KILLED = """
import asyncio, sys
from tallystick.config import Settings
from tallystick.store import make_store
from tallystick.store.postgres import store as steps

pending_migrations = steps.pending_migrations

def stops(*given):
    for step in pending_migrations(*given):
        yield step
        print("a step is taken", flush=True)
        sys.stdin.read()

steps.pending_migrations = stops
asyncio.run(make_store(Settings(store_url=sys.argv[1], allow_weak_durability=True)).open())
"""
"""Takes one step of a migration and waits."""


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"store_url": postgres_url})


def schema(server: PostgresServer, url: str) -> list[str]:
    """A database's schema, line by line, without what is different in every dump."""
    return [line for line in server.schema(url).splitlines() if not line.startswith(("--", "\\"))]


async def test_many_processes_start_at_once(settings: Settings) -> None:
    """Each step is taken once, and all of them can write."""
    stores = [PostgresStore(settings) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.write([sample_block(n, range(n, n + 1))]) for n, store in enumerate(stores)))

    async with connected(settings) as beside:
        versions = [row[0] for row in await beside.fetch("SELECT version FROM schema_version ORDER BY 1")]
    assert versions == list(range(1, len(migrations("postgres")) + 1))
    assert await stores[0].verify() == []
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused(settings: Settings) -> None:
    """An older Tallystick does not touch what it does not know."""
    async with opened(settings, 1), connected(settings) as beside:
        await beside.execute("INSERT INTO schema_version VALUES (9999)")

    store = PostgresStore(settings)
    with pytest.raises(SchemaTooNew, match="9999"):
        await store.open()
    await store.close()


async def test_a_migrated_schema_is_a_fresh_one(
    settings: Settings, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step, with events written in between, or all at once: the same tables, indexes and columns."""
    steps = list(migrations("postgres"))
    known: Sequence[str] = []
    monkeypatch.setattr(numbered, "migrations", lambda _: known)
    for number in range(1, len(steps) + 1):
        known = steps[:number]
        with monkeypatch.context() as patch:
            if number < len(steps):
                without_later_parts(patch)
            async with opened(settings, 1) as (store,):
                assert await store.migrate() == number
        if number == len(steps):
            async with opened(settings, 1) as (store,):
                await store.write([sample_block(number, range(5))])
                assert await store.verify() == []
    migrated = settings.store_url
    fresh = postgres_server.new_database()
    async with opened(settings.model_copy(update={"store_url": fresh}), 1) as (store,):
        await store.write([sample_block(1, range(5))])

    assert schema(postgres_server, migrated) == schema(postgres_server, fresh)
    postgres_server.drop_database(fresh)


async def test_a_step_that_fails_changes_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema is the old one or the new one, never in between."""
    steps = list(migrations("postgres"))
    async with opened(settings, 1) as (store,):
        broken = [*steps, "CREATE TABLE half (n int); SELECT 1 / 0;"]
        monkeypatch.setattr(numbered, "migrations", lambda _: broken)
        with pytest.raises(Exception, match="division by zero"):
            await store.migrate()
        monkeypatch.undo()
        assert await store.migrate() == len(steps)
    async with connected(settings) as beside:
        assert await beside.fetchval("SELECT to_regclass('half')") is None


def killed_within_a_step(url: str) -> None:
    """Kill a process that has taken the first step of its migration."""
    command = [sys.executable, "-c", KILLED, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert "a step is taken\n" in child.stdout
        child.kill()


@pytest.mark.faults
async def test_killed_in_each_step(
    settings: Settings, postgres_server: PostgresServer, record_property: Record
) -> None:
    """G6: on the schema of each older version; it stays what it was, and the next start makes all steps."""
    steps = migrations("postgres")
    fresh = postgres_server.new_database(migrated=True)
    whole = schema(postgres_server, fresh)
    record_property(REPETITIONS, len(steps))
    for version in range(len(steps)):
        here = settings.model_copy(update={"store_url": postgres_server.new_database()})
        async with connected(here) as beside:
            await beside.execute("CREATE TABLE schema_version (version integer NOT NULL)")
            for number, statements in enumerate(steps[:version], 1):
                await beside.execute(statements)
                await beside.execute("INSERT INTO schema_version VALUES ($1)", number)
        before = schema(postgres_server, here.store_url)
        killed_within_a_step(here.store_url)
        assert schema(postgres_server, here.store_url) == before
        async with opened(here, 1) as (store,):
            assert schema(postgres_server, here.store_url) == whole
            await store.write([sample_block(0, range(5))])
            assert await store.verify() == []
        postgres_server.drop_database(here.store_url)
    postgres_server.drop_database(fresh)
