"""Partitions of `events`: one for each UTC day, created ahead and on demand for the days of a batch.

There is no default partition. A partition is created as a separate table and attached, which blocks no query: CREATE
TABLE … PARTITION OF would wait for every running query. It is committed before the batch's transaction begins, so that
workers wait for each other only while partitions are created.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from tallystick.model.sql import load_statements
from tallystick.store.postgres import locks
from tallystick.store.postgres.connection import Connection

SQL = load_statements("tallystick.store.postgres", "sql/partitions.sql")
AHEAD = 3
"""How many days after today get their partition ahead."""
AT_ONCE = 50
"""Partitions created in one transaction, which locks all of them."""
_FIRST = date(1970, 1, 1)


def name_of(day: int) -> str:
    """The name of a day's partition. Days are UTC, counted from 1970-01-01."""
    return "events_" + (_FIRST + timedelta(day)).isoformat().replace("-", "")


def day_of(moment: datetime) -> int:
    """The UTC day of an instant, counted from 1970-01-01."""
    return (moment.astimezone(UTC).date() - _FIRST).days


def start_of(day: int) -> datetime:
    """The first instant of a day."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


async def existing(connection: Connection) -> set[int]:
    """The days that have a partition."""
    rows = await connection.fetch(SQL["existing"])
    return {(date.fromisoformat(row[0].removeprefix("events_")) - _FIRST).days for row in rows}


class Partitions:
    """Remembers which days have a partition, so that most batches need no query."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def forget(self) -> None:
        """Forget all days, because a purge may have dropped some."""
        self._known.clear()

    async def ahead(self, connection: Connection, today: int) -> None:
        """Create those of today and the next days."""
        await self.ensure(connection, range(today, today + AHEAD + 1))

    async def ensure(self, connection: Connection, days: Iterable[int]) -> None:
        """Create the missing partitions of these days."""
        missing = sorted(set(days) - self._known)
        for first in range(0, len(missing), AT_ONCE):
            part = missing[first : first + AT_ONCE]
            async with connection.transaction():
                await connection.execute(locks.LOCK, locks.SPACE, locks.PARTITIONS)
                there = await existing(connection)
                for day in part:
                    if day not in there:
                        await _make(connection, day)
            self._known |= {*part, *there}


async def _make(connection: Connection, day: int) -> None:
    name, start, end = name_of(day), start_of(day).isoformat(), start_of(day + 1).isoformat()
    await connection.execute(SQL["make"].format(name=name))
    await connection.execute(SQL["attach"].format(name=name, start=start, end=end))


async def drop(connection: Connection, day: int) -> None:
    """Drop a day's partition. The caller has to hold the locks of a purge."""
    name = name_of(day)
    await connection.execute(SQL["detach"].format(name=name))
    await connection.execute(SQL["drop"].format(name=name))
