"""The analyses: how a query of each kind becomes SQL, how the rows become an answer, and what the SQL can use.

A new analysis is a folder with `compile` and `shape`, and one line in ANALYSES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tallystick.analysis.events.compile import compile_events, compile_keys, compile_values
from tallystick.analysis.events.rows import shape_events, shape_keys, shape_values
from tallystick.analysis.funnel.compile import compile_funnel, compile_funnel_users
from tallystick.analysis.funnel.rows import shape_funnel, shape_funnel_users
from tallystick.analysis.metrics.compile import compile_metrics
from tallystick.analysis.metrics.rows import shape_metrics
from tallystick.analysis.metrics.tables import needs as metrics_needs
from tallystick.analysis.paths.compile import compile_paths
from tallystick.analysis.paths.rows import shape_paths
from tallystick.analysis.paths.trails import can_use_trails
from tallystick.analysis.retention.compile import compile_persons
from tallystick.analysis.retention.rows import shape_persons
from tallystick.analysis.sessions.compile import compile_sessions
from tallystick.analysis.sessions.index import can_use_session_index
from tallystick.analysis.sessions.rows import shape_sessions
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.analysis.users.compile import compile_people
from tallystick.analysis.users.person import compile_person
from tallystick.analysis.users.rows import shape_people, shape_person
from tallystick.model.queries.retention import (
    ActiveUsersQuery,
    LifecycleQuery,
    PersonsScope,
    RetentionQuery,
    StickinessQuery,
)
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

Q = TypeVar("Q")


@dataclass(frozen=True)
class Analysis(Generic[Q]):
    """One kind of query.

    Attributes:
        compile: the statement of a query. Raises InvalidRequest: a broken cursor, too many buckets, or a text that is
            not Unicode.
        shape: the answer in the rows of that statement. Raises InvalidRequest: too many buckets or rows.
        needs: what the store reads before the query is compiled.
    """

    compile: Callable[[Q, Sources], Statement]
    shape: Callable[[Q, Statement, Sequence[Row]], Answer]
    needs: Callable[[Q], Needs]


def _nothing(query: object) -> Needs:
    return Needs()


def _events_needs(query: EventsQuery) -> Needs:
    return Needs(persons=query.user_id is not None)


def _sessions_needs(query: SessionsQuery) -> Needs:
    return Needs(property_columns=True, persons=True, session_index=can_use_session_index(query))


def _paths_needs(query: PathsQuery) -> Needs:
    return Needs(property_columns=True, persons=True, session_index=can_use_trails(query))


def _funnel_needs(query: FunnelQuery) -> Needs:
    return Needs(property_columns=True, persons=True, user_numbers=query.breakdown != "user_id", hash_joins=True)


def _funnel_users_needs(query: FunnelUsersQuery) -> Needs:
    return Needs(property_columns=True, persons=True, hash_joins=True)


def _persons_needs(query: object) -> Needs:
    return Needs(property_columns=True, persons=True)


_PERSONS = Analysis[PersonsScope](compile_persons, shape_persons, _persons_needs)

ANALYSES: dict[type, Analysis[Any]] = {
    MetricsQuery: Analysis[MetricsQuery](compile_metrics, shape_metrics, metrics_needs),
    EventsQuery: Analysis[EventsQuery](compile_events, shape_events, _events_needs),
    KeysQuery: Analysis[KeysQuery](compile_keys, shape_keys, _nothing),
    ValuesQuery: Analysis[ValuesQuery](compile_values, shape_values, _nothing),
    SessionsQuery: Analysis[SessionsQuery](compile_sessions, shape_sessions, _sessions_needs),
    PathsQuery: Analysis[PathsQuery](compile_paths, shape_paths, _paths_needs),
    FunnelQuery: Analysis[FunnelQuery](compile_funnel, shape_funnel, _funnel_needs),
    FunnelUsersQuery: Analysis[FunnelUsersQuery](compile_funnel_users, shape_funnel_users, _funnel_users_needs),
    RetentionQuery: _PERSONS,
    LifecycleQuery: _PERSONS,
    StickinessQuery: _PERSONS,
    ActiveUsersQuery: _PERSONS,
    PeopleQuery: Analysis[PeopleQuery](compile_people, shape_people, _persons_needs),
    PersonQuery: Analysis[PersonQuery](compile_person, shape_person, _nothing),
}
"""Every kind of query."""


def needs(query: Query) -> Needs:
    """What the store reads before it compiles this query."""
    return ANALYSES[type(query)].needs(query)


def compile_query(query: Query, sources: Sources) -> Statement:
    """The statement that answers a query; see `Analysis.compile`."""
    return ANALYSES[type(query)].compile(query, sources)


def shape(query: Query, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The answer in a statement's rows; see `Analysis.shape`."""
    return ANALYSES[type(query)].shape(query, statement, rows)
