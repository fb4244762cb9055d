"""The SQL of queries that read what DuckDB materializes ahead of queries, as snapshots; see test_compile."""

from __future__ import annotations

from functools import partial

import pytest

from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.upkeep.sessions_sql import index_ctes
from tallystick.store.duckdb.upkeep.user_numbers import numbered_users
from tests.unit.analysis.test_compile import QUERIES, check_snapshot, compiled


@pytest.mark.parametrize(
    ("name", "new_events"), [("sessions/sessions_daily_indexed", 0), ("sessions/sessions_by_channel_indexed", 7)]
)
def test_generated_sql_of_indexed_sessions(name: str, new_events: int) -> None:
    """Without events after the watermark, and with some."""
    query = QUERIES["sessions_by_channel_and_other" if new_events else "sessions_daily"] | {"filter": None}
    index = SessionIndex(partial(index_ctes, 1_000, new_events))
    check_snapshot(name, DUCKDB, compiled(query, DUCKDB, session_index=index))


@pytest.mark.parametrize(("name", "new_events"), [("paths/paths_of_trails", 0), ("paths/paths_of_trails_to_a_page", 7)])
def test_generated_sql_of_trails(name: str, new_events: int) -> None:
    to_a_page = {"end": "/buy", "merge": False, "site_id": None, "since": None} if new_events else {}
    index = SessionIndex(partial(index_ctes, 1_000, new_events))
    check_snapshot(name, DUCKDB, compiled(QUERIES["paths"] | to_a_page, DUCKDB, session_index=index))


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


def test_generated_sql_of_user_numbers_and_property_columns() -> None:
    columns = {"plan": PropertyColumn(0, 1)}
    query = QUERIES["filtered_metrics_of_users"]
    statement = compiled(query, DUCKDB, property_columns=columns, user_numbers=numbered_users(1_000, 7))
    check_snapshot("metrics/users_of_user_numbers_and_later_events", DUCKDB, statement)
