"""The library in PostgreSQL's tables. Changes of all processes are made one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from tallystick.store import library as rules
from tallystick.store.library import SQL, Document, Kind, Script, Share
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import Acquire, Connection

R = TypeVar("R")


class PostgresLibrary:
    """`Library` on PostgreSQL."""

    def __init__(self, read: Acquire, write: Acquire) -> None:
        self._read = read
        self._write = write

    async def documents(self, kind: Kind, site: str | None = None) -> Sequence[Document]:
        return await self._ask(rules.documents(kind, site))

    async def document(self, kind: Kind, id_: str) -> Document | None:
        return await self._ask(rules.document(kind, id_))

    async def add(self, document: Document) -> None:
        await self._change(rules.add(document))

    async def replace(self, document: Document, version: datetime) -> Document:
        return await self._change(rules.replace(document, version))

    async def remove(self, kind: Kind, id_: str) -> None:
        await self._change(rules.remove(kind, id_))

    async def shares(self, board_id: str) -> Sequence[Share]:
        return await self._ask(rules.shares(board_id))

    async def share(self, id_: str) -> Share | None:
        return await self._ask(rules.share(id_))

    async def add_share(self, share: Share) -> None:
        await self._change(rules.add_share(share))

    async def touch_share(self, id_: str, now: datetime) -> None:
        await self._change(rules.touch_share(id_, now))

    async def remove_share(self, id_: str) -> None:
        await self._change(rules.remove_share(id_))

    async def _ask(self, script: Script[R]) -> R:
        async with self._read() as connection:
            return await _drive(connection, script)

    async def _change(self, script: Script[R]) -> R:
        async with self._write() as connection, connection.transaction():
            await connection.execute(locks.LOCK, locks.SPACE, locks.LIBRARY)
            return await _drive(connection, script)


async def _drive(connection: Connection, script: Script[R]) -> R:
    try:
        asked = next(script)
        while True:
            rows = await connection.fetch(SQL[asked.statement], *asked.params)
            asked = script.send([tuple(row) for row in rows])
    except StopIteration as done:
        result: R = done.value
        return result
