"""Connections to PostgreSQL: what is refused, what is waited for, and what no message may say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import certifi
import pytest

from tallystick.config import Settings
from tallystick.errors import ConfigError, StoreUnavailable
from tallystick.store.postgres import PostgresStore, load, locks
from tallystick.store.postgres.connection import Connection
from tests.helpers.postgres_steps import connected, ids, opened, outcomes
from tests.helpers.samples import sample_block
from tests.servers.postgres import PASSWORD, USER, PostgresServer
from tests.servers.process import free_port
from tests.servers.scratch import scratch_folder


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


# --- refused at the start -------------------------------------------------------------------------------------------

PLACE = "127.0.0.1:{port}/{database}"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql://{USER}:wrong-{PASSWORD}@{PLACE}", "password authentication failed"),
        (f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{{port}}/nowhere", "does not exist"),
        (f"postgresql://{USER}:{PASSWORD}/@{PLACE}", "cannot|can be"),
        (f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{PASSWORD}/x", "can be"),
        (f"postgresql://{USER}:{PASSWORD}@{PLACE}?sslmode=sometimes", "can be"),
        (f"postgresql://{USER}:{PASSWORD}@{PLACE}?sslmode=verify-full&sslrootcert=/nowhere.crt", "can be"),
    ],
    ids=["password", "database", "unescaped", "port", "sslmode", "no certificate"],
)
async def test_what_only_the_operator_can_put_right(
    settings: Settings, postgres_server: PostgresServer, url: str, says: str
) -> None:
    """Refused at once, and no message has a password in it."""
    given = url.format(port=postgres_server.port, database=settings.store_url.rpartition("/")[2])
    store = PostgresStore(settings.model_copy(update={"store_url": given}))

    with pytest.raises(ConfigError, match=says) as caught:
        await store.open()

    assert PASSWORD not in str(caught.value)
    await store.close()


async def test_a_server_that_can_lose_commits_is_refused(settings: Settings) -> None:
    """G3: the server of these tests runs with fsync=off."""
    store = PostgresStore(settings.model_copy(update={"allow_weak_durability": False}))

    with pytest.raises(ConfigError, match="fsync=off"):
        await store.open()


async def test_a_database_of_another_encoding_is_refused(settings: Settings, postgres_server: PostgresServer) -> None:
    postgres_server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "postgres")
    store = PostgresStore(settings.model_copy(update={"store_url": postgres_server.url.replace("/postgres", "/latin")}))

    with pytest.raises(ConfigError, match="UTF8"):
        await store.open()


async def test_a_user_who_may_not_make_tables_is_refused(settings: Settings, postgres_server: PostgresServer) -> None:
    postgres_server.sql(f"CREATE ROLE visitor LOGIN PASSWORD '{PASSWORD}'", "postgres")
    url = settings.store_url.replace(f"{USER}:", "visitor:")

    with pytest.raises(ConfigError, match="permission denied"):
        await PostgresStore(settings.model_copy(update={"store_url": url})).open()


async def test_nobody_listens(settings: Settings) -> None:
    """G6: that may change, so it is no mistake of the operator's."""
    url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{free_port()}/x"
    store = PostgresStore(settings.model_copy(update={"store_url": url}))

    with pytest.raises(StoreUnavailable) as caught:
        await store.open()

    assert PASSWORD not in str(caught.value)


async def test_a_server_that_says_nothing(settings: Settings) -> None:
    """A port that takes connections and never answers."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    store = PostgresStore(settings.model_copy(update={"store_url": url, "store_connect_timeout": 0.2}))

    with pytest.raises(StoreUnavailable):
        await store.open()

    gone.set()
    server.close()
    await server.wait_closed()


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_server() -> Iterator[PostgresServer]:
    with scratch_folder("tls") as folder:
        server = PostgresServer(folder, durable=False, tls=True)
        server.start()
        yield server
        server.stop()


async def test_tls_by_the_url(settings: Settings, tls_server: PostgresServer) -> None:
    """`verify-full` with the authority's certificate: encrypted, and with the right server."""
    url = f"{tls_server.new_database()}?sslmode=verify-full&sslrootcert={tls_server.folder / 'server.crt'}"
    tls = settings.model_copy(update={"store_url": url})
    async with opened(tls, 1) as (store,), connected(tls) as beside:
        await store.write([sample_block(0, range(3))])
        encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename IS NOT NULL"
        assert await beside.fetchval(encrypted)


async def test_a_certificate_of_somebody_else_is_refused(settings: Settings, tls_server: PostgresServer) -> None:
    url = f"{tls_server.new_database()}?sslmode=verify-full&sslrootcert={certifi.where()}"
    with pytest.raises(ConfigError, match="certificate verify failed"):
        await PostgresStore(settings.model_copy(update={"store_url": url})).open()


async def test_a_server_without_tls_is_refused_when_it_is_asked_for(settings: Settings) -> None:
    url = f"{settings.store_url}?sslmode=require"
    with pytest.raises((ConfigError, StoreUnavailable)):
        await PostgresStore(settings.model_copy(update={"store_url": url})).open()


# --- while it runs --------------------------------------------------------------------------------------------------


async def test_no_free_connection_is_an_error_and_no_hang(settings: Settings) -> None:
    """Questions wait for a connection as long as the setting says; batches have their own."""
    narrow = settings.model_copy(update={"store_read_connections": 1, "store_acquire_timeout": 0.2})
    async with opened(narrow, 1) as (store,):
        async with store._readers.acquire():
            with pytest.raises(StoreUnavailable, match="all are in use"):
                await store.receipt("00000000000000aa", 0)
            assert outcomes(await store.write([sample_block(0, range(3))])) == [(3, 0, 0, 0)]
        assert await store.receipt("00000000000000aa", 0) is not None


async def test_a_commit_waits_for_the_disk_whatever_the_default_is(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    """G3: and a stronger level of the operator's stays."""
    database = settings.store_url.rpartition("/")[2]
    for default, expected in {"off": "on", "local": "on", "on": "on", "remote_apply": "remote_apply"}.items():
        postgres_server.sql(f"ALTER DATABASE {database} SET synchronous_commit = {default}", "postgres")
        async with opened(settings, 1) as (store,), store._writers.acquire() as connection, connection.transaction():
            await connection.fetchrow(load.SQL["begin"], locks.SPACE, locks.WRITING)
            assert await connection.fetchval("SHOW synchronous_commit") == expected


async def test_cancelled_at_any_moment_a_connection_stays_in_step(settings: Settings) -> None:
    """One connection, a hundred writes stopped in the middle: the next one always finds it usable."""
    single = settings.model_copy(update={"store_write_connections": 1})
    async with opened(single, 1) as (store,), connected(settings) as beside:
        blocks = [sample_block(n, range(40 * n, 40 * n + 40)) for n in range(100)]
        for number, block in enumerate(blocks):
            writing = asyncio.create_task(store.write([block]))
            await asyncio.sleep(0.0004 * (number % 50))
            writing.cancel()
            await asyncio.wait([writing])

        reports = [await store.write([block]) for block in blocks]

        assert list(await ids(beside)) == list(range(4_000))
        assert sum(report.skipped for report in reports) + sum(len(report.entries) for report in reports) == 100
        assert await store.verify() == []


async def test_connections_that_were_cut_are_made_anew(store: PostgresStore, beside: Connection) -> None:
    """G6: what was under way fails as unavailable, the next try succeeds by itself."""
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = $1"
    database = await beside.fetchval("SELECT current_database()")
    for seq in range(5):
        assert await beside.fetchval(cut, database) > 0
        for _ in range(5):
            try:
                report = await store.write([sample_block(seq, range(10 * seq, 10 * seq + 10))])
                break
            except StoreUnavailable:
                continue
        assert outcomes(report) == [(10, 0, 0, 0)]
    assert await store.verify() == []


async def test_a_statement_that_takes_too_long_is_ended(settings: Settings, beside: Connection) -> None:
    """G6: a batch that waits for a lock in vain goes back to the queue."""
    hasty = settings.model_copy(update={"store_write_timeout": 0.3})
    async with opened(hasty, 1) as (store,):
        async with beside.transaction():
            await beside.execute("LOCK TABLE blocks IN EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailable) as refused:
                await store.write([sample_block(0, range(3))])
            assert "statement timeout" in refused.value.whole
        assert outcomes(await store.write([sample_block(0, range(3))])) == [(3, 0, 0, 0)]


async def test_closed_is_said(settings: Settings) -> None:
    store = PostgresStore(settings)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write([sample_block(0, range(3))])
