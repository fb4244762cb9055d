"""SQL of the session index: sessions from events, continued sessions, and the CTEs for a query."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tallystick.analysis.cte import Cte, cte, sql
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, with_channel
from tallystick.analysis.sessions.index import BOT_EVENTS, INDEXED_SESSIONS, TEXTS, TRAIL
from tallystick.model.queries.sessions import LEAVE_NAMES, PAGE_NAMES
from tallystick.model.sql import quote_text
from tallystick.store.duckdb.dialect import DUCKDB

KEYS = ("site_id", "session_id", "started", "ended", "events", "pages", "leaves")
ENTRY = {
    "entry_at": "timestamp",
    "entry_id": "event_id",
    "entry_path": "path",
    "entry_name": "name",
    "entry_source": "source",
}
EXIT = {"exit_at": "timestamp", "exit_id": "event_id", "exit_path": "path"}
"""Columns of `session_parts` of the entry and the exit event, with the columns of `events` that they come from."""
CHANNEL_COLUMNS = ("channel", "referring_site")
TEXT_COLUMNS = (*TEXTS, *CHANNEL_COLUMNS)
ENTRY_COLUMNS = (*ENTRY, *TEXT_COLUMNS)
HASH = "session_hash"
"""Sessions are searched by this number, which takes a fifth of the work of searching by text. Only those found are
compared by text.
"""
COLUMNS = (*KEYS, HASH, BOT_EVENTS, *ENTRY_COLUMNS, *EXIT, TRAIL)
"""All columns of `session_parts`."""
COUNTED = (*KEYS, HASH, *ENTRY, *EXIT)
"""Columns that need neither properties nor all page views of a session."""
TRAIL_MOST = 32
"""Most pages of a trail that is kept. Longer sessions are few; queries read their events."""
TRAIL_PAGES = 1_000
"""Most page views of a session with a trail: `verify` computes it again in memory."""
AD_CLICK = "ad_click"
"""Whether the entry event has an ad click. It determines the channel, but is not kept."""

HASHED = "CAST(hash(site_id, session_id) >> 32 AS UINTEGER)"
"""Another version of DuckDB may hash differently; therefore `sessions.RULES` has the version."""
_COLUMN_OF = {key: column for column, key in TEXTS.items()}


def columns_for(wanted: Sequence[str]) -> list[str]:
    """The wanted columns, with those that combining several rows of a session needs: keys and the events' order."""
    needed = {*KEYS, *wanted}
    needed |= {"entry_at", "entry_id"} if needed & set(ENTRY_COLUMNS) else set()
    needed |= {"exit_at", "exit_id"} if needed & set(EXIT) else set()
    return [column for column in COLUMNS if column in needed]


def sessions_sql(condition: str, columns: Sequence[str] = COLUMNS) -> str:
    """SELECT of the sessions of the events that meet a condition.

    Args:
        columns: of `session_parts`.
    """
    grouped = grouped_sessions_sql(condition, columns)
    return with_channels_sql(grouped, columns) if _have_channel(columns) else grouped


def with_channels_sql(grouped: str, columns: Sequence[str] = COLUMNS) -> str:
    """SELECT of sessions with their channels.

    Args:
        grouped: a SELECT of what `grouped_sessions_sql` selects for these columns.
        columns: of `session_parts`.
    """
    texts = [_COLUMN_OF.get(key, AD_CLICK) for key in CHANNEL_PROPERTIES]
    return sql(
        """
        SELECT {columns}
        FROM (
            {sessions}
        ) AS sessions_with_channel
        """,
        columns=", ".join(columns),
        sessions=with_channel(DUCKDB, grouped, texts),
    )


def grouped_sessions_sql(condition: str, columns: Sequence[str] = COLUMNS) -> str:
    """SELECT of the sessions of the events that meet a condition, with texts in place of their channels.

    Args:
        columns: of `session_parts`.
    """
    entry = {column: field for column, field in ENTRY.items() if column in columns}
    has_texts = any(column in columns for column in TEXT_COLUMNS)
    if has_texts:
        entry["properties"] = "properties"
    exit_ = {column: field for column, field in EXIT.items() if column in columns}
    sessions = sql(
        """
        SELECT
            site_id,
            session_id,
            min(timestamp) AS started,
            max(timestamp) AS ended,
            count(*) AS events,
            count(*) FILTER (page = 1) AS pages,
            count(*) FILTER (name IN ({leave_names})) AS leaves,
            {bots}
            {entry}
            {exit}
            {steps}
        FROM (
            SELECT *, rowid, CASE WHEN name IN ({page_names}) THEN 1 ELSE 0 END AS page
            FROM events
            WHERE session_id IS NOT NULL AND {condition}
        ) AS visited
        GROUP BY site_id, session_id
        """,
        bots=f"count(*) FILTER (is_bot(properties)) AS {BOT_EVENTS}," if BOT_EVENTS in columns else "",
        entry=_event("arg_min", entry, "ROW(-page, timestamp, rowid)", "entry"),
        exit=_event("arg_max", exit_, "ROW(page, timestamp, rowid)", "exit"),
        steps=STEPS if TRAIL in columns else "",
        page_names=", ".join(quote_text(name) for name in PAGE_NAMES),
        leave_names=", ".join(quote_text(name) for name in LEAVE_NAMES),
        condition=condition,
    )
    unpacked = _unpacked(sessions, entry, exit_)
    if has_texts:
        unpacked = sql(
            """
            SELECT *{texts}
            FROM (
                {unpacked}
            ) AS unpacked
            """,
            texts=_texts(),
            unpacked=unpacked,
        )
    selected = [column for column in columns if column not in CHANNEL_COLUMNS]
    if _have_channel(columns):
        selected += [_COLUMN_OF.get(key, AD_CLICK) for key in CHANNEL_PROPERTIES]
    computed = {
        HASH: f"{HASHED} AS {HASH}",
        TRAIL: f"{_trail('coalesce(steps, CAST([] AS VARCHAR[]))')} AS {TRAIL}",
    }
    return sql(
        """
        SELECT {columns}
        FROM (
            {unpacked}
        ) AS sessions
        """,
        columns=", ".join(computed.get(column, column) for column in dict.fromkeys(selected)),
        unpacked=unpacked,
    )


def _have_channel(columns: Sequence[str]) -> bool:
    return any(column in columns for column in CHANNEL_COLUMNS)


STEPS = "list(path ORDER BY timestamp, rowid) FILTER (page = 1 AND path IS NOT NULL) AS steps,"


def continued_sessions_sql(new_sessions: str, columns: Sequence[str] = COLUMNS) -> str:
    """SELECT of new sessions, each combined with its row in `touched` if it has one.

    Args:
        new_sessions: a table of new sessions.
        columns: what `columns_for` returned, or all.
    """
    entry = [column for column in ENTRY_COLUMNS if column in columns]
    exit_ = [column for column in EXIT if column in columns]
    paired = sql(
        """
        SELECT
            site_id,
            session_id,
            least(new.started, old.started) AS started,
            greatest(new.ended, old.ended) AS ended,
            new.events + coalesce(old.events, 0) AS events,
            new.pages + coalesce(old.pages, 0) AS pages,
            new.leaves + coalesce(old.leaves, 0) AS leaves,
            {bots}
            {entry}
            {exit}
            {hash}
            {steps}
        FROM {new_sessions} AS new
        LEFT JOIN touched AS old USING (site_id, session_id)
        """,
        bots=f"new.{BOT_EVENTS} + coalesce(old.{BOT_EVENTS}, 0) AS {BOT_EVENTS}," if BOT_EVENTS in columns else "",
        entry=_choice("ROW({0}.pages = 0, {0}.entry_at)", "<", entry, "entry"),
        exit=_choice("ROW({0}.pages > 0, {0}.exit_at)", ">=", exit_, "exit"),
        hash=f"new.{HASH}," if HASH in columns else "",
        steps=PAIRED_STEPS if TRAIL in columns else "",
        new_sessions=new_sessions,
    )
    trail = f"CASE WHEN is_new THEN new_trail ELSE {_trail('steps')} END AS {TRAIL}"
    return sql(
        """
        SELECT {columns}
        FROM (
            {unpacked}
        ) AS continued
        """,
        columns=", ".join(trail if column == TRAIL else column for column in columns),
        unpacked=_unpacked(paired, entry, exit_),
    )


# If the two overlap in time, their trail is unknown: the order of their pages is only in the events.
PAIRED_STEPS = f"""old.part IS NULL AS is_new,
new.{TRAIL} AS new_trail,
CASE
    WHEN new.started >= old.ended THEN old.{TRAIL} || new.{TRAIL}
    WHEN old.started > new.ended THEN new.{TRAIL} || old.{TRAIL}
END AS steps,"""


def index_ctes(watermark: int, new_events: int, wanted: Sequence[str]) -> list[Cte]:
    """CTEs of the session index, with the new events added.

    Args:
        watermark: the row id below which events are in the index.
        new_events: how many events are after it.
        wanted: columns of `session_parts`.
    """
    if not new_events:
        return [cte(INDEXED_SESSIONS, "SELECT * FROM session_parts", materialized=False)]
    columns = columns_for(wanted)
    # No session is beyond the limit. Without it DuckDB expects a fifth of all rows, and plans accordingly.
    new_sessions = cte(
        "new_sessions",
        """
        {sessions}
        LIMIT {events}
        """,
        materialized=True,
        sessions=sessions_sql(f"rowid >= {watermark}", columns),
        events=str(new_events),
    )
    touched = cte(
        "touched",
        """
        SELECT rowid AS part, {columns}
        FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
        WHERE rowid IN (SELECT rowid FROM session_parts WHERE {hash} IN (SELECT {hashed} FROM new_sessions))
        """,
        materialized=True,
        columns=", ".join(columns),
        hash=HASH,
        hashed=HASHED,
    )
    indexed_sessions = cte(
        INDEXED_SESSIONS,
        """
        SELECT {columns}
        FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
        UNION ALL
        {continued}
        """,
        materialized=False,
        columns=", ".join(columns),
        continued=continued_sessions_sql("new_sessions", columns),
    )
    return [new_sessions, touched, indexed_sessions]


def _event(aggregate: str, fields: dict[str, str], order: str, name: str) -> str:
    """The first or last event of a session as a struct, so that its NULLs count as values."""
    members = ", ".join(f"{column}: {field}" for column, field in fields.items())
    return f"{aggregate}({{{members}}}, {order}) AS {name}," if fields else ""


def _choice(order: str, comes: str, columns: Sequence[str], name: str) -> str:
    """Of a new and an old row the one whose event comes first or last, as a struct.

    The new row's events arrived later: of two at the same instant, the old row's comes first.
    """
    if not columns:
        return ""
    new, old = ("{" + ", ".join(f"{column}: {row}.{column}" for column in columns) + "}" for row in ("new", "old"))
    is_new = f"old.part IS NULL OR {order.format('new')} {comes} {order.format('old')}"
    return f"CASE WHEN {is_new} THEN {new} ELSE {old} END AS {name},"


def _unpacked(sessions: str, entry: Collection[str], exit_: Collection[str]) -> str:
    """SELECT with the structs `entry` and `exit` as columns."""
    return sql(
        """
        SELECT *{members}
        FROM (
            {sessions}
        ) AS packed
        """,
        members=(", entry.*" if entry else "") + (', "exit".*' if exit_ else ""),
        sessions=sessions,
    )


def _texts() -> str:
    """The texts of the entry event: one expression for all keys, so that DuckDB reads each JSON text once."""
    kept = {**TEXTS, AD_CLICK: "$ad_click"}
    pointers = ", ".join(quote_text(str(DUCKDB.encode["property"](key))) for key in kept.values())
    texts = DUCKDB.property_text.format(f"[{pointers}]", json="properties")
    return "".join(f", ({texts})[{position}] AS {column}" for position, column in enumerate(kept, 1))


def _trail(steps: str) -> str:
    """The trail of a list of paths: without direct repeats; NULL when it is too long."""
    trail = f"list_filter({steps}, lambda step, position: position = 1 OR step <> ({steps})[position - 1])"
    return f"CASE WHEN pages <= {TRAIL_PAGES} AND len({trail}) <= {TRAIL_MOST} THEN {trail} END"
