"""A statement of the caller's own in SQL, and the table that answers it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from pydantic import AfterValidator, Field

from tallystick.model.queries.scope import Shape, one_site

SQL_MAX = 20_000
"""Most characters of a statement."""

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
"""What a column holds; docs/use/sql.md says how each is written in JSON."""


class SqlQuery(Shape):
    """One SELECT over the views that `GET /v1/sql/schema` describes, in the store's own SQL."""

    sql: str = Field(min_length=1, max_length=SQL_MAX, description="One SELECT.")
    site_id: Annotated[str | None, AfterValidator(one_site)] = Field(
        None, max_length=128, description="Only this site's rows; absent: of every site that the caller may read."
    )
    limit: int | None = Field(
        None, ge=1, description="Most rows of the answer; absent, or more than TALLYSTICK_SQL_ROWS: so many."
    )


class Column(msgspec.Struct, frozen=True):
    """A column of a table: the name that the statement gave it (it need not be unique), and its type."""

    name: str
    type: ColumnType


class Table(msgspec.Struct, frozen=True):
    """An answer in rows.

    Attributes:
        rows: values as JSON has them: instants, ids, bytes and intervals are texts, `Decimal` stands for a number of
            which every digit counts.
        truncated: there were more rows than asked for or allowed.
        elapsed_ms: the wait for a turn included.
    """

    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ms: float
