"""Settling blocks: what a worker expected to be stored becomes what is stored.

Two workers that store the same event at the same instant both count it as stored; ClickHouse keeps one of the rows, and
the row names its block. Once no worker can be busy with a block any more, its rows are counted and the count is kept.
"""

from __future__ import annotations

from datetime import datetime

from tallystick.model.sql import load_statements
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.ticks import TICKS

SQL = load_statements("tallystick.store.clickhouse", "sql/admin.sql")
SETTLED = 2**63
"""Versions of settled ledger rows are above this."""


async def settle_blocks(connection: Connection, before: datetime) -> bool:
    """Settle the blocks that were stored before a time; returns whether there were any."""
    if not await connection.value(SQL["unsettled"], {"before": before}):
        return False
    given = {"before": before, "version": SETTLED + TICKS.next()}
    await connection.command(SQL["settle_blocks"], given, seconds=UNHURRIED)
    return True
