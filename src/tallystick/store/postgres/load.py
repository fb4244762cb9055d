"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

A batch's lines are encoded in a thread and copied into a temporary table of the connection. Then the partitions of its
days are made. Everything else happens in one transaction, by statements over all rows. Most events are new, which one
statement on the table of recent ids proves. The rest are compared exactly with what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
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
from tallystick.store.postgres import identity, locks, recent
from tallystick.store.postgres.connection import Acquire, Conflict, Connection, Duplicate, NoPartition
from tallystick.store.postgres.encode import COLUMNS, HEADER, TRAILER, Encoder, pieces
from tallystick.store.postgres.upkeep.partitions import Partitions

log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.postgres", "sql/load.sql")
TRIES = 8
"""How often a batch is tried when other transactions conflict with it."""
NEAR = timedelta(minutes=30)
"""A batch whose events span a longer time looks up each of its users separately."""
NEAR_SITES = 1_000
"""So does a batch of more sites."""
FEW = 100_000
"""With fewer rows of `people` in its time, a batch of any length is compared with all of them at once: most of a
backfill comes in order of time.
"""
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


class _BlocksTaken(Exception):
    """Another worker has stored some of the batch's blocks in the meantime."""


class _RecentIdsLost(Exception):
    """PostgreSQL has emptied the table of recent ids."""


@dataclass(slots=True)
class _Copied:
    """What `_copy` learned about a batch.

    Attributes:
        days: UTC days of the events, counted from 1970.
        oldest, newest: event times.
        sites: the sites of the events; see `has_few_sites`.
        links: whether events among them may join ids.
    """

    events: int = 0
    days: set[int] = field(default_factory=set)
    oldest: datetime = _LAST
    newest: datetime = _FIRST
    sites: Sequence[str] = ()
    links: bool = False

    @property
    def near(self) -> bool:
        """Whether the batch is so short that it is compared with all users of its time at once."""
        return self.newest - self.oldest <= NEAR and self.has_few_sites

    @property
    def has_few_sites(self) -> bool:
        """Whether `sites` is complete and short enough to be a parameter of a statement."""
        return len(self.sites) <= NEAR_SITES


class Loader:
    """Writes batches, each on its own connection from `acquire`; several at the same time."""

    def __init__(self, acquire: Acquire, partitions: Partitions, settings: Settings) -> None:
        self._acquire = acquire
        self._partitions = partitions
        self._window = timedelta(hours=settings.dedupe_window_hours)

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        """As `Store.write`; driver errors pass as they are.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        async with self._acquire() as connection:
            batch = await _batch(connection, blocks, dead)
            while batch.blocks:
                copied = await _copy(connection, (lines for lines, _ in batch.lines()))
                if copied.events != batch.kept().sum():
                    raise DataRejected(f"{batch.kept().sum()} events were expected, {copied.events} lines were read")
                try:
                    entries = await self._write_with_retries(connection, batch, copied)
                    return WriteReport(len(blocks) - len(batch.blocks), entries)
                except _BlocksTaken:  # another worker has written some of these blocks
                    batch = await _batch(connection, blocks, dead)
            return WriteReport(len(blocks), [])

    async def probe(self, lines: bytes) -> None:
        """Copy lines to the server as `write` would; a driver error or DataRejected means they cannot be stored."""
        async with self._acquire() as connection:
            await _copy(connection, [lines])

    async def _write_with_retries(self, connection: Connection, batch: Batch, copied: _Copied) -> list[LedgerEntry]:
        """Write what was copied; try again when another transaction conflicts."""
        suspect_all = False
        for attempt in range(TRIES):
            await self._partitions.ensure(connection, copied.days)
            try:
                return await self._transact(connection, batch, copied, suspect_all)
            except _RecentIdsLost:
                await recent.rebuild(connection, datetime.now(UTC) - self._window)
            except NoPartition:
                self._partitions.forget()  # a purge has dropped it since
            except Duplicate:
                suspect_all = True  # event times that no client can have sent: look every event up
            except Conflict as error:
                log.warning("a batch is tried again", reason=str(error), attempt=attempt + 1)
        raise StoreUnavailable(f"other transactions conflicted with a batch {TRIES} times")

    async def _transact(
        self, connection: Connection, batch: Batch, copied: _Copied, suspect_all: bool
    ) -> list[LedgerEntry]:
        now = datetime.now(UTC)
        kept = batch.kept()
        outcome = Outcome.all_stored(kept)
        async with connection.transaction():
            if not (await connection.fetchrow(SQL["begin"], locks.SPACE, locks.WRITING))[1]:
                raise _RecentIdsLost
            if copied.events:
                # An event is never stored earlier than AHEAD_MAX before its own time. So an event younger than the
                # window minus AHEAD_MAX is in recent_ids if it was ever stored.
                old_before = _LAST if suspect_all else now - self._window + AHEAD_MAX
                outcome = await _drop_duplicates(connection, copied, kept, now - self._window, old_before)
                await connection.execute(SQL["insert_events"])
                await connection.execute(SQL["insert_rollup"])
                await _insert_people(connection, copied)
                if copied.links:
                    await identity.join(connection)
            return await _insert_ledger(connection, batch, outcome, now)


# --- which blocks are new -------------------------------------------------------------------------------------------


async def _batch(connection: Connection, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> Batch:
    """The blocks that the ledger does not have, and their dead letters."""
    keys = [block.ingester for block in blocks], [block.seq for block in blocks]
    known = {(row[0], row[1]) for row in await connection.fetch(SQL["known_blocks"], *keys)}
    return batch_of(blocks, dead, known, await _compacted_seqs(connection, blocks))


async def _compacted_seqs(connection: Connection, blocks: Sequence[Block]) -> dict[str, int]:
    """For each ingester, the seq below which its blocks are compacted."""
    rows = await connection.fetch(SQL["compacted_seqs"], sorted({block.ingester for block in blocks}))
    return {row[0]: row[1] for row in rows}


# --- copying --------------------------------------------------------------------------------------------------------


async def _copy(connection: Connection, parts: Iterable[bytes]) -> _Copied:
    """Fill the connection's table `incoming` with these lines; the next piece is encoded while one is being sent."""
    copied = _Copied()
    encoder = Encoder()
    encoded = (encoder.encode(piece) for lines in parts for piece in pieces(lines))

    async def rows() -> AsyncIterator[bytes]:
        yield HEADER
        while (piece := await asyncio.to_thread(next, encoded, None)) is not None:
            copied.events += piece.count
            copied.days |= piece.days
            copied.oldest = min(copied.oldest, piece.oldest)
            copied.newest = max(copied.newest, piece.newest)
            yield piece.data
        yield TRAILER

    # Emptied here and not at each commit: a batch that is tried again needs its rows.
    await connection.execute("TRUNCATE incoming")
    await connection.copy_to_table("incoming", source=rows(), columns=COLUMNS, format="binary")
    copied.sites = encoder.sites()
    copied.links = encoder.may_have(LINK_NAMES)
    return copied


# --- duplicates -----------------------------------------------------------------------------------------------------


async def _drop_duplicates(
    connection: Connection, copied: _Copied, kept: Counts, window_start: datetime, old_before: datetime
) -> Outcome:
    """Remember the batch's identities and delete from `incoming` what is stored. Returns each block's outcome."""
    remembered = int((await connection.execute(SQL["remember"], window_start)).rpartition(" ")[2])
    if remembered == copied.events and not await _some_may_be_stored(connection, copied, old_before):
        return Outcome.all_stored(kept)
    await connection.execute(SQL["suspects"], old_before)
    between = await connection.fetchrow(SQL["suspects_range"])
    await connection.execute(SQL["twins"], *between)
    await connection.execute(SQL["twins_in_window"], *between)
    await connection.execute(SQL["twins_in_batch"])
    dropped = await connection.fetch(SQL["drop_duplicates"])
    lines = np.array([row[0] for row in dropped], np.int64)
    return Outcome.without(kept, lines, np.array([row[1] for row in dropped], np.bool_))


async def _some_may_be_stored(connection: Connection, copied: _Copied, old_before: datetime) -> bool:
    """Whether some of a batch's identities, none of which the window knows, may be stored with the same times.

    Only events from before the window may, and only if their sites have events between the oldest and the newest of
    them. In most batches of an import in order of time they have none. This check is worth it: looking each event up
    would take longer than storing it.
    """
    if copied.oldest >= old_before:
        return False
    if old_before == _LAST or not copied.has_few_sites:
        return True
    newest = min(copied.newest, old_before)
    return bool(await connection.fetchval(SQL["stored_between"], copied.sites, copied.oldest, newest))


async def _insert_people(connection: Connection, copied: _Copied) -> None:
    """Insert which users were seen, by quarter hour and by day."""
    if not copied.near and not await _has_few_people(connection, copied):
        await connection.execute(SQL["insert_people"].format(people=SQL["people_far"]))
        return
    # The planner has no statistics of the batch and would look up each user separately.
    await connection.execute("SET LOCAL enable_nestloop = off")
    near = SQL["insert_people"].format(people=SQL["people_near"])
    await connection.execute(near, copied.sites, copied.oldest, copied.newest)
    await connection.execute("SET LOCAL enable_nestloop = on")


async def _has_few_people(connection: Connection, copied: _Copied) -> bool:
    """Whether the batch's sites have fewer than FEW rows of `people` in its time."""
    if not copied.has_few_sites:
        return False
    found = await connection.fetchval(SQL["people_between"], copied.sites, copied.oldest, copied.newest, FEW)
    return int(found) < FEW


# --- the ledger -----------------------------------------------------------------------------------------------------


async def _insert_ledger(connection: Connection, batch: Batch, outcome: Outcome, now: datetime) -> list[LedgerEntry]:
    """Insert the ledger's rows and the dead letters.

    Raises:
        _BlocksTaken: another worker has stored some of the blocks.
    """
    entries = ledger_entries(batch, outcome, now)
    columns = [[getattr(entry, name) for entry in entries] for name in LedgerEntry.__struct_fields__[:-1]]
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
