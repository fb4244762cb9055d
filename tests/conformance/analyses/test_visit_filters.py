"""Filters of visits, `session.<field>`: every kind of query keeps the events of the visits that plain Python keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.model.event import Event
from tallystick.model.queries.funnel import EventTest, FunnelQuery
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.retention import LifecycleQuery, RetentionQuery
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.query import (
    AllOf,
    AnyOf,
    Condition,
    EventsQuery,
    Filter,
    KeysQuery,
    Metric,
    MetricsQuery,
    PeopleQuery,
    PersonQuery,
    Query,
    ValuesQuery,
)
from tallystick.store import Store
from tests.helpers.analysis_steps import moments, visits
from tests.helpers.query_steps import NOON, ask, make_event, put, same
from tests.helpers.thorough import examples
from tests.oracle.visit_filters import by_event_id, rewritten

VALUES = {
    "entry_page": ["/", "/a", "/nowhere"],
    "exit_page": ["/b", "/ü"],
    "channel": ["direct", "search", "referral", "email", "paid_search"],
    "referrer": ["google.com", "example.org"],
    "path": ["/a", "/c"],
    "name": ["page_view", "click", "ключ"],
    "source": ["web", ""],
    "properties.utm_source": ["newsletter", "7"],
}


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = draw(st.sampled_from(sorted(VALUES)))
    op = draw(st.sampled_from(["=", "=", "!=", "in", "contains", ">", "<", "set", "not_set"]))
    value: Any = draw(st.sampled_from(VALUES[field]))
    value = {"set": None, "not_set": None, "in": [value, VALUES[field][0]]}.get(op, value)
    return Condition(field=f"session.{field}", op=op, value=value)


of_events = st.sampled_from(
    [Condition(field="path", op="=", value="/a"), Condition(field="name", op="!=", value="click")]
)
visit_filters: st.SearchStrategy[Filter] = st.one_of(
    conditions(),
    conditions(),
    st.builds(lambda one, other: AllOf(all=[one, other]), conditions(), st.one_of(of_events, conditions())),
    st.builds(lambda one, other: AnyOf(any=[one, other]), conditions(), of_events),
)
STEPS = [EventTest(name="page_view"), EventTest(name="click")]
QUERIES: list[Callable[[dict[str, Any]], Query]] = [
    lambda scope: MetricsQuery(metrics=[Metric(), Metric(kind="users"), Metric(kind="sessions")], **scope),
    lambda scope: MetricsQuery(metrics=[Metric(kind="sessions")], breakdown=["path"], top=2, other=True, **scope),
    lambda scope: MetricsQuery(breakdown=["properties.utm_source"], interval="month", fill=False, **scope),
    lambda scope: EventsQuery(**scope),
    lambda scope: EventsQuery(user_id="ann", **scope),
    lambda scope: KeysQuery(**scope),
    lambda scope: ValuesQuery(field="properties.utm_medium", **scope),
    lambda scope: SessionsQuery(breakdown=["channel"], metrics=["sessions", "pages", "events"], **scope),
    lambda scope: SessionsQuery(inactivity=1, page_names=["page_view"], breakdown=["exit_page"], **scope),
    lambda scope: PathsQuery(**scope),
    lambda scope: PathsQuery(by="event", inactivity=720, **scope),
    lambda scope: FunnelQuery(steps=STEPS, window=86_400, **scope),
    lambda scope: RetentionQuery(mode="recurring", interval="month", **scope),
    lambda scope: LifecycleQuery(interval="month", **scope),
    lambda scope: PeopleQuery(**scope),
    lambda scope: PersonQuery(user_id="ann", **scope),
]


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    since, until = sorted(draw(st.lists(moments, min_size=2, max_size=2)))
    return {"since": draw(st.sampled_from([since, None])), "until": draw(st.sampled_from([until, None]))}


async def agree(store: Store, query: Query, events: list[Event]) -> None:
    ours = [event for event in events if event.site_id == query.site_id]
    got, wanted = (await store.run(query)).rows, (await store.run(by_event_id(query, ours))).rows
    assert same(got, wanted), f"{query!r}\nfilter of visits: {got}\nof events: {wanted}"


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=visits(),
    asked=st.lists(st.tuples(st.sampled_from(QUERIES), visit_filters, ranges()), min_size=4, max_size=6),
)
async def test_a_filter_of_visits_keeps_the_events_of_these_visits(
    store: Store, events: list[Event], asked: list[tuple[Callable[[dict[str, Any]], Query], Filter, dict[str, Any]]]
) -> None:
    await put(store, events)
    for make, filter_, range_ in asked:
        for site in sorted({event.site_id for event in events}):
            await agree(store, make({"site_id": site, "filter": filter_, **range_}), events)


@settings(max_examples=examples(5), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), filter_=visit_filters, step=conditions())
async def test_a_step_and_a_metric_have_filters_of_visits_too(
    store: Store, events: list[Event], filter_: Filter, step: Condition
) -> None:
    await put(store, events)
    site = events[0].site_id
    ours = [event for event in events if event.site_id == site]

    def metrics(filter_: Filter) -> MetricsQuery:
        kinds: Any = ["events", "users", "sessions", "last_received"]
        return MetricsQuery(site_id=site, metrics=[Metric(kind=kind, filter=filter_) for kind in kinds])

    def funnel(filter_: Filter) -> FunnelQuery:
        return FunnelQuery(site_id=site, steps=[EventTest(filter=filter_), EventTest(name="click")], window=86_400)

    of_visits: Filter
    for make in (metrics, funnel):
        for of_visits in (filter_, step):
            got = (await store.run(make(of_visits))).rows
            wanted = (await store.run(make(rewritten(of_visits, make(of_visits), ours)))).rows
            assert same(got, wanted), f"{of_visits!r}\nfilter of visits: {got}\nof events: {wanted}"


def _visit(number: int, site: str, session: str | None, pages: list[str], referrer: str | None) -> list[Event]:
    """A visit of a user of its own; only its first page view has the referrer."""
    return [
        make_event(
            number + step,
            site,
            name="page_view",
            path=page,
            user_id=f"u{number}",
            session_id=session,
            timestamp=NOON + timedelta(minutes=step),
            properties={"$referring_domain": referrer} if referrer and step == 0 else {},
        )
        for step, page in enumerate(pages)
    ]


@pytest.mark.parametrize("with_id", [True, False])
async def test_a_referrer_shows_all_pages_of_its_visits(store: Store, with_id: bool) -> None:
    """Not only those on which it was sent: the later pages of a visit have no referrer."""
    site = f"referrers{with_id}"
    base = 90_000_000 if with_id else 91_000_000
    events = [
        *_visit(base, site, "one" if with_id else None, ["/", "/price"], "news.ycombinator.com"),
        *_visit(base + 10, site, "two" if with_id else None, ["/price"], "example.org"),
    ]
    await put(store, events)
    scope: dict[str, Any] = {"site_id": site, "since": NOON, "until": NOON + timedelta(days=1)}
    came = Condition(field="session.referrer", op="=", value="news.ycombinator.com")
    pages = MetricsQuery(**scope, filter=came, breakdown=["path"])
    assert (await store.run(pages)).rows == [{"path": "/", "events": 1}, {"path": "/price", "events": 1}]
    saw = Condition(field="path", op="=", value="/price")
    rows = (await store.run(MetricsQuery(**scope, filter=AllOf(all=[came, saw]), metrics=[Metric(kind="users")]))).rows
    assert rows == [{"users": 1}]
    later = {**scope, "since": NOON + timedelta(seconds=30)}
    rows = (await store.run(MetricsQuery(**later, filter=came))).rows
    assert rows == [{"events": 1}], "the entry event decides, although it lies before the range"
    elsewhere = came.model_copy(update={"op": "!="})
    rows = await ask(store, EventsQuery(**scope, filter=elsewhere))
    assert [row["path"] for row in rows] == ["/price"]


async def test_an_event_of_no_visit_fails_all_tests_but_the_negative_ones(store: Store) -> None:
    await put(store, [make_event(92_000_000, "nobody", name="click", timestamp=NOON, user_id=None, session_id=None)])
    for op, value, counted in (("=", "direct", 0), ("set", None, 0), ("!=", "direct", 1), ("not_set", None, 1)):
        condition = Condition(field="session.channel", op=op, value=value)
        rows = (await store.run(MetricsQuery(site_id="nobody", filter=condition))).rows
        assert rows == [{"events": counted}], op


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
async def test_a_step_of_visits_in_every_order(store: Store, order: Any) -> None:
    """With and without steps that an event can match together, and with loose events, whose rows are looked up."""
    base = {"ordered": 93_000_000, "strict": 94_000_000, "any": 95_000_000}[order]
    site = f"steps{order}"
    came = Condition(field="session.referrer", op="=", value="example.org")
    events = [
        *_visit(base, site, None, ["/", "/price", "/buy"], "example.org"),
        *_visit(base + 10, site, "one", ["/", "/price", "/buy"], "example.org"),
        *_visit(base + 20, site, None, ["/", "/price", "/buy"], "news.ycombinator.com"),
    ]
    await put(store, events)
    buying = Condition(field="path", op="=", value="/buy")
    second = EventTest(filter=AllOf(all=[came, buying]))
    for first in (EventTest(filter=Condition(field="path", op="=", value="/price")), EventTest(filter=came)):
        query = FunnelQuery(site_id=site, steps=[first, second], window=86_400, order=order)
        wanted = FunnelQuery(
            site_id=site,
            steps=[EventTest(filter=rewritten(step.filter, query, events)) for step in query.steps if step.filter],
            window=86_400,
            order=order,
        )
        rows = (await store.run(query)).rows
        assert same(rows, (await store.run(wanted)).rows)
        assert rows[-1]["users"] == 2, rows
