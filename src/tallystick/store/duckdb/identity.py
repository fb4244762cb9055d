"""The table `identities`: which ids resolve to which person. The writing thread changes it with the events (G3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tallystick.model.books import Difference
from tallystick.model.identity import Change, Joined, Link, NewLink, added, identity_differences, rejoined, touched
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection

SQL = load_statements("tallystick.store.duckdb", "sql/identity.sql")


def join(db: Connection) -> None:
    """Join the ids that the links in `incoming` name. Within the caller's transaction."""
    new = [NewLink(Link(*row[:5]), *row[5:]) for row in db.execute(SQL["new_links"]).fetchall()]
    if new:
        _apply(db, added(new) or rejoined(new, _known(db, new)))


def _known(db: Connection, new: Sequence[NewLink]) -> list[Joined]:
    persons = sorted(touched(new))
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


def purge(db: Connection, border: int) -> None:
    """Delete the ids of persons of whom a purge left no event.

    Args:
        border: up to where events were purged, in microseconds since 1970.
    """
    db.execute(SQL["purge"], {"before": border})


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
