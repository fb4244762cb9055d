"""Value counts: how many events of a day have a path, or a value of a frequent property.

A breakdown by such a field reads a few thousand rows instead of the JSON text of every event. A row has the events of a
whole UTC day and, in two arrays, those of its quarter hours, for ranges and days that begin at another time.

What is counted (`counted_fields`) is found in the newest events. Fields that become frequent later are another
generation, which has a watermark of its own: the older generations are not counted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

import structlog

from tallystick.analysis.buckets import SECONDS, micros
from tallystick.analysis.cte import clause, sql, union_all
from tallystick.analysis.value_counts import PATH, ValueCounts
from tallystick.model.books import Difference
from tallystick.model.query import PROPERTY_PREFIX
from tallystick.model.sql import load_statements, quote_text
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep.patient import PatientWatermark
from tallystick.store.postgres.upkeep.watermark import Progress

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.postgres", "sql/value_counts.sql")

GENERATIONS = 4
"""How often frequent keys that are new are added."""
FIELDS_MAX = 24
"""Most properties that are counted."""
SAMPLE = 20_000
"""How many of the newest events are looked at for frequent keys."""
SEARCH_EVERY = 3_600.0
"""Seconds between two searches for frequent keys."""
EVENTS_MIN = 10_000
"""Nothing is counted in a store with fewer events: they are read as fast."""
PIECE = 150_000
"""About how many events one step counts, in some seconds."""
LEAST = 100_000
"""New events are read one by one until there are so many. A larger piece has fewer rows for each event."""
ROWS_MIN, ROWS_SHARE, LENGTH_MAX = 2_000, 0.2, 1_000
"""A field is left out once a piece has more rows of it than these, and than this share of the piece's events; or a
value with more characters than these, for which the newest events are looked at before any are counted: to group a
piece by long texts takes minutes, in which nothing is stored.
"""
DAY = "CAST(day AS timestamp) AT TIME ZONE 'UTC'"
"""The instant at which `day` begins."""
QUARTER = f"{DAY} + quarter * INTERVAL '15 minutes'"
"""The instant at which a quarter hour of `day` begins."""


@dataclass(frozen=True)
class _Fields:
    """The fields of one generation."""

    path: bool
    keys: Sequence[str]

    @property
    def names(self) -> list[str]:
        return [*([PATH] if self.path else []), *(PROPERTY_PREFIX + key for key in self.keys)]


class CountedValues:
    """The counts of one generation of fields; see `steps.Upkeep`."""

    def __init__(self, generation: int) -> None:
        self._generation = generation

    @property
    def watermark(self) -> PatientWatermark:
        return PatientWatermark(f"value_counts_{self._generation}", "1", LEAST)

    @property
    def piece(self) -> int:
        return PIECE

    async def is_wanted(self, connection: Connection) -> bool:
        return bool((await self._fields(connection)).names)

    async def clear(self, connection: Connection) -> None:
        await connection.execute(SQL["delete_fields"], (await self._fields(connection)).names, timeout=UNHURRIED)

    async def cover(self, connection: Connection, condition: str) -> None:
        fields = await self._fields(connection)
        # Far more groups are expected than there are, and sorting takes three times as long as hashing.
        await connection.execute("SET LOCAL enable_sort = off")
        statement = SQL["cover"].format(condition=condition)
        rows = await connection.fetch(statement, fields.keys, fields.path, timeout=UNHURRIED)
        await connection.execute("SET LOCAL enable_sort = on")
        various = [
            field
            for field, count, longest, events in rows
            if count > max(ROWS_MIN, ROWS_SHARE * events) or longest > LENGTH_MAX
        ]
        if various:
            log.info("fields with very many or long values are not counted", fields=various)
            await connection.execute(SQL["leave_out"], various)
            await connection.execute(SQL["delete_fields"], various, timeout=UNHURRIED)

    async def follow_purge(self, connection: Connection, before: datetime) -> None:
        names = (await self._fields(connection)).names
        if not names:
            return
        await connection.execute(SQL["purge"], names, before, timeout=UNHURRIED)
        day = datetime(before.year, before.month, before.day, tzinfo=UTC)
        if before == day:
            return
        await connection.execute(SQL["delete_day"], names, before, timeout=UNHURRIED)
        end = day + timedelta(days=1)
        await self._recount(connection, f"timestamp >= {_instant(before)} AND timestamp < {_instant(end)}")

    async def follow_removal(self, connection: Connection) -> None:
        names = (await self._fields(connection)).names
        if not names:
            return
        await connection.execute(SQL["delete_removed"], names, timeout=UNHURRIED)
        days = "SELECT site_id, (timestamp AT TIME ZONE 'UTC')::date FROM removed"
        bounds = await connection.fetchrow("SELECT min(timestamp), max(timestamp) FROM removed")
        if bounds[0] is None:
            return
        first, last = (moment.astimezone(UTC).date() for moment in bounds)
        range_ = f"timestamp >= {_midnight(first)} AND timestamp < {_midnight(last + timedelta(days=1))}"
        await self._recount(connection, f"{range_} AND (site_id, (timestamp AT TIME ZONE 'UTC')::date) IN ({days})")

    async def differences(self, connection: Connection, days: Iterable[datetime]) -> int:
        """How many counts differ from the events, as of one transaction."""
        progress = await self.watermark.read(connection)
        fields = await self._fields(connection)
        if progress is None or not fields.names:
            return 0  # no query reads them, and housekeeping counts them anew
        counted = {row[0] for row in await connection.fetch(SQL["days"], fields.names, timeout=UNHURRIED)}
        wrong = 0
        for field in fields.names:
            text, kind = _expressions(field)
            statement = SQL["verify"].format(value=text, kind=kind, condition=progress.is_covered())
            for day in sorted(counted.union(days)):
                wrong += int(await connection.fetchval(statement, field, day, timeout=UNHURRIED))
        return wrong

    async def _recount(self, connection: Connection, condition: str) -> None:
        """Count the events of some days whose rows were deleted, if they are covered."""
        progress = await self.watermark.read(connection)
        if progress is not None:
            await self.cover(connection, f"{condition} AND {progress.is_covered()}")

    async def _fields(self, connection: Connection) -> _Fields:
        rows = await connection.fetch(SQL["fields"])
        names = sorted(field for field, generation, counted in rows if counted and generation == self._generation)
        return _Fields(PATH in names, [name.removeprefix(PROPERTY_PREFIX) for name in names if name != PATH])


GENERATIONS_OF_VALUES = tuple(CountedValues(number) for number in range(1, GENERATIONS + 1))


class FieldSearch:
    """Adds fields that have become frequent to `counted_fields`."""

    def __init__(self) -> None:
        self._searched_at = float("-inf")

    async def step(self, connection: Connection) -> None:
        """Search, if the last search is long ago. Within a transaction that has the lock of housekeeping."""
        if time.monotonic() - self._searched_at < SEARCH_EVERY:
            return
        if await connection.fetchval(SQL["stored_events"], EVENTS_MIN) < EVENTS_MIN:
            return
        self._searched_at = time.monotonic()
        known = {field: (generation, counted) for field, generation, counted in await connection.fetch(SQL["fields"])}
        generation = max((generation for generation, _ in known.values()), default=0) + 1
        if generation > GENERATIONS:
            return
        keys = [row[0] for row in await connection.fetch(SQL["frequent_keys"], SAMPLE, LENGTH_MAX, timeout=UNHURRIED)]
        room = FIELDS_MAX - sum(counted for field, (_, counted) in known.items() if field != PATH)
        new = [PROPERTY_PREFIX + key for key in keys if PROPERTY_PREFIX + key not in known][: max(0, room)]
        for field in [*new, *([] if PATH in known else [PATH])]:
            await connection.execute(SQL["add_field"], field, generation)


# --- queries --------------------------------------------------------------------------------------------------------


async def read_value_counts(connection: Connection, field: str) -> ValueCounts | None:
    """The counts of a field's values, for the statements of this transaction; None: they are not ready."""
    if "\0" in field:  # no event has such a property, and PostgreSQL takes no such text
        return None
    generation = await connection.fetchval(SQL["generation"], field)
    if generation is None:
        return None
    progress = await GENERATIONS_OF_VALUES[generation - 1].watermark.read(connection)
    if progress is None or progress.built_before is not None:
        return None
    return ValueCounts(field, bool(progress.pending), partial(_relation, field, progress))


def _relation(field: str, progress: Progress, since: datetime | None, until: datetime | None, by_days: bool) -> str:
    """See `ValueCounts.rows`."""
    of_field = f"field = {quote_text(field)}"
    column = "value AS path" if field == PATH else "value AS p0, kind AS k0"
    if by_days:
        first = None if since is None else _midnight_after(since)
        last = None if until is None else until.astimezone(UTC).date()
        whole = [
            *([] if first is None else [f"day >= {_date(first)}"]),
            *([] if last is None else [f"day < {_date(last)}"]),
        ]
        cut = {
            *([] if since is None or micros(since) % _DAY == 0 else [since.astimezone(UTC).date()]),
            *([] if until is None or micros(until) % _DAY == 0 else [until.astimezone(UTC).date()]),
        }
        in_quarters = [f"day IN ({', '.join(map(_date, sorted(cut)))})"] if cut else None
    else:
        whole = None
        in_quarters = [
            *([] if since is None else [f"day >= {_date(since.astimezone(UTC).date())}"]),
            *([] if until is None else [f"day <= {_date(until.astimezone(UTC).date())}"]),
        ]
    selects = []
    if whole is not None:
        selects.append(
            sql(
                """
                SELECT site_id, {day} AS bucket, name, source, bot, {column}, events
                FROM value_counts
                {where}
                """,
                day=DAY,
                column=column,
                where=clause("WHERE", [of_field, *whole]),
            )
        )
    if in_quarters is not None:
        selects.append(
            sql(
                """
                SELECT site_id, {quarter} AS bucket, name, source, bot, {column}, counted AS events
                FROM value_counts
                CROSS JOIN LATERAL unnest(quarters, counts) AS counted_quarters(quarter, counted)
                {where}
                """,
                quarter=QUARTER,
                column=column,
                where=clause("WHERE", [of_field, *in_quarters]),
            )
        )
    if progress.pending:
        text, kind = _expressions(field)
        selects.append(
            sql(
                """
                SELECT site_id, timestamp AS bucket, name, source, is_bot(properties) AS bot, {value}, 1 AS events
                FROM events
                WHERE {is_new}
                """,
                value="path" if field == PATH else f"{text} AS p0, {kind} AS k0",
                is_new=progress.is_new(),
            )
        )
    return union_all(selects)


_DAY = SECONDS["day"] * 1_000_000


def _expressions(field: str) -> tuple[str, str]:
    """A field's value and its kind, of an event."""
    if field == PATH:
        return "path", "CASE WHEN path IS NOT NULL THEN CAST(1 AS smallint) END"
    key = quote_text(field.removeprefix(PROPERTY_PREFIX))
    kind = (
        f"CAST(CASE json_typeof(properties -> {key}) WHEN 'string' THEN 1 WHEN 'number' THEN 2 WHEN 'boolean' THEN 3 "
        "WHEN 'array' THEN 4 WHEN 'object' THEN 4 END AS smallint)"
    )
    return f'property_text(properties, {key}) COLLATE "C"', kind


def _midnight_after(instant: datetime) -> date:
    """The first day that begins at this instant or later."""
    day = instant.astimezone(UTC).date()
    return day if micros(instant) % _DAY == 0 else day + timedelta(days=1)


def _date(day: date) -> str:
    return f"DATE '{day.isoformat()}'"


def _midnight(day: date) -> str:
    return f"TIMESTAMPTZ '{day.isoformat()} 00:00:00+00'"


def _instant(instant: datetime) -> str:
    return f"TIMESTAMPTZ '{instant.astimezone(UTC).replace(tzinfo=None).isoformat()}+00'"


# --- verify ---------------------------------------------------------------------------------------------------------


async def differences(connection: Connection, days: Sequence[datetime]) -> list[Difference]:
    """Counts of values that are not what the events give, as of one transaction."""
    wrong = sum([await counted.differences(connection, days) for counted in GENERATIONS_OF_VALUES])
    return [Difference("rollup", f"{wrong} counts of values differ from the raw events")] if wrong else []
