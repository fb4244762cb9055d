"""The analyses: how a query of each kind becomes SQL, how the rows become an answer, and what the SQL can use.

A new analysis is a folder with `compile` and `shape`, and one line in ANALYSES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from tallystick.analysis.events.compile import compile_events, compile_keys, compile_values, events_needs
from tallystick.analysis.events.rows import shape_events, shape_keys, shape_values
from tallystick.analysis.funnel.compile import compile_funnel, compile_funnel_users, funnel_needs, funnel_users_needs
from tallystick.analysis.funnel.rows import shape_funnel, shape_funnel_users
from tallystick.analysis.metrics.compile import compile_metrics
from tallystick.analysis.metrics.rows import shape_metrics
from tallystick.analysis.metrics.tables import metrics_needs
from tallystick.analysis.paths.compile import compile_paths, paths_needs
from tallystick.analysis.paths.rows import shape_paths
from tallystick.analysis.retention.compile import compile_persons, persons_needs
from tallystick.analysis.retention.rows import shape_persons
from tallystick.analysis.sessions.compile import compile_sessions, sessions_needs
from tallystick.analysis.sessions.rows import shape_sessions
from tallystick.analysis.sessions.visit_filters import VisitFilters, names_visits
from tallystick.analysis.sources import Needs, Sources
from tallystick.analysis.statement import Answer, Row, Statement
from tallystick.analysis.users.compile import compile_people, people_needs
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


def _needs_nothing(query: object) -> Needs:
    return Needs()


_PERSONS = Analysis[PersonsScope](compile_persons, shape_persons, persons_needs)

ANALYSES: dict[type, Analysis[Any]] = {
    MetricsQuery: Analysis[MetricsQuery](compile_metrics, shape_metrics, metrics_needs),
    EventsQuery: Analysis[EventsQuery](compile_events, shape_events, events_needs),
    KeysQuery: Analysis[KeysQuery](compile_keys, shape_keys, _needs_nothing),
    ValuesQuery: Analysis[ValuesQuery](compile_values, shape_values, _needs_nothing),
    SessionsQuery: Analysis[SessionsQuery](compile_sessions, shape_sessions, sessions_needs),
    PathsQuery: Analysis[PathsQuery](compile_paths, shape_paths, paths_needs),
    FunnelQuery: Analysis[FunnelQuery](compile_funnel, shape_funnel, funnel_needs),
    FunnelUsersQuery: Analysis[FunnelUsersQuery](compile_funnel_users, shape_funnel_users, funnel_users_needs),
    RetentionQuery: _PERSONS,
    LifecycleQuery: _PERSONS,
    StickinessQuery: _PERSONS,
    ActiveUsersQuery: _PERSONS,
    PeopleQuery: Analysis[PeopleQuery](compile_people, shape_people, people_needs),
    PersonQuery: Analysis[PersonQuery](compile_person, shape_person, _needs_nothing),
}
"""Every kind of query that is compiled to SQL."""


def needs(query: Query) -> Needs:
    """What the store reads before it compiles this query."""
    wanted = ANALYSES[type(query)].needs(query)
    # Rows with numbers have no keys, by which events without a `session_id` are told apart.
    return (
        replace(wanted, visits=True, user_numbers=False, user_keys=False, user_times=False)
        if names_visits(query)
        else wanted
    )


def compile_query(query: Query, sources: Sources) -> Statement:
    """The statement that answers a query; see `Analysis.compile`."""
    visits = VisitFilters(query, sources)
    statement = visits.statement(ANALYSES[type(query)].compile(query, visits.sources))
    if sources.kept is None or statement.reads_kept:
        return statement
    return replace(statement, events_from=sources.kept.events_from)


def shape(query: Query, statement: Statement, rows: Sequence[Row]) -> Answer:
    """The answer in a statement's rows; see `Analysis.shape`."""
    return ANALYSES[type(query)].shape(query, statement, rows)
