"""The session index: a row for each session with a `session_id`, materialized while nothing waits to be stored.

`session_index` covers the events up to a watermark; a query adds the later ones. `session_counts` has sums over its
rows by hour, so that most queries about sessions read some thousand rows. Both change in the same transaction. They
mean what DuckDB's index means (store/duckdb/upkeep/sessions.py).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial

from tallystick.analysis.sessions.index import DurationClasses, SessionIndex
from tallystick.model.books import Difference
from tallystick.model.sql import load_statements
from tallystick.store.postgres.connection import UNHURRIED, Connection
from tallystick.store.postgres.upkeep import sessions_sql
from tallystick.store.postgres.upkeep.sessions_sql import ALL_COUNTS, COLUMNS, DURATIONS, KEYS, KINDS, LASTING
from tallystick.store.postgres.upkeep.watermark import BEGINNING, Watermark

SQL = load_statements("tallystick.store.postgres", "sql/sessions.sql")
PIECE = 65_536
"""Events of one step: about a second."""
NEW_MOST = 500_000
"""Most events after the watermark for the index to be used; to group more of them takes as long as to read them all."""
SLICE = 200_000
"""Sessions that `differences` compares at a time."""
LONG = "ended - started >= INTERVAL '24 hours'"
"""The condition of the index `session_index_long`."""
NO_ROWS = "(SELECT * FROM session_index WHERE FALSE) AS no_rows"
ALL_ORIGINS = "SELECT texts FROM session_origins"
NEW_ORIGINS = """SELECT DISTINCT texts
FROM new_sessions
WHERE NOT EXISTS (SELECT FROM session_origins WHERE session_origins.texts = new_sessions.texts)"""
WITH_ORIGIN = """(
    SELECT new_sessions.*, origin_id AS origin
    FROM new_sessions
    JOIN session_origins ON session_origins.texts = new_sessions.texts
)"""


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _rules() -> str:
    """Identifies the rules that sessions are put together by, without those of channels."""
    return _hash(
        sessions_sql.new_events_sql("TRUE"),
        sessions_sql.sessions_sql("new_events", "session_paths"),
        sessions_sql.merged_sql("new_sessions", "removed_rows"),
        sessions_sql.counts_sql("removed_rows", "added_rows"),
    )


CHANNEL_RULES = _hash(sessions_sql.origins_sql(ALL_ORIGINS))
"""Identifies the rules of channels. When these or the referrers change, only the few origins are computed anew."""
WATERMARK = Watermark("sessions", _rules())


class SessionUpkeep:
    """Builds the session index, see `Upkeep`."""

    @property
    def watermark(self) -> Watermark:
        """How far it has come."""
        return WATERMARK

    @property
    def piece(self) -> int:
        """About how many events one step covers."""
        return PIECE

    async def is_wanted(self, connection: Connection) -> bool:
        """Always: any event may have a `session_id`."""
        return True

    async def clear(self, connection: Connection) -> None:
        """Remove the index."""
        await connection.execute(SQL["clear"], timeout=UNHURRIED)

    async def cover(self, connection: Connection, condition: str) -> None:
        """Add the sessions of some events."""
        await _find_channels(connection)
        await connection.execute(SQL["create_tables"])
        await _write_sessions(connection, condition)

    async def follow_purge(self, connection: Connection, before: datetime) -> None:
        """Remove the sessions that began before the border; those that went on after it are computed again."""
        await self._compute_again(connection, "select_purged", before, before)
        await connection.execute(SQL["delete_empty_counts"], timeout=UNHURRIED)

    async def follow_removal(self, connection: Connection) -> None:
        """Compute the sessions that lost events again."""
        await self._compute_again(connection, "select_cut", BEGINNING)

    async def _compute_again(self, connection: Connection, take: str, since: datetime, *args: object) -> None:
        """Take sessions out of the index, and put in what their remaining events make.

        Args:
            take: the statement that takes them out, with its `args`.
            since: when the first of their remaining events may be.
        """
        progress = await WATERMARK.read(connection)
        if progress is None:
            return  # no query reads the index, and the next step builds it anew
        await _find_channels(connection)
        await connection.execute(SQL["create_tables"])
        await connection.execute(SQL[take], *args, timeout=UNHURRIED)
        first, last = await connection.fetchrow(SQL["remaining"], since)
        condition = "FALSE"
        if last is not None:
            keys = ", ".join(KEYS)
            condition = f"""timestamp BETWEEN '{first.isoformat()}' AND '{last.isoformat()}'
                AND {progress.is_covered()} AND ({keys}) IN (SELECT {keys} FROM removed_rows)"""
        await _write_sessions(connection, condition)


SESSIONS = SessionUpkeep()


async def _find_channels(connection: Connection) -> None:
    """Find the channels of all origins anew if the referrers or the rules have changed."""
    if not await connection.fetchval(SQL["origins_version"], CHANNEL_RULES):
        anew = SQL["channels_anew"].format(origins=sessions_sql.origins_sql(ALL_ORIGINS), rules=CHANNEL_RULES)
        await connection.execute(anew, timeout=UNHURRIED)


async def _write_sessions(connection: Connection, condition: str) -> None:
    """Merge the sessions of some events with the index. `removed_rows` may have rows that were taken out of it."""
    for statement in _statements(condition):
        await connection.execute(statement, timeout=UNHURRIED)


def _statements(condition: str) -> list[str]:
    """The statements that merge the sessions of the events that meet a condition with the index."""
    columns = ", ".join(COLUMNS)
    return [
        f"INSERT INTO new_events {sessions_sql.new_events_sql(condition)}",
        SQL["insert_paths"],
        f"INSERT INTO new_sessions {sessions_sql.sessions_sql('new_events', 'session_paths')}",
        SQL["insert_origins"].format(origins=sessions_sql.origins_sql(NEW_ORIGINS)),
        SQL["select_removed"],
        SQL["select_added"].format(columns=columns, merged=sessions_sql.merged_sql(WITH_ORIGIN, "session_index")),
        SQL["write_index"].format(
            columns=columns,
            assignments=", ".join(f"{column} = excluded.{column}" for column in COLUMNS if column not in KEYS),
        ),
        SQL["write_counts"].format(
            counts=", ".join(ALL_COUNTS),
            changes=sessions_sql.counts_sql("removed_rows", "added_rows"),
            sums=", ".join(f"{name} = kept.{name} + excluded.{name}" for name in ALL_COUNTS),
        ),
    ]


# --- queries, verify ------------------------------------------------------------------------------------------------


async def read_session_index(connection: Connection) -> SessionIndex | None:
    """The index, for the statements of this transaction; None: it is not built yet, or too many events are new."""
    progress = await WATERMARK.read(connection)
    if progress is None or progress.built_before is not None or progress.new_events > NEW_MOST:
        return None
    if not await connection.fetchval(SQL["origins_version"], CHANNEL_RULES):
        return None
    return session_index(progress.is_new() if progress.pending else None)


def session_index(is_new: str | None) -> SessionIndex:
    """The index for a statement.

    Args:
        is_new: condition of the events after the watermark; None: there are none.
    """
    return SessionIndex(
        partial(sessions_sql.index_ctes, is_new),
        partial(sessions_sql.counts_ctes, is_new),
        KINDS,
        long=LONG,
        durations=DurationClasses(DURATIONS, LASTING),
        has_numbered_trails=True,
        is_plain_table=is_new is None,
    )


async def differences(connection: Connection) -> list[Difference]:
    """Sessions of the index that differ from the events that it covers, and counts that differ from its sessions."""
    progress = await WATERMARK.read(connection)
    if progress is None:
        return []  # no query reads the index, and the next step builds it anew
    sessions = await connection.fetchval("SELECT count(*) FROM session_index", timeout=UNHURRIED)
    slices, wrong = sessions // SLICE + 1, 0
    # The place of an event changes when the database is restored, or its table is rewritten.
    compared = [column for column in COLUMNS if not column.endswith("_place") and column != "trail"]
    differs = " OR ".join(f"expected.{column} IS DISTINCT FROM kept.{column}" for column in compared)
    differs += " OR (kept.trail IS NOT NULL AND expected.trail IS DISTINCT FROM kept.trail)"
    for number in range(slices):
        in_slice = f"abs(hashtextextended(session_id, 0) % {slices}) = {number}"
        statement = SQL["verify_index"].format(
            events=sessions_sql.new_events_sql(f"{progress.is_covered()} AND {in_slice}"),
            sessions=sessions_sql.sessions_sql("new_events", "session_paths"),
            slice=in_slice,
            differs=differs,
        )
        wrong += int(await connection.fetchval(statement, timeout=UNHURRIED))
    statement = SQL["verify_counts"].format(
        changes=sessions_sql.counts_sql(NO_ROWS, "session_index"),
        differs=" OR ".join(f"kept.{name} IS DISTINCT FROM expected.{name}" for name in ALL_COUNTS),
    )
    counts = int(await connection.fetchval(statement, timeout=UNHURRIED))
    if await connection.fetchval(SQL["origins_version"], CHANNEL_RULES):
        statement = SQL["verify_channels"].format(origins=sessions_sql.origins_sql(ALL_ORIGINS))
        wrong += int(await connection.fetchval(statement, timeout=UNHURRIED))
    found = [Difference("sessions", f"{wrong} materialized sessions differ from the raw events")] if wrong else []
    if counts:
        found.append(Difference("sessions", f"{counts} counts of sessions differ from the materialized sessions"))
    return found
