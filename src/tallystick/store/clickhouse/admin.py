"""Ledger, verify and dead letters: what the store says about itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, RebuildReport, StoredDeadLetter
from tallystick.store.clickhouse import identity
from tallystick.store.clickhouse.removals import erasure, removal
from tallystick.store.clickhouse.server.connection import UNHURRIED, Connection
from tallystick.store.clickhouse.server.rows import TIMES, json_rows
from tallystick.store.clickhouse.ticks import CHANGED_LETTERS, TICKS
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.erasure import NONE
from tallystick.store.ledger import Findings, ingester_ledger, is_unbroken
from tallystick.store.retention import RetentionRule

SQL = load_statements("tallystick.store.clickhouse", "sql/admin.sql")
TRIES = 3
"""How often `verify` looks before it says that two sums differ."""
LETTERS_AT_ONCE = 5_000
"""Most ids in one statement: they are sent with its address."""


async def ledger(connection: Connection) -> Mapping[str, IngesterLedger]:
    """As `Store.ledger`. A block that is compacted between the two statements is only in the first one's past, so the
    blocks are read again until nothing was compacted meanwhile.
    """
    compacted = await _compacted(connection)
    while True:
        blocks = {row[0]: tuple(row[1:]) for row in await connection.query(SQL["ledger_blocks"], seconds=UNHURRIED)}
        seqs: dict[str, list[int]] = {}
        for ingester, numbers in blocks.items():
            if not is_unbroken(*numbers[:3]):
                bounds = {"ingester": ingester, "folded": compacted.get(ingester, (0,))[0]}
                seqs[ingester] = [row[0] for row in await connection.query(SQL["ledger_seqs"], bounds)]
        again = await _compacted(connection)
        if again == compacted:
            return {
                ingester: ingester_ledger(compacted.get(ingester), blocks.get(ingester), seqs.get(ingester, []))
                for ingester in compacted.keys() | blocks.keys()
            }
        compacted = again


async def _compacted(connection: Connection) -> dict[str, tuple[int, ...]]:
    return {row[0]: tuple(row[1:]) for row in await connection.query(SQL["ledger_compacted"])}


async def receipt(connection: Connection, ingester: str, seq: int) -> LedgerEntry | None:
    """As `Store.receipt`."""
    rows = await connection.query(SQL["receipt"], {"ingester": ingester, "seq": seq})
    return LedgerEntry(*rows[0]) if rows else None


# --- verify ---------------------------------------------------------------------------------------------------------


async def verify(connection: Connection) -> list[Difference]:
    """As `Store.verify`; the caller excludes removals. Batches may be stored meanwhile: only settled blocks are
    compared with the events, and letters and links of blocks that the ledger does not have yet are left out.
    """
    findings = Findings()
    findings.check_sums(int(await connection.value(SQL["verify_ledger_adds_up"])))
    removed = await removal.removed(connection)
    stored, events = await _steady(connection, "verify_stored", removed)
    findings.check_stored(stored, events, removed)
    findings.check_dead(*await _steady(connection, "verify_dead", 0))
    findings.check_erased(await erasure.persons_with_events(connection, NONE))
    built = await session_days.differences(connection)
    return findings.differences + await identity.differences(connection) + built


async def _steady(connection: Connection, statement: str, apart: int) -> tuple[int, int]:
    """Two numbers that should be so far apart. A statement reads its tables one after the other, so it is asked again
    when they are not: what is stored meanwhile is no difference.
    """
    one, other = 0, 0
    for _ in range(TRIES):
        row = (await connection.query(SQL[statement], seconds=UNHURRIED))[0]
        one, other = int(row[0]), int(row[1])
        if one - other == apart:
            break
    return one, other


async def days(connection: Connection) -> list[datetime]:
    """As `Store.rollup_days`."""
    return [row[0] for row in await connection.query(SQL["days"], seconds=UNHURRIED)]


async def rebuild_rollups(connection: Connection, day: datetime, site_id: str | None) -> RebuildReport:
    """As `Store.rebuild_rollups`: this store has none, so none is wrong."""
    day = day.astimezone(UTC)
    events = await connection.value(SQL["counted_events"], {"day": day, "site": site_id}, seconds=UNHURRIED)
    return RebuildReport(int(events), 0)


# --- retention ------------------------------------------------------------------------------------------------------


async def retention_rules(connection: Connection) -> list[RetentionRule]:
    """As `Store.retention_rules`."""
    return [RetentionRule(*row) for row in await connection.query(SQL["retention_rules"])]


async def enter_retention_rule(connection: Connection, rule: RetentionRule, *, gone: bool = False) -> None:
    """Set a site's rule; `gone` deletes it."""
    row = {"site_id": rule.site_id, "days": rule.days, "keep_rollups": rule.keep_rollups}
    row |= {"version": TICKS.next(), "gone": int(gone)}
    await connection.insert(SQL["enter_retention_rule"], json_rows([row]), settings=TIMES)


async def clear_retention_rule(connection: Connection, site_id: str) -> bool:
    """As `Store.clear_retention_rule`."""
    for rule in await retention_rules(connection):
        if rule.site_id == site_id:
            await enter_retention_rule(connection, rule, gone=True)
            return True
    return False


# --- dead letters ---------------------------------------------------------------------------------------------------


async def dead_letters(connection: Connection, state: str | None, limit: int, after: int) -> Sequence[StoredDeadLetter]:
    """As `Store.dead_letters`."""
    given = {"state": state, "limit": limit, "after": after}
    return [_letter(row) for row in await connection.query(SQL["dead_letters"], given)]


async def dead_letter(connection: Connection, letter_id: int) -> StoredDeadLetter | None:
    """As `Store.dead_letter`."""
    rows = await connection.query(SQL["dead_letter"], {"id": letter_id})
    return _letter(rows[0]) if rows else None


def _letter(row: Sequence[Any]) -> StoredDeadLetter:
    id_, ingester, seq, index, original, code, reason, events, attempts, dead_at, state = row
    letter = DeadLetter(ingester, seq, index, base64.b64decode(original), code, reason, events, attempts)
    return StoredDeadLetter(id_, letter, dead_at, state)


async def mark_dead(connection: Connection, letter_ids: Sequence[int], state: str) -> int:
    """As `Store.mark_dead`."""
    changed = 0
    for start in range(0, len(letter_ids), LETTERS_AT_ONCE):
        ids = list(letter_ids[start : start + LETTERS_AT_ONCE])
        count = int(await connection.value(SQL["count_marked"], {"ids": ids, "state": state}))
        if count:
            version = CHANGED_LETTERS + TICKS.next()
            await connection.command(SQL["mark_dead"], {"ids": ids, "state": state, "version": version})
        changed += count
    return changed
