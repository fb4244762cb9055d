"""When each user did what: the times of a user's events of one name as a list, for funnels whose steps are names.

A user's events lie far apart in the table. Once many are numbered (see `number`), their times are put together, a piece
of the table at a time. Seven of the benchmark's page views are one row then, so that to find everybody's first, or
first after some moment, a fraction of the rows is read. Events behind the mark are rows of their own in a question.
"""

from __future__ import annotations

from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection, transaction
from tallystick.store.duckdb.upkeep.watermark import Mark

SQL = load_statements("tallystick.store.duckdb", "sql/times.sql")
MARK = Mark("times_mark", "1")
PIECE = 245_760
"""Row numbers put together in one step, never fewer: the more, the more events of a user and name come together. A step
takes 0.15 s of CPU.
"""
SLICE = 2_000_000
"""Events compared at a time by `differences`."""


def step(db: Connection, numbered: int | None) -> bool:
    """Put together PIECE more of the events below the row number `numbered`; False when there are not so many."""
    if numbered is None:
        return False
    mark = MARK.read(db)
    if numbered - (mark or 0) < PIECE:
        return False
    (first,) = db.execute(SQL["first"], {"mark": mark or 0}).fetchall()[0]  # a purge may have left a gap
    if first is None or numbered - first < PIECE:
        return False
    with transaction(db):
        if mark is None:
            forget(db)
        db.execute(SQL["fill"], {"first": first, "end": first + PIECE})
        MARK.set(db, first + PIECE)
    return True


def forget(db: Connection) -> None:
    """Begin anew. Within a transaction."""
    db.execute(SQL["forget_all"])
    MARK.forget(db)


def read(db: Connection, numbered: int) -> int | None:
    """The mark, unless the events below it do not all have numbers, which end at `numbered`."""
    mark = MARK.read(db)
    return mark if mark is not None and mark <= numbered else None


def relation(*others: str) -> str:
    """The rows of `UserNumbers.times`; `others` are SELECTs of those for the events behind the mark."""
    return "\nUNION ALL\n".join(["SELECT site_id, name, user_number AS user_id, first, more FROM user_times", *others])


def purged(db: Connection, mark: int | None, before: int) -> None:
    """Follow a purge, in its transaction, after the events before `before` (microseconds) were deleted.

    Args:
        mark: what `MARK.read` said before it.
    """
    if mark is None:
        forget(db)
        return
    for statement in ("purge", "cut"):
        db.execute(SQL[statement], {"before": before})
    MARK.set(db, mark)


def differences(db: Connection) -> list[Difference]:
    """Where the lists are not the times of the events before the mark, as of one transaction."""
    mark = MARK.read(db)
    if mark is None:
        return []  # nobody reads them, and the next step begins anew
    (events,) = db.execute(SQL["count"], {"mark": mark}).fetchall()[0]
    slices = events // SLICE + 1
    wrong = int(db.execute(SQL["verify_order"]).fetchall()[0][0])
    for number in range(slices):
        row = {"mark": mark, "slices": slices, "slice": number}
        wrong += int(db.execute(SQL["verify_times"], row).fetchall()[0][0])
    return [Difference("users", f"{wrong} times of users differ from the raw events")] if wrong else []
