"""The table `identities`: which ids resolve to which person.

A process changes it for one batch at a time. Two processes that join the same ids at the same instant may each miss the
other's row; `settle` works the affected persons out anew, as part of housekeeping.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
    persons,
    rejoined,
    touched,
)
from tallystick.model.sql import load_statements
from tallystick.store.base import SplitReport
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection, Row, table_of
from tallystick.store.clickhouse.server.rows import TIMES, json_rows
from tallystick.store.clickhouse.ticks import TICKS

SQL = load_statements("tallystick.store.clickhouse", "sql/identity.sql")


async def links_of_batch(connection: Connection, session: Mapping[str, object]) -> list[Link]:
    """The earliest link of each id among a batch's events, which are stored. `session`: the batch's HTTP session."""
    return [Link(*row) for row in await connection.query(SQL["links_of_batch"], settings=session)]


async def join(connection: Connection, links: Sequence[Link]) -> None:
    """Join the ids that these links name, each of another id. Links that change nothing are ignored."""
    ends = {(link.site_id, link.linked_to) for link in links}
    known = await _rows(connection, "rows_of_ids", {link.id for link in links} | ends)
    by_id = {link.id: (link, person) for link, person in known}
    links = [link for link in links if link.id not in by_id or link.age < by_id[link.id][0].age]
    if not links:
        return
    own = {link.id: by_id[link.id] for link in links if link.id in by_id}
    circled = await _rows(connection, "rows_of_ids", {(site, person) for (site, _), (_, person) in own.items()})
    circles = {link.id for link, _ in circled}
    new = []
    for link in links:
        before, person = own.get(link.id, (None, None))
        _, ahead = by_id.get((link.site_id, link.linked_to), (None, link.linked_to))
        same = before is not None and before.linked_to == link.linked_to
        new.append(NewLink(link, person, ahead, same, person is not None and (link.site_id, person) in circles))
    change = added(new) or rejoined(new, await _rows(connection, "rows_of_persons", touched(new)))
    await _apply(connection, change)


async def person_of(connection: Connection, site_id: str, user_id: str) -> str:
    """The person that an id resolves to."""
    rows = await connection.query(SQL["person"], {"site": site_id, "user": user_id})
    return str(rows[0][0]) if rows else user_id


async def joined(connection: Connection, site_id: str, person: str) -> list[Joined]:
    """All joined ids of a person."""
    return await _rows(connection, "rows_of_persons", [(site_id, person)])


async def split(connection: Connection, site_id: str, user_id: str) -> SplitReport | None:
    """As `Store.split`. No batch is stored meanwhile."""
    person = await person_of(connection, site_id, user_id)
    cut = cut_links(await _rows(connection, "rows_of_persons", [(site_id, person)]), site_id, user_id)
    if not cut:
        return None
    # A client's clock may be ahead: what is taken apart has to stay apart.
    split_at = max([datetime.now(UTC), *(link.linked_at for link in cut)])
    users = sorted(link.user_id for link in cut)
    await enter_splits(connection, [(site_id, user, split_at) for user in users], gone=False)
    await release(connection, [link.id for link in cut])
    return SplitReport(person, users, split_at)


async def release(connection: Connection, ids: Sequence[Id]) -> None:
    """Work out anew whom some ids are joined to: their links are gone, later ones count now. No batch is stored
    meanwhile. All changes are one insert, so that they are there together.
    """
    if not ids:
        return
    own = await _rows(connection, "rows_of_ids", ids)
    found = await _given(connection, "links_of_ids", ids)
    new = {link.id: link for link in (Link(*row) for row in found)}
    ends = {(link.site_id, link.linked_to) for link in new.values()}
    ahead = await _rows(connection, "rows_of_ids", ends)
    affected = ends | {(link.site_id, person) for link, person in [*own, *ahead]}
    known = await _rows(connection, "rows_of_persons", affected)
    before = {link.id: (link, person) for link, person in known}
    links = {id_: link for id_, (link, _) in before.items() if id_ not in set(ids)} | new
    now = {id_: (links[id_], person) for id_, person in persons(links).items()}
    changed = [row for id_, row in now.items() if before.get(id_) != row]
    await _enter(connection, changed, [row for row in own if row[0].id not in new])


async def forget_persons(connection: Connection) -> None:
    """Delete the ids of persons of whom no event is left; events of others may join these ids anew."""
    rows = await connection.query(_with_purged("persons_without_events"), seconds=UNHURRIED)
    await release(connection, [link.id for link, _ in _joined(rows)])


async def forget_splits(connection: Connection) -> None:
    """Delete splits of joins that a purge removed."""
    found = await connection.query(_with_purged("splits_before"))
    await enter_splits(connection, [(row[0], row[1], row[2]) for row in found], gone=True)


async def settle(connection: Connection, since: int) -> int:
    """Work out anew the persons of ids that were joined by any process after a version of the table.

    Returns:
        The version up to which they are settled.
    """
    changed = await connection.query(SQL["rows_since"], {"since": since})
    if not changed:
        return since
    newest = max(row[6] for row in changed)
    ids = [(row[0], row[1]) for row in changed]
    found = await _given(connection, "links_of_ids", ids)
    await join(connection, [Link(*row) for row in found])
    # Persons that only the link of an id leads to: their ids have to be the same person's.
    rows = await _rows(connection, "rows_of_ids", ids)
    ends = await _rows(connection, "rows_of_ids", {(link.site_id, link.linked_to) for link, _ in rows})
    both = {(link.site_id, person) for link, person in [*rows, *ends]}
    both |= {(link.site_id, link.linked_to) for link, _ in rows}
    known = await _rows(connection, "rows_of_persons", both)
    await _apply(connection, Change(_wrong(known), {}))
    return int(newest)


def _with_purged(statement: str) -> str:
    """A statement that asks up to where events of a site were purged."""
    return SQL[statement].replace("{purged}", SQL["purged"])


async def differences(connection: Connection) -> list[Difference]:
    """Where the table differs from what its links and the raw events give."""
    missing = await connection.value(SQL["verify_links"], seconds=UNHURRIED)
    strange = await connection.value(_with_purged("verify_strange"), seconds=UNHURRIED)
    rows = _joined(await connection.query(SQL["all_rows"], seconds=UNHURRIED))
    return identity_differences(int(missing), int(strange), len(_wrong(rows)))


def _wrong(known: Iterable[Joined]) -> list[Joined]:
    """The rows whose person is not where their links lead, with the right one. `known` has all ids of its persons."""
    rows = {link.id: (link, person) for link, person in known}
    right = persons({id_: link for id_, (link, _) in rows.items()})
    return [(link, right[id_]) for id_, (link, person) in rows.items() if right[id_] != person]


async def knows(connection: Connection, site_id: str | None) -> bool:
    """Whether any ids of a site (None: of any site) were joined."""
    return bool(await connection.value(SQL["knows"], {"site": site_id}))


# --- rows -----------------------------------------------------------------------------------------------------------


async def _rows(connection: Connection, statement: str, ids: Collection[Id]) -> list[Joined]:
    if not ids:
        return []
    return _joined(await _given(connection, statement, ids))


def _joined(rows: Iterable[Sequence[Any]]) -> list[Joined]:
    return [(Link(*row[:5]), row[5]) for row in rows]


async def _given(connection: Connection, statement: str, ids: Iterable[Id]) -> list[Row]:
    """The rows of a statement about the ids in a table `given`, which it has for itself."""
    rows: list[dict[str, object]] = [{"site_id": site, "user_id": user} for site, user in sorted(set(ids))]
    given = table_of("given", "site_id String, user_id String", json_rows(rows))
    return await connection.query(SQL[statement], external=given, seconds=UNHURRIED)


async def _apply(connection: Connection, change: Change) -> None:
    replaced = {link.id for link, _ in change.rows}
    moved = await _rows(connection, "rows_of_persons", list(change.moved))
    rows = [(link, change.moved[link.site_id, person]) for link, person in moved if link.id not in replaced]
    await _enter(connection, [*rows, *change.rows])


async def _enter(connection: Connection, joined: Sequence[Joined], gone: Sequence[Joined] = ()) -> None:
    """Insert or replace rows, and delete others."""
    version = TICKS.next()  # later than any row of this process
    rows: list[dict[str, object]] = [
        {
            "site_id": link.site_id,
            "user_id": link.user_id,
            "linked_to": link.linked_to,
            "linked_at": link.linked_at,
            "event_id": link.event_id,
            "person_id": person,
            "version": version,
            "gone": int(is_gone),
        }
        for part, is_gone in ((joined, False), (gone, True))
        for link, person in part
    ]
    await connection.insert(SQL["enter"], json_rows(rows), settings=TIMES)


async def enter_splits(connection: Connection, splits: Sequence[tuple[str, str, datetime]], *, gone: bool) -> None:
    """Insert or replace splits, or delete them: site, id and time of each."""
    version = TICKS.next()
    rows: list[dict[str, object]] = [
        {"site_id": site, "user_id": user, "split_at": split_at, "version": version, "gone": int(gone)}
        for site, user, split_at in splits
    ]
    await connection.insert(SQL["enter_splits"], json_rows(rows), settings=TIMES)
