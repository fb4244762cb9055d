"""Folding: events with a `session_id` put together as sessions while nothing waits, a piece of the table at a time.

On the way their users get numbers, see `number`.

`session_parts` has one row for each session of the events before `session_mark`, whatever their times; a question adds
the events behind the mark. Loading does nothing for it: events are only ever appended, so the mark is a row number.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tallystick.analysis.sessions.index import TRAIL, SessionIndex
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import VERSION, Connection, checkpoint, transaction
from tallystick.store.duckdb.upkeep import user_numbers as number
from tallystick.store.duckdb.upkeep import user_times as times
from tallystick.store.duckdb.upkeep.sessions_sql import (
    COLUMNS,
    COUNTED,
    KEYS,
    TEXT_COLUMNS,
    joined_sql,
    parts_sql,
    tables_sql,
)
from tallystick.store.duckdb.upkeep.watermark import Mark

SQL = load_statements("tallystick.store.duckdb", "sql/fold.sql")
PIECE = 61_440
"""Row numbers folded in one step: about a third of a second, in which nothing can be stored."""
ENOUGH = 15_360
"""With so many events a piece is folded at once: what takes longest is no longer to look for its sessions."""
REST = 100.0
"""How many times as long as the last step took a smaller piece waits: each step has to look for its sessions among all
others, however small it is.
"""
CHECKPOINT_PIECES = 4
"""Pieces after which what was changed goes into the file: until then DuckDB keeps updated rows in memory."""
WORTH = 0.5
"""Part of all events that may stand behind the mark; with more of them the raw events answer as fast."""
SLICE = 100_000
"""Sessions compared at a time by `differences`."""
RULES = hashlib.sha256(f"{VERSION} numbered {parts_sql('TRUE')}".encode()).hexdigest()[:16]
"""Tells by which rules sessions were folded; under others all are folded anew."""
MARK = Mark("session_mark", RULES)


@dataclass(frozen=True)
class _Behind:
    """The events behind the mark: the first one's row number, how many there are, and the share of all."""

    first: int
    events: int
    share: float


class Folder:
    """Folds sessions; used by the writing thread."""

    def __init__(self) -> None:
        self._rests_until = float("-inf")
        self._pieces = 0

    def step(self, db: Connection) -> bool:
        """Fold the events of up to PIECE row numbers; False when there is nothing to do now."""
        mark = read_mark(db)
        behind = _behind(db, mark or 0)
        if not behind.events or (behind.events < ENOUGH and time.monotonic() < self._rests_until):
            return False
        began = time.monotonic()
        with transaction(db):
            if mark is None:
                forget(db)
            _fold(db, behind.first, behind.first + PIECE)
        self._pieces += 1
        if self._pieces % CHECKPOINT_PIECES == 0:
            checkpoint(db)
        if behind.events <= PIECE:
            ended = time.monotonic()
            self._rests_until = ended + REST * (ended - began)
        return True


def _fold(db: Connection, first: int, end: int) -> None:
    """Fold the rows from `first` on, which is there, up to before `end`."""
    chosen = ", ".join(COLUMNS)
    db.execute(f"CREATE OR REPLACE TEMP TABLE piece AS {parts_sql(f'rowid >= {first} AND rowid < {end}')}")
    db.execute(SQL["touched"])
    db.execute(SQL["drop_touched"])
    db.execute(f"INSERT INTO session_parts ({chosen}) {joined_sql('piece')} ORDER BY started")
    number.fill(db, first, end)
    MARK.set(db, end)
    db.execute("DROP TABLE piece")
    db.execute("DROP TABLE touched")


# --- the mark -------------------------------------------------------------------------------------------------------


def read_mark(db: Connection) -> int | None:
    """All events with a rowid below this are folded; None: none is, or they were folded by other rules."""
    return MARK.read(db)


def forget(db: Connection) -> None:
    """Fold everything anew, from now on. Within a transaction."""
    db.execute(SQL["forget_all"])
    MARK.forget(db)


def _behind(db: Connection, mark: int) -> _Behind:
    first, events, all_events = db.execute(SQL["behind"], {"mark": mark}).fetchall()[0]
    return _Behind(first or 0, events, events / all_events if all_events else 0.0)


# --- questions, retention, verify -----------------------------------------------------------------------------------


def read_session_index(db: Connection) -> SessionIndex | None:
    """The folded sessions, for the statements of this transaction; None when the raw events answer as fast."""
    worth = _worth(db)
    return worth and SessionIndex(partial(tables_sql, *worth))


def read_user_numbers(db: Connection) -> UserNumbers | None:
    """The events with numbers in the place of user ids, likewise."""
    worth = _worth(db)
    return worth and number.numbered_users(*worth, times.read(db, worth[0]))


def _worth(db: Connection) -> tuple[int, int] | None:
    """The mark and how many events stand behind it, when it is worth while to look at them apart."""
    mark = read_mark(db)
    if mark is None:
        return None
    behind = _behind(db, mark)
    return (mark, behind.events) if behind.share <= WORTH else None


def purged(db: Connection, mark: int | None, before: int) -> None:
    """Follow a purge, in its transaction, after the events before `before` (microseconds) were deleted.

    Sessions that began before it and did not end are folded anew from what is left of them.

    Args:
        mark: what `read_mark` said before it.
    """
    if mark is None:
        forget(db)
        return
    db.execute(SQL["cut"], {"before": before})
    columns = [column for column in COLUMNS if column != TRAIL]  # of any number of page views, which may not fit
    left = f"rowid < {mark} AND (site_id, session_id) IN (SELECT site_id, session_id FROM cut)"
    db.execute(SQL["drop_cut"], {"before": before})
    db.execute(f"INSERT INTO session_parts ({', '.join(columns)}) {parts_sql(left, columns)}")
    MARK.set(db, mark)
    db.execute("DROP TABLE cut")


def differences(db: Connection) -> list[Difference]:
    """The sessions that are not what the events before the mark say, as of one transaction."""
    mark, (sessions,) = read_mark(db), db.execute(SQL["count"]).fetchall()[0]
    if mark is None:
        return []  # nobody reads them, and the next step begins anew
    slices, wrong, trails = sessions // SLICE + 1, 0, [*KEYS[:2], TRAIL]
    for place in range(slices):
        mine = f"hash(site_id, session_id) % {slices} = {place}"
        wrong += _compared(db, parts_sql(f"rowid < {mark} AND {mine}", COUNTED), mine, COUNTED)
        with_trail = f"{mine} AND {TRAIL} IS NOT NULL"
        sessions_of = f"SELECT site_id, session_id FROM session_parts WHERE {with_trail}"
        made = parts_sql(f"rowid < {mark} AND (site_id, session_id) IN ({sessions_of})", trails)
        wrong += _compared(db, made, with_trail, trails)
    # Of the texts only those of the entry events are read.
    kept = [*KEYS[:2], *TEXT_COLUMNS]
    for (day,) in db.execute(SQL["entry_days"]).fetchall():
        bounds = f"make_timestamp({day}) AND make_timestamp({day} + 86399999999)"
        mine = f"entry_at BETWEEN {bounds}"
        entries = f"SELECT site_id, entry_id, entry_at FROM session_parts WHERE {mine}"
        events = f"timestamp BETWEEN {bounds} AND (site_id, event_id, timestamp) IN ({entries})"
        wrong += _compared(db, parts_sql(events, kept), mine, kept)
    return [Difference("sessions", f"{wrong} folded sessions differ from the raw events")] if wrong else []


def _compared(db: Connection, made: str, mine: str, columns: Sequence[str]) -> int:
    """How many sessions of a SELECT are not the ones that are kept under a condition, or not the same."""
    differs = " OR ".join(f"made.{column} IS DISTINCT FROM kept.{column}" for column in columns)
    kept = f"SELECT {', '.join(columns)} FROM session_parts WHERE {mine}"
    joined = f"({made}) AS made FULL JOIN ({kept}) AS kept USING (site_id, session_id)"
    rows = db.execute(f"SELECT count(*) FROM {joined} WHERE {differs}").fetchall()
    return int(rows[0][0])
