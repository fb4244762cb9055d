"""Every store answers queries about persons over days, weeks and months as the oracle does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.retention import (
    ActiveUsersQuery,
    LifecycleQuery,
    PersonsQuery,
    RetentionQuery,
    StickinessQuery,
)
from tallystick.store import Store
from tests.helpers.query_steps import MOMENTS, NOON, ZONES, has_rollups, make_event, numbers, put, same
from tests.helpers.thorough import examples
from tests.oracle.retention import persons_answer

DAY = timedelta(days=1)
QUESTION: TypeAdapter[PersonsQuery] = TypeAdapter(PersonsQuery)
TESTS: list[dict[str, Any]] = [
    {},
    {},
    {"name": "a"},
    {"name": "b"},
    {"name": "a", "filter": {"field": "properties.plan", "op": "=", "value": "pro"}},
    {"filter": {"field": "path", "op": "!=", "value": "/x"}},
]
PROPERTIES = [{}, {}, {"plan": "pro"}, {"plan": "pro"}, {"$bot": True}, {"$bot": True}, {"$bot": "true"}]
FILTERS: list[dict[str, Any] | None] = [
    None,
    None,
    None,
    {"field": "site_id", "op": "set"},
    {"field": "properties.plan", "op": "set"},
    {"field": "properties.$bot", "op": "!=", "value": True},
    {"field": "properties.$bot", "op": "!=", "value": True},
]


@st.composite
def seasons(draw: st.DrawFn) -> tuple[datetime, list[Event]]:
    """Events of some weeks around a change of a clock, of few persons, many at the edges of days."""
    number = next(numbers)
    base = draw(st.sampled_from(MOMENTS))
    events = []
    for index in range(draw(st.integers(0, 40))):
        days = draw(st.sampled_from([-31, -29, -8, -7, -1, 0, 0, 1, 1, 2, 6, 7, 8, 13, 14, 29, 30, 31, 60]))
        minutes = draw(st.sampled_from([-900, -61, -1, 0, 0, 14, 30, 600]))
        events.append(
            make_event(
                number * 1000 + index,
                f"{draw(st.sampled_from('aaab'))}{number}",
                timestamp=base + days * DAY + minutes * DAY / 1440 + draw(st.integers(0, 1)) * DAY / 86_400_000_000,
                name=draw(st.sampled_from(["a", "a", "b"])),
                path=draw(st.sampled_from([None, "/x"])),
                user_id=draw(st.sampled_from([None, "ann", "ann", "bob", "Zoë"])),
                properties=draw(st.sampled_from(PROPERTIES)),
            )
        )
    return base, events


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["retention", "retention", "lifecycle", "stickiness", "active_users"]))
    question: dict[str, Any] = {
        "kind": kind,
        "timezone": draw(st.sampled_from(["UTC", *ZONES])),
        "filter": draw(st.sampled_from(FILTERS)),
        "since": draw(st.sampled_from([None, -30, -7, 0, 1])),
        "until": draw(st.sampled_from([None, 1, 14, 61])),
        "whole": draw(st.booleans()),
    }
    if kind != "active_users":
        question["interval"] = draw(st.sampled_from(["day", "day", "week", "month"]))
    if kind == "retention":
        question |= {
            "mode": draw(st.sampled_from(["first_time", "recurring"])),
            "periods": draw(st.integers(1, 9)),
            "start": draw(st.sampled_from(TESTS)),
            "returning": draw(st.sampled_from(TESTS)),
        }
    return question


def placed(question: dict[str, Any], base: datetime) -> dict[str, Any]:
    """The query with its edges, days from a base, as instants; `whole` ones are UTC midnights."""
    question = dict(question)
    if question.pop("whole"):
        base = base.replace(hour=0, minute=0)
    for edge in ("since", "until"):
        question[edge] = None if question[edge] is None else (base + question[edge] * DAY).isoformat()
    return question


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(season=seasons(), asked=st.lists(questions(), min_size=4, max_size=8), tidy=st.booleans())
async def test_any_question_about_persons_is_answered_exactly(
    store: Store, season: tuple[datetime, list[Event]], asked: list[dict[str, Any]], tidy: bool
) -> None:
    base, events = season
    await put(store, events, tidy)
    sites = sorted({event.site_id for event in events})
    for question in asked:
        for site in sites:
            query = QUESTION.validate_python({**placed(question, base), "site_id": site})
            await check(store, query, events)
        both = {"field": "site_id", "op": "in", "value": sites or ["none"]}
        scope = {"all": [both, question["filter"]]} if question["filter"] else both
        query = QUESTION.validate_python({**placed(question, base), "site_id": None, "filter": scope})
        await check(store, query, events)


async def check(store: Store, query: PersonsQuery, events: list[Event], *, from_people: bool | None = None) -> None:
    result = await store.run(query)
    wanted = persons_answer(query, events, datetime.now(UTC))
    assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}"
    assert from_people is None or result.from_rollup == (from_people and has_rollups(store))


def _daily(site: str, *users: tuple[str, int]) -> list[Event]:
    """Events at noon UTC, of `(user, day)`."""
    base = next(numbers) * 1000
    return [
        make_event(base + n, site, name="a", user_id=user, timestamp=NOON + day * DAY)
        for n, (user, day) in enumerate(users)
    ]


async def test_the_tables_of_people_are_read_where_they_say_the_same(store: Store) -> None:
    events = _daily("people", ("ann", 0), ("ann", 1), ("bob", 1), ("bob", 9), ("ann", 16), ("eve", 40))
    await put(store, events)
    kinds: list[type[PersonsQuery]] = [RetentionQuery, LifecycleQuery, StickinessQuery, ActiveUsersQuery]
    midnight = NOON.replace(hour=0)
    scope: dict[str, Any] = {"site_id": "people"}
    for kind, zone in product(kinds, ["UTC", "Europe/Berlin", "Asia/Kathmandu"]):
        for edges in ({}, {"since": midnight}, {"since": midnight, "until": midnight + 20 * DAY}):
            await check(store, kind(**scope, **edges, timezone=zone), events, from_people=True)
        odd = {"until": NOON + timedelta(seconds=1)}
        await check(store, kind(**scope, **odd, timezone=zone), events, from_people=False)
        named: dict[str, Any] = {"filter": {"field": "name", "op": "=", "value": "a"}}
        await check(store, kind(**scope, **named, timezone=zone), events, from_people=False)
    tested = RetentionQuery(**scope, start={"name": "a"})
    await check(store, tested, events, from_people=False)


async def test_who_began_before_the_range_is_in_no_first_time_cohort(store: Store) -> None:
    await put(store, events := _daily("first", ("ann", -3), ("ann", 1), ("bob", 1), ("bob", 2)))
    scope: dict[str, Any] = {"site_id": "first", "interval": "day", "periods": 1}
    scope |= {"since": NOON, "until": NOON + 3 * DAY}
    first = RetentionQuery(**scope)
    assert [row["users"] for row in (await store.run(first)).rows] == [0, 1, 0, 0]
    again = RetentionQuery(**scope, mode="recurring")
    assert [row["users"] for row in (await store.run(again)).rows] == [0, 2, 1, 0]
    assert (await store.run(again)).rows[1]["shares"] == [1.0, 0.5]
    for query in (first, again):
        await check(store, query, events)


async def test_periods_that_are_not_over_are_marked(store: Store) -> None:
    """Now lies in the last of them, or `until` does."""
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    base = next(numbers) * 1000
    await put(store, [make_event(base, "open", name="a", user_id="ann", timestamp=today - DAY)])
    scope: dict[str, Any] = {"site_id": "open", "interval": "day"}
    [row] = (await store.run(RetentionQuery(**scope))).rows
    assert (row["returned"], row["complete"]) == ([1, 0], 1)
    ahead = RetentionQuery(**scope, until=now + 5 * DAY)
    assert [row["complete"] for row in (await store.run(ahead)).rows] == [1, 0, 0, 0, 0, 0, 0]
    short = RetentionQuery(**scope, until=today - DAY / 2)
    [row] = (await store.run(short)).rows
    assert (row["returned"], row["complete"]) == ([1], 0)
    rows = (await store.run(LifecycleQuery(**scope, until=now))).rows
    assert [(row["new"], row["dormant"], row["complete"]) for row in rows] == [(1, 0, True), (0, 1, False)]


async def test_an_answer_of_too_many_periods_is_refused(store: Store) -> None:
    long: dict[str, Any] = {"since": NOON - 1200 * DAY, "until": NOON, "interval": "day"}
    for kind in (RetentionQuery, LifecycleQuery, StickinessQuery, ActiveUsersQuery):
        with pytest.raises(InvalidRequest):
            await store.run(kind(**long))
