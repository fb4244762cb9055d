"""The column `origin` on ClickHouse: the texts of the properties that a channel depends on, whenever an event came."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES
from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.query import SessionsQuery
from tallystick.store import migrations as numbered
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.clickhouse.tables.schema import statements_of
from tallystick.store.migrations import migrations
from tests.helpers.query_steps import same
from tests.helpers.samples import NOON, block_of, sample_event
from tests.oracle.sessions import answer_sessions
from tests.servers.clickhouse import ClickHouseServer

VALUES = [
    '"google"',
    '"News\\u006cetter"',
    '"a\\"b\\\\c/d"',
    '""',
    "null",
    "true",
    "1.0",
    "-0",
    "123456789012345678901234567890",
    "1.5e3",
    '[1.0,"x"]',
    '{"a":2.50}',
    '"1.0"',
    '"ü\\u001f"',
]
"""JSON texts of a property."""


def events() -> list[Event]:
    """Each value under each key, alone and beside others, and events without any of the keys."""
    found = [b"", b'{"other":"utm_source"}', b'{"utm\\u005fsource":"google"}', b'{"utm_term":"shoes"}']
    for place, key in enumerate(CHANNEL_PROPERTIES):
        second = CHANNEL_PROPERTIES[place - 1]
        for index, value in enumerate(VALUES):
            found.append(f'{{"{key}":{value}}}'.encode())
            found.append(f'{{"n":1,"{second}":{VALUES[index - 1]},"{key}":{value}}}'.encode())
    # A visit of its own each, since the users come again after an hour at the earliest.
    return [sample_event(n, timestamp=NOON + timedelta(minutes=10 * n), properties=p) for n, p in enumerate(found)]


@pytest.fixture
def settings(settings: Settings, clickhouse_url: str) -> Settings:
    return settings.model_copy(update={"store_url": clickhouse_url})


def database(settings: Settings) -> str:
    return settings.resolved_store_url.rpartition("/")[2]


async def check(store: ClickHouseStore, stored: list[Event]) -> None:
    """Channels and referrers are those of the oracle."""
    for field in ("channel", "referrer"):
        query = SessionsQuery(site_id=stored[0].site_id, breakdown=[field], top=100)
        got, wanted = (await store.run(query)).rows, answer_sessions(query, stored)
        assert same(got, wanted), f"{field}\nstore:  {got}\noracle: {wanted}"


async def test_it_has_the_texts_that_a_question_would_parse(
    settings: Settings, clickhouse_server: ClickHouseServer
) -> None:
    store = ClickHouseStore(settings)
    await store.open()
    stored = events()
    await store.write([block_of(0, stored)])
    await check(store, stored)
    await store.close()
    texts = [CLICKHOUSE.property_text.format(f"'{key}'", json=CLICKHOUSE.properties) for key in CHANNEL_PROPERTIES]
    found = clickhouse_server.sql(
        f"SELECT properties, origin, [{', '.join(texts)}] FROM events ORDER BY timestamp FORMAT JSONCompactEachRow",
        database(settings),
    )
    rows = [json.loads(line) for line in found.splitlines()]
    assert len(rows) == len(stored)
    assert sum(origin != "" for _, origin, _ in rows) > len(VALUES) * len(CHANNEL_PROPERTIES)
    for properties, origin, parsed in rows:
        wanted = parsed if any(text is not None for text in parsed) else []
        assert (json.loads(origin) if origin else []) == wanted, properties


@pytest.mark.parametrize("done", range(len(statements_of(migrations("clickhouse")[3], None)) + 1))
async def test_events_of_an_older_schema_have_it_too(
    settings: Settings, clickhouse_server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """A process stops after any of the migration's statements, before it notes the version; the next one goes on."""
    steps = list(migrations("clickhouse"))
    stored = events()
    half = len(stored) // 2
    with monkeypatch.context() as patch:
        patch.setattr(numbered, "migrations", lambda _: steps[:3])
        store = ClickHouseStore(settings)
        await store.open()
        assert await store.migrate() == 3
        await store.write([block_of(0, stored[:half])])
        await store.close()
    for statement in statements_of(steps[3], None)[:done]:
        clickhouse_server.sql(statement, database(settings))

    store = ClickHouseStore(settings)
    await store.open()
    assert await store.migrate() == len(steps)
    await store.write([block_of(1, stored[half:])])
    await check(store, stored)
    assert await store.verify() == []
    await store.close()
    kinds = clickhouse_server.sql(
        "SELECT default_kind FROM system.columns "
        "WHERE database = currentDatabase() AND table = 'events' AND name = 'origin'",
        database(settings),
    )
    assert kinds == "DEFAULT\n"
