"""The store on a ClickHouse server, which any number of processes share.

ClickHouse has no transactions across tables. What is stored is therefore written in an order in which every step can be
repeated, with the ledger last (load.py), and what the ledger counts is counted from the events (upkeep/settling.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from tallystick.config import Settings, shown_url
from tallystick.errors import ConfigError, StoreDamaged
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
from tallystick.store.clickhouse import admin, carried, identity
from tallystick.store.clickhouse.library import ClickHouseLibrary
from tallystick.store.clickhouse.load import Loader
from tallystick.store.clickhouse.removals import erasure, removal
from tallystick.store.clickhouse.role import StatementRole
from tallystick.store.clickhouse.server.connection import Connection, config_errors
from tallystick.store.clickhouse.server.session import READ_SESSION, WRITE_SESSION
from tallystick.store.clickhouse.tables import migrate
from tallystick.store.clickhouse.upkeep import property_columns, referrers, session_days
from tallystick.store.clickhouse.upkeep.housekeeping import Housekeeper
from tallystick.store.erasure import Erasure, PersonFound
from tallystick.store.retention import Borders, RetentionRule
from tallystick.store.turns import Turns

if TYPE_CHECKING:
    from tallystick.store.clickhouse.read import Reader

log = structlog.get_logger(__name__)
DAMAGE_SECONDS = 60.0
"""Seconds for which a process is not ready after it met damage."""
OLDEST = (26, 9)
"""The oldest supported version: it is the one that this is tested with."""


class ClickHouseStore:
    """Store on one ClickHouse server; several processes at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.turns = Turns(settings.query_concurrency)
        self._writer = Connection(
            settings, WRITE_SESSION, settings.store_write_timeout, size=settings.store_write_connections
        )
        self._queries = Connection(settings, READ_SESSION, settings.query_timeout, size=settings.store_read_connections)
        # An export lasts as long as its client reads; queries must not wait for it.
        self._exports = Connection(settings, READ_SESSION, settings.query_timeout, size=settings.export_concurrency)
        # For the ledger, receipts, dead letters and what takes long.
        self._admin = Connection(settings, WRITE_SESSION, settings.query_timeout, size=settings.store_read_connections)
        self._storing = asyncio.Lock()
        """Held by a batch, and by what excludes batches of this process."""
        self._removing = asyncio.Lock()
        """Held by what changes stored events or the ledger, and by what excludes that."""
        self._loader = Loader(self._writer, settings)
        self._housekeeper = Housekeeper(settings)
        self._role = StatementRole(settings) if settings.sql else None
        self._reader: Reader | None = None
        self._damage = ""
        self._damage_ends = 0.0
        self.library = ClickHouseLibrary(self._admin, self._writer)

    # --- opening --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and migrate.

        Raises:
            ConfigError: the URL, the user or the server is refused.
            StoreUnavailable: the server does not answer.
        """
        if self._settings.retention_rollups:
            raise ConfigError(
                "TALLYSTICK_RETENTION_ROLLUPS: ClickHouse has no rollups that could stay when their events go: leave "
                "it unset, or take a store on DuckDB or PostgreSQL"
            )
        try:
            for connection in (self._writer, self._queries, self._exports, self._admin):
                await connection.open()
            if self._writer.version < OLDEST:
                found, oldest = (".".join(map(str, version[:2])) for version in (self._writer.version, OLDEST))
                raise ConfigError(f"TALLYSTICK_STORE_URL: this is ClickHouse {found}; it has to be {oldest} or newer")
            with config_errors():
                await self.migrate()
            if self._role is not None:
                await self._role.open(self._admin)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
            self._reader = None
        if self._role is not None:
            await self._role.close()
        for connection in (self._writer, self._queries, self._exports, self._admin):
            await connection.close()

    async def migrate(self) -> int:
        """As `Store.migrate`. Two processes may do it at the same time: each statement can be repeated."""
        version = await migrate.migrate(self._writer)
        await property_columns.equalise(self._writer)
        own = parse_domains(self._settings.own_domains)
        await referrers.fill(self._writer, referrer_list().with_internal(own))
        return version

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def damage(self) -> StoreDamaged | None:
        return StoreDamaged(self._damage) if time.monotonic() < self._damage_ends else None

    @property
    def keeps_rollups(self) -> bool:
        return False  # there are none

    @property
    def write_bytes(self) -> int:
        return self._settings.batch_max_bytes

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter] = ()) -> WriteReport:
        with self._reporting_damage():
            async with self._storing:
                return await self._loader.write(blocks, dead)

    async def probe(self, lines: bytes) -> None:
        with self._reporting_damage():
            await self._loader.probe(lines)

    async def purge(self, before: datetime) -> PurgeReport:
        async with self._alone() as connection:
            return await removal.purge(connection, before)

    async def retire(self, borders: Borders) -> PurgeReport:
        async with self._alone() as connection:
            return await removal.retire(connection, borders)

    async def kept_events(self, site_id: str, before: datetime | None = None) -> int:
        return 0  # there are no rollups

    async def events_from(self, site_id: str | None) -> datetime | None:
        return None

    async def retention_rules(self) -> Sequence[RetentionRule]:
        with self._reporting_damage():
            return await admin.retention_rules(self._admin)

    async def set_retention_rule(self, rule: RetentionRule) -> None:
        async with self._alone() as connection:
            await admin.enter_retention_rule(connection, rule)

    async def clear_retention_rule(self, site_id: str) -> bool:
        async with self._alone() as connection:
            return await admin.clear_retention_rule(connection, site_id)

    async def imports(self, import_id: str | None = None) -> Sequence[ImportedEvents]:
        with self._reporting_damage():
            return await removal.imports(self._admin, import_id)

    async def removals(self, import_id: str) -> Sequence[Removal]:
        with self._reporting_damage():
            return await removal.removals(self._admin, import_id)

    async def undo_import(self, import_id: str, site_id: str | None = None) -> int:
        async with self._alone() as connection:
            return await removal.undo_import(connection, import_id, site_id)

    async def person_links(self, site_id: str, user_id: str) -> tuple[str, Sequence[Link]]:
        with self._reporting_damage():
            return await erasure.links(self._admin, site_id, user_id)

    async def person_found(self, site_id: str, user_id: str) -> PersonFound:
        with self._reporting_damage():
            return await erasure.found(self._admin, site_id, user_id)

    async def erase(self, site_id: str, user_id: str, *, block: bool = False) -> Erasure:
        async with self._alone() as connection:
            await removal.finish(connection)
            return await erasure.erase(connection, site_id, user_id, block)

    async def erasures(self, site_id: str | None = None, user_id: str | None = None) -> Sequence[Erasure]:
        with self._reporting_damage():
            return await erasure.erasures(self._admin, site_id, user_id)

    async def split(self, site_id: str, user_id: str) -> SplitReport | None:
        async with self._alone() as connection:
            return await identity.split(connection, site_id, user_id)

    async def mark_dead(self, letter_ids: Sequence[int], state: str) -> int:
        async with self._alone() as connection:
            return await admin.mark_dead(connection, letter_ids, state)

    async def rollup_days(self) -> Sequence[datetime]:
        with self._reporting_damage():
            return await admin.days(self._admin)

    async def rebuild_rollups(self, day: datetime, site_id: str | None = None) -> RebuildReport:
        with self._reporting_damage():
            return await admin.rebuild_rollups(self._admin, day, site_id)

    async def maintain(self) -> bool:
        async with self._alone() as connection:
            await self._housekeeper.step(connection)
        with self._reporting_damage():
            async with self._removing:  # no batch waits for it
                return await session_days.step(self._admin)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection]:
        """The connection for what has to have events, ledger and identities for itself in this process."""
        with self._reporting_damage():
            async with self._removing, self._storing:
                yield self._writer

    @contextlib.contextmanager
    def _reporting_damage(self) -> Iterator[None]:
        """Report damage that a call meets: the process is not ready for DAMAGE_SECONDS; the log names the server."""
        try:
            yield
        except StoreDamaged as error:
            where = shown_url(self._settings.resolved_store_url)
            if self.damage is None:
                log.critical(
                    "the store is damaged",
                    server=where,
                    what=str(error.__cause__),
                    do="look at ClickHouse's log, and restore the table from its backup",
                )
            host = shown_url(self._settings.resolved_store_url).partition("//")[2].partition("/")[0]
            self._damage = (
                f"ClickHouse on {host} says that its data are damaged: accepted events wait in the queue until it is "
                "recovered; the server's log says more"
            )
            self._damage_ends = time.monotonic() + DAMAGE_SECONDS
            raise StoreDamaged(self._damage) from error

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
            from tallystick.store.clickhouse.read import Reader

            self._reader = Reader(self._queries, self._exports, self._settings, self.turns, self._role)
        return self._reader

    async def server(self) -> tuple[str, datetime]:
        """The server's name with its version, and what its clock says, UTC."""
        with self._reporting_damage():
            [(version, now)] = await self._admin.query("SELECT version(), now64(6, 'UTC')")
        return f"ClickHouse {version}", now

    async def ledger(self) -> Mapping[str, IngesterLedger]:
        with self._reporting_damage():
            return await admin.ledger(self._admin)

    async def receipt(self, ingester: str, seq: int) -> LedgerEntry | None:
        with self._reporting_damage():
            return await admin.receipt(self._admin, ingester, seq)

    async def verify(self) -> list[Difference]:
        with self._reporting_damage():
            async with self._removing:
                return await admin.verify(self._admin)

    async def dead_letters(
        self, state: str | None = "dead", limit: int = 100, after: int = 0
    ) -> Sequence[StoredDeadLetter]:
        with self._reporting_damage():
            return await admin.dead_letters(self._admin, state, limit, after)

    async def dead_letter(self, letter_id: int) -> StoredDeadLetter | None:
        with self._reporting_damage():
            return await admin.dead_letter(self._admin, letter_id)

    # --- moving to another store ------------------------------------------------------------------------------------

    async def day_events(self) -> Sequence[DayEvents]:
        with self._reporting_damage():
            return await carried.day_events(self._admin)

    async def carried(self, kind: Kind) -> AsyncGenerator[Sequence[Row], None]:
        with self._reporting_damage():
            async with contextlib.aclosing(carried.select(self._admin, kind)) as pieces:
                async for piece in pieces:
                    yield piece

    async def replace_carried(self, carried_rows: Carried) -> None:
        async with self._alone() as connection:
            await carried.replace(connection, carried_rows)
