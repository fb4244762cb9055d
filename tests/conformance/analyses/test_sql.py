"""Every store answers users' own statements as Python does, and reveals no other site."""

from __future__ import annotations

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tallystick.model.event import Event
from tallystick.model.queries.statement import SqlQuery
from tallystick.store import Store
from tallystick.usersql.views import EXAMPLES, VIEWS
from tests.helpers.analysis_steps import visits
from tests.helpers.query_steps import NOON, make_event, put, same
from tests.helpers.sql.steps import (
    REFUSED_BY_CLICKHOUSE,
    SITE,
    STATEMENTS,
    answered,
    events,
    events_view,
    sessions_view,
    users_view,
)
from tests.helpers.thorough import examples

ASKS_IN_SQL = True
kept_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stored(kept_store: Store) -> list[Event]:
    """Events of the site, and some of another with the same users."""
    own = events()
    others = [make_event(91_000_000 + n, "other", name="secret", timestamp=NOON, user_id="ann") for n in range(5)]
    await put(kept_store, [*own, *others])
    return own


@kept_loop
@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
async def test_what_a_statement_gives(
    kept_store_settings: Settings, kept_store: Store, stored: list[Event], name: str, sealed: bool
) -> None:
    sql, expected = STATEMENTS[name]
    if kept_store_settings.store_url.startswith("clickhouse") and name in REFUSED_BY_CLICKHOUSE:
        with pytest.raises(InvalidRequest, match=REFUSED_BY_CLICKHOUSE[name]):
            await answered(kept_store, sql, sealed=sealed)
        return
    table = await answered(kept_store, sql, sealed=sealed)
    wanted = expected(stored)
    assert same(table.rows, wanted), f"{sql}\nstore:  {table.rows}\npython: {wanted}"
    assert not table.truncated
    assert all(len(row) == len(table.columns) for row in table.rows)


@kept_loop
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
async def test_the_examples_run(kept_store: Store, stored: list[Event], example: object) -> None:
    sql: str = example.sql  # type: ignore[attr-defined]
    assert (await answered(kept_store, sql)).columns


@kept_loop
@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
async def test_views_are_as_they_are_described(kept_store: Store, stored: list[Event], view: object) -> None:
    table = await answered(kept_store, f"SELECT * FROM {view.name}")  # type: ignore[attr-defined]
    described = [(column.name, column.type) for column in view.columns]  # type: ignore[attr-defined]
    assert [(column.name, column.type) for column in table.columns] == described


EVERYTHING = "SELECT * FROM events ORDER BY timestamp, CAST(event_id AS TEXT)"
"""ClickHouse sorts UUIDs by their second half."""


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits())
async def test_any_events_are_in_the_views(store: Store, events: list[Event]) -> None:
    """The same site by site, sealed or not, and of all sites together."""
    await put(store, events)
    sites = sorted({event.site_id for event in events})
    for site in sites:
        own = [event for event in events if event.site_id == site]
        for sealed in (False, True):
            everything = await answered(store, EVERYTHING, site, sealed=sealed)
            assert same(everything.rows, events_view(own))
            users = await answered(store, "SELECT * FROM users", site, sealed=sealed)
            assert sorted(users.rows) == sorted(users_view(own))
            sessions = await answered(store, "SELECT * FROM sessions", site, sealed=sealed)
            assert sorted(sessions.rows, key=repr) == sorted(sessions_view(own), key=repr)
    chosen = ", ".join(f"'{site}'" for site in sites)
    both = await answered(store, f"SELECT * FROM sessions WHERE site_id IN ({chosen})", None)
    assert sorted(both.rows, key=repr) == sorted(sessions_view(events), key=repr)


@kept_loop
async def test_limits_of_an_answer(kept_store_settings: Settings, kept_store: Store, stored: list[Event]) -> None:
    whole = await answered(kept_store, "SELECT name FROM events", limit=12)
    assert (len(whole.rows), whole.truncated) == (12, False)
    part = await answered(kept_store, "SELECT name FROM events ORDER BY timestamp", limit=5)
    assert (part.rows, part.truncated) == ([[event.name] for event in stored[:5]], True)
    series = "SELECT i, 'x' AS x FROM generate_series(1, 100000) AS s(i)"
    most = await kept_store.select(SqlQuery(sql=series))
    assert (len(most.rows), most.truncated) == (kept_store_settings.sql_rows, True)
    long = f"SELECT '{'x' * 9_000}' AS x, i FROM generate_series(1, 100000) AS s(i)"
    many = await answered(kept_store, long, limit=9_999)
    assert many.truncated
    assert kept_store_settings.sql_bytes / 9_200 < len(many.rows) <= kept_store_settings.sql_bytes / 9_000
    assert [row[1] for row in many.rows] == list(range(1, len(many.rows) + 1))


OF_BOTH = "SELECT * FROM events AS a, events AS b WHERE user_id = 'x'"
MISTAKES = [
    "SELECT nope FROM events",
    "SELECT name + 1 FROM events",
    "SELECT CAST(name AS INTEGER) FROM events",
    "SELECT count(*) FROM events GROUP BY name HAVING name > 1 + 'a'",
    "SELECT (SELECT name FROM events)",
    OF_BOTH,
    "SELECT sum(name) FROM events",
    "SELECT date_trunc('nonsense', timestamp) FROM events",
    "SELECT length() FROM events",
    "SELECT name FROM events UNION SELECT 1, 2",
]


@kept_loop
@pytest.mark.parametrize("sql", MISTAKES)
async def test_a_mistake_is_the_callers(
    kept_store_settings: Settings, kept_store: Store, stored: list[Event], sql: str
) -> None:
    """And the store's own names are not in what it says."""
    if kept_store_settings.store_url.startswith("clickhouse") and sql == OF_BOTH:  # takes the first table's column
        assert (await answered(kept_store, sql)).rows == []
        return
    with pytest.raises(InvalidRequest, match=r"^sql: ") as refused:
        await answered(kept_store, sql)
    assert "tallystick_sql" not in str(refused.value)
    assert (await answered(kept_store, "SELECT count(*) FROM events")).rows == [[12]]


LEAKS = [
    "SELECT count(*) FROM events WHERE CAST(user_id AS INTEGER) > 0",
    "SELECT count(*) FROM events WHERE CASE WHEN name = 'secret' THEN CAST(user_id AS INTEGER) ELSE 1 END > 0",
    "SELECT count(*) FROM events WHERE CASE WHEN user_id LIKE 'h%' THEN CAST('x' || user_id AS INTEGER) END IS NULL",
    "SELECT user_id FROM events GROUP BY user_id HAVING CAST(user_id AS INTEGER) > 0 OR max(name) = 'x'",
    "SELECT count(*) FROM users WHERE CAST(user_id AS INTEGER) > 0",
    "SELECT count(*) FROM sessions WHERE CAST(user_id AS INTEGER) > 0",
    "SELECT count(*) FROM events AS a JOIN events AS b ON CAST(a.user_id AS INTEGER) = CAST(b.user_id AS INTEGER)",
    "SELECT count(*) FROM events WHERE user_id IN (SELECT CAST(CAST(user_id AS INTEGER) AS TEXT) FROM events)",
    "SELECT (SELECT max(CAST(user_id AS INTEGER)) FROM events WHERE name <> '')",
]
LEAKS += [sql.replace("user_id", "name") for sql in LEAKS if "FROM events" in sql]
"""ClickHouse casts a text that may be NULL to NULL where it cannot be read; a name is never NULL."""


async def test_an_error_tells_nothing_of_another_site(store: Store) -> None:
    """G12: a sealed statement is evaluated for its own site's rows alone. Those of the other would make it fail."""
    own = [make_event(92_000_000 + n, "mine", name="7", timestamp=NOON, user_id="7") for n in range(3)]
    others = [
        make_event(93_000_000 + n, "theirs", name="secret", timestamp=NOON, user_id=f"hidden{n}") for n in range(3_000)
    ]
    await put(store, [*others, *own], tidy=False)
    for sql in LEAKS:
        table = await answered(store, sql, "mine", sealed=True)
        assert "hidden" not in repr(table.rows), sql
    with pytest.raises(InvalidRequest):
        await answered(store, "SELECT CAST(name AS INTEGER) FROM events", "theirs", sealed=True)


@kept_loop
async def test_only_the_named_site(kept_store: Store, stored: list[Event]) -> None:
    count = "SELECT site_id, count(*) FROM events GROUP BY site_id ORDER BY site_id"
    assert (await answered(kept_store, count)).rows == [[SITE, 12]]
    assert (await answered(kept_store, count, "other", sealed=True)).rows == [["other", 5]]
    assert (await answered(kept_store, count, "nobody's", sealed=True)).rows == []
    assert (await answered(kept_store, count, "x' OR '1'='1")).rows == []
    assert (await answered(kept_store, count, None)).rows == [["other", 5], [SITE, 12]]
