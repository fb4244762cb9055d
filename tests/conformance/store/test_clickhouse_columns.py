"""Property columns on ClickHouse: whichever properties have them, and whenever they came, the answers are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product

import pytest

from tallystick.config import Settings
from tallystick.model.query import Condition, EventsQuery, Metric, MetricsQuery
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.upkeep.property_columns import COLUMNS_MAX, column_of
from tests.helpers.query_steps import KEYS, NUMBERS, check, fixed_events, put
from tests.helpers.samples import block_of, sample_event
from tests.helpers.thorough import some
from tests.servers.clickhouse import ClickHouseServer


@pytest.fixture
def settings(settings: Settings, clickhouse_url: str) -> Settings:
    return settings.model_copy(update={"store_url": clickhouse_url})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[ClickHouseStore]:
    store = ClickHouseStore(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def columns_of(server: ClickHouseServer, settings: Settings) -> dict[str, str]:
    """The property columns that hold texts: key and type."""
    database = settings.resolved_store_url.rpartition("/")[2]
    found = server.sql(
        "SELECT comment, type FROM system.columns WHERE database = currentDatabase() AND table = 'events' "
        "AND match(name, '^p[0-9]+$') FORMAT TSVRaw",
        database,
    )
    return dict(line.split("\t") for line in found.splitlines())


async def test_every_filter_and_breakdown_reads_them(settings: Settings) -> None:
    """G10: of rows that were stored before the columns came, and after."""
    events = fixed_events("columns")
    async with opened(settings) as store:
        await put(store, events)  # with housekeeping between its two halves
        plain, wanted = [], []
        for key, value in some(product(KEYS, ["a", "1", "true", "{}", *NUMBERS, True, None])):
            op = "set" if value is None else "="
            plain.append(Condition(field=f"properties.{key}", op=op, value=value))
        for test in plain:
            wanted.append(MetricsQuery(site_id="columns", filter=test))
        for key in KEYS:
            wanted.append(
                MetricsQuery(
                    site_id="columns",
                    breakdown=[f"properties.{key}"],
                    metrics=[Metric(kind="events"), Metric(kind="sum", property=key)],
                )
            )
        for query in wanted:
            await check(store, query, events)
        await check(store, EventsQuery(site_id="columns", limit=3), events)


async def test_frequent_keys_get_columns_and_others_do_not(
    settings: Settings, clickhouse_server: ClickHouseServer
) -> None:
    """A dictionary where there are few values; none for what is rare or long; and not more than COLUMNS_MAX."""
    rare = b'{"plan":"pro","long":"%s","number":%d,"rare":1}'
    often = b'{"plan":"free","long":"%s","number":%d}'
    events = [sample_event(n, properties=(often if n else rare) % (b"x" * 200, n)) for n in range(2_000)]
    async with opened(settings) as store:
        await store.maintain()  # finds no events, and looks again
        await store.write([block_of(0, events)])
        store._housekeeper._swept_at = None
        await store.maintain()
        assert columns_of(clickhouse_server, settings) == {
            "plan": "LowCardinality(Nullable(String))",
            "number": "Nullable(String)",
        }
        await check(store, MetricsQuery(site_id=events[0].site_id, breakdown=["properties.plan"]), events)
    many = b"{" + b",".join(b'"key %d":1' % n for n in range(2 * COLUMNS_MAX)) + b"}"
    async with opened(settings) as store:
        await store.write([block_of(1, [sample_event(10_000 + n, properties=many) for n in range(100)])])
        await store.maintain()
        assert len(columns_of(clickhouse_server, settings)) == COLUMNS_MAX


def test_a_key_has_the_same_column_everywhere() -> None:
    """Whichever process makes it: two may add different keys at the same time."""
    assert column_of("plan").text == "p214625113730689"
    assert len({column_of(key).text for key in KEYS}) == len(KEYS)
