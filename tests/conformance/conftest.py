"""The backends that the conformance suites run on: add a new one to a list below and it has to pass everything.

`queue` and `store` are opened and empty. `queue_settings` and `store_settings` are what they were made from, for tests
that open a second one on the same data. Tests of an ability that only some backends have take `durable_queue_settings`,
`file_queue_settings` or `counting_queue`.

A URL that starts with `@` is the name of a fixture that gives it: that of a real server, which starts when the first
test needs it and serves the whole session, with something of its own (a stream, a queue, a database) for each test.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tallystick.config import Settings
from tallystick.queue import Queue, make_queue
from tallystick.store import Store, make_store
from tests.helpers.queue.redis_steps import TAKEOVER, Stream
from tests.helpers.sql.steps import asks_in_sql, with_store
from tests.helpers.thorough import THOROUGH
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

QUEUES = {"memory": "memory://", "sqlite": "", "redis": "@redis_url", "rabbitmq": "@rabbitmq_url"}
"""Queue URL by test id; empty is the default, a file in the data folder."""

DURABLE_QUEUES = {"sqlite": "", "redis": "@redis_url", "rabbitmq": "@rabbitmq_url"}
"""The queues that keep their blocks when the process is gone."""

FILE_QUEUES = {"sqlite": ""}
"""The queues that are a file in the data folder, which one process holds at a time."""

COUNTING_QUEUES = {name: url for name, url in QUEUES.items() if name != "rabbitmq"}
"""The queues that know each block that waits: its name, size and age, also when another process has it."""

STORES = {"duckdb": "", "postgres": "@postgres_url"}
"""Store URL by test id; empty is the default, a file in the data folder."""

PAIRS = {
    ("memory", "duckdb"),
    ("sqlite", "duckdb"),
    ("sqlite", "postgres"),
    ("redis", "postgres"),
    ("rabbitmq", "postgres"),
}
"""Which of them `make test` puts together: each with one that it is run with. `make faults` takes every pair."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the other pairs."""
    left_out = [item for item in items if not (THOROUGH or _pair(item) in PAIRS or None in _pair(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _pair(item: pytest.Item) -> tuple[str | None, str | None]:
    """The names of the queue and of the store that a test is run with."""
    found: list[str | None] = []
    for kinds, fixtures in (QUEUES, ("queue_settings", "durable_queue_settings")), (STORES, ("store_settings",)):
        callspec = getattr(item, "callspec", None)
        given = [callspec.params[fixture] for fixture in fixtures if callspec and fixture in callspec.params]
        found.append(next((name for name, url in kinds.items() if url in given), None))
    return found[0], found[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings in a fresh data folder: batches at once, no disk reserve (the machine's disk is not under test)."""
    return settings_in(tmp_path)


def settings_in(folder: Path) -> Settings:
    return Settings(
        data=folder,
        allow_weak_durability=True,
        disk_reserve_bytes=0,
        batch_max_age=0.0,
        retry_max_delay=0.05,
        store_memory=128 * 1024 * 1024,
    )


def url_of(request: pytest.FixtureRequest) -> str:
    """The parameter of the fixture that asks: a URL, or what the fixture that it names gives."""
    given = str(request.param)
    return str(request.getfixturevalue(given[1:])) if given.startswith("@") else given


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A durable Redis that serves all tests."""
    with scratch_folder("redis", in_memory=True) as folder:
        server = RedisServer(folder)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A stream of its own."""
    return f"{redis_server.url}?stream=test-{secrets.token_hex(4)}"


@pytest.fixture
def stream(redis_server: RedisServer, redis_url: str) -> Stream:
    """That stream, looked at from outside."""
    return Stream(redis_server, redis_url)


@pytest.fixture
def impatient(settings: Settings, redis_url: str) -> Settings:
    """Settings of consumers of that stream that take over soon."""
    return settings.model_copy(update={"queue_url": redis_url, "queue_takeover_seconds": TAKEOVER})


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A durable Redis of this test's own, to be changed and killed."""
    with scratch_folder("redis") as folder:
        server = RedisServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def strict(own_redis: RedisServer, settings: Settings) -> Settings:
    """Settings of it as an operator has them: weak durability is refused."""
    update = {"queue_url": own_redis.url, "allow_weak_durability": False, "publish_timeout": 5.0}
    return settings.model_copy(update=update)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ node that serves all tests."""
    with scratch_folder("rabbitmq", in_memory=True) as folder:
        server = RabbitServer(folder, tls=True)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A queue of its own, on a node that nobody kills."""
    monkeypatch.setattr("tallystick.queue.rabbitmq.queue.NEWBORN", 0.0)
    return f"{rabbitmq_server.url}?queue=test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that serves all tests; none of them kills it."""
    with scratch_folder("postgres", in_memory=True) as folder:
        server = PostgresServer(folder, durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """A database of its own."""
    url = postgres_server.new_database(statements=asks_in_sql(request))
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def rabbit(settings: Settings, rabbitmq_url: str) -> Settings:
    """Settings of a queue of its own on the node that serves all tests, as an operator has them."""
    return settings.model_copy(update={"queue_url": rabbitmq_url, "allow_weak_durability": False})


@pytest.fixture(params=list(QUEUES.values()), ids=list(QUEUES))
def queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue in turn."""
    return settings.model_copy(update={"queue_url": url_of(request)})


@pytest.fixture(params=list(DURABLE_QUEUES.values()), ids=list(DURABLE_QUEUES))
def durable_queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue that survives its process, in turn."""
    return settings.model_copy(update={"queue_url": url_of(request)})


@pytest.fixture(params=list(FILE_QUEUES.values()), ids=list(FILE_QUEUES))
def file_queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue that is a file, in turn."""
    return settings.model_copy(update={"queue_url": request.param})


@pytest.fixture(params=list(COUNTING_QUEUES.values()), ids=list(COUNTING_QUEUES))
def counting_queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue that knows every block, in turn."""
    return settings.model_copy(update={"queue_url": url_of(request)})


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each store in turn."""
    return with_store(request, settings, url_of(request))


@pytest.fixture(scope="module", params=list(STORES))
def kept_store_settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of each store in turn, the same for all tests of a module that only ask."""
    made = settings_in(tmp_path_factory.mktemp("kept"))
    if not STORES[request.param]:
        yield made
        return
    server: PostgresServer = request.getfixturevalue(f"{request.param}_server")
    url = server.new_database(statements=asks_in_sql(request))
    yield with_store(request, made, url)
    server.drop_database(url)


@pytest.fixture
async def queue(queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue in turn, opened and empty; closed after the test."""
    queue = make_queue(queue_settings)
    await queue.open()
    yield queue
    await queue.close()


@pytest.fixture
async def counting_queue(counting_queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue that knows every block, opened and empty; closed after the test."""
    queue = make_queue(counting_queue_settings)
    await queue.open()
    yield queue
    await queue.close()


@pytest.fixture
async def store(store_settings: Settings) -> AsyncIterator[Store]:
    """Each store in turn, opened, migrated and empty; closed after the test."""
    async with opened(store_settings) as store:
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_store(kept_store_settings: Settings) -> AsyncIterator[Store]:
    """Each store in turn, for all tests of a module; these run in the module's event loop."""
    async with opened(kept_store_settings) as store:
        yield store


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    store = make_store(settings)
    await store.open()
    await store.migrate()
    yield store
    await store.close()
