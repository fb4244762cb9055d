"""Everything beside loading and queries: ledger, verify, dead letters, retention, compaction.

Each function runs in one thread, on a connection that no other thread uses. Driver errors pass as they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tallystick.analysis.buckets import instant_of, micros
from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, PurgeReport, RebuildReport, StoredDeadLetter
from tallystick.store.carried import DayEvents
from tallystick.store.duckdb import erasure, identity, kept
from tallystick.store.duckdb.connection import Connection, OutOfMemoryException, transaction
from tallystick.store.duckdb.upkeep import sessions, user_numbers, user_times
from tallystick.store.erasure import NONE
from tallystick.store.ledger import Findings, ingester_ledger
from tallystick.store.removal import Span
from tallystick.store.retention import NO_KEEPING, Borders, Keeping, RetentionRule

SQL = load_statements("tallystick.store.duckdb", "sql/admin.sql")
QUARTER = 900_000_000
"""A quarter of an hour in microseconds: the rollups' bucket."""


def ledger(db: Connection) -> Mapping[str, IngesterLedger]:
    """As `Store.ledger`, from one snapshot."""
    with transaction(db):
        return read_ledger(db)


def read_ledger(db: Connection) -> dict[str, IngesterLedger]:
    """As `ledger`, in the transaction that is open."""
    compacted_rows = db.execute(SQL["ledger_compacted"]).fetchall()
    block_rows = db.execute(SQL["ledger_blocks"]).fetchall()
    compacted = {row[0]: row[1:] for row in compacted_rows}
    blocks = {row[0]: row[1:] for row in block_rows}
    result: dict[str, IngesterLedger] = {}
    for ingester in compacted.keys() | blocks.keys():
        seqs, *numbers = blocks.get(ingester) or ((),)
        result[ingester] = ingester_ledger(compacted.get(ingester), numbers or None, seqs)
    return result


def receipt(db: Connection, ingester: str, seq: int) -> LedgerEntry | None:
    """As `Store.receipt`."""
    rows = db.execute(SQL["receipt"], (ingester, seq)).fetchall()
    if not rows:
        return None
    given, number, count, stored, duplicates, conflicts, dead, loaded, erased = rows[0]
    return LedgerEntry(given, number, count, stored, duplicates, conflicts, dead, instant_of(loaded), erased)


def verify(db: Connection) -> list[Difference]:
    """As `Store.verify`; all checks read the same snapshot."""
    findings = Findings()

    def one(statement: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = db.execute(SQL[statement]).fetchall()[0]
        return row

    with transaction(db):
        _read_everything(db)
        findings.check_sums(*one("verify_ledger_adds_up"))
        (repeated,) = one("verify_blocks_twice")
        findings.check("ledger", repeated > 0, f"{repeated} blocks stand in the ledger twice")
        findings.check_stored(*one("verify_stored"))
        findings.check_dead(*one("verify_dead"))
        days = [row[0] for row in db.execute(SQL["verify_days"]).fetchall()]

        def over_days(statement: str) -> int:
            return sum(int(db.execute(SQL[statement], {"day": day}).fetchall()[0][0]) for day in days)

        findings.check_identities(over_days("verify_twice"))
        findings.check_rollup(over_days("verify_rollup"))
        findings.check_people(over_days("verify_people"))
        findings.check_kept(*kept.counts(db))
        findings.check_erased(erasure.persons_with_events(db, NONE))
        return [
            *findings.differences,
            *identity.differences(db, days),
            *sessions.differences(db),
            *user_numbers.differences(db, sessions.read_watermark(db)),
            *user_times.differences(db),
        ]


def _read_everything(db: Connection) -> None:
    """Read every block of every table and so check its checksum: a damaged one raises a driver error."""
    for (table,) in db.execute(SQL["verify_tables"]).fetchall():
        db.execute(f"SELECT bit_xor(hash({table})) FROM {table}").fetchall()


# --- dead letters ---------------------------------------------------------------------------------------------------


def dead_letters(db: Connection, state: str | None, limit: int, after: int) -> Sequence[StoredDeadLetter]:
    """As `Store.dead_letters`."""
    rows = db.execute(SQL["dead_letters"], {"state": state, "limit": limit, "after": after}).fetchall()
    return [_letter(row) for row in rows]


def dead_letter(db: Connection, letter_id: int) -> StoredDeadLetter | None:
    """As `Store.dead_letter`."""
    rows = db.execute(SQL["dead_letter"], (letter_id,)).fetchall()
    return _letter(rows[0]) if rows else None


def _letter(row: Sequence[Any]) -> StoredDeadLetter:
    id_, ingester, seq, index, original, code, reason, events, attempts, dead_at, state = row
    letter = DeadLetter(ingester, seq, index, bytes(original), code, reason, events, attempts)
    return StoredDeadLetter(id_, letter, instant_of(dead_at), state)


def mark_dead(db: Connection, letter_ids: Sequence[int], state: str) -> int:
    """As `Store.mark_dead`."""
    with transaction(db):
        rows = db.execute(SQL["mark_dead"], {"ids": list(letter_ids), "state": state}).fetchall()
    return int(rows[0][0])


# --- retention and housekeeping -------------------------------------------------------------------------------------


def purge(db: Connection, before: datetime, site_id: str | None = None, keeping: Keeping = NO_KEEPING) -> PurgeReport:
    """As `Store.purge`, of one site or of all; `before` is rounded down to its quarter hour, so that no rollup bucket
    is cut.

    Args:
        keeping: of which sites the rollups stay; then `before` is a midnight in UTC.
    """
    border = micros(before) // QUARTER * QUARTER
    given = {"before": border, "site": site_id}
    with transaction(db):
        events = int(db.execute(SQL["purge_count"], given).fetchall()[0][0])
        if events:
            now = time.time_ns() // 1_000
            db.execute(SQL["purge_record"], given | {"now": now, "events": events})
            if keeping.any:
                kept.keep(db, keeping, border, site_id, now)
            watermark, times_watermark = sessions.read_watermark(db), user_times.WATERMARK.read(db)
            for statement in ("purge_events", "purge_rollup", "purge_people"):
                db.execute(SQL[statement], given)
            sessions.follow_purge(db, watermark, border, site_id)
            user_numbers.purge(db)
            user_times.follow_purge(db, times_watermark, border, site_id)
            identity.purge(db)
    return PurgeReport(events)


def steps_of_sites(db: Connection, borders: Borders) -> list[tuple[str, Span]]:
    """Which days of which site go, put together to steps."""
    if borders.latest is None:
        return []
    rows = db.execute(SQL["old_days"], {"before": micros(borders.latest)}).fetchall()
    return borders.steps(DayEvents(*row) for row in rows)


def retention_rules(db: Connection) -> list[RetentionRule]:
    """As `Store.retention_rules`."""
    return [RetentionRule(*row) for row in db.execute(SQL["retention_rules"]).fetchall()]


def set_retention_rule(db: Connection, rule: RetentionRule) -> None:
    """As `Store.set_retention_rule`."""
    with transaction(db):
        db.execute(SQL["clear_retention_rule"], {"site": rule.site_id})
        given = {"site": rule.site_id, "days": rule.days, "keep_rollups": rule.keep_rollups}
        db.execute(SQL["set_retention_rule"], given)


def clear_retention_rule(db: Connection, site_id: str) -> bool:
    """As `Store.clear_retention_rule`."""
    with transaction(db):
        return int(db.execute(SQL["clear_retention_rule"], {"site": site_id}).fetchall()[0][0]) > 0


def compact(db: Connection) -> bool:
    """Compact one day of one rollup that has many deltas. Returns False when there is none.

    A day is rewritten when it has half more rows than the last rewrite left, so each row is rewritten a bounded number
    of times. One day at a time bounds the memory and the pause in loading.
    """
    for name in ("rollup", "people"):
        days = db.execute(SQL[f"delta_days_{name}"]).fetchall()
        if days:
            day, rows = min(days)
            try:
                _rewrite(db, name, day)
            except OutOfMemoryException:
                # The day has more users than fit into memory. Answers are right without compaction, so leave the day
                # until it has grown by half again.
                _record(db, name, day, rows)
            return True
    return False


def _rewrite(db: Connection, name: str, day: int) -> None:
    """Replace a day's deltas by their sums."""
    with transaction(db):
        db.execute(SQL[f"compact_{name}"], {"day": day})
        db.execute(SQL[f"replace_{name}"], {"day": day})
        db.execute(f"INSERT INTO {name} SELECT * FROM compacted")
        rows = int(db.execute("SELECT count(*) FROM compacted").fetchall()[0][0])
        db.execute("DROP TABLE compacted")
        db.execute(SQL["forget_compaction"], {"name": name, "day": day})
        db.execute(SQL["record_compaction"], {"name": name, "day": day, "rows": rows})


def _record(db: Connection, name: str, day: int, rows: int) -> None:
    with transaction(db):
        db.execute(SQL["forget_compaction"], {"name": name, "day": day})
        db.execute(SQL["record_compaction"], {"name": name, "day": day, "rows": rows})


def rollup_days(db: Connection) -> list[datetime]:
    """As `Store.rollup_days`."""
    return [instant_of(row[0]) for row in db.execute(SQL["verify_days"]).fetchall()]


def rebuild_rollups(db: Connection, day: datetime, site_id: str | None) -> RebuildReport:
    """As `Store.rebuild_rollups`."""
    start = micros(day)
    with transaction(db):
        wrong = [db.execute(SQL[f"verify_{name}"], {"day": start}).fetchall()[0][0] for name in ("rollup", "people")]
        for name in ("rollup", "people"):
            db.execute(SQL[f"forget_{name}"], {"day": start, "site": site_id})
            db.execute(SQL[f"count_{name}"], {"day": start, "site": site_id})
            rows = int(db.execute(SQL[f"rows_{name}"], {"day": start}).fetchall()[0][0])
            db.execute(SQL["forget_compaction"], {"name": name, "day": start})
            db.execute(SQL["record_compaction"], {"name": name, "day": start, "rows": rows})
        (events,) = db.execute(SQL["counted_events"], {"day": start, "site": site_id}).fetchall()[0]
    return RebuildReport(int(events), sum(map(int, wrong)))


def compact_ledger(db: Connection, before: datetime) -> None:
    """Replace ledger rows of old blocks by their sums, for each ingester as far as its blocks have no gap.

    Args:
        before: blocks loaded before this are old.
    """
    with transaction(db):
        db.execute(SQL["select_old_blocks"], {"before": micros(before)})
        db.execute(SQL["insert_ledger_sums"])
        db.execute(SQL["delete_old_blocks"])
