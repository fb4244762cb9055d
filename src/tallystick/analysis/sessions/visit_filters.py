"""Filters of visits: conditions whose field is `session.<field>`. An event passes if its visit does.

For each condition the statement begins with a CTE of the visits that fulfil it: their `session_id`, and the row keys of
the events that belong to them without having one. The condition itself looks an event up in that CTE, so an analysis
needs to know nothing about visits. Visits are those of the query's range, found as a query about sessions finds them;
the entry event decides even where it lies before `since`.
"""

from __future__ import annotations

from dataclasses import replace

from tallystick.analysis.cte import Cte, clause, columns, cte, sql, union_all, with_ctes
from tallystick.analysis.event_source import EventSource
from tallystick.analysis.sessions.breakdown import Breakdown
from tallystick.analysis.sessions.events import (
    attributed_events,
    events_of_sessions,
    events_of_visits,
    is_page_view,
    session_keys,
    visit_keys,
)
from tallystick.analysis.sessions.index import can_use_session_index
from tallystick.analysis.sessions.keys import reach
from tallystick.analysis.sessions.materialized import (
    index_ctes,
    indexed_dim,
    may_have_long_sessions,
    of_long_session,
    without_joined,
)
from tallystick.analysis.sessions.visit_tests import OPPOSITES, text_test
from tallystick.analysis.sources import Sources
from tallystick.analysis.statement import Statement
from tallystick.model.queries.retention import PersonsScope
from tallystick.model.queries.scope import SESSION_PREFIX, AllOf, AnyOf, Condition, Scope
from tallystick.model.queries.sessions import SessionScope, SessionsQuery


def names_visits(part: object) -> bool:
    """Whether a query, or a part of one, has a condition of a `session.` field."""
    if isinstance(part, Condition):
        return part.field.startswith(SESSION_PREFIX)
    if isinstance(part, AllOf | AnyOf):
        return any(map(names_visits, part.all if isinstance(part, AllOf) else part.any))
    if isinstance(part, list | tuple):
        return any(map(names_visits, part))
    fields = getattr(type(part), "model_fields", None)
    return fields is not None and any(names_visits(getattr(part, name)) for name in fields)


class VisitFilters:
    """The filters of visits of one statement.

    Attributes:
        sources: what the statement is compiled with.
    """

    def __init__(self, query: Scope, sources: Sources) -> None:
        self._visits = _visits_of(query)
        self._read = sources.visits or Sources(sources.dialect, sources.now)
        self._ctes: dict[str, Cte] = {}
        self.sources = replace(sources, visit_test=self._test)

    def statement(self, statement: Statement) -> Statement:
        """A statement that was compiled with `sources`, with the CTEs that its conditions read."""
        if not self._ctes:
            return statement
        begin = next((word for word in ("WITH RECURSIVE ", "WITH ") if statement.sql.startswith(word)), "")
        ctes = ",\n".join(map(str, self._ctes.values()))
        rest = f",\n{statement.sql.removeprefix(begin)}" if begin else f"\n{statement.sql}"
        return replace(statement, sql=f"{begin or 'WITH '}{ctes}{rest}")

    def _test(self, condition: Condition, outer: EventSource) -> str:
        """Condition: an event belongs to a visit that fulfils a condition."""
        if condition.op in OPPOSITES:
            opposite = condition.model_copy(update={"op": OPPOSITES[condition.op]})
            return f"NOT coalesce({self._test(opposite, outer)}, FALSE)"
        source = EventSource(self._read, self._visits.site_id, outer.parameters)
        same = condition.model_dump_json()
        if same not in self._ctes:
            name = f"matching_visits_{len(self._ctes) + 1}"
            self._ctes[same] = Cte(name, _matching(self._visits, condition, source), True)
        name, keys = self._ctes[same].name, ", ".join(session_keys(self._visits))
        in_session = f"({keys}) IN (SELECT {keys} FROM {name} WHERE session_id IS NOT NULL)"
        if not source.has_loose_events:
            return in_session
        # With the name of the relation, since a join has no columns of the system.
        row_key = ", ".join(f"events.{column}" for column in source.dialect.row_key)
        of_row = ", ".join(f"of_{column}" for column in source.dialect.row_key)
        return f"({in_session} OR ({row_key}) IN (SELECT {of_row} FROM {name} WHERE session_id IS NULL))"


def _visits_of(query: Scope) -> SessionScope:
    """The scope of the visits that a query's filters are about. Analyses of persons also read before its range."""
    since, until = (None, None) if isinstance(query, PersonsScope) else (query.since, query.until)
    how = {"inactivity": query.inactivity, "page_names": query.page_names} if isinstance(query, SessionScope) else {}
    return SessionScope(site_id=query.site_id).model_copy(update={"since": since, "until": until, **how})


def _matching(visits: SessionScope, condition: Condition, source: EventSource) -> str:
    """SELECT: the keys of the sessions that fulfil a condition, and with NULL there the row keys of loose events."""
    field = condition.field.removeprefix(SESSION_PREFIX)
    query = SessionsQuery(breakdown=[field]).model_copy(
        update={name: getattr(visits, name) for name in SessionScope.model_fields}
    )
    near = query.model_copy(update=reach(query))
    index = source.session_index if can_use_session_index(query) else None
    ctes: list[Cte] = []
    keys = columns(session_keys(query))
    selects = []
    is_computed = index is None or may_have_long_sessions(query, source)
    breakdown = Breakdown(query.breakdown, source) if is_computed else None
    selected = []
    if breakdown:
        selected = [f"CASE WHEN {is_page_view(query, source)} THEN 1 ELSE 0 END AS page", *breakdown.texts]
        ctes += attributed_events(near, source, selected)
    if index is not None:
        ctes += index_ctes(query, near, source, index)
        conditions = [text_test(indexed_dim(field), condition, source), *_within(near, source)]
        selects.append(
            sql(
                """
                SELECT
                    {keys}
                FROM {index}
                {where}
                """,
                keys=keys,
                index=without_joined(query, source),
                where=clause("WHERE", conditions),
            )
        )
    if breakdown:
        long_only = of_long_session(query, source) if index is not None else []
        ctes.append(events_of_sessions(near, source, selected, conditions=long_only))
        ctes.append(_grouped("sessions_with_id", "events_of_sessions", session_keys(query), breakdown))
        selects.append(_passing("sessions_with_id", session_keys(query), breakdown, condition, source))
    ctes.append(Cte("matching_sessions", union_all(selects), True if source.has_loose_events else None))
    if not source.has_loose_events:
        return with_ctes(ctes, sql("SELECT\n    {keys}\nFROM matching_sessions", keys=keys))
    assert breakdown  # loose events may join any session
    ctes.append(events_of_visits(near, source, selected))
    ctes.append(_grouped("visits", "events_of_visits", visit_keys(query), breakdown))
    ctes.append(Cte("matching_visits", _passing("visits", visit_keys(query), breakdown, condition, source), True))
    return with_ctes(ctes, _keys_and_rows(query, source))


def _within(near: SessionScope, source: EventSource) -> list[str]:
    """Conditions of the sessions that lie within the reach of the range; those that cross its edges are computed."""
    conditions = []
    if near.site_id is not None:
        conditions.append(f"site_id = {source.parameters.add(near.site_id, 'text')}")
    if near.since is not None:
        conditions.append(f"started >= {source.parameters.add(near.since, 'timestamp')}")
    if near.until is not None:
        conditions.append(f"ended < {source.parameters.add(near.until, 'timestamp')}")
    return conditions


def _grouped(name: str, events: str, keys: list[str], breakdown: Breakdown) -> Cte:
    """A CTE with one row for each session of some events."""
    return cte(
        name,
        """
        SELECT
            {columns}
        FROM {events}
        GROUP BY {keys}
        """,
        materialized=False,
        columns=columns([*keys, "count(*) FILTER (WHERE page = 1) AS pages", *breakdown.aggregates]),
        events=events,
        keys=", ".join(keys),
    )


def _passing(sessions: str, keys: list[str], breakdown: Breakdown, condition: Condition, source: EventSource) -> str:
    """A SELECT of the keys of the computed sessions that fulfil a condition."""
    return sql(
        """
        SELECT
            {keys}
        FROM (
            SELECT
                {columns}
            FROM (
                {sessions}
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE {test}
        """,
        keys=columns(keys),
        columns=columns([*keys, *breakdown.dims]),
        sessions=breakdown.of_sessions(f"SELECT * FROM {sessions}", [*keys, "pages"]),
        test=text_test("dim_0", condition, source),
    )


def _keys_and_rows(query: SessionScope, source: EventSource) -> str:
    """The keys of the matching sessions, and the row keys of the loose events of matching sessions and visits."""
    rows = [f"{column} AS of_{column}" for column in source.dialect.row_key]
    no_rows = [f"NULL AS of_{column}" for column in source.dialect.row_key]
    site = session_keys(query)[:-1]
    of_session, of_visit = ", ".join(session_keys(query)), ", ".join(visit_keys(query))
    return sql(
        """
        SELECT
            {session}
        FROM matching_sessions
        UNION ALL
        SELECT
            {rows}
        FROM attributed_events
        WHERE
            ({of_session}) IN (SELECT {of_session} FROM matching_sessions)
            OR (session_id IS NULL AND ({of_visit}) IN (SELECT {of_visit} FROM matching_visits))
        """,
        session=columns([*session_keys(query), *no_rows]),
        rows=columns([*site, "NULL AS session_id", *rows]),
        of_session=of_session,
        of_visit=of_visit,
    )
