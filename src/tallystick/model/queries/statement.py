"""An SQL statement that a caller writes, and the table that answers it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from pydantic import AfterValidator, Field

from tallystick.model.event import SITE_ID_MAX
from tallystick.model.queries.scope import Shape, one_site

SQL_MAX = 20_000
"""The most characters of a statement."""

ColumnType: TypeAlias = Literal[
    "boolean",
    "integer",
    "decimal",
    "number",
    "text",
    "timestamp",
    "datetime",
    "date",
    "time",
    "interval",
    "uuid",
    "bytes",
    "json",
]
"""The type of a column. docs/use/sql.md describes how each type is written in JSON."""


class SqlQuery(Shape):
    """One SELECT over the views that `GET /v1/sql/schema` describes, in the store's own SQL."""

    sql: str = Field(min_length=1, max_length=SQL_MAX, description="One SELECT.")
    site_id: Annotated[str | None, AfterValidator(one_site)] = Field(
        None,
        max_length=SITE_ID_MAX,
        description="Only the rows of this site. Absent: of every site that the caller may read.",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="The most rows of the answer. Absent, or above TALLYSTICK_SQL_ROWS: TALLYSTICK_SQL_ROWS.",
    )


class Column(msgspec.Struct, frozen=True):
    """A column of a table: its name in the statement, which need not be unique, and its type."""

    name: str
    type: ColumnType


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of a statement.

    Attributes:
        rows: values as in JSON: instants, ids, bytes and intervals are texts; a `Decimal` is a number whose digits are
            all kept.
        truncated: there were more rows than the query or the settings allow.
        elapsed_ms: milliseconds, with the wait for a turn.
        events_from: retention removed the events of before and kept their rollups, which no statement reads; None and
            not in an answer: it did not.
    """

    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float
    events_from: datetime | None = None
