"""The write path: one transaction per batch for events, rollups, ledger and dead letters (G2, G3).

A batch's lines are encoded in a thread and copied into a table of the connection, the partitions of its days are made,
and then everything is done set by set in one transaction. Most events are new, which the table of recent ids tells for
all of them in one statement; the rest are compared exactly with what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog
from numpy.typing import NDArray

from tallystick.config import Settings
from tallystick.errors import DataRejected, StoreUnavailable
from tallystick.model.block import Block, split_lines
from tallystick.model.books import LedgerEntry
from tallystick.model.event import AHEAD_MAX
from tallystick.model.identity import LINK_NAMES
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.postgres import identity, locks, recent
from tallystick.store.postgres.connection import Acquire, Conflict, Connection, Duplicate, NoPartition
from tallystick.store.postgres.encode import COLUMNS, HEADER, TRAILER, Encoder, pieces
from tallystick.store.postgres.upkeep.partitions import Partitions

Counts = NDArray[np.int64]
log = structlog.get_logger(__name__)
SQL = load_statements("tallystick.store.postgres", "sql/load.sql")
TRIES = 8
"""How often a batch is begun anew because another transaction was in its way."""
NEAR = timedelta(minutes=30)
"""A batch of events of a longer time looks for each of its users singly."""
NEAR_SITES = 1_000
"""So does one of more sites."""
FEW = 100_000
"""Rows of people that a batch of any length is compared with at once: most of a backfill comes in order of time."""
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


class _Anew(Exception):
    """Another worker has stored some of the batch's blocks meanwhile."""


class _Forgotten(Exception):
    """PostgreSQL has emptied the table of recent ids."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """The blocks of one write that the ledger does not have, and their dead events."""

    blocks: Sequence[Block]
    dead: Mapping[tuple[str, int], Sequence[DeadLetter]]
    """By block."""

    def kept(self) -> Counts:
        """How many lines of each block are to be stored: all but the dead ones."""
        dead = (sum(letter.events for letter in self.dead.get(block.key, ())) for block in self.blocks)
        return np.array([block.count - gone for block, gone in zip(self.blocks, dead, strict=True)], np.int64)


@dataclass(slots=True)
class _Copied:
    """What was found while a batch was copied to the server."""

    events: int = 0
    days: set[int] = field(default_factory=set)
    oldest: datetime = _LAST
    newest: datetime = _FIRST
    sites: Sequence[str] = ()
    links: bool = False
    """Whether events among them may join ids."""

    @property
    def near(self) -> bool:
        """Whether the events lie so near to each other that who was seen in that time can be looked at as a whole."""
        return self.newest - self.oldest <= NEAR and self.of_few_sites

    @property
    def of_few_sites(self) -> bool:
        """Whether `sites` are all of them, and not too many to be named in a statement."""
        return len(self.sites) <= NEAR_SITES


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of each block's lines: how many were stored, how many had been before, how many of those differ."""

    stored: Counts
    duplicates: Counts
    conflicts: Counts


class Loader:
    """Writes batches, each on a connection that `acquire` gives; any number at the same time."""

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
            batch = await _unknown(connection, blocks, dead)
            while batch.blocks:
                copied = await _copy(connection, _lines(batch))
                if copied.events != batch.kept().sum():
                    raise DataRejected(f"{batch.kept().sum()} events were to be stored, {copied.events} lines came")
                try:
                    entries = await self._persistently(connection, batch, copied)
                    return WriteReport(len(blocks) - len(batch.blocks), entries)
                except _Anew:  # another worker has written some of these blocks
                    batch = await _unknown(connection, blocks, dead)
            return WriteReport(len(blocks), [])

    async def probe(self, lines: bytes) -> None:
        """Copy lines to the server as `write` would; driver errors and DataRejected tell that they cannot be stored."""
        async with self._acquire() as connection:
            await _copy(connection, [lines])

    async def _persistently(self, connection: Connection, batch: _Batch, copied: _Copied) -> list[LedgerEntry]:
        """Write what was copied, again and again while other transactions are in the way."""
        suspect_all = False
        for attempt in range(TRIES):
            await self._partitions.ensure(connection, copied.days)
            try:
                return await self._transact(connection, batch, copied, suspect_all)
            except _Forgotten:
                await recent.rebuild(connection, datetime.now(UTC) - self._window)
            except NoPartition:
                self._partitions.forget()  # a purge dropped it since it was made
            except Duplicate:
                suspect_all = True  # times that no client can have sent: then each event is looked up
            except Conflict as error:
                log.warning("a batch is begun anew", reason=str(error), attempt=attempt + 1)
        raise StoreUnavailable(f"other transactions were in the way of a batch {TRIES} times")

    async def _transact(
        self, connection: Connection, batch: _Batch, copied: _Copied, suspect_all: bool
    ) -> list[LedgerEntry]:
        now = datetime.now(UTC)
        kept = batch.kept()
        outcome = _Outcome(kept, np.zeros_like(kept), np.zeros_like(kept))
        async with connection.transaction():
            if not (await connection.fetchrow(SQL["begin"], locks.SPACE, locks.WRITING))[1]:
                raise _Forgotten
            if copied.events:
                # An event cannot have been stored earlier than AHEAD_MAX before its own time, so one that is younger
                # than the window less that is in recent_ids if it was ever stored.
                old_before = _LAST if suspect_all else now - self._window + AHEAD_MAX
                outcome = await _drop_duplicates(connection, copied, kept, now - self._window, old_before)
                await connection.execute(SQL["insert_events"])
                await connection.execute(SQL["insert_rollup"])
                await _insert_people(connection, copied)
                if copied.links:
                    await identity.join(connection)
            return await _enter(connection, batch, outcome, now)


# --- which blocks are new -------------------------------------------------------------------------------------------


async def _unknown(connection: Connection, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> _Batch:
    """The blocks that the ledger does not have, and their dead letters."""
    keys = [block.ingester for block in blocks], [block.seq for block in blocks]
    known = {(row[0], row[1]) for row in await connection.fetch(SQL["known_blocks"], *keys)}
    folded = await _folded(connection, blocks)
    fresh: dict[tuple[str, int], Block] = {}
    for block in blocks:
        if block.key not in known and block.seq >= folded.get(block.ingester, 0):
            fresh.setdefault(block.key, block)
    letters: dict[tuple[str, int], list[DeadLetter]] = {}
    for letter in dead:
        if (key := (letter.ingester, letter.seq)) in fresh:
            letters.setdefault(key, []).append(letter)
    return _Batch(list(fresh.values()), letters)


async def _folded(connection: Connection, blocks: Sequence[Block]) -> dict[str, int]:
    """Up to which block each ingester's are folded."""
    rows = await connection.fetch(SQL["folded"], sorted({block.ingester for block in blocks}))
    return {row[0]: row[1] for row in rows}


def _lines(batch: _Batch) -> Iterator[bytes]:
    """The lines of each block in turn, without the dead ones."""
    for block in batch.blocks:
        indexes = {letter.index for letter in batch.dead.get(block.key, ())}
        if -1 in indexes:
            continue
        lines = block.lines()
        if indexes:
            lines = b"".join(line for n, line in enumerate(split_lines(lines)) if n not in indexes)
        yield lines


# --- copying --------------------------------------------------------------------------------------------------------


async def _copy(connection: Connection, parts: Iterable[bytes]) -> _Copied:
    """Fill the connection's table `incoming` with these lines; the next piece is encoded while one is on its way."""
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

    # Emptied here and not at each commit: a batch that is begun anew is still there.
    await connection.execute("TRUNCATE incoming")
    await connection.copy_to_table("incoming", source=rows(), columns=COLUMNS, format="binary")
    copied.sites = encoder.sites()
    copied.links = encoder.may_have(LINK_NAMES)
    return copied


# --- duplicates -----------------------------------------------------------------------------------------------------


async def _drop_duplicates(
    connection: Connection, copied: _Copied, kept: Counts, window_start: datetime, old_before: datetime
) -> _Outcome:
    """Remember the batch's identities and delete from `incoming` what is stored already: what became of each block."""
    remembered = int((await connection.execute(SQL["remember"], window_start)).rpartition(" ")[2])
    if remembered == copied.events and not await _some_may_be_stored(connection, copied, old_before):
        return _Outcome(kept, np.zeros_like(kept), np.zeros_like(kept))
    await connection.execute(SQL["suspects"], old_before)
    between = await connection.fetchrow(SQL["suspects_range"])
    await connection.execute(SQL["twins"], *between)
    await connection.execute(SQL["twins_in_window"], *between)
    await connection.execute(SQL["twins_in_batch"])
    dropped = await connection.fetch(SQL["drop_duplicates"])
    blocks = np.searchsorted(np.cumsum(kept), np.array([row[0] for row in dropped], np.int64), side="right")
    differs = np.array([row[1] for row in dropped], np.bool_)
    duplicates = np.bincount(blocks, minlength=len(kept))
    conflicts = np.bincount(blocks[differs], minlength=len(kept))
    return _Outcome(kept - duplicates, duplicates, conflicts)


async def _some_may_be_stored(connection: Connection, copied: _Copied, old_before: datetime) -> bool:
    """Whether some of a batch's identities, none of which the window knows, may be stored under their very times.

    Only old ones may, and not where their sites have nothing yet between the oldest and the newest of them: so it is
    with most batches of an import in order of time. Looking each up in its day would take longer than storing it.
    """
    if copied.oldest >= old_before:
        return False
    if old_before == _LAST or not copied.of_few_sites:
        return True
    newest = min(copied.newest, old_before)
    return bool(await connection.fetchval(SQL["stored_between"], copied.sites, copied.oldest, newest))


async def _insert_people(connection: Connection, copied: _Copied) -> None:
    """Who was seen, in quarter hours and on days."""
    if not copied.near and not await _few_were_seen(connection, copied):
        await connection.execute(SQL["insert_people"].format(people=SQL["people_far"]))
        return
    # The planner knows nothing of a batch's users and would look for each of them singly.
    await connection.execute("SET LOCAL enable_nestloop = off")
    near = SQL["insert_people"].format(people=SQL["people_near"])
    await connection.execute(near, copied.sites, copied.oldest, copied.newest)
    await connection.execute("SET LOCAL enable_nestloop = on")


async def _few_were_seen(connection: Connection, copied: _Copied) -> bool:
    """Whether the batch's sites have few rows of people in its time."""
    if not copied.of_few_sites:
        return False
    found = await connection.fetchval(SQL["people_between"], copied.sites, copied.oldest, copied.newest, FEW)
    return int(found) < FEW


# --- the ledger -----------------------------------------------------------------------------------------------------


async def _enter(connection: Connection, batch: _Batch, outcome: _Outcome, now: datetime) -> list[LedgerEntry]:
    """The ledger's rows and the dead letters."""
    counts = zip(outcome.stored.tolist(), outcome.duplicates.tolist(), outcome.conflicts.tolist(), strict=True)
    entries = [
        LedgerEntry(
            block.ingester,
            block.seq,
            block.count,
            stored,
            duplicates,
            conflicts,
            block.count - stored - duplicates,
            now,
        )
        for block, (stored, duplicates, conflicts) in zip(batch.blocks, counts, strict=True)
    ]
    columns = [[getattr(entry, name) for entry in entries] for name in LedgerEntry.__struct_fields__[:-1]]
    written = await connection.execute(SQL["insert_blocks"], *columns, now)
    folded = await _folded(connection, batch.blocks)
    if written != f"INSERT 0 {len(entries)}" or any(entry.seq < folded.get(entry.ingester, 0) for entry in entries):
        raise _Anew
    letters = [letter for of_block in batch.dead.values() for letter in of_block]
    if letters:
        names = ("ingester", "seq", "index", "original", "code", "reason", "events", "attempts")
        await connection.execute(
            SQL["insert_dead_letter"], *([getattr(letter, name) for letter in letters] for name in names), now
        )
    return entries
