"""Since when the newest events of a scope are. ClickHouse reads FINAL in one direction, and a day to its end: a page of
the newest events took as long as the day is large. With a bound on their time it reads these alone.

The bound is found by counting: a count of what came within some time reads the granules of that time. The time grows
until there are enough events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from tallystick.analysis.events.compile import before, compile_newest_count
from tallystick.analysis.sessions.visit_filters import names_visits
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.query import EventsQuery, KeysQuery, Query, ValuesQuery
from tallystick.store.clickhouse.server.connection import Row

Newest = EventsQuery | KeysQuery | ValuesQuery
Run = Callable[[Statement], Awaitable[list[Row]]]
"""Runs a statement within the query's deadline."""

SPAN = Statement(
    """
    SELECT count(), min(timestamp), max(timestamp)
    FROM events
    SETTINGS final = 0, aggregate_functions_null_for_empty = 0
    """,
    (),
)
"""How many rows there are and when, over all sites: ClickHouse knows it of each part and reads no rows, unless an
aggregate may be NULL.
"""
LITTLE = 100_000
"""Events that are read at once as fast as a bound is found."""
SPARE = 16
"""How many times as many events as are needed the first bound would have, if all came evenly."""
GROWTH = 16
"""By how much the time grows until there are enough events, and by its square their number until a page is full."""
SHORTEST = timedelta(seconds=1)


async def read_newest(
    run: Run, query: Query, sources: Sources, compile_with: Callable[[Sources], Statement]
) -> tuple[Statement, list[Row]] | None:
    """The answer of a query about the newest events, by a bound on their time; of a page, by the first with which it is
    full. None: the query is about others, or all events have to be looked at.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    if not isinstance(query, EventsQuery | KeysQuery | ValuesQuery) or not _is_bounded(query):
        return None
    enough = query.limit + 1 if isinstance(query, EventsQuery) else query.sample
    while (since := await newest_since(run, query, sources, enough)) is not None:
        statement = compile_with(replace(sources, newest_since=since))
        rows = await run(statement)
        if not isinstance(query, EventsQuery) or len(rows) > query.limit:
            return statement, rows
        enough *= GROWTH * GROWTH
    return None


def _is_bounded(query: Newest) -> bool:
    """Whether a bound helps. The events of one user are found by an index; to tell visits apart takes longer than to
    read a day.
    """
    if isinstance(query, EventsQuery) and (query.ascending or query.user_id is not None):
        return False
    return not names_visits(query)


async def newest_since(run: Run, query: Newest, sources: Sources, enough: int) -> datetime | None:
    """An instant from which on a scope has `enough` events; None: it has not, or few others.

    Raises:
        InvalidRequest: the cursor is broken or belongs to another query.
    """
    [(stored, oldest, newest)] = await run(SPAN)
    if stored <= max(LITTLE, enough):
        return None
    end: datetime = min(each for each in (newest, sources.now, query.until, before(query)) if each is not None)
    start = oldest if query.since is None else max(oldest, query.since)
    reach: timedelta = max(SHORTEST, (newest - oldest) * min(1.0, SPARE * enough / stored))
    while end - start > reach:
        found = await run(compile_newest_count(query, replace(sources, newest_since=end - reach)))
        if found[0][0] >= enough:
            return end - reach
        reach *= GROWTH
    return None
