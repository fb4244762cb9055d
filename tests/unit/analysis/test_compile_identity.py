"""Queries where ids were joined become SQL: snapshots in tests/snapshots/<dialect>/identity (see test_compile)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tallystick.analysis.dialect import Dialect
from tallystick.analysis.dispatch import compile_query, needs
from tallystick.analysis.events.compile import compile_export
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sources import Sources
from tallystick.model.query import Query
from tallystick.store.clickhouse.dialect import CLICKHOUSE
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.postgres.dialect import POSTGRES
from tests.unit.analysis.test_compile import MAY, NOW, check_snapshot, read_by

QUERY: TypeAdapter[Query] = TypeAdapter(Query)
ENGINES = [DUCKDB, POSTGRES, CLICKHOUSE]
USERS: dict[str, Any] = {"kind": "metrics", "metrics": [{"kind": "users"}]}
QUERIES: dict[str, dict[str, Any]] = {
    "daily_users": {**USERS, "interval": "day", **MAY},
    "users_per_path": {
        **USERS,
        "breakdown": ["path"],
        "top": 3,
        "filter": {"field": "user_id", "op": "=", "value": "a"},
    },
    "people": {"kind": "people", "search": "An"},
    "timeline": {"kind": "events", "user_id": "ann", "ascending": True, "limit": 50},
    "timeline_of_all_sites": {"kind": "events", "user_id": "ann", "site_id": None},
    "person": {"kind": "person", "user_id": "ann", **MAY},
    "person_of_all_sites": {"kind": "person", "user_id": "ann", "site_id": None},
    "funnel": {"kind": "funnel", "steps": [{"name": "view"}, {"name": "buy"}]},
    "retention": {"kind": "retention", "interval": "day", **MAY},
    "sessions": {"kind": "sessions", **MAY},
}
UNCONCERNED: list[dict[str, Any]] = [
    {"kind": "metrics"},
    {"kind": "metrics", "metrics": [{"kind": "events"}], "breakdown": ["path"]},
    {"kind": "events"},
    {"kind": "keys"},
    {"kind": "values", "field": "user_id"},
    {"kind": "person", "user_id": "a"},
]


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", QUERIES)
def test_statement(name: str, dialect: Dialect) -> None:
    query = QUERY.validate_python(QUERIES[name])
    check_snapshot(f"identity/{name}", dialect, compile_query(query, read_by(dialect, persons=needs(query).persons)))


def test_property_columns_are_read_beside_persons() -> None:
    body = {**USERS, "breakdown": ["properties.plan"]}
    statement = compile_query(
        QUERY.validate_python(body),
        Sources(DUCKDB, NOW, property_columns={"plan": PropertyColumn(3, 1)}, persons=True),
    )
    check_snapshot("identity/users_by_a_property_column", DUCKDB, statement)


@pytest.mark.parametrize("body", UNCONCERNED, ids=str)
def test_a_query_that_needs_no_persons(body: dict[str, Any]) -> None:
    assert not needs(QUERY.validate_python(body)).persons


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_an_export_of_one_user_is_that_of_the_person(dialect: Dialect) -> None:
    query = QUERY.validate_python({"kind": "events", "user_id": "ann"})
    assert needs(query).persons
    assert query.kind == "events"
    assert "identities" in compile_export(query, Sources(dialect, NOW, persons=True)).sql
    assert "identities" not in compile_export(query, Sources(dialect, NOW)).sql


@pytest.mark.parametrize("dialect", ENGINES, ids=lambda dialect: dialect.name)
def test_a_filter_of_one_users_events_compares_the_id_that_was_sent(dialect: Dialect) -> None:
    own = {"field": "user_id", "op": "=", "value": "a"}
    query = QUERY.validate_python({"kind": "events", "user_id": "ann", "filter": own})
    statement = compile_query(query, Sources(dialect, NOW, persons=True))
    assert "identities" in statement.sql
    assert "sent_id" not in statement.sql, "events has no such column"
