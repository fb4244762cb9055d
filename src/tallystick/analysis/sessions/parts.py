"""Sessions that a store built by UTC day: ClickHouse's (`store/clickhouse/upkeep/session_days.py`), in its SQL.

A row of `session_parts` has what the events of one day say of a session. A query puts the rows of a session together,
and with the events of all days that are not built, each of which is a row too. So it groups the same events as without
them and its answer is the same, also where events without a `session_id` join a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all
from tallystick.analysis.dialect import Dialect
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.breakdown import Breakdown
from tallystick.analysis.sessions.days import BuiltDay
from tallystick.analysis.sessions.events import site_condition
from tallystick.model.queries.sessions import SessionScope

PARTS = "parts_of_sessions"
"""The CTE with rows of built days and events of all others."""
ENTRY: Mapping[str, str] = {
    "path": "entry_path",
    "name": "concat('=', entry_name)",
    "source": "concat('=', entry_source)",
    "origin": "concat('=', entry_origin)",
    "site_id": "concat('=', site_id)",
}
EXIT: Mapping[str, str] = {"path": "exit_path"}
"""What the rows have of the entry and the exit event: the column of an event, and the same of a row, marked with `=` as
`Dialect.texts` marks a text."""


def can_use_parts(breakdown: Breakdown) -> bool:
    """Whether the rows have all that a breakdown reads of an event. `can_use_session_index` says the rest."""
    return ENTRY.keys() >= set(breakdown.entry_texts) and EXIT.keys() >= set(breakdown.exit_texts)


def of_other_days(days: Sequence[BuiltDay], dialect: Dialect) -> str:
    """Condition: an event is of none of these days, of which there is one. Ranges of time choose what is read."""
    starts, ends = {day.start for day in days}, {day.end for day in days}
    # Literals: of years with many gaps, the parameters would make a long address.
    first, *starts_later = (dialect.instant.format(f"{edge:%Y-%m-%d} 00:00:00") for edge in sorted(starts - ends))
    *ends_earlier, last = (dialect.instant.format(f"{edge:%Y-%m-%d} 00:00:00") for edge in sorted(ends - starts))
    between = [
        f"timestamp >= {end} AND timestamp < {start}" for end, start in zip(ends_earlier, starts_later, strict=True)
    ]
    return f"({' OR '.join([f'timestamp < {first}', *between, f'timestamp >= {last}'])})"


def parts_of_sessions(
    query: SessionScope, source: EventSource, days: Sequence[BuiltDay], breakdown: Breakdown, *, leaves: bool
) -> Cte:
    """`parts_of_sessions`: the rows of built days, and those of `events_of_sessions` in the same columns.

    Args:
        leaves: the query counts events that only say how long a page was in view.
    """
    dialect = source.dialect
    built = ["session_key", "first_at", "last_at", "events", "pages"]
    site = "site_id" if query.site_id is None else source.parameters.add(query.site_id, "text")
    events = [
        f"{dialect.session_key.format(site=site)} AS session_key",
        "timestamp AS first_at",
        "timestamp AS last_at",
        "1 AS events",
        "page AS pages",
    ]
    if leaves:
        built.append("leaves")
        events.append("leave AS leaves")
    if query.filter is not None:  # it leaves out bots alone
        built.append("bot_events < events AS matches")
        events.append("matches")
    for name, texts, columns_of, edge in (
        ("entry", breakdown.entry_texts, ENTRY, "first_at"),
        ("exit", breakdown.exit_texts, EXIT, "last_at"),
    ):
        if texts:
            marked = [columns_of[text] for text in texts]
            whole = dialect.order_without.format(f"{name}_order", edge)
            built += [f"{dialect.joined_texts(marked)} AS {name}_event", f"{whole} AS {name}_order"]
            order = dialect.entry_order if name == "entry" else dialect.exit_order
            events += [f"{dialect.texts(breakdown.names(texts))} AS {name}_event", f"{order} AS {name}_order"]
    builds = ", ".join(str(day.build) for day in days)
    of_days = sql(
        """
        SELECT
            {columns}
        FROM session_parts
        {where}
        """,
        columns=columns(built),
        where=clause("WHERE", [*site_condition(query, source), f"build IN ({builds})"]),
    )
    of_events = sql(
        """
        SELECT
            {columns}
        FROM events_of_sessions
        """,
        columns=columns(events),
    )
    return Cte(PARTS, union_all([of_days, of_events]), False)


def sessions_of_parts(having: Sequence[str], breakdown: Breakdown, source: EventSource, *, leaves: bool) -> Cte:
    """`sessions_with_id`: one row for each session of `parts_of_sessions`."""
    started, ended = (source.dialect.epoch_us.format(edge) for edge in ("min(first_at)", "max(last_at)"))
    selected = [
        "min(first_at) AS started",
        f"{ended} - {started} AS duration",
        "sum(events) AS events",
        "sum(pages) AS pages",
        *(["sum(leaves) AS leaves"] if leaves else []),
        *(["argMin(entry_event, entry_order) AS entry_event"] if breakdown.entry_texts else []),
        *(["argMax(exit_event, exit_order) AS exit_event"] if breakdown.exit_texts else []),
    ]
    return cte(
        "sessions_with_id",
        """
        SELECT
            {columns}
        FROM {parts}
        GROUP BY session_key
        {having}
        """,
        materialized=False,
        columns=columns(selected),
        parts=PARTS,
        having=clause("HAVING", having),
    )
