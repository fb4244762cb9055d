"""A checked statement with the views that it reads in front of it, as common tables. Pure.

The views' names begin as no table's do, so that a statement can neither reach behind them nor put itself in their
place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tallystick.model.queries.statement import ColumnType
from tallystick.model.sql import load_statements
from tallystick.usersql.check import PREFIX, CheckedSql
from tallystick.usersql.views import VIEWS

_BY_ITSELF: dict[str, ColumnType] = {
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
    """`WITH …` of the views that the statement reads; empty when it reads none.

    Args:
        site: of one site alone, which is the parameter `$1`, or on PostgreSQL `runnel.site` when sealed.
        sealed: whoever asks may see no other site.
    """
    statements = load_statements(f"tallystick.store.{store}", "sql/views.sql")
    tables = []
    for name in _needed(checked.views):
        wanted = f"{name}_sealed" if sealed and name == "events" else name
        body = statements[wanted]
        if name == "events":
            body = body.replace("{site}", "\nWHERE site_id = $1" if site else "")
        tables.append(f"{PREFIX}{name} AS NOT MATERIALIZED (\n{body}\n)")
    return f"WITH {', '.join(tables)}\n" if tables else ""


def _needed(views: Iterable[str]) -> Sequence[str]:
    """With what they are made from, in the order in which they stand in `VIEWS`."""
    wanted = set(views) | {VIEWS[name].needs for name in views}
    return [name for name in VIEWS if name in wanted]


def numbered_columns(count: int) -> list[str]:
    """Names for the columns of a statement, which may have several columns of one name: `c0`, `c1`, …"""
    return [f"c{number}" for number in range(count)]


def type_of(name: str, store: str) -> ColumnType:
    """What a column of a store's type holds."""
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
    return _BY_ITSELF.get(word.removesuffix(" WITH TIME ZONE"), "text")
