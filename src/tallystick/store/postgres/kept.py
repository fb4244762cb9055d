"""Rollups that stay when retention removes their events, in PostgreSQL. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.kept import Kept
from tallystick.model.queries.scope import Scope
from tallystick.model.sql import load_statements
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.dialect import POSTGRES
from tallystick.store.retention import Keeping

SQL = load_statements("tallystick.store.postgres", "sql/kept.sql")
DAY = timedelta(days=1)


async def keep(connection: Connection, keeping: Keeping, start: datetime, sites: Sequence[str] | None = None) -> None:
    """Keep the rollups that a purge removes of a day, in its transaction, before it deletes anything.

    Args:
        start: the midnight that begins the day.
        sites: the only sites that lose events; None: all do.
    """
    if not keeping.any:
        return
    of_sites = keeping.default, list(keeping.others), None if sites is None else list(sites)
    await connection.execute(SQL["keep_rollup"], start, start + DAY, *of_sites, timeout=UNHURRIED)
    await connection.execute(SQL["keep_days"], start, datetime.now(UTC), *of_sites, timeout=UNHURRIED)


async def drop_unwanted(connection: Connection, keeping: Keeping) -> None:
    """Delete the kept rollups of sites that no longer keep them."""
    given = keeping.default, list(keeping.others)
    if not await connection.fetchval(SQL["has_unwanted"], *given):
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(locks.LOCK, locks.SPACE, locks.HOUSEKEEPING, timeout=UNHURRIED)
        for statement in ("drop_rollup", "drop_days"):
            await connection.execute(SQL[statement], *given, timeout=UNHURRIED)


async def events(connection: Connection, site_id: str, before: datetime | None) -> int:
    """As `Store.kept_events`."""
    return int(await connection.fetchval(SQL["events"], site_id, before))


async def events_from(connection: Connection, site_id: str | None) -> datetime | None:
    """As `Store.events_from`."""
    newest = await connection.fetchval(SQL["newest"], _text(site_id), None, None)
    return None if newest is None else instant_of(newest) + DAY


async def read_kept(connection: Connection, query: Scope) -> Kept | None:
    """What is kept in the range of a query; None: nothing."""
    given = _text(query.site_id), query.since, query.until
    newest, in_range = await connection.fetchrow(SQL["newest"], *given)
    if not in_range:
        return None
    return Kept(instant_of(newest) + DAY, not await connection.fetchval(SQL["repeated"], *given))


def _text(site_id: str | None) -> object:
    return None if site_id is None else POSTGRES.encode["text"](site_id)


async def counts(connection: Connection) -> tuple[int, int, int]:
    """What `Findings.check_kept` looks at."""
    kept, purged = await connection.fetchrow(SQL["verify_events"], timeout=UNHURRIED)
    return kept, purged, await connection.fetchval(SQL["verify_days"], timeout=UNHURRIED)
