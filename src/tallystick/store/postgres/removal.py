"""Removes events by what they are, with everything that follows from them: those of an import, or of a person.

A step of an import removes the events of some whole days in one transaction, after which the books close. It selects
the keys of its events into the table `removed`; all that comes after works on these keys alone, whatever chose them.

Driver errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tallystick.analysis.buckets import instant_of
from tallystick.model.sql import load_statements, quote_text
from tallystick.store.base import ImportedEvents, Removal
from tallystick.store.postgres import identity, kept, locks
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep import partitions, steps
from tallystick.store.removal import Span
from tallystick.store.removal import steps as spans
from tallystick.store.retention import Keeping

SQL = load_statements("tallystick.store.postgres", "sql/removal.sql")


async def imports(connection: Connection, import_id: str | None) -> Sequence[ImportedEvents]:
    """As `Store.imports`."""
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        rows = await connection.fetch(SQL["imports"], import_id, timeout=UNHURRIED)
    return [ImportedEvents(*row) for row in rows]


async def removals(connection: Connection, import_id: str) -> Sequence[Removal]:
    """As `Store.removals`."""
    return [Removal(*row) for row in await connection.fetch(SQL["removals"], import_id)]


async def undo_import(connection: Connection, import_id: str, site_id: str | None) -> int:
    """As `Store.undo_import`."""
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        days = await connection.fetch(SQL["days"], import_id, site_id, timeout=UNHURRIED)
    events = 0
    for span in spans([(row[0], row[1]) for row in days]):
        async with connection.transaction():
            events += await _remove(connection, import_id, site_id, span)
    return events


async def _remove(connection: Connection, import_id: str, site_id: str | None, span: Span) -> int:
    """Remove the events of an import within a span of whole days; returns how many they were."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    for lock in (locks.HOUSEKEEPING, locks.WRITING):
        await connection.execute(locks.LOCK, locks.SPACE, lock, timeout=UNHURRIED)
    bounds = instant_of(span[0]), instant_of(span[1])
    # CREATE TABLE AS takes no parameters.
    select = SQL["select"].format(
        first=bounds[0].isoformat(),
        end=bounds[1].isoformat(),
        import_id=quote_text(import_id),
        of_site="true" if site_id is None else f"site_id = {quote_text(site_id)}",
    )
    await connection.execute(select, timeout=UNHURRIED)
    await connection.execute("ANALYZE removed")  # the planner knows nothing of a new table
    events = int(await connection.fetchval(SQL["count"]))
    if events:
        await connection.execute(SQL["record"], datetime.now(UTC), import_id)
        await remove_selected(connection, bounds)
    return events


async def remove_selected(connection: Connection, bounds: tuple[datetime, datetime]) -> None:
    """Remove the events in `removed`, and correct what follows from them."""
    links = [(row[0], row[1]) for row in await connection.fetch(SQL["links"], timeout=UNHURRIED)]
    await connection.execute(SQL["delete_events"], *bounds, timeout=UNHURRIED)
    await _follow(connection, bounds)
    if links:
        await identity.release(connection, links)
    await identity.forget_persons(connection)


async def retire_day(
    connection: Connection, day: int, sites: Sequence[str], keeping: Keeping, *, drop_day: bool
) -> int:
    """Remove the events of some sites on a day; returns how many they were. In a transaction with the locks of a purge.

    Ids stay joined although the event is gone that joined them; the caller forgets persons and users without events.

    Args:
        keeping: of which sites the rollups stay.
        drop_day: no other site has events on it, so its partition is dropped.
    """
    bounds = partitions.start_of(day), partitions.start_of(day + 1)
    # CREATE TABLE AS takes no parameters.
    select = SQL["select_sites"].format(
        first=bounds[0].isoformat(), end=bounds[1].isoformat(), sites=", ".join(map(quote_text, sites))
    )
    await connection.execute(select, timeout=UNHURRIED)
    await connection.execute("ANALYZE removed")  # the planner knows nothing of a new table
    events = int(await connection.fetchval(SQL["count"]))
    await connection.execute(SQL["record_purge"], datetime.now(UTC), bounds[1])
    await kept.keep(connection, keeping, bounds[0], sites)
    if drop_day:
        await partitions.drop(connection, day)
    else:
        await connection.execute(SQL["delete_events"], *bounds, timeout=UNHURRIED)
    await _follow(connection, bounds)
    return events


async def _follow(connection: Connection, bounds: tuple[datetime, datetime]) -> None:
    """Correct what is built from events, after those in `removed` were deleted."""
    await connection.execute(SQL["delete_recent"], timeout=UNHURRIED)
    for upkeep in steps.UPKEEP:
        await upkeep.follow_removal(connection)
    await connection.execute(SQL["buckets"], timeout=UNHURRIED)
    for rollup in ("rollup", "people"):
        await connection.execute(SQL[f"delete_{rollup}"], timeout=UNHURRIED)
        await connection.execute(SQL[f"insert_{rollup}"], *bounds, timeout=UNHURRIED)
    for statement in ("delete_people_days", "update_people_days"):
        await connection.execute(SQL[statement], timeout=UNHURRIED)
