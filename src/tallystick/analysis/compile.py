"""Questions → SQL and parameters, for any dialect. Pure: nothing is run here.

Counts whose fields and times fit the quarter-hour rollup come from it, distinct users of whole sites from `people`;
both equal what the raw events say (G10), which every other question is answered from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tallystick.analysis.dialect import Dialect
from tallystick.analysis.events.compile import compile_events, compile_keys, compile_values
from tallystick.analysis.filters import Params
from tallystick.analysis.funnel.compile import compile_funnel, compile_funnel_users
from tallystick.analysis.metrics.compile import compile_metrics
from tallystick.analysis.metrics.tables import Groups, counts_users_of_events
from tallystick.analysis.parameters import Statement
from tallystick.analysis.paths.compile import compile_paths
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.retention.compile import compile_persons
from tallystick.analysis.sessions.compile import compile_sessions
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.analysis.users.compile import compile_people
from tallystick.analysis.users.person import compile_person
from tallystick.model.queries.retention import PersonsScope
from tallystick.model.query import (
    EventsQuery,
    FunnelQuery,
    FunnelUsersQuery,
    KeysQuery,
    MetricsQuery,
    PathsQuery,
    PeopleQuery,
    PersonQuery,
    Query,
    SessionsQuery,
    ValuesQuery,
)


def compile_query(
    query: Query,
    dialect: Dialect,
    now: datetime,
    *,
    rollups: bool = True,
    slots: Mapping[str, PropertyColumn] | None = None,
    groups: Groups | None = None,
    joined: bool = False,
    folded: SessionIndex | None = None,
    numbered: UserNumbers | None = None,
) -> Statement:
    """The statement that answers a question.

    Args:
        now: bounds the clock changes that are looked up when the question has no `until`.
        rollups: False reads the raw events whatever the question is.
        slots: the property keys that have columns of their own.
        joined: the site has ids that were joined to persons, and `asks_for_persons`.
        groups: of a question with `top` about metrics or sessions, the groups to answer about instead of the largest.
        folded: sessions that the store has put together; None reads the raw events.
        numbered: the events with numbers in the place of user ids, where `can_use_user_numbers`.

    Raises:
        InvalidRequest: a broken cursor, too many buckets, or a text that is no Unicode.
    """
    params = Params(dialect)
    if isinstance(query, MetricsQuery):
        return compile_metrics(query, Params(dialect, slots, joined, query.site_id, numbered), now, rollups, groups)
    if isinstance(query, EventsQuery):
        return compile_events(query, Params(dialect, joined=joined))
    if isinstance(query, FunnelQuery):
        return compile_funnel(query, Params(dialect, slots, joined, query.site_id, numbered))
    if isinstance(query, FunnelUsersQuery):
        return compile_funnel_users(query, Params(dialect, slots, joined, query.site_id))
    if isinstance(query, KeysQuery):
        return compile_keys(query, params)
    if isinstance(query, SessionsQuery):
        return compile_sessions(query, Params(dialect, slots, joined, query.site_id), now, groups, folded)
    if isinstance(query, PathsQuery):
        return compile_paths(query, Params(dialect, slots, joined, query.site_id), folded)
    if isinstance(query, PersonQuery):
        return compile_person(query, params)
    if isinstance(query, PeopleQuery):
        return compile_people(query, Params(dialect, slots, joined, query.site_id))
    if isinstance(query, PersonsScope):
        return compile_persons(query, Params(dialect, slots, joined, query.site_id), now, rollups)
    return compile_values(query, params)


def asks_for_persons(query: Query) -> bool:
    """Whether it matters to a question which ids were joined."""
    if isinstance(query, MetricsQuery):
        return "user_id" in query.breakdown or any(m.kind in {"users", "events_per_user"} for m in query.metrics)
    if isinstance(query, EventsQuery):
        return query.user_id is not None
    return not isinstance(query, KeysQuery | ValuesQuery | PersonQuery)


def can_use_user_numbers(query: Query) -> bool:
    """Whether an answer names no user, and telling the users of events apart is most of its work."""
    if isinstance(query, MetricsQuery):
        return counts_users_of_events(query) and "user_id" not in query.breakdown
    return isinstance(query, FunnelQuery) and query.breakdown != "user_id"
