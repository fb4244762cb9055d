"""Users of each hour: how many user ids were seen in it, so that a chart by the hour reads a row for each hour.

An hour is always counted as a whole, from all events that it has. So its number is right when all loads with events of
the hour are covered; a query counts the hours that the other loads may have events of.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tallystick.analysis.cte import sql
from tallystick.analysis.hour_users import HourUsers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep.patient import PatientWatermark
from tallystick.store.postgres.upkeep.watermark import Load

SQL = load_statements("tallystick.store.postgres", "sql/hour_users.sql")
PIECE = 200_000
"""About how many events one step looks at."""
LEAST = 20_000
"""New events wait until there are so many: an hour is counted again for each piece that has events of it."""
HOUR = timedelta(hours=1)
RANGES_MAX = 50
"""Most ranges of hours that a query counts by itself; of more, the hours between two are counted too."""


class CountedHours:
    """See `steps.Upkeep`."""

    @property
    def watermark(self) -> PatientWatermark:
        return PatientWatermark("hour_users", "1", LEAST)

    @property
    def piece(self) -> int:
        return PIECE

    async def is_wanted(self, connection: Connection) -> bool:
        return True

    async def clear(self, connection: Connection) -> None:
        await connection.execute(SQL["clear"], timeout=UNHURRIED)

    async def cover(self, connection: Connection, condition: str) -> None:
        await self._count(connection, SQL["of_events"].format(condition=condition))

    async def follow_purge(self, connection: Connection, before: datetime) -> None:
        await connection.execute(SQL["purge"], before, timeout=UNHURRIED)
        await self._count(connection, SQL["of_purged"], before)

    async def follow_removal(self, connection: Connection) -> None:
        await self._count(connection, SQL["of_removed"])

    async def _count(self, connection: Connection, hours: str, *parameters: object) -> None:
        await connection.execute(SQL["count"].format(hours=hours), *parameters, timeout=UNHURRIED)


COUNTED_HOURS = CountedHours()


async def read_hour_users(connection: Connection) -> HourUsers | None:
    """The users of each hour, for the statements of this transaction; None: they are not counted."""
    progress = await COUNTED_HOURS.watermark.read(connection)
    if progress is None or progress.built_before is not None:
        return None
    known = sql(
        """
        SELECT site_id, hour AS bucket, bot, counted AS users
        FROM hour_users
        CROSS JOIN LATERAL (VALUES (FALSE, no_bots), (TRUE, users - no_bots)) AS by_bot(bot, counted)
        """
    )
    if not progress.pending:
        return HourUsers(known)
    new = sql(
        """
        {known}
        WHERE NOT ({pending})
        UNION ALL
        SELECT site_id, hour, bot, count(*)
        FROM (
            SELECT site_id, date_bin('1 hour', bucket, '2000-01-01Z') AS hour, user_id, bool_and(bot) AS bot
            FROM people
            WHERE {pending_buckets}
            GROUP BY site_id, date_bin('1 hour', bucket, '2000-01-01Z'), user_id
        ) AS seen
        GROUP BY site_id, hour, bot
        """,
        known=known,
        pending=_in_ranges("hour", progress.pending),
        pending_buckets=_in_ranges("bucket", progress.pending),
    )
    return HourUsers(new)


def _in_ranges(column: str, pending: Iterable[Load]) -> str:
    """Condition: an hour (or a time in it) is one of those that the loads may have events of."""
    ranges: list[tuple[datetime, datetime]] = []
    for start, end in sorted((_hour(load.oldest), _hour(load.newest) + HOUR) for load in pending):
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    while len(ranges) > RANGES_MAX:
        gaps = [ranges[index + 1][0] - ranges[index][1] for index in range(len(ranges) - 1)]
        index = gaps.index(min(gaps))
        ranges[index : index + 2] = [(ranges[index][0], ranges[index + 1][1])]
    return " OR ".join(f"{column} >= {_instant(start)} AND {column} < {_instant(end)}" for start, end in ranges)


def _hour(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ '{instant.astimezone(UTC).replace(tzinfo=None).isoformat()}+00'"


async def differences(connection: Connection, days: Iterable[datetime]) -> list[Difference]:
    """Hours whose number of users is not what the events give, as of one transaction."""
    progress = await COUNTED_HOURS.watermark.read(connection)
    if progress is None or progress.built_before is not None:
        return []  # no query reads them
    pending = _in_ranges("coalesce(kept.hour, expected.hour)", progress.pending) or "FALSE"
    statement = SQL["verify"].format(pending=pending)
    wrong = sum([int(await connection.fetchval(statement, day, timeout=UNHURRIED)) for day in days])
    return [Difference("people", f"{wrong} hours have another number of users than the raw events")] if wrong else []
