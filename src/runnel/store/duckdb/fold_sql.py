"""SQL of folded sessions: made from events, joined with what was folded before, and as tables for a question."""

from __future__ import annotations

from collections.abc import Sequence

from runnel.model.sessions import PAGE_NAMES
from runnel.store.channels import CHANNEL_PROPERTIES, channel_sql
from runnel.store.duckdb.connection import quoted
from runnel.store.duckdb.engine import DUCKDB
from runnel.store.folded import KNOWN, TEXTS, TRAIL

KEYS = ("site_id", "session_id", "started", "ended", "events", "pages")
ENTRY = {
    "entry_at": "timestamp", "entry_id": "event_id", "entry_path": "path", "entry_name": "name",
    "entry_source": "source",
}  # fmt: skip
LAST = {"exit_at": "timestamp", "exit_id": "event_id", "exit_path": "path"}
"""Columns of `session_parts` with those of `events`."""
TEXT_COLUMNS = (*TEXTS, "channel")
ENTRY_COLUMNS = (*ENTRY, *TEXT_COLUMNS)
COLUMNS = (*KEYS, *ENTRY_COLUMNS, *LAST, TRAIL)
"""Those of `session_parts`."""
TRAIL_MOST = 32
"""Longest trail that is kept; of longer sessions, which are few, the events are read."""
TRAIL_PAGES = 1_000
"""Most page views of a session with a trail: made anew by `verify`, it has to fit into memory."""
AD_CLICK = "ad_click"
"""Which campaign an ad belongs to is not kept, only that its click makes the channel."""

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
    made = {"channel": _channel(), TRAIL: _trail("coalesce(steps, CAST([] AS VARCHAR[]))")}
    chosen = ", ".join(made.get(column, column) for column in columns)
    return f"SELECT {chosen}\n  FROM ({opened}) AS parts"


def joined_sql(fresh: str, columns: Sequence[str] = COLUMNS) -> str:
    """The sessions of the table `fresh` together with their rows in `touched`: one row each.

    Args:
        columns: what `columns_for` gave.
    """
    chosen, keys = ", ".join(columns), "USING (site_id, session_id)"
    entry = {column: column for column in ENTRY_COLUMNS if column in columns}
    last = {column: column for column in LAST if column in columns}
    picks = _pick("arg_min", entry, "ROW(pages = 0, entry_at, entry_id)", "entry")
    picks += _pick("arg_max", last, "ROW(pages > 0, exit_at, exit_id)", "last")
    if TRAIL in columns:
        # Of two rows; where they overlap in time the pages' order would have to be looked up.
        apart = f"max(started) > min(ended) AND count({TRAIL}) = 2"
        picks.append(f",\n    CASE WHEN {apart} THEN flatten(list({TRAIL} ORDER BY started)) END AS steps")
    both = f"SELECT {chosen} FROM touched UNION ALL SELECT {chosen} FROM {fresh} SEMI JOIN touched {keys}"
    grouped = (
        "SELECT site_id, session_id, min(started) AS started, max(ended) AS ended, CAST(sum(events) AS BIGINT) AS "
        f"events, CAST(sum(pages) AS BIGINT) AS pages{''.join(picks)}\n"
        f"  FROM ({both}) AS rows\n  GROUP BY site_id, session_id"
    )
    opened = f"SELECT *{_opened(entry, last)} FROM (\n  {grouped}\n  ) AS grouped"
    alone = f"SELECT {chosen} FROM {fresh} ANTI JOIN touched {keys}"
    joined = ", ".join(_trail("steps") if column == TRAIL else column for column in columns)
    return f"{alone}\n  UNION ALL SELECT {joined}\n  FROM ({opened}) AS joined"


def tables_sql(mark: int, behind: int, wanted: Sequence[str]) -> str:
    """Common tables of which `known` has every session, also the `behind` events from row number `mark` on."""
    if not behind:
        return f"{KNOWN} AS NOT MATERIALIZED (SELECT * FROM session_parts)"
    columns = columns_for(wanted)
    chosen = ", ".join(columns)
    return (
        f"tail AS MATERIALIZED (\n  {parts_sql(f'rowid >= {mark}', columns)}\n),\n"
        f"touched AS MATERIALIZED (\n  SELECT rowid AS part, {chosen}\n"
        "  FROM session_parts SEMI JOIN tail USING (site_id, session_id)\n),\n"
        f"{KNOWN} AS NOT MATERIALIZED (\n"
        f"  SELECT {chosen} FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid\n"
        f"  UNION ALL\n  {joined_sql('tail', columns)}\n)"
    )


def _pick(aggregate: str, fields: dict[str, str], order: str, name: str) -> list[str]:
    """The event, or row, that comes first or last, as a struct: its NULLs count as values."""
    members = ", ".join(f"{column}: {field}" for column, field in fields.items())
    return [f",\n    {aggregate}({{{members}}}, {order}) AS {name}"] if fields else []


def _opened(entry: dict[str, str], last: dict[str, str]) -> str:
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
    return f"CASE WHEN pages <= {TRAIL_PAGES} AND len({merged}) <= {TRAIL_MOST} THEN {merged} END AS {TRAIL}"


def _channel() -> str:
    return f"{channel_sql(DUCKDB, [_KEPT.get(key, AD_CLICK) for key in CHANNEL_PROPERTIES])} AS channel"
