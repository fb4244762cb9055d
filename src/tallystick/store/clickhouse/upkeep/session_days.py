"""Sessions built by UTC day, for queries about sessions: `session_parts` has what a day's events say of each session.

A build is made of the *parts* of `events` that hold a day: the files of ClickHouse's tables. A part never changes: a
deletion and a merge make new ones. So a build counts exactly while the day still has the parts that it was made of, on
every server, and no step of loading or removing has to do anything for it. A query looks at the parts before it reads,
and takes the events of every other day.

A query that began with a build may lose it in the middle: it looks afterwards whether all of them are there still, and
otherwise reads the events. A builder that stops leaves a build that no row of `session_days` names.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from tallystick.analysis.sessions.days import BuiltDay
from tallystick.errors import BatchTooLarge, StoreUnavailable
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection, Look, Row
from tallystick.store.clickhouse.ticks import TICKS
from tallystick.store.clickhouse.upkeep.session_days_sql import COLUMNS, rows_sql

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.clickhouse", "sql/session_days.sql")
LEAST = 10_000
"""Rows of `events` from which on a day is built: fewer are read as fast."""
QUIET = 60
"""Seconds for which a day's parts have not changed before it is built."""
AGAIN = 3_600
"""Seconds after which a day is built again: late events may come one by one for hours."""
ABANDONED = 3_600
"""Seconds after which a build that no row names was left behind by a process that stopped."""
PIECE = 2_000_000
"""About how many events are grouped at a time."""
RULES = hashlib.sha256(rows_sql().encode()).hexdigest()[:16]
"""Changes with the statement that makes a build: then every day is built again."""
INSERT = f"INSERT INTO session_parts ({', '.join(COLUMNS)})\n{rows_sql()}"
IN_ONE_PLACE = {"parallel_distributed_insert_select": 0}
"""Over shards, one server puts the rows of a session together."""
MERGE = "OPTIMIZE TABLE {{events}} PARTITION ID '{day}' FINAL SETTINGS optimize_skip_merged_partitions = 1"
HASH = f"SELECT toInt64(count()), groupBitXor(cityHash64({', '.join(COLUMNS)})) FROM {{rows}}"
"""What the rows of a build are, whatever their order."""


@dataclass(frozen=True)
class Build:
    """A row of `session_days`.

    Attributes:
        day: as the partition of `events` is named, YYYYMMDD.
        first: when the day begins, in seconds since 1970.
        number: the partition of `session_parts`; 0: the day has no build that counts.
        parts: the parts that it was made of, on every server.
        content: a hash of the day's events.
        sessions: its rows.
        rules: RULES of the process that built it.
        built_us: when, in microseconds since 1970.
    """

    day: str
    first: int
    number: int
    parts: str
    content: str
    sessions: int
    rules: str
    built_us: int

    @property
    def range(self) -> dict[str, object]:
        """The day's range, in seconds since 1970, as parameters."""
        return {"first": self.first, "until": self.first + 86_400}


@dataclass(frozen=True)
class Found:
    """What the servers have.

    Attributes:
        parts: of each day's partition of `events`, over all servers.
        rows: of each day's partition.
        quiet: for how many seconds it has not changed.
        sessions: rows of each build.
        ages: seconds since a build changed.
    """

    parts: Mapping[str, str]
    rows: Mapping[str, int]
    quiet: Mapping[str, int]
    sessions: Mapping[int, int]
    ages: Mapping[int, int]

    def has(self, build: Build) -> bool:
        """Whether a build counts."""
        return (
            build.number != 0
            and build.rules == RULES
            and self.sessions.get(build.number, 0) == build.sessions
            and self.parts.get(build.day) == build.parts
        )


def has_session_days(connection: Connection) -> bool:
    """Whether days are built: not where shards have replicas, whose parts have other names for a while."""
    return connection.cluster is None or not connection.cluster.replicated


# --- queries --------------------------------------------------------------------------------------------------------


async def days_that_count(
    look: Look, connection: Connection, since: datetime | None, until: datetime | None, moment: int | None
) -> list[BuiltDay]:
    """The builds that count of the whole days in a range, ascending.

    Args:
        moment: microseconds since 1970; only builds of before it, which have no events that were stored after it.
    """
    if not has_session_days(connection):
        return []
    builds = [
        build
        for build in await _known(look)
        if build.number
        and (since is None or build.first >= since.timestamp())
        and (until is None or build.first + 86_400 <= until.timestamp())
        and (moment is None or build.built_us < moment)
    ]
    if not builds:
        return []
    found = await _found(look, connection, builds[0].day, builds[-1].day)
    return [
        BuiltDay(datetime.fromtimestamp(build.first, UTC), build.number, build.sessions)
        for build in builds
        if found.has(build)
    ]


async def are_there(look: Look, connection: Connection, days: Sequence[BuiltDay]) -> bool:
    """Whether all rows of these builds are there still: no statement that has ended missed any."""
    found = await _found(look, connection, "", "")
    return all(found.sessions.get(day.build, 0) == day.sessions for day in days)


async def _known(look: Look) -> list[Build]:
    return [Build(*row) for row in await look(SQL["known"])]


async def _found(look: Look, connection: Connection, first: str, last: str) -> Found:
    """What the servers have: of `events` the partitions of some days."""
    parts: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    quiet: dict[str, int] = {}
    sessions: dict[int, int] = {}
    ages: dict[int, int] = {}
    names = {"events": connection.local("events"), "sessions": connection.local("session_parts")}
    for server in connection.servers:
        for of_events, partition, hashed, count, age in await look(
            SQL["parts"], {**names, "first": first, "last": last}, server=server
        ):
            if of_events:
                parts.setdefault(partition, []).append(hashed)
                rows[partition] = rows.get(partition, 0) + count
                quiet[partition] = min(quiet.get(partition, age), age)
            else:
                number = int(partition)
                sessions[number] = sessions.get(number, 0) + count
                ages[number] = min(ages.get(number, age), age)
    # Sorted, since another process may name the servers in another order.
    of_days = {partition: " ".join(sorted(hashes)) for partition, hashes in parts.items()}
    return Found(of_days, rows, quiet, sessions, ages)


# --- building -------------------------------------------------------------------------------------------------------


async def step(connection: Connection) -> bool:
    """Build one day that is due; returns whether there may be more."""
    if not has_session_days(connection):
        return False
    await refresh(connection)
    look = _looking(connection)
    known = {build.day: build for build in await _known(look)}
    found = await _found(look, connection, "0", "99999999")
    today = str((await look(SQL["today"]))[0][0])
    now = datetime.now(UTC).timestamp()
    due = [
        day
        for day, rows in found.rows.items()
        if day < today
        and rows >= LEAST
        and found.quiet[day] >= QUIET
        and not (day in known and (found.has(known[day]) or _is_recent(known[day], now)))
    ]
    if not due:
        return False
    day = max(due)  # the newest are asked for most
    await _merge(connection, day)
    found = await _found(look, connection, day, day)
    first = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp())
    build = Build(day, first, secrets.randbits(63), found.parts.get(day, ""), "", 0, RULES, 0)
    try:
        await _build(connection, build)
    except BatchTooLarge:
        await _give_up(connection, build, "ClickHouse has no memory left for them")
    return len(due) > 1


async def _merge(connection: Connection, day: str) -> None:
    """Have each server put the parts of a day into one, which queries read without comparing rows of several (FINAL).

    ClickHouse leaves a small part beside a large one for weeks, and each merge would make the build be looked at again.
    It may have no room for it on disk, so that the parts stay.
    """
    with contextlib.suppress(StoreUnavailable):
        await connection.everywhere(MERGE.format(day=day))


def _is_recent(build: Build, now: float) -> bool:
    """Whether a day was built a short while ago, so that it is not built again."""
    return build.rules == RULES and now - build.built_us / 1_000_000 < AGAIN


async def refresh(connection: Connection) -> None:
    """Look at the builds of days whose parts changed: whose events are the same counts again, every other is dropped.

    A merge changes no events, and a deletion makes new parts of all days, also of those that lose nothing.
    """
    if not has_session_days(connection):
        return
    look = _looking(connection)
    known = [build for build in await _known(look) if build.number]
    found = await _found(look, connection, "0", "99999999")
    for build in known:
        if found.has(build):
            continue
        if await _is_same(look, build, found):
            again = await _found(look, connection, build.day, build.day)
            parts = found.parts[build.day]
            if again.parts.get(build.day) == parts:
                await _enter(connection, replace(build, parts=parts))
                continue
        await _enter(connection, replace(build, number=0, parts="", content="", sessions=0))
        await _drop(connection, build.number)
    named = {build.number for build in await _known(look)}
    for number, age in found.ages.items():
        if number not in named and age >= ABANDONED:
            await _drop(connection, number)


async def _is_same(look: Look, build: Build, found: Found) -> bool:
    """Whether a build is whole, and its day has the events that it was made of."""
    if build.rules != RULES or found.sessions.get(build.number, 0) != build.sessions or build.day not in found.parts:
        return False
    return bool((await look(SQL["content"], build.range))[0][0] == build.content)


async def _build(connection: Connection, build: Build) -> None:
    """Build a day and enter it, unless it changed meanwhile."""
    look = _looking(connection)
    content, events, of_sessions = (await look(SQL["content"], build.range))[0]
    pieces = events // PIECE + 1
    for piece in range(pieces):
        given = {**build.range, "build": build.number, "pieces": pieces, "piece": piece}
        await connection.command(INSERT, given, settings=IN_ONE_PLACE, seconds=UNHURRIED)
    sessions, counted = (await look(SQL["counted"], {"build": build.number}))[0]
    again = await _found(look, connection, build.day, build.day)
    if again.parts.get(build.day) != build.parts:
        await _drop(connection, build.number)
    elif counted == of_sessions:
        await _enter(connection, replace(build, content=content, sessions=sessions))
    else:
        await _give_up(connection, build, "they have another number of events")


async def _give_up(connection: Connection, build: Build, why: str) -> None:
    """Leave a day to be read from its events; it is tried again as one that was built."""
    log.warning("the sessions of a day cannot be built; its events are read", day=build.day, why=why)
    await _drop(connection, build.number)
    await _enter(connection, replace(build, number=0, parts=""))


async def _enter(connection: Connection, build: Build) -> None:
    given = {
        "first": build.first,
        "build": build.number,
        "parts": build.parts,
        "content": build.content,
        "sessions": build.sessions,
        "rules": build.rules,
        "built_us": build.built_us,
        "version": TICKS.next(),
    }
    await connection.command(SQL["enter"], given)


async def _counts(look: Look, connection: Connection, build: Build) -> bool:
    return build.number != 0 and (await _found(look, connection, build.day, build.day)).has(build)


async def _drop(connection: Connection, number: int) -> None:
    await connection.everywhere(f"ALTER TABLE {{session_parts}} DROP PARTITION ID '{number}'")


def _looking(connection: Connection) -> Look:
    async def look(sql: str, parameters: Mapping[str, object] | None = None, *, server: int = 0) -> list[Row]:
        return await connection.query(sql, parameters, seconds=UNHURRIED, server=server)

    return look


# --- verify ---------------------------------------------------------------------------------------------------------


async def differences(connection: Connection) -> list[Difference]:
    """The days whose build counts and is not what their events say."""
    if not has_session_days(connection):
        return []
    look = _looking(connection)
    wrong = 0
    for build in await _known(look):
        if not await _counts(look, connection, build):
            continue
        built = await look(HASH.format(rows="session_parts WHERE build = {build:UInt64}"), {"build": build.number})
        given = {**build.range, "build": build.number, "pieces": 1, "piece": 0}
        made = await look(HASH.format(rows=f"({rows_sql()})"), given)
        # It may have changed between the two.
        wrong += built != made and await _counts(look, connection, build)
    return [Difference("sessions", f"the sessions of {wrong} days differ from the raw events")] if wrong else []
