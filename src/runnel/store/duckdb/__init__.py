"""The embedded store: one DuckDB file. One thread writes, one answers for the ledger, a few answer questions.

A FatalException (a checkpoint that met a full disk) fails everything until the file is opened anew, so it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from runnel.config import Settings, url_path
from runnel.disk import DiskGuard
from runnel.errors import SchemaTooNew, StoreUnavailable
from runnel.model.block import Block
from runnel.model.books import Difference, IngesterLedger, LedgerEntry
from runnel.model.query import EventsQuery, Query, Result
from runnel.model.select import SqlQuery, Table
from runnel.store.base import DeadLetter, PurgeReport, StoredDeadLetter, WriteReport
from runnel.store.duckdb import admin, times
from runnel.store.duckdb.connection import (
    Connection,
    DriverError,
    FatalException,
    OutOfMemoryException,
    checkpoint,
    cursor,
    errors,
    open_database,
    transaction,
)
from runnel.store.duckdb.fold import Folder, read_mark
from runnel.store.duckdb.library import DuckDBLibrary
from runnel.store.duckdb.load import Loader
from runnel.store.duckdb.read import Reader
from runnel.store.duckdb.shred import Shredder
from runnel.store.migrations import migrations
from runnel.store.turns import Turns

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)


class DuckDBStore:
    """Store on a DuckDB file; one process at a time, by DuckDB's own lock."""

    def __init__(self, settings: Settings) -> None:
        self.path = url_path(settings.resolved_store_url)
        self._settings = settings
        self.turns = Turns(settings.query_concurrency)
        self._spool = self.path.with_name(self.path.name + ".spool").absolute()
        self._shredder = Shredder()
        self._folder = Folder()
        self.library = DuckDBLibrary(self._look_up, self._change)

    # --- opening ---------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="store-admin")
        self._looking_up = ThreadPoolExecutor(1, thread_name_prefix="store-library")
        self._disk = DiskGuard(self.path.parent, self._settings)
        self._reader = Reader(self._cursor, self._settings, self.turns)
        try:
            await self._in(self._writing, self._connect)
            await self.migrate()
        except BaseException:
            await self.close()
            raise

    def _connect(self) -> None:
        self._db = open_database(self.path, self._spool, self._settings)
        # What a killed process left there is of no use: a batch that was not committed is delivered again.
        shutil.rmtree(self._spool, ignore_errors=True)
        self._spool.mkdir()
        self._writer = cursor(self._db)
        self._admin = cursor(self._db)
        self._loader = Loader(self._writer, self._spool, self._settings)

    def _cursor(self) -> Connection:
        if not self._is_open():
            raise StoreUnavailable("the store is being opened anew")
        return cursor(self._db)

    async def close(self) -> None:
        await self._reader.close()
        await self._in(self._asking, lambda: None)
        await self._in(self._looking_up, lambda: None)
        await self._in(self._writing, self._disconnect)
        self._writing.shutdown()
        self._asking.shutdown()
        self._looking_up.shutdown()

    def _disconnect(self) -> None:
        if not self._is_open():
            return  # it was never opened: the spool belongs to the process that holds the file
        for name in ("_admin", "_writer", "_db"):
            connection: Connection | None = self.__dict__.pop(name, None)
            if connection is not None:
                with contextlib.suppress(DriverError):  # a question that is being stopped still has it; it goes then
                    connection.close()
        shutil.rmtree(self._spool, ignore_errors=True)

    async def migrate(self) -> int:
        return await self._in(self._writing, self._migrate)

    def _migrate(self) -> int:
        with errors():
            self._writer.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            version = int(self._writer.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0])
            steps = migrations("duckdb")
            if version > len(steps):
                raise SchemaTooNew(f"{self.path} has schema {version}; this Runnel knows {len(steps)}: upgrade Runnel")
            for number, statements in enumerate(steps[version:], version + 1):
                self._step_to(number, statements)
            return len(steps)

    def _step_to(self, version: int, statements: str) -> None:
        try:
            with transaction(self._writer):
                self._writer.execute(statements)
                self._writer.execute("INSERT INTO schema_version VALUES (?)", [version])
        except OutOfMemoryException as error:
            message = f"{self.path} needs more memory to be brought to schema {version}: raise RUNNEL_STORE_MEMORY once"
            raise StoreUnavailable(message) from error
        checkpoint(self._writer)  # a new column lies in memory until then, four bytes for each row

    # --- writing ---------------------------------------------------------------------------------------------------

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        if self._disk.low():
            raise StoreUnavailable("the disk is down to its reserve; events wait in the queue")
        return await self._in(self._writing, self._write, blocks, dead)

    def _write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        return self._guarded(lambda: self._loader.write(blocks, dead))

    async def probe(self, lines: bytes) -> None:
        await self._in(self._writing, self._guarded, lambda: self._loader.probe(lines))

    async def purge(self, before: datetime) -> PurgeReport:
        return await self._in(self._writing, self._guarded, lambda: admin.purge(self._writer, before))

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        return await self._in(self._writing, self._guarded, lambda: admin.mark_dead(self._writer, letter_ids, state))

    async def maintain(self) -> bool:
        return await self._in(self._writing, self._guarded, self._maintain)

    def _maintain(self) -> bool:
        try:
            return self._housekeep()
        except OutOfMemoryException as error:
            # Nobody waits for this, so no question is stopped for it; what earlier pieces hold is let go of.
            log.warning("housekeeping finds no memory and waits", error=str(error).splitlines()[0])
            checkpoint(self._writer)
            return False

    def _housekeep(self) -> bool:
        if self._folder.step(self._writer) or admin.compact(self._writer) or self._shredder.step(self._writer):
            return True
        if times.step(self._writer, read_mark(self._writer)):
            return True
        admin.fold(self._writer, datetime.now(UTC) - timedelta(hours=self._settings.ledger_keep_hours))
        return False

    def _guarded(self, call: Callable[[], R]) -> R:
        """Run on the writing thread; a fatal error closes and opens the file, and is a StoreUnavailable."""
        if not self._is_open():
            self._connect()  # the last try to open it anew failed
        try:
            with errors():
                return call()
        except OutOfMemoryException as error:
            self._reader.shed()  # storing goes before asking
            raise StoreUnavailable(f"the store has no memory left for this batch: {error}") from error
        except FatalException as error:
            log.error("the store failed and is opened anew", error=str(error))
            self._reader.shed()  # a question's cursor would keep the failed database open
            self._disconnect()
            self._connect()
            raise StoreUnavailable(f"the store failed and was opened anew: {error}") from error

    def _is_open(self) -> bool:
        return "_db" in self.__dict__

    # --- asking ----------------------------------------------------------------------------------------------------

    async def run(self, query: Query) -> Result:
        return await self._reader.run(query)

    async def select(self, query: SqlQuery, *, sealed: bool = False) -> Table:
        return await self._reader.select(query, sealed)

    def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        return self._reader.export(query)

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        return await self._ask(admin.ledger)

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        return await self._ask(admin.receipt, ingester, seq)

    async def verify(self) -> list[Difference]:
        return await self._reader.check(admin.verify)

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        return await self._ask(admin.dead_letters, state, limit, after)

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        return await self._ask(admin.dead_letter, letter_id)

    async def _ask(self, call: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        def ask() -> R:
            if not self._is_open():
                raise StoreUnavailable("the store is being opened anew")
            try:
                with errors():
                    return call(self._admin, *args, **kwargs)
            except (FatalException, OutOfMemoryException) as error:
                raise StoreUnavailable(f"the store failed: {error}") from error

        return await self._in(self._asking, ask)

    async def _look_up(self, call: Callable[[Connection], R]) -> R:
        """For the library: on a thread of its own."""

        def look_up() -> R:
            try:
                with errors(), contextlib.closing(self._cursor()) as connection:
                    return call(connection)
            except (FatalException, OutOfMemoryException) as error:
                raise StoreUnavailable(f"the store failed: {error}") from error

        return await self._in(self._looking_up, look_up)

    async def _change(self, call: Callable[[Connection], R]) -> R:
        """For the library: on the writing thread."""
        if self._disk.low():
            raise StoreUnavailable("the disk is down to its reserve; nothing was changed")
        return await self._in(self._writing, self._guarded, lambda: call(self._writer))

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(pool, call, *args)
