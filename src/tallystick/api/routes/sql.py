"""POST /v1/sql: runs a SELECT that the caller wrote, when TALLYSTICK_SQL allows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from tallystick.access.model import Permission
from tallystick.api.access.gate import Access, GuardedRoute, access
from tallystick.api.dependencies import GivenParts, GivenScopedStore, Parts
from tallystick.api.files.csv_text import BOM, csv_table, harmless
from tallystick.api.files.result import FILES, MEDIA_TYPES, GivenFormat, begun, disposition, facts_of
from tallystick.api.query_answer import require_json
from tallystick.api.streaming.responses import MadeFile
from tallystick.disk import DiskGuard
from tallystick.errors import Forbidden, TallystickError, Unavailable
from tallystick.model.queries.statement import Column, SqlQuery, Table
from tallystick.store.waiting import in_thread

router = APIRouter(tags=["sql"], route_class=GuardedRoute)

OFF = "SQL is off on this server: its operator can allow it with TALLYSTICK_SQL=true"
KIND = "sql"
"""The kind of these queries in metrics and file names."""
PARQUET = {
    "boolean": "BOOLEAN",
    "number": "DOUBLE",
    "timestamp": "TIMESTAMPTZ",
    "datetime": "TIMESTAMP",
    "date": "DATE",
}
"""Parquet types by column type. Every other column, and one with a value that does not fit its type, is text."""
_NUMBERS = msgspec.json.Encoder(decimal_format="number")
_INT64 = 2**63
_INSTANT = re.compile(r"[0-2]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z?")
_DATE = re.compile(r"[0-2]\d{3}-\d\d-\d\d")


class ColumnShape(BaseModel):
    """A column of an answer."""

    name: str
    type: str


class SqlResult(BaseModel):
    """The result of a statement. docs/use/sql.md says how values of each type are written."""

    columns: list[ColumnShape]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float
    events_from: datetime | None = Field(
        None,
        description="Retention removed the events of before and kept their rollups, which no statement reads. Absent "
        "if it did not.",
    )


class ViewColumnShape(ColumnShape):
    """A column of a view."""

    description: str


class ViewShape(BaseModel):
    """A view."""

    name: str
    description: str
    columns: list[ViewColumnShape]


class ExampleShape(BaseModel):
    """A statement to begin with."""

    title: str
    sql: str


Dialect: TypeAlias = Literal["duckdb", "postgres", "clickhouse"]
_DIALECTS: Mapping[str, Dialect] = {
    "duckdb": "duckdb",
    "postgresql": "postgres",
    "postgres": "postgres",
    "clickhouse": "clickhouse",
    "clickhouses": "clickhouse",
}
"""Whose SQL statements are written in, by the scheme of the store's URL."""


class SqlSchema(BaseModel):
    """What statements may read, and whether they are answered."""

    enabled: bool
    dialect: Dialect
    views: list[ViewShape]
    examples: list[ExampleShape]


@router.get("/v1/sql/schema")
@access(Access.SITE)
async def sql_schema(parts: GivenParts) -> SqlSchema:
    """The views that statements read, and some statements to begin with."""
    from tallystick.usersql.views import EXAMPLES, VIEWS

    return SqlSchema(
        enabled=parts.settings.sql,
        dialect=_DIALECTS[parts.settings.resolved_store_url.partition(":")[0]],
        views=[ViewShape.model_validate(msgspec.to_builtins(view)) for view in VIEWS.values()],
        examples=[ExampleShape.model_validate(msgspec.to_builtins(example)) for example in EXAMPLES],
    )


@router.post("/v1/sql", response_model=SqlResult, responses=FILES, dependencies=[Depends(require_json)])
@access(Access.SITE, Permission.SQL)
async def sql(parts: GivenParts, store: GivenScopedStore, query: SqlQuery, form: GivenFormat = None) -> Response:
    """Answer one SELECT over the views of `GET /v1/sql/schema`, in the store's own SQL."""
    try:
        if not parts.settings.sql:
            raise Forbidden(OFF)
        with parts.metrics.query_seconds.labels(KIND).time():
            table = await store.select(query)
    except TallystickError as error:
        parts.metrics.query_failures.labels(KIND, error.code).inc()
        raise
    if form in ("csv", "excel"):
        body = (BOM if form == "excel" else b"") + await asyncio.to_thread(_csv, table)
        headers = disposition(KIND, form) | begun(table.events_from)
        return Response(body, headers=headers, media_type=MEDIA_TYPES["csv"])
    if form == "parquet":
        headers = disposition(KIND, form) | begun(table.events_from)
        return MadeFile(parts, lambda folder: _parquet(parts, table, folder), headers, MEDIA_TYPES["parquet"])
    body = await asyncio.to_thread(_NUMBERS.encode, table)
    return Response(body, headers=None if form is None else disposition(KIND, form), media_type=MEDIA_TYPES["json"])


# --- files ----------------------------------------------------------------------------------------------------------


def _csv(table: Table) -> bytes:
    cells = [[_cell(value) for value in row] for row in table.rows]
    return csv_table([harmless(column.name) for column in table.columns], cells)


def _cell(value: Any) -> str:
    """Like the cells of `csv_of`, but with all digits of decimal numbers."""
    if value is None:
        return ""
    return harmless(value) if isinstance(value, str) else _NUMBERS.encode(value).decode("utf-8")


async def _parquet(parts: Parts, table: Table, folder: Path) -> Path:
    lines, target = folder / "rows.ndjson", folder / "rows.parquet"
    if DiskGuard(folder, parts.settings).low():  # the reserve is kept for incoming events
        raise Unavailable("the disk is down to its reserve: ask for CSV, which takes none")
    types = await in_thread(_write_lines, lines, table)
    columns = [(column.name, kind) for column, kind in zip(table.columns, types, strict=True)]
    await in_thread(parts.write_parquet, lines, target, columns, facts_of(table.events_from))
    lines.unlink()
    return target


def _parquet_type(column: Column, values: list[Any]) -> str:
    found = [value for value in values if value is not None]
    if column.type == "integer":
        return "BIGINT" if all(isinstance(value, int) for value in found) else "VARCHAR"
    if column.type == "decimal":
        return _decimal_type([Decimal(str(value)) for value in found])
    if column.type in ("timestamp", "datetime") and not all(_INSTANT.fullmatch(value) for value in found):
        return "VARCHAR"
    if column.type == "date" and not all(_DATE.fullmatch(value) for value in found):
        return "VARCHAR"
    return PARQUET.get(column.type, "VARCHAR")


def _decimal_type(values: list[Decimal]) -> str:
    """The decimal type that holds all digits of these numbers; text when 38 digits are not enough."""
    scale = max((max(0, -int(value.as_tuple().exponent)) for value in values), default=0)
    before = max((value.adjusted() + 1 for value in values), default=1)
    return f"DECIMAL(38, {scale})" if max(before, 1) + scale <= 38 else "VARCHAR"


def _write_lines(lines: Path, table: Table) -> list[str]:
    """Write the table as JSON lines. Returns the Parquet types of its columns."""
    types = [_parquet_type(column, [row[index] for row in table.rows]) for index, column in enumerate(table.columns)]
    with lines.open("wb") as file:
        for row in table.rows:
            values = (
                _cell_text(value) if kind == "VARCHAR" and not isinstance(value, str) else value
                for value, kind in zip(row, types, strict=True)
            )
            file.write(_NUMBERS.encode({f"c{index}": value for index, value in enumerate(values)}) + b"\n")
    return types


def _cell_text(value: Any) -> str | None:
    return None if value is None else _NUMBERS.encode(value).decode("utf-8")
