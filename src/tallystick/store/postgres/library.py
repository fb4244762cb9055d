"""The library in PostgreSQL's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tallystick.store.library import SQL, Library, Script
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import Acquire, Connection

R = TypeVar("R")


class PostgresLibrary(Library):
    """`Library` on PostgreSQL. An advisory lock makes the changes of all processes one at a time."""

    def __init__(self, read: Acquire, write: Acquire) -> None:
        self._acquire_reader = read
        self._acquire_writer = write

    async def _read(self, begin: Callable[[], Script[R]]) -> R:
        async with self._acquire_reader() as connection:
            return await _run(connection, begin())

    async def _change(self, script: Script[R]) -> R:
        async with self._acquire_writer() as connection, connection.transaction():
            await connection.execute(locks.LOCK, locks.SPACE, locks.LIBRARY)
            return await _run(connection, script)


async def _run(connection: Connection, script: Script[R]) -> R:
    try:
        step = next(script)
        while True:
            rows = await connection.fetch(SQL[step.statement], *step.params)
            step = script.send([tuple(row) for row in rows])
    except StopIteration as done:
        result: R = done.value
        return result
