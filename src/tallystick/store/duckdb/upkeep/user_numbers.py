"""Numbering users: `events.user_number` is filled while events are folded, so that a question need not compare texts.

Loading does nothing for it. Events before the mark of `fold` have their user's number; a question gives numbers to the
users behind it for itself.
"""

from __future__ import annotations

from tallystick.analysis.event_source import SENT_ID
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection
from tallystick.store.duckdb.upkeep import user_times as times

SQL = load_statements("tallystick.store.duckdb", "sql/number.sql")
SLICE = 500_000
"""Users compared at a time by `differences`."""


def fill(db: Connection, first: int, end: int) -> None:
    """Give the events with these row numbers their users' numbers. Within a transaction.

    Updated rows stay in memory until the next checkpoint.
    """
    rows = {"first": first, "end": end}
    db.execute(SQL["new_numbers"], rows)
    db.execute(SQL["fill"], rows)


def numbered_users(mark: int, behind: int, times_mark: int | None = None) -> UserNumbers:
    """The events with numbers in the place of user ids, for the statements of this transaction.

    Args:
        mark: the row number behind the last event that has its user's number.
        behind: how many events have none.
        times_mark: the row number behind the last event in `user_times`; None: that is not to be read.
    """
    moments = "SELECT site_id, name, {0}, timestamp, CAST(NULL AS TIMESTAMP[]) FROM events {1}"
    later = moments.format("user_number", f"WHERE rowid >= {times_mark} AND rowid < {mark} AND user_number IS NOT NULL")
    numbered = f"SELECT * REPLACE (user_number AS user_id), user_id AS {SENT_ID} FROM events"
    if not behind:
        whole = (f"({numbered}) AS events",)
        return UserNumbers((), whole, None if times_mark is None else times.relation(later))
    seen = f"SELECT DISTINCT user_id FROM events WHERE rowid >= {mark} AND user_id IS NOT NULL"
    fresh = "(SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()"
    users = (
        "new_users AS MATERIALIZED (\n"
        f"  SELECT seen.user_id AS of_id, CAST(coalesce(number, {fresh}) AS UINTEGER) AS of_number\n"
        f"  FROM ({seen}) AS seen LEFT JOIN user_numbers ON user_numbers.user_id = seen.user_id\n)"
    )
    others = (
        f"SELECT events.* REPLACE (of_number AS user_id), events.user_id AS {SENT_ID}\n"
        f"    FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= {mark}"
    )
    known = "(SELECT user_id, number FROM user_numbers UNION SELECT of_id, of_number FROM new_users)"
    parts = (f"({numbered} WHERE rowid < {mark}) AS events", f"({others}) AS events")
    last = moments.format("of_number", f"JOIN new_users ON of_id = events.user_id WHERE events.rowid >= {mark}")
    return UserNumbers((users,), parts, None if times_mark is None else times.relation(later, last), known)


def purge(db: Connection) -> None:
    """Forget users of whom a purge left no event."""
    db.execute(SQL["purge"])


def differences(db: Connection, mark: int | None) -> list[Difference]:
    """Where the numbers of the events before the mark are not their users', as of one transaction."""
    if mark is None:
        return []  # nobody reads them
    users, twice = db.execute(SQL["verify_users"]).fetchall()[0]
    slices = users // SLICE + 1
    rows = [{"mark": mark, "slices": slices, "slice": number} for number in range(slices)]
    wrong = twice + sum(int(db.execute(SQL["verify_events"], row).fetchall()[0][0]) for row in rows)
    return [Difference("users", f"{wrong} events or users have a wrong number")] if wrong else []
