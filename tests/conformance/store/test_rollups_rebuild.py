"""Rollups are counted again from the raw events: whatever was wrong with them, afterwards `verify` finds nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import pytest

from tallystick.model.event import Event
from tallystick.model.query import Metric, MetricsQuery
from tallystick.store import Store
from tallystick.store.base import RebuildReport
from tallystick.store.duckdb.store import DuckDBStore
from tallystick.store.postgres.store import PostgresStore
from tests.helpers.samples import block_of, sample_event

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = [FIRST + timedelta(days=day) for day in range(3)]
BOTS: tuple[Literal["exclude", "include"], ...] = ("exclude", "include")
WRONG = (
    "UPDATE rollup SET events = events + 5 WHERE name = 'tap'",
    "DELETE FROM rollup WHERE name = 'page_view'",
    "INSERT INTO rollup SELECT site_id, bucket, 'invented', source, 7, last_received, bot FROM rollup",
    "DELETE FROM people WHERE user_id = 'user-1'",
    "INSERT INTO people SELECT site_id, bucket, 'nobody', bot FROM people",
)


def events() -> list[Event]:
    """Two sites, three days, two names, seven users and events without one."""
    made = []
    for number in range(600):
        moment = DAYS[number % 3] + timedelta(minutes=7 * number % 1_440)
        event = sample_event(number, timestamp=moment, name=("page_view", "tap")[number % 2])
        site, user = ("shop", "blog")[number % 5 > 2], None if number % 11 == 0 else event.user_id
        made.append(msgspec.structs.replace(event, site_id=site, user_id=user))
    return made


async def damage(store: Store, *statements: str) -> None:
    """Run statements that no code of Tallystick's runs."""
    for statement in statements:
        if isinstance(store, DuckDBStore):
            await store._in(store._writing, store._writer.execute, statement)
        else:
            assert isinstance(store, PostgresStore)
            async with store._write() as connection:
                await connection.execute(statement)


async def counts(store: Store, site: str) -> list[tuple[str, int, int]]:
    query = MetricsQuery(site_id=site, metrics=[Metric(kind="events"), Metric(kind="users")], breakdown=["name"])
    rows = (await store.run(query)).rows
    return sorted((row["name"], row["events"], row["users"]) for row in rows)


async def test_damaged_rollups_are_right_again(store: Store) -> None:
    """G4, G10: and a second time nothing changes."""
    await store.write([block_of(0, events())])
    right = [await counts(store, site) for site in ("shop", "blog")]
    assert set(DAYS) <= set(await store.rollup_days())
    await damage(store, *WRONG)
    if isinstance(store, PostgresStore):
        await damage(store, "DELETE FROM people_days WHERE user_id = 'user-2'")
    assert {difference.check for difference in await store.verify()} == {"rollup", "people"}

    for day in DAYS:
        report = await store.rebuild_rollups(day)
        assert (report.events, report.wrong > 0) == (200, True)
    assert await store.verify() == []
    assert [await counts(store, site) for site in ("shop", "blog")] == right
    assert [await store.rebuild_rollups(day) for day in DAYS] == [RebuildReport(200, 0)] * 3
    assert await store.verify() == []


@pytest.mark.parametrize("bot", ["TRUE", "FALSE", "NOT bot"])
async def test_which_counts_are_those_of_bots(store: Store, bot: str) -> None:
    """Of `user-1` to `user-3` all events are bots', of `user-4` every second one."""
    marked = msgspec.Raw(b'{"$bot":true}')
    made = [
        msgspec.structs.replace(event, properties=marked)
        if event.user_id in {"user-1", "user-2", "user-3"} or (event.user_id == "user-4" and number % 2)
        else event
        for number, event in enumerate(events())
    ]
    await store.write([block_of(0, made)])
    assert await store.verify() == []

    async def answers() -> list[list[dict[str, object]]]:
        metrics = [Metric(kind="events"), Metric(kind="users"), Metric(kind="last_received")]
        both = [MetricsQuery(site_id=None, metrics=metrics, breakdown=["site_id"], bots=bots) for bots in BOTS]
        return [(await store.run(query)).rows for query in both]

    right = await answers()
    assert right[0] != right[1]
    tables = ["rollup", "people", *(["people_days"] if isinstance(store, PostgresStore) else [])]
    await damage(store, *(f"UPDATE {table} SET bot = {bot}" for table in tables))
    assert {difference.check for difference in await store.verify()} == {"rollup", "people"}
    assert await answers() != right
    for day in DAYS:
        await store.rebuild_rollups(day)
    assert await store.verify() == []
    assert await answers() == right


async def test_one_site_alone(store: Store) -> None:
    await store.write([block_of(0, events())])
    await damage(store, "UPDATE rollup SET events = events + 5")
    for day in DAYS:
        await store.rebuild_rollups(day, "blog")
    assert await counts(store, "blog") == [("page_view", 120, 7), ("tap", 120, 7)]
    assert {difference.check for difference in await store.verify()} == {"rollup"}
    for day in DAYS:
        await store.rebuild_rollups(day, "shop")
    assert await store.verify() == []


async def test_a_day_without_events(store: Store) -> None:
    """What a rollup has of it is wrong."""
    assert await store.rebuild_rollups(FIRST) == RebuildReport(0, 0)
    await damage(
        store, f"INSERT INTO rollup VALUES ('shop', '{FIRST:%Y-%m-%d}', 'tap', '', 3, '{FIRST:%Y-%m-%d}', FALSE)"
    )
    assert await store.rollup_days() == [FIRST]
    assert await store.rebuild_rollups(FIRST) == RebuildReport(0, 1)
    assert await store.verify() == []


async def test_while_events_are_loaded(store: Store) -> None:
    """G10: no batch is counted twice, and none is forgotten."""
    blocks = [block_of(seq, events()[60 * seq : 60 * seq + 60]) for seq in range(10)]

    async def load() -> None:
        for block in blocks:
            await store.write([block])

    async def rebuild() -> None:
        for _ in range(3):
            for day in DAYS:
                await store.rebuild_rollups(day)

    await asyncio.gather(load(), rebuild())
    assert await store.verify() == []
    assert sum(count for _, count, _ in await counts(store, "shop") + await counts(store, "blog")) == 600
