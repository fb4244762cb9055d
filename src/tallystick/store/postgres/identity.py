"""The table `identities`: which ids resolve to which person. One process at a time changes it, with the events (G3).

Driver errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from tallystick.model.books import Difference
from tallystick.model.identity import (
    Change,
    Id,
    Joined,
    Link,
    NewLink,
    added,
    cut_links,
    identity_differences,
    rejoined,
    separated,
    touched,
)
from tallystick.model.sql import load_statements
from tallystick.store.base import SplitReport
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import UNHURRIED, Connection

SQL = load_statements("tallystick.store.postgres", "sql/identity.sql")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Before any event."""


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
        await _apply(connection, added(new) or rejoined(new, await _known(connection, touched(new))))


async def person_of(connection: Connection, site_id: str, user_id: str) -> str:
    """The person that an id resolves to."""
    return str(await connection.fetchval(SQL["person"], site_id, user_id) or user_id)


async def joined(connection: Connection, site_id: str, person: str) -> list[Joined]:
    """All joined ids of a person."""
    return await _known(connection, [(site_id, person)])


async def split(connection: Connection, site_id: str, user_id: str) -> SplitReport | None:
    """As `Store.split`. Batches wait: one of them may hold an event that joins the id, not committed yet."""
    async with connection.transaction():
        await connection.execute(locks.LOCK, locks.SPACE, locks.WRITING, timeout=UNHURRIED)
        person = await person_of(connection, site_id, user_id)
        cut = cut_links(await _known(connection, [(site_id, person)]), site_id, user_id)
        if not cut:
            return None
        # A client's clock may be ahead: what is taken apart has to stay apart.
        split_at = max([datetime.now(UTC), *(link.linked_at for link in cut)])
        users = sorted(link.user_id for link in cut)
        await connection.execute(SQL["split"], site_id, users, split_at)
        await release(connection, [link.id for link in cut], since=split_at)
    return SplitReport(person, users, split_at)


async def release(
    connection: Connection, ids: Sequence[Id], since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
) -> None:
    """Work out anew whom some ids are joined to: their links are gone, later ones count now.

    Within the caller's transaction, which excludes batches.

    Args:
        since: no event before this joins them.
    """
    persons = [(row[0], row[1]) for row in await connection.fetch(SQL["persons_of"], *_columns(ids, 2))]
    known = await _known(connection, persons)
    await connection.execute(SQL["forget"], *_columns(ids, 2))
    await _apply(connection, separated(known, set(ids)))
    await connection.execute("TRUNCATE incoming")
    await connection.execute(SQL["find_links"], *_columns(ids, 2), since, timeout=UNHURRIED)
    await join(connection)


async def _known(connection: Connection, persons: Collection[Id]) -> list[Joined]:
    """All joined ids of some persons."""
    rows = await connection.fetch(SQL["joined"], *_columns(sorted(persons), 2))
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


async def forget_persons(connection: Connection) -> None:
    """Delete the ids of persons of whom no event is left."""
    await connection.execute(SQL["purge"], timeout=UNHURRIED)


async def purge(connection: Connection) -> None:
    """Delete ids of persons of whom a purge left no event, and splits of joins that are gone. The purge is recorded.

    No process may write events meanwhile.
    """
    await forget_persons(connection)
    await connection.execute(SQL["purge_splits"])


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
