"""The oracle of filters of visits: plain Python says which events belong to the visits that a condition keeps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from tallystick.model.event import Event
from tallystick.model.queries.retention import PersonsScope
from tallystick.model.queries.sessions import SessionScope, SessionsQuery
from tallystick.model.query import SESSION_PREFIX, AllOf, AnyOf, Condition, Filter, Scope
from tests.oracle.sessions import group_of
from tests.oracle.visits import keyed, near

Q = TypeVar("Q", bound=Scope)


def by_event_id(query: Q, events: Sequence[Event]) -> Q:
    """The query with the ids of events in the place of the conditions of visits in its filter.

    Args:
        events: all events of the query's site, in the order in which they arrived.
    """
    if query.filter is None:
        return query
    return query.model_copy(update={"filter": rewritten(query.filter, query, events)})


def rewritten(root: Filter, query: Scope, events: Sequence[Event]) -> Filter:
    """A filter of a query, without conditions of visits; see `by_event_id`."""
    if isinstance(root, AllOf):
        return AllOf(all=[rewritten(part, query, events) for part in root.all])
    if isinstance(root, AnyOf):
        return AnyOf(any=[rewritten(part, query, events) for part in root.any])
    if not root.field.startswith(SESSION_PREFIX):
        return root
    ids = [str(event.event_id) for event in _of_visits(root, query, events)]
    return Condition(field="event_id", op="in", value=ids) if ids else AnyOf(any=[])


def _of_visits(condition: Condition, query: Scope, events: Sequence[Event]) -> list[Event]:
    """The events that fulfil a condition of their visits."""
    whole = isinstance(query, PersonsScope)  # also looks at events before `since`
    scope = SessionScope(
        site_id=query.site_id, since=None if whole else query.since, until=None if whole else query.until
    )
    if isinstance(query, SessionScope):
        scope = scope.model_copy(update={"inactivity": query.inactivity, "page_names": query.page_names})
    question = SessionsQuery(
        breakdown=[condition.field.removeprefix(SESSION_PREFIX)], page_names=scope.page_names, site_id=scope.site_id
    )
    around = near(scope, events)
    keys: dict[int, Hashable] = {}
    visits: dict[Hashable, list[Event]] = {}
    for key, event in keyed(scope.inactivity, around):
        keys[id(event)] = key
        visits.setdefault(key, []).append(event)
    texts = {key: group_of(question, visit)[0] for key, visit in visits.items()}
    return [event for event in around if _holds(condition, texts.get(keys.get(id(event))))]


def _holds(condition: Condition, text: str | None) -> bool:
    value = condition.value
    if condition.op in {"!=", "not_set"}:
        return text != value if condition.op == "!=" else text is None
    if text is None:
        return False
    if isinstance(value, list):
        return text in value
    if condition.op == "set":
        return True
    assert isinstance(value, str)
    return {"=": text == value, "contains": value in text, ">": text > value, "<": text < value}[condition.op]
