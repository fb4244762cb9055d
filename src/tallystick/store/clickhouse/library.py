"""The library in ClickHouse's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tallystick.model.sql import load_statements
from tallystick.store.clickhouse.server.connection import Connection, Row
from tallystick.store.clickhouse.server.rows import json_rows
from tallystick.store.clickhouse.ticks import TICKS
from tallystick.store.library import Library, Script, Step

R = TypeVar("R")
SQL = load_statements("tallystick.store.clickhouse", "sql/library.sql")
DOCUMENT = ("kind", "id", "site_id", "body", "created_at", "updated_at")
SHARE = ("id", "board_id", "name", "digest", "created_at", "expires_at", "last_used_at")


class ClickHouseLibrary(Library):
    """`Library` on ClickHouse, which has no transactions: the changes of one process are made one at a time. Of two
    processes that change the same document within the same milliseconds, both succeed, and the later change stays.
    """

    def __init__(self, reading: Connection, writing: Connection) -> None:
        self._reading = reading
        self._writing = writing
        self._changing = asyncio.Lock()

    async def _read(self, begin: Callable[[], Script[R]]) -> R:
        return await self._run(self._reading, begin())

    async def _change(self, script: Script[R]) -> R:
        async with self._changing:
            return await self._run(self._writing, script)

    async def _run(self, connection: Connection, script: Script[R]) -> R:
        try:
            step = next(script)
            while True:
                step = script.send(await _rows(connection, step))
        except StopIteration as done:
            result: R = done.value
            return result


async def _rows(connection: Connection, step: Step) -> list[Row]:
    """Run one step of a script; returns its rows."""
    match step:
        case Step("insert_document", values):
            await _enter(connection, DOCUMENT, [values])
        case Step("update_document", (kind, id_, body, updated_at)):
            found = await _select(connection, Step("document", (kind, id_)))
            await _enter(connection, DOCUMENT, [(*row[:3], body, row[4], updated_at) for row in found])
        case Step("delete_document", params):
            await _enter(connection, DOCUMENT, await _select(connection, Step("document", params)), gone=True)
        case Step("insert_share", values):
            await _enter(connection, SHARE, [(*values[:3], bytes(values[3]).hex(), *values[4:])])
        case Step("touch_share", (id_, used_at)):
            found = await _select(connection, Step("share", (id_,)))
            used = [row for row in found if row[6] is None or row[6] < used_at]
            await _enter(connection, SHARE, [(*row[:6], used_at) for row in used])
        case Step("delete_share", params):
            await _enter(connection, SHARE, await _select(connection, Step("share", params)), gone=True)
        case Step("delete_shares_of", params):
            await _enter(connection, SHARE, await _select(connection, Step("shares", params)), gone=True)
        case Step("share" | "shares"):
            found = await _select(connection, step)
            return [(*row[:3], bytes.fromhex(row[3]), *row[4:]) for row in found]
        case _:
            return await _select(connection, step)
    return []


async def _select(connection: Connection, step: Step) -> list[Row]:
    given = {f"p{number}": value for number, value in enumerate(step.params, 1)}
    return await connection.query(SQL[step.statement], given)


async def _enter(
    connection: Connection, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, gone: bool = False
) -> None:
    version = TICKS.next()
    entered = [dict(zip(columns, row, strict=True)) | {"version": version, "gone": int(gone)} for row in rows]
    statement = SQL["enter_documents" if columns is DOCUMENT else "enter_shares"]
    await connection.insert(statement, json_rows(entered))
