"""What the store is asked beside events: ledger, verify, dead letters, retention, housekeeping.

Every function takes a connection of its own and runs in one thread; the caller maps the driver's errors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tallystick.model.books import Difference, IngesterLedger, LedgerEntry
from tallystick.model.sql import load_statements
from tallystick.store.base import DeadLetter, PurgeReport, StoredDeadLetter
from tallystick.store.duckdb import identity
from tallystick.store.duckdb.connection import Connection, OutOfMemoryException, transaction
from tallystick.store.duckdb.upkeep import sessions
from tallystick.store.duckdb.upkeep import user_numbers as number
from tallystick.store.duckdb.upkeep import user_times as times

SQL = load_statements("tallystick.store.duckdb", "sql/admin.sql")
QUARTER = 900_000_000
"""A quarter of an hour in microseconds: the rollups' bucket."""


def instant(micros: int) -> datetime:
    """Microseconds since 1970 as UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def micros(moment: datetime) -> int:
    """UTC instant as microseconds since 1970."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def ledger(db: Connection) -> Mapping[str, IngesterLedger]:
    """As `Store.ledger`, from one snapshot."""
    with transaction(db):
        folded_rows = db.execute(SQL["ledger_folded"]).fetchall()
        block_rows = db.execute(SQL["ledger_blocks"]).fetchall()
    folded = {row[0]: row[1:] for row in folded_rows}
    blocks = {row[0]: row[1:] for row in block_rows}
    result: dict[str, IngesterLedger] = {}
    for ingester in folded.keys() | blocks.keys():
        end, *sums = folded.get(ingester, (0, 0, 0, 0, 0, 0))
        first, last, many, seqs, *more = blocks.get(ingester, (end, end - 1, 0, [], 0, 0, 0, 0, 0))
        unbroken = last - first + 1 == many
        if unbroken and first == end:
            end = last + 1
        elif unbroken:
            seqs = list(range(first, last + 1))
        result[ingester] = IngesterLedger(end, seqs, *(a + b for a, b in zip(sums, more, strict=True)))
    return result


def receipt(db: Connection, ingester: str, seq: int) -> LedgerEntry | None:
    """As `Store.receipt`."""
    rows = db.execute(SQL["receipt"], (ingester, seq)).fetchall()
    if not rows:
        return None
    given, number, count, stored, duplicates, conflicts, dead, loaded = rows[0]
    return LedgerEntry(given, number, count, stored, duplicates, conflicts, dead, instant(loaded))


def verify(db: Connection) -> list[Difference]:
    """As `Store.verify`: all checks look at the same snapshot."""
    found: list[Difference] = []

    def check(name: str, wrong: bool, message: str) -> None:
        if wrong:
            found.append(Difference(name, message))

    def one(statement: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = db.execute(SQL[statement]).fetchall()[0]
        return row

    with transaction(db):
        _read_everything(db)
        (odd,) = one("verify_ledger_adds_up")
        check("ledger", odd > 0, f"{odd} blocks: count is not stored + duplicates + dead")
        (twice,) = one("verify_blocks_twice")
        check("ledger", twice > 0, f"{twice} blocks stand in the ledger twice")
        stored, events, purged = one("verify_stored")
        sentence = f"the ledger says {stored} stored; {events} events are there, {purged} were purged"
        check("stored", stored != events + purged, sentence)
        in_ledger, letters = one("verify_dead")
        check("dead", in_ledger != letters, f"the ledger says {in_ledger} dead; the dead letters hold {letters}")
        days = [row[0] for row in db.execute(SQL["verify_days"]).fetchall()]

        def over_days(statement: str) -> int:
            return sum(int(db.execute(SQL[statement], {"day": day}).fetchall()[0][0]) for day in days)

        double = over_days("verify_twice")
        check("identity", double > 0, f"{double} events are stored more than once")
        buckets = over_days("verify_rollup")
        check("rollup", buckets > 0, f"{buckets} rollup buckets differ from the raw events")
        visits = over_days("verify_people")
        check("people", visits > 0, f"{visits} rows of the people rollup differ from the raw events")
        found += identity.differences(db, days)
        found += sessions.differences(db)
        found += number.differences(db, sessions.read_mark(db))
        found += times.differences(db)
    return found


def _read_everything(db: Connection) -> None:
    """Every block of every table is read, and its checksum with it: the driver's error tells of a damaged one."""
    for (table,) in db.execute(SQL["verify_tables"]).fetchall():
        db.execute(f"SELECT bit_xor(hash(t)) FROM {table} t").fetchall()


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
    return StoredDeadLetter(id_, letter, instant(dead_at), state)


def mark_dead(db: Connection, letter_ids: Sequence[int], state: str) -> int:
    """As `Store.mark_dead`."""
    with transaction(db):
        rows = db.execute(SQL["mark_dead"], {"ids": list(letter_ids), "state": state}).fetchall()
    return int(rows[0][0])


# --- retention and housekeeping -------------------------------------------------------------------------------------


def purge(db: Connection, before: datetime) -> PurgeReport:
    """As `Store.purge`; `before` is taken down to its quarter hour, so that no rollup bucket is cut."""
    border = micros(before) // QUARTER * QUARTER
    with transaction(db):
        events = int(db.execute(SQL["purge_count"], {"before": border}).fetchall()[0][0])
        if events:
            record = {"now": time.time_ns() // 1_000, "before": border, "events": events}
            db.execute(SQL["purge_record"], record)
            mark, times_mark = sessions.read_mark(db), times.MARK.read(db)
            for statement in ("purge_events", "purge_rollup", "purge_people"):
                db.execute(SQL[statement], {"before": border})
            sessions.purged(db, mark, border)
            number.purge(db)
            times.purged(db, times_mark, border)
            identity.purge(db, border)
    return PurgeReport(events)


def compact(db: Connection) -> bool:
    """Compact one day of one rollup that has gathered many deltas; False when there is none.

    A day is rewritten when its rows outnumber those that the last rewrite left by half, so each row is rewritten a
    bounded number of times, and a day at a time, so that memory and the pause of loading are bounded too.
    """
    for name in ("rollup", "people"):
        days = db.execute(SQL[f"delta_days_{name}"]).fetchall()
        if days:
            day, rows = min(days)
            try:
                _rewrite(db, name, day)
            except OutOfMemoryException:
                # More people on one day than fit: answers stay right without, so it is left until it has grown.
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


def fold(db: Connection, before: datetime) -> None:
    """Sum up the ledger's blocks that were loaded before this, as far as an ingester's row of them is unbroken."""
    with transaction(db):
        db.execute(SQL["fold"], {"before": micros(before)})
        db.execute(SQL["fold_insert"])
        db.execute(SQL["fold_delete"])
