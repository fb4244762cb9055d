"""What the store is asked beside events: ledger, verify, dead letters. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, StoredDeadLetter
from tallystick.store.postgres import identity
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep.partitions import existing, start_of

SQL = load_statements("tallystick.store.postgres", "sql/admin.sql")


async def ledger(connection: Connection) -> Mapping[str, IngesterLedger]:
    """As `Store.ledger`, from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        folded = {row[0]: tuple(row)[1:] for row in await connection.fetch(SQL["ledger_folded"])}
        blocks = {row[0]: tuple(row)[1:] for row in await connection.fetch(SQL["ledger_blocks"])}
        result: dict[str, IngesterLedger] = {}
        for ingester in folded.keys() | blocks.keys():
            end, *sums = folded.get(ingester, (0, 0, 0, 0, 0, 0))
            first, last, many, *more = blocks.get(ingester, (end, end - 1, 0, 0, 0, 0, 0, 0))
            seqs: list[int] = []
            if last - first + 1 != many:
                seqs = [row[0] for row in await connection.fetch(SQL["ledger_seqs"], ingester)]
            elif first == end:
                end = last + 1
            else:
                seqs = list(range(first, last + 1))
            result[ingester] = IngesterLedger(end, seqs, *(a + b for a, b in zip(sums, more, strict=True)))
    return result


async def receipt(connection: Connection, ingester: str, seq: int) -> LedgerEntry | None:
    """As `Store.receipt`."""
    row = await connection.fetchrow(SQL["receipt"], ingester, seq)
    return None if row is None else LedgerEntry(*row)


# --- verify ---------------------------------------------------------------------------------------------------------


async def verify(connection: Connection) -> list[Difference]:
    """As `Store.verify`: all checks look at the same snapshot."""
    found: list[Difference] = []

    def check(name: str, wrong: bool, message: str) -> None:
        if wrong:
            found.append(Difference(name, message))

    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        (odd,) = await _one(connection, "verify_ledger_adds_up")
        check("ledger", odd > 0, f"{odd} blocks: count is not stored + duplicates + dead")
        stored, events, purged = await _one(connection, "verify_stored")
        sentence = f"the ledger says {stored} stored; {events} events are there, {purged} were purged"
        check("stored", stored != events + purged, sentence)
        in_ledger, letters = await _one(connection, "verify_dead")
        check("dead", in_ledger != letters, f"the ledger says {in_ledger} dead; the dead letters hold {letters}")
        of_rollups = {row[0] for row in await connection.fetch(SQL["verify_days"], timeout=UNHURRIED)}
        days = sorted(of_rollups | {start_of(day) for day in await existing(connection)})
        double = await _over_days(connection, "verify_twice", days)
        check("identity", double > 0, f"{double} events are stored more than once")
        buckets = await _over_days(connection, "verify_rollup", days)
        check("rollup", buckets > 0, f"{buckets} rollup buckets differ from the raw events")
        visits = await _over_days(connection, "verify_people", days)
        check("people", visits > 0, f"{visits} rows of the people rollup differ from the raw events")
        daily = await _over_days(connection, "verify_people_days", days)
        check("people", daily > 0, f"{daily} rows of the daily people rollup differ from the raw events")
        found += await identity.differences(connection, days)
    return found


async def _one(connection: Connection, statement: str) -> tuple[Any, ...]:
    return tuple(await connection.fetchrow(SQL[statement], timeout=UNHURRIED))


async def _over_days(connection: Connection, statement: str, days: Sequence[datetime]) -> int:
    return sum([int(await connection.fetchval(SQL[statement], day, timeout=UNHURRIED)) for day in days])


# --- dead letters ---------------------------------------------------------------------------------------------------


async def dead_letters(connection: Connection, state: str | None, limit: int, after: int) -> Sequence[StoredDeadLetter]:
    """As `Store.dead_letters`."""
    return [_letter(row) for row in await connection.fetch(SQL["dead_letters"], after, state, limit)]


async def dead_letter(connection: Connection, letter_id: int) -> StoredDeadLetter | None:
    """As `Store.dead_letter`."""
    row = await connection.fetchrow(SQL["dead_letter"], letter_id)
    return None if row is None else _letter(row)


def _letter(row: Sequence[Any]) -> StoredDeadLetter:
    id_, ingester, seq, index, original, code, reason, events, attempts, dead_at, state = row
    letter = DeadLetter(ingester, seq, index, original, code, reason, events, attempts)
    return StoredDeadLetter(id_, letter, dead_at, state)


async def mark_dead(connection: Connection, letter_ids: Sequence[int], state: str) -> int:
    """As `Store.mark_dead`."""
    status = await connection.execute(SQL["mark_dead"], list(letter_ids), state)
    return int(status.rpartition(" ")[2])
