"""Ledger, verify and dead letters. Driver errors pass as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, RebuildReport, StoredDeadLetter
from tallystick.store.erasure import NONE
from tallystick.store.ledger import Findings, ingester_ledger, is_unbroken
from tallystick.store.postgres import erasure, identity, kept, locks
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep import hour_users, sessions, user_times, value_counts
from tallystick.store.postgres.upkeep.partitions import existing, start_of
from tallystick.store.retention import RetentionRule

SQL = load_statements("tallystick.store.postgres", "sql/admin.sql")


async def ledger(connection: Connection) -> Mapping[str, IngesterLedger]:
    """As `Store.ledger`, from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        compacted = {row[0]: tuple(row)[1:] for row in await connection.fetch(SQL["ledger_compacted"])}
        blocks = {row[0]: tuple(row)[1:] for row in await connection.fetch(SQL["ledger_blocks"])}
        result: dict[str, IngesterLedger] = {}
        for ingester in compacted.keys() | blocks.keys():
            numbers = blocks.get(ingester)
            seqs: list[int] = []
            if numbers is not None and not is_unbroken(*numbers[:3]):
                seqs = [row[0] for row in await connection.fetch(SQL["ledger_seqs"], ingester)]
            result[ingester] = ingester_ledger(compacted.get(ingester), numbers, seqs)
    return result


async def receipt(connection: Connection, ingester: str, seq: int) -> LedgerEntry | None:
    """As `Store.receipt`."""
    row = await connection.fetchrow(SQL["receipt"], ingester, seq)
    return None if row is None else LedgerEntry(*row)


# --- verify ---------------------------------------------------------------------------------------------------------


async def verify(connection: Connection) -> list[Difference]:
    """As `Store.verify`; all checks read the same snapshot."""
    findings = Findings()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        findings.check_sums(*await _one(connection, "verify_ledger_adds_up"))
        findings.check_stored(*await _one(connection, "verify_stored"))
        findings.check_dead(*await _one(connection, "verify_dead"))
        days = await rollup_days(connection)
        findings.check_identities(await _over_days(connection, "verify_twice", days))
        findings.check_rollup(await _over_days(connection, "verify_rollup", days))
        findings.check_people(await _over_days(connection, "verify_people", days))
        findings.check_people(await _over_days(connection, "verify_people_days", days), "daily people rollup")
        findings.check_kept(*await kept.counts(connection))
        findings.check_erased(await erasure.persons_with_events(connection, NONE))
        found = findings.differences + await identity.differences(connection, days)
        found += await sessions.differences(connection)
        for built in (value_counts, hour_users, user_times):
            found += await built.differences(connection, days)
        return found


async def _one(connection: Connection, statement: str) -> tuple[Any, ...]:
    return tuple(await connection.fetchrow(SQL[statement], timeout=UNHURRIED))


async def _over_days(connection: Connection, statement: str, days: Sequence[datetime]) -> int:
    return sum([int(await connection.fetchval(SQL[statement], day, timeout=UNHURRIED)) for day in days])


# --- rollups --------------------------------------------------------------------------------------------------------


async def rollup_days(connection: Connection) -> list[datetime]:
    """As `Store.rollup_days`: the days of the rollups, and those of the partitions, which may have no event."""
    of_rollups = {row[0] for row in await connection.fetch(SQL["verify_days"], timeout=UNHURRIED)}
    return sorted(of_rollups | {start_of(day) for day in await existing(connection)})


async def rebuild_rollups(connection: Connection, day: datetime, site_id: str | None) -> RebuildReport:
    """As `Store.rebuild_rollups`. No batch and no housekeeping of any process runs meanwhile."""
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        for lock in (locks.HOUSEKEEPING, locks.WRITING):
            await connection.execute(locks.LOCK, locks.SPACE, lock, timeout=UNHURRIED)
        wrong = 0
        for name in ("rollup", "people", "people_days"):
            wrong += int(await connection.fetchval(SQL[f"verify_{name}"], day, timeout=UNHURRIED))
        for name in ("rollup", "people", "people_days"):
            await connection.execute(SQL[f"forget_{name}"], day, site_id, timeout=UNHURRIED)
            await connection.execute(SQL[f"count_{name}"], day, site_id, timeout=UNHURRIED)
        for name in ("rollup", "people"):
            rows = await connection.fetchval(SQL[f"rows_{name}"], day, timeout=UNHURRIED)
            await connection.execute(SQL["forget_appended"], name, day)
            await connection.execute(SQL["record_compaction"], name, day, rows)
        events = await connection.fetchval(SQL["counted_events"], day, site_id, timeout=UNHURRIED)
    return RebuildReport(int(events), wrong)


# --- retention ------------------------------------------------------------------------------------------------------


async def retention_rules(connection: Connection) -> list[RetentionRule]:
    """As `Store.retention_rules`."""
    return [RetentionRule(*row) for row in await connection.fetch(SQL["retention_rules"])]


async def set_retention_rule(connection: Connection, rule: RetentionRule) -> None:
    """As `Store.set_retention_rule`."""
    await connection.execute(SQL["set_retention_rule"], rule.site_id, rule.days, rule.keep_rollups)


async def clear_retention_rule(connection: Connection, site_id: str) -> bool:
    """As `Store.clear_retention_rule`."""
    return str(await connection.execute(SQL["clear_retention_rule"], site_id)) != "DELETE 0"


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
