"""The session index: sessions with a `session_id` that the store materializes ahead of queries.

A query whose filter says nothing of single events, or only leaves out bots, reads sessions from it instead of computing
them from events; the answer is the same. How a store keeps the index is the store's business: a query only gets CTEs to
read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.analysis.bots import is_no_bot
from tallystick.analysis.cte import Cte
from tallystick.model.queries.scope import parted_filter, visit_fields
from tallystick.model.queries.sessions import PAGE_NAMES
from tallystick.model.query import PROPERTY_PREFIX, SessionsQuery

TEXTS = {
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "utm_term": "utm_term",
    "utm_content": "utm_content",
    "referrer": "$referring_domain",
    "host": "$host",
}
"""Property of the entry event, by the column that holds it."""

COLUMNS = {
    "entry_page": "entry_path",
    "path": "entry_path",
    "name": "entry_name",
    "source": "entry_source",
    "exit_page": "exit_path",
    "channel": "channel",
    "referrer": "referring_site",
    "site_id": "site_id",
    "session_id": "session_id",
    **{f"{PROPERTY_PREFIX}{key}": column for column, key in TEXTS.items()},
}
"""Column by field of a breakdown. `user_id` has no column, since the person that an id resolves to may change."""

TRAIL = "trail"
"""The column with the paths of a session's page views in their order, a path that repeats directly only once. NULL:
the trail is not known.
"""

BOT_EVENTS = "bot_events"
"""The column with the number of a session's events that are bots'."""

INDEXED_SESSIONS = "indexed_sessions"
"""The CTE of the index."""
INDEXED_COUNTS = "indexed_counts"
"""The CTE of the index's counts."""
INDEXED_PATHS = "indexed_paths"
"""The CTE with the `path` of each `path_id`, where trails are numbers."""


@dataclass(frozen=True)
class DurationClasses:
    """How the counts of the index know about where the median of durations is.

    Attributes:
        edges: the durations in microseconds at which the classes after the first begin, ascending.
        counts: the columns of `indexed_counts` with the sessions of each class.
    """

    edges: Sequence[int]
    counts: Sequence[str]

    def columns_of(self, duration: str) -> list[str]:
        """The columns of a single session, as SQL.

        Args:
            duration: microseconds.
        """
        least = ["0", *map(str, self.edges)]
        conditions = [f"{duration} >= {edge}" for edge in least]
        below = [f" AND {duration} < {edge}" for edge in least[1:]]
        return [
            f"CASE WHEN {condition}{limit} THEN 1 ELSE 0 END"
            for condition, limit in zip(conditions, [*below, ""], strict=True)
        ]


@dataclass(frozen=True)
class SessionIndex:
    """The session index as of one transaction; the query has to run in it.

    Attributes:
        ctes: CTEs for the given columns. `indexed_sessions` has a row for each session with a `session_id`, over all of
            its events: site_id, session_id, started, ended, events, pages, leaves, and the given columns. With TRAIL
            and `has_numbered_trails` there is `indexed_paths` too.
        counts: further CTEs, after those of `ctes`, for columns that are counted together, see `counts_for`.
            `indexed_counts` has sums over the indexed sessions by `hour` (in which they start), `viewed` (they have a
            page view), `bot` (all their events are bots') and the given columns: `sessions`, `one_page` (with one page
            view), `one_event` (of these, without another event that is no leave), `duration`, `pages`, `events`. None:
            the store has no counts.
        counted_together: the kind that each column is counted by; columns of one kind are counted together.
        long: a condition that all sessions of at least 24 hours fulfil, and by which the store finds them; may be
            empty.
        durations: the classes of durations by which sessions are counted too. With them, `indexed_sessions` has their
            `duration`.
        has_numbered_trails: trails are lists of `path_id`.
        is_plain_table: the index is a table, and no session is computed beside it. So parallel processes of PostgreSQL
            can read it, which cannot read the rows of a CTE.
    """

    ctes: Callable[[Sequence[str]], list[Cte]]
    counts: Callable[[Sequence[str]], list[Cte]] | None = None
    counted_together: Mapping[str, int] = field(default_factory=dict)
    long: str = ""
    durations: DurationClasses | None = None
    has_numbered_trails: bool = False
    is_plain_table: bool = False


def can_use_session_index(query: SessionsQuery) -> bool:
    """Whether the index has all that the query asks for."""
    names = set(query.page_names) == set(PAGE_NAMES)
    of_visits, of_events = parted_filter(query.filter)
    fields = [*query.breakdown, *visit_fields(of_visits)]
    return (of_events is None or is_no_bot(of_events)) and names and all(field in COLUMNS for field in fields)
