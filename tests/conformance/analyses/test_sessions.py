"""Every store answers queries about sessions as the oracle does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.sessions import DEFAULT_METRICS, SessionsQuery
from tallystick.model.query import AllOf, Condition
from tallystick.store import Store
from tests.helpers.analysis_steps import filters, moments, scopes, visits
from tests.helpers.query_steps import NOON, ZONES, make_event, put, same, some_events
from tests.helpers.thorough import examples
from tests.oracle.sessions import answer_sessions

METRICS = [*DEFAULT_METRICS, "avg_duration", "pages", "events"]
BREAKDOWNS = [
    "entry_page",
    "exit_page",
    "channel",
    "referrer",
    "path",
    "name",
    "user_id",
    "properties.utm_source",
    "properties.$referring_domain",
]


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    interval = draw(st.sampled_from([None, "hour", "day", "week", "month"]))
    breakdown = draw(st.lists(st.sampled_from(BREAKDOWNS), max_size=2, unique=True))
    since, until = sorted(draw(st.lists(moments, min_size=2, max_size=2)))
    fill = draw(st.booleans())
    if interval and fill:
        until = min(until, since + timedelta(days=2 if interval == "hour" else 60))
    elif interval == "hour":
        until = min(until, since + timedelta(days=800))
    else:
        since, until = draw(st.sampled_from([since, None])), draw(st.sampled_from([until, None]))
        fill = fill and not interval
    return {
        "metrics": draw(st.lists(st.sampled_from(METRICS), min_size=1, max_size=7, unique=True)),
        "bounce": draw(st.sampled_from(["one_page", "one_event"])),
        "inactivity": draw(st.sampled_from([30, 30, 1, 720])),
        "page_names": draw(st.sampled_from([["page_view"], ["page_view", "$pageview"]])),
        "interval": interval,
        "timezone": draw(st.sampled_from(ZONES)),
        "fill": fill,
        "breakdown": breakdown,
        "other": bool(breakdown) and draw(st.booleans()),
        "top": draw(st.sampled_from([1, 2, 100])),
        "since": since,
        "until": until,
        "filter": draw(filters),
    }


async def check(store: Store, query: SessionsQuery, events: list[Event]) -> None:
    got, wanted = (await store.run(query)).rows, answer_sessions(query, events)
    assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), asked=st.lists(questions(), min_size=2, max_size=5))
async def test_any_question_about_sessions_is_answered_exactly(
    store: Store, events: list[Event], asked: list[dict[str, Any]]
) -> None:
    await put(store, events)
    for question in asked:
        for scope in scopes(events):
            await check(store, SessionsQuery(**{**question, **scope}), events)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), question=questions())
async def test_sessions_of_all_sites_stay_apart(store: Store, events: list[Event], question: dict[str, Any]) -> None:
    """Two sites may use the same ids. The store has other examples' events too, which the filter leaves out."""
    await put(store, events)
    ours = Condition(field="site_id", op="in", value=sorted({event.site_id for event in events}))
    parts = [part for part in (question["filter"], ours) if part]
    query = SessionsQuery(**{**question, "site_id": None, "filter": AllOf(all=parts)})
    await check(store, query, events)


async def test_a_session_that_crosses_an_edge_belongs_to_the_range_in_which_it_begins(store: Store) -> None:
    """Whole, up to 24 hours after the range; a session that began before it is not counted again."""
    minutes = [0, 10, 20, 24 * 60 + 14]
    events = [
        make_event(
            80_000_000 + n,
            "edge",
            name="page_view",
            path=f"/{n}",
            session_id="s",
            timestamp=NOON + timedelta(minutes=minute),
        )
        for n, minute in enumerate(minutes)
    ]
    await put(store, events)
    edge = NOON + timedelta(minutes=15)
    metrics: Any = ["sessions", "pages", "avg_duration"]
    before = SessionsQuery(site_id="edge", until=edge, metrics=metrics, breakdown=["exit_page"])
    assert (await store.run(before)).rows == [
        {"exit_page": "/3", "sessions": 1, "pages": 4, "avg_duration": (24 * 60 + 14) * 60.0}
    ]
    sooner = before.model_copy(update={"until": edge - timedelta(minutes=2)})
    assert (await store.run(sooner)).rows[0]["pages"] == 3, "the last event is more than 24 hours behind the range"
    after = SessionsQuery(site_id="edge", since=edge, metrics=metrics)
    assert (await store.run(after)).rows == [{"sessions": 0, "pages": 0, "avg_duration": None}]


async def test_nobody_is_no_session(store: Store) -> None:
    await put(store, [make_event(81_000_000, "nobody", name="page_view", timestamp=NOON)])
    assert (await store.run(SessionsQuery(site_id="nobody", metrics=["sessions"]))).rows == [{"sessions": 0}]


async def test_too_many_buckets_are_refused(store: Store) -> None:
    await put(store, some_events("default", 3))
    with pytest.raises(InvalidRequest):
        await store.run(SessionsQuery(interval="minute", since=NOON, until=NOON + timedelta(days=20)))
