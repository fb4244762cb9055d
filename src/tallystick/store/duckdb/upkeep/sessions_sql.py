"""SQL of folded sessions: made from events, joined with what was folded before, and as tables for a question."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tallystick.analysis.cte import Cte, cte
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, channel_sql
from tallystick.analysis.sessions.index import INDEXED_SESSIONS, TEXTS, TRAIL
from tallystick.model.queries.sessions import PAGE_NAMES
from tallystick.store.duckdb.connection import quoted
from tallystick.store.duckdb.dialect import DUCKDB

KEYS = ("site_id", "session_id", "started", "ended", "events", "pages")
ENTRY = {
    "entry_at": "timestamp",
    "entry_id": "event_id",
    "entry_path": "path",
    "entry_name": "name",
    "entry_source": "source",
}
LAST = {"exit_at": "timestamp", "exit_id": "event_id", "exit_path": "path"}
"""Columns of `session_parts` with those of `events`."""
TEXT_COLUMNS = (*TEXTS, "channel")
ENTRY_COLUMNS = (*ENTRY, *TEXT_COLUMNS)
HASH = "session_hash"
"""Sessions are looked for by this number, with a fifth of the work of looking for their texts, and only those that are
found are compared by them.
"""
COLUMNS = (*KEYS, HASH, *ENTRY_COLUMNS, *LAST, TRAIL)
"""Those of `session_parts`."""
COUNTED = (*KEYS, HASH, *ENTRY, *LAST)
"""Those that take no reading of properties or of all pages."""
TRAIL_MOST = 32
"""Longest trail that is kept; of longer sessions, which are few, the events are read."""
TRAIL_PAGES = 1_000
"""Most page views of a session with a trail: made anew by `verify`, it has to fit into memory."""
AD_CLICK = "ad_click"
"""Which campaign an ad belongs to is not kept, only that its click makes the channel."""

HASHED = "CAST(hash(site_id, session_id) >> 32 AS UINTEGER)"
"""Another version of DuckDB may hash otherwise; `fold.RULES` has the version."""
_KEPT = {key: column for column, key in TEXTS.items()}


def columns_for(wanted: Sequence[str]) -> list[str]:
    """What has to be read for these columns of sessions with several rows: also what puts the rows in order."""
    needed = {*KEYS, *wanted}
    needed |= {"entry_at", "entry_id"} if needed & set(ENTRY_COLUMNS) else set()
    needed |= {"exit_at", "exit_id"} if needed & set(LAST) else set()
    return [column for column in COLUMNS if column in needed]


def parts_sql(condition: str, columns: Sequence[str] = COLUMNS) -> str:
    """The sessions of the events that meet a condition, in these columns."""
    entry = {column: field for column, field in ENTRY.items() if column in columns}
    if any(column in columns for column in TEXT_COLUMNS):
        entry["properties"] = "properties"
    last = {column: field for column, field in LAST.items() if column in columns}
    picks = _pick("arg_min", entry, "ROW(-page, timestamp, event_id)", "entry")
    picks += _pick("arg_max", last, "ROW(page, timestamp, event_id)", "last")
    if TRAIL in columns:
        picks.append(",\n    list(path ORDER BY timestamp, path) FILTER (page = 1 AND path IS NOT NULL) AS steps")
    pages = ", ".join(quoted(name) for name in PAGE_NAMES)
    grouped = (
        "SELECT site_id, session_id, min(timestamp) AS started, max(timestamp) AS ended, count(*) AS events, "
        f"count(*) FILTER (page = 1) AS pages{''.join(picks)}\n"
        f"  FROM (SELECT *, CASE WHEN name IN ({pages}) THEN 1 ELSE 0 END AS page FROM events\n"
        f"    WHERE session_id IS NOT NULL AND {condition}) AS visited\n  GROUP BY site_id, session_id"
    )
    opened = f"SELECT *{_opened(entry, last)} FROM (\n  {grouped}\n  ) AS grouped"
    if "properties" in entry:
        opened = f"SELECT *{''.join(_texts())} FROM ({opened}) AS opened"
    trail = f"{_trail('coalesce(steps, CAST([] AS VARCHAR[]))')} AS {TRAIL}"
    made = {HASH: f"{HASHED} AS {HASH}", "channel": _channel(), TRAIL: trail}
    chosen = ", ".join(made.get(column, column) for column in columns)
    return f"SELECT {chosen}\n  FROM ({opened}) AS parts"


def joined_sql(fresh: str, columns: Sequence[str] = COLUMNS) -> str:
    """The sessions of the table `fresh`, each together with its row in `touched` where it has one.

    Args:
        columns: what `columns_for` gave.
    """
    entry = [column for column in ENTRY_COLUMNS if column in columns]
    last = [column for column in LAST if column in columns]
    picks = _choice("ROW({0}.pages = 0, {0}.entry_at, {0}.entry_id)", "<", entry, "entry")
    picks += _choice("ROW({0}.pages > 0, {0}.exit_at, {0}.exit_id)", ">", last, "last")
    if HASH in columns:
        picks.append(f",\n    new.{HASH}")
    if TRAIL in columns:
        # Where they overlap in time the pages' order would have to be looked up.
        after = f"WHEN new.started > old.ended THEN old.{TRAIL} || new.{TRAIL}"
        before = f"WHEN old.started > new.ended THEN new.{TRAIL} || old.{TRAIL}"
        picks.append(f",\n    old.part IS NULL AS alone, new.{TRAIL} AS own, CASE {after} {before} END AS steps")
    both = (
        "SELECT site_id, session_id, least(new.started, old.started) AS started, "
        "greatest(new.ended, old.ended) AS ended, new.events + coalesce(old.events, 0) AS events, "
        f"new.pages + coalesce(old.pages, 0) AS pages{''.join(picks)}\n"
        f"  FROM {fresh} AS new LEFT JOIN touched AS old USING (site_id, session_id)"
    )
    trail = f"CASE WHEN alone THEN own ELSE {_trail('steps')} END AS {TRAIL}"
    chosen = ", ".join(trail if column == TRAIL else column for column in columns)
    return f"SELECT {chosen}\n  FROM (SELECT *{_opened(entry, last)} FROM (\n  {both}\n  ) AS paired) AS joined"


def tables_sql(mark: int, behind: int, wanted: Sequence[str]) -> list[Cte]:
    """CTEs of the session index, with the `behind` events from row number `mark` on added to it."""
    if not behind:
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
        sessions=parts_sql(f"rowid >= {mark}", columns),
        events=str(behind),
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
        continued=joined_sql("new_sessions", columns),
    )
    return [new_sessions, touched, indexed_sessions]


def _choice(order: str, comes: str, columns: Sequence[str], name: str) -> list[str]:
    """Of two rows the one whose event comes first or last, as a struct."""
    if not columns:
        return []
    new, old = ("{" + ", ".join(f"{column}: {row}.{column}" for column in columns) + "}" for row in ("new", "old"))
    wins = f"old.part IS NULL OR {order.format('new')} {comes} {order.format('old')}"
    return [f",\n    CASE WHEN {wins} THEN {new} ELSE {old} END AS {name}"]


def _pick(aggregate: str, fields: dict[str, str], order: str, name: str) -> list[str]:
    """The event that comes first or last, as a struct: its NULLs count as values."""
    members = ", ".join(f"{column}: {field}" for column, field in fields.items())
    return [f",\n    {aggregate}({{{members}}}, {order}) AS {name}"] if fields else []


def _opened(entry: Collection[str], last: Collection[str]) -> str:
    return (", entry.*" if entry else "") + (", last.*" if last else "")


def _texts() -> list[str]:
    """Of all keys at once: each JSON text is read once."""
    kept = {**TEXTS, AD_CLICK: "$ad_click"}
    pointers = ", ".join(quoted(str(DUCKDB.encode["property"](key))) for key in kept.values())
    texts = DUCKDB.property_text.format(f"[{pointers}]")
    return [f", ({texts})[{place}] AS {column}" for place, column in enumerate(kept, 1)]


def _trail(steps: str) -> str:
    """Of steps that may repeat each other."""
    merged = f"list_filter({steps}, lambda step, place: place = 1 OR step <> ({steps})[place - 1])"
    return f"CASE WHEN pages <= {TRAIL_PAGES} AND len({merged}) <= {TRAIL_MOST} THEN {merged} END"


def _channel() -> str:
    texts = [_KEPT.get(key, AD_CLICK) for key in CHANNEL_PROPERTIES]
    # Most events have none of them; comparing NULL with all names of the rules takes as long as comparing a text.
    none = f"coalesce({', '.join(texts)}) IS NULL"
    return f"CASE WHEN {none} THEN 'direct' ELSE {channel_sql(DUCKDB, texts)} END AS channel"
