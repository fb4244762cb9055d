"""Removes events: the old ones of every site or of one (retention), or those of an import, with what follows from them.

ClickHouse deletes in parts. So a removal is written down first, with what is to go and how many events that is; when it
stopped in between, the next one, the next start or housekeeping finishes it.

No batch of this process is stored meanwhile. One of another process that stores events which are just removed is not
excluded; see docs/run/guarantees.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tallystick.analysis.buckets import instant_of
from tallystick.model.sql import quote_text
from tallystick.store.base import ImportedEvents, PurgeReport, Removal
from tallystick.store.carried import DayEvents
from tallystick.store.clickhouse import identity
from tallystick.store.clickhouse.removals import erasure
from tallystick.store.clickhouse.removals.step import SQL, Step, counts_of, step_of, write_down
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.clickhouse.upkeep.settling import settle_blocks
from tallystick.store.removal import steps
from tallystick.store.retention import Borders

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any event."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""After any event."""
QUARTER = timedelta(minutes=15)
"""A purge ends at a whole quarter hour, as in the other stores."""


async def purge(connection: Connection, before: datetime) -> PurgeReport:
    """As `Store.purge`; `before` is rounded down to its quarter hour."""
    await finish(connection)
    until = FIRST + (min(before, LATEST).astimezone(UTC) - FIRST) // QUARTER * QUARTER
    if until <= FIRST:
        return PurgeReport(0)
    step = Step(uuid4(), datetime.now(UTC), "purge", "", None, FIRST, until)
    return PurgeReport(await _remove_all(connection, [step]))


async def retire(connection: Connection, borders: Borders) -> PurgeReport:
    """As `Store.retire`. Days are dropped only as far as every site lets them go, whether it has events or not: an
    event that another process is just storing must not go with those of other sites.
    """
    events = 0
    if borders.everywhere is not None:
        events += (await purge(connection, borders.everywhere)).events
    if not borders.sites or borders.latest is None:
        return PurgeReport(events)
    await finish(connection)
    rows = await connection.query(SQL["old_days"], {"before": borders.latest}, seconds=UNHURRIED)
    now = datetime.now(UTC)
    retired = [
        Step(uuid4(), now, "retention", "", site, instant_of(start), instant_of(end))
        for site, (start, end) in borders.steps(DayEvents(str(row[0]), int(row[1]), int(row[2])) for row in rows)
    ]
    return PurgeReport(events + await _remove_all(connection, retired))


async def imports(connection: Connection, import_id: str | None) -> Sequence[ImportedEvents]:
    """As `Store.imports`."""
    rows = await connection.query(SQL["imports"], {"import_id": import_id}, seconds=UNHURRIED)
    return [ImportedEvents(*row) for row in rows]


async def removals(connection: Connection, import_id: str) -> Sequence[Removal]:
    """As `Store.removals`."""
    return [Removal(*row) for row in await connection.query(SQL["removals"], {"import_id": import_id})]


async def undo_import(connection: Connection, import_id: str, site_id: str | None) -> int:
    """As `Store.undo_import`."""
    await finish(connection)
    given = {"import_id": import_id, "site": site_id}
    found = await connection.query(SQL["days"], given, seconds=UNHURRIED)
    now = datetime.now(UTC)
    undone = [
        Step(uuid4(), now, "import", import_id, site_id, instant_of(start), instant_of(end))
        for start, end in steps([(int(row[0]), int(row[1])) for row in found])
    ]
    return await _remove_all(connection, undone)


async def finish(connection: Connection) -> bool:
    """Finish the removals that stopped in between; returns whether there were any."""
    rows = await connection.query(SQL["unfinished"])
    for row in rows:
        step = step_of(row)
        await (erasure.finish if step.kind == "erasure" else _delete)(connection, step)
    await erasure.forget_ids(connection)
    return bool(rows)


async def removed(connection: Connection) -> int:
    """How many events were removed and are gone."""
    events = int(await connection.value(SQL["removed"]))
    for row in await connection.query(SQL["unfinished"]):
        step = step_of(row)
        left = sum(count for _, count in await counts_of(connection, step))
        events += step.events - left
    return events


async def _remove_all(connection: Connection, wanted: Sequence[Step]) -> int:
    """Do some removals one after the other; returns how many events they removed."""
    events = 0
    for step in wanted:
        events += await _remove(connection, step)
    if events:
        await session_days.refresh(connection)  # once, since each deletion makes new parts of all days
    return events


async def _remove(connection: Connection, step: Step) -> int:
    """Write a removal down and do it; returns how many events it removed."""
    # What the ledger counts from events has to be a fact before events go.
    await settle_blocks(connection, datetime.now(UTC) + timedelta(days=1))
    counts = await counts_of(connection, step)
    if not counts:
        return 0
    step = replace(step, counts=counts)
    await write_down(connection, step, done=False)
    await _delete(connection, step)
    return step.events


async def _delete(connection: Connection, step: Step) -> None:
    if step.kind == "purge":  # whole days go at once, with their files
        await drop_days(connection, "events", SQL["partitions_before"], step.until)
    await connection.everywhere(SQL[f"delete_{step.kind}"], step.parameters)
    if step.kind == "import":
        given = {"first": step.first, "until": step.until}
        links = [(row[0], row[1]) for row in await connection.query(SQL["lost_links"], given, seconds=UNHURRIED)]
        await identity.release(connection, links)
    await identity.forget_persons(connection)
    if step.kind in ("purge", "retention"):
        await identity.forget_splits(connection)
    await write_down(connection, step, done=True)


async def drop_days(connection: Connection, table: str, statement: str, before: datetime) -> None:
    """Drop the partitions of a table on each server whose days end before a time; `statement` selects them."""
    given = {"table": connection.local(table), "day": f"{before:%Y%m%d}"}
    for server in connection.servers:
        for (day,) in await connection.query(statement, given, seconds=UNHURRIED, server=server):
            drop = f"ALTER TABLE {connection.local(table)} DROP PARTITION ID {quote_text(day)}"
            await connection.command(drop, seconds=UNHURRIED, server=server)
