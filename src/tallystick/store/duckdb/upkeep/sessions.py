"""The session index: sessions of the events with a `session_id`, materialized while nothing waits to be stored.

`session_parts` has one row for each session of the events below the watermark, whatever their times; a query adds the
events after the watermark. Loading does nothing for it: events are only ever appended, so the watermark is a row id.
The same step numbers the users of the events, see `user_numbers`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tallystick.analysis.cte import sql
from tallystick.analysis.sessions.index import TRAIL, SessionIndex
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import VERSION, Connection, checkpoint, transaction
from tallystick.store.duckdb.upkeep import user_numbers, user_times
from tallystick.store.duckdb.upkeep.sessions_sql import (
    COLUMNS,
    COUNTED,
    KEYS,
    TEXT_COLUMNS,
    continued_sessions_sql,
    grouped_sessions_sql,
    index_ctes,
    sessions_sql,
    with_channels_sql,
)
from tallystick.store.duckdb.upkeep.watermark import Watermark

SQL = load_statements("tallystick.store.duckdb", "sql/sessions.sql")
PIECE = 61_440
"""Row ids of one step: about a third of a second, in which nothing can be stored."""
ENOUGH = 15_360
"""With at least so many new events a step does not wait: finding their sessions is then no longer most of its work."""
REST = 100.0
"""A smaller piece waits this many times as long as the last step took, because each step, however small, searches all
sessions.
"""
CHECKPOINT_PIECES = 4
"""Steps between two checkpoints: until a checkpoint DuckDB keeps updated rows in memory."""
NEW_SHARE_MAX = 0.5
"""Most of all events that may be new for the index to be used; with more new events the raw events are as fast."""
SLICE = 100_000
"""Sessions that `differences` compares at a time."""
RULES = hashlib.sha256(f"{VERSION} numbered {sessions_sql('TRUE')}".encode()).hexdigest()[:16]
"""Identifies the rules that sessions are materialized by: DuckDB's version and the statement. When these change, the
index is built anew.
"""
WATERMARK = Watermark("session_mark", RULES)


@dataclass(frozen=True)
class _NewEvents:
    """The events after the watermark.

    Attributes:
        first: row id of the first one; 0 if there is none.
        count: how many there are.
        share: their share of all events, 0 to 1.
    """

    first: int
    count: int
    share: float


class SessionMaterializer:
    """Builds the index piece by piece; used by the writing thread."""

    def __init__(self) -> None:
        self._rests_until = float("-inf")
        self._pieces = 0

    def step(self, db: Connection) -> bool:
        """Add the events of up to PIECE row ids to the index. Returns False when there is nothing to do now."""
        watermark = read_watermark(db)
        new = _new_events(db, watermark or 0)
        if not new.count or (new.count < ENOUGH and time.monotonic() < self._rests_until):
            return False
        began = time.monotonic()
        with transaction(db):
            if watermark is None:
                reset(db)
            materialize(db, new.first, new.first + PIECE)
        self._pieces += 1
        if self._pieces % CHECKPOINT_PIECES == 0:
            checkpoint(db)
        if new.count <= PIECE:
            ended = time.monotonic()
            self._rests_until = ended + REST * (ended - began)
        return True


def materialize(db: Connection, first: int, end: int) -> None:
    """Add the events with row ids from `first` to before `end` to the index. Within a transaction.

    Args:
        first: the row id of an event.
    """
    _make_sessions(db, "new_sessions", f"rowid >= {first} AND rowid < {end}", COLUMNS)
    db.execute(SQL["select_continued"])
    db.execute(SQL["delete_continued"])
    columns = ", ".join(COLUMNS)
    db.execute(f"INSERT INTO session_parts ({columns}) {continued_sessions_sql('new_sessions')} ORDER BY started")
    user_numbers.fill(db, first, end)
    WATERMARK.set(db, end)
    db.execute("DROP TABLE new_sessions")
    db.execute("DROP TABLE touched")


def _make_sessions(db: Connection, table: str, condition: str, columns: Sequence[str]) -> None:
    """Make a temporary table of the sessions of the events that meet a condition, with their channels.

    In two steps, so that the memory for looking up referrers is not added to that for grouping events.
    """
    db.execute(f"CREATE OR REPLACE TEMP TABLE grouped_sessions AS {grouped_sessions_sql(condition, columns)}")
    found = with_channels_sql("SELECT * FROM grouped_sessions", columns)
    db.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {found}")
    db.execute("DROP TABLE grouped_sessions")


# --- the watermark --------------------------------------------------------------------------------------------------


def read_watermark(db: Connection) -> int | None:
    """The row id below which all events are in the index; None: there is no index, or one of other rules."""
    return WATERMARK.read(db)


def reset(db: Connection) -> None:
    """Empty the index; it is built anew from the next step on. Within a transaction."""
    db.execute(SQL["delete_all"])
    WATERMARK.reset(db)


def _new_events(db: Connection, watermark: int) -> _NewEvents:
    first, count, all_events = db.execute(SQL["new_events"], {"watermark": watermark}).fetchall()[0]
    return _NewEvents(first or 0, count, count / all_events if all_events else 0.0)


# --- queries, retention, verify -------------------------------------------------------------------------------------


def read_session_index(db: Connection) -> SessionIndex | None:
    """The index, for the statements of this transaction; None when the raw events are as fast."""
    usable = _usable(db)
    return usable and SessionIndex(partial(index_ctes, *usable))


def read_user_numbers(db: Connection) -> UserNumbers | None:
    """Events with numbers instead of user ids, for the statements of this transaction; None when ids are as fast."""
    usable = _usable(db)
    return usable and user_numbers.numbered_users(*usable, user_times.read(db, usable[0]))


def _usable(db: Connection) -> tuple[int, int] | None:
    """The watermark and the number of events after it; None when there are too many of them."""
    watermark = read_watermark(db)
    if watermark is None:
        return None
    new = _new_events(db, watermark)
    return (watermark, new.count) if new.share <= NEW_SHARE_MAX else None


def follow_purge(db: Connection, watermark: int | None, before: int, site_id: str | None) -> None:
    """Purge the index too, in the purge's transaction, after its events were deleted.

    Sessions that began before the border and ended after it are computed again from their remaining events.

    Args:
        watermark: what `read_watermark` returned before the events were deleted.
        before: the border in microseconds since 1970.
        site_id: whose events were deleted; None: of every site.
    """
    if watermark is None:
        reset(db)
        return
    for statement in ("select_cut", "delete_purged"):
        db.execute(SQL[statement], {"before": before, "site": site_id})
    _compute_cut(db, watermark)


def follow_removal(db: Connection, watermark: int | None) -> None:
    """Take removed events out of the index, in their transaction, after they were deleted.

    `cut` has the sessions that lost events; it is dropped.

    Args:
        watermark: what `read_watermark` returned before the events were deleted; with None there is no `cut`.
    """
    if watermark is None:
        reset(db)
        return
    db.execute(SQL["delete_cut"])
    _compute_cut(db, watermark)


def _compute_cut(db: Connection, watermark: int) -> None:
    """Compute the sessions in `cut` from their remaining events, set the watermark again, and drop `cut`."""
    # Without the trail: a session may have any number of page views, which may not fit into memory.
    columns = [column for column in COLUMNS if column != TRAIL]
    remaining = f"rowid < {watermark} AND (site_id, session_id) IN (SELECT site_id, session_id FROM cut)"
    _make_sessions(db, "remaining_sessions", remaining, columns)
    db.execute(f"INSERT INTO session_parts ({', '.join(columns)}) SELECT * FROM remaining_sessions")
    db.execute("DROP TABLE remaining_sessions")
    WATERMARK.set(db, watermark)
    db.execute("DROP TABLE cut")


def differences(db: Connection) -> list[Difference]:
    """Sessions of the index that differ from the events below the watermark, as of one transaction."""
    watermark, (sessions,) = read_watermark(db), db.execute(SQL["count"]).fetchall()[0]
    if watermark is None:
        return []  # no query reads them, and the next step builds them anew
    slices, wrong, trails = sessions // SLICE + 1, 0, [*KEYS[:2], TRAIL]
    for number in range(slices):
        in_slice = f"hash(site_id, session_id) % {slices} = {number}"
        wrong += _count_wrong(db, sessions_sql(f"rowid < {watermark} AND {in_slice}", COUNTED), in_slice, COUNTED)
        with_trail = f"{in_slice} AND {TRAIL} IS NOT NULL"
        keys = f"SELECT site_id, session_id FROM session_parts WHERE {with_trail}"
        expected = sessions_sql(f"rowid < {watermark} AND (site_id, session_id) IN ({keys})", trails)
        wrong += _count_wrong(db, expected, with_trail, trails)
    wrong += int(db.execute(SQL["verify_bots"], {"watermark": watermark}).fetchall()[0][0])
    # Texts are compared with the entry events alone, so that only their properties are read.
    kept = [*KEYS[:2], *TEXT_COLUMNS]
    for (day,) in db.execute(SQL["entry_days"]).fetchall():
        bounds = f"make_timestamp({day}) AND make_timestamp({day} + 86399999999)"
        on_day = f"entry_at BETWEEN {bounds}"
        entries = f"SELECT site_id, entry_id, entry_at FROM session_parts WHERE {on_day}"
        events = f"timestamp BETWEEN {bounds} AND (site_id, event_id, timestamp) IN ({entries})"
        _make_sessions(db, "expected_sessions", events, kept)
        wrong += _count_wrong(db, "SELECT * FROM expected_sessions", on_day, kept)
    db.execute("DROP TABLE IF EXISTS expected_sessions")
    return [Difference("sessions", f"{wrong} materialized sessions differ from the raw events")] if wrong else []


def _count_wrong(db: Connection, expected: str, condition: str, columns: Sequence[str]) -> int:
    """How many sessions of the index under a condition are missing, surplus or different.

    Args:
        expected: SELECT of these sessions from the raw events.
    """
    statement = sql(
        """
        SELECT count(*)
        FROM (
            {expected}
        ) AS expected
        FULL JOIN (
            SELECT {columns}
            FROM session_parts
            WHERE {condition}
        ) AS kept USING (site_id, session_id)
        WHERE {differs}
        """,
        expected=expected,
        columns=", ".join(columns),
        condition=condition,
        differs=" OR ".join(f"expected.{column} IS DISTINCT FROM kept.{column}" for column in columns),
    )
    return int(db.execute(statement).fetchall()[0][0])
