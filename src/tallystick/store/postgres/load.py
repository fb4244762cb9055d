"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

A batch's lines are encoded in a thread. Then the partitions of its days are made. Everything else happens in one
transaction. Most events are new, which copying the batch's identities into the table of recent ids proves: they are
copied straight into `events`. When some may be stored already, only these suspects are compared exactly with what is
stored, and the batch is copied without the duplicates among them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from tallystick.config import Settings
from tallystick.errors import DataRejected, StoreUnavailable
from tallystick.model.block import Block
from tallystick.model.books import LedgerEntry
from tallystick.model.event import AHEAD_MAX
from tallystick.model.identity import LINK_NAMES
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.batch import Batch, Counts, Outcome, batch_of, ledger_entries
from tallystick.store.erasure import NONE, Tombstones
from tallystick.store.postgres import erasure, identity, locks, recent
from tallystick.store.postgres.connection import Acquire, Conflict, Connection, Duplicate, NoPartition
from tallystick.store.postgres.encode import (
    COLUMNS,
    HEADER,
    IDENTITY_COLUMNS,
    TRAILER,
    EncodedBatch,
    Encoder,
    Lines,
    Quarter,
    Seen,
    pieces,
)
from tallystick.store.postgres.seen import SeenUsers, State, people_rows
from tallystick.store.postgres.upkeep.partitions import Partitions

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.postgres", "sql/load.sql")
TRIES = 8
"""How often a batch is tried when other transactions conflict with it."""
CHECKED_SITES = 1_000
"""With more sites in a batch, the sites' stored events are not asked for: all old events are suspects."""
CAREFUL_BATCHES = 16
"""After resent events, so many batches expect more of them."""
EVENT_COLUMNS = (*COLUMNS, "load_id")
LEDGER_COLUMNS = ("ingester", "seq", "count", "stored", "duplicates", "conflicts", "dead", "erased")
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


class _BlocksTaken(Exception):
    """Another worker has stored some of the batch's blocks in the meantime."""


class _RecentIdsLost(Exception):
    """PostgreSQL has emptied the table of recent ids."""


class _PersonErased(Exception):
    """A person was erased since the batch was looked at."""


class _IdentityKnown(Exception):
    """The table of recent ids has one of the batch's identities."""


class Loader:
    """Writes batches, each on its own connection from `acquire`; several at the same time."""

    def __init__(self, acquire: Acquire, partitions: Partitions, settings: Settings) -> None:
        self._acquire = acquire
        self._partitions = partitions
        self._window = timedelta(hours=settings.dedupe_window_hours)
        self._seen = SeenUsers()
        self._careful_batches = 0
        self._tombstones = NONE

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        """As `Store.write`; driver errors pass as they are.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        async with self._acquire() as connection:
            batch = await self._batch(connection, blocks, dead)
            while batch.blocks:
                events = await _encode(lines for lines, _ in batch.lines())
                if len(events) != batch.kept().sum():
                    raise DataRejected(f"{batch.kept().sum()} events were expected, {len(events)} lines were read")
                try:
                    entries = await self._write_with_retries(connection, batch, events)
                    return WriteReport(len(blocks) - len(batch.blocks), entries)
                except (_BlocksTaken, _PersonErased):  # another process was first
                    batch = await self._batch(connection, blocks, dead)
            return WriteReport(len(blocks), [])

    async def probe(self, lines: bytes) -> None:
        """Copy lines to the server as `write` would; a driver error or DataRejected means they cannot be stored."""
        events = await _encode([lines])
        async with self._acquire() as connection:
            await _copy_incoming(connection, events, range(len(events)))

    async def _batch(self, connection: Connection, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> Batch:
        self._tombstones = await erasure.tombstones(connection, self._tombstones)
        return await _batch(connection, blocks, dead, self._tombstones)

    async def _write_with_retries(
        self, connection: Connection, batch: Batch, events: EncodedBatch
    ) -> list[LedgerEntry]:
        """Write what was encoded; try again when another transaction conflicts."""
        suspect_all = False
        for attempt in range(TRIES):
            await self._partitions.ensure(connection, events.days if len(events) else ())
            try:
                return await self._transact(connection, batch, events, suspect_all)
            except _RecentIdsLost:
                await recent.rebuild(connection, datetime.now(UTC) - self._window)
            except NoPartition:
                self._partitions.forget()  # a purge has dropped it since
            except _IdentityKnown:
                self._careful_batches = CAREFUL_BATCHES
            except Duplicate:
                suspect_all = True  # event times that no client can have sent: look every event up
            except Conflict as error:
                log.warning("a batch is tried again", reason=str(error), attempt=attempt + 1)
        raise StoreUnavailable(f"other transactions conflicted with a batch {TRIES} times")

    async def _transact(
        self, connection: Connection, batch: Batch, events: EncodedBatch, suspect_all: bool
    ) -> list[LedgerEntry]:
        now = datetime.now(UTC)
        kept = batch.kept()
        outcome = Outcome.all_stored(kept)
        state: State = ()
        seen: dict[Quarter, Seen] = {}
        async with connection.transaction():
            if not (await connection.fetchrow(SQL["begin"], locks.SPACE, locks.WRITING))[1]:
                raise _RecentIdsLost
            # Not in the statement before: that one may have waited for what this one has to see.
            state = tuple(await connection.fetchrow(SQL["people_state"]))
            if state[-1] != batch.tombstones_version:
                raise _PersonErased
            if len(events):
                # An event is never stored earlier than AHEAD_MAX before its own time. So an event younger than the
                # window minus AHEAD_MAX is in recent_ids if it was ever stored.
                old_before = _LAST if suspect_all else now - self._window + AHEAD_MAX
                outcome, events = await self._without_duplicates(
                    connection, events, kept, now - self._window, old_before
                )
            if len(events):
                load = await connection.fetchval(SQL["insert_load"], events.oldest, events.newest, len(events))
                await _copy_rows(connection, "events", EVENT_COLUMNS, events.rows(load))
                await _insert_rollup(connection, events)
                seen = self._seen.unknown(state, await asyncio.to_thread(events.seen))
                await _insert_people(connection, seen)
                if links := events.lines_named(LINK_NAMES):
                    await connection.execute("TRUNCATE incoming")
                    await _copy_incoming(connection, events, links)
                    await identity.join(connection)
            entries = await _insert_ledger(connection, batch, outcome, now)
        self._seen.add(state, seen)
        return entries

    async def _without_duplicates(
        self, connection: Connection, events: EncodedBatch, kept: Counts, window_start: datetime, old_before: datetime
    ) -> tuple[Outcome, EncodedBatch]:
        """Remember the batch's identities. Returns each block's outcome, and the batch without what is stored.

        Raises:
            _IdentityKnown: events were sent again, and this batch did not expect it.
        """
        some_old = await _some_may_be_stored(connection, events, old_before)
        if not some_old and not self._careful_batches:
            identities, repeated = await asyncio.to_thread(events.identities)
            if repeated:
                raise _IdentityKnown
            try:
                await _copy_rows(connection, "recent_ids", IDENTITY_COLUMNS, identities)
            except Duplicate as error:
                raise _IdentityKnown from error
            return Outcome.all_stored(kept), events
        self._careful_batches = max(0, self._careful_batches - 1)
        identities, _ = await asyncio.to_thread(events.identities, True)
        await _copy_rows(connection, "arrivals", ("line", *IDENTITY_COLUMNS), identities)
        remembered = int((await connection.execute(SQL["remember"], window_start)).rpartition(" ")[2])
        if remembered == len(events) and not some_old:
            return Outcome.all_stored(kept), events
        self._careful_batches = CAREFUL_BATCHES if remembered < len(events) else self._careful_batches
        return await _drop_duplicates(connection, events, kept, old_before)


# --- which blocks are new -------------------------------------------------------------------------------------------


async def _batch(
    connection: Connection, blocks: Sequence[Block], dead: Sequence[DeadLetter], tombstones: Tombstones
) -> Batch:
    """The blocks that the ledger does not have, their dead letters, and what is erased persons'."""
    keys = [block.ingester for block in blocks], [block.seq for block in blocks]
    known = {(row[0], row[1]) for row in await connection.fetch(SQL["known_blocks"], *keys)}
    compacted = await _compacted_seqs(connection, blocks)
    if not tombstones:
        return batch_of(blocks, dead, known, compacted, tombstones)
    return await asyncio.to_thread(batch_of, blocks, dead, known, compacted, tombstones)


async def _compacted_seqs(connection: Connection, blocks: Sequence[Block]) -> dict[str, int]:
    """For each ingester, the seq below which its blocks are compacted."""
    rows = await connection.fetch(SQL["compacted_seqs"], sorted({block.ingester for block in blocks}))
    return {row[0]: row[1] for row in rows}


# --- encoding and copying -------------------------------------------------------------------------------------------


async def _encode(parts: Iterable[bytes]) -> EncodedBatch:
    """Encode a batch's lines, a piece at a time."""
    encoder = Encoder()

    def steps() -> Iterator[bool]:
        for lines in parts:
            for piece in pieces(lines):
                encoder.encode(piece)
                yield True

    encoding = steps()
    while await asyncio.to_thread(next, encoding, False):
        pass
    return await asyncio.to_thread(encoder.finish)


async def _copy_incoming(connection: Connection, events: EncodedBatch, lines: Lines) -> None:
    """Copy some of a batch's events into the table `incoming`."""
    await _copy_rows(connection, "incoming", ("line", *COLUMNS), events.numbered_rows(lines))


async def _copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield HEADER
        for piece in rows:
            yield piece
        yield TRAILER

    await connection.copy_to_table(table, source=source(), columns=columns, format="binary")


# --- duplicates -----------------------------------------------------------------------------------------------------


async def _drop_duplicates(
    connection: Connection, events: EncodedBatch, kept: Counts, old_before: datetime
) -> tuple[Outcome, EncodedBatch]:
    """Compare the batch's suspects exactly. Returns each block's outcome, and the batch without what is stored."""
    await connection.execute(SQL["suspects"], old_before)
    lines = [row[0] for row in await connection.fetch(SQL["suspect_lines"])]
    await _copy_incoming(connection, events, lines)
    between = await connection.fetchrow(SQL["suspects_range"])
    await connection.execute(SQL["twins"], *between)
    await connection.execute(SQL["twins_in_window"], *between)
    await connection.execute(SQL["twins_in_batch"])
    found = await connection.fetch(SQL["duplicates"])
    dropped = [row[0] for row in found]
    outcome = Outcome.without(kept, np.array(dropped, np.int64), np.array([row[1] for row in found], np.bool_))
    return outcome, events.without(dropped)


async def _some_may_be_stored(connection: Connection, events: EncodedBatch, old_before: datetime) -> bool:
    """Whether some of a batch's events, whose identities the window need not know, may be stored with the same times.

    Only events from before the window may, and only if their sites have events between the oldest and the newest of
    them. In most batches of an import in order of time they have none. This check is worth it: looking each event up
    would take longer than storing it.
    """
    oldest = events.oldest
    if oldest >= old_before:
        return False
    if old_before == _LAST or len(sites := events.sites) > CHECKED_SITES:
        return True
    return bool(await connection.fetchval(SQL["stored_between"], sites, oldest, min(events.newest, old_before)))


# --- rollups --------------------------------------------------------------------------------------------------------


async def _insert_rollup(connection: Connection, events: EncodedBatch) -> None:
    """Append the batch's counts, and note the sites that have bots' events now."""
    if events.bot_sites:
        await connection.execute(SQL["insert_bot_sites"], events.bot_sites)
    rollup = await asyncio.to_thread(events.rollup)
    await connection.execute(SQL["insert_rollup"], *(getattr(rollup, name) for name in rollup.__struct_fields__))


async def _insert_people(connection: Connection, seen: dict[Quarter, Seen]) -> None:
    """Insert which users were seen, by quarter hour and by day."""
    if not seen:
        return
    rows = await asyncio.to_thread(people_rows, seen)
    columns = [getattr(rows, name) for name in rows.__struct_fields__]
    await connection.execute(SQL["insert_people"], *columns)
    # Asked now: the rows above may have waited for a batch with a site's first bots.
    if await connection.fetchval(SQL["may_have_bots"], rows.sites):
        await connection.execute(SQL["correct_people_days"], *columns)


# --- the ledger -----------------------------------------------------------------------------------------------------


async def _insert_ledger(connection: Connection, batch: Batch, outcome: Outcome, now: datetime) -> list[LedgerEntry]:
    """Insert the ledger's rows and the dead letters.

    Raises:
        _BlocksTaken: another worker has stored some of the blocks.
    """
    entries = ledger_entries(batch, outcome, now)
    columns = [[getattr(entry, name) for entry in entries] for name in LEDGER_COLUMNS]
    written = await connection.execute(SQL["insert_blocks"], *columns, now)
    compacted = await _compacted_seqs(connection, batch.blocks)
    if written != f"INSERT 0 {len(entries)}" or any(entry.seq < compacted.get(entry.ingester, 0) for entry in entries):
        raise _BlocksTaken
    letters = [letter for of_block in batch.dead.values() for letter in of_block]
    if letters:
        names = ("ingester", "seq", "index", "original", "code", "reason", "events", "attempts")
        await connection.execute(
            SQL["insert_dead_letter"], *([getattr(letter, name) for letter in letters] for name in names), now
        )
    return entries
