"""Erases a person, in one transaction. Driver errors pass as they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from tallystick.analysis.buckets import instant_of, micros
from tallystick.model.identity import Link
from tallystick.model.sql import load_statements
from tallystick.store.duckdb import identity, removal
from tallystick.store.duckdb.connection import Connection, transaction
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
from tallystick.store.removal import DAY

SQL = load_statements("tallystick.store.duckdb", "sql/erasure.sql")
LETTERS = 1_000
"""Dead letters that are read at a time."""
PAGE = 10_000
"""Users that `persons_with_events` reads at a time."""


def tombstones(db: Connection, known: Tombstones) -> Tombstones:
    """The tombstones as they are now; `known` when these are the same."""
    version = int(db.execute(SQL["version"]).fetchall()[0][0])
    if version == known.version:
        return known
    rows = db.execute(SQL["tombstones"]).fetchall()
    return Tombstones(_keys(db), [Tombstone(*row) for row in rows], version)


def links(db: Connection, site_id: str, user_id: str) -> tuple[str, list[Link]]:
    """As `Store.person_links`."""
    person = identity.person_of(db, site_id, user_id)
    return person, [link for link, _ in identity.joined(db, site_id, person)]


def found(db: Connection, site_id: str, user_id: str) -> PersonFound:
    """As `Store.person_found`."""
    with transaction(db):
        return _found(db, site_id, _ids(db, site_id, user_id))


def erase(db: Connection, site_id: str, user_id: str, blocked: bool) -> Erasure:
    """As `Store.erase`."""
    with transaction(db):
        users = _ids(db, site_id, user_id)
        person = _found(db, site_id, users)
        erasure = _receipt(db, site_id, user_id, blocked, person)
        if person.events:
            _remove_events(db, site_id, users, erasure)
        for change in list(_letters(db, site_id, users)):
            db.execute(SQL["change_letter"], change._asdict())
        db.execute(SQL["forget_splits"], {"site": site_id, "users": users})
        identity.release(db, [(site_id, user) for user in users])
        _enter(db, erasure, users)
    return erasure


def erasures(db: Connection, site_id: str | None, user_id: str | None) -> Sequence[Erasure]:
    """As `Store.erasures`."""
    digests = None
    if user_id is not None:
        digests = [digest_of(key, site_id or "", user_id) for key in _keys(db)]
    rows = db.execute(SQL["erasures"], {"site": site_id, "digests": digests}).fetchall()
    return [_erasure(row) for row in rows]


def persons_with_events(db: Connection, known: Tombstones) -> int:
    """How many users were erased and have events that are not to be stored."""
    stones = tombstones(db, known)
    if not stones:
        return 0
    rows = db.execute(SQL["verify"])
    persons = 0
    while page := rows.fetchmany(PAGE):
        persons += stones.persons_with_events(page)
    return persons


def _keys(db: Connection) -> list[str]:
    return [row[0] for row in db.execute(SQL["keys"]).fetchall()]


def _ids(db: Connection, site_id: str, user_id: str) -> list[str]:
    """All ids of a person, the given one first."""
    person, joined = links(db, site_id, user_id)
    return list(dict.fromkeys([user_id, person, *(link.user_id for link in joined)]))


def _found(db: Connection, site_id: str, users: Collection[str]) -> PersonFound:
    given = {"site": site_id, "users": list(users)}
    events, sessions, first, last = db.execute(SQL["found"], given).fetchall()[0]
    letters = sum(1 for _ in _letters(db, site_id, users))
    times = (None if moment is None else instant_of(moment) for moment in (first, last))
    return PersonFound(len(users), events, sessions, letters, *times)


def _letters(db: Connection, site_id: str, users: Collection[str]) -> Iterator[LetterChange]:
    """The dead letters that lose events of a person."""
    after = -1
    while page := db.execute(SQL["letters"], {"after": after, "limit": LETTERS}).fetchall():
        yield from changed_letters(((*row[:2], bytes(row[2]), *row[3:]) for row in page), site_id, set(users))
        after = page[-1][0]


def _receipt(db: Connection, site_id: str, user_id: str, blocked: bool, person: PersonFound) -> Erasure:
    if not _keys(db):
        db.execute(SQL["add_key"], {"key": new_key()})
    digest = digest_of(_keys(db)[0], site_id, user_id)
    now = instant_of(time.time_ns() // 1_000)
    # A client's clock may be ahead: what was erased must not come back with the time that it had.
    until = max(now, person.last or now)
    return Erasure(str(uuid4()), site_id, digest, now, until, blocked, person)


def _remove_events(db: Connection, site_id: str, users: Sequence[str], erasure: Erasure) -> None:
    first, last = (_micros(moment) for moment in (erasure.found.first, erasure.found.last))
    assert first is not None
    assert last is not None
    db.execute(SQL["select"], {"site": site_id, "users": users})
    db.execute(SQL["record"], {"now": _micros(erasure.erased_at), "id": erasure.id})
    removal.remove_selected(db, {"first": first // DAY * DAY, "end": last // DAY * DAY + DAY})
    db.execute("DROP TABLE removed")


def _enter(db: Connection, erasure: Erasure, users: Sequence[str]) -> None:
    key = _keys(db)[0]
    given = {
        "site": erasure.site_id,
        "erased_at": _micros(erasure.erased_at),
        "until": _micros(erasure.until),
        "blocked": erasure.blocked,
    }
    digests = [digest_of(key, erasure.site_id, user) for user in users]
    db.execute(SQL["add_tombstones"], {**given, "digests": digests})
    person = erasure.found
    counts = {name: getattr(person, name) for name in ("ids", "events", "sessions", "dead_letters")}
    times = {"first": _micros(person.first), "last": _micros(person.last)}
    db.execute(SQL["add_erasure"], {**given, "id": erasure.id, "digest": erasure.digest, **counts, **times})


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def _erasure(row: Sequence[Any]) -> Erasure:
    id_, site, digest, erased_at, until, blocked, *counts, first, last = row
    times = (None if moment is None else instant_of(moment) for moment in (first, last))
    return Erasure(id_, site, digest, instant_of(erased_at), instant_of(until), blocked, PersonFound(*counts, *times))
