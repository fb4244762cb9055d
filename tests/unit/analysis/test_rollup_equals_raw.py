"""The rollup answers as the raw events do: the same queries compiled both ways (G10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.analysis.bots import without_bots
from tallystick.analysis.dispatch import compile_query, shape
from tallystick.analysis.sources import Sources
from tallystick.model.query import Condition, Interval, Metric, MetricsQuery
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.migrations import migrations
from tests.helpers.thorough import some

NOW = datetime(2025, 12, 1, tzinfo=UTC)
BASE = datetime(2025, 10, 26, 0, 0)
INTERVALS: list[Interval | None] = [None, "hour", "week"]

rows = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["view", "buy"]),
    st.sampled_from(["", "web"]),
    st.sampled_from([None, "u1", "u2", "u3"]),
    st.integers(-3000, 3000),
    st.sampled_from(["{}", '{"$bot":true}', '{"\\u0024bot":true}', '{"$bot":"true"}', '{"$bot":false,"x":1}']),
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for statements in migrations("duckdb"):
        connection.execute(statements)
    yield connection
    connection.close()


def fill(db: duckdb.DuckDBPyConnection, events: list[tuple[str, str, str, str | None, int, str]]) -> None:
    """The events, and what a store appends for them: rollup deltas in two parts, people that repeat."""
    for table in ("events", "rollup", "people"):
        db.execute(f"TRUNCATE {table}")
    for number, (site, name, source, user, minutes, properties) in enumerate(events):
        at = BASE + timedelta(minutes=minutes)
        db.execute(
            "INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, source, properties) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [UUID(int=number), site, name, at, at + timedelta(seconds=number % 7), user, source, properties],
        )
    for part in ("epoch_us(timestamp) % 2 = 0 AND user_id = 'u1'", "NOT coalesce(user_id = 'u1', FALSE)"):
        db.execute(
            "INSERT INTO rollup SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), "
            f"max(received_at), is_bot(properties) FROM events WHERE {part} GROUP BY ALL"
        )
    db.execute(
        "INSERT INTO people SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id, is_bot(properties) "
        "FROM events WHERE user_id IS NOT NULL"
    )


def answer(db: duckdb.DuckDBPyConnection, query: MetricsQuery, rollups: bool) -> tuple[bool, Any]:
    statement = compile_query(query, Sources(DUCKDB, NOW, rollups=rollups))
    found = db.execute(statement.sql, list(statement.params)).fetchall()
    return statement.from_rollup, shape(query, statement, found)


@settings(max_examples=12, deadline=None)
@given(
    events=st.lists(rows, max_size=20),
    edges=st.lists(st.none() | st.integers(-200, 200), min_size=2, max_size=2),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_both_ways_give_the_same(
    database: duckdb.DuckDBPyConnection, events: list[Any], edges: list[int | None], zone: str
) -> None:
    """G10."""
    fill(database, events)
    instants = sorted(BASE.replace(tzinfo=UTC) + timedelta(minutes=15 * edge) for edge in edges if edge is not None)
    times: dict[str, datetime] = dict(zip(["since", "until"], instants, strict=False))
    counts, people = [Metric(), Metric(kind="last_received")], [Metric(kind="users")]
    bodies: list[dict[str, Any]] = [
        {"metrics": counts},
        {"metrics": counts, "breakdown": ["name"], "filter": Condition(field="source", op="=", value="web")},
        {"metrics": counts, "breakdown": ["name", "source"], "top": 1, "other": True},
        {"metrics": people},
        {"metrics": people, "breakdown": ["site_id"]},
        {"metrics": counts + people, "breakdown": ["site_id"]},
        {"metrics": people + counts},
    ]
    for body, interval, site, bots in some(product(bodies, INTERVALS, ["a", None], [None, "exclude"])):
        asked = MetricsQuery(**body, **times, interval=interval, timezone=zone, site_id=site, bots=bots)
        query = without_bots(asked, True)
        assert isinstance(query, MetricsQuery)
        served, rolled_up = answer(database, query, True)
        assert served
        assert answer(database, query, False) == (False, rolled_up), query


def test_a_group_that_was_taken_back_is_gone(database: duckdb.DuckDBPyConnection) -> None:
    fill(database, [("a", "view", "", "u1", 0, "{}")])
    for sign in (1, -1):
        database.execute("INSERT INTO rollup VALUES ('a', '2025-01-01', 'gone', '', ?, '2025-01-01', FALSE)", [sign])
    bodies: list[dict[str, Any]] = [{}, {"top": 5}, {"top": 1, "other": True}, {"interval": "day"}]
    for body in bodies:
        rolled_up, rows = answer(database, MetricsQuery(site_id="a", breakdown=["name"], **body), True)
        assert rolled_up
        assert [row["name"] for row in rows[0]] == ["view"]
