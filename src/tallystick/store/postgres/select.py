"""A SQL statement of a user on PostgreSQL, in a read-only transaction of the role for statements.

PostgreSQL itself converts the rows to JSON and adds up their size, so that rows beyond an answer's size are not sent.
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
from tallystick.usersql.wrap import numbered_columns, type_of, views_of

log = structlog.get_logger(__name__)

ROWS = """{views}SELECT CASE WHEN total <= {size} THEN line END
FROM (
    SELECT line, sum(octet_length(line)) OVER (ROWS UNBOUNDED PRECEDING) AS total
    FROM (
        SELECT CAST(row_to_json(result) AS text) AS line
        FROM ({sql}) AS result ({columns})
        LIMIT {limit}
    ) AS lines
) AS counted"""

DENIED = "42501"
"""SQLSTATE of a missing permission: either the check has a hole, or the role lacks a permission that it needs."""
STATEMENT_CLASSES = ("0A", "21", "22", "2F", "42", "44")
"""Classes of SQLSTATE of a mistake in the statement: unknown columns, wrong types, 1 / 0."""


async def select(
    connection: Connection, query: SqlQuery, checked: CheckedSql, sealed: bool, rows: int, size: int, seconds: float
) -> tuple[list[Column], list[Row]]:
    """The columns, and the JSON of each row; NULL for rows beyond `size` bytes, at most `rows` + 1 rows.

    Args:
        sealed: the user may see no site but the query's.
        seconds: how long each statement may take.


    Raises:
        InvalidRequest: PostgreSQL refuses the statement.
    """
    site = query.site_id is not None and not sealed
    views = views_of(checked, "postgres", site=site, sealed=sealed)
    params = [query.site_id] if site and views else []
    try:
        prepared = await connection.prepare(f"{views}SELECT * FROM ({checked.sql}) AS result", timeout=seconds)
        columns = [Column(column.name, _type(column.type)) for column in prepared.get_attributes()]
        names = ", ".join(numbered_columns(len(columns)))
        statement = ROWS.format(views=views, sql=checked.sql, columns=names, limit=rows + 1, size=size)
        return columns, await connection.fetch(statement, *params, timeout=seconds)
    except PostgresError as error:
        if error.sqlstate == DENIED:
            log.warning("the check let a statement through that the role was refused", reason=str(error))
        if (error.sqlstate or "")[:2] in STATEMENT_CLASSES:
            raise InvalidRequest(f"sql: {str(error).replace(PREFIX, '')}") from error
        raise


def _type(found: Any) -> ColumnType:
    """The type of a column, from the driver's description of it."""
    return "json" if found.kind in ("array", "composite") else type_of(found.name, "postgres")


def table_of(columns: list[Column], found: Sequence[Row], rows: int, size: int) -> Table:
    """Convert what `select` returned to a table; blocks, so call it in a thread.

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
    row = json.loads(line, parse_int=integer, parse_float=fraction, object_pairs_hook=_keep_first)
    return [_value(kind, row[name]) for name, kind in zip(numbered_columns(len(types)), types, strict=True)]


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
        return _rfc3339(value)
    return value.removeprefix("\\x") if kind == "bytes" else value


def _rfc3339(text: str) -> str:
    """An instant of PostgreSQL's JSON, in UTC, as Tallystick writes it: RFC 3339 with microseconds and Z."""
    moment, plus, _ = text.partition("+00:00")
    if not plus:
        return text  # infinity
    whole, _, part = moment.partition(".")
    return f"{whole}.{part:0<6}Z"


def _keep_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        entries.setdefault(key, value)
    return entries
