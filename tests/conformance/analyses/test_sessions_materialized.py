"""The stores materialize the session index ahead of queries, DuckDB also user numbers and user times; ClickHouse builds
sessions by day. However much of them is built, every answer is the oracle's (G10).

The states: `raw` builds nothing; `behind` builds them for some events of each example, in small pieces; `folded` builds
them for all. Paths are read from trails; in the state `short`, a trail has at most two pages, and only sessions of at
most three page views have one.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
from tallystick.model.query import AllOf, Filter, MetricsQuery, Query
from tallystick.store import Store, make_store
from tallystick.store.clickhouse import ClickHouseStore
from tallystick.store.clickhouse.upkeep import session_days
from tallystick.store.duckdb import DuckDBStore
from tallystick.store.duckdb.upkeep import sessions, sessions_sql
from tallystick.store.duckdb.upkeep import user_times as times
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres.upkeep import sessions as postgres_sessions
from tallystick.store.postgres.upkeep import sessions_sql as postgres_sql
from tests.conformance.analyses.test_funnels import doings, funnels
from tests.conformance.analyses.test_identity import agree, of_all, sites_of
from tests.conformance.analyses.test_paths import path_questions
from tests.conformance.analyses.test_sessions import questions
from tests.conformance.analyses.test_store_queries import event_lists, filters, metrics_queries
from tests.conformance.analyses.test_visit_filters import QUERIES, ranges, visit_filters
from tests.conformance.analyses.test_visit_filters import agree as same_as_by_event_id
from tests.helpers.analysis_steps import NO_BOT, moments, scopes, visits
from tests.helpers.identity_steps import joining, unique
from tests.helpers.query_steps import NOON, ask, same
from tests.helpers.query_steps import check as matches_oracle
from tests.helpers.thorough import examples
from tests.oracle import metrics as oracle
from tests.oracle.funnel import funnel_answer
from tests.oracle.identity import about_sent, as_persons
from tests.oracle.paths import answer_paths
from tests.oracle.sessions import answer_sessions
from tests.oracle.visit_filters import by_event_id
from tests.servers.clickhouse import ClickHouseCluster, ClickHouseServer
from tests.servers.postgres import PostgresServer

blocks = itertools.count()
STATES = ["raw", "behind", "folded"]
OF_USERS = ["users", "events_per_user"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is built as often as it can be, three rows at a time, and read however small it is."""
    monkeypatch.setattr(sessions, "PIECE", 3)
    monkeypatch.setattr(sessions, "REST", 0.0)
    monkeypatch.setattr(sessions, "NEW_SHARE_MAX", 1.0)
    monkeypatch.setattr(times, "PIECE", 4)
    monkeypatch.setattr(postgres_sessions, "PIECE", 3)
    for name, value in (("LEAST", 1), ("QUIET", 0), ("AGAIN", 0), ("PIECE", 5)):
        monkeypatch.setattr(session_days, name, value)


@pytest.fixture
async def store(store_settings: Settings) -> AsyncIterator[Store]:
    """Each store in turn."""
    async with opened(store_settings) as store:
        yield store


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    store = make_store(settings)
    await store.open()
    while isinstance(store, PostgresStore) and await store.maintain():
        pass  # from here on it covers events in the order in which they are stored
    yield store
    await store.close()


async def put(store: Store, events: list[Event], state: str) -> None:
    """Store events in two blocks. `behind`: the index has the first block without its last rows, not the second."""
    half = len(events) // 2
    for part, pieces in ((events[:half], half // 4), (events[half:], 0)):
        # PostgreSQL covers all events of a transaction in one step.
        size = 3 if state == "behind" and isinstance(store, PostgresStore) else max(1, len(events))
        for first in range(0, len(part), size):
            few = part[first : first + size]
            await store.write([make_block(f"{next(blocks):016x}", 0, encode_lines(few), len(few))])
        for _ in range({"raw": 0, "behind": pieces, "folded": 1_000_000}[state]):
            if not await fold_once(store):
                break
        while state != "raw" and isinstance(store, DuckDBStore):
            if not times.step(store._writer, sessions.read_watermark(store._writer)):
                break  # `behind`: some events have their users' times put together, some only numbers, some neither


@contextmanager
def another_database(url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database, if there is a server."""
    if not url:
        yield url
        return
    name = "postgres" if url.startswith("postgres") else "sharded" if "cluster=" in url else "clickhouse"
    server: PostgresServer | ClickHouseServer | ClickHouseCluster = request.getfixturevalue(f"{name}_server")
    url = server.new_database()
    yield url
    server.drop_database(url)


async def fold_once(store: Store) -> bool:
    if isinstance(store, ClickHouseStore):
        return await session_days.step(store._admin)
    return store._sessions.step(store._writer) if isinstance(store, DuckDBStore) else await store.maintain()


async def has_index(store: Store) -> bool:
    """Whether queries read the index."""
    if isinstance(store, DuckDBStore):
        return sessions.read_watermark(store._writer) is not None
    assert isinstance(store, PostgresStore)
    async with store._read() as connection:
        return await postgres_sessions.read_session_index(connection) is not None


async def check(store: Store, query: SessionsQuery | PathsQuery, events: list[Event]) -> None:
    result = await store.run(query)
    if isinstance(query, PathsQuery):
        wanted, indexed = answer_paths(query, events), can_use_trails(query)
    else:
        wanted, indexed = answer_sessions(query, events), can_use_session_index(query)
    assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}"
    if not isinstance(store, ClickHouseStore):  # it depends on which whole days the range has
        assert result.from_rollup == (indexed and await has_index(store)), "it says whether the session index was read"


with_index = st.sampled_from([{"filter": None}, {"filter": NO_BOT}])
indexed = st.builds(
    lambda given, bots: {**given, **bots, "page_names": ["pageview", "$pageview", "page_view"]}, questions(), with_index
)
of_pages = path_questions().filter(lambda given: given["by"] == "page")
with_trails = st.builds(lambda given, bots: {**given, **bots}, of_pages, with_index)


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), asked=st.lists(indexed, min_size=2, max_size=5), other=questions())
async def test_any_question_has_the_same_answer(
    store: Store, state: str, events: list[Event], asked: list[dict[str, Any]], other: dict[str, Any]
) -> None:
    await put(store, events, state)
    for question in [*asked, other]:
        for scope in scopes(events):
            await check(store, SessionsQuery(**{**question, **scope}), events)
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES[1:])
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=visits(),
    asked=st.lists(st.tuples(indexed, visit_filters), min_size=2, max_size=5),
    others=st.lists(st.tuples(st.sampled_from(QUERIES), visit_filters, ranges()), min_size=2, max_size=4),
)
async def test_filters_of_visits_have_the_same_answer(
    store: Store,
    state: str,
    events: list[Event],
    asked: list[tuple[dict[str, Any], Filter]],
    others: list[tuple[Callable[[dict[str, Any]], Query], Filter, dict[str, Any]]],
) -> None:
    """Queries about sessions take their numbers from the index, and all others find the visits in it."""
    await put(store, events, state)
    for site in sites_of(events):
        ours = [event for event in events if event.site_id == site]
        for question, filter_ in asked:
            both = filter_ if question["filter"] is None else AllOf(all=[question["filter"], filter_])
            query = SessionsQuery(**{**question, "site_id": site, "filter": both})
            result, wanted = await store.run(query), answer_sessions(by_event_id(query, ours), ours)
            assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}"
            if not isinstance(store, ClickHouseStore):
                assert result.from_rollup == (can_use_session_index(query) and await has_index(store))
        for make, filter_, range_ in others:
            await same_as_by_event_id(store, make({"site_id": site, "filter": filter_, **range_}), events)


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
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    events: list[Event],
    in_order: bool,
    asked: list[dict[str, Any]],
    ends: list[Any],
    other: dict[str, Any],
) -> None:
    for module in (sessions_sql, postgres_sql):
        monkeypatch.setattr(module, "TRAIL_MOST", 2 if state == "short" else 32)
        monkeypatch.setattr(module, "TRAIL_PAGES", 3 if state == "short" else 1_000)
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
    store: Store,
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
    store: Store, state: str, events: list[Event], asked: list[dict[str, Any]], kind: str
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
    store: Store,
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
    store_settings: Settings,
    request: pytest.FixtureRequest,
    state: str,
    lists: list[list[Event]],
    asked: list[dict[str, Any]],
    way: dict[str, Any],
) -> None:
    """Of a store that has nothing else: two sites may use the same ids, and retention cuts sessions."""
    folder = store_settings.data / f"{next(blocks)}"
    with another_database(store_settings.store_url, request) as url:
        changed = store_settings.model_copy(update={"data": folder, "store_url": url})
        await ask_and_purge(changed, state, lists, asked, way)


async def ask_and_purge(
    settings: Settings, state: str, lists: list[list[Event]], asked: list[dict[str, Any]], way: dict[str, Any]
) -> None:
    async with opened(settings) as store:
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
