"""SQL of the session index on PostgreSQL: sessions from events, merged with their rows, and the CTEs for a query.

Paths and origins are numbers: those of `session_paths` and `session_origins`. A query gives negative numbers to the
ones that only events after the watermark have.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.analysis.cte import Cte, columns, cte, sql
from tallystick.analysis.sessions.channels import CHANNEL_PROPERTIES, with_channel
from tallystick.analysis.sessions.index import BOT_EVENTS, INDEXED_COUNTS, INDEXED_PATHS, INDEXED_SESSIONS, TEXTS, TRAIL
from tallystick.model.queries.sessions import LEAVE_NAMES, PAGE_NAMES
from tallystick.model.sql import quote_text
from tallystick.store.postgres.dialect import POSTGRES

KEYS = ("site_id", "session_id")
SUMS = ("events", "pages", "leaves", BOT_EVENTS)
ENTRY = ("entry_at", "entry_received", "entry_place", "entry_path", "origin")
EXIT = ("exit_at", "exit_received", "exit_place", "exit_path")
COLUMNS = (*KEYS, "started", "ended", "duration", *SUMS, *ENTRY, *EXIT, TRAIL)
"""All columns of `session_index`."""
AD_CLICK = "ad_click"
ORIGIN_TEXTS = ("entry_name", "entry_source", *TEXTS, AD_CLICK)
"""The members of `session_origins.texts`, from 1."""
ORIGIN_COLUMNS = (*ORIGIN_TEXTS[:-1], "channel", "referring_site")
"""Columns of the index that come from a session's origin."""
TRAIL_MOST = 32
"""Most pages of a trail that is kept. Longer sessions are few; queries read their events."""
TRAIL_PAGES = 1_000
"""Most page views of a session with a trail, as on DuckDB."""
COUNTS = ("sessions", "one_page", "one_event", "duration", "pages", "events")
"""Sums of `session_counts`."""
_SECONDS = (1, 5, 10, 20, 30, 45, 60, 80, 100, 120, 150, 180, 210, 240, 270, 300, 330, 360, 400, 440, 480, 540, 600)
_MINUTES = (12, 15, 20, 25, 30, 45, 60)
DURATIONS = (1, *(second * 1_000_000 for second in _SECONDS), *(minute * 60_000_000 for minute in _MINUTES))
"""Microseconds at which the classes of durations begin, but for the first class: no time at all."""
LASTING = tuple(f"lasting_{number}" for number in range(len(DURATIONS) + 1))
"""Counts of sessions by class."""
ALL_COUNTS = (*COUNTS, *LASTING)
ENTRY_KIND, EXIT_KIND, ORIGIN_KIND = 1, 2, 3
"""What `session_counts` counts by (`kind`)."""
KINDS = {
    "entry_path": ENTRY_KIND,
    "exit_path": EXIT_KIND,
    **dict.fromkeys(ORIGIN_COLUMNS, ORIGIN_KIND),
}


# --- sessions of events ---------------------------------------------------------------------------------------------


def new_events_sql(condition: str) -> str:
    """SELECT of the events with a `session_id` that meet a condition, as `sessions_sql` reads them."""
    return sql(
        """
        SELECT
            site_id,
            session_id,
            timestamp,
            received_at,
            ctid AS place,
            name IN ({page_names}) AS is_page,
            name IN ({leave_names}) AS is_leave,
            site_id IN (SELECT site_id FROM bot_sites) AND is_bot(properties) AS is_bot,
            name,
            source,
            path,
            properties
        FROM events
        WHERE session_id IS NOT NULL AND {condition}
        """,
        page_names=_words(PAGE_NAMES),
        leave_names=_words(LEAVE_NAMES),
        condition=condition,
    )


def sessions_sql(events: str, paths: str) -> str:
    """SELECT of sessions with the texts of their origin (`texts`) instead of `origin`.

    Args:
        events: the relation of what `new_events_sql` selects.
        paths: the relation with the number of each of their paths.
    """
    trail = f"""CASE
        WHEN pages <= {TRAIL_PAGES} AND coalesce(cardinality(steps), 0) <= {TRAIL_MOST}
        THEN coalesce(steps, CAST('{{}}' AS integer[]))
    END AS {TRAIL}"""
    return sql(
        """
        WITH numbered_events AS MATERIALIZED (
            SELECT
                {events}.*,
                path_id,
                dense_rank() OVER (ORDER BY session_id, site_id) AS session_number,
                row_number() OVER (ORDER BY session_id, site_id, timestamp, received_at, place) AS event_number
            FROM {events}
            LEFT JOIN {paths} AS paths ON paths.path = {events}.path
        ), stepped_events AS (
            SELECT
                *,
                is_page AND path_id IS NOT NULL AND path_id IS DISTINCT FROM lag(path_id) OVER (
                    PARTITION BY session_number, is_page AND path_id IS NOT NULL ORDER BY event_number
                ) AS is_step
            FROM numbered_events
        ), sums AS (
            SELECT
                min(timestamp) AS started,
                max(timestamp) AS ended,
                count(*) AS events,
                count(*) FILTER (WHERE is_page) AS pages,
                count(*) FILTER (WHERE is_leave) AS leaves,
                count(*) FILTER (WHERE is_bot) AS bot_events,
                coalesce(min(event_number) FILTER (WHERE is_page), min(event_number)) AS entry_number,
                coalesce(max(event_number) FILTER (WHERE is_page), max(event_number)) AS exit_number,
                array_agg(path_id ORDER BY event_number) FILTER (WHERE is_step) AS steps
            FROM stepped_events
            GROUP BY session_number
        )
        SELECT
            entries.site_id,
            entries.session_id,
            started,
            ended,
            {sums},
            entries.timestamp AS entry_at,
            entries.received_at AS entry_received,
            entries.place AS entry_place,
            entries.path_id AS entry_path,
            ARRAY[
                {texts}
            ] AS texts,
            exits.timestamp AS exit_at,
            exits.received_at AS exit_received,
            exits.place AS exit_place,
            exits.path_id AS exit_path,
            {trail}
        FROM sums
        JOIN numbered_events AS entries ON entries.event_number = entry_number
        JOIN numbered_events AS exits ON exits.event_number = exit_number
        """,
        events=events,
        paths=paths,
        sums=columns(SUMS),
        texts=columns(_origin_texts()),
        trail=trail,
    )


def _origin_texts() -> list[str]:
    keys = {**TEXTS, AD_CLICK: "$ad_click"}
    texts = [POSTGRES.property_text.format(quote_text(key), json="entries.properties") for key in keys.values()]
    return ["entries.name", "entries.source", *texts]


def origins_sql(texts: str) -> str:
    """SELECT of origins: texts, channel, referring_site.

    Args:
        texts: a SELECT of distinct `texts`.
    """
    column_of = {key: column for column, key in TEXTS.items()}
    values = [f"texts[{_position(column_of.get(key, AD_CLICK))}]" for key in CHANNEL_PROPERTIES]
    return sql(
        """
        SELECT texts, channel, referring_site
        FROM (
            {channels}
        ) AS sessions_with_channel
        """,
        channels=with_channel(POSTGRES, texts, values),
    )


def _position(column: str) -> int:
    return ORIGIN_TEXTS.index(column) + 1


# --- sessions that go on --------------------------------------------------------------------------------------------


def merged_sql(new_sessions: str, index: str) -> str:
    """SELECT of new sessions with all columns of `session_index`, each merged with its row there if it has one.

    Args:
        new_sessions: the relation of new sessions, with `origin`.
        index: the relation of the rows of `session_index` that may be theirs.
    """
    merged = [
        "new.site_id",
        "new.session_id",
        "least(new.started, old.started) AS started",
        "greatest(new.ended, old.ended) AS ended",
        *(f"new.{name} + coalesce(old.{name}, 0) AS {name}" for name in SUMS),
        *_choice("entry", "<", "pages = 0", ENTRY),
        *_choice("exit", ">", "pages > 0", EXIT),
    ]
    # If the two overlap in time, their trail is unknown: the order of their pages is only in the events.
    steps = """CASE
        WHEN old.session_id IS NULL THEN new.trail
        WHEN old.trail IS NULL OR new.trail IS NULL THEN NULL
        WHEN new.started > old.ended THEN {joined_after}
        WHEN old.started > new.ended THEN {joined_before}
    END"""
    of_merged = {"duration": "CAST(extract(epoch FROM ended - started) * 1000000 AS bigint) AS duration"}
    steps = steps.format(joined_after=_joined("old", "new"), joined_before=_joined("new", "old"))
    return sql(
        """
        SELECT
            {columns},
            CASE WHEN pages <= {pages} AND cardinality(steps) <= {most} THEN steps END AS trail
        FROM (
            SELECT
                {merged},
                {steps} AS steps
            FROM {new_sessions} AS new
            LEFT JOIN {index} AS old ON old.session_id = new.session_id AND old.site_id = new.site_id
        ) AS merged
        """,
        columns=columns(of_merged.get(column, column) for column in COLUMNS if column != TRAIL),
        pages=str(TRAIL_PAGES),
        most=str(TRAIL_MOST),
        merged=columns(merged),
        steps=steps,
        new_sessions=new_sessions,
        index=index,
    )


def _choice(event: str, comes: str, page: str, chosen: Sequence[str]) -> list[str]:
    """Of the events of a new and an old row the one that comes first or last, as columns."""
    order = f"ROW({{0}}.{page}, {{0}}.{event}_at, {{0}}.{event}_received, {{0}}.{event}_place)"
    is_new = f"old.session_id IS NULL OR {order.format('new')} {comes} {order.format('old')}"
    return [f"CASE WHEN {is_new} THEN new.{column} ELSE old.{column} END AS {column}" for column in chosen]


def _joined(first: str, then: str) -> str:
    """Two trails one after the other; a page that ends one and begins the other is the same step."""
    repeats = f"{first}.trail[cardinality({first}.trail)] = {then}.trail[1]"
    return f"{first}.trail || CASE WHEN {repeats} THEN {then}.trail[2:] ELSE {then}.trail END"


# --- counts ---------------------------------------------------------------------------------------------------------


def counts_sql(removed: str, added: str, kinds: Sequence[int] = (ENTRY_KIND, EXIT_KIND, ORIGIN_KIND)) -> str:
    """SELECT of the changes of `session_counts` when rows of `session_index` are removed and added.

    Args:
        removed, added: relations of rows of `session_index`.
    """
    values = {
        ENTRY_KIND: "coalesce(entry_path, 0)",
        EXIT_KIND: "coalesce(exit_path, 0)",
        ORIGIN_KIND: "origin",
    }
    sums = {
        "sessions": "sign",
        "one_page": "sign * CAST(session_pages = 1 AS integer)",
        "one_event": "sign * CAST(session_pages = 1 AND session_events - leaves = 1 AS integer)",
        "duration": "sign * session_duration",
        "pages": "sign * session_pages",
        "events": "sign * session_events",
    }
    selected = "site_id, started, duration AS session_duration, events AS session_events, pages AS session_pages"
    selected += ", leaves, bot_events, entry_path, exit_path, origin"
    edges = ", ".join(map(str, DURATIONS))
    class_ = f"width_bucket(duration, CAST(ARRAY[{edges}] AS bigint[])) AS class"
    lasting = [
        f"CAST(coalesce(sum(sign) FILTER (WHERE class = {number}), 0) AS integer) AS {name}"
        for number, name in enumerate(LASTING)
    ]
    return sql(
        """
        SELECT
            site_id,
            date_bin('1 hour', started, '2000-01-01Z') AS hour,
            kind,
            value,
            session_pages > 0 AS viewed,
            bot_events = session_events AS bot,
            {sums}
        FROM (
            SELECT {selected}, {class_}, -1 AS sign FROM {removed}
            UNION ALL
            SELECT {selected}, {class_}, 1 FROM {added}
        ) AS changed_sessions
        CROSS JOIN LATERAL (
            VALUES {values}
        ) AS counted (kind, value)
        GROUP BY 1, 2, 3, 4, 5, 6
        """,
        sums=columns([*(f"CAST(sum({text}) AS bigint) AS {name}" for name, text in sums.items()), *lasting]),
        selected=selected,
        class_=class_,
        removed=removed,
        added=added,
        values=", ".join(f"(CAST({kind} AS smallint), {values[kind]})" for kind in kinds),
    )


# --- a query --------------------------------------------------------------------------------------------------------


def index_ctes(is_new: str | None, wanted: Sequence[str]) -> list[Cte]:
    """CTEs of the session index, with the new events added.

    Args:
        is_new: condition of the events after the watermark; None: there are none.
        wanted: columns of the index.
    """
    rows = "session_index"
    ctes = [] if is_new is None else _new_ctes(is_new)
    if is_new is not None:
        rows = "session_rows"
        ctes.append(
            cte(
                rows,
                """
                SELECT {columns}
                FROM session_index
                WHERE ctid NOT IN (SELECT row_place FROM touched)
                UNION ALL
                SELECT {columns}
                FROM merged_sessions
                """,
                materialized=False,
                columns=", ".join(COLUMNS),
            )
        )
    shown, joins = _shown(wanted, "rows", is_new is not None)
    ctes.append(
        cte(
            INDEXED_SESSIONS,
            """
            SELECT
                {columns}
            FROM {rows} AS rows
            {joins}
            """,
            materialized=False,
            columns=columns([*(f"rows.{name}" for name in _BASE), *shown]),
            rows=rows,
            joins="\n".join(joins),
        )
    )
    if TRAIL in wanted:
        ctes.append(cte(INDEXED_PATHS, f"SELECT path_id, path FROM {_paths(is_new is not None)}", materialized=False))
    return ctes


_BASE = (*KEYS, "started", "ended", "duration", "events", "pages", "leaves")


def _shown(wanted: Sequence[str], rows: str, has_new: bool) -> tuple[list[str], list[str]]:
    """The wanted columns of sessions, or of counts, as SQL, and the joins that they need."""
    shown, joins = [], []
    for column in dict.fromkeys(wanted):
        if column in ("entry_path", "exit_path"):
            name = column.replace("_path", "_paths")
            shown.append(f"{name}.path AS {column}")
            joins.append(f"LEFT JOIN {_paths(has_new)} AS {name} ON {name}.path_id = {rows}.{column}")
        elif column in ("channel", "referring_site"):
            shown.append(f"origins.{column}")
        elif column in ORIGIN_COLUMNS:
            shown.append(f"origins.texts[{_position(column)}] AS {column}")
        elif column not in _BASE:
            shown.append(f"{rows}.{column}")
    if any(column in ORIGIN_COLUMNS for column in wanted):
        joins.append(f"JOIN {_origins(has_new)} AS origins ON origins.origin_id = {rows}.origin")
    return shown, joins


def _paths(has_new: bool) -> str:
    return "all_paths" if has_new else "session_paths"


def _origins(has_new: bool) -> str:
    return "all_origins" if has_new else "session_origins"


def _new_ctes(is_new: str) -> list[Cte]:
    """CTEs up to `merged_sessions`: the sessions with new events; `touched` has the rows that these replace."""
    new_paths = cte(
        "new_paths",
        """
        SELECT CAST(-row_number() OVER () AS integer) AS path_id, path
        FROM (
            SELECT DISTINCT path FROM new_events WHERE path IS NOT NULL
        ) AS paths
        WHERE NOT EXISTS (SELECT FROM session_paths WHERE session_paths.path = paths.path)
        """,
        materialized=True,
    )
    all_paths = cte(
        "all_paths",
        """
        SELECT path_id, path FROM session_paths
        UNION ALL
        SELECT path_id, path FROM new_paths
        """,
        materialized=False,
    )
    new_origins = cte(
        "new_origins",
        """
        SELECT CAST(-row_number() OVER () AS integer) AS origin_id, texts, channel, referring_site
        FROM (
            {origins}
        ) AS origins
        """,
        materialized=True,
        origins=origins_sql(
            """SELECT DISTINCT texts
            FROM new_sessions
            WHERE NOT EXISTS (SELECT FROM session_origins WHERE session_origins.texts = new_sessions.texts)"""
        ),
    )
    all_origins = cte(
        "all_origins",
        """
        SELECT origin_id, texts, channel, referring_site FROM session_origins
        UNION ALL
        SELECT origin_id, texts, channel, referring_site FROM new_origins
        """,
        materialized=False,
    )
    touched = cte(
        "touched",
        """
        SELECT session_index.ctid AS row_place, session_index.*
        FROM new_sessions
        JOIN session_index USING (site_id, session_id)
        """,
        materialized=True,
    )
    with_origin = """(
        SELECT new_sessions.*, origin_id AS origin
        FROM new_sessions
        JOIN all_origins ON all_origins.texts = new_sessions.texts
    )"""
    return [
        Cte("new_events", new_events_sql(is_new), True),
        new_paths,
        all_paths,
        Cte("new_sessions", sessions_sql("new_events", "all_paths"), True),
        new_origins,
        all_origins,
        touched,
        Cte("merged_sessions", merged_sql(with_origin, "touched"), True),
    ]


def counts_ctes(is_new: str | None, wanted: Sequence[str]) -> list[Cte]:
    """CTEs up to `indexed_counts`; after those of `index_ctes` for the same condition.

    Args:
        wanted: columns of the index that are of one kind.
    """
    kind = next((KINDS[column] for column in wanted if column in KINDS), ORIGIN_KIND)
    value = {ENTRY_KIND: "entry_path", EXIT_KIND: "exit_path", ORIGIN_KIND: "origin"}[kind]
    stored = f"SELECT site_id, hour, kind, value, viewed, bot, {', '.join(ALL_COUNTS)} FROM session_counts"
    rows, ctes = f"({stored}) AS counts", []
    if is_new is not None:
        ctes.append(Cte("changed_counts", counts_sql("touched", "merged_sessions", [kind]), True))
        rows = f"({stored} UNION ALL SELECT * FROM changed_counts) AS counts"
    shown, joins = _shown(wanted, "counts", is_new is not None)
    joins = [join.replace(f"counts.{value}", "counts.value") for join in joins]
    ctes.append(
        cte(
            INDEXED_COUNTS,
            """
            SELECT
                {columns}
            FROM {rows}
            {joins}
            WHERE kind = {kind}
            """,
            materialized=False,
            columns=columns(["site_id", "hour", "viewed", "bot", *ALL_COUNTS, *shown]),
            rows=rows,
            joins="\n".join(joins),
            kind=str(kind),
        )
    )
    return ctes


def _words(names: Sequence[str]) -> str:
    return ", ".join(quote_text(name) for name in names)
