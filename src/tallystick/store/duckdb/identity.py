"""The table `identities`: which ids resolve to which person. The writing thread changes it with the events (G3)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC

from tallystick.analysis.buckets import instant_of, micros
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
from tallystick.store.duckdb.connection import Connection, transaction

SQL = load_statements("tallystick.store.duckdb", "sql/identity.sql")


def join(db: Connection) -> None:
    """Join the ids that the links in `incoming` name. Within the caller's transaction."""
    new = [NewLink(Link(*row[:5]), *row[5:]) for row in db.execute(SQL["new_links"]).fetchall()]
    if new:
        _apply(db, added(new) or rejoined(new, _known(db, touched(new))))


def person_of(db: Connection, site_id: str, user_id: str) -> str:
    """The person that an id resolves to."""
    rows = db.execute(SQL["person"], {"site": site_id, "user": user_id}).fetchall()
    return str(rows[0][0]) if rows else user_id


def joined(db: Connection, site_id: str, person: str) -> list[Joined]:
    """All joined ids of a person."""
    return _known(db, [(site_id, person)])


def split(db: Connection, site_id: str, user_id: str) -> SplitReport | None:
    """As `Store.split`."""
    with transaction(db):
        person = person_of(db, site_id, user_id)
        cut = cut_links(_known(db, [(site_id, person)]), site_id, user_id)
        if not cut:
            return None
        # A client's clock may be ahead: what is taken apart has to stay apart.
        split_at = max([time.time_ns() // 1_000, *(micros(link.linked_at.replace(tzinfo=UTC)) for link in cut)])
        users = sorted(link.user_id for link in cut)
        db.execute(SQL["forget_splits"], {"site": site_id, "users": users})
        db.execute(SQL["split"], {"site": site_id, "users": users, "split_at": split_at})
        release(db, [link.id for link in cut], since=split_at)
    return SplitReport(person, users, instant_of(split_at))


def release(db: Connection, ids: Sequence[Id], since: int = 0) -> None:
    """Work out anew whom some ids are joined to: their links are gone, later ones count now. Within a transaction.

    Args:
        since: no event before this (microseconds since 1970) joins them.
    """
    known = _known(db, db.execute(SQL["persons_of"], _keys(ids)).fetchall())
    db.execute(SQL["forget"], _keys(ids))
    _apply(db, separated(known, set(ids)))
    db.execute(SQL["find_links"], {**_keys(ids), "first": since})
    join(db)


def _keys(ids: Sequence[Id]) -> dict[str, list[str]]:
    return {"sites": [site for site, _ in ids], "users": [user for _, user in ids]}


def _known(db: Connection, persons: Collection[Id]) -> list[Joined]:
    """All joined ids of some persons."""
    asked = {"sites": [site for site, _ in persons], "persons": [person for _, person in persons]}
    return [(Link(*row[:5]), row[5]) for row in db.execute(SQL["joined"], asked).fetchall()]


def _apply(db: Connection, change: Change) -> None:
    if change.moved:
        moved = {
            "sites": [site for site, _ in change.moved],
            "persons": [person for _, person in change.moved],
            "later": list(change.moved.values()),
        }
        db.execute(SQL["move"], moved)
    links = [link for link, _ in change.rows]
    keys = {"sites": [link.site_id for link in links], "users": [link.user_id for link in links]}
    db.execute(SQL["forget"], keys)
    row = {
        **keys,
        "linked": [link.linked_to for link in links],
        "at": [link.linked_at for link in links],
        "events": [link.event_id for link in links],
        "persons": [person for _, person in change.rows],
    }
    db.execute(SQL["enter"], row)


def forget_persons(db: Connection) -> None:
    """Delete the ids of persons of whom no event is left."""
    db.execute(SQL["purge"])


def purge(db: Connection) -> None:
    """Delete the ids of persons of whom a purge left no event, and splits of joins that are gone. It is recorded."""
    forget_persons(db)
    db.execute(SQL["purge_splits"])


def differences(db: Connection, days: Iterable[int]) -> list[Difference]:
    """Where the table differs from what its links and the raw events of these days (microseconds since 1970) give."""
    links = sum(int(db.execute(SQL["verify_links"], {"day": day}).fetchall()[0][0]) for day in days)
    strange, astray, twice = db.execute(SQL["verify_identities"]).fetchall()[0]
    return identity_differences(links, strange, astray + twice)


def knows(db: Connection, site_id: str | None) -> bool:
    """Whether any ids of a site (None: of any site) were joined."""
    site = "" if site_id is None else " WHERE site_id = ?"
    statement = f"SELECT 1 FROM identities{site} LIMIT 1"
    return bool(db.execute(statement, [] if site_id is None else [site_id]).fetchall())
