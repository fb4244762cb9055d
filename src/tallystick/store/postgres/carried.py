"""What `tallystick move` carries beside events, in PostgreSQL. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from tallystick.model.sql import load_statements
from tallystick.store.carried import PIECE_ROWS, Carried, DayEvents, Kind, Row, columns_of
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import UNHURRIED, Connection

SQL = load_statements("tallystick.store.postgres", "sql/carried.sql")


async def day_events(connection: Connection) -> Sequence[DayEvents]:
    """As `Store.day_events`."""
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        return [DayEvents(*row) for row in await connection.fetch(SQL["day_events"], timeout=UNHURRIED)]


async def select(connection: Connection, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
    """As `Store.carried`."""
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        cursor = await connection.cursor(SQL[f"select_{kind}"])
        while rows := await cursor.fetch(PIECE_ROWS):
            yield [tuple(row) for row in rows]


async def replace(connection: Connection, carried: Carried) -> None:
    """As `Store.replace_carried`."""
    async with connection.transaction():
        await connection.fetchrow(SQL["begin"], locks.SPACE, locks.WRITING, timeout=UNHURRIED)
        await connection.execute(SQL["delete"], timeout=UNHURRIED)
        async for kind, rows in carried:
            await connection.execute(SQL[f"insert_{kind}"], *columns_of(kind, rows).values(), timeout=UNHURRIED)
