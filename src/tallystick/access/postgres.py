"""Keys and accounts in PostgreSQL, in a schema of their own."""

from __future__ import annotations

from typing import TypeVar

from tallystick.access.scripts.common import SCHEMA, SQL, Script
from tallystick.access.store import AccessStore
from tallystick.config import Settings
from tallystick.store.postgres.connection import Connection, Pool, errors

R = TypeVar("R")
SCHEMA_NAME = "tallystick_access"
CONNECTIONS = 3
STATEMENT_SECONDS = 10.0
SESSION = {"timezone": "UTC", "application_name": "tallystick access", "search_path": SCHEMA_NAME, "jit": "off"}
LOCK = 0x52554E4C, 8
"""The advisory lock of whoever makes the tables; the first number as in `tallystick.store.postgres.locks`."""


class PostgresAccess(AccessStore):
    """`AccessStore` on PostgreSQL."""

    def __init__(self, settings: Settings, url: str, variable: str) -> None:
        self._pool = Pool(
            settings, CONNECTIONS, SESSION, _nothing, STATEMENT_SECONDS, least=0, url=url, variable=variable
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def exists(self) -> bool:
        with errors():
            async with self._pool.acquire() as connection:
                found = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{SCHEMA_NAME}.state")
        return bool(found)

    async def _create(self) -> None:
        with errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", *LOCK)
                # Not IF NOT EXISTS: that asks for the right to make schemas, even where an administrator made this one.
                if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", SCHEMA_NAME):
                    await connection.execute(f"CREATE SCHEMA {SCHEMA_NAME}")
                for statement in SCHEMA.values():
                    await connection.execute(statement)

    async def _read(self, script: Script[R]) -> R:
        with errors():
            async with self._pool.acquire() as connection:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await _run(connection, script)

    async def _change(self, script: Script[R]) -> R:
        with errors():
            async with self._pool.acquire() as connection, connection.transaction():
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


async def _nothing(_: Connection) -> None:
    """Prepares a new connection: there is nothing to prepare."""
