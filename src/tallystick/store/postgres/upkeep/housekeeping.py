"""Retention and housekeeping; one process at a time does them. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.sql import load_statements
from tallystick.store.base import PurgeReport
from tallystick.store.postgres import identity, kept, locks, removal
from tallystick.store.postgres.connection import UNHURRIED, Connection, LockNotAvailable
from tallystick.store.postgres.recent import Sweeper
from tallystick.store.postgres.upkeep import steps
from tallystick.store.postgres.upkeep.partitions import Partitions, day_of, drop, existing, start_of
from tallystick.store.postgres.upkeep.user_times import forget_users
from tallystick.store.postgres.upkeep.value_counts import FieldSearch
from tallystick.store.retention import NO_KEEPING, Borders, Keeping, may_drop

SQL = load_statements("tallystick.store.postgres", "sql/admin.sql")
QUARTER = timedelta(minutes=15)
"""Length of a rollup bucket."""
PURGE_TRIES = 6
"""How often a purge tries to get `events` for itself, LOCK_SECONDS each time."""
LOCK_SECONDS = 5
"""Seconds of one try. Meanwhile batches and queries wait behind the purge."""


class Housekeeper:
    """Does housekeeping in short steps."""

    def __init__(self, partitions: Partitions, settings: Settings) -> None:
        self._partitions = partitions
        self._keep = timedelta(hours=settings.ledger_keep_hours)
        self._sweeper = Sweeper(timedelta(hours=settings.dedupe_window_hours))
        self._field_search = FieldSearch()
        self._ahead = -1
        """The day on which partitions were last created ahead."""

    async def step(self, connection: Connection) -> bool:
        """Do one step. Returns True while there is more, and False while another process does housekeeping."""
        now = datetime.now(UTC)
        if (today := day_of(now)) != self._ahead:
            await self._partitions.ahead(connection, today)
            self._ahead = today
        async with connection.transaction():
            if not await connection.fetchval(locks.TRY_LOCK, locks.SPACE, locks.HOUSEKEEPING):
                return False
            await connection.execute("SET LOCAL statement_timeout = 0")
            if await _compact(connection) or await self._sweeper.step(connection, now):
                return True
            await self._field_search.step(connection)
            if await steps.step(connection):
                return True
            await connection.execute(SQL["compact_ledger"], now - self._keep)
            return False

    async def purge(self, connection: Connection, before: datetime, keeping: Keeping = NO_KEEPING) -> PurgeReport:
        """As `Store.purge`; `before` is rounded down to its quarter hour, so that no rollup bucket is cut.

        Each day has a transaction of its own, after which the books close.

        Args:
            keeping: of which sites the rollups stay; then `before` is a midnight in UTC.
        """
        border = datetime(1970, 1, 1, tzinfo=UTC)
        border += (before.astimezone(UTC) - border) // QUARTER * QUARTER
        days = sorted(day for day in await existing(connection) if start_of(day) < border)
        events = 0
        for day in days:
            events += await _patiently(connection, partial(_purge_day, connection, day, border, keeping))
        if events:
            await _purge_persons(connection)
        self._forget_partitions()
        return PurgeReport(events)

    async def retire(self, connection: Connection, borders: Borders) -> PurgeReport:
        """As `Store.retire`. Each day has a transaction of its own, after which the books close.

        A day that all of its sites let go is dropped with its partition; else the events of those that do are deleted.
        """
        events = 0
        await kept.drop_unwanted(connection, borders.keeping)
        if borders.everywhere is not None:
            events += (await self.purge(connection, borders.everywhere, borders.keeping)).events
        if not borders.sites or borders.latest is None:
            return PurgeReport(events)
        of_sites = 0
        for day in sorted(day for day in await existing(connection) if start_of(day) < borders.latest):
            if borders.going(start_of(day + 1), await _sites_of(connection, day)):
                of_sites += await _patiently(connection, partial(_retire_day, connection, day, borders))
        if of_sites:
            await _purge_persons(connection)
        self._forget_partitions()
        return PurgeReport(events + of_sites)

    def _forget_partitions(self) -> None:
        self._partitions.forget()
        self._ahead = -1


async def _compact(connection: Connection) -> bool:
    """Compact one day of one rollup that has many deltas. Returns False when there is none.

    A day is rewritten when more rows were appended than half of those that the last rewrite left, so each row is
    rewritten a bounded number of times.
    """
    found = await connection.fetchrow(SQL["delta_day"])
    if found is None:
        return False
    name, day = found
    await connection.execute(SQL["forget_appended"], name, day)
    status = await connection.execute(SQL[f"compact_{name}"], day, timeout=UNHURRIED)
    await connection.execute(SQL["record_compaction"], name, day, int(status.rpartition(" ")[2]))
    return True


# --- retention ------------------------------------------------------------------------------------------------------


async def _patiently(connection: Connection, purge_day: Callable[[], Awaitable[int]]) -> int:
    for _ in range(PURGE_TRIES):
        try:
            async with connection.transaction():
                return await purge_day()
        except LockNotAvailable:
            continue
    raise StoreUnavailable(
        "events are being read (by an export or a long query) all the time: the purge could not lock them"
    )


async def _purge_persons(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        for lock in (locks.HOUSEKEEPING, locks.WRITING):
            await connection.execute(locks.LOCK, locks.SPACE, lock, timeout=UNHURRIED)
        await identity.purge(connection)
        await forget_users(connection)


async def _retire_day(connection: Connection, day: int, borders: Borders) -> int:
    """Delete a day's events of the sites that let it go; returns how many they were."""
    await _lock(connection)
    if day not in await existing(connection):
        return 0
    present = await _sites_of(connection, day)
    going = borders.going(start_of(day + 1), present)
    if not going:
        return 0
    drop_day = may_drop(going, present)
    return await removal.retire_day(connection, day, going, borders.keeping, drop_day=drop_day)


async def _sites_of(connection: Connection, day: int) -> list[str]:
    """The sites that have events on a day."""
    rows = await connection.fetch(SQL["sites_of_day"], start_of(day), start_of(day + 1), timeout=UNHURRIED)
    return [row[0] for row in rows]


async def _lock(connection: Connection) -> None:
    """Exclude batches and housekeeping of all processes for this transaction."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    for lock in (locks.HOUSEKEEPING, locks.WRITING, locks.PARTITIONS):
        await connection.execute(locks.LOCK, locks.SPACE, lock)


async def _purge_day(connection: Connection, day: int, border: datetime, keeping: Keeping) -> int:
    """Delete a day's events before the border; returns how many they were."""
    await _lock(connection)
    start, end = start_of(day), min(start_of(day + 1), border)
    if day not in await existing(connection):
        return 0
    events = int(await connection.fetchval(SQL["purge_count"], start, end, timeout=UNHURRIED))
    if end == border < start_of(day + 1):
        await connection.execute(SQL["purge_events"], start, end, timeout=UNHURRIED)
    else:
        await drop(connection, day)
    if events:
        await connection.execute(SQL["purge_record"], datetime.now(UTC), border, events)
        await kept.keep(connection, keeping, start)
        for statement in ("purge_rollup", "purge_people"):
            await connection.execute(SQL[statement], start, end, timeout=UNHURRIED)
        for statement in ("purge_people_days", "purge_people_days_bots"):
            await connection.execute(SQL[statement], start, end, timeout=UNHURRIED)
        await connection.execute(SQL["purge_recent"], end, timeout=UNHURRIED)
        for upkeep in steps.UPKEEP:
            await upkeep.follow_purge(connection, end)
    return events
