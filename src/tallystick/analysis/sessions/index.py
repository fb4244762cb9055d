"""Folded sessions: those with a `session_id`, put together by the store before anybody asks.

They answer questions without a filter, where the raw events would say the same. How a store keeps them is its own
business; a question is given SQL that names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
"""The properties of the entry event that are kept, by column."""

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
"""The column that a breakdown reads. `user_id` has none: which person an id is may change."""

TRAIL = "trail"
"""The column of the pages in their order, the same one several times in a row once; NULL where that is not known."""

KNOWN = "known"
"""The common table of the folded sessions."""


@dataclass(frozen=True)
class SessionIndex:
    """What a store has folded, as of one transaction, in which the question has to run.

    Attributes:
        tables: common tables, of which `known` has a row for each session with a `session_id` and whatever its events
            are: site_id, session_id, started, ended, events, pages, and the columns that are asked for.
    """

    tables: Callable[[Sequence[str]], str]


def can_use_session_index(query: SessionsQuery) -> bool:
    """Whether folded sessions have all that the question asks for."""
    names = set(query.page_names) == set(PAGE_NAMES)
    return query.filter is None and names and all(field in COLUMNS for field in query.breakdown)
