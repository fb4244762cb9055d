"""Every store answers queries about paths, and lists users, as the oracles do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.users import PeopleQuery
from tallystick.model.query import EventsQuery
from tallystick.store import Store
from tests.helpers.analysis_steps import PAGES, filters, moments, scopes, visits
from tests.helpers.query_steps import put, same, some_events
from tests.helpers.thorough import examples
from tests.oracle.paths import answer_paths, answer_people

ORDERS = ["last_seen", "first_seen", "events", "user_id"]


@st.composite
def path_questions(draw: st.DrawFn) -> dict[str, Any]:
    by = draw(st.sampled_from(["page", "event"]))
    anchor = draw(st.sampled_from(PAGES if by == "page" else ["click", "page_view", "ключ"]))
    where = draw(st.sampled_from(["", "", "start", "end"]))
    return {
        "by": by,
        **({where: anchor} if where else {}),
        "steps": draw(st.integers(2, 10)),
        "merge": draw(st.booleans()),
        "top": draw(st.sampled_from([1, 2, 20])),
        "inactivity": draw(st.sampled_from([1, 30, 720])),
        "filter": draw(filters),
        "since": draw(st.none() | moments),
    }


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(most=60), asked=st.lists(path_questions(), min_size=2, max_size=5))
async def test_any_question_about_paths_is_answered_exactly(
    store: Store, events: list[Event], asked: list[dict[str, Any]]
) -> None:
    await put(store, events)
    for question in asked:
        for scope in scopes(events):
            query = PathsQuery(**{**question, **scope})
            got, wanted = (await store.run(query)).rows, answer_paths(query, events)
            assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=visits(),
    order=st.sampled_from(ORDERS),
    ascending=st.booleans(),
    limit=st.integers(1, 4),
    test=filters,
    search=st.sampled_from([None, "", "N", "o"]),
    since=st.none() | moments,
)
async def test_users_come_page_by_page_once_each(
    store: Store,
    events: list[Event],
    order: Any,
    ascending: bool,
    limit: int,
    test: Any,
    search: str | None,
    since: datetime | None,
) -> None:
    await put(store, events, tidy=False)
    for scope in scopes(events):
        query = PeopleQuery(
            **scope, order=order, ascending=ascending, limit=limit, filter=test, search=search, since=since
        )
        wanted, got = answer_people(query, events), []
        while (result := await store.run(query)).next_cursor:
            assert len(result.rows) == limit
            got += result.rows
            query = query.model_copy(update={"cursor": result.next_cursor})
        assert same([*got, *result.rows], wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"


async def test_a_cursor_of_users_belongs_to_its_question(store: Store) -> None:
    await put(store, some_events("default", 10))
    cursor = (await store.run(PeopleQuery(limit=2))).next_cursor
    events = (await store.run(EventsQuery(limit=2))).next_cursor
    assert cursor
    for query in (
        PeopleQuery(order="events", cursor=cursor),
        PeopleQuery(search="u", cursor=cursor),
        PeopleQuery(cursor=events),
        PeopleQuery(order="user_id", cursor=cursor),
        PeopleQuery(cursor="W10"),
    ):
        with pytest.raises(InvalidRequest):
            await store.run(query)
