"""The newest events on ClickHouse are looked for from a bound on their time: the same events, and few rows are read."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.query import Condition, EventsQuery, KeysQuery, Query, ValuesQuery
from tallystick.store.clickhouse import ClickHouseStore
from tests.helpers.query_steps import check, make_event, put
from tests.helpers.thorough import some
from tests.servers.clickhouse import ClickHouseServer

MANY = 200_000
FEW = 60_000
"""Rows: a few granules of 8,192 for a count and for a page."""
FILL = f"""
INSERT INTO events (event_id, site_id, name, timestamp, received_at, properties, version)
SELECT
    generateUUIDv4(), 'default', 'page_view',
    toDateTime64('2026-11-28 00:00:00', 6) + number * 0.4, now64(6), '{{"n":1}}', 1
FROM numbers({MANY})
"""


@pytest.fixture
async def store(settings: Settings, clickhouse_url: str) -> AsyncIterator[ClickHouseStore]:
    store = ClickHouseStore(settings.model_copy(update={"store_url": clickhouse_url}))
    await store.open()
    await store.migrate()
    yield store
    await store.close()


def spread(draw: random.Random, site: str, count: int) -> list[Event]:
    """Events of a fraction of a second ago to years ago, some at one time, and some of tomorrow."""
    now = datetime.now(UTC)
    events = []
    for number in range(count):
        age = draw.choice([10 ** draw.uniform(-2, 8), 10 ** draw.uniform(-2, 8), 60.0, -86_400.0])
        happened = now - timedelta(seconds=age)
        name = "rare" if draw.random() < 0.03 else "often"
        events.append(make_event(number, site, timestamp=happened, name=name, properties={f"a{number % 7}": 1}))
    return events


@pytest.mark.parametrize("seed", some(range(4)))
async def test_pages_and_samples_are_those_of_all_events(store: ClickHouseStore, seed: int) -> None:
    """G10: however the events lie in time, and however few of them the filter leaves."""
    draw = random.Random(seed)
    events = [*spread(draw, "one", 250), *spread(draw, "two", 40)]
    await put(store, events)
    scope: dict[str, Any]
    for scope in (
        {"site_id": "one"},
        {"site_id": "two"},
        {"site_id": None},
        {"site_id": "one", "until": datetime.now(UTC) - timedelta(days=2)},
        {"site_id": "one", "since": datetime.now(UTC) - timedelta(hours=1)},
    ):
        queries: list[Query] = [
            EventsQuery(**scope, limit=draw.choice([9, 40])),
            EventsQuery(**scope, limit=2, filter=Condition(field="name", op="=", value="rare")),
            EventsQuery(**scope, limit=2, filter=Condition(field="name", op="=", value="never")),
            KeysQuery(**scope, sample=draw.choice([1, 20, 500])),
            ValuesQuery(**scope, field="name", sample=draw.choice([1, 20, 500])),
        ]
        for query in queries:
            await check(store, query, events)


@pytest.mark.parametrize(
    "query",
    [EventsQuery(limit=50), EventsQuery(site_id=None, limit=50), KeysQuery(sample=1_000)],
    ids=["a page", "a page of all sites", "keys"],
)
async def test_of_a_large_day_few_rows_are_read(
    store: ClickHouseStore, clickhouse_server: ClickHouseServer, query: Query
) -> None:
    database = urlsplit(store._settings.resolved_store_url).path[1:]
    clickhouse_server.sql(FILL, database)

    def read() -> int:
        return int(clickhouse_server.sql("SELECT value FROM system.events WHERE event = 'SelectedRows'", database))

    before = read()
    rows = (await store.run(query)).rows
    assert rows
    assert read() - before < FEW
