"""Queries on PostgreSQL: each has its own read-only transaction and a deadline. A few run at a time, callers by turns.

The server ends a statement that takes too long or whose caller has gone. If the server does not do that in time, the
connection is dropped. A query and its freshness see one snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from tallystick.analysis.bots import BOT_SITES, without_bots
from tallystick.analysis.buckets import instant_of
from tallystick.analysis.comparison import Compared, Found, compared, groups_of, result_of
from tallystick.analysis.dispatch import compile_query, needs, shape
from tallystick.analysis.events.compile import compile_export
from tallystick.analysis.events.rows import event_of
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.config import Settings
from tallystick.errors import Forbidden, MemoryTaken, QueryTimeout, QueryTooExpensive, StoreUnavailable, TallystickError
from tallystick.model.event import encode_lines
from tallystick.model.queries.statement import Column, SqlQuery, Table
from tallystick.model.query import EventsQuery, Freshness, MetricsQuery, Query, Result, SessionsQuery
from tallystick.store.patience import briefly
from tallystick.store.postgres.connection import Acquire, Connection, DriverErrors, PostgresError, Row
from tallystick.store.postgres.dialect import POSTGRES
from tallystick.store.postgres.kept import read_kept
from tallystick.store.postgres.role import StatementRole
from tallystick.store.postgres.sources import read_sources
from tallystick.store.turns import Turns

R = TypeVar("R")

BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = '{milliseconds}ms';
SET LOCAL work_mem = '{kibibytes}kB';
SET LOCAL hash_mem_multiplier = 1;
SET LOCAL idle_in_transaction_session_timeout = '{idle}s'
"""
BY_HASH = "SET LOCAL enable_nestloop = off"
"""For funnels and retention. PostgreSQL expects far too few persons after a step, and would look up the events of each
person by a nested loop: 70 s instead of 12 for a funnel of 10 million events.
"""
WITHOUT_MERGES = "SET LOCAL enable_mergejoin = off"
"""See `Needs.merge_joins`."""
IN_HALVES = "SET LOCAL min_parallel_table_scan_size = '5TB'; SET LOCAL parallel_setup_cost = 4000"
"""See `Statement.in_halves`: processes share out the halves, and not the reading of one table.

A half whose tables several processes read cannot be given to a process of its own, so that one process does the rest of
its work, which is more. The size keeps a table whole. It says nothing about partitions of `events`, of which few rows
are read: for these the cost of a process is higher than what it saves.
"""
TIMEOUT = "SET LOCAL statement_timeout = '{milliseconds}ms'"
LOADED_AT = """
SELECT CAST(extract(epoch FROM max(newest)) * 1000000 AS bigint) FROM (
    SELECT max(loaded_at) AS newest FROM blocks UNION ALL SELECT max(loaded_at) FROM ledger_folded
) AS loads
"""
EXPORT_ROWS = 1_000
"""Most events in one piece of an export."""
EXPORT_BYTES = 1024 * 1024
"""About how many bytes of lines a piece may have, unless a single event is larger."""
EXPORT_PAUSE = 0.5
"""Most seconds for which an export waits while queries run, before each of its pieces."""
IDLE_SECONDS = 30.0
"""Seconds by which an export's transaction may be idle beyond `export_idle`, before the server ends it."""
GRACE_SECONDS = 2.0
"""Seconds after its deadline in which the server may still end a statement; then the connection is dropped."""

TOO_EXPENSIVE = {"53400", "54000", "54001"}
"""SQLSTATEs: `temp_file_limit` exceeded, statement beyond the server's limits."""
TAKEN = {"53100", "53200"}
"""SQLSTATEs of what the whole server lacks: disk (also the shared memory of parallel queries), memory."""
ALONE = """
SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND state = 'active' AND backend_type = 'client backend'
)
"""
"""Whether no other client's statement runs, as far as the user may see."""
CANCELED = "57014"


class Reader:
    """Runs queries on connections of `acquire`, one for each, and exports on connections of `acquire_export`."""

    def __init__(
        self,
        acquire: Acquire,
        acquire_export: Acquire,
        settings: Settings,
        turns: Turns,
        role: StatementRole | None = None,
    ) -> None:
        self._acquire = acquire
        self._acquire_export = acquire_export
        self._role = role
        self._settings = settings
        self._timeout = settings.query_timeout
        self._memory = settings.query_memory
        self._turns = turns
        self._used: set[Connection] = set()

    async def run(self, query: Query) -> Result:
        """Answer a query. `freshness.queue_lag_seconds` is None: the caller knows the queue.

        Raises:
            InvalidRequest: a broken cursor, or a series with too many buckets.
            QueryTimeout: not finished within the deadline, which includes the wait for other queries.
            QueryTooExpensive: it needs more memory or disk than the server has; MemoryTaken: others keep it.
            StoreUnavailable: no connection became free in time, or PostgreSQL failed.
        """
        started = time.perf_counter()
        now = datetime.now(UTC)
        both = compared(query, now)
        if both is not None:
            result = await self._run_both(both, now)
        else:
            compile_query(without_bots(query, False), Sources(POSTGRES, now))  # what is refused needs no connection
            deadline = self._deadline()
            async with self._turn(deadline):
                found = await self._briefly(lambda: self._find(query, now, deadline), deadline)
            result = await asyncio.to_thread(_result, *found)
        return result.model_copy(update={"elapsed_ms": round((time.perf_counter() - started) * 1000, 3)})

    async def _find(
        self, query: Query, now: datetime, deadline: float
    ) -> tuple[Query, Statement, Sequence[Row], int | None]:
        """The query as it was compiled, its statement and rows, and when the newest batch was stored."""
        async with self._transaction(deadline) as connection:
            loaded_at = await connection.fetchval(LOADED_AT)
            query = without_bots(query, await _may_have_bots(connection, query))
            sources = await read_sources(connection, query.site_id, needs(query), now)
            statement = compile_query(query, replace(sources, kept=await read_kept(connection, query)))
            if needs(query).hash_joins:
                await connection.execute(BY_HASH)
            if not needs(query).merge_joins:
                await connection.execute(WITHOUT_MERGES)
            if statement.in_halves:
                await connection.execute(IN_HALVES)
            rows = await connection.fetch(statement.sql, *statement.params, timeout=self._left(deadline))
        return query, statement, rows, loaded_at

    async def _run_both(self, both: Compared, now: datetime) -> Result:
        """Both periods in one snapshot and within one deadline."""
        compile_query(without_bots(both.query, False), Sources(POSTGRES, now))
        deadline = self._deadline()
        async with self._turn(deadline):
            found = await self._briefly(lambda: self._find_both(both, now, deadline), deadline)
        return await asyncio.to_thread(result_of, *found)

    async def _find_both(
        self, both: Compared, now: datetime, deadline: float
    ) -> tuple[Compared, Found, Found | None, datetime | None]:
        """What `result_of` takes."""
        async with self._transaction(deadline) as connection:
            loaded_at = await connection.fetchval(LOADED_AT)
            both = _without_bots(both, await _may_have_bots(connection, both.query))
            sources = await read_sources(connection, both.query.site_id, needs(both.query), now)
            statement = compile_query(both.query, replace(sources, kept=await read_kept(connection, both.query)))
            rows = await connection.fetch(statement.sql, *statement.params, timeout=self._left(deadline))
            found: Found = (statement, rows)
            previous: Found | None = None
            groups = groups_of(both.query, found)
            if groups != []:
                kept = await read_kept(connection, both.previous)
                statement = compile_query(both.previous, replace(sources, groups=groups, kept=kept))
                await connection.execute(TIMEOUT.format(milliseconds=self._milliseconds(deadline)))
                rows = await connection.fetch(statement.sql, *statement.params, timeout=self._left(deadline))
                previous = (statement, rows)
        return both, found, previous, _instant(loaded_at)

    async def _briefly(self, attempt: Callable[[], Awaitable[R]], deadline: float) -> R:
        """As `briefly`, of an attempt that raises MemoryTaken even if no other client's statement runs."""

        async def attempted() -> R:
            try:
                return await attempt()
            except MemoryTaken as error:
                if await self._is_alone(deadline):
                    raise QueryTooExpensive from error
                raise

        return await briefly(attempted, deadline)

    async def _is_alone(self, deadline: float) -> bool:
        """Whether no other client's statement runs; True also where the server does not say it."""
        with contextlib.suppress(TallystickError):
            async with self._transaction(deadline) as connection:
                return bool(await connection.fetchval(ALONE, timeout=self._left(deadline)))
        return True

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of a scope as canonical lines, as of the export's beginning, in no order.

        It uses a connection of `acquire_export`, and each piece has its own deadline. While queries run, an export is
        half as fast. To stop early, close it (`aclose`), which ends the transaction. Raises what `run` raises.
        """
        loop = asyncio.get_running_loop()
        now = datetime.now(UTC)
        compile_export(query, Sources(POSTGRES, now))  # what is refused needs no connection
        async with self._transaction(self._deadline(), self._acquire_export) as connection:
            statement = compile_export(query, await read_sources(connection, query.site_id, needs(query), now))
            cursor = await connection.cursor(statement.sql, *statement.params)
            rows, took = EXPORT_ROWS, 0.0
            while True:
                await self._turns.quiet(min(took, EXPORT_PAUSE))
                started = loop.time()
                found = await cursor.fetch(rows, timeout=self._left(self._deadline()))
                if not found:
                    return
                lines = await asyncio.to_thread(_lines, found)
                rows = max(1, min(EXPORT_ROWS, EXPORT_BYTES * len(found) // len(lines)))
                took = loop.time() - started
                yield lines

    async def select(self, query: SqlQuery, sealed: bool) -> Table:
        """Answer a user's own statement.

        Raises:
            Forbidden: SQL is off on this store.
            InvalidRequest: the statement is refused.
            others: what `run` raises.
        """
        from tallystick.store.postgres.memory import watched
        from tallystick.store.postgres.select import (
            select,
            table_of,
        )  # imported late: the SQL parser takes a while to load
        from tallystick.usersql.check import check_sql

        if self._role is None:
            raise Forbidden("SQL is off on this store: TALLYSTICK_SQL=true allows it")
        started = time.perf_counter()
        rows = min(query.limit or self._settings.sql_rows, self._settings.sql_rows)
        size = self._settings.sql_bytes
        checked = await asyncio.to_thread(check_sql, query.sql, "postgres")
        deadline = self._deadline()
        role = self._role

        async def attempt() -> tuple[list[Column], list[Row]]:
            async with self._transaction(deadline, role.acquire) as connection:
                await connection.execute(role.begin((query.site_id or "") if sealed else None))
                running = select(connection, query, checked, sealed, rows, size, self._left(deadline))
                return await watched(running, connection, role.name, self._memory)

        async with self._turn(deadline, heavy=True):
            columns, found = await self._briefly(attempt, deadline)
        table = await asyncio.to_thread(table_of, columns, found, rows, size)
        return msgspec.structs.replace(table, elapsed_ms=round((time.perf_counter() - started) * 1000, 3))

    async def close(self) -> None:
        """Stop all queries, which end with StoreUnavailable."""
        for connection in list(self._used):
            _drop(connection)

    # --- time -------------------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    def _left(self, deadline: float) -> float:
        """Seconds until the driver gives up waiting for the server to end a statement."""
        return max(0.0, deadline - asyncio.get_running_loop().time()) + GRACE_SECONDS

    @staticmethod
    def _milliseconds(deadline: float) -> int:
        """Milliseconds that the server may take for a statement; at least 1, since 0 means no limit."""
        return max(1, int((deadline - asyncio.get_running_loop().time()) * 1000))

    @contextlib.asynccontextmanager
    async def _turn(self, deadline: float, heavy: bool = False) -> AsyncIterator[None]:
        """A turn of the caller; a heavy one is for a statement that a user wrote. The wait ends at the deadline."""
        with await self._turns.take(deadline, heavy):
            yield

    # --- transactions -----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _transaction(self, deadline: float, acquire: Acquire | None = None) -> AsyncIterator[Connection]:
        """A snapshot, limited in time and memory. Errors of the driver become Tallystick's."""
        async with contextlib.AsyncExitStack() as stack:
            connection = await self._connect(deadline, stack, acquire or self._acquire)
            self._used.add(connection)
            stack.callback(self._used.discard, connection)
            milliseconds, kibibytes = self._milliseconds(deadline), self._memory // 1024
            idle = math.ceil(self._settings.export_idle + IDLE_SECONDS)
            begin = BEGIN.format(milliseconds=milliseconds, kibibytes=kibibytes, idle=idle)
            with _errors():
                async with _rolled_back(connection):
                    await connection.execute(begin)
                    yield connection

    @staticmethod
    async def _connect(deadline: float, stack: contextlib.AsyncExitStack, acquire: Acquire) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                return await stack.enter_async_context(acquire())
        except TimeoutError as error:
            raise StoreUnavailable("no connection to PostgreSQL became free before the query's deadline") from error


async def _may_have_bots(connection: Connection, query: Query) -> bool:
    """Whether a query that leaves bots out has any to leave out."""
    if query.bots != "exclude":
        return False
    sites = {row[0] for row in await connection.fetch(BOT_SITES)}
    return bool(sites) if query.site_id is None else query.site_id in sites


def _without_bots(both: Compared, may_have: bool) -> Compared:
    query, previous = (without_bots(one, may_have) for one in (both.query, both.previous))
    assert isinstance(query, MetricsQuery | SessionsQuery)  # as it was
    assert isinstance(previous, MetricsQuery | SessionsQuery)
    return replace(both, query=query, previous=previous)


@contextlib.asynccontextmanager
async def _rolled_back(connection: Connection) -> AsyncIterator[None]:
    """Roll the body's transaction back, or drop the connection.

    When the body is cancelled, the driver asks the server to cancel the statement and sends nothing before it is.
    """
    try:
        yield
        await connection.execute("ROLLBACK", timeout=GRACE_SECONDS)
    except TimeoutError:  # the server neither answered nor ended the statement
        _drop(connection)
        raise
    except BaseException:
        try:
            await connection.execute("ROLLBACK", timeout=GRACE_SECONDS)
        except BaseException:
            _drop(connection)
        raise


def _drop(connection: Connection) -> None:
    """End a connection without a message to the server. It may have been dropped before."""
    with contextlib.suppress(*DriverErrors):
        connection.terminate()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Turn errors of the driver into Tallystick's."""
    try:
        yield
    except TimeoutError as error:
        raise QueryTimeout from error
    except PostgresError as error:
        raise _meaning(error) from error
    except DriverErrors as error:
        raise StoreUnavailable("PostgreSQL failed") from error


def _meaning(error: PostgresError) -> TallystickError:
    if error.sqlstate in TOO_EXPENSIVE:
        return QueryTooExpensive()
    if error.sqlstate in TAKEN:
        return MemoryTaken()
    if error.sqlstate == CANCELED and "timeout" in str(error):
        return QueryTimeout()
    if error.sqlstate == CANCELED:
        return StoreUnavailable("the query was stopped")
    return StoreUnavailable("PostgreSQL failed")


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
