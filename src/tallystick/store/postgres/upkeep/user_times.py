"""User times: the times of a user's events of one name and UTC day as a list, for funnels whose steps are names.

A row has the user's number in the place of the id (`user_numbers`). In the benchmark, the 6 million page views of a
month are 600,000 rows. So a query that finds each user's first event, or the first one after some time, reads far fewer
rows. It reads the events that are not covered one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tallystick.analysis.cte import sql
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep.patient import PatientWatermark
from tallystick.store.postgres.upkeep.watermark import Progress

SQL = load_statements("tallystick.store.postgres", "sql/user_times.sql")
PIECE = 400_000
"""About how many events one step covers: a day of them at most while older events are covered."""
NUMBER = "coalesce(number, least(hashtextextended(events.user_id, 0), -1 - hashtextextended(events.user_id, 0)))"
"""The number of a new event's user. A user who has none yet gets a negative hash of 63 bits, which each process of a
parallel statement computes alike. The chance that two of 200,000 new users get the same one is one in 400 million.
"""
LEAST = 200_000
"""New events are read one by one until there are so many: the more, the more events of a user and name share a row."""


class UserTimes:
    """See `steps.Upkeep`."""

    @property
    def watermark(self) -> PatientWatermark:
        return PatientWatermark("user_times", "1", LEAST)

    @property
    def piece(self) -> int:
        return PIECE

    async def is_wanted(self, connection: Connection) -> bool:
        return True

    async def clear(self, connection: Connection) -> None:
        await connection.execute(SQL["clear"], timeout=UNHURRIED)

    async def cover(self, connection: Connection, condition: str) -> None:
        await connection.execute(SQL["cover"].format(condition=condition), timeout=UNHURRIED)

    async def follow_purge(self, connection: Connection, before: datetime) -> None:
        await connection.execute(SQL["purge"], before, timeout=UNHURRIED)
        day = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if before != day:
            await connection.execute(SQL["delete_day"], before, timeout=UNHURRIED)
            await self._cover_again(connection, _between(before, day + timedelta(days=1)))

    async def follow_removal(self, connection: Connection) -> None:
        first, last = await connection.fetchrow("SELECT min(timestamp), max(timestamp) FROM removed")
        if first is None:
            return
        await connection.execute(SQL["delete_removed"], timeout=UNHURRIED)
        start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days = "SELECT site_id, (timestamp AT TIME ZONE 'UTC')::date FROM removed"
        of_days = f"(site_id, (timestamp AT TIME ZONE 'UTC')::date) IN ({days})"
        await self._cover_again(connection, f"{_between(start, last + timedelta(days=1))} AND {of_days}")

    async def _cover_again(self, connection: Connection, condition: str) -> None:
        """Cover the events of some days whose rows were deleted, those that were covered."""
        progress = await self.watermark.read(connection)
        if progress is not None:
            await self.cover(connection, f"{condition} AND {progress.is_covered()}")


USER_TIMES = UserTimes()


async def forget_users(connection: Connection) -> None:
    """Delete the numbers of users of whom a purge left no event, in a transaction that excludes batches."""
    await connection.execute(SQL["forget_users"], timeout=UNHURRIED)


async def read_user_times(connection: Connection) -> UserNumbers | None:
    """User numbers and times, for the statements of this transaction; None: they are not ready."""
    progress = await USER_TIMES.watermark.read(connection)
    return None if progress is None or progress.built_before is not None else user_numbers(progress)


def user_numbers(progress: Progress) -> UserNumbers:
    """User numbers and times for a statement, and the events that they do not cover."""
    times = "SELECT site_id, day, name, {number} AS user_id, first, more, bot FROM user_times"
    if not progress.pending:
        return UserNumbers((), (), times.format(number="user_number"), has_days=True)
    events = sql(
        """
        FROM events
        LEFT JOIN user_numbers ON user_numbers.user_id = events.user_id
        WHERE {is_new} AND events.user_id IS NOT NULL
        """,
        is_new=progress.is_new(),
    )
    all_times = sql(
        """
        {times}
        UNION ALL
        SELECT site_id, CAST(timestamp AT TIME ZONE 'UTC' AS date), name, {number}, timestamp,
            CAST(NULL AS timestamptz[]), is_bot(properties)
        {events}
        """,
        # Of the same type, so that PostgreSQL plans both together; else no parallel process reads them.
        times=times.format(number="CAST(user_number AS bigint)"),
        number=NUMBER,
        events=events,
    )
    users = sql(
        """
        (
            SELECT user_id, number FROM user_numbers
            UNION
            SELECT events.user_id, {number}
            {events}
        )
        """,
        number=NUMBER,
        events=events,
    )
    return UserNumbers((), (), all_times, users, has_days=True)


async def differences(connection: Connection, days: Iterable[datetime]) -> list[Difference]:
    """Times that are not those of the covered events, as of one transaction."""
    progress = await USER_TIMES.watermark.read(connection)
    if progress is None:
        return []  # no query reads them, and housekeeping covers all events anew
    of_times = {row[0] for row in await connection.fetch(SQL["days"], timeout=UNHURRIED)}
    statement = SQL["verify_times"].format(condition=progress.is_covered())
    wrong = 0
    for day in sorted(of_times.union(days)):
        for compared in (SQL["verify_order"], statement):
            wrong += int(await connection.fetchval(compared, day, timeout=UNHURRIED))
    return [Difference("users", f"{wrong} times of users differ from the raw events")] if wrong else []


def _between(start: datetime, end: datetime) -> str:
    first, last = (instant.astimezone(UTC).replace(tzinfo=None).isoformat() for instant in (start, end))
    return f"timestamp >= TIMESTAMPTZ '{first}+00' AND timestamp < TIMESTAMPTZ '{last}+00'"
