"""The SQL of queries that read what the stores materialize ahead of queries, as snapshots; see test_compile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sessions.days import BuiltDay
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.clickhouse.sources import USER_KEYS
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.upkeep.sessions_sql import index_ctes
from tallystick.store.duckdb.upkeep.user_numbers import numbered_users
from tallystick.store.postgres.dialect import POSTGRES
from tallystick.store.postgres.upkeep.sessions import session_index
from tallystick.store.postgres.upkeep.user_times import user_numbers
from tallystick.store.postgres.upkeep.watermark import Load, Progress
from tests.unit.analysis.test_compile import MAY, NOW, QUERIES, check_snapshot, compiled


@pytest.mark.parametrize(
    ("name", "new_events"), [("sessions/sessions_daily_indexed", 0), ("sessions/sessions_by_channel_indexed", 7)]
)
def test_generated_sql_of_indexed_sessions(name: str, new_events: int) -> None:
    """Without events after the watermark, and with some."""
    query = QUERIES["sessions_by_channel_and_other" if new_events else "sessions_daily"] | {"filter": None}
    index = SessionIndex(partial(index_ctes, 1_000, new_events))
    check_snapshot(name, DUCKDB, compiled(query, DUCKDB, session_index=index))


def test_generated_sql_of_sessions_by_day() -> None:
    """Rows of built days and events of all others; not where the range has no whole day, or the rows lack a text."""
    starts = [datetime(2025, 5, day, tzinfo=UTC) for day in (1, 2, 4, 31)]
    days = [BuiltDay(start, 10 + index, 100) for index, start in enumerate(starts)]
    query = QUERIES["sessions_by_channel_and_other"] | {"filter": None}
    check_snapshot("sessions/sessions_by_day", CLICKHOUSE, compiled(query, CLICKHOUSE, session_days=days))
    for changed in (
        {"since": "2025-05-05T00:00:01Z", "until": "2025-05-20T00:00:00Z"},
        {"breakdown": ["user_id"]},
        {"breakdown": ["properties.plan"]},
        {"page_names": ["other"]},
        {"filter": {"field": "path", "op": "set"}},
    ):
        assert "session_parts" not in compiled(query | changed, CLICKHOUSE, session_days=days).sql


@pytest.mark.parametrize(("name", "new_events"), [("paths/paths_of_trails", 0), ("paths/paths_of_trails_to_a_page", 7)])
def test_generated_sql_of_trails(name: str, new_events: int) -> None:
    to_a_page = {"end": "/buy", "merge": False, "site_id": None, "since": None} if new_events else {}
    index = SessionIndex(partial(index_ctes, 1_000, new_events))
    check_snapshot(name, DUCKDB, compiled(QUERIES["paths"] | to_a_page, DUCKDB, session_index=index))


LATER = "load_id BETWEEN 7 AND 9"


@pytest.mark.parametrize(
    ("name", "is_new", "query"),
    [
        ("sessions/sessions_daily_indexed", None, {"timezone": "Asia/Kathmandu", "interval": "day"}),
        ("sessions/sessions_of_counts_and_later_events", LATER, {"breakdown": ["channel"], "metrics": ["sessions"]}),
        ("sessions/medians_of_counts", None, {"breakdown": ["entry_page"], "metrics": ["sessions", "median_duration"]}),
        ("paths/paths_of_trails", None, QUERIES["paths"]),
        (
            "paths/paths_of_trails_to_a_page",
            LATER,
            QUERIES["paths"] | {"end": "/buy", "merge": False, "site_id": None, "since": None},
        ),
    ],
)
def test_generated_sql_of_the_index_on_postgresql(name: str, is_new: str | None, query: dict[str, Any]) -> None:
    """Rows of sessions where buckets are no whole hours, otherwise their sums, and the medians that they lead to."""
    body = {"kind": "sessions", "since": "2025-05-01T00:00:00Z", "until": "2025-06-01T00:00:00Z"} | query
    check_snapshot(name, POSTGRES, compiled(body, POSTGRES, session_index=session_index(is_new)))


@pytest.mark.parametrize(
    ("name", "new_events"),
    [("funnel/funnel_of_user_numbers", 0), ("funnel/funnel_of_user_numbers_and_later_events", 7)],
)
def test_generated_sql_of_user_numbers(name: str, new_events: int) -> None:
    user_numbers = numbered_users(1_000, new_events)
    check_snapshot(name, DUCKDB, compiled(QUERIES["funnel"], DUCKDB, user_numbers=user_numbers))


@pytest.mark.parametrize(
    ("name", "new_events"), [("funnel/funnel_of_user_times", 0), ("funnel/funnel_of_user_times_and_later_events", 7)]
)
def test_generated_sql_of_user_times(name: str, new_events: int) -> None:
    user_numbers = numbered_users(1_000, new_events, 900)
    query = QUERIES["funnel"] if new_events else QUERIES["funnel"] | {"since": None, "until": None}
    check_snapshot(name, DUCKDB, compiled(query, DUCKDB, user_numbers=user_numbers))


CUT = {"until": "2025-06-01T00:00:01Z"}
TIMES_BY_DAY = user_numbers(Progress(3, None, []))
TIMES_AND_A_LOAD = user_numbers(Progress(3, None, [Load(7, NOW - timedelta(days=40), NOW, 5, None)]))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("funnel/funnel_of_user_times", QUERIES["funnel"]),
        (
            "funnel/funnel_of_user_times_by_path",
            QUERIES["funnel"]
            | {"breakdown": "path", "until": "2025-06-01T00:00:01Z", "steps": QUERIES["funnel"]["steps"][:2]},
        ),
        ("retention/retention_of_user_times", QUERIES["retention_of_events"] | {"returning": {"name": "buy"}}),
    ],
)
def test_generated_sql_of_user_times_on_postgresql(name: str, body: dict[str, Any]) -> None:
    """Of whole days, and of a range whose edge cuts a day's times."""
    check_snapshot(name, POSTGRES, compiled(body, POSTGRES, user_numbers=TIMES_BY_DAY))
    statement = compiled(body, POSTGRES, user_numbers=TIMES_AND_A_LOAD)
    assert "LEFT JOIN user_numbers" in statement.sql


def test_retention_reads_times_where_days_and_names_are_all_it_needs() -> None:
    def reads_times(**changes: object) -> bool:
        body = {"kind": "retention", "start": {"name": "sign_up"}, "interval": "week", **MAY, **changes}
        return "user_times" in compiled(body, POSTGRES, user_numbers=TIMES_BY_DAY).sql

    assert reads_times()
    assert reads_times(mode="recurring", returning={"name": "buy"}, interval="day")
    assert reads_times(filter={"field": "properties.$bot", "op": "!=", "value": True})
    assert not reads_times(start={})
    assert not reads_times(start={"name": "sign_up", "filter": {"field": "path", "op": "set"}})
    assert not reads_times(filter={"field": "path", "op": "set"})
    assert not reads_times(timezone="Europe/Berlin")
    assert not reads_times(until="2025-06-01T00:15:00Z")


def test_the_first_page_of_users_is_looked_up_where_people_says_who_they_are() -> None:
    def is_looked_up(**changes: object) -> bool:
        return "newest_users" in compiled({"kind": "people", **changes}, POSTGRES).sql

    check_snapshot("users/people_seen_last", POSTGRES, compiled({"kind": "people", "search": "An", **MAY}, POSTGRES))
    assert is_looked_up()
    assert is_looked_up(filter={"field": "properties.$bot", "op": "!=", "value": True})
    assert not is_looked_up(ascending=True)
    assert not is_looked_up(order="events")
    assert not is_looked_up(site_id=None)
    assert not is_looked_up(filter={"field": "path", "op": "set"})
    assert not is_looked_up(until="2025-06-01T00:15:01Z")
    assert "newest_users" not in compiled({"kind": "people"}, POSTGRES, persons=True).sql
    assert "newest_users" not in compiled({"kind": "people"}, DUCKDB).sql


def test_times_are_read_where_steps_are_names_alone() -> None:
    user_numbers = numbered_users(1_000, 0, 900)
    plan = {"field": "properties.plan", "op": "=", "value": "pro"}
    steps = [{"name": "view"}, {"name": "buy"}]

    def reads_times(**changes: object) -> bool:
        return (
            "user_times"
            in compiled({"kind": "funnel", "steps": steps, **changes}, DUCKDB, user_numbers=user_numbers).sql
        )

    assert reads_times()
    assert reads_times(breakdown="path")
    assert not reads_times(filter=plan)
    assert not reads_times(steps=[*steps, {"name": "add", "filter": plan}])
    assert not reads_times(steps=[*steps, steps[0]])
    assert not reads_times(order="strict")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("funnel/funnel_of_user_keys", "funnel"),
        ("metrics/users_of_user_keys", "filtered_metrics_of_users"),
        ("retention/retention_of_user_keys", "retention_from_people"),
    ],
)
def test_generated_sql_of_user_keys(name: str, query: str) -> None:
    """ClickHouse tells users apart by a hash; filters still read the id that was sent."""
    check_snapshot(name, CLICKHOUSE, compiled(QUERIES[query], CLICKHOUSE, user_numbers=USER_KEYS))


def test_generated_sql_of_user_numbers_and_property_columns() -> None:
    columns = {"plan": PropertyColumn(0, 1)}
    query = QUERIES["filtered_metrics_of_users"]
    statement = compiled(query, DUCKDB, property_columns=columns, user_numbers=numbered_users(1_000, 7))
    check_snapshot("metrics/users_of_user_numbers_and_later_events", DUCKDB, statement)
