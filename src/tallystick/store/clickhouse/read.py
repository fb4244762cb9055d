"""Queries on ClickHouse: each is a statement with a deadline. A few run at a time, callers by turns.

The server ends a statement that takes too long or whose request was dropped. A statement sees the rows that were stored
when it began; the freshness of an answer is read before, so it never promises more than the answer has.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from tallystick.analysis.bots import BOT_SITES, without_bots
from tallystick.analysis.buckets import instant_of
from tallystick.analysis.comparison import Compared, Found, compared, groups_of, result_of
from tallystick.analysis.dispatch import compile_query, needs, shape
from tallystick.analysis.events.compile import compile_export
from tallystick.analysis.events.rows import event_of
from tallystick.analysis.funnel.arrays import WALKED
from tallystick.analysis.sessions.keys import reach_of
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.config import Settings
from tallystick.errors import Forbidden, MemoryTaken, QueryTooExpensive, TallystickError
from tallystick.model.event import encode_lines
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Freshness, MetricsQuery, Query, Result, Scope, SessionsQuery
from tallystick.store.clickhouse.dialect import CLICKHOUSE, parameter
from tallystick.store.clickhouse.newest import read_newest
from tallystick.store.clickhouse.role import StatementRole
from tallystick.store.clickhouse.server.connection import Connection, Look, Row, query_errors
from tallystick.store.clickhouse.sources import read_sources
from tallystick.store.clickhouse.upkeep.property_columns import KnownColumns
from tallystick.store.clickhouse.upkeep.session_days import are_there, days_that_count
from tallystick.store.patience import briefly
from tallystick.store.turns import Turns

R = TypeVar("R")

LOADED_AT = """
SELECT toUnixTimestamp64Micro(max(newest)), toUnixTimestamp64Micro(now64(6, 'UTC')) FROM (
    SELECT max(loaded_at) AS newest FROM blocks UNION ALL SELECT max(loaded_at) FROM ledger_folded
) AS loads
"""
"""When the newest batch was stored, and the server's time, in microseconds."""
ALONE = "SELECT count() = 0 FROM system.processes WHERE query_id <> queryID() AND memory_usage > 32 * 1024 * 1024"
"""Whether no other statement on the server has much memory, as far as the user may see."""
NEWEST_VERSION = 2**64 - 1
"""`version` of an event that was loaded at the beginning of 1970; it falls by one each microsecond."""
EXPORT_ROWS = 2_000
"""About how many events a piece of an export has."""
_KEPT = re.compile(rf"\b(?!(?:{WALKED}|scoped|page)\b)(\w+) AS (?:NOT )?MATERIALIZED \(")
"""The words of all CTEs but the walks of funnels, the counts of groups that are ranked, and the users of a page."""
_READ_OFTEN = re.compile(r"\b(codes|step_counts) AS \(")
"""CTEs of paths that their statement reads several times; to compute them once takes a third of the time."""
EXPORT_PAUSE = 0.5
"""Most seconds for which an export waits while queries run, before each of its pieces."""


class Reader:
    """Runs queries by `connection` and exports by `exporters`."""

    def __init__(
        self,
        connection: Connection,
        exporters: Connection,
        settings: Settings,
        turns: Turns,
        role: StatementRole | None = None,
    ) -> None:
        self._connection = connection
        self._exporters = exporters
        self._role = role
        self._settings = settings
        self._timeout = settings.query_timeout
        self._turns = turns
        self._columns = KnownColumns()

    async def run(self, query: Query) -> Result:
        """Answer a query. `freshness.queue_lag_seconds` is None: the caller knows the queue.

        Raises:
            InvalidRequest: a broken cursor, or a series with too many buckets.
            QueryTimeout: not finished within the deadline, which includes the wait for other queries.
            QueryTooExpensive: it needs more memory than the server gives it; MemoryTaken: others have it, and kept it.
            StoreUnavailable: ClickHouse cannot be reached, or failed.
        """
        started = time.perf_counter()
        now = datetime.now(UTC)
        both = compared(query, now)
        asked = query if both is None else both.query
        compile_query(without_bots(asked, False), _sources(now))  # what is refused needs no turn
        deadline = self._deadline()
        with await self._turns.take(deadline):
            if both is None:
                found = await self._briefly(lambda: self._find(deadline, query, now), deadline)
            else:
                found_both = await self._briefly(lambda: self._find_both(deadline, both, now), deadline)
        if both is None:
            result = await asyncio.to_thread(_result, *found)
        else:
            result = await asyncio.to_thread(result_of, *found_both)
        return result.model_copy(update={"elapsed_ms": round((time.perf_counter() - started) * 1000, 3)})

    async def _single(self, deadline: float, query: Query, sources: Sources) -> tuple[Statement, list[Row]]:
        found = await read_newest(partial(self._rows, deadline), query, sources, partial(compile_query, query))
        if found is not None:
            return found
        statement = compile_query(query, sources)
        return statement, await self._rows(deadline, statement)

    async def _whole(self, deadline: float, sources: Sources, read: Callable[[Sources], Awaitable[R]]) -> R:
        """What `read` reads with some sources. Where a build of a day's sessions went away meanwhile, it may lack rows,
        and the events are read instead.
        """
        found = await read(sources)
        if not sources.session_days or await are_there(self._look(deadline), self._connection, sources.session_days):
            return found
        return await read(replace(sources, session_days=()))

    async def _find(self, deadline: float, query: Query, now: datetime) -> tuple[Query, Statement, list[Row], int]:
        """The query as it was compiled, its statement and rows, and when the newest batch was stored."""
        loaded_at, _ = (await self._query(deadline, LOADED_AT))[0]
        query = without_bots(query, await self._may_have_bots(deadline, query))
        sources = await self._sources(deadline, query, now, since=query.since)
        statement, rows = await self._whole(deadline, sources, partial(self._single, deadline, query))
        return query, statement, rows, loaded_at

    async def _find_both(
        self, deadline: float, both: Compared, now: datetime
    ) -> tuple[Compared, Found, Found | None, datetime | None]:
        """What `result_of` takes."""
        loaded_at, moment = (await self._query(deadline, LOADED_AT))[0]
        both = _without_bots(both, await self._may_have_bots(deadline, both.query))
        sources = await self._sources(deadline, both.query, now, since=both.previous.since, moment=moment)
        first, second = await self._whole(deadline, sources, partial(self._both, deadline, both, moment))
        return both, first, second, _instant(loaded_at)

    async def _briefly(self, attempt: Callable[[], Awaitable[R]], deadline: float) -> R:
        """As `briefly`, with the driver's errors as those of a question."""

        async def attempted() -> R:
            try:
                with query_errors():
                    return await attempt()
            except MemoryTaken as error:
                if await self._is_alone(deadline):
                    raise QueryTooExpensive from error
                raise

        return await briefly(attempted, deadline)

    async def _is_alone(self, deadline: float) -> bool:
        """Whether no other statement has much memory; True also where the server does not say it."""
        with contextlib.suppress(TallystickError):
            return bool((await self._query(deadline, ALONE))[0][0])
        return True

    async def _both(
        self, deadline: float, both: Compared, moment: int, sources: Sources
    ) -> tuple[tuple[Statement, list[Row]], tuple[Statement, list[Row]] | None]:
        """Both periods, without the rows that were loaded after `moment` (microseconds), and within one deadline."""
        stored = {"additional_table_filters": f"{{'events': 'version >= {NEWEST_VERSION - moment}'}}"}
        statement = compile_query(both.query, sources)
        found = (statement, await self._rows(deadline, statement, stored))
        groups = groups_of(both.query, found)
        if groups == []:
            return found, None
        statement = compile_query(both.previous, replace(sources, groups=groups))
        return found, (statement, await self._rows(deadline, statement, stored))

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of a scope as canonical lines, as of the export's beginning, in no order.

        It uses a request of `exporters`, and each piece has its own deadline. While queries run, an export is half as
        fast. To stop early, close it (`aclose`), which ends the statement. Raises what `run` raises.
        """
        loop = asyncio.get_running_loop()
        now = datetime.now(UTC)
        compile_export(query, _sources(now))  # what is refused needs no request
        with query_errors():
            statement = compile_export(query, await self._sources(self._deadline(), query, now, since=query.since))
            pieces = self._exporters.stream(
                text_of(statement), parameters_of(statement), settings={"max_block_size": EXPORT_ROWS}
            )
            took = 0.0
            async with contextlib.aclosing(pieces):
                while True:
                    await self._turns.quiet(min(took, EXPORT_PAUSE))
                    started = loop.time()
                    async with asyncio.timeout(self._timeout):
                        found = await anext(pieces, None)
                    if found is None:
                        return
                    lines = await asyncio.to_thread(_lines, found)
                    took = loop.time() - started
                    yield lines

    async def select(self, query: SqlQuery, sealed: bool) -> Table:
        """Answer a user's own statement.

        Raises:
            Forbidden: SQL is off on this store.
            InvalidRequest: the statement is refused.
            others: what `run` raises.
        """
        from tallystick.store.clickhouse.select import select, table_of  # imported late: the SQL parser loads slowly
        from tallystick.usersql.check import check_sql

        if self._role is None:
            raise Forbidden("SQL is off on this store: TALLYSTICK_SQL=true allows it")
        started = time.perf_counter()
        rows = min(query.limit or self._settings.sql_rows, self._settings.sql_rows)
        size = self._settings.sql_bytes
        checked = await asyncio.to_thread(check_sql, query.sql, "clickhouse")
        deadline = self._deadline()
        role = self._role

        async def attempt() -> tuple[list[bytes], bool]:
            left = deadline - asyncio.get_running_loop().time()
            return await select(role, query, checked, sealed, rows, size, left)

        with await self._turns.take(deadline, heavy=True):
            lines, broken_off = await self._briefly(attempt, deadline)
        table = await asyncio.to_thread(table_of, checked, lines, broken_off, rows, size)
        return msgspec.structs.replace(table, elapsed_ms=round((time.perf_counter() - started) * 1000, 3))

    async def close(self) -> None:
        """Nothing to close: whoever made the connections closes them, which ends their statements."""

    async def _sources(
        self, deadline: float, query: Query, now: datetime, *, since: datetime | None, moment: int | None = None
    ) -> Sources:
        """What a query is compiled with.

        Args:
            since: when the period begins that is compared with the query's, or its own.
            moment: rows that were loaded after it are left out; microseconds since 1970.
        """
        look, wanted = self._look(deadline), needs(query)
        sources = await read_sources(look, query.site_id, wanted, now, self._columns)
        if not wanted.session_days:
            return sources
        reach = reach_of(Scope(since=since, until=query.until))
        days = await days_that_count(look, self._connection, reach.since, reach.until, moment)
        return replace(sources, session_days=days)

    def _look(self, deadline: float) -> Look:
        async def look(sql: str, parameters: Mapping[str, object] | None = None, *, server: int = 0) -> list[Row]:
            left = deadline - asyncio.get_running_loop().time()
            return await self._connection.query(sql, parameters, seconds=left, server=server)

        return look

    async def _may_have_bots(self, deadline: float, query: Query) -> bool:
        """Whether a query that leaves bots out has any to leave out."""
        if query.bots != "exclude":
            return False
        sites = {row[0] for row in await self._query(deadline, BOT_SITES)}
        return bool(sites) if query.site_id is None else query.site_id in sites

    async def _rows(
        self, deadline: float, statement: Statement, settings: Mapping[str, object] | None = None
    ) -> list[Row]:
        return await self._query(deadline, text_of(statement), parameters_of(statement), settings)

    async def _query(
        self,
        deadline: float,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> list[Row]:
        left = deadline - asyncio.get_running_loop().time()
        return await self._connection.query(sql, parameters, settings=settings, seconds=left)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout


def text_of(statement: Statement) -> str:
    """A statement's SQL without most words for CTEs whose rows are kept or not.

    ClickHouse keeps the rows of none that does not say so. Where several say so, 26.9 failed with LOGICAL_ERROR in one
    of our statements, and took several seconds to plan others; so only those of funnels, paths, ranked
    groups and pages of users do.
    """
    return _READ_OFTEN.sub(r"\1 AS MATERIALIZED (", _KEPT.sub(r"\1 AS (", statement.sql))


def parameters_of(statement: Statement) -> dict[str, object]:
    """A statement's parameters by name."""
    return {parameter(number): value for number, value in enumerate(statement.params, 1)}


def _sources(now: datetime) -> Sources:
    return Sources(CLICKHOUSE, now, rollups=False)


def _without_bots(both: Compared, may_have: bool) -> Compared:
    query, previous = (without_bots(one, may_have) for one in (both.query, both.previous))
    assert isinstance(query, MetricsQuery | SessionsQuery)  # as it was
    assert isinstance(previous, MetricsQuery | SessionsQuery)
    return replace(both, query=query, previous=previous)


def _result(query: Query, statement: Statement, found: Sequence[Row], loaded_at: int | None) -> Result:
    """The answer in the rows; run in a thread, because it may take long."""
    rows, next_cursor = shape(query, statement, found)
    return Result(
        rows=rows,
        next_cursor=next_cursor,
        exact=statement.exact,
        from_rollup=statement.from_rollup,
        events_from=statement.events_from,
        freshness=Freshness(loaded_at=_instant(loaded_at), queue_lag_seconds=None),
    )


def _instant(loaded_at: int | None) -> datetime | None:
    return None if loaded_at is None else instant_of(loaded_at)


def _lines(rows: Sequence[Row]) -> bytes:
    return encode_lines([event_of(row) for row in rows])
