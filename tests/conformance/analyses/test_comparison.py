"""Every store compares with another period as the oracle does, and sees both as of one moment (G10)."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.comparison import Period
from tallystick.model.queries.formula import Formula
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.query import AllOf, Condition, Metric, MetricsQuery
from tallystick.store import Store, make_store
from tests.conformance.analyses.test_formulas import metrics
from tests.conformance.analyses.test_store_queries import event_lists, scopes
from tests.helpers.analysis_steps import visits
from tests.helpers.query_steps import (
    FIELDS,
    MOMENTS,
    NOON,
    ZONES,
    fixed_events,
    make_event,
    put,
    same,
    some_events,
)
from tests.helpers.thorough import examples, some
from tests.oracle.comparison import Comparable, answer_compared

HOURS = {"minute": 6, "hour": 60, "day": 24 * 40, "week": 24 * 90, "month": 24 * 200}
"""How long a series may be for the oracle, which walks through it."""
MIDDAY = make_event(90_000_000, "empty", name="n", timestamp=NOON)


def floor(moment: datetime, zone: ZoneInfo, unit: str) -> datetime:
    """The beginning of the local day or month; else the quarter hour."""
    if unit == "quarter":
        return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    local = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (local.replace(day=1) if unit == "month" else local).astimezone(UTC)


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Around clock changes: any instants, quarter hours, local days and months; the period before, or another."""
    interval = draw(st.sampled_from([None, None, "minute", "hour", "day", "week", "month"]))
    name = draw(st.sampled_from(ZONES))
    minutes = 60 * HOURS[interval or "month"]
    since = draw(st.sampled_from(MOMENTS)) + timedelta(minutes=draw(st.integers(-minutes, minutes // 2)))
    until = since + timedelta(minutes=draw(st.integers(0, minutes)))
    edges = draw(st.sampled_from(["", "quarter", "day", "day", "month"]))
    if edges:
        since = floor(since, ZoneInfo(name), edges)
        until = floor(until, ZoneInfo(name), draw(st.sampled_from([edges, "quarter"])))
        until = min(until, since + timedelta(minutes=minutes))
    # There a day began, gave way to the end of the day before a minute later, and began again: no series goes back.
    assume(name != "America/St_Johns" or since.year != 2010)
    compare: Any = "previous"
    if draw(st.sampled_from([False, False, True])):
        other = draw(st.sampled_from(MOMENTS)) - timedelta(minutes=draw(st.integers(0, minutes)))
        compare = Period(since=other, until=other + timedelta(minutes=draw(st.integers(0, minutes))))
    return {
        "since": since,
        "until": max(since, until),
        "interval": interval,
        "timezone": name,
        "week_start": draw(st.sampled_from(["monday", "sunday"])),
        "compare": compare,
        "fill": draw(st.booleans()),
    }


@st.composite
def groups(draw: st.DrawFn, fields: list[str]) -> dict[str, Any]:
    breakdown = draw(st.lists(st.sampled_from(fields), max_size=2, unique=True))
    top = draw(st.sampled_from([None, 1, 2, 3])) if breakdown else None
    return {"breakdown": breakdown, "top": top, "other": top is not None and draw(st.booleans())}


async def check(store: Store, query: Comparable, events: list[Event]) -> None:
    result = await store.run(query)
    wanted = answer_compared(query, events)
    assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}\nfrom {result.previous}"


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=event_lists(),
    questions=st.lists(st.tuples(ranges(), metrics(), groups(FIELDS)), min_size=3, max_size=6),
)
async def test_metrics_beside_those_of_another_period(
    store: Store, events: list[Event], questions: list[tuple[dict[str, Any], ...]]
) -> None:
    """G10: bucket by bucket and group by group, with formulas."""
    await put(store, events)
    for parts, scope in product(questions, scopes(events)):
        question = {name: value for part in parts for name, value in part.items()}
        await check(store, MetricsQuery(**{**question, **scope}), events)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=visits(),
    questions=st.lists(
        st.tuples(ranges(), groups(["entry_page", "exit_page", "channel", "user_id"])), min_size=2, max_size=5
    ),
)
async def test_sessions_beside_those_of_another_period(
    store: Store, events: list[Event], questions: list[tuple[dict[str, Any], ...]]
) -> None:
    """G10."""
    await put(store, events)
    for (period, parts), site in product(questions, sorted({event.site_id for event in events})):
        top = parts["top"] or 100
        await check(store, SessionsQuery(**{**period, **parts, "top": top, "site_id": site}), events)


CHANGES = [
    ("Europe/Berlin", (2025, 3, 1), (2025, 4, 1)),
    ("Europe/Berlin", (2025, 3, 31), (2025, 4, 1)),
    ("Europe/Berlin", (2025, 10, 26), (2025, 10, 27)),
    ("Europe/Berlin", (2025, 10, 27), (2025, 11, 3)),
    ("Pacific/Apia", (2011, 12, 31), (2012, 1, 3)),
    ("Australia/Lord_Howe", (2025, 4, 6), (2025, 4, 7)),
]


@pytest.mark.parametrize(("name", "first", "last"), CHANGES)
async def test_days_of_another_length_stand_beside_whole_days(
    store: Store, name: str, first: tuple[int, int, int], last: tuple[int, int, int]
) -> None:
    """G10."""
    events = fixed_events("clock")
    await put(store, events)
    since, until = (datetime(*day, tzinfo=ZoneInfo(name)).astimezone(UTC) for day in (first, last))
    for interval, fields in some(product(("hour", "day", "month", None), ([], ["name"]))):
        query = MetricsQuery(
            site_id="clock",
            since=since,
            until=until,
            compare="previous",
            timezone=name,
            interval=interval,
            metrics=[Metric(), Metric(kind="users")],
            formulas=[Formula(expression="A / B")],
            breakdown=fields,
        )
        await check(store, query, events)


async def test_without_until_the_question_ends_now(store: Store) -> None:
    now = datetime.now(UTC)
    ages = {"shown": 5, "before": 15, "long ago": 25, "ahead": -500}
    await put(
        store,
        [
            make_event(91_000_000 + age, "now", name=name, timestamp=now - timedelta(minutes=age))
            for name, age in ages.items()
        ],
    )
    query = MetricsQuery(site_id="now", since=now - timedelta(minutes=10), compare="previous")
    result = await store.run(query)
    assert result.rows == [{"events": 1, "previous": {"events": 1}}]
    assert result.previous is not None
    assert result.previous.until == query.since
    assert timedelta(minutes=10) <= result.previous.until - result.previous.since < timedelta(minutes=15)


async def test_groups_that_are_gone_are_looked_up_and_others_are_not(store: Store) -> None:
    """Without `top` all groups of the other period are read, also if they are more than `limit`."""
    events = [
        make_event(92_000_000 + 100 * day + n, "gone", name=f"n{n % names}", timestamp=NOON + timedelta(days=day))
        for day, names in ((0, 30), (1, 2))
        for n in range(30)
    ]
    await put(store, events)
    query = MetricsQuery(
        site_id="gone",
        since=NOON + timedelta(days=1),
        until=NOON + timedelta(days=2),
        breakdown=["name"],
        limit=2,
        compare="previous",
    )
    await check(store, query, events)
    assert [row["previous"]["events"] for row in (await store.run(query)).rows] == [1, 1]


async def test_an_answer_that_is_not_whole_is_refused(store: Store) -> None:
    await put(store, some_events("cut", 20))
    since = NOON + timedelta(minutes=10)
    question: dict[str, Any] = {"site_id": "cut", "since": since, "until": NOON + timedelta(minutes=20)}
    for more in ({"interval": "minute"}, {"breakdown": ["name"]}, {"breakdown": ["name"], "top": 3}):
        with pytest.raises(InvalidRequest, match="comes whole"):
            await store.run(MetricsQuery(**question, **more, compare="previous", limit=2))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"since": None, "until": None}, "needs since"),
        ({"since": datetime.now(UTC) + timedelta(days=1), "until": None}, "lies in the future"),
        ({"since": datetime(1, 6, 1, tzinfo=UTC), "until": datetime(3, 1, 1, tzinfo=UTC)}, "before the year 1"),
        ({"interval": "minute", "compare": Period(since=since - timedelta(days=20), until=since)}, "28800 minute"),
    ]
    for change, complaint in wrong:
        for shape in (MetricsQuery, SessionsQuery):
            with pytest.raises(InvalidRequest, match=complaint):
                await store.run(shape(**{**question, "compare": "previous", **change}))


async def test_a_period_without_groups_is_not_looked_up(store: Store) -> None:
    await put(store, [MIDDAY])
    since, until = (NOON + timedelta(hours=hour) for hour in (1, 2))
    for shape in (MetricsQuery, SessionsQuery):
        groups: dict[str, Any] = {"breakdown": ["name"], "top": 3, "other": True}
        result = await store.run(shape(site_id="empty", since=since, until=until, compare="previous", **groups))
        assert (result.rows, result.previous) == ([], Period(since=NOON, until=since))


async def test_both_periods_are_of_one_moment(
    store: Store, store_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10: what is stored between the two statements is in neither."""
    await put(store, some_events("moment", 20))
    more = some_events("moment", 20)
    loop = asyncio.get_running_loop()
    scheme = store_settings.store_url.partition(":")[0] or "duckdb"
    module = f"tallystick.store.{scheme.replace('postgresql', 'postgres')}.read"
    groups_of = import_module(module).groups_of
    stored = []

    async def elsewhere() -> None:
        other = make_store(store_settings)
        await other.open()
        await put(other, more, tidy=False)
        await other.close()

    def between(*arguments: Any) -> Any:
        if threading.current_thread() is threading.main_thread():  # the event loop's own: another one stores them
            thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
            thread.start()
            thread.join()
        else:
            asyncio.run_coroutine_threadsafe(put(store, more, tidy=False), loop).result(60)
        stored.append(True)
        return groups_of(*arguments)

    monkeypatch.setattr(f"{module}.groups_of", between)
    query = MetricsQuery(
        site_id="moment",
        since=NOON + timedelta(minutes=10),
        until=NOON + timedelta(minutes=20),
        compare="previous",
        filter=AllOf(all=[Condition(field="path", op="not_set")]),
    )
    assert (await store.run(query)).rows == [{"events": 10, "previous": {"events": 10}}]
    assert stored == [True]
    monkeypatch.undo()
    assert (await store.run(query)).rows == [{"events": 20, "previous": {"events": 20}}]
