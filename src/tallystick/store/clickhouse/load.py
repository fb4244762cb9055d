"""The write path. ClickHouse has no transactions across tables, so each step is repeatable and the ledger comes last.

No Python runs per event. A batch's lines go into a temporary table of the batch's own HTTP session, where the server
compares them with what is stored. Then what is new goes into the tables, in an order that lets a worker stop anywhere
(G2, G3): the queue delivers the batch again until its blocks are in the ledger, and the same rows come again under the
same keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tallystick.analysis.buckets import instant_of
from tallystick.config import Settings
from tallystick.errors import DataRejected, TallystickError
from tallystick.model.block import Block
from tallystick.model.books import LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, WriteReport
from tallystick.store.batch import Batch, Counts, Outcome, batch_of, ledger_entries
from tallystick.store.clickhouse import identity
from tallystick.store.clickhouse.removals import erasure
from tallystick.store.clickhouse.server.connection import Connection, Row
from tallystick.store.clickhouse.server.rows import TIMES, json_rows
from tallystick.store.clickhouse.ticks import LETTER_IDS, TICKS
from tallystick.store.erasure import NONE

SQL = load_statements("tallystick.store.clickhouse", "sql/load.sql")
READ: Mapping[str, object] = {
    **TIMES,
    # Lines are numbered as they are read.
    "max_threads": 1,
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
}
"""Settings of the statement that reads lines."""
FEW_DAYS = 2
"""A batch of so few days is one of many that bring events to them. See `_merged_on_insert`."""
FIRST_WINS = 2**62
"""Versions of ledger rows that are not settled are below this, and get smaller with time."""


@dataclass(frozen=True)
class Check:
    """What is known of a batch's lines once they are read.

    Attributes:
        links: how many may join ids.
        bots: how many may be of bots.
        oldest, newest: the range of the event times.
    """

    links: int
    bots: int
    oldest: datetime
    newest: datetime


class Session:
    """An HTTP session, which owns temporary tables; the server drops them if the session is not used for a while."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self.connection = connection
        self.settings: Mapping[str, object] = {
            "session_id": f"tallystick-{secrets.token_hex(16)}",
            "session_timeout": min(3600, int(seconds) + 60),
        }
        self._made: list[str] = []

    async def create(self, statement: str, table: str, parameters: Mapping[str, object] | None = None) -> None:
        """Create a temporary table."""
        self._made.append(table)
        await self.connection.command(SQL[statement], parameters, settings=self.settings)

    async def command(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement of load.sql."""
        await self.connection.command(SQL[statement], parameters, settings=self.settings)

    async def query(self, statement: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """The rows of a statement of load.sql."""
        return await self.connection.query(SQL[statement], parameters, settings=self.settings)

    async def insert(self, statement: str, data: bytes, settings: Mapping[str, object] | None = None) -> None:
        """Run an INSERT of load.sql into a temporary table."""
        await self.connection.insert(SQL[statement], data, settings={**self.settings, **(settings or {})}, here=True)

    async def end(self) -> None:
        """Drop the temporary tables, to free their memory at once."""
        for table in self._made:
            drop = f"DROP TEMPORARY TABLE IF EXISTS {table}"
            await self.connection.command(drop, settings=self.settings)


class Loader:
    """Writes batches, one at a time."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._seconds = settings.store_write_timeout
        self._window = timedelta(hours=settings.dedupe_window_hours)
        self._tombstones = NONE
        self._computed: Mapping[str, str] = {}

    async def write(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> WriteReport:
        """As `Store.write`.

        Raises:
            BlockCorrupt: a block's payload is broken, and `dead` does not name the block as a whole.
        """
        while True:
            batch = await self._batch(blocks, dead)
            if not batch.blocks:
                return WriteReport(len(blocks), [])
            if batch.erased:  # an earlier try may have stored these lines
                await erasure.take_back(self._connection, batch.erased)
            kept = batch.kept()
            outcome, check = Outcome.all_stored(kept), None
            if kept.any():
                async with self._session() as session:
                    check = await self._read(session, batch)
                    outcome = await self._select_new(session, kept)
                    await self._insert(session, check)
            # A person who is erased now either has a tombstone here, or loses these events: see removals/erasure.py.
            if await erasure.version(self._connection) == batch.tombstones_version:
                break
        now = datetime.now(UTC)
        await self._insert_dead_letters([letter for of_block in batch.dead.values() for letter in of_block], now)
        entries = ledger_entries(batch, outcome, now)
        await self._insert_blocks(entries, check)
        return WriteReport(len(blocks) - len(batch.blocks), entries)

    async def probe(self, lines: bytes) -> None:
        """As `Store.probe`."""
        if not lines:
            return
        block = [{"ingester": "", "seq": 0, "first": 0, "one": 1}]
        async with self._session() as session:
            await _read_lines(session, block, lines, lines.count(b"\n"))

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        session = Session(self._connection, self._seconds)
        try:
            yield session
        finally:
            with contextlib.suppress(TallystickError):  # the server ends it in any case, later
                await session.end()

    # --- which blocks are new -------------------------------------------------------------------------------------

    async def _batch(self, blocks: Sequence[Block], dead: Sequence[DeadLetter]) -> Batch:
        ingesters = sorted({block.ingester for block in blocks})
        seqs = [block.seq for block in blocks]
        bounds = {"ingesters": ingesters, "lowest": min(seqs, default=0), "highest": max(seqs, default=0)}
        known = {(row[0], row[1]) for row in await self._connection.query(SQL["known_blocks"], bounds)}
        rows = await self._connection.query(SQL["compacted_seqs"], {"ingesters": ingesters})
        compacted = {row[0]: row[1] for row in rows}
        self._tombstones = await erasure.tombstones(self._connection, self._tombstones)
        return await asyncio.to_thread(batch_of, blocks, dead, known, compacted, self._tombstones)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self, session: Session, batch: Batch) -> Check:
        """Fill the table `arrivals` with a batch's lines."""
        blocks, lines = await asyncio.to_thread(_joined_lines, batch)
        return await _read_lines(session, blocks, lines, int(batch.kept().sum()))

    # --- duplicates -----------------------------------------------------------------------------------------------

    async def _select_new(self, session: Session, kept: Counts) -> Outcome:
        """Select the lines to be stored into the table `first_lines`; returns what becomes of each block's lines."""
        window = {"window_start": datetime.now(UTC) - self._window}
        if not any((await session.query("suspects", window))[0]):
            await session.create("create_all_lines", "first_lines")
            return Outcome.all_stored(kept)
        await session.create("create_twins", "twins", window)
        await session.create("create_first_lines", "first_lines")
        found = await session.query("duplicates")
        dropped = np.array([row[0] for row in found], np.int64)
        return Outcome.without(kept, dropped, np.array([row[1] for row in found], np.bool_))

    # --- inserting ------------------------------------------------------------------------------------------------

    async def _insert(self, session: Session, check: Check) -> None:
        await session.command("insert_recent_ids")
        settings = {**session.settings, "optimize_on_insert": _merged_on_insert(check)}
        await self._connection.command(await self._insert_events(), settings=settings)
        if check.bots:
            await session.command("insert_bot_sites")
        if check.links:
            await identity.join(self._connection, await identity.links_of_batch(self._connection, session.settings))

    async def _insert_events(self) -> str:
        """The statement that inserts the events, with what the table says of its columns."""
        if not self._computed:
            self._computed = {row[0]: row[1] for row in await self._connection.query(SQL["computed_columns"])}
        values = ",\n       ".join(f"{value} AS {name}" for name, value in self._computed.items())
        statement = SQL["insert_events"].replace("{computed_names}", ", ".join(self._computed))
        return statement.replace("{computed_values}", values)

    async def _insert_dead_letters(self, letters: Sequence[DeadLetter], now: datetime) -> None:
        if not letters:
            return
        rows = [
            {
                "id": LETTER_IDS.next(),
                "ingester": letter.ingester,
                "seq": letter.seq,
                "place": letter.index,
                "original": letter.original,  # encoded as base64
                "code": letter.code,
                "reason": letter.reason,
                "events": letter.events,
                "attempts": letter.attempts,
                "dead_at": now,
            }
            for letter in letters
        ]
        await self._connection.insert(SQL["insert_dead_letters"], json_rows(rows), settings=TIMES)

    async def _insert_blocks(self, entries: Sequence[LedgerEntry], check: Check | None) -> None:
        version = FIRST_WINS - TICKS.next()
        nothing = instant_of(0)
        rows = [
            {
                "ingester": entry.ingester,
                "seq": entry.seq,
                "count": entry.count,
                "stored": entry.stored,
                "conflicts": entry.conflicts,
                "dead": entry.dead,
                "oldest": check.oldest if check else nothing,
                "newest": check.newest if check else nothing,
                "loaded_at": entry.loaded_at,
                # Of a block without events there is nothing to count.
                "settled": int(entry.dead + entry.erased == entry.count),
                "version": version,
                "erased": entry.erased,
            }
            for entry in entries
        ]
        await self._connection.insert(SQL["insert_blocks"], json_rows(rows), settings=TIMES)


def _merged_on_insert(check: Check) -> int:
    """ClickHouse's setting of that name. 1: the insert looks for copies of a row in each part that it writes, where
    there are none, and marks the part as merged. That is a fifth of the insert's time.

    FINAL reads a part without the mark slowly, until it is merged with another one of its day. The only part of a day
    never is, and an import of many small days makes such parts.
    """
    return int((check.newest.date() - check.oldest.date()).days >= FEW_DAYS)


def _joined_lines(batch: Batch) -> tuple[list[dict[str, object]], bytes]:
    """The blocks of which lines are stored, each with the number of its first line, and these lines."""
    kept = batch.kept().tolist()
    starts = np.cumsum([0, *kept]).tolist()
    blocks: list[dict[str, object]] = [
        {"ingester": block.ingester, "seq": block.seq, "first": start, "one": 1}
        for block, start, count in zip(batch.blocks, starts[:-1], kept, strict=True)
        if count
    ]
    return blocks, b"".join(lines for lines, _ in batch.lines())


async def _read_lines(session: Session, blocks: Sequence[Mapping[str, object]], lines: bytes, events: int) -> Check:
    """Fill the table `arrivals` of a session.

    Raises:
        DataRejected: a line is no event, or lacks a field.
    """
    try:
        await asyncio.to_thread(lines.decode)  # ClickHouse takes any bytes for a text
    except UnicodeDecodeError as error:
        raise DataRejected(f"a line is no UTF-8: {error.reason}") from error
    await session.create("create_batch", "batch")
    await session.insert("insert_batch", json_rows(blocks))
    await session.create("create_arrivals", "arrivals")
    await session.insert("read", lines, READ)
    count, broken, links, bots, oldest, newest = (await session.query("check"))[0]
    if broken or count != events:
        raise DataRejected(f"{broken} events lack a field, {events} events were expected, {count} were read")
    return Check(links, bots, oldest, newest)
