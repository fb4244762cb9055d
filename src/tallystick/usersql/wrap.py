"""Write the views that a checked statement reads as CTEs before it.

Their names have a prefix that no table has, so a statement can neither read the tables that they use nor replace them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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
_INTEGER = re.compile(r"(U?(TINY|SMALL|BIG)?INT|U?INTEGER|INT[248])")


def views_of(checked: CheckedSql, store: str, *, site: bool, sealed: bool) -> str:
    """`WITH …` with the views that the statement reads; empty when it reads none.

    Args:
        site: read only one site: the parameter `$1`, or on PostgreSQL `runnel.site` when sealed.
        sealed: the user may not see other sites.
    """
    statements = load_statements(f"tallystick.store.{store}", "sql/views.sql")
    ctes = []
    for name in _needed(checked.views):
        template = statements[f"{name}_sealed" if sealed and name == "events" else name]
        parts = {"site": "WHERE site_id = $1" if site else ""} if "{site}" in template else {}
        ctes.append(cte(PREFIX + name, template, materialized=False, **parts))
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
