"""The embedded store: one DuckDB file.

One thread writes, one reads the ledger and dead letters, one the library, and a few answer queries (`read`).
After a FatalException, such as a checkpoint on a full disk, every call fails until the file is opened again; the store
does that itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from tallystick.analysis.buckets import instant_of
from tallystick.background import background_pool
from tallystick.config import MIB, Settings, url_path
from tallystick.disk import DiskGuard, private_file, private_folder
from tallystick.errors import BatchTooLarge, StoreDamaged, StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.identity import Link
from tallystick.model.queries.statement import SqlQuery, Table
from tallystick.model.query import EventsQuery, Query, Result
from tallystick.model.referrers import parse_domains, referrer_list
from tallystick.store.base import (
    DeadLetter,
    ImportedEvents,
    PurgeReport,
    RebuildReport,
    Removal,
    SplitReport,
    StoredDeadLetter,
    WriteReport,
)
from tallystick.store.carried import PIECE_ROWS, Carried, DayEvents, Kind, Row
from tallystick.store.duckdb import admin, carried, erasure, identity, kept, removal
from tallystick.store.duckdb.connection import (
    Connection,
    DriverError,
    FatalException,
    OutOfMemoryException,
    checkpoint,
    cursor,
    errors,
    is_damage,
    lacks_memory,
    open_database,
    transaction,
)
from tallystick.store.duckdb.hold import HeldStore
from tallystick.store.duckdb.library import DuckDBLibrary
from tallystick.store.duckdb.load import Loader
from tallystick.store.duckdb.read import Reader
from tallystick.store.duckdb.repair import damage
from tallystick.store.duckdb.upkeep import referrers, user_times
from tallystick.store.duckdb.upkeep.property_columns import PropertyColumns
from tallystick.store.duckdb.upkeep.sessions import SessionMaterializer, read_watermark
from tallystick.store.erasure import Erasure, PersonFound
from tallystick.store.migrations import pending_migrations
from tallystick.store.patience import patiently
from tallystick.store.retention import Borders, RetentionRule
from tallystick.store.turns import Turns
from tallystick.store.waiting import ended, in_thread

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)


CRAMPED = 96 * MIB
"""With less memory than this, in bytes, lines are not read from files: each reader takes 32 MiB."""
MEMORY_GROWS = 4
"""How many times TALLYSTICK_STORE_MEMORY the store uses at most if it could not store events otherwise."""
SHARE = 5
"""A write takes up to this many times the bytes of its lines in memory."""


class DuckDBStore:
    """Store on a DuckDB file; one process at a time, by DuckDB's own lock."""

    def __init__(self, settings: Settings) -> None:
        self.path = url_path(settings.resolved_store_url)
        self._settings = settings
        self.turns = Turns(settings.query_concurrency)
        self._spool = self.path.with_name(self.path.name + ".spool").absolute()
        self._memory = settings.store_memory
        self._damaged = damage.Found(self.path)
        self._cramped = settings.store_memory < CRAMPED
        self._property_columns = PropertyColumns()
        self._sessions = SessionMaterializer()
        self._held: HeldStore | None = None
        self.library = DuckDBLibrary(self._look_up, self._change)

    # --- opening --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        private_folder(self.path.parent, self._settings, self.path.name)
        self._writing = background_pool(1, "store-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-admin")
        self._looking_up = ThreadPoolExecutor(1, thread_name_prefix="store-library")
        self._disk = DiskGuard(self.path.parent, self._settings)
        self._reader = Reader(self._cursor, self._settings, self.turns)
        try:
            await self._in(self._writing, self._connect)
            private_file(self.path, self._settings)  # DuckDB creates it with the umask
            await self.migrate()
        except StoreDamaged as error:
            await self.close()
            raise damage.at_start(self.path, error) from error
        except BaseException:
            await self.close()
            raise

    def _connect(self) -> None:
        damage.check_log(self.path)
        self._db = open_database(self.path, self._spool, self._settings, self._memory)
        # A killed process may have left files. They are not needed: an uncommitted batch is delivered again.
        shutil.rmtree(self._spool, ignore_errors=True)
        self._spool.mkdir(mode=0o700)
        self._writer = cursor(self._db)
        self._admin = cursor(self._db)
        self._loader = Loader(self._writer, self._spool, self._settings)

    def _cursor(self) -> Connection:
        if not self._is_open():
            raise StoreUnavailable("the store is being opened again")
        return cursor(self._db)

    async def close(self) -> None:
        await self._reader.close()
        await self._in(self._reading, lambda: None)
        await self._in(self._looking_up, lambda: None)
        await self._in(self._writing, self._disconnect)
        self._writing.shutdown()
        self._reading.shutdown()
        self._looking_up.shutdown()

    def _disconnect(self) -> None:
        if not self._is_open():
            return  # it was never opened: the spool belongs to the process that holds the file
        if self._held is not None:
            self._held.close()  # its transaction would keep the database open
        for name in ("_admin", "_writer", "_db"):
            connection: Connection | None = self.__dict__.pop(name, None)
            if connection is not None:
                with contextlib.suppress(DriverError):  # a query that is being stopped uses it, and closes it then
                    connection.close()
        shutil.rmtree(self._spool, ignore_errors=True)

    async def migrate(self) -> int:
        return await self._in(self._writing, self._migrate)

    def _migrate(self) -> int:
        with errors():
            self._writer.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            version = int(self._writer.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0])
            for number, statements in pending_migrations("duckdb", version, str(self.path)):
                self._apply_migration(number, statements)
                version = number
            referrers.fill(self._writer, referrer_list().with_internal(parse_domains(self._settings.own_domains)))
            return version

    def _apply_migration(self, version: int, statements: str) -> None:
        try:
            with transaction(self._writer):
                self._writer.execute(statements)
                self._writer.execute("INSERT INTO schema_version VALUES (?)", [version])
        except OutOfMemoryException as error:
            message = (
                f"{self.path} needs more memory to migrate to schema {version}: raise TALLYSTICK_STORE_MEMORY once"
            )
            raise StoreUnavailable(message) from error
        checkpoint(self._writer)  # until then a new column takes four bytes of memory for each row

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def damage(self) -> StoreDamaged | None:
        return self._damaged.error

    @property
    def keeps_rollups(self) -> bool:
        return True

    @property
    def write_bytes(self) -> int:
        return self._settings.store_memory // SHARE

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        if self.damage is not None:
            raise self.damage
        if self._disk.low():
            raise StoreUnavailable("the disk is down to its reserve; events wait in the queue")
        return await self._in(self._writing, self._write, blocks, dead)

    def _write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        """Write a batch; with less memory and more time if a single block does not fit otherwise."""
        if not self._cramped:
            try:
                return self._guarded(lambda: self._loader.write(blocks, dead))
            except BatchTooLarge:
                if len(blocks) > 1:
                    raise
        try:
            return self._guarded(lambda: self._loader.write(blocks, dead, sparing=True))
        except BatchTooLarge as error:
            if len(blocks) == 1 and self._take_more(error):
                self._disconnect()
                self._connect()
            raise

    async def probe(self, lines: bytes) -> None:
        await self._in(self._writing, self._guarded, lambda: self._loader.probe(lines, self._cramped))

    async def purge(self, before: datetime) -> PurgeReport:
        return await self._in(self._writing, self._guarded, lambda: admin.purge(self._writer, before))

    async def retire(self, borders: Borders) -> PurgeReport:
        events, keeping = 0, borders.keeping
        await self._in(self._writing, self._guarded, lambda: kept.drop_unwanted(self._writer, keeping))
        if (everywhere := borders.everywhere) is not None:
            purge = partial(admin.purge, self._writer, everywhere, None, keeping)
            events += (await self._in(self._writing, self._guarded, purge)).events
        if borders.sites:
            with self._reporting_damage():
                steps = await self._reader.check(lambda db: admin.steps_of_sites(db, borders))
            for site, (_, end) in steps:
                purge = partial(admin.purge, self._writer, instant_of(end), site, keeping)
                events += (await self._in(self._writing, self._guarded, purge)).events
        return PurgeReport(events)

    async def kept_events(self, site_id: str, before: datetime | None = None) -> int:
        return await self._read_admin(lambda db: kept.events(db, site_id, before))

    async def events_from(self, site_id: str | None) -> datetime | None:
        return await self._read_admin(lambda db: kept.events_from(db, site_id))

    async def retention_rules(self) -> Sequence[RetentionRule]:
        return await self._read_admin(admin.retention_rules)

    async def set_retention_rule(self, rule: RetentionRule) -> None:
        await self._change(lambda db: admin.set_retention_rule(db, rule))

    async def clear_retention_rule(self, site_id: str) -> bool:
        return await self._change(lambda db: admin.clear_retention_rule(db, site_id))

    async def imports(self, import_id: str | None = None) -> Sequence[ImportedEvents]:
        with self._reporting_damage():
            return await self._reader.check(lambda db: removal.imports(db, import_id))

    async def removals(self, import_id: str) -> Sequence[Removal]:
        return await self._read_admin(removal.removals, import_id)

    async def undo_import(self, import_id: str, site_id: str | None = None) -> int:
        events = 0
        with self._reporting_damage():
            spans = await self._reader.check(lambda db: removal.spans(db, import_id, site_id))
        for span in spans:
            events += await self._change(partial(removal.remove, import_id=import_id, site_id=site_id, span=span))
        return events

    async def person_links(self, site_id: str, user_id: str) -> tuple[str, Sequence[Link]]:
        return await self._read_admin(erasure.links, site_id, user_id)

    async def person_found(self, site_id: str, user_id: str) -> PersonFound:
        with self._reporting_damage():
            return await self._reader.check(lambda db: erasure.found(db, site_id, user_id))

    async def erase(self, site_id: str, user_id: str, *, block: bool = False) -> Erasure:
        return await self._change(lambda db: erasure.erase(db, site_id, user_id, block))

    async def erasures(self, site_id: str | None = None, user_id: str | None = None) -> Sequence[Erasure]:
        return await self._read_admin(erasure.erasures, site_id, user_id)

    async def split(self, site_id: str, user_id: str) -> SplitReport | None:
        return await self._change(lambda db: identity.split(db, site_id, user_id))

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        return await self._in(self._writing, self._guarded, lambda: admin.mark_dead(self._writer, letter_ids, state))

    async def rollup_days(self) -> Sequence[datetime]:
        return await self._in(self._writing, self._guarded, lambda: admin.rollup_days(self._writer))

    async def rebuild_rollups(self, day: datetime, site_id: str | None = None) -> RebuildReport:
        rebuild = partial(admin.rebuild_rollups, self._writer, day, site_id)
        return await self._in(self._writing, self._guarded, rebuild)

    async def maintain(self) -> bool:
        return await self._in(self._writing, self._guarded, self._maintain)

    def _maintain(self) -> bool:
        """Do one step of the first task that has work. A task that runs out of memory does not stop the others."""
        for step in (self._sessions.step, admin.compact, self._property_columns.step, _materialize_times):
            try:
                if step(self._writer):
                    return True
            except DriverError as error:
                if not lacks_memory(error):
                    raise
                # No caller waits for housekeeping, so it stops no queries. A checkpoint frees what earlier steps hold.
                log.warning("housekeeping has no memory and waits", error=str(error).splitlines()[0])
                checkpoint(self._writer)
        admin.compact_ledger(self._writer, datetime.now(UTC) - timedelta(hours=self._settings.ledger_keep_hours))
        return False

    def _guarded(self, call: Callable[[], R]) -> R:
        """Run a call on the writing thread; after a fatal error open the file again and raise StoreUnavailable.

        Once the store is damaged, nothing is written any more, so that what is left stays as it is.
        """
        if self.damage is not None:
            raise self.damage
        try:
            if not self._is_open():
                self._connect()  # the last attempt to open it again failed
            return self._recovering(call)
        except StoreDamaged as error:
            raise self._damaged.report(error) from error

    def _recovering(self, call: Callable[[], R]) -> R:
        try:
            with errors():
                return call()
        except OutOfMemoryException as error:
            self._reader.shed()  # storing events goes before answering queries
            checkpoint(self._writer)  # frees what earlier batches hold
            raise BatchTooLarge(
                "the store has no memory left for this batch; TALLYSTICK_STORE_MEMORY sets it"
            ) from error
        except FatalException as error:
            log.error("the store failed and is opened again", error=str(error))
            if lacks_memory(error):
                self._take_more(error)
            self._reader.shed()  # a query's cursor would keep the failed database open
            self._disconnect()
            self._connect()
            raise StoreUnavailable("the store failed and was opened again") from error

    def _take_more(self, error: Exception) -> bool:
        """Use twice the memory from the next opening on. Returns False when it is doubled as often as allowed.

        Exceeding the setting is better than not storing accepted events; the log tells the operator. DuckDB works on
        2,048 rows at a time, which are 128 MiB of the largest events by default.
        """
        if self._memory >= MEMORY_GROWS * self._settings.store_memory:
            return False
        self._memory *= 2
        log.warning(
            "TALLYSTICK_STORE_MEMORY is too little for events this large, so more is used until the next start",
            bytes=self._memory,
            error=str(error).splitlines()[0],
        )
        return True

    def _is_open(self) -> bool:
        return "_db" in self.__dict__

    # --- queries --------------------------------------------------------------------------------------------------

    async def run(self, query: Query) -> Result:
        with self._reporting_damage():
            return await self._reader.run(query)

    async def select(self, query: SqlQuery, *, sealed: bool = False) -> Table:
        with self._reporting_damage():
            return await self._reader.select(query, sealed)

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        with self._reporting_damage():
            async with contextlib.aclosing(self._reader.export(query)) as pieces:
                async for piece in pieces:
                    yield piece

    @contextlib.contextmanager
    def _reporting_damage(self) -> Iterator[None]:
        """Report damage that a query meets: from then on the whole process knows that the store is damaged."""
        try:
            yield
        except StoreUnavailable as error:
            cause = error.__cause__
            if not isinstance(error, StoreDamaged) and cause is not None and is_damage(cause):
                error = StoreDamaged()
                error.__cause__ = cause
            if isinstance(error, StoreDamaged):
                raise self._damaged.report(error) from error
            raise

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        return await self._read_admin(admin.ledger)

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        return await self._read_admin(admin.receipt, ingester, seq)

    async def verify(self) -> list[Difference]:
        with self._reporting_damage():
            return await self._reader.check(admin.verify)

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        return await self._read_admin(admin.dead_letters, state, limit, after)

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        return await self._read_admin(admin.dead_letter, letter_id)

    # --- copying the files -----------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def hold(self, meanwhile: Callable[[], None]) -> AsyncIterator[HeldStore]:
        """Keep one moment of the files until the block ends, to copy them. Batches are stored meanwhile. One at a time.

        Args:
            meanwhile: is called on the writing thread at that moment, while nothing is stored.

        Raises:
            StoreUnavailable: the store failed.
        """

        def begin() -> HeldStore:
            checkpoint(self._writer)  # the log is short then
            connection = cursor(self._db)
            try:
                held = HeldStore(connection, self.path)
                meanwhile()
            except BaseException:
                connection.close()
                raise
            self._held = held
            return held

        def end() -> None:
            beginning.result().close()
            self._held = None

        async def attempt() -> HeldStore:
            return await self._in(self._writing, self._guarded, begin)

        beginning = asyncio.ensure_future(patiently(attempt, BatchTooLarge))
        try:
            await asyncio.wait({beginning})
            yield beginning.result()
        finally:
            await ended(beginning)
            if beginning.exception() is None:
                with contextlib.suppress(RuntimeError):  # the store was closed, and this with it
                    await in_thread(self._writing.submit(end).result)

    # --- moving to another store ------------------------------------------------------------------------------------

    async def day_events(self) -> Sequence[DayEvents]:
        with self._reporting_damage():
            return await self._reader.check(carried.day_events)

    async def carried(self, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
        rows = await self._read_admin(lambda _: carried.select(self._cursor(), kind))
        try:
            # Not tried again: a result that failed cannot go on.
            while piece := await self._in(self._reading, self._read, lambda: rows.fetchmany(PIECE_ROWS)):
                yield piece
        finally:
            rows.close()

    async def replace_carried(self, carried_rows: Carried) -> None:
        def writing(call: Callable[[], R]) -> Awaitable[R]:
            return self._in(self._writing, self._guarded, call)

        await writing(lambda: carried.begin(self._writer))
        try:
            async for kind, rows in carried_rows:
                await writing(partial(carried.insert, self._writer, kind, rows))
        except BaseException:
            await self._in(self._writing, self._roll_back)
            raise
        await writing(lambda: self._writer.execute("COMMIT"))

    def _roll_back(self) -> None:
        with contextlib.suppress(DriverError):  # a failed database was opened again, without the transaction
            self._writer.execute("ROLLBACK")

    async def _read_admin(self, call: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        def read() -> R:
            if not self._is_open():
                raise StoreUnavailable("the store is being opened again")
            return self._read(lambda: call(self._admin, *args, **kwargs))

        return await patiently(lambda: self._in(self._reading, read), _NoMemory)

    async def _look_up(self, call: Callable[[Connection], R]) -> R:
        """Read for the library, on its own thread."""

        def look_up() -> R:
            with contextlib.closing(self._cursor()) as connection:
                return call(connection)

        return await patiently(lambda: self._in(self._looking_up, self._read, look_up), _NoMemory)

    def _read(self, call: Callable[[], R]) -> R:
        """Call it in this thread. Raises StoreUnavailable, of which `_NoMemory` may pass."""
        try:
            with self._reporting_damage(), errors():
                return call()
        except OutOfMemoryException as error:
            raise _NoMemory("the store has no memory left for this") from error
        except FatalException as error:
            raise StoreUnavailable("the store failed") from error

    async def _change(self, call: Callable[[Connection], R]) -> R:
        """Change something that is no batch, on the writing thread."""
        if self._disk.low():
            raise StoreUnavailable("the disk is down to its reserve; nothing was changed")
        return await self._in(self._writing, self._guarded, lambda: call(self._writer))

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[..., R], *args: Any) -> R:
        with self._reader.other_work() if pool is self._writing else contextlib.nullcontext():
            return await asyncio.get_running_loop().run_in_executor(pool, call, *args)


class _NoMemory(StoreUnavailable):
    """A short read found no memory."""


def _materialize_times(db: Connection) -> bool:
    return user_times.step(db, read_watermark(db))
