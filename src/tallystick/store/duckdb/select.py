"""A SQL statement of a user on DuckDB: on a cursor of its own, in the thread of a query.

DuckDB streams rows, so that no more of them are held than an answer may have. Its memory limit does not include the
texts that an expression makes. Therefore `Growth` watches the memory of the whole process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallystick.analysis.events.rows import decode_json
from tallystick.config import Settings, url_path
from tallystick.disk import DiskGuard
from tallystick.errors import InvalidRequest
from tallystick.model.queries.statement import Column, SqlQuery, Table
from tallystick.store.duckdb.connection import SELECT, STATEMENT_ERRORS, Connection
from tallystick.usersql.check import PREFIX, check_sql
from tallystick.usersql.values import json_value, size_of
from tallystick.usersql.wrap import numbered_columns, type_of, views_of

CHUNK = 256
"""Rows fetched at a time."""
GROWTH = 256 * 1024 * 1024
"""Bytes by which the process may grow beyond the memory limit while a statement runs."""


def select(cursor: Connection, query: SqlQuery, sealed: bool, rows: int, size: int) -> Table:
    """Check and run a statement; blocks, so call it in a thread. The transaction ends with the cursor.

    Args:
        sealed: the user may see no site but the query's.
        rows: most rows to return.
        size: most bytes to return, approximately.


    Raises:
        InvalidRequest: the statement is refused, by Tallystick or by DuckDB, or a single row is larger than `size`.
    """
    checked = check_sql(query.sql, "duckdb")
    views = views_of(checked, "duckdb", site=query.site_id is not None, sealed=sealed)
    params = [query.site_id] if query.site_id is not None and views else []
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        described = _described(cursor, f"{views}SELECT * FROM ({checked.sql}) AS result", params)
        columns = ", ".join(numbered_columns(len(described)))
        statement = f"{views}SELECT {_converted(described)} FROM ({checked.sql}) AS result ({columns})"
        _surely_one_select(cursor, statement)
        cursor.execute(statement, params)
        shown = [Column(name, type_of(kind, "duckdb")) for name, kind in described]
        taken, truncated = _rows(cursor, [kind for _, kind in described], rows, size)
    except STATEMENT_ERRORS as error:
        raise InvalidRequest(f"sql: {_plain(error)}") from error
    return Table(shown, taken, truncated, 0.0)


def _described(cursor: Connection, statement: str, params: list[str]) -> list[tuple[str, str]]:
    """The name and the DuckDB type of each column of the result."""
    _surely_one_select(cursor, statement)
    cursor.execute(f"DESCRIBE {statement}", params)
    return [(str(name), str(kind)) for name, kind, *_ in cursor.fetchall()]


def _surely_one_select(cursor: Connection, statement: str) -> None:
    """Let DuckDB's parser confirm that the checked and rewritten statement is one SELECT."""
    found = cursor.extract_statements(statement)
    if len(found) != 1 or found[0].type != SELECT:
        raise InvalidRequest("sql: only one SELECT is allowed")


def _converted(described: Sequence[tuple[str, str]]) -> str:
    """The columns as the driver can return them: it supports no time zones and no intervals of months."""
    names = numbered_columns(len(described))
    return ", ".join(_convertible(name, kind) for name, (_, kind) in zip(names, described, strict=True))


def _is_text_of_nested(kind: str) -> bool:
    """Whether values are lists or structs of values that the driver cannot return: these are read as JSON."""
    nested = kind.endswith("]") or (kind.endswith(")") and not kind.startswith(("DECIMAL", "ENUM")))
    return nested and ("WITH TIME ZONE" in kind or "INTERVAL" in kind)


def _convertible(column: str, kind: str) -> str:
    if _is_text_of_nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({column} AS TIMESTAMP)"
    return f"CAST({column} AS VARCHAR)" if kind in ("INTERVAL", "JSON", "TIME WITH TIME ZONE") else column


def _rows(cursor: Connection, kinds: Sequence[str], rows: int, size: int) -> tuple[list[list[Any]], bool]:
    """The rows, and whether there are more.

    Raises:
        InvalidRequest: the first row is larger than `size`.
    """
    as_json = [kind == "JSON" or _is_text_of_nested(kind) for kind in kinds]
    taken: list[list[Any]] = []
    room = size
    while found := cursor.fetchmany(min(CHUNK, rows + 1 - len(taken))):
        for row in found:
            values = [
                json_value(decode_json(value) if text and value is not None else value)
                for value, text in zip(row, as_json, strict=True)
            ]
            room -= sum(map(size_of, values))
            if len(taken) == rows or room < 0:
                if not taken:
                    raise InvalidRequest(f"sql: a single row has more than the {size:,} bytes of TALLYSTICK_SQL_BYTES")
                return taken, True
            taken.append(values)
    return taken, False


def _plain(error: Exception) -> str:
    """DuckDB's message without the statement that it repeats, which is not the one that the user sent."""
    lines = str(error).split("\n\nLINE ")[0].splitlines()
    return " ".join(line.strip() for line in lines if line.strip()).replace(PREFIX, "")


class Growth:
    """Watches by how much the process has grown since this object was made, and the free disk space.

    DuckDB writes what does not fit into memory beside the store's file. The disk's reserve is for events.

    Attributes:
        every: seconds between two checks.
    """

    every = 0.05

    def __init__(self, settings: Settings) -> None:
        self._start = _resident()
        self._room = settings.store_memory + GROWTH
        self._disk = DiskGuard(url_path(settings.resolved_store_url).parent, settings)

    def too_much(self) -> str:
        """Why a statement has to be stopped; empty: it may go on."""
        if _resident() - self._start > self._room:
            return "it takes more memory than a query may"
        return "the disk is down to its reserve" if self._disk.low() else ""


def _resident() -> int:
    """Resident memory of the process in bytes; 0 where the system does not report it."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
