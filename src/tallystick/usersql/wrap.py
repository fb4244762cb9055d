"""Write the views that a checked statement reads as CTEs before it.

Their names have a prefix that no table has, so a statement can neither read the tables that they use nor replace them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tallystick.analysis.cte import cte, with_ctes
from tallystick.model.queries.statement import ColumnType
from tallystick.model.sql import load_statements
from tallystick.usersql.check import PREFIX, CheckedSql
from tallystick.usersql.views import VIEWS

_TYPES: dict[str, ColumnType] = {
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "FLOAT": "number",
    "DOUBLE": "number",
    "FLOAT4": "number",
    "FLOAT8": "number",
    "NUMERIC": "decimal",
    "TIMESTAMPTZ": "timestamp",
    "DATE": "date",
    "TIME": "time",
    "TIMETZ": "time",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "BLOB": "bytes",
    "BYTEA": "bytes",
    "JSON": "json",
    "JSONB": "json",
    "RECORD": "json",
    "HUGEINT": "integer",
    "UHUGEINT": "integer",
    "BIGNUM": "integer",
}
_ONE_SITE = {
    "duckdb": "WHERE site_id = $1",
    "postgres": "WHERE site_id = $1",
    "clickhouse": "WHERE site_id = {site:String}",
}
_CLICKHOUSE_TYPES: Mapping[str, ColumnType] = {
    "Bool": "boolean",
    "Decimal": "decimal",
    "Float": "number",
    "BFloat": "number",
    "DateTime": "timestamp",
    "Date": "date",
    "Time": "time",
    "Interval": "interval",
    "UUID": "uuid",
    "SimpleAggregateFunction": "json",
    "Array": "json",
    "Tuple": "json",
    "Map": "json",
    "JSON": "json",
    "Variant": "json",
    "Dynamic": "json",
    "Nested": "json",
    "Int": "integer",
    "UInt": "integer",
}
"""By the letters that a name begins with."""
_WRAPPED = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
_LETTERS = re.compile(r"[A-Za-z]+")
_INTEGER = re.compile(r"(U?(TINY|SMALL|BIG)?INT|U?INTEGER|INT[248])")


def views_of(checked: CheckedSql, store: str, *, site: bool, sealed: bool) -> str:
    """`WITH …` with the views that the statement reads; empty when it reads none.

    Args:
        site: read only one site: the parameter `$1` (`site` on ClickHouse), or on PostgreSQL `runnel.site` when sealed.
        sealed: the user may not see other sites.
    """
    statements = load_statements(f"tallystick.store.{store}", "sql/views.sql")
    ctes = []
    for name in _needed(checked.views):
        template = statements[f"{name}_sealed" if sealed and name == "events" else name]
        parts = {"site": _ONE_SITE[store] if site else ""} if "{site}" in template else {}
        ctes.append(cte(PREFIX + name, template, materialized=None if store == "clickhouse" else False, **parts))
    return with_ctes(ctes, "")


def _needed(views: Iterable[str]) -> Sequence[str]:
    """The given views and the views that they read, in the order of `VIEWS`."""
    wanted = set(views) | {VIEWS[name].needs for name in views}
    return [name for name in VIEWS if name in wanted]


def numbered_columns(count: int) -> list[str]:
    """Unique names for the columns of a statement, which may repeat a name: `c0`, `c1`, …"""
    return [f"c{number}" for number in range(count)]


def type_of(name: str, store: str) -> ColumnType:
    """The column type for the name of a store's type."""
    if store == "clickhouse":
        return _type_of_clickhouse(name)
    word = name.upper()
    if word.endswith("]") or word.startswith(("STRUCT", "MAP", "UNION", "_")):
        return "json"
    if word.startswith("TIMESTAMP") and (word != "TIMESTAMP" or store == "duckdb"):
        return "timestamp"
    if word == "TIMESTAMP":
        return "datetime"
    if word.startswith("DECIMAL"):
        return "decimal"
    if _INTEGER.fullmatch(word):
        return "integer"
    return _TYPES.get(word.removesuffix(" WITH TIME ZONE"), "text")


def _type_of_clickhouse(name: str) -> ColumnType:
    while wrapped := _WRAPPED.fullmatch(name):
        name = wrapped[1]
    letters = _LETTERS.match(name)
    word = letters[0] if letters else ""
    return _CLICKHOUSE_TYPES.get("Interval" if word.startswith("Interval") else word, "text")
