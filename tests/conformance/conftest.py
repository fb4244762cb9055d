"""The backends that the conformance suites run on: add a new one to a list below and it has to pass everything.

`queue` and `store` are opened and empty. `queue_settings` and `store_settings` are what they were made from, for tests
that open a second one on the same data. Tests of an ability that only some backends have take `durable_queue_settings`,
`file_queue_settings`, `counting_queue` or `naming_queue`.

A URL that starts with `@` is the name of a fixture that gives it: that of a real server, which starts when the first
test needs it and serves the whole session, with something of its own (a stream, a queue, a database) for each test.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tallystick.config import Settings
from tallystick.queue import Queue, make_queue
from tallystick.store import Store
from tallystick.store.postgres.upkeep import hour_users, user_times, value_counts
from tests.helpers.empty_store import open_empty
from tests.helpers.queue.redis_steps import TAKEOVER, Stream
from tests.helpers.shares import shared_out
from tests.helpers.sql.steps import asks_in_sql, with_store
from tests.helpers.thorough import SEED, THOROUGH
from tests.servers.clickhouse import ClickHouseCluster, ClickHouseServer
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.scratch import scratch_folder

QUEUES = {
    "memory": "memory://",
    "sqlite": "",
    "redis": "@redis_url",
    "rabbitmq": "@rabbitmq_url",
    "kafka": "@kafka_url",
}
"""Queue URL by test id; empty is the default, a file in the data folder."""

DURABLE_QUEUES = {name: url for name, url in QUEUES.items() if name != "memory"}
"""The queues that keep their blocks when the process is gone."""

FILE_QUEUES = {"sqlite": ""}
"""The queues that are a file in the data folder, which one process holds at a time."""

COUNTING_QUEUES = {name: url for name, url in QUEUES.items() if name != "rabbitmq"}
"""The queues that know how many events and bytes wait and since when, also when another process has them."""

NAMING_QUEUES = {name: url for name, url in COUNTING_QUEUES.items() if name != "kafka"}
"""The queues that can name each block that waits, also when another process has it."""

STORES = {
    "duckdb": "",
    "postgres": "@postgres_url",
    "clickhouse": "@clickhouse_url",
    "sharded": "@sharded_url",
}
"""Store URL by test id; empty is the default, a file in the data folder."""

NOT_ON_CLICKHOUSE: dict[str, str] = {
    "test_kept_rollups": "rollups",
    "test_rollups_rebuild::test_damaged_rollups_are_right_again": "rollups",
    "test_rollups_rebuild::test_which_counts_are_those_of_bots": "rollups",
    "test_rollups_rebuild::test_one_site_alone": "rollups",
    "test_rollups_rebuild::test_a_day_without_events": "rollups",
    "test_identity_tables::test_a_store_that_was_filled_before_knows_its_persons": "schemas of before it had persons",
    "test_placeholders::test_a_store_that_joined_them_is_mended": "schemas of before it knew placeholders",
    "test_bots::test_bots_of_an_older_store": "schemas of before it knew bots",
}
"""Tests that ClickHouse, on one server or over shards, does not take part in, `module` or `module::test`, and what it
lacks for them: README.md, "Not there yet". They are left out of the run.
"""

NOT_OVER_SHARDS: dict[str, str] = {
    "test_store_answers::test_no_number_makes_an_answer_fail": "each shard adds up alone",
    "test_identity_tables::test_verify_finds_what_is_wrong": "it damages tables by DELETE",
}
"""More tests that ClickHouse over shards does not take part in, and why."""

LONG_OVER_SHARDS = ("test_erase", "test_identity_tables", "test_imports_undone", "test_move", "test_retention_rules")
"""Modules whose tests take minutes over shards: `make faults` runs them there."""
SHARDED_TESTS = 1 / 4
"""Of the other tests `make test` takes so many to draw their server with shards among the servers."""

PAIRS = {
    ("memory", "duckdb"),
    ("sqlite", "duckdb"),
    ("sqlite", "postgres"),
    ("redis", "postgres"),
    ("rabbitmq", "postgres"),
    ("kafka", "postgres"),
    ("kafka", "clickhouse"),
}
"""Which of them `make test` puts together: each with one that it is run with. `make faults` takes every pair."""

PAIRS_OF_A_TEST = 2
"""On how many of these each test is run by `make test`, others after each change."""
MOVES_OF_A_TEST = 1
"""With how many pairs of stores each test of `tallystick move` is run."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the other pairs; and of each test a share of the stores and pairs, where a run has to be over soon."""
    left_out = [
        item
        for item in items
        if not (THOROUGH or _pair(item) in PAIRS or None in _pair(item))
        or (_pair(item)[1] in ("clickhouse", "sharded") and _names(item) & NOT_ON_CLICKHOUSE.keys())
        or (_pair(item)[1] == "sharded" and _names(item) & NOT_OVER_SHARDS.keys())
    ]
    if not THOROUGH:
        known = set(left_out)
        left_out += _not_this_time([item for item in items if item not in known])
    config.hook.pytest_deselected(items=left_out)
    known = set(left_out)
    items[:] = [item for item in items if item not in known]


def _not_this_time(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The cases of other runs. This one takes each test of a store on DuckDB and on one of the servers; and in one of
    the states that a test goes through.
    """
    over_shards = {item for item in items if _is_over_shards(item) and not _takes_shards(item)}
    others = [item for item in items if item not in over_shards]
    of_servers = [item for item in others if _pair(item)[0] is None and _pair(item)[1] not in (None, "duckdb")]
    of_pairs = [item for item in others if None not in _pair(item)]
    of_moves = [item for item in others if _parameter(item, "pair") is not None]
    of_states = [item for item in items if _state(item) is not None]
    taken = {
        *shared_out(of_servers, _test, _pair, 1),
        *shared_out(of_pairs, _test, _pair, PAIRS_OF_A_TEST),
        *shared_out(of_moves, _test, lambda item: _parameter(item, "pair"), MOVES_OF_A_TEST),
    }
    left_out = [*over_shards, *(item for item in [*of_servers, *of_pairs, *of_moves] if item not in taken)]
    in_states = set(shared_out(of_states, lambda item: f"{_test(item)} {_pair(item)}", _state, 1))
    return [*left_out, *(item for item in of_states if item not in in_states)]


def _is_over_shards(item: pytest.Item) -> bool:
    return _pair(item)[1] == "sharded" or "sharded" in (_parameter(item, "pair") or ())


def _takes_shards(item: pytest.Item) -> bool:
    """Whether this run may take the test over shards."""
    is_long = not _names(item).isdisjoint(LONG_OVER_SHARDS)
    return not is_long and random.Random(f"{SEED} shards {_test(item)}").random() < SHARDED_TESTS


def _test(item: pytest.Item) -> str:
    """The test's name without what it is run with."""
    return item.nodeid.partition("[")[0]


def _state(item: pytest.Item) -> str | None:
    """The state of what a store builds ahead, for tests that are run in several."""
    state: str | None = _parameter(item, "state")
    return state


def _parameter(item: pytest.Item, name: str) -> Any:
    """What a test is run with; None: it has no such parameter."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(name) if callspec else None


@cache
def _pair(item: pytest.Item) -> tuple[str | None, str | None]:
    """The names of the queue and of the store that a test is run with."""
    found: list[str | None] = []
    for kinds, fixtures in (
        (QUEUES, ("queue_settings", "durable_queue_settings")),
        (STORES, ("store_settings", "kept_store_settings")),
    ):
        callspec = getattr(item, "callspec", None)
        given = [callspec.params[fixture] for fixture in fixtures if callspec and fixture in callspec.params]
        found.append(next((name for name, url in kinds.items() if url in given or name in given), None))
    return found[0], found[1]


def _names(item: pytest.Item) -> set[str]:
    """The names under which NOT_ON_CLICKHOUSE may have a test."""
    module = item.path.stem
    return {module, f"{module}::{item.name.partition('[')[0]}"}


@pytest.fixture(autouse=True)
def builds_of_few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PostgreSQL builds from events only in large stores, and of many events together, it builds of these few."""
    for module in (hour_users, user_times, value_counts):
        monkeypatch.setattr(module, "LEAST", 1)
    monkeypatch.setattr(value_counts, "EVENTS_MIN", 1)
    monkeypatch.setattr(value_counts, "SEARCH_EVERY", 0.0)


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
def kafka_server() -> Iterator[KafkaServer]:
    """A Kafka broker that serves all tests."""
    with scratch_folder("kafka", in_memory=True) as folder:
        server = KafkaServer(folder, tls=True)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def kafka_url(kafka_server: KafkaServer) -> str:
    """A topic of its own, of one partition: tests expect the order in which blocks were published."""
    return f"{kafka_server.url}/test-{secrets.token_hex(4)}?partitions=1"


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
    """A database of its own; with the store's tables, where a test takes the open `store`."""
    migrated = "store" in request.fixturenames
    url = postgres_server.new_database(statements=asks_in_sql(request), migrated=migrated)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def clickhouse_server() -> Iterator[ClickHouseServer]:
    """A ClickHouse that serves all tests; none of them kills it."""
    with scratch_folder("clickhouse", in_memory=True) as folder:
        server = ClickHouseServer(folder)
        server.start()
        yield server
        server.stop()


def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse's newest events are looked for from a bound on, however few events there are."""
    monkeypatch.setattr("tallystick.store.clickhouse.newest.LITTLE", 0)


@pytest.fixture
def clickhouse_url(
    request: pytest.FixtureRequest, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A database of its own."""
    as_if_large(monkeypatch)
    url = clickhouse_server.new_database(statements=asks_in_sql(request))
    yield url
    clickhouse_server.drop_database(url)


@pytest.fixture(scope="session")
def sharded_server() -> Iterator[ClickHouseCluster]:
    """Two shards of ClickHouse that serve all tests; none of them kills one."""
    with scratch_folder("sharded", in_memory=True) as folder:
        cluster = ClickHouseCluster(folder)
        cluster.start()
        yield cluster
        cluster.stop()


@pytest.fixture
def sharded_url(
    request: pytest.FixtureRequest, sharded_server: ClickHouseCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A database of its own over both."""
    as_if_large(monkeypatch)
    url = sharded_server.new_database(statements=asks_in_sql(request))
    yield url
    sharded_server.drop_database(url)


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
    """Settings of each queue that knows how much waits, in turn."""
    return settings.model_copy(update={"queue_url": url_of(request)})


@pytest.fixture(params=list(NAMING_QUEUES.values()), ids=list(NAMING_QUEUES))
def naming_queue_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of each queue that can name every block, in turn."""
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
    server: PostgresServer | ClickHouseServer | ClickHouseCluster = request.getfixturevalue(f"{request.param}_server")
    if isinstance(server, PostgresServer):
        url = server.new_database(statements=asks_in_sql(request), migrated=True)
    else:
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
async def naming_queue(naming_queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue that can name every block, opened and empty; closed after the test."""
    queue = make_queue(naming_queue_settings)
    await queue.open()
    yield queue
    await queue.close()


@pytest.fixture
async def counting_queue(counting_queue_settings: Settings) -> AsyncIterator[Queue]:
    """Each queue that knows how much waits, opened and empty; closed after the test."""
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
    store = await open_empty(settings)
    yield store
    await store.close()
