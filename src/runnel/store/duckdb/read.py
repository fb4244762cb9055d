"""Questions to DuckDB: each on a cursor of its own, in a thread, within a deadline, a few at a time.

DuckDB's memory limit is shared by the loader and all questions. A question that does not fit fails alone; should the
loader be the one that finds no room, `Reader.shed` stops the questions, for ingestion goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from runnel.config import Settings
from runnel.errors import QueryTimeout, QueryTooExpensive, StoreUnavailable
from runnel.model.event import encode_lines
from runnel.model.funnel import FunnelScope
from runnel.model.people import PeopleQuery
from runnel.model.query import EventsQuery, Freshness, MetricsQuery, Query, Result
from runnel.model.retention import PersonsScope
from runnel.model.sessions import SessionScope
from runnel.store.answer import event_of, shape
from runnel.store.buckets import instant_of
from runnel.store.compile import compile_export, compile_query
from runnel.store.compile_metrics import names_properties
from runnel.store.duckdb.connection import Connection, DriverError, InterruptException, OutOfMemoryException
from runnel.store.duckdb.engine import DUCKDB
from runnel.store.duckdb.shred import read_slots

R = TypeVar("R")

LOADED_AT = """
SELECT epoch_us(max(newest)) FROM (
    SELECT max(loaded_at) AS newest FROM blocks UNION ALL SELECT max(loaded_at) FROM ledger_folded
)
"""
EXPORT_ROWS = 1_000
"""Events in one chunk of an export."""
INTERRUPT_EVERY = 0.02
"""Seconds between interrupts of a question that has to end: one that comes before its statement has begun is lost."""


class Reader:
    """Runs questions on cursors that `connect` gives, one for each."""

    def __init__(self, connect: Callable[[], Connection], settings: Settings) -> None:
        self._connect = connect
        self._timeout = settings.query_timeout
        self._slots = asyncio.Semaphore(settings.query_concurrency)
        self._threads = ThreadPoolExecutor(settings.query_concurrency, thread_name_prefix="store-query")
        self._running: set[_Work] = set()

    async def run(self, query: Query) -> Result:
        """Answer a question; `freshness.queue_lag_seconds` is left to who knows the queue.

        Raises:
            InvalidRequest: a cursor that is none, a series with too many buckets.
            QueryTimeout: not finished within the deadline, which includes the wait for other questions.
            QueryTooExpensive: more memory than there is for it.
            StoreUnavailable: DuckDB failed.
        """
        started = time.perf_counter()
        async with self._cursor() as cursor:
            result = await self._in_thread(cursor, lambda: _answer(cursor, query))
        return result.model_copy(update={"elapsed_ms": round((time.perf_counter() - started) * 1000, 3)})

    async def export(self, query: EventsQuery) -> AsyncIterator[bytes]:
        """Every event of a scope as canonical lines, as of the export's beginning, in no order.

        Each chunk has a deadline of its own, and other questions get their turn in between. Raises what `run` does.
        """
        statement = compile_export(query, DUCKDB)
        async with self._cursor() as cursor:
            await self._in_thread(cursor, lambda: cursor.execute(statement.sql, list(statement.params)))
            while chunk := await self._in_thread(cursor, lambda: _lines(cursor)):
                yield chunk

    def shed(self) -> None:
        """Stop every question that runs now, with QueryTooExpensive: its memory is needed. For any thread to call."""
        for work in list(self._running):
            work.shed = True
            _interrupt(work.cursor)

    async def close(self) -> None:
        """Stop what runs, and let the threads go."""
        self.shed()
        await asyncio.to_thread(self._threads.shutdown)

    @contextlib.asynccontextmanager
    async def _cursor(self) -> AsyncIterator[Connection]:
        try:
            cursor = self._connect()
        except DriverError as error:
            raise StoreUnavailable(f"the store failed: {error}") from error
        try:
            yield cursor
        finally:
            cursor.close()

    async def _in_thread(self, cursor: Connection, call: Callable[[], R]) -> R:
        """Call it in a thread within the deadline. However this ends, the call has ended too: it is interrupted."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError as error:
            raise QueryTimeout("the query had no turn before its deadline: too many others run") from error
        work = _Work(cursor)
        self._running.add(work)
        future = loop.run_in_executor(self._threads, call)
        try:
            await asyncio.wait({future}, timeout=max(0.0, deadline - loop.time()))
            late = not future.done()
        finally:
            await _end(cursor, future)
            self._running.discard(work)
            self._slots.release()
        return _outcome(future, late, work.shed)


class _Work:
    """What runs in a thread now."""

    def __init__(self, cursor: Connection) -> None:
        self.cursor = cursor
        self.shed = False


async def _end(cursor: Connection, future: asyncio.Future[R]) -> None:
    """Interrupt until the call has ended; the caller's being cancelled again does not keep it from that."""
    cancelled = False
    while not future.done():
        _interrupt(cursor)
        try:
            await asyncio.wait({future}, timeout=INTERRUPT_EVERY)
        except asyncio.CancelledError:
            cancelled = True
    if not future.cancelled():
        future.exception()  # seen, so that nobody is warned about one that is not fetched
    if cancelled:
        raise asyncio.CancelledError


def _interrupt(cursor: Connection) -> None:
    with contextlib.suppress(DriverError):  # it was closed meanwhile
        cursor.interrupt()


def _outcome(future: asyncio.Future[R], late: bool, shed: bool) -> R:
    """What a call gave, with the driver's errors as Runnel's."""
    try:
        return future.result()
    except OutOfMemoryException as error:
        raise QueryTooExpensive from error
    except InterruptException as error:
        if late:
            raise QueryTimeout from error
        if shed:
            raise QueryTooExpensive("the query was stopped: its memory was needed to store events") from error
        raise StoreUnavailable(f"the query was stopped: {error}") from error
    except DriverError as error:
        raise StoreUnavailable(f"the store failed: {error}") from error


def _answer(cursor: Connection, query: Query) -> Result:
    """In the thread: compile, ask, shape. The freshness is read first, so that it never promises too much."""
    slots = read_slots(cursor) if _may_use_slots(query) else None
    statement = compile_query(query, DUCKDB, datetime.now(UTC), slots=slots)
    loaded_at = cursor.execute(LOADED_AT).fetchall()[0][0]
    found = cursor.execute(statement.sql, list(statement.params)).fetchall()
    rows, next_cursor = shape(query, statement, found)
    return Result(
        rows=rows,
        next_cursor=next_cursor,
        exact=statement.exact,
        from_rollup=statement.from_rollup,
        freshness=Freshness(loaded_at=None if loaded_at is None else instant_of(loaded_at), queue_lag_seconds=None),
    )


def _may_use_slots(query: Query) -> bool:
    if isinstance(query, MetricsQuery):
        return names_properties(query)
    return isinstance(query, SessionScope | PeopleQuery | FunnelScope | PersonsScope)


def _lines(cursor: Connection) -> bytes:
    return encode_lines([event_of(row) for row in cursor.fetchmany(EXPORT_ROWS)])
