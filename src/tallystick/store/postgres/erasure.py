"""Erases a person, in one transaction that excludes batches. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tallystick.model.identity import Link
from tallystick.model.sql import load_statements
from tallystick.store.erasure import (
    Erasure,
    LetterChange,
    PersonFound,
    Tombstone,
    Tombstones,
    changed_letters,
    digest_of,
    new_key,
)
from tallystick.store.postgres import identity, locks, removal
from tallystick.store.postgres.connection import UNHURRIED, Connection

SQL = load_statements("tallystick.store.postgres", "sql/erasure.sql")
LETTERS = 1_000
"""Dead letters that are read at a time."""
PAGE = 10_000
"""Users that `persons_with_events` reads at a time."""


async def tombstones(connection: Connection, known: Tombstones) -> Tombstones:
    """The tombstones as they are now; `known` when these are the same."""
    version = int(await connection.fetchval(SQL["version"]))
    if version == known.version:
        return known
    rows = await connection.fetch(SQL["tombstones"], timeout=UNHURRIED)
    return Tombstones(await _keys(connection), [Tombstone(*row) for row in rows], version)


async def links(connection: Connection, site_id: str, user_id: str) -> tuple[str, list[Link]]:
    """As `Store.person_links`."""
    person = await identity.person_of(connection, site_id, user_id)
    return person, [link for link, _ in await identity.joined(connection, site_id, person)]


async def found(connection: Connection, site_id: str, user_id: str) -> PersonFound:
    """As `Store.person_found`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        return await _found(connection, site_id, await _ids(connection, site_id, user_id))


async def erase(connection: Connection, site_id: str, user_id: str, blocked: bool) -> Erasure:
    """As `Store.erase`."""
    async with connection.transaction():
        await connection.fetchrow(SQL["begin"])
        for lock in (locks.HOUSEKEEPING, locks.WRITING):
            await connection.execute(locks.LOCK, locks.SPACE, lock, timeout=UNHURRIED)
        users = await _ids(connection, site_id, user_id)
        person = await _found(connection, site_id, users)
        erasure = await _receipt(connection, site_id, user_id, blocked, person)
        if person.events:
            await _remove_events(connection, site_id, users, erasure)
        for change in [one async for one in _letters(connection, site_id, users)]:
            await connection.execute(SQL["change_letter"], *change)
        await connection.execute(SQL["forget_splits"], site_id, users)
        await identity.release(connection, [(site_id, user) for user in users])
        await _enter(connection, erasure, users)
    return erasure


async def erasures(connection: Connection, site_id: str | None, user_id: str | None) -> Sequence[Erasure]:
    """As `Store.erasures`."""
    digests = None
    if user_id is not None:
        digests = [digest_of(key, site_id or "", user_id) for key in await _keys(connection)]
    rows = await connection.fetch(SQL["erasures"], site_id, digests)
    return [_erasure(tuple(row)) for row in rows]


async def persons_with_events(connection: Connection, known: Tombstones) -> int:
    """How many users were erased and have events that are not to be stored. Within a transaction."""
    stones = await tombstones(connection, known)
    if not stones:
        return 0
    cursor = await connection.cursor(SQL["verify"])
    persons = 0
    while page := await cursor.fetch(PAGE):
        persons += stones.persons_with_events([(row[0], row[1], row[2], row[3]) for row in page])
    return persons


async def _keys(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.fetch(SQL["keys"])]


async def _ids(connection: Connection, site_id: str, user_id: str) -> list[str]:
    """All ids of a person, the given one first."""
    person, joined = await links(connection, site_id, user_id)
    return list(dict.fromkeys([user_id, person, *(link.user_id for link in joined)]))


async def _found(connection: Connection, site_id: str, users: Collection[str]) -> PersonFound:
    row = await connection.fetchrow(SQL["found"], site_id, list(users), timeout=UNHURRIED)
    events, sessions, first, last = tuple(row)
    letters = [one async for one in _letters(connection, site_id, users)]
    return PersonFound(len(users), events, sessions, len(letters), first, last)


async def _letters(connection: Connection, site_id: str, users: Collection[str]) -> AsyncIterator[LetterChange]:
    """The dead letters that lose events of a person."""
    after = -1
    while page := await connection.fetch(SQL["letters"], after, LETTERS):
        letters = [(row[0], row[1], bytes(row[2]), row[3], row[4], row[5]) for row in page]
        for change in changed_letters(letters, site_id, set(users)):
            yield change
        after = letters[-1][0]


async def _receipt(connection: Connection, site_id: str, user_id: str, blocked: bool, person: PersonFound) -> Erasure:
    if not await _keys(connection):
        await connection.execute(SQL["add_key"], new_key())
    digest = digest_of((await _keys(connection))[0], site_id, user_id)
    now = datetime.now(UTC)
    # A client's clock may be ahead: what was erased must not come back with the time that it had.
    until = max(now, person.last or now)
    return Erasure(str(uuid4()), site_id, digest, now, until, blocked, person)


async def _remove_events(connection: Connection, site_id: str, users: Sequence[str], erasure: Erasure) -> None:
    await connection.execute(SQL["create_removed"])
    await connection.execute(SQL["select"], site_id, users, timeout=UNHURRIED)
    await connection.execute("ANALYZE removed")  # the planner knows nothing of a new table
    await connection.execute(SQL["record"], erasure.erased_at, erasure.id)
    first, last = erasure.found.first, erasure.found.last
    assert first is not None
    assert last is not None
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    bounds = (first.replace(hour=0, minute=0, second=0, microsecond=0), midnight + timedelta(days=1))
    await removal.remove_selected(connection, bounds)


async def _enter(connection: Connection, erasure: Erasure, users: Sequence[str]) -> None:
    key = (await _keys(connection))[0]
    digests = [digest_of(key, erasure.site_id, user) for user in users]
    times = (erasure.erased_at, erasure.until, erasure.blocked)
    await connection.execute(SQL["add_tombstones"], erasure.site_id, digests, *times)
    person = erasure.found
    counts = (person.ids, person.events, person.sessions, person.dead_letters, person.first, person.last)
    await connection.execute(SQL["add_erasure"], erasure.id, erasure.site_id, erasure.digest, *times, *counts)


def _erasure(row: Sequence[Any]) -> Erasure:
    id_, site, digest, erased_at, until, blocked, *counts = row
    return Erasure(id_, site, digest, erased_at, until, blocked, PersonFound(*counts))
