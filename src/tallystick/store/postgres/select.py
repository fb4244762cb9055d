"""A user's own statement on PostgreSQL, in a read-only transaction of the role for statements.

PostgreSQL itself makes the rows' JSON and adds up its size: what is more than an answer may have never leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import structlog

from tallystick.errors import InvalidRequest
from tallystick.model.queries.statement import Column, ColumnType, SqlQuery, Table
from tallystick.store.postgres.connection import Connection, PostgresError, Row
from tallystick.usersql.check import PREFIX, CheckedSql
from tallystick.usersql.values import fraction, integer, json_value
from tallystick.usersql.wrap import type_of, views_of

log = structlog.get_logger(__name__)

ROWS = """{views}SELECT CASE WHEN total <= {size} THEN line END
FROM (
  SELECT line, sum(octet_length(line)) OVER (ROWS UNBOUNDED PRECEDING) AS total
  FROM (SELECT CAST(row_to_json(asked) AS text) AS line FROM ({sql}) AS asked ({places}) LIMIT {most}) AS lines
) AS counted"""

DENIED = "42501"
"""SQLSTATE of a right that is lacking: either the check has a hole, or the role lacks what it should have."""
STATEMENT_CLASSES = ("0A", "21", "22", "2F", "42", "44")
"""Classes of SQLSTATE that tell of a mistake in the statement: unknown columns, types that do not fit, 1 / 0."""


async def select(
    connection: Connection, query: SqlQuery, checked: CheckedSql, sealed: bool, rows: int, size: int, seconds: float
) -> tuple[list[Column], list[Row]]:
    """The columns, and of each row its JSON; NULL for rows beyond `size` bytes. One row more than `rows` at most.

    Raises:
        InvalidRequest: PostgreSQL refuses the statement.
    """
    site = query.site_id is not None and not sealed
    views = views_of(checked, "postgres", site=site, sealed=sealed)
    params = [query.site_id] if site and views else []
    try:
        prepared = await connection.prepare(f"{views}SELECT * FROM ({checked.sql}) AS asked", timeout=seconds)
        columns = [Column(column.name, _type(column.type)) for column in prepared.get_attributes()]
        places = ", ".join(f"c{place}" for place in range(len(columns)))
        statement = ROWS.format(views=views, sql=checked.sql, places=places, most=rows + 1, size=size)
        return columns, await connection.fetch(statement, *params, timeout=seconds)
    except PostgresError as error:
        if error.sqlstate == DENIED:
            log.warning("the check let a statement through that the role was refused", reason=str(error))
        if (error.sqlstate or "")[:2] in STATEMENT_CLASSES:
            raise InvalidRequest(f"sql: {str(error).replace(PREFIX, '')}") from error
        raise


def _type(found: Any) -> ColumnType:
    """Of the driver's description of a type."""
    return "json" if found.kind in ("array", "composite") else type_of(found.name, "postgres")


def table_of(columns: list[Column], found: Sequence[Row], rows: int, size: int) -> Table:
    """In a thread: what `select` gave as a table.

    Raises:
        InvalidRequest: a single row is larger than `size`.
    """
    lines = [row[0] for row in found if row[0] is not None]
    if found and not lines:
        raise InvalidRequest(f"sql: a single row has more than the {size:,} bytes of TALLYSTICK_SQL_BYTES")
    types = [column.type for column in columns]
    taken = [_values(types, line) for line in lines[:rows]]
    return Table(columns, taken, len(found) > len(taken), 0.0)


def _values(types: Sequence[ColumnType], line: str) -> list[Any]:
    row = json.loads(line, parse_int=integer, parse_float=fraction, object_pairs_hook=_first_counts)
    return [_value(kind, row[f"c{place}"]) for place, kind in enumerate(types)]


def _value(kind: ColumnType, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if kind in ("number", "decimal") and isinstance(value, str):  # NaN, Infinity
        return None if value in ("NaN", "Infinity", "-Infinity") else value
    if kind == "number":
        return json_value(float(value))
    if kind == "decimal" and isinstance(value, int):
        return Decimal(value)
    if kind == "timestamp":
        return _instant(value)
    return value.removeprefix("\\x") if kind == "bytes" else value


def _instant(text: str) -> str:
    """RFC 3339 with microseconds and Z, as every instant of Tallystick's; the session's zone is UTC."""
    moment, plus, _ = text.partition("+00:00")
    if not plus:
        return text  # infinity
    whole, _, part = moment.partition(".")
    return f"{whole}.{part:0<6}Z"


def _first_counts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        entries.setdefault(key, value)
    return entries
