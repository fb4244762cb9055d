"""Questions to DuckDB: each on a cursor of its own, in a thread, within a deadline, a few at a time, by turns.

DuckDB's memory limit is shared by the loader and all questions. A question that does not fit fails alone; should the
loader be the one that finds no room, `Reader.shed` stops the questions, for ingestion goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tallystick.analysis.buckets import instant_of
from tallystick.analysis.comparison import Compared, Found, compared, groups_of, result_of
from tallystick.analysis.dispatch import compile_query, needs, shape
from tallystick.analysis.sources import Groups, Sources
from tallystick.config import Settings
from tallystick.errors import QueryTimeout, QueryTooExpensive, StoreUnavailable
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Freshness, Query, Result
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import Connection, DriverError, InterruptException, OutOfMemoryException
from tallystick.store.duckdb.dialect import DUCKDB
from tallystick.store.duckdb.export import Export
from tallystick.store.duckdb.upkeep.property_columns import read_property_columns
from tallystick.store.duckdb.upkeep.sessions import read_session_index, read_user_numbers
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
"""Most seconds for which an export lets questions go first, before each of its pieces."""
EXPORT_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further attempt at a piece for which there was no memory."""
UNHURRIED = 86_400.0
"""Seconds that a check of everything may take: in effect no limit."""
INTERRUPT_EVERY = 0.02
"""Seconds between interrupts of a question that has to end: one that comes before its statement has begun is lost."""


class Reader:
    """Runs questions on cursors that `connect` gives, one for each."""

    def __init__(self, connect: Callable[[], Connection], settings: Settings, turns: Turns) -> None:
        self._connect = connect
        self._settings = settings
        self._timeout = settings.query_timeout
        self._turns = turns
        self._threads = ThreadPoolExecutor(settings.query_concurrency, thread_name_prefix="store-query")
        # All exports together read one piece at a time, which takes no question's turn.
        self._export_turns = Turns(1)
        self._export_thread = ThreadPoolExecutor(1, thread_name_prefix="store-export")
        self._check_turns = Turns(1)
        self._check_thread = ThreadPoolExecutor(1, thread_name_prefix="store-check")
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
        result = await self._question(lambda cursor: _answer(cursor, query))
        return result.model_copy(update={"elapsed_ms": round((time.perf_counter() - started) * 1000, 3)})

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        """Every event of a scope as canonical lines, as of the export's beginning, in no order.

        Each piece has a deadline of its own, and nothing is held between two. While others ask, an export goes half as
        fast. Raises what `run` does.
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
        """The next piece. One that finds no memory is read again, smaller and later: the memory is mostly others'."""
        loop = asyncio.get_running_loop()
        for pause in (*EXPORT_PAUSES, None):
            deadline = loop.time() + self._timeout
            try:
                with await self._export_turns.take(deadline):
                    return await self._in_thread(self._export_thread, export.piece, deadline)
            except QueryTooExpensive:
                if pause is None:
                    raise
                export.narrow()
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def select(self, query: SqlQuery, sealed: bool) -> Table:
        """Answer a user's own statement; raises what `run` does, and InvalidRequest for a statement that is refused."""
        from tallystick.store.duckdb.select import Growth, select  # what reads SQL takes a while to load

        started = time.perf_counter()
        rows = min(query.limit or self._settings.sql_rows, self._settings.sql_rows)
        size = self._settings.sql_bytes
        growth = Growth(self._settings)
        table = await self._question(lambda cursor: select(cursor, query, sealed, rows, size), growth)
        return msgspec.structs.replace(table, elapsed_ms=round((time.perf_counter() - started) * 1000, 3))

    async def check(self, call: Callable[[Connection], R]) -> R:
        """A look at everything, which takes as long as it takes; one at a time, beside the questions.

        Raises:
            QueryTooExpensive: it finds no memory, or its memory was needed.
            StoreUnavailable: DuckDB failed.
        """
        deadline = asyncio.get_running_loop().time() + UNHURRIED
        with await self._check_turns.take(deadline):
            return await self._in_thread(self._check_thread, call, deadline)

    def shed(self) -> None:
        """Stop every question that runs now, with QueryTooExpensive: its memory is needed. For any thread to call."""
        for work in list(self._running):
            work.shed = True
            _interrupt(work.cursor)

    async def close(self) -> None:
        """Stop what runs, and let the threads go."""
        self.shed()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._export_thread.shutdown)
        await asyncio.to_thread(self._check_thread.shutdown)

    async def _question(self, call: Callable[[Connection], R], growth: Growth | None = None) -> R:
        """Call it in its caller's turn; with a `growth` it is a statement of the caller's own."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        with await self._turns.take(deadline, heavy=growth is not None):
            return await self._in_thread(self._threads, call, deadline, growth)

    async def _in_thread(
        self,
        threads: ThreadPoolExecutor,
        call: Callable[[Connection], R],
        deadline: float,
        growth: Growth | None = None,
    ) -> R:
        """Call it in a thread, with a cursor of its own. However this ends, the call has ended: it is interrupted."""
        with self._cursor() as cursor:
            work = _Work(cursor)
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
        return _outcome(future, late, work.shed)

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
    """What runs in a thread now."""

    def __init__(self, cursor: Connection) -> None:
        self.cursor = cursor
        self.shed = False


async def _finished(future: asyncio.Future[R], deadline: float, growth: Growth | None) -> str:
    """Wait until it is done or late. Why it has to end before that, if it has to."""
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
    """What a call gave, with the driver's errors as Tallystick's."""
    try:
        return future.result()
    except OutOfMemoryException as error:
        raise QueryTooExpensive from error
    except InterruptException as error:
        if late:
            raise QueryTimeout from error
        if shed:
            raise QueryTooExpensive("the query was stopped: its memory was needed to store events") from error
        raise StoreUnavailable("the query was stopped") from error
    except DriverError as error:
        raise StoreUnavailable("the store failed") from error


def _answer(cursor: Connection, query: Query) -> Result:
    """In the thread: compile, ask, shape. The freshness is read first, so that it never promises too much."""
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
        freshness=Freshness(loaded_at=loaded_at, queue_lag_seconds=None),
    )


def _compared_answer(cursor: Connection, both: Compared, now: datetime) -> Result:
    """Both periods as of one moment."""
    with _snapshot(cursor):
        loaded_at = _loaded_at(cursor)
        found = _found(cursor, both.query, now)
        groups = groups_of(both.query, found)
        previous = None if groups == [] else _found(cursor, both.previous, now, groups)
    return result_of(both, found, previous, loaded_at)


@contextlib.contextmanager
def _snapshot(cursor: Connection) -> Iterator[None]:
    """One transaction: its statements see the same."""
    cursor.begin()
    try:
        yield
    finally:
        with contextlib.suppress(DriverError):  # it was interrupted
            cursor.rollback()


def _loaded_at(cursor: Connection) -> datetime | None:
    found = cursor.execute(LOADED_AT).fetchall()[0][0]
    return None if found is None else instant_of(found)


def _found(cursor: Connection, query: Query, now: datetime, groups: Groups | None = None) -> Found:
    wanted = needs(query)
    sources = Sources(
        DUCKDB,
        now,
        property_columns=read_property_columns(cursor) if wanted.property_columns else {},
        persons=wanted.persons and identity.knows(cursor, query.site_id),
        session_index=read_session_index(cursor) if wanted.session_index else None,
        user_numbers=read_user_numbers(cursor) if wanted.user_numbers else None,
        groups=groups,
    )
    statement = compile_query(query, sources)
    return statement, cursor.execute(statement.sql, list(statement.params)).fetchall()
