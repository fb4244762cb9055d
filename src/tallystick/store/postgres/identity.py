"""The table `identities`: which ids resolve to which person. One process at a time changes it, with the events (G3).

Driver errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tallystick.model.books import Difference
from tallystick.model.identity import Change, Joined, Link, NewLink, added, identity_differences, rejoined, touched
from tallystick.model.sql import load_statements
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import UNHURRIED, Connection

SQL = load_statements("tallystick.store.postgres", "sql/identity.sql")


async def join(connection: Connection) -> None:
    """Join the ids that the links in `incoming` name. Within the caller's transaction (READ COMMITTED).

    The link that counts for an id only ever gets earlier. So links that change nothing need no lock; these are most
    where clients repeat their `identify` events. Links that change something are read again under the lock, which is
    held until the commit, because links of two workers may form a chain only together.
    """
    if not await connection.fetch(SQL["new_links"]):
        return
    await connection.execute(locks.LOCK, locks.SPACE, locks.IDENTITIES)
    new = [NewLink(Link(*row[:5]), *row[5:]) for row in await connection.fetch(SQL["new_links"])]
    if new:
        await _apply(connection, added(new) or rejoined(new, await _known(connection, new)))


async def _known(connection: Connection, new: Sequence[NewLink]) -> list[Joined]:
    persons = sorted(touched(new))
    rows = await connection.fetch(SQL["joined"], *_columns(persons, 2))
    return [(Link(*row[:5]), row[5]) for row in rows]


async def _apply(connection: Connection, change: Change) -> None:
    if change.moved:
        moved = [(site, person, later) for (site, person), later in sorted(change.moved.items())]
        await connection.execute(SQL["move"], *_columns(moved, 3))
    rows = [
        (link.site_id, link.user_id, link.linked_to, link.linked_at, link.event_id, person)
        for link, person in change.rows
    ]
    await connection.execute(SQL["enter"], *_columns(rows, 6))


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(width)]


async def purge(connection: Connection, border: datetime) -> None:
    """Delete ids of persons of whom a purge up to the border left no event. No process may write events meanwhile."""
    await connection.execute(SQL["purge"], border, timeout=UNHURRIED)


async def differences(connection: Connection, days: Iterable[datetime]) -> list[Difference]:
    """Where the table differs from what its links and the raw events of these days give."""
    links = 0
    for day in days:
        links += int(await connection.fetchval(SQL["verify_links"], day, timeout=UNHURRIED))
    strange, astray = tuple(await connection.fetchrow(SQL["verify_identities"], timeout=UNHURRIED))
    return identity_differences(links, strange, astray)


async def knows(connection: Connection, site_id: str | None) -> bool:
    """Whether any ids of a site (None: of any site) were joined."""
    site = "" if site_id is None else " WHERE site_id = $1"
    parameters = [] if site_id is None else [site_id]
    return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM identities{site})", *parameters))
