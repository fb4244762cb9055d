"""What users' statements become, as files in tests/snapshots/<store>/usersql/; and the names of a store's types.

`UPDATE_SNAPSHOTS=1 pytest tests/unit/usersql/test_wrap.py` writes the files again; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallystick.usersql.check import check_sql
from tallystick.usersql.wrap import type_of, views_of

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
ASKED = {
    "events_of_all_sites": ("SELECT name, properties->>'plan' FROM events WHERE timestamp > now()", False, False),
    "sessions_of_a_site": ("SELECT count(*) FROM sessions", True, False),
    "users_of_a_sealed_site": ("WITH late AS (SELECT * FROM users) SELECT * FROM late, events", True, True),
    "nothing": ("SELECT 1", True, True),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("store", ["duckdb", "postgres", "clickhouse"])
def test_the_views_stand_in_front_of_a_statement(name: str, store: str) -> None:
    sql, site, sealed = ASKED[name]
    checked = check_sql(sql, store)
    text = f"{views_of(checked, store, site=site, sealed=sealed)}{checked.sql}\n"
    file = SNAPSHOTS / store / "usersql" / f"{name}.sql"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


@pytest.mark.parametrize("store", ["duckdb", "postgres", "clickhouse"])
def test_every_snapshot_is_of_a_statement(store: str) -> None:
    assert {file.stem for file in (SNAPSHOTS / store / "usersql").iterdir()} == ASKED.keys()


TYPES = {
    "duckdb": {
        "BIGINT": "integer",
        "UTINYINT": "integer",
        "HUGEINT": "integer",
        "DECIMAL(18,3)": "decimal",
        "DOUBLE": "number",
        "VARCHAR": "text",
        "ENUM('a')": "text",
        '"NULL"': "text",
        "TIMESTAMP": "timestamp",
        "TIMESTAMP_NS": "timestamp",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "DATE": "date",
        "TIME": "time",
        "TIME WITH TIME ZONE": "time",
        "INTERVAL": "interval",
        "UUID": "uuid",
        "BLOB": "bytes",
        "JSON": "json",
        "INTEGER[]": "json",
        "BIT": "text",
        "STRUCT(a INTEGER)": "json",
        "MAP(VARCHAR, INTEGER)": "json",
        "BOOLEAN": "boolean",
        "INTEGER[3]": "json",
    },
    "postgres": {
        "int8": "integer",
        "int2": "integer",
        "numeric": "decimal",
        "float4": "number",
        "float8": "number",
        "text": "text",
        "varchar": "text",
        "timestamptz": "timestamp",
        "timestamp": "datetime",
        "date": "date",
        "timetz": "time",
        "interval": "interval",
        "uuid": "uuid",
        "bytea": "bytes",
        "json": "json",
        "jsonb": "json",
        "record": "json",
        "_text": "json",
        "bool": "boolean",
        "regtype": "text",
    },
    "clickhouse": {
        "Int64": "integer",
        "UInt8": "integer",
        "UInt256": "integer",
        "Nullable(Int32)": "integer",
        "Decimal(18, 3)": "decimal",
        "Nullable(Decimal(18, 3))": "decimal",
        "Float64": "number",
        "String": "text",
        "LowCardinality(String)": "text",
        "LowCardinality(Nullable(String))": "text",
        "FixedString(3)": "text",
        "Enum8('a' = 1)": "text",
        "Nullable(Nothing)": "text",
        "DateTime": "timestamp",
        "DateTime('UTC')": "timestamp",
        "Nullable(DateTime64(6, 'UTC'))": "timestamp",
        "Date": "date",
        "Date32": "date",
        "Time": "time",
        "Time64(3)": "time",
        "IntervalDay": "interval",
        "UUID": "uuid",
        "Bool": "boolean",
        "Array(Nullable(Int64))": "json",
        "Tuple(a Int64, b String)": "json",
        "Map(String, Int64)": "json",
        "SimpleAggregateFunction(any, Nullable(String))": "json",
        "IPv4": "text",
    },
}


@pytest.mark.parametrize(("store", "name"), [(store, name) for store, names in TYPES.items() for name in names])
def test_a_type_has_a_name_on_every_store(store: str, name: str) -> None:
    assert type_of(name, store) == TYPES[store][name]
