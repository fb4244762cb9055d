"""Erases a person, in steps that can be repeated.

The tombstones come first. A worker that stores a batch looks for new ones after its events are there, and takes back
what they refuse. So it sees the tombstones, or the erasure sees its events. Then the erasure is written down as any
removal (step.py), with the person's ids in the table `erasing`, so that it can be finished when it stopped.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from tallystick.model.block import BlockKey
from tallystick.model.identity import Id, Link
from tallystick.model.sql import load_statements
from tallystick.store.clickhouse import identity
from tallystick.store.clickhouse.removals.step import Step, counts_of, write_down
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection, Row, table_of
from tallystick.store.clickhouse.server.rows import TIMES, json_rows
from tallystick.store.clickhouse.ticks import CHANGED_LETTERS, TICKS
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.clickhouse.upkeep.settling import settle_blocks
from tallystick.store.erasure import (
    ErasedLine,
    Erasure,
    PersonFound,
    Tombstone,
    Tombstones,
    changed_letters,
    digest_of,
    new_key,
)

SQL = load_statements("tallystick.store.clickhouse", "sql/erasure.sql")
LETTERS = 1_000
"""Dead letters that are read at a time."""
EVENT_IDS = 2_000
"""Most ids of events in one statement: they are sent with its address."""
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


async def version(connection: Connection) -> int:
    """How many tombstones there are. They are only added."""
    return int(await connection.value(SQL["version"]))


async def tombstones(connection: Connection, known: Tombstones) -> Tombstones:
    """The tombstones as they are now; `known` when these are the same."""
    now = await version(connection)
    if now == known.version:
        return known
    # Read after their number: one that comes in between is found again by the next look.
    rows = await connection.query(SQL["tombstones"], seconds=UNHURRIED)
    return Tombstones(await _keys(connection), [Tombstone(*row) for row in rows], now)


async def links(connection: Connection, site_id: str, user_id: str) -> tuple[str, list[Link]]:
    """As `Store.person_links`."""
    person = await identity.person_of(connection, site_id, user_id)
    return person, [link for link, _ in await identity.joined(connection, site_id, person)]


async def found(connection: Connection, site_id: str, user_id: str) -> PersonFound:
    """As `Store.person_found`."""
    return await _found(connection, site_id, await _ids(connection, site_id, user_id))


async def erase(connection: Connection, site_id: str, user_id: str, blocked: bool) -> Erasure:
    """As `Store.erase`. No batch of this process is stored meanwhile, and no removal is unfinished."""
    users = await _ids(connection, site_id, user_id)
    person = await _found(connection, site_id, users)
    if not await _keys(connection):
        row = {"key": new_key(), "made_at": datetime.now(UTC)}
        await connection.insert(SQL["add_key"], json_rows([row]), settings=TIMES)
    key = (await _keys(connection))[0]
    now = datetime.now(UTC)
    # A client's clock may be ahead: what was erased must not come back with the time that it had.
    until = max(now, person.last or now)
    erasure = Erasure(str(uuid4()), site_id, digest_of(key, site_id, user_id), now, until, blocked, person)
    await _add_ids(connection, erasure, users)
    await _add_tombstones(connection, erasure, [digest_of(key, site_id, user) for user in users])
    # What the ledger counts from events has to be a fact before events go.
    await settle_blocks(connection, now + timedelta(days=1))
    step = Step(uuid4(), now, "erasure", erasure.id, site_id, FIRST, FIRST)
    counts = await counts_of(connection, step)
    # Another process may have stored events since they were counted.
    events = sum(count for _, count in counts)
    erasure = replace(erasure, found=replace(person, events=events))
    await _add_receipt(connection, erasure)
    step = Step(step.id, now, "erasure", erasure.id, site_id, FIRST, FIRST, counts)
    await write_down(connection, step, done=False)
    await finish(connection, step)
    return erasure


async def finish(connection: Connection, step: Step) -> None:
    """Do what an erasure that is written down says. Each part can be repeated."""
    given = {"erasure": step.subject}
    ids: list[Id] = [(row[0], row[1]) for row in await connection.query(SQL["ids"], given)]
    await connection.everywhere(SQL["delete_events"], given)
    await connection.everywhere(SQL["delete_physically"])
    await session_days.refresh(connection)
    if ids and step.site_id is not None:  # else another process has ended it meanwhile
        splits = await connection.query(SQL["splits"], external=_given(ids))
        if splits:
            await identity.enter_splits(connection, [(row[0], row[1], row[2]) for row in splits], gone=True)
        await identity.release(connection, ids)
        await _change_letters(connection, step.site_id, {user for _, user in ids})
    await connection.command(SQL["end"], given)
    await write_down(connection, step, done=True)
    await forget_ids(connection)


async def forget_ids(connection: Connection) -> None:
    """Delete the ids that are kept of erasures that have ended, or were never written down."""
    if await connection.value(SQL["any_ids"]):
        await connection.everywhere(SQL["forget_ids"])
        await connection.everywhere(SQL["forget_ids_physically"])


async def erasures(connection: Connection, site_id: str | None, user_id: str | None) -> Sequence[Erasure]:
    """As `Store.erasures`."""
    digests: list[str] = []
    if user_id is not None:
        digests = [digest_of(key, site_id or "", user_id) for key in await _keys(connection)]
    given = {"site": site_id, "any": int(user_id is None), "digests": digests}
    rows = await connection.query(SQL["erasures"], given)
    return [_erasure(row) for row in rows]


async def persons_with_events(connection: Connection, known: Tombstones) -> int:
    """How many users were erased and have events that are not to be stored."""
    stones = await tombstones(connection, known)
    if not stones:
        return 0
    persons = 0
    async for rows in connection.stream(SQL["verify"]):
        persons += stones.persons_with_events([(row[0], row[1], row[2], row[3]) for row in rows])
    return persons


async def take_back(connection: Connection, erased: Mapping[BlockKey, Sequence[ErasedLine]]) -> None:
    """Delete lines that an earlier try of their block stored, before their person was erased."""
    rows = [
        {
            "site_id": line.site_id,
            "timestamp": line.timestamp,
            "event_id": line.event_id,
            "ingester": key[0],
            "seq": key[1],
        }
        for key, lines in erased.items()
        for line in lines
        if line.event_id
    ]
    if not rows:
        return
    structure = "site_id String, timestamp DateTime64(6,'UTC'), event_id UUID, ingester String, seq Int64"
    found = await connection.query(
        SQL["left_behind"], external=table_of("given", structure, json_rows(rows)), settings=TIMES, seconds=UNHURRIED
    )
    if not int(found[0][0]):
        return
    for (ingester, seq), lines in erased.items():
        for start in range(0, len(lines), EVENT_IDS):
            ids = [line.event_id for line in lines[start : start + EVENT_IDS] if line.event_id]
            given = {"ingester": ingester, "seq": seq, "event_ids": ids}
            await connection.everywhere(SQL["take_back"], given)


# --- parts ----------------------------------------------------------------------------------------------------------


async def _keys(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.query(SQL["keys"])]


async def _ids(connection: Connection, site_id: str, user_id: str) -> list[str]:
    """All ids of a person, the given one first."""
    person, joined = await links(connection, site_id, user_id)
    return list(dict.fromkeys([user_id, person, *(link.user_id for link in joined)]))


def _given(ids: Collection[Id]) -> Any:
    rows = [{"site_id": site, "user_id": user} for site, user in ids]
    return table_of("given", "site_id String, user_id String", json_rows(rows))


async def _found(connection: Connection, site_id: str, users: Collection[str]) -> PersonFound:
    given = _given([(site_id, user) for user in users])
    events, sessions, first, last = (await connection.query(SQL["found"], external=given, seconds=UNHURRIED))[0]
    letters = 0
    async for changed in _letters(connection, site_id, users):
        letters += len(changed)
    return PersonFound(len(users), events, sessions, letters, first, last)


async def _add_ids(connection: Connection, erasure: Erasure, users: Sequence[str]) -> None:
    row = {"erasure": erasure.id, "site_id": erasure.site_id, "since": erasure.erased_at}
    await connection.insert(SQL["add_ids"], json_rows([{**row, "user_id": user} for user in users]), settings=TIMES)


async def _add_tombstones(connection: Connection, erasure: Erasure, digests: Sequence[str]) -> None:
    times = {"erased_at": erasure.erased_at, "until": erasure.until, "blocked": erasure.blocked}
    rows = [{"site_id": erasure.site_id, "digest": digest, **times} for digest in digests]
    await connection.insert(SQL["add_tombstones"], json_rows(rows), settings=TIMES)


async def _add_receipt(connection: Connection, erasure: Erasure) -> None:
    row = {name: getattr(erasure, name) for name in ("id", "site_id", "digest", "erased_at", "until", "blocked")}
    row |= {name: getattr(erasure.found, name) for name in PersonFound.__struct_fields__}
    await connection.insert(SQL["add_erasure"], json_rows([{**row, "done": 0}]), settings=TIMES)


async def _letters(
    connection: Connection, site_id: str, users: Collection[str]
) -> AsyncIterator[list[dict[str, object]]]:
    """The dead letters that lose events of a person, as they are then: rows for `change_letters`."""
    after = -1
    while page := await connection.query(SQL["letters"], {"after": after, "limit": LETTERS}):
        known = {row[0]: row for row in page}
        originals = {row[0]: base64.b64decode(row[4]) for row in page}
        letters = [(row[0], row[3], originals[row[0]], row[5], row[8], row[10]) for row in page]
        rows: list[dict[str, object]] = []
        for change in changed_letters(letters, site_id, set(users)):
            id_, ingester, seq, place, *_, events, attempts, dead_at, _state = known[change.id]
            kept = {"id": id_, "ingester": ingester, "seq": seq, "place": place}
            rows.append(
                {**kept, "events": events, "attempts": attempts, "dead_at": dead_at, **change._asdict()}
                | {"version": CHANGED_LETTERS + TICKS.next()}
            )
        yield rows
        after = page[-1][0]


async def _change_letters(connection: Connection, site_id: str, users: Collection[str]) -> None:
    changed = 0
    async for rows in _letters(connection, site_id, users):
        if rows:
            await connection.insert(SQL["change_letters"], json_rows(rows), settings=TIMES)
        changed += len(rows)
    if changed:
        await connection.everywhere(SQL["merge_letters"])


def _erasure(row: Row) -> Erasure:
    id_, site, digest, erased_at, until, blocked, *counts = row
    return Erasure(id_, site, digest, erased_at, until, bool(blocked), PersonFound(*counts))
