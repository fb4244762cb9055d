"""User times: the times of a user's events of one name as a list, for funnels whose steps are names.

A user's events lie far apart in the table. Once many events are numbered (see `user_numbers`), their times are
collected, a piece of the table at a time. In the benchmark seven page views become one row. So a query that finds each
user's first event, or the first one after some time, reads a fraction of the rows. It reads events after the watermark
one by one.
"""

from __future__ import annotations

from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.upkeep.watermark import Watermark

SQL = load_statements("tallystick.store.duckdb", "sql/user_times.sql")
WATERMARK = Watermark("times_mark", "2")
PIECE = 245_760
"""Row ids of one step, never fewer: the more row ids, the more events of a user and name share a row. A step takes
0.15 s of CPU.
"""
SLICE = 2_000_000
"""Events that `differences` compares at a time."""


def step(db: Connection, numbered: int | None) -> bool:
    """Collect the times of PIECE more row ids. Returns False when there are fewer.

    Args:
        numbered: the row id below which events have user numbers; None: none have.
    """
    if numbered is None:
        return False
    watermark = WATERMARK.read(db)
    if numbered - (watermark or 0) < PIECE:
        return False
    (first,) = db.execute(SQL["first"], {"watermark": watermark or 0}).fetchall()[0]
    if first is None or numbered - first < PIECE:
        return False
    with transaction(db):
        if watermark is None:
            reset(db)
        db.execute(SQL["fill"], {"first": first, "end": first + PIECE})
        WATERMARK.set(db, first + PIECE)
    return True


def reset(db: Connection) -> None:
    """Delete all times; they are collected anew from the next step on. Within a transaction."""
    db.execute(SQL["delete_all"])
    WATERMARK.reset(db)


def read(db: Connection, numbered: int) -> int | None:
    """The watermark, or None if it is above `numbered`: then some events below it have no number."""
    watermark = WATERMARK.read(db)
    return watermark if watermark is not None and watermark <= numbered else None


def relation(*later: str) -> str:
    """The rows of `UserNumbers.times`.

    Args:
        later: SELECTs of such rows for the events after the watermark.
    """
    return "\nUNION ALL\n".join(
        ["SELECT site_id, name, user_number AS user_id, first, more, bot FROM user_times", *later]
    )


def follow_purge(db: Connection, watermark: int | None, before: int, site_id: str | None) -> None:
    """Purge the times too, in the purge's transaction, after its events were deleted.

    Args:
        watermark: what `WATERMARK.read` returned before the events were deleted.
        before: the border in microseconds since 1970.
        site_id: whose events were deleted; None: of every site.
    """
    if watermark is None:
        reset(db)
        return
    for statement in ("purge", "cut"):
        db.execute(SQL[statement], {"before": before, "site": site_id})
    WATERMARK.set(db, watermark)


def differences(db: Connection) -> list[Difference]:
    """Lists that are not the times of the events below the watermark, as of one transaction."""
    watermark = WATERMARK.read(db)
    if watermark is None:
        return []  # no query reads them, and the next step collects them anew
    (events,) = db.execute(SQL["count"], {"watermark": watermark}).fetchall()[0]
    slices = events // SLICE + 1
    wrong = int(db.execute(SQL["verify_order"]).fetchall()[0][0])
    for number in range(slices):
        row = {"watermark": watermark, "slices": slices, "slice": number}
        wrong += int(db.execute(SQL["verify_times"], row).fetchall()[0][0])
    return [Difference("users", f"{wrong} times of users differ from the raw events")] if wrong else []
