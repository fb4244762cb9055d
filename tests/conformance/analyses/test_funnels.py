"""Every store answers queries about funnels as the oracle does: orders, windows, ties, equal steps, groups, pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.funnel import FunnelQuery, FunnelUsersQuery
from tallystick.store import Store
from tests.helpers.analysis_steps import NO_BOT, marks
from tests.helpers.query_steps import NOON, make_event, numbers, put, same
from tests.helpers.thorough import examples
from tests.oracle.funnel import funnel_answer, funnel_users_answer

SECOND = timedelta(seconds=1)
ORDERS = ["ordered", "strict", "any"]
PRO = {"field": "properties.plan", "op": "=", "value": "pro"}
TRIAL = {"field": "properties.plan", "op": "in", "value": ["trial", 1]}
TESTS: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "a"},
    {"name": "b"},
    {"name": "c"},
    {"name": "ü"},
    {},
    {"name": "a", "filter": PRO},
    {"name": "a", "filter": TRIAL},
    {"filter": PRO},
    {"filter": {"all": [PRO]}},
    {"name": "b", "filter": {"any": [{"field": "path", "op": "contains", "value": "/"}, TRIAL]}},
    {"filter": {"field": "path", "op": "!=", "value": "/x"}},
]
apart = st.lists(st.sampled_from([*TESTS[1:5]]), min_size=2, max_size=4, unique_by=lambda step: step["name"])
steps = st.one_of(apart, st.lists(st.sampled_from(TESTS), min_size=2, max_size=5))


@st.composite
def doings(draw: st.DrawFn) -> list[Event]:
    """Events of few persons, names and instants, so that windows end just then, and ties and repetitions are common."""
    number = next(numbers)
    events = []
    at = NOON
    for index in range(draw(st.integers(0, 40))):
        at += draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5])) * SECOND + draw(st.sampled_from([0, 0, 1])) * SECOND / 1000
        plan = draw(st.sampled_from([None, "pro", "pro", "trial", 1, True]))
        events.append(
            make_event(
                number * 1000 + index,
                f"{draw(st.sampled_from('aab'))}{number}",
                timestamp=at,
                name=draw(st.sampled_from(["a", "a", "b", "b", "c", "ü"])),
                path=draw(st.sampled_from([None, "/", "/x", "ü"])),
                user_id=draw(st.sampled_from([None, "ann", "ann", "ann", "bob", "Zoë"])),
                properties={key: value for key, value in (("plan", plan), ("$bot", draw(marks))) if value is not None},
            )
        )
    return draw(st.permutations(events))


@st.composite
def funnels(draw: st.DrawFn) -> dict[str, Any]:
    moments = st.none() | st.integers(0, 30).map(lambda seconds: NOON + seconds * SECOND)
    since, until = draw(moments), draw(moments)
    if since and until and since > until:
        since, until = until, since
    return {
        "steps": draw(steps),
        "order": draw(st.sampled_from(ORDERS)),
        "window": draw(st.sampled_from([1, 2, 3, 5, 10, 3600])),
        "since": since,
        "until": until,
        "filter": draw(st.sampled_from([None, None, NO_BOT, {"field": "path", "op": "set"}])),
    }


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=doings(),
    asked=st.lists(funnels(), min_size=3, max_size=6),
    tidy=st.booleans(),
    breakdown=st.sampled_from([None, "path", "properties.plan", "name"]),
    top=st.integers(1, 3),
    other=st.booleans(),
    limit=st.integers(1, 3),
)
async def test_any_funnel_is_answered_exactly(
    store: Store,
    events: list[Event],
    asked: list[dict[str, Any]],
    tidy: bool,
    breakdown: str | None,
    top: int,
    other: bool,
    limit: int,
) -> None:
    await put(store, events, tidy)
    sites = sorted({event.site_id for event in events})
    scopes: list[dict[str, Any]] = [{"site_id": site} for site in sites]
    for question, scope in product(asked, scopes):
        query = FunnelQuery(**question, **scope, breakdown=breakdown, top=top, other=other)
        got, wanted = (await store.run(query)).rows, funnel_answer(query, events)
        assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"
        for outcome, step in (("reached", 1), ("reached", 2), ("dropped", 2)):
            users = FunnelUsersQuery(**question, **scope, step=step, outcome=outcome, limit=limit)
            assert await _pages(store, users) == funnel_users_answer(users, events), repr(users)


async def _pages(store: Store, query: FunnelUsersQuery) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        result = await store.run(query)
        rows += result.rows
        if result.next_cursor is None:
            return rows
        assert len(result.rows) == query.limit
        query = query.model_copy(update={"cursor": result.next_cursor})


async def _done(store: Store, *doings: tuple[str, float, str], steps: str, **question: Any) -> list[int]:
    """How many did each step: events are `(user, second, name)`, steps are names of one letter."""
    base = next(numbers) * 1000
    events = [
        make_event(base + n, f"s{base}", name=name, user_id=user, timestamp=NOON + second * SECOND)
        for n, (user, second, name) in enumerate(doings)
    ]
    await put(store, events)
    query = FunnelQuery(site_id=f"s{base}", steps=[{"name": name} for name in steps], **question)
    rows = (await store.run(query)).rows
    assert same(rows, funnel_answer(query, events))
    return [row["users"] for row in rows]


async def test_a_step_that_occurs_twice_needs_two_events(store: Store) -> None:
    once, twice = ("ann", 1, "a"), ("ann", 1, "a")
    assert await _done(store, once, steps="aa") == [1, 0]
    assert await _done(store, once, twice, steps="aa") == [1, 1], "also at the same instant"
    assert await _done(store, once, ("ann", 1, "b"), steps="aba") == [1, 1, 0]
    assert await _done(store, once, ("ann", 1, "b"), ("ann", 2, "a"), steps="aba") == [1, 1, 1]
    for order in ORDERS[2:]:
        assert await _done(store, once, steps="aa", order=order) == [1, 0]
        assert await _done(store, ("ann", 0, "b"), once, twice, steps="aab", order=order) == [1, 1, 1]


async def test_events_of_one_instant_stand_in_the_order_of_the_steps(store: Store) -> None:
    together = [("ann", 1, name) for name in "cba"]
    assert await _done(store, *together, steps="abc") == [1, 1, 1]
    assert await _done(store, *together, steps="cba") == [1, 1, 1]
    assert await _done(store, *together, ("ann", 1, "x"), steps="abc", order="strict") == [1, 1, 1]


async def test_the_last_second_of_the_window_counts(store: Store) -> None:
    for order in ORDERS:
        assert await _done(store, ("ann", 0, "a"), ("ann", 10, "b"), steps="ab", window=10, order=order) == [1, 1]
        late = [("ann", 0, "a"), ("ann", 10.000001, "b")]
        assert await _done(store, *late, steps="ab", window=10, order=order) == [1, 0]


async def test_a_later_attempt_counts_when_it_gets_further(store: Store) -> None:
    late = [("ann", 0, "a"), ("ann", 1, "b"), ("ann", 100, "a"), ("ann", 101, "b"), ("ann", 102, "c")]
    for order in ORDERS:
        assert await _done(store, *late, steps="abc", window=10, order=order) == [1, 1, 1]
    again = [("ann", 0, "a"), ("ann", 100, "a"), ("ann", 109, "b"), ("bob", 0, "a"), ("bob", 11, "b")]
    assert await _done(store, *again, steps="ab", window=10) == [2, 1]


async def test_strict_steps_have_nothing_between_them(store: Store) -> None:
    between = [("ann", 0, "a"), ("ann", 1, "x"), ("ann", 2, "b")]
    assert await _done(store, *between, steps="ab", order="strict") == [1, 0]
    assert await _done(store, *between, steps="ab") == [1, 1]
    scope = {"field": "name", "op": "!=", "value": "x"}
    assert await _done(store, *between, steps="ab", order="strict", filter=scope) == [1, 1], "out of the scope"
    assert await _done(store, *between, steps="ba", order="any") == [1, 1]


async def test_nobody_is_no_person_and_a_user_of_two_sites_is_one(store: Store) -> None:
    number = next(numbers) * 1000
    sites = [f"x{number}", f"y{number}"]
    events = [
        make_event(number + index, sites[index % 2], name=name, user_id=user, timestamp=NOON + index * SECOND)
        for index, (name, user) in enumerate([("a", None), ("b", None), ("a", "ann"), ("b", "ann")])
    ]
    await put(store, events)
    both = {"field": "site_id", "op": "in", "value": sites}
    for order in ORDERS:
        query = FunnelQuery(site_id=None, filter=both, steps=[{"name": "a"}, {"name": "b"}], order=order)
        assert [row["users"] for row in (await store.run(query)).rows] == [1, 1]
        assert (await store.run(query.model_copy(update={"site_id": sites[1]}))).rows[0]["users"] == (order == "any")


async def test_a_funnel_of_twenty_steps(store: Store) -> None:
    number = next(numbers) * 1000
    names = "abcdefghijklmnopqrst"
    for order, turn in product(ORDERS, (False, True)):
        site = f"{order}{turn}{number}"
        events = [
            make_event(number + n, site, name=name, user_id=user, timestamp=NOON + n * SECOND)
            for user in ("ann", "bob")
            for n, name in enumerate(names if user == "ann" else names[:7])
        ]
        number += 1000
        events = [
            make_event(number + n, site, name=e.name, user_id=e.user_id, timestamp=e.timestamp)
            for n, e in enumerate(events)
        ]
        await put(store, events)
        steps = [{"name": name} for name in (names[::-1] if turn else names)]
        query = FunnelQuery(site_id=site, steps=steps, order=order, window=15)
        assert same((await store.run(query)).rows, funnel_answer(query, events))


async def test_a_cursor_belongs_to_its_funnel(store: Store) -> None:
    number = next(numbers) * 1000
    events = [make_event(number + n, "default", name="a", user_id=f"u{n}", timestamp=NOON) for n in range(3)]
    await put(store, events)
    since = datetime(2025, 1, 1, tzinfo=UTC)
    query = FunnelUsersQuery(steps=[{"name": "a"}, {"name": "b"}], step=1, limit=1, since=since)
    cursor = (await store.run(query)).next_cursor
    assert cursor
    for change in ({"step": 2}, {"window": 5}, {"cursor": "W1tdLFtdXQ"}, {"cursor": "x"}):
        with pytest.raises(InvalidRequest):
            await store.run(query.model_copy(update={"cursor": cursor, **change}))
