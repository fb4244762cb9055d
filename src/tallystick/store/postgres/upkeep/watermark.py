"""Watermarks: how far what housekeeping builds from events has come, without a gap and without counting one twice.

Each transaction that stores events is a *load*: it inserts a row into `loads`, and its events have the row's `load_id`.
Loads commit in any order, so housekeeping, which runs in one process at a time, gives the ones that it sees the next
places. A watermark is a place: the loads up to it are covered, the ones after it (and those without a place) are not.
A query reads the rows of `loads` in its own snapshot, and so knows exactly which events it has to add.

What is built for the first time, or by other rules than before, first covers the events that are already stored, piece
after piece of their time; `built_before` says how far. Until then it answers no query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tallystick.model.sql import load_statements, quote_text
from tallystick.store.postgres.connection import Connection

SQL = load_statements("tallystick.store.postgres", "sql/watermark.sql")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before all events."""


@dataclass(frozen=True)
class Load:
    """A load that is not covered.

    Attributes:
        place: None: housekeeping has not seen it.
    """

    load_id: int
    oldest: datetime
    newest: datetime
    events: int
    place: int | None


@dataclass(frozen=True)
class Progress:
    """How far something has come, as of one transaction.

    Attributes:
        place: the loads up to this place are covered.
        built_before: older events are covered up to this time; None: all of them are, and queries may use it.
        pending: the loads that are not covered.
    """

    place: int
    built_before: datetime | None
    pending: Sequence[Load]

    @property
    def new_events(self) -> int:
        """How many events are not covered; events that were removed since are counted too."""
        return sum(load.events for load in self.pending)

    def is_new(self) -> str:
        """Condition: an event is not covered. Only once the older events are."""
        return events_of(self.pending)

    def is_covered(self) -> str:
        """Condition: an event is covered."""
        conditions = [_not_of(self.pending)]
        if self.built_before is not None:
            conditions.append(f"timestamp < {_instant(self.built_before)}")
        return " AND ".join(conditions)


@dataclass(frozen=True)
class Piece:
    """Events to cover in one step.

    Attributes:
        condition: which they are, as SQL over the columns of `events`.
        place, built_before: the watermark after them.
    """

    condition: str
    place: int
    built_before: datetime | None


@dataclass(frozen=True)
class Watermark:
    """The watermark of one thing that is built from events.

    Attributes:
        name: what is built.
        rules: identifies the rules that it is built by.
    """

    name: str
    rules: str

    async def read(self, connection: Connection) -> Progress | None:
        """How far it has come; None: it was not begun, or built by other rules.

        The loads are read after the watermark: a query has to have one snapshot for both and for the events.
        """
        row = await connection.fetchrow(SQL["read"], self.name, self.rules)
        if row is None:
            return None
        pending = [Load(*load) for load in await connection.fetch(SQL["pending"], row[0])]
        return Progress(row[0], row[1], pending)

    async def begin(self, connection: Connection) -> None:
        """Begin anew, in housekeeping: the events of all loads that have a place count as older events."""
        await self._set(connection, await connection.fetchval(SQL["last_place"]), BEGINNING)

    async def next_piece(self, connection: Connection, progress: Progress, events: int) -> Piece | None:
        """The next events to cover, in housekeeping after `place_loads`; None: there are none.

        Args:
            events: about how many.
        """
        if progress.built_before is not None:
            return await self._next_older(connection, progress.place, progress.built_before, events)
        loads: list[Load] = []
        place, count = progress.place, 0
        for load in progress.pending:
            if load.place is None or (loads and count + load.events > events):
                break
            loads.append(load)
            place, count = load.place, count + load.events
        return Piece(events_of(loads), place, None) if loads else None

    async def _next_older(
        self, connection: Connection, place: int, built_before: datetime, events: int
    ) -> Piece | None:
        start = await connection.fetchval(SQL["first_bucket"], built_before)
        if start is None:
            return Piece("FALSE", place, None)
        end = await connection.fetchval(SQL["end_of_piece"], start, events)
        # In the statement that reads the events, since a load may commit between two statements.
        later = f"SELECT load_id FROM loads WHERE place IS NULL OR place > {place}"
        condition = f"""timestamp >= {_instant(start)} AND timestamp < {_instant(end)}
            AND (load_id IS NULL OR load_id NOT IN ({later}))"""
        return Piece(condition, place, end)

    async def advance(self, connection: Connection, piece: Piece) -> None:
        """Move it after a piece, in the transaction that covers the piece."""
        await self._set(connection, piece.place, piece.built_before)

    async def reset(self, connection: Connection) -> None:
        """Remove it: nothing is covered, and housekeeping begins anew."""
        await connection.execute(SQL["reset"], self.name)

    async def _set(self, connection: Connection, place: int, built_before: datetime | None) -> None:
        await connection.execute(SQL["set"], self.name, self.rules, place, built_before)


async def place_loads(connection: Connection) -> None:
    """Give all loads that are committed a place, in housekeeping."""
    await connection.execute(SQL["place_loads"])


async def forget_loads(connection: Connection, watermarks: Sequence[Watermark]) -> None:
    """Delete the loads that all of these cover. What has no watermark yet begins with the events themselves."""
    await connection.execute(SQL["forget_loads"], [watermark.name for watermark in watermarks])


def events_of(loads: Sequence[Load]) -> str:
    """Condition: an event is of one of these loads. Their times and the range of their ids say where they are."""
    if not loads:
        return "FALSE"
    oldest, newest = min(load.oldest for load in loads), max(load.newest for load in loads)
    ids = sorted(load.load_id for load in loads)
    conditions = [
        f"timestamp BETWEEN {_instant(oldest)} AND {_instant(newest)}",
        f"load_id BETWEEN {ids[0]} AND {ids[-1]}",
    ]
    if ids[-1] - ids[0] + 1 != len(ids):
        conditions.append(f"load_id = ANY ({_array(ids)})")
    return " AND ".join(conditions)


def _not_of(loads: Sequence[Load]) -> str:
    """Condition: an event is of none of these loads."""
    ids = [load.load_id for load in loads]
    return f"(load_id IS NULL OR load_id <> ALL ({_array(ids)}))" if ids else "TRUE"


def _array(ids: Sequence[int]) -> str:
    return f"CAST({quote_text('{' + ','.join(map(str, ids)) + '}')} AS bigint[])"


def _instant(instant: datetime) -> str:
    """An instant as a literal."""
    return f"TIMESTAMPTZ '{instant.astimezone(UTC).replace(tzinfo=None).isoformat()}+00'"
