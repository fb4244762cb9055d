"""The session index: sessions with a `session_id` that the store materializes ahead of queries.

A query without a filter reads sessions from it instead of computing them from events; the answer is the same. How a
store keeps the index is the store's business: a query only gets CTEs to read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallystick.analysis.cte import Cte
from tallystick.model.queries.sessions import PAGE_NAMES
from tallystick.model.query import PROPERTY_PREFIX, SessionsQuery

TEXTS = {
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "utm_term": "utm_term",
    "utm_content": "utm_content",
    "referrer": "$referring_domain",
}
"""Property of the entry event, by the column that holds it."""

COLUMNS = {
    "entry_page": "entry_path",
    "path": "entry_path",
    "name": "entry_name",
    "source": "entry_source",
    "exit_page": "exit_path",
    "channel": "channel",
    "referrer": "referrer",
    "site_id": "site_id",
    "session_id": "session_id",
    **{f"{PROPERTY_PREFIX}{key}": column for column, key in TEXTS.items()},
}
"""Column by field of a breakdown. `user_id` has no column, since the person that an id resolves to may change."""

TRAIL = "trail"
"""The column with the paths of a session's page views in their order, a path that repeats directly only once. NULL:
the trail is not known.
"""

INDEXED_SESSIONS = "indexed_sessions"
"""The CTE of the index."""


@dataclass(frozen=True)
class SessionIndex:
    """The session index as of one transaction; the query has to run in it.

    Attributes:
        ctes: CTEs for the given columns. `indexed_sessions` has a row for each session with a `session_id`, over all of
            its events: site_id, session_id, started, ended, events, pages, and the given columns.
    """

    ctes: Callable[[Sequence[str]], list[Cte]]


def can_use_session_index(query: SessionsQuery) -> bool:
    """Whether the index has all that the query asks for."""
    names = set(query.page_names) == set(PAGE_NAMES)
    return query.filter is None and names and all(field in COLUMNS for field in query.breakdown)
