"""User numbers: `events.user_number` is filled while the session index is built, so that queries compare no texts.

Loading does nothing for it. Events below the watermark of the session index have their user's number; a query numbers
the users of later events itself.
"""

from __future__ import annotations

from tallystick.analysis.cte import cte, sql
from tallystick.analysis.event_source import SENT_ID
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.duckdb.connection import Connection
from tallystick.store.duckdb.upkeep import user_times

SQL = load_statements("tallystick.store.duckdb", "sql/user_numbers.sql")
SLICE = 500_000
"""Users that `differences` compares at a time."""


def fill(db: Connection, first: int, end: int) -> None:
    """Give the events with row ids from `first` to before `end` their users' numbers. Within a transaction.

    DuckDB keeps the updated rows in memory until the next checkpoint.
    """
    rows = {"first": first, "end": end}
    db.execute(SQL["new_numbers"], rows)
    db.execute(SQL["fill"], rows)


def numbered_users(watermark: int, new_events: int, times_watermark: int | None = None) -> UserNumbers:
    """Events with numbers instead of user ids, for the statements of this transaction.

    Args:
        watermark: the row id below which events have their user's number.
        new_events: how many events are after it.
        times_watermark: the row id below which events are in `user_times`; None: do not read `user_times`.
    """
    numbered = f"SELECT * REPLACE (user_number AS user_id), user_id AS {SENT_ID}, rowid FROM events"
    later_times = sql(
        """
        SELECT site_id, name, user_number, timestamp, CAST(NULL AS TIMESTAMP[]), is_bot(properties) FROM events
        WHERE rowid >= {first} AND rowid < {end} AND user_number IS NOT NULL
        """,
        first=str(times_watermark),
        end=str(watermark),
    )
    if not new_events:
        times = None if times_watermark is None else user_times.relation(later_times)
        return UserNumbers((), (f"({numbered}) AS events",), times)
    new_users = cte(
        "new_users",
        """
        SELECT
            seen.user_id AS of_id,
            CAST(coalesce(
                number, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()
            ) AS UINTEGER) AS of_number
        FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= {watermark} AND user_id IS NOT NULL) AS seen
        LEFT JOIN user_numbers ON user_numbers.user_id = seen.user_id
        """,
        materialized=True,
        watermark=str(watermark),
    )
    not_numbered = sql(
        """
        SELECT events.* REPLACE (of_number AS user_id), events.user_id AS {sent_id}, events.rowid
        FROM events LEFT JOIN new_users ON of_id = events.user_id
        WHERE events.rowid >= {watermark}
        """,
        sent_id=SENT_ID,
        watermark=str(watermark),
    )
    new_times = sql(
        """
        SELECT site_id, name, of_number, timestamp, CAST(NULL AS TIMESTAMP[]), is_bot(properties)
        FROM events JOIN new_users ON of_id = events.user_id
        WHERE events.rowid >= {watermark}
        """,
        watermark=str(watermark),
    )
    return UserNumbers(
        (str(new_users),),
        (f"({numbered} WHERE rowid < {watermark}) AS events", f"({not_numbered}) AS events"),
        None if times_watermark is None else user_times.relation(later_times, new_times),
        "(SELECT user_id, number FROM user_numbers UNION SELECT of_id, of_number FROM new_users)",
    )


def purge(db: Connection) -> None:
    """Delete the numbers of users of whom a purge left no event."""
    db.execute(SQL["purge"])


def differences(db: Connection, watermark: int | None) -> list[Difference]:
    """Events below the watermark that do not have their user's number, as of one transaction."""
    if watermark is None:
        return []  # no query reads them
    users, repeated = db.execute(SQL["verify_users"]).fetchall()[0]
    slices = users // SLICE + 1
    rows = [{"watermark": watermark, "slices": slices, "slice": number} for number in range(slices)]
    wrong = repeated + sum(int(db.execute(SQL["verify_events"], row).fetchall()[0][0]) for row in rows)
    return [Difference("users", f"{wrong} events or users have a wrong number")] if wrong else []
