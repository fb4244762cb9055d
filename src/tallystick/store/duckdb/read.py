"""Queries on DuckDB: each has its own cursor, a thread and a deadline. A few run at a time, callers by turns.

The loader and all queries share DuckDB's memory limit. A query that does not fit fails alone. If other work ran beside
it, which may have the memory, it is tried again for a moment. If the loader finds no memory, `Reader.shed` stops the
queries, because ingestion goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tallystick.analysis.bots import BOT_SITES, without_bots
from tallystick.analysis.buckets import instant_of
from tallystick.analysis.comparison import Compared, Found, compared, groups_of, result_of
from tallystick.analysis.dispatch import compile_query, needs, shape
from tallystick.analysis.sources import Groups
from tallystick.background import background_pool
from tallystick.config import Settings
from tallystick.errors import MemoryTaken, QueryTimeout, QueryTooExpensive, StoreUnavailable
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Freshness, Query, Result
from tallystick.store.duckdb.connection import Connection, DriverError, InterruptException, OutOfMemoryException
from tallystick.store.duckdb.export import Export
from tallystick.store.duckdb.kept import read_kept
from tallystick.store.duckdb.sources import read_sources
from tallystick.store.patience import briefly, patiently
from tallystick.store.turns import Turns

if TYPE_CHECKING:
    from tallystick.store.duckdb.select import Growth

R = TypeVar("R")

LOADED_AT = """
SELECT epoch_us(max(newest)) FROM (
    SELECT max(loaded_at) AS newest FROM blocks UNION ALL SELECT max(loaded_at) FROM ledger_folded
)
"""
EXPORT_PAUSE = 0.5
"""Most seconds for which an export waits while queries run, before each of its pieces."""
UNHURRIED = 86_400.0
"""Seconds that a check of the whole store may take: in effect no limit."""
SHED_PAUSE = 1.0
"""Seconds before a query that was stopped for its memory begins again: what needed the memory uses it meanwhile."""
INTERRUPT_EVERY = 0.02
"""Seconds between interrupts of a query that has to end. An interrupt before the statement has begun has no effect."""


class Reader:
    """Runs queries, each on a cursor of its own that `connect` returns."""

    def __init__(self, connect: Callable[[], Connection], settings: Settings, turns: Turns) -> None:
        self._connect = connect
        self._settings = settings
        self._timeout = settings.query_timeout
        self._turns = turns
        self._threads = background_pool(settings.query_concurrency, "store-query")
        # All exports together read one piece at a time. They do not take the turns of queries.
        self._export_turns = Turns(1)
        self._export_thread = background_pool(1, "store-export")
        self._check_turns = Turns(1)
        self._check_thread = background_pool(1, "store-check")
        self._running: set[_Work] = set()
        self._others = 0
        self._closed = False

    async def run(self, query: Query) -> Result:
        """Answer a query. `freshness.queue_lag_seconds` is None: the caller knows the queue.

        Raises:
            InvalidRequest: a broken cursor, or a series with too many buckets.
            QueryTimeout: not finished within the deadline, which includes the wait for other queries.
            QueryTooExpensive: it needs more memory than there is; MemoryTaken: other work has it, and kept it.
            StoreUnavailable: DuckDB failed.
        """
        started = time.perf_counter()
        result = await self._query(lambda cursor: _answer(cursor, query))
        return result.model_copy(update={"elapsed_ms": round((time.perf_counter() - started) * 1000, 3)})

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of a scope as canonical lines, as of the export's beginning, in no order.

        Each piece has its own deadline, and the export holds nothing between two pieces. While queries run, an export
        is half as fast. Raises what `run` raises.
        """
        loop = asyncio.get_running_loop()
        export, took = Export(query), 0.0
        while True:
            await self._turns.quiet(min(took, EXPORT_PAUSE))
            started = loop.time()
            piece = await self._piece(export)
            took = loop.time() - started
            if piece is None:
                return
            if piece:
                yield piece

    async def _piece(self, export: Export) -> bytes | None:
        """The next piece. Without memory for it, a smaller piece is tried later: mostly other work uses the memory."""
        loop = asyncio.get_running_loop()

        async def attempt() -> bytes | None:
            deadline = loop.time() + self._timeout
            try:
                with await self._export_turns.take(deadline):
                    return await self._in_thread(self._export_thread, export.piece, deadline)
            except QueryTooExpensive:
                export.narrow()
                raise

        return await patiently(attempt)

    async def select(self, query: SqlQuery, sealed: bool) -> Table:
        """Answer a user's own statement.

        Raises:
            InvalidRequest: the statement is refused.
            others: what `run` raises.
        """
        from tallystick.store.duckdb.select import Growth, select  # imported late: the SQL parser takes a while to load

        started = time.perf_counter()
        rows = min(query.limit or self._settings.sql_rows, self._settings.sql_rows)
        size = self._settings.sql_bytes
        growth = Growth(self._settings)
        table = await self._query(lambda cursor: select(cursor, query, sealed, rows, size), growth)
        return msgspec.structs.replace(table, elapsed_ms=round((time.perf_counter() - started) * 1000, 3))

    async def check(self, call: Callable[[Connection], R]) -> R:
        """Run a check of the whole store without a deadline. One runs at a time, beside the queries.

        Raises:
            QueryTooExpensive: it found no memory in any attempt, or the loader needed its memory each time.
            StoreUnavailable: DuckDB failed.
        """

        async def attempt() -> R:
            deadline = asyncio.get_running_loop().time() + UNHURRIED
            with await self._check_turns.take(deadline):
                return await self._in_thread(self._check_thread, call, deadline)

        return await patiently(attempt)

    def shed(self) -> None:
        """Stop every running query with QueryTooExpensive, because its memory is needed. Any thread may call this."""
        for work in list(self._running):
            work.shed = True
            _interrupt(work.cursor)
            work.loop.call_soon_threadsafe(self._insist, work)

    def _insist(self, work: _Work) -> None:
        """Interrupt a call until it has ended: an interrupt before its statement has begun has no effect."""
        if work in self._running:
            _interrupt(work.cursor)
            work.loop.call_later(INTERRUPT_EVERY, self._insist, work)

    async def close(self) -> None:
        """Stop all queries, which fail with StoreUnavailable, and end the threads."""
        self._closed = True
        for work in list(self._running):
            self._insist(work)
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._export_thread.shutdown)
        await asyncio.to_thread(self._check_thread.shutdown)

    async def _query(self, call: Callable[[Connection], R], growth: Growth | None = None) -> R:
        """Run a call in its caller's turn.

        Args:
            growth: watches the memory of a statement that a user wrote; None: the query is Tallystick's own.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout
        with await self._turns.take(deadline, heavy=growth is not None):
            return await briefly(lambda: self._in_thread(self._threads, call, deadline, growth), deadline)

    @contextlib.contextmanager
    def other_work(self) -> Iterator[None]:
        """While the store does something else that takes memory: it may be what a query lacks."""
        self._others += 1
        for work in self._running:
            work.beside = True
        try:
            yield
        finally:
            self._others -= 1

    async def _in_thread(
        self,
        threads: ThreadPoolExecutor,
        call: Callable[[Connection], R],
        deadline: float,
        growth: Growth | None = None,
    ) -> R:
        """Run a call in a thread with its own cursor. However this ends, the call has ended: it is interrupted."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        with self._cursor() as cursor:
            work = _Work(cursor, beside=self._others > 0 or bool(self._running))
            for other in self._running:
                other.beside = True
            future = asyncio.get_running_loop().run_in_executor(threads, call, cursor)
            self._running.add(work)
            try:
                greedy = await _finished(future, deadline, growth)
                late = not future.done()
            finally:
                try:
                    await _end(cursor, future)
                finally:  # a cancellation comes out of there
                    self._running.discard(work)
        if greedy:
            raise QueryTooExpensive(f"the statement was stopped: {greedy}")
        return _outcome(future, late, work)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Connection]:
        try:
            cursor = self._connect()
        except DriverError as error:
            raise StoreUnavailable("the store failed") from error
        try:
            yield cursor
        finally:
            cursor.close()


class _Work:
    """A call that runs in a thread.

    Attributes:
        beside: other work ran beside it, for a part of its time at least.
        shed: it was stopped, because its memory was needed.
    """

    def __init__(self, cursor: Connection, beside: bool) -> None:
        self.cursor = cursor
        self.beside = beside
        self.shed = False
        self.loop = asyncio.get_running_loop()


async def _finished(future: asyncio.Future[R], deadline: float, growth: Growth | None) -> str:
    """Wait until a call is done or late.

    Returns:
        Why the call has to be stopped before its deadline; empty if it has not.
    """
    loop = asyncio.get_running_loop()
    if growth is None:
        await asyncio.wait({future}, timeout=max(0.0, deadline - loop.time()))
        return ""
    while not future.done() and loop.time() < deadline:
        await asyncio.wait({future}, timeout=min(growth.every, max(0.0, deadline - loop.time())))
        if not future.done() and (reason := growth.too_much()):
            return reason
    return ""


async def _end(cursor: Connection, future: asyncio.Future[R]) -> None:
    """Interrupt a call until it has ended, even if the caller is cancelled meanwhile."""
    cancelled = False
    while not future.done():
        _interrupt(cursor)
        try:
            await asyncio.wait({future}, timeout=INTERRUPT_EVERY)
        except asyncio.CancelledError:
            cancelled = True
    if not future.cancelled():
        future.exception()  # retrieved, so that asyncio does not warn about it
    if cancelled:
        raise asyncio.CancelledError


def _interrupt(cursor: Connection) -> None:
    with contextlib.suppress(DriverError):  # the cursor was closed meanwhile
        cursor.interrupt()


def _outcome(future: asyncio.Future[R], late: bool, work: _Work) -> R:
    """The result of a call, with the driver's errors as Tallystick's."""
    try:
        return future.result()
    except OutOfMemoryException as error:
        raise (MemoryTaken if work.beside else QueryTooExpensive) from error
    except InterruptException as error:
        if late:
            raise QueryTimeout from error
        if work.shed:
            raise MemoryTaken("the query was stopped: its memory was needed to store events", SHED_PAUSE) from error
        raise StoreUnavailable("the query was stopped") from error
    except DriverError as error:
        raise StoreUnavailable("the store failed") from error


def _answer(cursor: Connection, query: Query) -> Result:
    """In the thread: compile the query, run it and shape the answer.

    The freshness is read first, so that the answer is at least as fresh as it says.
    """
    now = datetime.now(UTC)
    both = compared(query, now)
    if both is not None:
        return _compared_answer(cursor, both, now)
    with _snapshot(cursor):
        loaded_at = _loaded_at(cursor)
        statement, found = _found(cursor, query, now)
    rows, next_cursor = shape(query, statement, found)
    return Result(
        rows=rows,
        next_cursor=next_cursor,
        exact=statement.exact,
        from_rollup=statement.from_rollup,
        events_from=statement.events_from,
        freshness=Freshness(loaded_at=loaded_at, queue_lag_seconds=None),
    )


def _compared_answer(cursor: Connection, both: Compared, now: datetime) -> Result:
    """Both periods in one snapshot."""
    with _snapshot(cursor):
        loaded_at = _loaded_at(cursor)
        found = _found(cursor, both.query, now)
        groups = groups_of(both.query, found)
        previous = None if groups == [] else _found(cursor, both.previous, now, groups)
    return result_of(both, found, previous, loaded_at)


@contextlib.contextmanager
def _snapshot(cursor: Connection) -> Iterator[None]:
    """One transaction: all statements in it see the same data."""
    cursor.begin()
    try:
        yield
    finally:
        with contextlib.suppress(DriverError):  # the statement was interrupted
            cursor.rollback()


def _loaded_at(cursor: Connection) -> datetime | None:
    found = cursor.execute(LOADED_AT).fetchall()[0][0]
    return None if found is None else instant_of(found)


def _may_have_bots(cursor: Connection, site_id: str | None) -> bool:
    sites = {row[0] for row in cursor.execute(BOT_SITES).fetchall()}
    return bool(sites) if site_id is None else site_id in sites


def _found(cursor: Connection, query: Query, now: datetime, groups: Groups | None = None) -> Found:
    if query.bots == "exclude":
        query = without_bots(query, _may_have_bots(cursor, query.site_id))
    sources = read_sources(cursor, query.site_id, needs(query), now)
    sources = replace(sources, groups=groups, kept=read_kept(cursor, query))
    statement = compile_query(query, sources)
    return statement, cursor.execute(statement.sql, list(statement.params)).fetchall()
