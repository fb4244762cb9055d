"""Keys and accounts in a SQLite file, which several processes of one machine may use at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from tallystick.access.scripts.common import SCHEMA, SQL, Script
from tallystick.access.store import AccessStore
from tallystick.config import Settings
from tallystick.disk import private_folder, usable
from tallystick.errors import Unavailable

R = TypeVar("R")
BUSY_MS = 10_000
"""Milliseconds to wait for another process's transaction."""


class SqliteAccess(AccessStore):
    """`AccessStore` on SQLite. One thread uses the connection. The file is made by `prepare`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "access")
        self._connection: apsw.Connection | None = None

    async def open(self) -> None:
        """The file is opened when it is first needed."""

    async def close(self) -> None:
        await self._in_thread(self._disconnect)
        self._thread.shutdown()

    async def exists(self) -> bool:
        return await self._in_thread(self._has_tables)

    async def _create(self) -> None:
        await self._in_thread(self._make)

    async def _read(self, script: Script[R]) -> R:
        return await self._in_thread(lambda: self._in_transaction(script, "BEGIN"))

    async def _change(self, script: Script[R]) -> R:
        return await self._in_thread(lambda: self._in_transaction(script, "BEGIN IMMEDIATE"))

    async def _in_thread(self, call: Callable[[], R]) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except apsw.Error as error:
            raise Unavailable("the file of keys and accounts cannot be used") from error

    # --- on the thread --------------------------------------------------------------------------------------------

    def _connect(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = apsw.Connection(str(self._path))
            self._connection.set_busy_timeout(BUSY_MS)
            self._connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_tables(self) -> bool:
        if not self._path.exists():
            return False
        rows = self._connect().execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchall()
        return bool(rows)

    def _make(self) -> None:
        private_folder(self._path.parent, self._settings)
        with usable(self._path.parent):
            self._path.touch(mode=0o600)
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in SCHEMA.values():
                connection.execute(statement)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _in_transaction(self, script: Script[R], begin: str) -> R:
        connection = self._connect()
        connection.execute(begin)
        try:
            step = next(script)
            while True:
                given = {str(number): value for number, value in enumerate(step.params, 1)}
                step = script.send(connection.execute(SQL[step.statement], given).fetchall())
        except StopIteration as done:
            connection.execute("COMMIT")
            result: R = done.value
            return result
        except BaseException:
            connection.execute("ROLLBACK")
            raise
