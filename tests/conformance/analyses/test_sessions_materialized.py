"""DuckDB materializes the session index, user numbers and user times ahead of queries. However much of them is built,
every answer is the oracle's (G10).

The states: `raw` builds nothing; `behind` builds them for some events of each example, in small pieces; `folded` builds
them for all. Paths are read from trails; in the state `short`, a trail has at most two pages, and only sessions of at
most three page views have one.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.analysis.paths.trails import can_use_trails
from tallystick.analysis.sessions.index import can_use_session_index
from tallystick.config import Settings
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.queries.funnel import FunnelQuery
from tallystick.model.queries.paths import PathsQuery
from tallystick.model.queries.sessions import SessionsQuery
from tallystick.model.query import Filter, MetricsQuery
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.upkeep import sessions, sessions_sql
from tallystick.store.duckdb.upkeep import user_times as times
from tests.conformance.analyses.test_funnels import doings, funnels
from tests.conformance.analyses.test_identity import agree, of_all, sites_of
from tests.conformance.analyses.test_paths import path_questions
from tests.conformance.analyses.test_sessions import questions
from tests.conformance.analyses.test_store_queries import event_lists, filters, metrics_queries
from tests.helpers.analysis_steps import moments, scopes, visits
from tests.helpers.identity_steps import joining, unique
from tests.helpers.query_steps import NOON, ask, same
from tests.helpers.query_steps import check as matches_oracle
from tests.helpers.thorough import examples
from tests.oracle import metrics as oracle
from tests.oracle.funnel import funnel_answer
from tests.oracle.identity import about_sent, as_persons
from tests.oracle.paths import answer_paths
from tests.oracle.sessions import answer_sessions

blocks = itertools.count()
STATES = ["raw", "behind", "folded"]
OF_USERS = ["users", "events_per_user"]


@pytest.fixture
async def store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DuckDBStore]:
    """A store that builds the index as often as it can, three rows at a time, and reads it however small it is."""
    monkeypatch.setattr(sessions, "PIECE", 3)
    monkeypatch.setattr(sessions, "REST", 0.0)
    monkeypatch.setattr(sessions, "NEW_SHARE_MAX", 1.0)
    monkeypatch.setattr(times, "PIECE", 4)
    store = DuckDBStore(settings)
    await store.open()
    yield store
    await store.close()


async def put(store: DuckDBStore, events: list[Event], state: str) -> None:
    """Store events in two blocks. `behind`: the index has the first block without its last rows, not the second."""
    half = len(events) // 2
    for part, pieces in ((events[:half], half // 4), (events[half:], 0)):
        if part:
            await store.write([make_block(f"{next(blocks):016x}", 0, encode_lines(part), len(part))])
        for _ in range({"raw": 0, "behind": pieces, "folded": 1_000_000}[state]):
            if not fold_once(store):
                break
        while state != "raw" and times.step(store._writer, sessions.read_watermark(store._writer)):
            pass  # `behind`: some events have their users' times put together, some only numbers, and some neither


def fold_once(store: DuckDBStore) -> bool:
    return store._sessions.step(store._writer)


async def check(store: DuckDBStore, query: SessionsQuery | PathsQuery, events: list[Event]) -> None:
    result = await store.run(query)
    if isinstance(query, PathsQuery):
        wanted, indexed = answer_paths(query, events), can_use_trails(query)
    else:
        wanted, indexed = answer_sessions(query, events), can_use_session_index(query)
    assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}"
    there = sessions.read_watermark(store._writer) is not None
    assert result.from_rollup == (there and indexed), "it says whether the session index was read"


indexed = questions().map(lambda given: {**given, "filter": None, "page_names": ["pageview", "$pageview", "page_view"]})
with_trails = path_questions().filter(lambda given: given["by"] == "page").map(lambda given: {**given, "filter": None})


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), asked=st.lists(indexed, min_size=2, max_size=5), other=questions())
async def test_any_question_has_the_same_answer(
    store: DuckDBStore, state: str, events: list[Event], asked: list[dict[str, Any]], other: dict[str, Any]
) -> None:
    await put(store, events, state)
    for question in [*asked, other]:
        for scope in scopes(events):
            await check(store, SessionsQuery(**{**question, **scope}), events)
    assert await store.verify() == []


@pytest.mark.parametrize("state", [*STATES[1:], "short"])
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=visits(most=60),
    in_order=st.booleans(),
    asked=st.lists(with_trails, min_size=2, max_size=5),
    ends=st.lists(st.none() | moments, min_size=5, max_size=5),
    other=path_questions(),
)
async def test_any_question_about_paths_has_the_same_answer(
    store: DuckDBStore,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    events: list[Event],
    in_order: bool,
    asked: list[dict[str, Any]],
    ends: list[Any],
    other: dict[str, Any],
) -> None:
    monkeypatch.setattr(sessions_sql, "TRAIL_MOST", 2 if state == "short" else 32)
    monkeypatch.setattr(sessions_sql, "TRAIL_PAGES", 3 if state == "short" else 1_000)
    if in_order:  # as most arrive: the pieces of a session are then put together without another look
        events.sort(key=lambda event: event.timestamp)
    await put(store, events, "folded" if state == "short" else state)
    for question, end in zip([*asked, other], [*ends, None], strict=False):
        since = question["since"]
        until = end if end is None or since is None or end > since else None
        for scope in scopes(events):
            await check(store, PathsQuery(**{**question, "until": until, **scope}), events)
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES[1:])
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=doings(),
    asked=st.lists(funnels(), min_size=3, max_size=6),
    of_one=st.sampled_from([None, "ann", "Zoë"]),
    breakdown=st.sampled_from([None, None, "path", "user_id"]),
)
async def test_any_funnel_has_the_same_answer(
    store: DuckDBStore,
    state: str,
    events: list[Event],
    asked: list[dict[str, Any]],
    of_one: str | None,
    breakdown: str | None,
) -> None:
    """Some persons have a number, some get one within the query, and some have none."""
    await put(store, events, state)
    own = of_one and {"filter": {"field": "user_id", "op": "=", "value": of_one}}
    for question in asked:
        for scope in scopes(events):
            query = FunnelQuery(**{**question, **(own or {}), **scope, "breakdown": breakdown})
            got, wanted = (await store.run(query)).rows, funnel_answer(query, events)
            assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES[1:])
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=event_lists(), asked=st.lists(metrics_queries(), min_size=3, max_size=6), kind=st.sampled_from(OF_USERS))
async def test_any_count_of_users_is_the_same(
    store: DuckDBStore, state: str, events: list[Event], asked: list[dict[str, Any]], kind: str
) -> None:
    await put(store, events, state)
    for question in asked:
        metrics = [{"kind": kind, "name": "of_users"}, *question["metrics"]]
        for scope in scopes(events):
            query = MetricsQuery(**{**question, "metrics": metrics, **scope, "limit": 10_000})
            await matches_oracle(store, query, events)
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES[1:])
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=joining(doings()),
    asked=st.lists(funnels(), min_size=2, max_size=4),
    everywhere=st.booleans(),
    tests=st.lists(st.none() | filters, min_size=2, max_size=2),
)
async def test_any_person_is_counted_once(
    store: DuckDBStore,
    state: str,
    events: list[Event],
    asked: list[dict[str, Any]],
    everywhere: bool,
    tests: list[Filter | None],
) -> None:
    """The ids of joined persons have numbers, and so has each person, also one without an event under that id."""
    await put(store, events, state)
    persons = as_persons(unique(events))
    for question in asked:
        all_sites = of_all(events, question["filter"])
        for place in [all_sites] if everywhere else [{"site_id": site} for site in sites_of(events)]:
            query = FunnelQuery(**{**question, **place})
            agree(query, (await store.run(query)).rows, funnel_answer(query, persons))
    for test, scope in itertools.product(tests, [{"site_id": site} for site in sites_of(events)]):
        counted = MetricsQuery(metrics=[{"kind": kind} for kind in OF_USERS], breakdown=["path"], filter=test, **scope)
        wanted = oracle.answer(counted.model_copy(update={"filter": about_sent(test)}), persons)
        agree(counted, await ask(store, counted), wanted)
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lists=st.lists(visits(most=16), min_size=1, max_size=3),
    asked=st.lists(indexed, min_size=2, max_size=4),
    way=with_trails,
)
async def test_all_sites_and_purged_events(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    lists: list[list[Event]],
    asked: list[dict[str, Any]],
    way: dict[str, Any],
) -> None:
    """Of a store that has nothing else: two sites may use the same ids, and retention cuts sessions."""
    monkeypatch.setattr(sessions, "PIECE", 3)
    monkeypatch.setattr(sessions, "REST", 0.0)
    monkeypatch.setattr(sessions, "NEW_SHARE_MAX", 1.0)
    monkeypatch.setattr(times, "PIECE", 4)
    store = DuckDBStore(settings.model_copy(update={"data": settings.data / f"{next(blocks)}"}))
    await store.open()
    try:
        there: list[Event] = []
        for events in lists:
            await put(store, events, state)
            there += events
            for question in asked:
                await check(store, SessionsQuery(**{**question, "site_id": None}), there)
            await check(store, PathsQuery(**{**way, "site_id": None}), there)
            middle = sorted(event.timestamp for event in there)[len(there) // 2]
            border = middle - (middle - NOON) % timedelta(minutes=15)
            await store.purge(border)
            there = [event for event in there if event.timestamp >= border]
            for question in asked:
                await check(store, SessionsQuery(**{**question, "site_id": None}), there)
            await check(store, PathsQuery(**{**way, "site_id": None}), there)
            assert await store.verify() == []
    finally:
        await store.close()
