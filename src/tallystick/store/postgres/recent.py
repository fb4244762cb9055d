"""The table of recent identities, `recent_ids`: it finds events that are sent again with another time (G2).

The table is UNLOGGED: PostgreSQL empties it after a crash and on a promoted standby. So is `recent_state`, which has
one row: a batch that does not find the row rebuilds `recent_ids` before it writes.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog

from tallystick.model.sql import load_statements
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import UNHURRIED, Connection

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.postgres", "sql/load.sql")
SWEEP_PAGES = 4096
"""Pages of 8 KiB swept in one step: some 400,000 identities."""
MARGIN = timedelta(hours=1)
"""How long identities are kept after the window, because clocks of processes differ."""


async def rebuild(connection: Connection, window_start: datetime) -> None:
    """Fill the table from `events`, unless another worker has done it. Batches wait until it is complete."""
    started = time.monotonic()
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(locks.LOCK, locks.SPACE, locks.REBUILD, timeout=UNHURRIED)
        if await connection.fetchval("SELECT count(*) FROM recent_state"):
            return
        days = await connection.fetch(SQL["recent_days"], window_start)
        for row in days:
            await connection.execute(SQL["recent_rebuild"], row[0], window_start, timeout=UNHURRIED)
        await connection.execute("INSERT INTO recent_state VALUES (now())")
    log.info("recent ids rebuilt", days=len(days), seconds=round(time.monotonic() - started, 3))


class Sweeper:
    """Deletes identities older than the window, a piece of the table at a time."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._page = 0

    async def step(self, connection: Connection, now: datetime) -> bool:
        """Sweep one piece, in the caller's transaction. Returns True while there is more. A round per 1/8 window."""
        swept_at = await connection.fetchval("SELECT max(swept_at) FROM recent_state")
        if swept_at is None or now - swept_at < self._window / 8:
            self._page = 0
            return False
        before = now - self._window - MARGIN
        await connection.execute(SQL["sweep"], self._page, self._page + SWEEP_PAGES, before)
        self._page += SWEEP_PAGES
        if self._page < await connection.fetchval("SELECT pg_relation_size('recent_ids') / 8192"):
            return True
        self._page = 0
        await connection.execute("UPDATE recent_state SET swept_at = $1", now)
        return False
