"""What a statement is compiled with (`Sources`), and which of it a query can use (`Needs`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from tallystick.analysis.dialect import Dialect
from tallystick.analysis.hour_users import HourUsers
from tallystick.analysis.kept import Kept
from tallystick.analysis.property_columns import PropertyColumn
from tallystick.analysis.sessions.days import BuiltDay
from tallystick.analysis.sessions.index import SessionIndex
from tallystick.analysis.user_numbers import UserNumbers
from tallystick.analysis.value_counts import ValueCounts
from tallystick.model.queries.scope import Condition

if TYPE_CHECKING:
    from tallystick.analysis.event_source import EventSource

Groups: TypeAlias = Sequence[tuple[str | None, ...]]
"""Groups of a breakdown: the values of its fields."""
VisitTest: TypeAlias = "Callable[[Condition, EventSource], str]"
"""The SQL of a condition of a `session.` field, over a relation of this source that is named `events`."""


@dataclass(frozen=True)
class Needs:
    """What a store reads first, because a query's statement can use it.

    Attributes:
        property_columns: the query may read properties.
        persons: the answer depends on which person an id resolves to.
        session_index: the session index has all that the query asks for.
        session_days: sessions that are built by day have all that the query asks for.
        user_numbers: the answer names no user, and telling users apart is most of the work.
        user_keys: the answer names no user, so that a hash of the id can stand for it.
        user_times: the times of users' events by name answer the query, and the answer names no user.
        loose_events: events without a `session_id` count for the answer as parts of visits.
        visits: filters name fields of visits; `Sources.visits` has what these are found with.
        value_counts: a field whose counts of values answer the query, in the range and the buckets that they fit.
        hour_users: the query counts users by the hour.
        hash_joins: the statement joins many persons with their events, and a planner may expect only a few of them.
        merge_joins: False: to sort the persons, whose ids are texts, takes longer than to hash them, and a planner that
            expects fewer of them does not know.
    """

    property_columns: bool = False
    persons: bool = False
    session_index: bool = False
    session_days: bool = False
    user_numbers: bool = False
    user_keys: bool = False
    user_times: bool = False
    loose_events: bool = False
    visits: bool = False
    value_counts: str | None = None
    hour_users: bool = False
    hash_joins: bool = False
    merge_joins: bool = True


VISITS_NEED = Needs(property_columns=True, persons=True, session_index=True, loose_events=True)
"""What a store reads for `Sources.visits`."""


@dataclass(frozen=True)
class Sources:
    """What a statement may read besides the events, as of the transaction in which it runs.

    Attributes:
        dialect: the store's SQL.
        now: when the query was received; without an `until`, clock changes are looked up to some years after it.
        rollups: False reads the raw events, whatever the query is.
        property_columns: the property keys that have columns of their own.
        persons: some ids resolve to other persons, and the answer depends on it (`Needs.persons`).
        loose_events: some events of users have no `session_id`; False: none has, or the answer does not depend on it.
        session_index: the materialized sessions; None reads the events.
        session_days: the days whose sessions are built, ascending; only with `Needs.session_days`.
        user_numbers: the events with numbers in the place of user ids; only with `Needs.user_numbers` or
            `Needs.user_keys`, without events only with `Needs.user_times`.
        value_counts: the counts of the values of `Needs.value_counts`; None: there are none.
        hour_users: the users of each hour; only with `Needs.hour_users`; None: they are not counted.
        kept: the rollups that stayed when their events were removed; None: there are none in the query's range.
        visits: what the visits of `session.` filters are found with, `persons` among it; None: no index and no columns.
        visit_test: makes the conditions of `session.` fields; `visit_filters.VisitFilters` sets it.
        groups: of a query with `top`, the groups to answer for instead of the largest.
        newest_since: of a query for the newest events, an instant from which on all are that it needs; None: unknown.
    """

    dialect: Dialect
    now: datetime
    rollups: bool = True
    property_columns: Mapping[str, PropertyColumn] = field(default_factory=dict)
    persons: bool = False
    loose_events: bool = True
    session_index: SessionIndex | None = None
    session_days: Sequence[BuiltDay] = ()
    user_numbers: UserNumbers | None = None
    value_counts: ValueCounts | None = None
    hour_users: HourUsers | None = None
    kept: Kept | None = None
    visits: Sources | None = None
    visit_test: VisitTest | None = None
    groups: Groups | None = None
    newest_since: datetime | None = None
