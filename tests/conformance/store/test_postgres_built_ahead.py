"""What PostgreSQL's housekeeping builds from events: counts of values, users of each hour, times of users (G4, G10).

That the answers are right, whatever is built, is tested with the oracle in tests/conformance/analyses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import TypeAdapter

from tallystick.analysis.dispatch import compile_query, needs
from tallystick.config import Settings
from tallystick.errors import StoreUnavailable
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.queries.retention import RetentionQuery
from tallystick.model.query import Condition, FunnelQuery, Metric, MetricsQuery, Query
from tallystick.store.postgres import PostgresStore
from tallystick.store.postgres.connection import Connection
from tallystick.store.postgres.sources import read_sources
from tallystick.store.postgres.upkeep import patient, user_times, value_counts
from tests.helpers.postgres_steps import connected, opened
from tests.helpers.query_steps import NOON, make_event, numbers, same
from tests.helpers.thorough import examples
from tests.oracle import metrics as oracle
from tests.oracle.funnel import funnel_answer
from tests.oracle.retention import persons_answer
from tests.servers.postgres import PostgresServer
from tests.servers.scratch import scratch_folder

DAY = timedelta(days=1)
BREAKDOWNS = [["path"], ["properties.plan"], ["properties.n", "name"], ["properties.flag"]]
STEPS = [{"name": "page_view"}, {"name": "buy"}]
NUMBERS = ["n", "amount", "plan"]
BOUGHT = Condition(field="name", op="=", value="buy")


@pytest.fixture
def settings(settings: Settings, postgres_url: str) -> Settings:
    return settings.model_copy(update={"store_url": postgres_url})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[PostgresStore]:
    async with opened(settings, 1) as (store,):
        yield store


@pytest.fixture
async def beside(settings: Settings, store: PostgresStore) -> AsyncIterator[Connection]:
    async with connected(settings) as connection:
        yield connection


@pytest.fixture
def durable_server() -> Iterator[PostgresServer]:
    with scratch_folder("built") as folder:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Housekeeping covers each new event, a few at a time: so users have several rows, with several times."""
    for module in (value_counts, user_times):
        monkeypatch.setattr(module, "LEAST", 1)
        monkeypatch.setattr(module, "PIECE", 10)


@st.composite
def doings(draw: st.DrawFn) -> list[list[Event]]:
    """Events of few users and names over some days, in pieces that are stored one after the other, old ones late."""
    base, site = next(numbers) * 100_000, f"s{next(numbers)}"
    pieces: list[list[Event]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for number in range(draw(st.integers(0, 60))):
        hours = draw(st.sampled_from([-13, -12, 0, 0, 1, 11, 12, 13, 30, 36, 60]))
        pieces[draw(st.integers(0, len(pieces) - 1))].append(
            make_event(
                base + number,
                site,
                name=draw(st.sampled_from(["a", "a", "b", "b", "c"])),
                user_id=draw(st.sampled_from(["ann", "ann", "bob", "Zoë", None])),
                timestamp=NOON + timedelta(hours=hours, seconds=draw(st.integers(0, 3))),
                properties={"$bot": True} if draw(st.integers(0, 5)) == 5 else {},
            )
        )
    return pieces


edges = st.none() | st.sampled_from([NOON + timedelta(hours=hours) for hours in (-36, -12, 0, 1, 12, 36)])
tests = st.sampled_from([{}, {"name": "a"}, {"name": "b"}, {"name": "c"}])


@st.composite
def asked_of_times(draw: st.DrawFn) -> dict[str, Any]:
    since, until = draw(edges), draw(edges)
    scope = {"since": since, "until": until if since is None or until is None or until >= since else None}
    if draw(st.booleans()):
        retention = {"mode": draw(st.sampled_from(["first_time", "recurring"])), "start": draw(tests)}
        more = {"returning": draw(tests), "interval": draw(st.sampled_from(["day", "week", "month"])), "periods": 4}
        return {"kind": "retention", **scope, **retention, **more}
    steps = draw(st.permutations("abc"))[: draw(st.integers(2, 3))]
    window = draw(st.sampled_from([1, 2, 3600, 43_200, 43_201, 10 * 86_400]))
    breakdown = draw(st.sampled_from([None, None, "name"]))
    return {
        "kind": "funnel",
        **scope,
        "steps": [{"name": name} for name in steps],
        "window": window,
        "breakdown": breakdown,
    }


def did(count: int, first: int = 0, **more: Any) -> list[Event]:
    """Events every 50 minutes: views and purchases of few users, with values of every kind."""
    values: list[Any] = ["pro", "free", None, 1.0, 10, True, ["a"], {"b": 1}]
    amounts: list[Any] = [1.5, 2, "7", -0.5, True, 12345678901234567890, 1.5, 1e-7]
    base = next(numbers) * 100_000
    return [
        make_event(
            base + n,
            "s",
            name="buy" if n % 3 == 2 else "page_view",
            user_id=f"u{n % 4}" if n % 5 else None,
            path=["/", "/a", None][n % 3],
            timestamp=NOON + timedelta(minutes=50 * n),
            properties={
                "plan": values[n % 8],
                "n": n % 3,
                "amount": amounts[n % 8],
                **({"flag": True} if n % 2 else {}),
                **({"$bot": True} if n % 7 == 0 else {}),
                **more,
            },
        )
        for n in range(first, first + count)
    ]


async def put(store: PostgresStore, events: Sequence[Event]) -> None:
    await store.write([make_block(f"{next(numbers):016x}", 0, encode_lines(list(events)), len(events))])


async def tidy(store: PostgresStore) -> None:
    while await store.maintain():
        pass


def numbers_of(key: str, own_filter: Condition | None = None) -> list[Metric]:
    kinds: list[Any] = ["sum", "avg", "min", "max"]
    return [Metric(kind=kind, name=kind, property=key, filter=own_filter) for kind in kinds]


def queries() -> list[Query]:
    """Queries that what is built answers, over ranges and days that begin at a day, an hour and a quarter hour."""
    ranges = [
        {},
        {"since": NOON, "until": NOON + 3 * DAY},
        {"since": NOON.replace(hour=0), "until": NOON.replace(hour=0) + 3 * DAY},
        {"since": NOON + timedelta(minutes=45), "until": NOON + timedelta(hours=30, minutes=15)},
    ]
    no_bot = Condition(field="properties.$bot", op="!=", value=True)
    found: list[Query] = []
    for range_ in ranges:
        of_site: dict[str, Any] = {"site_id": "s", **range_}
        found += [MetricsQuery(**of_site, breakdown=breakdown) for breakdown in BREAKDOWNS]
        found += [
            MetricsQuery(**of_site, breakdown=["path"], top=2, other=True, filter=no_bot),
            MetricsQuery(**of_site, breakdown=["path"], interval="day", timezone="America/New_York"),
            MetricsQuery(**of_site, breakdown=["properties.plan"], interval="day", filter=no_bot),
            MetricsQuery(**of_site, filter=Condition(field="properties.n", op=">", value=0), interval="hour"),
            MetricsQuery(**of_site, metrics=[Metric(kind="events"), Metric(kind="users")], interval="hour"),
            MetricsQuery(**of_site, metrics=[Metric(kind="users")], interval="hour", filter=no_bot),
            *(MetricsQuery(**of_site, metrics=numbers_of(key), interval="day", filter=no_bot) for key in NUMBERS),
            MetricsQuery(**of_site, metrics=[Metric(kind="events"), *numbers_of("amount", BOUGHT)], breakdown=["name"]),
            MetricsQuery(**of_site, metrics=numbers_of("amount"), breakdown=["source"], filter=BOUGHT),
            FunnelQuery(**of_site, steps=STEPS, window=7200, filter=no_bot),
            FunnelQuery(**of_site, steps=STEPS, breakdown="properties.plan"),
        ]
    return found


async def check(store: PostgresStore, events: Sequence[Event]) -> None:
    for query in queries():
        got = (await store.run(query)).rows
        if isinstance(query, FunnelQuery):
            wanted = funnel_answer(query, list(events))
        else:
            assert isinstance(query, MetricsQuery)
            wanted = oracle.answer(query, list(events))
        assert same(got, wanted), f"{query!r}\nstore:  {got}\noracle: {wanted}"
    assert await store.verify() == []


async def test_built_for_none_for_all_and_for_some(store: PostgresStore, beside: Connection) -> None:
    early, late = did(90), did(30, 20)
    await put(store, early)
    await check(store, early)
    await tidy(store)
    assert await beside.fetchval("SELECT count(*) FROM value_counts") > 0
    by_path = MetricsQuery(site_id="s", breakdown=["path"])
    revenue = MetricsQuery(site_id="s", metrics=numbers_of("amount"), filter=BOUGHT, interval="hour")
    assert (await store.run(revenue)).from_rollup
    assert (await store.run(by_path)).from_rollup
    await check(store, early)
    await put(store, late)
    assert not (await store.run(by_path)).from_rollup
    await check(store, [*early, *late])
    await tidy(store)
    assert (await store.run(by_path)).from_rollup
    await check(store, [*early, *late])


@settings_of_hypothesis(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=doings(), tidied=st.integers(0, 4), asked=st.lists(asked_of_times(), min_size=4, max_size=8))
@pytest.mark.usefixtures("eager")
async def test_any_question_that_times_answer(
    store: PostgresStore, pieces: list[list[Event]], tidied: int, asked: list[dict[str, Any]]
) -> None:
    """Funnels and retention of names, with the first pieces covered and the others not."""
    for number, piece in enumerate(pieces):
        if piece:
            await put(store, piece)
        if number < tidied:
            await tidy(store)
    events = [event for piece in pieces for event in piece]
    for question, exclude in product(asked, (False, True)):
        no_bot = Condition(field="properties.$bot", op="!=", value=True) if exclude else None
        of_site = {**question, "site_id": events[0].site_id if events else "none", "filter": no_bot}
        if question["kind"] == "funnel":
            funnel = FunnelQuery(**of_site)
            got, wanted = (await store.run(funnel)).rows, funnel_answer(funnel, events)
        else:
            retention = RetentionQuery(**of_site)
            got, wanted = (await store.run(retention)).rows, persons_answer(retention, events, datetime.now(UTC))
        assert same(got, wanted), f"{of_site!r}\nstore:  {got}\noracle: {wanted}"


HALVES: list[dict[str, Any]] = [
    {"kind": "funnel", "steps": [*STEPS, {"name": "c"}], "window": 3600},
    {"kind": "funnel", "steps": STEPS, "breakdown": "path"},
    {"kind": "retention", "interval": "week"},
    {"kind": "retention", "interval": "day", "start": {"name": "buy"}, "returning": {"name": "buy"}},
    {"kind": "paths"},
]


@pytest.mark.parametrize("body", HALVES, ids=lambda body: body["kind"])
async def test_each_half_is_given_to_a_process(store: PostgresStore, beside: Connection, body: dict[str, Any]) -> None:
    """An aggregate or a subquery that PostgreSQL takes for unsafe would have one process find both halves."""
    await put(store, [replace(event, session_id="x", user_id=event.user_id or "u") for event in did(90)])
    await tidy(store)
    scope = {"site_id": "s", "since": NOON.replace(hour=0), "until": NOON.replace(hour=0) + 30 * DAY}
    query: Query = TypeAdapter(Query).validate_python({**body, **scope})
    async with beside.transaction():
        sources = await read_sources(beside, "s", needs(query), datetime.now(UTC))
        statement = compile_query(query, sources)
        assert statement.in_halves
        for setting in ("parallel_setup_cost", "parallel_tuple_cost", "enable_nestloop"):
            await beside.execute(f"SET LOCAL {setting} = 0")
        plan = "\n".join(row[0] for row in await beside.fetch(f"EXPLAIN {statement.sql}", *statement.params))
    assert "Parallel Append" in plan, plan
    assert (await store.run(query)).rows


async def test_few_new_events_wait(store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read one by one until there are enough, or too many loads."""
    await put(store, did(30))
    await tidy(store)
    for module in (value_counts, user_times):
        monkeypatch.setattr(module, "LEAST", 50)
    monkeypatch.setattr(patient, "LOADS_MAX", 3)
    counted = "SELECT sum(events) FROM value_counts WHERE field = 'path'"
    for loads in (1, 2):
        await put(store, did(10, 30 * loads))
        await tidy(store)
        assert (loads, await beside.fetchval(counted)) == (loads, 30)
    await put(store, did(10, 90))
    await tidy(store)
    assert await beside.fetchval(counted) == 60
    await put(store, did(50, 120))
    await tidy(store)
    assert await beside.fetchval(counted) == 110
    assert await store.verify() == []


async def test_keys_that_become_frequent_later(store: PostgresStore, beside: Connection) -> None:
    first, second = did(40), did(40, 40, late="yes")
    await put(store, first)
    await tidy(store)
    await put(store, second)
    await tidy(store)
    fields = {row[0]: row[1] for row in await beside.fetch("SELECT field, generation FROM counted_fields")}
    assert (fields["path"], fields["properties.plan"], fields["properties.late"]) == (1, 1, 2)
    query = MetricsQuery(site_id="s", breakdown=["properties.late"])
    answer = await store.run(query)
    assert answer.from_rollup
    assert same(answer.rows, oracle.answer(query, [*first, *second]))
    await check(store, [*first, *second])


async def test_very_many_values_are_not_counted(
    store: PostgresStore, beside: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_counts, "ROWS_MIN", 20)
    monkeypatch.setattr(value_counts, "ROWS_SHARE", 0.5)
    events = [event for n in range(30) for event in did(1, n, id=f"id-{n}")]
    await put(store, events)
    await tidy(store)
    left_out = "SELECT field FROM counted_fields WHERE NOT has_counts"
    assert "properties.id" in {row[0] for row in await beside.fetch(left_out)}
    assert await beside.fetchval("SELECT count(*) FROM value_counts WHERE field = 'properties.id'") == 0
    query = MetricsQuery(site_id="s", breakdown=["properties.id"])
    assert same((await store.run(query)).rows, oracle.answer(query, events))
    await check(store, events)


async def test_long_values_are_not_even_begun_with(store: PostgresStore, beside: Connection) -> None:
    """To group events by them takes minutes, in which nothing is stored."""
    events = [event for n in range(30) for event in did(1, n, text="long" * n * 10)]
    await put(store, events)
    await tidy(store)
    assert [
        row[0] for row in await beside.fetch("SELECT field FROM counted_fields WHERE field = 'properties.text'")
    ] == []
    await check(store, events)


@pytest.mark.parametrize("cut", [timedelta(hours=20), timedelta(hours=20, minutes=30), DAY + timedelta(hours=12)])
async def test_a_purge_cuts_it(store: PostgresStore, beside: Connection, cut: timedelta) -> None:
    """With a load that is not covered yet, in the day that is cut too."""
    events = did(90)
    await put(store, events)
    await tidy(store)
    late = did(20, 10)
    await put(store, late)
    await store.purge(NOON + cut)
    left = [event for event in [*events, *late] if event.timestamp >= NOON + cut]
    await check(store, left)
    await tidy(store)
    await check(store, left)
    await store.purge(NOON + 30 * DAY)
    for table in ("value_counts", "hour_users", "user_times", "user_numbers"):
        assert (table, await beside.fetchval(f"SELECT count(*) FROM {table}")) == (table, 0)
    assert await store.verify() == []


@pytest.mark.parametrize(
    ("damage", "finds"),
    [
        ("UPDATE value_counts SET value = '/b' WHERE value = '/a'", "rollup"),
        ("UPDATE value_counts SET events = events + 1 WHERE field = 'path'", "rollup"),
        ("UPDATE value_counts SET counts[1] = counts[1] + 1 WHERE field = 'properties.plan'", "rollup"),
        ("UPDATE value_counts SET kind = 2 WHERE kind = 1", "rollup"),
        ("UPDATE value_counts SET bot = NOT bot", "rollup"),
        ("DELETE FROM value_counts WHERE value IS NULL", "rollup"),
        ("UPDATE hour_users SET users = users + 1", "people"),
        ("UPDATE hour_users SET no_bots = 0 WHERE no_bots > 0", "people"),
        ("DELETE FROM hour_users", "people"),
        ("UPDATE user_times SET first = first - INTERVAL '1 second'", "users"),
        ("UPDATE user_times SET more = ARRAY[more[2], more[1]] WHERE cardinality(more) > 1", "users"),
        ("UPDATE user_times SET user_number = 1 + user_number % 4", "users"),
        ("UPDATE user_times SET name = 'other' WHERE name = 'buy'", "users"),
        ("DELETE FROM user_times WHERE more IS NULL", "users"),
        ("INSERT INTO user_times SELECT * FROM user_times LIMIT 1", "users"),
    ],
)
async def test_verify_finds_what_is_wrong(store: PostgresStore, beside: Connection, damage: str, finds: str) -> None:
    await put(store, did(90))
    await tidy(store)
    assert await store.verify() == []
    await beside.execute(damage)
    assert [difference.check for difference in await store.verify()] == [finds]


async def test_two_processes_at_once(settings: Settings) -> None:
    """Both write and do housekeeping: each event is covered once."""
    parts = [did(40, 40 * n) for n in range(6)]

    async def work(store: PostgresStore, own: Sequence[Sequence[Event]]) -> None:
        for part in own:
            await put(store, part)
            await tidy(store)

    async with opened(settings, 2) as stores:
        await asyncio.gather(work(stores[0], parts[:3]), work(stores[1], parts[3:]))
        events = [event for part in parts for event in part]
        await check(stores[0], events)
        await tidy(stores[1])
        await check(stores[1], events)


async def test_killed_while_it_builds(
    settings: Settings, durable_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6: after a crash it goes on where it was."""
    monkeypatch.setattr(value_counts, "PIECE", 10)
    monkeypatch.setattr(user_times, "PIECE", 10)
    own = settings.model_copy(update={"store_url": durable_server.new_database()})
    events = did(120)
    async with opened(own, 1) as (store,):
        await put(store, events)
        for pause in (0.02, 0.05, 0.1):
            building = asyncio.create_task(tidy(store))
            await asyncio.sleep(pause)
            await asyncio.to_thread(durable_server.kill)
            await asyncio.gather(building, return_exceptions=True)
            await asyncio.to_thread(durable_server.start)
        while True:
            try:
                await tidy(store)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
        await check(store, events)
