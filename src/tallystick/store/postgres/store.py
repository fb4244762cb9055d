"""The store on a PostgreSQL server, which any number of processes share.

Batches, queries and exports have a connection pool each, so that none waits for another. `locks` has the advisory locks
between processes; `connection` maps the errors of PostgreSQL and its driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from tallystick.config import Settings, shown_url
from tallystick.errors import ConfigError, StoreDamaged, StoreUnavailable
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
from tallystick.store.carried import Carried, DayEvents, Kind, Row
from tallystick.store.erasure import Erasure, PersonFound
from tallystick.store.migrations import pending_migrations
from tallystick.store.postgres import admin, carried, erasure, identity, kept, locks, removal
from tallystick.store.postgres.connection import (
    DAMAGE_ERRORS,
    DAMAGE_SECONDS,
    READ_SESSION,
    UNHURRIED,
    WRITE_SESSION,
    Connection,
    Pool,
    config_errors,
    errors,
)
from tallystick.store.postgres.library import PostgresLibrary
from tallystick.store.postgres.load import SQL, Loader
from tallystick.store.postgres.role import StatementRole
from tallystick.store.postgres.upkeep import referrers
from tallystick.store.postgres.upkeep.housekeeping import Housekeeper
from tallystick.store.postgres.upkeep.partitions import Partitions
from tallystick.store.retention import Borders, RetentionRule
from tallystick.store.turns import Turns

if TYPE_CHECKING:
    from tallystick.store.postgres.read import Reader

log = structlog.get_logger(__name__)
OLDEST = 150_000
"""The oldest supported version, as PostgreSQL numbers versions: 15."""


class PostgresStore:
    """Store on PostgreSQL 15 or newer; several processes at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.turns = Turns(settings.query_concurrency)
        self._verifying = asyncio.Lock()
        partitions = Partitions()
        self._writers = Pool(
            settings, settings.store_write_connections, WRITE_SESSION, _prepare_writer, settings.store_write_timeout
        )
        # Queries have their own deadline; this one is for the ledger, receipts and dead letters.
        self._readers = Pool(
            settings, settings.store_read_connections, READ_SESSION, _prepare_reader, settings.query_timeout
        )
        # An export lasts as long as its client reads; queries must not wait for it.
        self._exporters = Pool(
            settings, settings.export_concurrency, READ_SESSION, _prepare_reader, settings.query_timeout, least=0
        )
        self._loader = Loader(self._writers.acquire, partitions, settings)
        self._housekeeper = Housekeeper(partitions, settings)
        self._reader: Reader | None = None
        self._role = StatementRole(settings) if settings.sql else None
        self._damage = ""
        self._damage_ends = 0.0
        self.library = PostgresLibrary(self._read, self._write)

    # --- opening --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, check the server's durability, and migrate.

        Raises:
            ConfigError: the URL, the user or the server's settings are refused.
            StoreUnavailable: the server does not answer.
        """
        try:
            await self._writers.open()
            await self._readers.open()
            await self._exporters.open()
            with config_errors(self._settings.resolved_store_url), errors():
                await self._check_server()
                await self.migrate()
            if self._role is not None:
                async with self._write() as connection:
                    await self._role.open(connection)
        except BaseException:
            await self.close()
            raise

    async def _check_server(self) -> None:
        """Check that the server is new enough, stores UTF-8, and writes a commit to disk before it reports it (G3)."""
        async with self._write() as connection:
            version = int(await connection.fetchval("SHOW server_version_num"))
            encoding = await connection.fetchval("SHOW server_encoding")
            fsync = await connection.fetchval("SHOW fsync")
        if version < OLDEST:
            raise ConfigError(f"TALLYSTICK_STORE_URL: this is PostgreSQL {version // 10_000}; it has to be 15 or newer")
        if encoding != "UTF8":
            raise ConfigError(f"TALLYSTICK_STORE_URL: the database's encoding is {encoding}; it has to be UTF8")
        if fsync != "on" and not self._settings.allow_weak_durability:
            raise ConfigError(
                "TALLYSTICK_STORE_URL: this PostgreSQL runs with fsync=off and can lose what it committed; "
                "turn it on, or set TALLYSTICK_ALLOW_WEAK_DURABILITY=true"
            )

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
            self._reader = None
        if self._role is not None:
            await self._role.close()
        await self._writers.close()
        await self._readers.close()
        await self._exporters.close()

    async def migrate(self) -> int:
        async with self._write() as connection, connection.transaction():
            await connection.execute(locks.LOCK, locks.SPACE, locks.MIGRATE, timeout=UNHURRIED)
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
            version = int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_version"))
            for number, statements in pending_migrations("postgres", version, "the database"):
                await connection.execute(statements, timeout=UNHURRIED)
                await connection.execute("INSERT INTO schema_version VALUES ($1)", number)
                version = number
            await referrers.fill(connection, referrer_list().with_internal(parse_domains(self._settings.own_domains)))
            return version

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def damage(self) -> StoreDamaged | None:
        return StoreDamaged(self._damage) if time.monotonic() < self._damage_ends else None

    @property
    def keeps_rollups(self) -> bool:
        return True

    @property
    def write_bytes(self) -> int:
        return self._settings.batch_max_bytes  # PostgreSQL writes what does not fit into memory to temporary files

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        with self._reporting_damage(), errors():
            return await self._loader.write(blocks, dead)

    async def probe(self, lines: bytes) -> None:
        with self._reporting_damage(), errors():
            await self._loader.probe(lines)

    async def purge(self, before: datetime) -> PurgeReport:
        async with self._write() as connection:
            return await self._housekeeper.purge(connection, before)

    async def retire(self, borders: Borders) -> PurgeReport:
        async with self._write() as connection:
            return await self._housekeeper.retire(connection, borders)

    async def kept_events(self, site_id: str, before: datetime | None = None) -> int:
        async with self._read() as connection:
            return await kept.events(connection, site_id, before)

    async def events_from(self, site_id: str | None) -> datetime | None:
        async with self._read() as connection:
            return await kept.events_from(connection, site_id)

    async def retention_rules(self) -> Sequence[RetentionRule]:
        async with self._read() as connection:
            return await admin.retention_rules(connection)

    async def set_retention_rule(self, rule: RetentionRule) -> None:
        async with self._write() as connection:
            await admin.set_retention_rule(connection, rule)

    async def clear_retention_rule(self, site_id: str) -> bool:
        async with self._write() as connection:
            return await admin.clear_retention_rule(connection, site_id)

    async def imports(self, import_id: str | None = None) -> Sequence[ImportedEvents]:
        async with self._verifying, self._read() as connection:
            return await removal.imports(connection, import_id)

    async def removals(self, import_id: str) -> Sequence[Removal]:
        async with self._read() as connection:
            return await removal.removals(connection, import_id)

    async def undo_import(self, import_id: str, site_id: str | None = None) -> int:
        async with self._write() as connection:
            return await removal.undo_import(connection, import_id, site_id)

    async def person_links(self, site_id: str, user_id: str) -> tuple[str, Sequence[Link]]:
        async with self._read() as connection:
            return await erasure.links(connection, site_id, user_id)

    async def person_found(self, site_id: str, user_id: str) -> PersonFound:
        async with self._read() as connection:
            return await erasure.found(connection, site_id, user_id)

    async def erase(self, site_id: str, user_id: str, *, block: bool = False) -> Erasure:
        async with self._write() as connection:
            return await erasure.erase(connection, site_id, user_id, block)

    async def erasures(self, site_id: str | None = None, user_id: str | None = None) -> Sequence[Erasure]:
        async with self._read() as connection:
            return await erasure.erasures(connection, site_id, user_id)

    async def split(self, site_id: str, user_id: str) -> SplitReport | None:
        async with self._write() as connection:
            return await identity.split(connection, site_id, user_id)

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        async with self._write() as connection:
            return await admin.mark_dead(connection, letter_ids, state)

    async def rollup_days(self) -> Sequence[datetime]:
        async with self._read() as connection:
            return await admin.rollup_days(connection)

    async def rebuild_rollups(self, day: datetime, site_id: str | None = None) -> RebuildReport:
        async with self._write() as connection:
            return await admin.rebuild_rollups(connection, day, site_id)

    async def maintain(self) -> bool:
        async with self._write() as connection:
            return await self._housekeeper.step(connection)

    # --- queries --------------------------------------------------------------------------------------------------

    async def run(self, query: Query) -> Result:
        with self._reporting_damage():
            return await self._query_reader().run(query)

    async def select(self, query: SqlQuery, *, sealed: bool = False) -> Table:
        with self._reporting_damage():
            return await self._query_reader().select(query, sealed)

    async def export(self, query: EventsQuery) -> AsyncGenerator[bytes, None]:
        with self._reporting_damage():
            async with contextlib.aclosing(self._query_reader().export(query)) as pieces:
                async for piece in pieces:
                    yield piece

    def _query_reader(self) -> Reader:
        """The reader, made for the first query: a process that only stores events needs none."""
        if self._reader is None:
            from tallystick.store.postgres.read import Reader

            self._reader = Reader(
                self._readers.acquire, self._exporters.acquire, self._settings, self.turns, self._role
            )
        return self._reader

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        async with self._read() as connection:
            return await admin.ledger(connection)

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        async with self._read() as connection:
            return await admin.receipt(connection, ingester, seq)

    async def verify(self) -> list[Difference]:
        async with (
            self._verifying,
            self._read() as connection,
        ):  # one at a time: it holds its connection for a long time
            return await admin.verify(connection)

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        async with self._read() as connection:
            return await admin.dead_letters(connection, state, limit, after)

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        async with self._read() as connection:
            return await admin.dead_letter(connection, letter_id)

    # --- moving to another store --------------------------------------------------------------------------------------

    async def day_events(self) -> Sequence[DayEvents]:
        async with self._read() as connection:
            return await carried.day_events(connection)

    async def carried(self, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
        async with self._read() as connection, contextlib.aclosing(carried.select(connection, kind)) as pieces:
            async for piece in pieces:
                yield piece

    async def replace_carried(self, carried_rows: Carried) -> None:
        async with self._write() as connection:
            await carried.replace(connection, carried_rows)

    # --- connections ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reporting_damage(self) -> Iterator[None]:
        """Report damage that a call meets: the process is not ready for DAMAGE_SECONDS; the log names the server."""
        try:
            yield
        except StoreUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, DAMAGE_ERRORS) and not isinstance(error, StoreDamaged):
                raise
            where = shown_url(self._settings.resolved_store_url)
            if self.damage is None:
                log.critical(
                    "the store is damaged",
                    server=where,
                    what=str(cause),
                    do="look at PostgreSQL's log, and restore the database from its backup",
                )
            host = urlsplit(self._settings.resolved_store_url).hostname or "this machine"
            self._damage = (
                f"PostgreSQL on {host} says that its data are damaged: accepted events wait in the queue until it is "
                "recovered; the server's log says more"
            )
            self._damage_ends = time.monotonic() + DAMAGE_SECONDS
            raise StoreDamaged(self._damage) from error

    async def server(self) -> tuple[str, datetime]:
        """The server's name with its version, and what its clock says, UTC."""
        async with self._read() as connection:
            version, now = await connection.fetchrow("SELECT current_setting('server_version'), clock_timestamp()")
        return f"PostgreSQL {version}", now

    @contextlib.asynccontextmanager
    async def _write(self) -> AsyncIterator[Connection]:
        with self._reporting_damage(), errors():
            async with self._writers.acquire() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _read(self) -> AsyncIterator[Connection]:
        with self._reporting_damage(), errors():
            async with self._readers.acquire() as connection:
                yield connection


async def _prepare_writer(connection: Connection) -> None:
    """Create the temporary tables of a batch."""
    await connection.execute(SQL["batch_tables"])


async def _prepare_reader(connection: Connection) -> None:
    """Nothing to prepare."""
