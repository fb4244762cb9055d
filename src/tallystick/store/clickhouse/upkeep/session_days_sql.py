"""The statement that makes the rows of `session_parts` from the events of a day."""

from __future__ import annotations

from tallystick.analysis.cte import sql
from tallystick.model.queries.sessions import LEAVE_NAMES, PAGE_NAMES
from tallystick.model.sql import quote_text
from tallystick.store.clickhouse.dialect import CLICKHOUSE, NUL

COLUMNS = (
    "build",
    "site_id",
    "session_key",
    "first_at",
    "last_at",
    "events",
    "pages",
    "leaves",
    "bot_events",
    "entry_order",
    "exit_order",
    "entry_path",
    "exit_path",
    "entry_name",
    "entry_source",
    "entry_origin",
)
"""The columns of `session_parts` in their order."""


def rows_sql() -> str:
    """A SELECT of the rows of a build, in the columns of the table.

    Its parameters are `build`, the `first` second of the day and the first one after it (`until`), since 1970; and of
    how many `pieces` it selects which `piece`: a day of very many sessions is grouped in several.
    """
    dialect = CLICKHOUSE
    return sql(
        """
        SELECT
            {build:UInt64} AS build,
            toString(any(site)) AS site_id,
            session_key,
            min(timestamp) AS first_at,
            max(timestamp) AS last_at,
            toUInt32(count()) AS events,
            toUInt32(sum(page)) AS pages,
            toUInt32(sum(leave)) AS leaves,
            toUInt32(sum(bot)) AS bot_events,
            {entry_order} AS entry_order,
            {exit_order} AS exit_order,
            splitByChar({nul}, argMin(texts, entry_place) AS entry_event)[1] AS entry_path,
            argMax({exit_path}, exit_place) AS exit_path,
            substring(splitByChar({nul}, entry_event)[2], 2) AS entry_name,
            substring(splitByChar({nul}, entry_event)[3], 2) AS entry_source,
            substring(splitByChar({nul}, entry_event)[4], 2) AS entry_origin
        FROM (
            SELECT *, {texts} AS texts, {entry_place} AS entry_place, {exit_place} AS exit_place
            FROM (
                SELECT
                    site_id AS site,
                    {session_key} AS session_key,
                    timestamp, received_at, seq, line, path, name, source, origin, bot,
                    if(name IN ({page_names}), 1, 0) AS page,
                    if(name IN ({leave_names}), 1, 0) AS leave
                FROM events FINAL
                WHERE timestamp >= toDateTime64({first:Int64}, 6, 'UTC')
                    AND timestamp < toDateTime64({until:Int64}, 6, 'UTC')
                    AND session_id IS NOT NULL
                    AND cityHash64(session_id) % {pieces:UInt64} = {piece:UInt64}
            )
        )
        GROUP BY session_key
        """,
        nul=NUL,
        page_names=", ".join(map(quote_text, PAGE_NAMES)),
        leave_names=", ".join(map(quote_text, LEAVE_NAMES)),
        session_key=dialect.session_key.format(site="site_id"),
        texts=dialect.texts(["path", "name", "source", "origin"]),
        exit_path=dialect.texts(["path"]),
        # Most entry events are the first ones: without its time the number is small.
        entry_order=dialect.order_without.format("min(entry_place)", "min(timestamp)"),
        exit_order=dialect.order_without.format("max(exit_place)", "max(timestamp)"),
        entry_place=dialect.entry_order,
        exit_place=dialect.exit_order,
    )
