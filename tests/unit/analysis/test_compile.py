"""Queries become SQL: the statements as files in tests/snapshots/<dialect>/<analysis>/, and which table serves a query.

`UPDATE_SNAPSHOTS=1 pytest tests/unit/analysis` writes the files again; read the difference before you commit it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tallystick.analysis.cursor import Key, decode_cursor, encode_cursor
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.dispatch import compile_query
from tallystick.analysis.events.compile import EVENT_KEY, compile_export
from tallystick.analysis.metrics.compile import cursor_key
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.errors import InvalidRequest
from tallystick.model.query import FILTER_CONDITIONS_MAX, Condition, EventsQuery, MetricsQuery, Query
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.postgres.dialect import POSTGRES

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
FOLDERS = {
    "metrics": "metrics",
    "events": "events",
    "keys": "events",
    "values": "events",
    "sessions": "sessions",
    "paths": "paths",
    "people": "users",
    "funnel": "funnel",
    "funnel_users": "funnel",
    "retention": "retention",
    "lifecycle": "retention",
    "stickiness": "retention",
    "active_users": "retention",
}
"""The folder of snapshots for each kind of query."""
ENGINES = [DUCKDB, POSTGRES, CLICKHOUSE]
NOW = datetime(2025, 7, 1, tzinfo=UTC)
MAY: dict[str, Any] = {"since": "2025-05-01T00:00:00Z", "until": "2025-06-01T00:00:00Z"}
FEBRUARY: dict[str, Any] = {"since": "2025-02-01T00:00:00Z", "until": "2025-03-01T00:00:00Z"}
YEAR: dict[str, Any] = {"since": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
PRO: dict[str, Any] = {"field": "properties.plan", "op": "=", "value": "pro"}
SIGNUPS: dict[str, Any] = {"name": "signups", "filter": {"field": "name", "op": "=", "value": "signup"}}
VIEWS: dict[str, Any] = {"name": "views", "filter": {"field": "name", "op": "=", "value": "page_view"}}
EVENT_ID = "0198f1c2-0000-7000-8000-000000000001"

QUERIES: dict[str, dict[str, Any]] = {
    "total": {"kind": "metrics"},
    "daily_from_rollup": {"kind": "metrics", "interval": "day", "timezone": "Europe/Berlin", **YEAR},
    "daily_users_from_people": {"kind": "metrics", "metrics": [{"kind": "users"}], "interval": "day", **MAY},
    "daily_events_and_users": {
        "kind": "metrics",
        "metrics": [{"kind": "events"}, {"kind": "users"}],
        "interval": "week",
        "breakdown": ["site_id"],
        "site_id": None,
        **MAY,
    },
    "top_names_from_rollup": {"kind": "metrics", "breakdown": ["name"], "top": 10, **MAY},
    "top_paths": {"kind": "metrics", "breakdown": ["path"], "top": 10, **MAY},
    "top_paths_monthly_and_other": {
        "kind": "metrics",
        "breakdown": ["path"],
        "top": 3,
        "other": True,
        "interval": "month",
        **MAY,
    },
    "hourly_half_hour_change": {
        "kind": "metrics",
        "metrics": [{"kind": "sessions"}],
        "interval": "hour",
        "timezone": "Australia/Lord_Howe",
        "since": "2025-04-05T00:00:00Z",
        "until": "2025-04-07T00:00:00Z",
    },
    "numbers_by_property": {
        "kind": "metrics",
        "metrics": [{"kind": kind, "property": "amount"} for kind in ("sum", "avg", "min", "median", "p90", "p95")],
        "breakdown": ["properties.plan", "source"],
    },
    "estimates": {
        "kind": "metrics",
        "metrics": [{"kind": "users"}, {"kind": "sessions"}, {"kind": "events_per_user"}],
        "breakdown": ["name"],
        "approximate": True,
    },
    "all_filters": {
        "kind": "metrics",
        "filter": {
            "all": [
                {"field": "path", "op": "=", "value": "/a"},
                {"field": "properties.plan", "op": "!=", "value": "free"},
                {"field": "properties.amount", "op": ">", "value": 10},
                {"field": "properties.amount", "op": "<", "value": 20.5},
                {"field": "user_id", "op": ">", "value": "m"},
                {"field": "properties.mixed", "op": "in", "value": ["a", "b", 1, True]},
                {"field": "event_id", "op": "=", "value": EVENT_ID.upper()},
                {"any": [{"field": "name", "op": "contains", "value": "buy"}, {"field": "session_id", "op": "set"}]},
                {"any": []},
                {"all": [{"field": "source", "op": "not_set"}]},
                {"field": "name", "op": "=", "value": 5},
            ]
        },
    },
    "users_of_a_range": {"kind": "metrics", "metrics": [{"kind": "users"}], **MAY},
    "users_per_path_and_other": {
        "kind": "metrics",
        "metrics": [{"kind": "users"}],
        "breakdown": ["path"],
        "top": 3,
        "other": True,
        **MAY,
    },
    "events_per_user": {"kind": "metrics", "metrics": [{"kind": "events_per_user"}], "breakdown": ["name"]},
    "newest_events_of_all_sites": {"kind": "events", "site_id": None},
    "newest_events": {"kind": "events", "filter": {"field": "name", "op": "=", "value": "buy"}},
    "timeline": {"kind": "events", "user_id": "ann", "ascending": True, "limit": 50},
    "keys": {"kind": "keys", **MAY},
    "values_of_a_property": {"kind": "values", "field": "properties.plan", "search": "Pro"},
    "sessions_daily": {"kind": "sessions", "interval": "day", "timezone": "Europe/Berlin", **MAY},
    "sessions_by_channel_and_other": {
        "kind": "sessions",
        "breakdown": ["channel", "exit_page"],
        "top": 5,
        "other": True,
        "site_id": None,
        **MAY,
        "filter": {"field": "properties.plan", "op": "=", "value": "pro"},
    },
    "paths": {"kind": "paths", **MAY},
    "paths_to_an_event": {
        "kind": "paths",
        "by": "event",
        "end": "buy",
        "merge": False,
        "site_id": None,
        "filter": {"field": "source", "op": "=", "value": "web"},
    },
    "people": {"kind": "people", "search": "An", "order": "events", "filter": {"field": "path", "op": "set"}, **MAY},
    "funnel": {"kind": "funnel", "steps": [{"name": "view"}, {"name": "add"}, {"name": "buy"}], **MAY},
    "funnel_of_overlapping_steps_by_path": {
        "kind": "funnel",
        "steps": [{}, {"name": "add", "filter": PRO}, {"name": "add"}],
        "breakdown": "path",
        "top": 3,
    },
    "funnel_strict": {"kind": "funnel", "steps": [{"name": "view"}, {"name": "buy"}], "order": "strict", "window": 60},
    "funnel_any": {"kind": "funnel", "steps": [{"name": "view"}, {"name": "buy"}], "order": "any"},
    "funnel_any_of_equal_steps": {"kind": "funnel", "steps": [{"name": "view"}] * 2, "order": "any", "site_id": None},
    "funnel_users": {
        "kind": "funnel_users",
        "steps": [{"name": "view"}, {"name": "buy"}],
        "step": 2,
        "outcome": "dropped",
        "limit": 5,
    },
    "retention_from_people": {"kind": "retention", "interval": "day", "mode": "recurring", **MAY},
    "retention_of_events": {"kind": "retention", "start": {"name": "sign_up"}, "returning": {"filter": PRO}, **MAY},
    "lifecycle": {"kind": "lifecycle", "interval": "month", "timezone": "Europe/Berlin", **MAY},
    "stickiness": {"kind": "stickiness", "filter": {"field": "name", "op": "=", "value": "buy"}, **MAY},
    "active_users": {"kind": "active_users", **MAY},
    "filtered_metrics_from_rollup": {
        "kind": "metrics",
        "metrics": [SIGNUPS, {**SIGNUPS, "kind": "last_received", "name": "newest"}, VIEWS],
        "interval": "day",
        **MAY,
    },
    "filtered_metrics_beside_people": {
        "kind": "metrics",
        "metrics": [SIGNUPS, {"kind": "users"}],
        "interval": "month",
        **MAY,
    },
    "metrics_of_one_filter": {"kind": "metrics", "metrics": [SIGNUPS, {**SIGNUPS, "kind": "users", "name": "u"}]},
    "filtered_metrics_of_users": {
        "kind": "metrics",
        "breakdown": ["path"],
        "top": 3,
        "interval": "day",
        **MAY,
        "metrics": [{"kind": kind, "name": kind, "filter": PRO} for kind in ("users", "events_per_user")] + [VIEWS],
    },
    "filtered_numbers": {
        "kind": "metrics",
        "metrics": [{"kind": kind, "property": "amount", "filter": PRO} for kind in ("sum", "avg", "max", "p90")]
        + [{"kind": "sessions"}],
    },
    "pages_of_visits_from_a_referrer": {
        "kind": "metrics",
        "breakdown": ["path"],
        "filter": {"field": "session.referrer", "op": "=", "value": "example.org"},
        **MAY,
    },
    "events_of_other_visits_of_all_sites": {
        "kind": "events",
        "site_id": None,
        "filter": {"field": "session.entry_page", "op": "!=", "value": "/"},
    },
    "values_of_a_column": {"kind": "values", "field": "path", "filter": {"field": "name", "op": "=", "value": "buy"}},
}


@pytest.fixture(params=ENGINES, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each store's dialect in turn."""
    given: Dialect = request.param
    return given


def compiled(body: dict[str, Any], dialect: Dialect, **options: Any) -> Statement:
    query: Query = TypeAdapter(Query).validate_python(body)
    return compile_query(query, read_by(dialect, **options))


def read_by(dialect: Dialect, **options: Any) -> Sources:
    """What a store compiles statements with: ClickHouse has no rollups."""
    return Sources(dialect, NOW, **{"rollups": dialect is not CLICKHOUSE, **options})


def snapshot_of(name: str) -> str:
    """Where the snapshot of one of QUERIES is, as `folder/name`."""
    return f"{FOLDERS[QUERIES[name]['kind']]}/{name}"


def check_snapshot(name: str, dialect: Dialect, statement: Statement) -> None:
    """Compare a statement and its parameters with the file `snapshots/<dialect>/<name>.sql`."""
    text = f"{statement.sql}\n\n" + "".join(f"-- ${n}: {value!r}\n" for n, value in enumerate(statement.params, 1))
    file = SNAPSHOTS / dialect.name / f"{name}.sql"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file} differs; see the head of this file"


@pytest.mark.parametrize("name", QUERIES)
def test_generated_sql(name: str, dialect: Dialect) -> None:
    check_snapshot(snapshot_of(name), dialect, compiled(QUERIES[name], dialect))


def test_generated_sql_of_pages_and_export(dialect: Dialect) -> None:
    events = EventsQuery(limit=10)
    after = events.model_copy(update={"cursor": encode_cursor(events, [1_746_057_600_000_000, EVENT_ID, "default"])})
    check_snapshot("events/events_next_page", dialect, compile_query(after, read_by(dialect)))
    metrics = MetricsQuery(breakdown=["path", "name"], interval="day", limit=10)
    after_group = metrics.model_copy(update={"cursor": encode_cursor(metrics, [1_746_057_600_000_000, "/a", None])})
    check_snapshot("metrics/metrics_next_page", dialect, compile_query(after_group, read_by(dialect)))
    check_snapshot("events/export", dialect, compile_export(events, read_by(dialect)))


def test_generated_sql_of_given_groups(dialect: Dialect) -> None:
    """The other period of a comparison is computed for the groups of the first."""
    metrics = {"kind": "metrics", "breakdown": ["path", "source"], "top": 2, "other": True, "interval": "day", **MAY}
    groups = [("/a", "web"), (None, "")]
    check_snapshot("metrics/metrics_of_groups", dialect, compiled(metrics, dialect, groups=groups))
    sessions = {"kind": "sessions", "breakdown": ["entry_page"], **MAY}
    check_snapshot("sessions/sessions_of_groups", dialect, compiled(sessions, dialect, groups=[("/a",), (None,)]))


def test_generated_sql_of_property_columns() -> None:
    columns = {"plan": PropertyColumn(0, 1), "amount": PropertyColumn(1, 2)}
    statement = compiled(QUERIES["numbers_by_property"], DUCKDB, property_columns=columns)
    check_snapshot("metrics/numbers_by_property_columns", DUCKDB, statement)


def test_every_snapshot_has_a_test(dialect: Dialect) -> None:
    expected = {snapshot_of(name) for name in QUERIES}
    expected |= {"events/events_next_page", "events/export", "metrics/metrics_next_page"}
    expected |= {"metrics/metrics_of_groups", "sessions/sessions_of_groups"}
    if dialect is DUCKDB:  # only this store has user numbers, user times and property columns
        expected |= {"sessions/sessions_daily_indexed", "sessions/sessions_by_channel_indexed"}
        expected |= {"paths/paths_of_trails", "paths/paths_of_trails_to_a_page"}
        expected |= {"funnel/funnel_of_user_numbers", "funnel/funnel_of_user_numbers_and_later_events"}
        expected |= {"funnel/funnel_of_user_times", "funnel/funnel_of_user_times_and_later_events"}
        expected |= {"metrics/users_of_user_numbers_and_later_events", "metrics/numbers_by_property_columns"}
    elif dialect is CLICKHOUSE:
        expected |= {"funnel/funnel_of_user_keys", "metrics/users_of_user_keys", "retention/retention_of_user_keys"}
        expected |= {"sessions/sessions_by_day"}
    elif dialect is POSTGRES:
        expected |= {f"sessions/{name}" for name in ("sessions_daily_indexed", "sessions_of_counts_and_later_events")}
        expected |= {"sessions/medians_of_counts", "paths/paths_of_trails", "paths/paths_of_trails_to_a_page"}
        expected |= {"funnel/funnel_of_user_times", "funnel/funnel_of_user_times_by_path"}
        expected |= {"retention/retention_of_user_times", "users/people_seen_last"}
    folder = SNAPSHOTS / dialect.name
    stored = {file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*/*.sql")}
    assert {name for name in stored if not name.startswith(("identity/", "usersql/"))} == expected


def test_only_an_estimate_is_not_exact(dialect: Dialect) -> None:
    """G10: PostgreSQL has none to give, so it counts."""
    assert compiled(QUERIES["estimates"], dialect).exact == (dialect is POSTGRES)
    assert compiled({**QUERIES["estimates"], "approximate": False}, dialect).exact


ON_RAW = [
    {"since": "2025-05-01T00:00:01Z"},
    {"until": "2025-05-01T00:07:00Z"},
    {"interval": "minute", "since": "2025-05-01T00:00:00Z"},
    {"interval": "hour", "timezone": "America/St_Johns", "since": "2010-11-01T00:00:00Z"},
    {"breakdown": ["path"]},
    {"breakdown": ["properties.name"]},
    {"filter": {"field": "user_id", "op": "set"}},
    {"metrics": [{"kind": "users"}], "breakdown": ["name"]},
    {"metrics": [{"kind": "users"}], "breakdown": ["site_id"], "top": 1},
    {"metrics": [{"kind": "users"}], "filter": {"field": "source", "op": "=", "value": "web"}},
    {"metrics": [{"kind": "sessions"}]},
    {"metrics": [{"kind": "events"}, {"kind": "events_per_user"}]},
    {"metrics": [{"kind": "sum", "property": "amount"}]},
    {"metrics": [{"filter": PRO}]},
    {"metrics": [{}, {"kind": "users", "filter": SIGNUPS["filter"]}]},
]
ON_ROLLUP: list[dict[str, Any]] = [
    {},
    MAY,
    {"interval": "hour", "timezone": "Asia/Kathmandu", **MAY},
    {"interval": "month", "timezone": "America/St_Johns", "since": "2012-11-01T00:00:00Z"},
    {"interval": "day", "timezone": "Australia/Lord_Howe", **YEAR},
    {"breakdown": ["name", "source", "site_id"], "filter": {"field": "name", "op": "contains", "value": "a"}},
    {"metrics": [{"kind": "last_received"}, {"kind": "events"}]},
    {"metrics": [SIGNUPS, VIEWS, {}], "interval": "day", "breakdown": ["source"]},
    {"metrics": [SIGNUPS, {"kind": "users"}], "interval": "day"},
    {"metrics": [{}, {"kind": "users", "filter": {"field": "site_id", "op": "=", "value": "a"}}], "site_id": None},
    {"metrics": [{"kind": "users"}, {"kind": "events"}], "filter": {"field": "site_id", "op": "in", "value": ["a"]}},
]


@pytest.mark.parametrize("body", ON_RAW)
def test_what_the_rollup_does_not_know_is_answered_from_the_events(body: dict[str, Any], dialect: Dialect) -> None:
    statement = compiled({"kind": "metrics", **body}, dialect)
    assert not statement.from_rollup
    assert "FROM events" in statement.sql
    assert "FROM rollup" not in statement.sql


@pytest.mark.parametrize("body", ON_ROLLUP)
@pytest.mark.parametrize("dialect", [DUCKDB, POSTGRES], ids=lambda dialect: dialect.name)
def test_what_the_rollup_knows_needs_no_events(body: dict[str, Any], dialect: Dialect) -> None:
    statement = compiled({"kind": "metrics", **body}, dialect)
    assert statement.from_rollup
    assert "FROM events" not in statement.sql
    assert not compiled({"kind": "metrics", **body}, dialect, rollups=False).from_rollup


@pytest.mark.parametrize(
    ("body", "table"),
    [
        (MAY, "people_days"),
        ({"interval": "week"}, "people_days"),
        ({"interval": "month", "timezone": "Africa/Abidjan"}, "people_days"),
        ({"interval": "day", "timezone": "Europe/London", **FEBRUARY}, "people_days"),
        ({"interval": "day", "timezone": "Europe/London", **MAY}, "people"),
        ({"interval": "hour", **MAY}, "people"),
        ({"since": "2025-05-01T00:15:00Z"}, "people"),
        ({"until": "2025-05-01T12:00:00Z"}, "people"),
    ],
)
def test_users_of_whole_utc_days_come_from_their_own_table(body: dict[str, Any], table: str) -> None:
    """On the store that has one."""
    users = {"kind": "metrics", "metrics": [{"kind": "users"}], **body}
    assert f"FROM {table}\n" in compiled(users, POSTGRES).sql
    assert "FROM people\n" in compiled(users, DUCKDB).sql


HOSTILE = ["'; DROP TABLE events; --", '"', "$1", "a.b", "{0}", "\\", "ключ 🦊", "`", "/*", "%s"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_of_a_request_is_in_the_sql(hostile: str, dialect: Dialect) -> None:
    """G12: keys and values are parameters; names of columns come from an allow-list."""
    field = f"properties.{hostile}"
    marker = hostile + "only in the request"
    tests: list[dict[str, Any]] = [
        {"field": field + "only in the request", "op": op, "value": marker} for op in ("=", "!=", ">", "<", "contains")
    ]
    tests.append({"field": field + "only in the request", "op": "in", "value": [marker, 1]})
    scope = {"site_id": marker, "filter": {"any": tests}}
    metric = {"kind": "sum", "property": marker, "name": marker, "filter": tests[0]}
    bodies: list[dict[str, Any]] = [
        {"kind": "metrics", "metrics": [metric], "breakdown": [field + "only in the request"], "top": 2, **scope},
        {"kind": "events", "user_id": marker, **scope},
        {"kind": "keys", **scope},
        {"kind": "values", "field": field + "only in the request", "search": marker, **scope},
    ]
    for body in bodies:
        assert "only in the request" not in compiled(body, dialect).sql


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": {"field": "name; DROP TABLE events", "op": "set"}},
        {"filter": {"field": "properties", "op": "set"}},
        {"filter": {"field": "received_at", "op": "set"}},
        {"filter": {"field": "name", "op": "like", "value": "a"}},
        {"filter": {"field": "name", "op": "=", "value": float("inf")}},
        {"filter": {"field": "name", "op": "=", "value": 10**400}},
        {"filter": {"field": "name", "op": "in", "value": []}},
        {"filter": {"field": "name", "op": "set", "value": "a"}},
        {"filter": {"any": [{"field": "name", "op": "set"}] * 50, "all": []}},
        {"filter": {"all": [{"any": [{"field": "name", "op": "set"}] * 50}] * (FILTER_CONDITIONS_MAX // 50 + 1)}},
        {"breakdown": ["event_id"]},
        {"breakdown": ["name", "name"]},
        {"top": 3},
        {"breakdown": ["name"], "other": True},
        {"breakdown": ["name"], "top": 1, "cursor": "x"},
        {"metrics": [{"kind": "sum"}]},
        {"metrics": [{"kind": "events"}, {"kind": "events"}]},
        {"metrics": []},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"since": "2025-01-02T00:00:00Z", "until": "2025-01-01T00:00:00Z"},
        {"since": "2025-01-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_wrong_query_is_refused_by_its_shape(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        compiled({"kind": "metrics", **wrong}, DUCKDB)


def test_a_filter_that_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {"field": "name", "op": "set"}
    for _ in range(12):
        deep = {"all": [deep]}
    with pytest.raises(ValidationError, match="deep"):
        compiled({"kind": "metrics", "filter": deep}, DUCKDB)


def test_a_series_has_a_bounded_number_of_buckets() -> None:
    with pytest.raises(InvalidRequest, match="44640 minute buckets"):
        compiled({"kind": "metrics", "interval": "minute", **MAY}, DUCKDB)


def test_a_cursor_gives_back_its_key() -> None:
    query = MetricsQuery(breakdown=["name", "path"], interval="day")
    keys: list[Key] = [[1, "a", None], [-5, "é🦊", ""]]
    for key in keys:
        assert cursor_key(query.model_copy(update={"cursor": encode_cursor(query, key)})) == key


def test_a_forged_key_of_another_shape_is_refused() -> None:
    events, metrics = EventsQuery(), MetricsQuery(breakdown=["name"])
    forged: list[Any] = [[], [1], ["a", "b"], [True, EVENT_ID, "x"], [1, "no id", "x"], [10**30, EVENT_ID, "x"]]
    for key in [*forged, [1, 2, 3], [1, EVENT_ID, None]]:
        with pytest.raises(InvalidRequest):
            decode_cursor(events.model_copy(update={"cursor": encode_cursor(events, key)}), EVENT_KEY)
    for key in ([], [1], [["a"]], ["a", "b"], [{}]):
        forged_key: Any = key
        with pytest.raises(InvalidRequest):
            cursor_key(metrics.model_copy(update={"cursor": encode_cursor(metrics, forged_key)}))


def test_equal_values_share_a_parameter() -> None:
    test = Condition(field="properties.a", op="in", value=[1, 1.0, True, "1", "1"])
    statement = compile_query(MetricsQuery(filter=test), Sources(DUCKDB, NOW))
    assert statement.params == ("default", "/a", "1", 1.0, "true")


def test_times_go_to_the_store_as_utc() -> None:
    since = datetime(2025, 5, 1, tzinfo=UTC) + timedelta(minutes=1)
    statement = compile_query(MetricsQuery(site_id=None, since=since), Sources(DUCKDB, NOW))
    assert statement.params == (datetime(2025, 5, 1, 0, 1),)
