"""Housekeeping in short steps: finish what stopped in between, sweep, settle, compact, forget, add property columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tallystick.analysis.buckets import micros
from tallystick.config import Settings
from tallystick.model.sql import load_statements
from tallystick.store.clickhouse import identity
from tallystick.store.clickhouse.removals import removal
from tallystick.store.clickhouse.removals.removal import drop_days
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.upkeep.property_columns import PropertyColumns
from tallystick.store.clickhouse.upkeep.settling import settle_blocks

SQL = load_statements("tallystick.store.clickhouse", "sql/admin.sql")
SWEEP_EVERY = timedelta(minutes=10)
"""Between two sweeps for identities that two workers stored at the same instant; blocks are settled as often."""
MARGIN = timedelta(hours=1)
"""How long identities are kept after the window, because clocks of processes differ."""
IDENTITIES_AT_ONCE = 1_000_000
"""So many are looked through by one statement, at 120 to 160 bytes of the server's memory for each."""
HASHES = 2**64
COPIES_AT_ONCE = 500
"""Each deletion is a mutation of its own, which makes new parts, and storing waits for housekeeping meanwhile."""
SETTLE_AFTER = 5.0
"""A block is settled after so many times the longest time of a statement that writes."""


class Housekeeper:
    """Does housekeeping for one process; others may do the same at the same time."""

    def __init__(self, settings: Settings) -> None:
        self._window = timedelta(hours=settings.dedupe_window_hours)
        self._keep = timedelta(hours=settings.ledger_keep_hours)
        self._settle_after = timedelta(seconds=SETTLE_AFTER * settings.store_write_timeout)
        self._swept_at: datetime | None = None
        self._joined_up_to = 0
        self._property_columns = PropertyColumns()

    async def step(self, connection: Connection) -> None:
        """Do what is due."""
        now = datetime.now(UTC)
        await removal.finish(connection)
        self._joined_up_to = await identity.settle(connection, self._joined_up_to)
        if self._swept_at is not None and now - self._swept_at < SWEEP_EVERY:
            return
        since = now - self._window if self._swept_at is None else self._swept_at - SWEEP_EVERY
        await self.sweep(connection, since)
        await settle_blocks(connection, now - self._settle_after)
        await self._compact_ledger(connection, now - self._keep)
        await self._forget_recent_ids(connection, now - self._window - MARGIN)
        await self._property_columns.step(connection)
        self._swept_at = now

    async def sweep(self, connection: Connection, since: datetime) -> int:
        """Delete the later copies of identities that two workers stored under two times at the same instant (G2).

        Args:
            since: only identities that came into the window from then on.

        Returns:
            How many copies there were.
        """
        recent: int = await connection.value(SQL["count_recent_ids"], {"since": since}, seconds=UNHURRIED)
        ranges = -(-recent // IDENTITIES_AT_ONCE)
        copies = 0
        for number in range(ranges):
            lowest, after = HASHES * number // ranges, HASHES * (number + 1) // ranges
            copies += await self._sweep_range(connection, {"since": since, "lowest": lowest, "highest": after - 1})
        return copies

    async def _sweep_range(self, connection: Connection, given: Mapping[str, object]) -> int:
        """Sweep the identities of a range of hashes; returns how many copies there were."""
        if not await connection.value(SQL["any_doubled"], given, seconds=UNHURRIED):
            return 0
        window = {"window_start": datetime.now(UTC) - self._window}
        copies = await connection.query(SQL["stored_twice"], {**given, **window}, seconds=UNHURRIED)
        ordered = sorted((micros(at), site, event) for site, event, at, _ in copies)
        for start in range(0, len(ordered), COPIES_AT_ONCE):
            some = ordered[start : start + COPIES_AT_ONCE]
            named = [f"{event} {at_us} {site}" for at_us, site, event in some]
            between = {"first_us": some[0][0], "last_us": some[-1][0], "copies": named}
            await connection.everywhere(SQL["delete_copies"], between)
        if joined := [(site, user) for site, _, _, user in copies if user is not None]:
            await identity.release(connection, joined)
        return len(copies)

    async def _compact_ledger(self, connection: Connection, before: datetime) -> None:
        """Add old blocks to the sums. The sums come first: from then on the rows do not count, deleted or not."""
        await connection.command(SQL["compact_ledger"], {"before": before}, seconds=UNHURRIED)
        if await connection.value(SQL["count_compacted"], seconds=UNHURRIED):
            await connection.everywhere(SQL["delete_compacted"])

    async def _forget_recent_ids(self, connection: Connection, before: datetime) -> None:
        await drop_days(connection, "recent_ids", SQL["days_of_recent_ids"], before)
