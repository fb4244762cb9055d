"""A SQL statement of a user on ClickHouse, as the user for statements: its answer is read as it comes, up to a size."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog

from tallystick.analysis.events.rows import decode_json
from tallystick.errors import InvalidRequest, StoreUnavailable, TallystickError
from tallystick.model.queries.statement import Column, ColumnType, SqlQuery, Table
from tallystick.store.clickhouse.role import StatementRole
from tallystick.store.clickhouse.server.connection import COSTLY_CODES, TIMEOUT_CODES, ServerError
from tallystick.usersql.check import PREFIX, CheckedSql
from tallystick.usersql.values import fraction, integer, json_value
from tallystick.usersql.wrap import type_of, views_of

log = structlog.get_logger(__name__)

DENIED = 497
"""ClickHouse's code of a missing right: either the check has a hole, or the user lacks a right that it needs."""
SERVER_CODES = frozenset(
    {*TIMEOUT_CODES, *COSTLY_CODES, DENIED, 74, 76, 198, 202, 209, 210, 236, 243, 279, 394, 395, 516}
)
"""Codes of what is no mistake in the statement: limits, rights, files, network, the server itself; a wrong seal."""
HEAD = 65_536
"""Bytes that are read beyond an answer's size: names and types come before the rows."""
_FAILED = re.compile(rb'\["Code: (\d+)\. DB::Exception: ')


async def select(
    role: StatementRole, query: SqlQuery, checked: CheckedSql, sealed: bool, rows: int, size: int, seconds: float
) -> tuple[list[bytes], bool]:
    """The lines of an answer (names, types, then rows) of about `size` bytes, at most `rows` + 1 rows; and whether the
    last one is not whole.

    Args:
        sealed: the user may see no site but the query's.
        seconds: how long the statement may take.

    Raises:
        InvalidRequest: ClickHouse refuses the statement.
    """
    views = views_of(checked, "clickhouse", site=query.site_id is not None and not sealed, sealed=sealed)
    parameters = {}
    if views:
        parameters["seal"] = await role.seal((query.site_id or "") if sealed else None)
        if sealed or query.site_id is not None:
            parameters["site"] = query.site_id or ""
    statement = f"{views}SELECT *, 1 AS {PREFIX}row FROM ({checked.sql}) AS result LIMIT {rows + 1}"
    try:
        async with role.lines(statement, parameters, seconds) as pieces:
            lines, broken_off = await _read(pieces, size)
    except TallystickError as error:
        if isinstance(error.__cause__, ServerError):
            raise _meaning(error.__cause__, error) from error.__cause__
        raise
    if failure := _failure(lines):
        raise _meaning(failure, StoreUnavailable("ClickHouse failed")) from failure
    return lines, broken_off


def _meaning(cause: ServerError, otherwise: TallystickError) -> TallystickError:
    """The caller's mistake, or what `query_errors` makes of the server's error."""
    if cause.code == DENIED:
        log.warning("the check let a statement through that the user was refused", reason=str(cause))
    if cause.code not in SERVER_CODES:
        return InvalidRequest(f"sql: {_plain(str(cause))}")
    return otherwise if isinstance(otherwise, StoreUnavailable) else StoreUnavailable("ClickHouse failed")


async def _read(pieces: AsyncIterator[bytes], size: int) -> tuple[list[bytes], bool]:
    taken, length = [], 0
    async for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length > size + HEAD:
            return b"".join(taken).split(b"\n"), True
    return b"".join(taken).split(b"\n"), False


def _failure(lines: Sequence[bytes]) -> ServerError | None:
    """What ended an answer after its first rows: a line of one text; rows have a column more than was asked for."""
    last = lines[-2] if len(lines) > 1 else b""
    found = _FAILED.match(last)
    if found is None or len(json.loads(last)) != 1:
        return None
    return ServerError(str(json.loads(last)[0]).partition("DB::Exception: ")[2], int(found[1]))


def _plain(message: str) -> str:
    """ClickHouse's message without the statement's executed form, its version and the store's own names."""
    for end in (". Stack trace", ". (", " (version ", ": While ", ": while ", " In scope "):
        message = message.partition(end)[0]
    return " ".join(message.replace(PREFIX, "").split())[:300]


def table_of(checked: CheckedSql, lines: Sequence[bytes], broken_off: bool, rows: int, size: int) -> Table:
    """Convert what `select` returned to a table; blocks, so call it in a thread.

    Raises:
        InvalidRequest: a single row is larger than `size`.
        StoreUnavailable: the answer is not whole.
    """
    whole = lines[:-1]  # the last one is empty, or not whole
    if len(whole) < 2:
        if broken_off:
            raise _too_large(size)
        raise StoreUnavailable("ClickHouse's answer has no columns")
    names = checked.names or json.loads(whole[0])[:-1]
    types = json.loads(whole[1])[:-1]
    columns = [Column(str(name), type_of(kind, "clickhouse")) for name, kind in zip(names, types, strict=True)]
    units = [kind.removeprefix("Nullable(").removesuffix(")").removeprefix("Interval").lower() for kind in types]
    taken: list[list[Any]] = []
    room = size
    for line in whole[2:]:
        room -= len(line)
        if len(taken) == rows or room < 0:
            if not taken:
                raise _too_large(size)
            return Table(columns, taken, True, 0.0)
        values = json.loads(line, parse_int=integer, parse_float=fraction)[:-1]
        taken.append(
            [_value(column.type, value, unit) for column, value, unit in zip(columns, values, units, strict=True)]
        )
    if broken_off and not taken:
        raise _too_large(size)
    return Table(columns, taken, broken_off, 0.0)


def _too_large(size: int) -> InvalidRequest:
    return InvalidRequest(f"sql: a single row has more than the {size:,} bytes of TALLYSTICK_SQL_BYTES")


def _value(kind: ColumnType, value: Any, unit: str) -> Any:
    if value is None:
        return None
    if kind == "number":
        return json_value(float(value))
    if kind == "decimal":
        return fraction(str(value))
    if kind == "timestamp":
        return _with_micros(str(value))
    if kind == "interval":
        return f"{value} {unit}"
    if kind == "json" and isinstance(value, str):
        return _decoded(value)
    return value


def _with_micros(text: str) -> str:
    """An instant of ClickHouse's, in UTC, as Tallystick writes it: RFC 3339 with microseconds and Z."""
    whole, _, part = text.removesuffix("Z").partition(".")
    return f"{whole}.{part[:6]:0<6}Z"


def _decoded(text: str) -> Any:
    """A text that is JSON, as a value."""
    try:
        return json_value(decode_json(text))
    except ValueError:
        return text
