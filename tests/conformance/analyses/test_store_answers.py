"""What every store's answers say about themselves, what it refuses, pages, and export."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest

from tallystick.errors import InvalidRequest
from tallystick.model.event import encode_lines
from tallystick.model.query import Condition, EventsQuery, KeysQuery, Metric, MetricsQuery, ValuesQuery
from tallystick.store import Store
from tests.helpers.query_steps import MOMENTS, NOON, ask, check, fixed_events, has_rollups, put, some_events
from tests.helpers.thorough import some
from tests.oracle import metrics as oracle


async def test_an_answer_tells_where_it_comes_from(store: Store) -> None:
    """G10: freshness, exact or not, from the rollup or not."""
    assert (await store.run(MetricsQuery())).freshness.loaded_at is None
    before = datetime.now(UTC)
    await put(store, some_events("default", 20))
    counts = await store.run(MetricsQuery(metrics=[Metric(), Metric(kind="users")], since=NOON))
    assert counts.rows == [{"events": 20, "users": 5}]
    assert counts.from_rollup == has_rollups(store)
    assert counts.exact
    assert counts.elapsed_ms > 0
    assert counts.freshness.loaded_at is not None
    assert before <= counts.freshness.loaded_at <= datetime.now(UTC)
    odd = await store.run(MetricsQuery(since=NOON + timedelta(seconds=1)))
    assert odd.rows == [{"events": 19}]
    assert not odd.from_rollup
    estimated = await store.run(MetricsQuery(metrics=[Metric(kind="sessions"), Metric(kind="users")], approximate=True))
    error = 0 if estimated.exact else 1  # a store that cannot estimate counts
    assert 5 - error <= estimated.rows[0]["users"] <= 5 + error
    assert (await store.run(MetricsQuery(metrics=[Metric()], approximate=True))).exact


async def test_a_question_that_cannot_be_answered_is_refused(store: Store) -> None:
    await put(store, some_events("default", 20))
    refused: list[MetricsQuery | EventsQuery] = [
        MetricsQuery(interval="minute", since=NOON, until=NOON + timedelta(days=20)),
        MetricsQuery(interval="day", since=datetime(1, 1, 1, tzinfo=UTC)),
        MetricsQuery(breakdown=["name"], top=3, limit=2),
        MetricsQuery(breakdown=["properties.\ud800"]),
        MetricsQuery(filter=Condition(field="name", op="=", value="\udfff")),
    ]
    for cursor in ("", "x", "é", "AAAA", "bnVsbA", "W10", "W1tdLFtdXQ", "A" * 5000, "=", "\ud800", "WzEsMl0"):
        refused += [EventsQuery(cursor=cursor), MetricsQuery(breakdown=["name"], cursor=cursor)]
    for query in refused:
        with pytest.raises(InvalidRequest):
            await store.run(query)


async def test_a_cursor_belongs_to_its_question(store: Store) -> None:
    await put(store, some_events("default", 20))
    events = (await store.run(EventsQuery(limit=5))).next_cursor
    names = (await store.run(MetricsQuery(breakdown=["name"], limit=1))).next_cursor
    assert events
    assert names
    assert (await store.run(EventsQuery(limit=7, cursor=events))).rows, "the size of the page may change"
    others: list[MetricsQuery | EventsQuery] = [
        EventsQuery(cursor=names),
        EventsQuery(cursor=events, ascending=True),
        EventsQuery(cursor=events, site_id=None),
        MetricsQuery(breakdown=["name"], cursor=events),
        MetricsQuery(breakdown=["source"], cursor=names),
        MetricsQuery(breakdown=["name"], cursor=names, filter=Condition(field="name", op="set")),
    ]
    for query in others:
        with pytest.raises(InvalidRequest):
            await store.run(query)


async def test_pages_neither_lose_nor_repeat_what_is_stored_between_them(store: Store) -> None:
    """Whatever arrives between two pages, every row that was there when the first was asked for comes once."""
    events = some_events("default", 30)
    late = some_events("default", 30)
    await put(store, events)
    query = EventsQuery(limit=7)
    seen: list[str] = []
    while (result := await store.run(query)).next_cursor:
        seen += [row["event_id"] for row in result.rows]
        await put(store, [late.pop(0) for _ in late[:5]])
        query = query.model_copy(update={"cursor": result.next_cursor})
    seen += [row["event_id"] for row in result.rows]
    assert len(seen) == len(set(seen))
    assert {str(event.event_id) for event in events} <= set(seen)
    assert len(seen) > len(events), "some that arrived later lay further on"


async def test_a_filled_series_comes_in_pages(store: Store) -> None:
    await put(store, some_events("default", 3))
    since, until = NOON - timedelta(minutes=4), NOON + timedelta(minutes=6)
    rows = await ask(store, MetricsQuery(interval="minute", since=since, until=until, limit=3))
    assert [row["events"] for row in rows] == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert rows[0]["bucket"] == "2025-06-01T11:56:00+00:00"


async def test_pickers_look_at_just_as_many_events_as_asked(store: Store) -> None:
    await put(store, some_events("default", 3000))
    rows = (await store.run(KeysQuery(sample=2990))).rows
    assert rows == [{"key": "amount", "events": 2990}]
    rows = (await store.run(ValuesQuery(field="name", sample=2990))).rows
    assert sum(row["events"] for row in rows) == 2990
    amounts = (await store.run(ValuesQuery(field="properties.amount", sample=100, limit=1000))).rows
    assert sorted(row["value"] for row in amounts) == list(range(2900, 3000))


async def test_export_gives_every_event_of_a_scope_as_it_came(store: Store) -> None:
    events = fixed_events("exported")
    await put(store, events)
    await put(store, fixed_events("another"))
    scopes: list[dict[str, Any]] = [
        {"site_id": "exported"},
        {"site_id": "exported", "user_id": "b"},
        {"site_id": "exported", "since": MOMENTS[0], "until": MOMENTS[1]},
        {"site_id": "exported", "filter": Condition(field="properties.amount", op=">", value=0)},
    ]
    for scope in scopes:
        query = EventsQuery(**scope, limit=1, cursor="is not looked at")
        lines = b"".join([chunk async for chunk in store.export(query)]).splitlines()
        wanted = [event for event in events if oracle.in_scope(query, event)]
        mine = [event for event in wanted if query.user_id is None or event.user_id == query.user_id]
        assert sorted(lines) == sorted(encode_lines(mine).splitlines())
        assert mine


async def test_numbers_beyond_a_double_count_as_no_numbers(store: Store) -> None:
    [one, two, three] = some_events("default", 3)
    one.properties = msgspec.Raw(b'{"amount":1e999,"big":1e308}')
    two.properties = msgspec.Raw(b'{"amount":-1e999,"big":1.5e308}')
    three.properties = msgspec.Raw(b'{"amount":2.5}')
    await put(store, [one, two, three])
    kinds = [Metric(kind=kind, property="amount") for kind in ("sum", "avg", "min", "max", "median")]
    row = (await store.run(MetricsQuery(metrics=[*kinds, Metric(kind="sum", property="big")]))).rows[0]
    assert list(row.values()) == [2.5, 2.5, 2.5, 2.5, 2.5, None]
    for op in (">", "<"):
        test = Condition(field="properties.amount", op=op, value=2)
        assert (await store.run(MetricsQuery(filter=test))).rows == [{"events": 1 if op == ">" else 0}]
    values = (await store.run(ValuesQuery(field="properties.amount"))).rows
    assert [row["value"] for row in values] == ["-1e999", "1e999", 2.5]


async def test_a_property_has_one_text_however_it_was_written(store: Store) -> None:
    """Numbers as the shortest text of their double, whole ones with all their digits; no white space, no escapes."""
    written = {
        "0": "0",
        "-0": "0",
        "-0.0": "-0.0",
        "1.50": "1.5",
        "1E2": "100.0",
        "1e23": "1e23",
        "123e-10": "1.23e-8",
        "0.000001": "0.000001",
        "0.0000001": "1e-7",
        "1e20": "100000000000000000000.0",
        "1e21": "1e21",
        "1e999": "1e999",
        "-1e-999": "-0.0",
        "5e-324": "5e-324",
        "123456789012345678901234567890": "123456789012345678901234567890",
        "9007199254740993.0": "9007199254740992.0",
        "61946538032378096.0": "61946538032378100.0",
        "1e309": "1e309",
        "1.7976931348623158e308": "1.7976931348623157e308",
        "1" + "0" * 400 + "e-400": "1.0",
        "true": "true",
        r'"\ud83e\udd8a\/\u0001"': "🦊/\1",
        '"1.50"': "1.50",
        '"[ ]"': "[ ]",
        '"-"': "-",
        '""': "",
        "[ ]": "[]",
        r'[ 1.0 , "x y" , {"a" : -0 , "\u00e9\u001f\\u001f" : [ null ] } ]': (
            r'[1.0,"x y",{"a":0,"é\u001F\\u001f":[null]}]'
        ),
    }
    events = some_events("default", len(written))
    for event, text in zip(events, written, strict=True):
        event.properties = msgspec.Raw(b'{"z":{"k":1}, "k" : %s ,"n":null}' % text.encode())
    await put(store, events)
    for field in ("properties.k", "properties.n", "properties.missing"):
        rows = await ask(store, MetricsQuery(breakdown=[field], limit=7))
        wanted = sorted(written.values()) if field.endswith("k") else [None]
        assert [row[field] for row in rows] == sorted(set(wanted), key=str)
        assert sum(row["events"] for row in rows) == len(written)
    for nested in ("[1.0,", '"é'):
        test = Condition(field="properties.k", op="contains", value=nested)
        assert (await store.run(MetricsQuery(filter=test))).rows == [{"events": 1}]


async def test_no_number_makes_an_answer_fail(store: Store) -> None:
    """Sums beyond a double, averages of next to nothing, exponents beyond everything."""
    tiny = "0." + "0" * 400 + "1"
    texts = ["1e308", "-1e308", "1.7e308", "5e-324", "-5e-324", "1e-400", "1e99999999999999999999", tiny]
    events = some_events("default", len(texts))
    for event, text in zip(events, texts, strict=True):
        event.properties = msgspec.Raw(b'{"k":%s}' % text.encode())
    await put(store, events)
    kinds = [Metric(kind=kind, property="k") for kind in ("sum", "avg", "min", "max", "median", "p95")]
    row = (await store.run(MetricsQuery(metrics=kinds))).rows[0]
    assert row["sum(k)"] == pytest.approx(1.7e308)
    assert (row["min(k)"], row["max(k)"], row["median(k)"]) == (-1e308, 1.7e308, 0.0)
    for first, last in ((3, 4), (3, 3), (5, 7)):
        until = events[last].timestamp + timedelta(seconds=1)
        row = (await store.run(MetricsQuery(metrics=kinds, since=events[first].timestamp, until=until))).rows[0]
        assert row["avg(k)"] == pytest.approx(0, abs=1e-300)
        assert row["max(k)"] in (5e-324, 0.0)
    positive = MetricsQuery(metrics=kinds[:2], filter=Condition(field="properties.k", op=">", value=1))
    assert (await store.run(positive)).rows == [{"sum(k)": None, "avg(k)": None}]


async def test_a_text_that_no_event_can_have_is_not_found(store: Store) -> None:
    await put(store, some_events("default", 3))
    assert (await store.run(MetricsQuery(site_id="default\0"))).rows == [{"events": 0}]
    assert (await store.run(EventsQuery(user_id="u1\0"))).rows == []
    for op, found in (("=", 0), ("contains", 0), ("!=", 3), ("<", 1), (">", 2)):
        test = Condition(field="name", op=op, value="n0\0")
        assert (await store.run(MetricsQuery(filter=test))).rows == [{"events": found}], op
    hidden = Condition(field="properties.amount\0", op="set")
    assert (await store.run(MetricsQuery(filter=hidden))).rows == [{"events": 0}]


async def test_users_are_exact_wherever_the_range_begins_and_ends(store: Store) -> None:
    """G10: at midnights, at quarter hours, in between; of one site, of all, of each."""
    events = [*fixed_events("one"), *fixed_events("two")[::2]]
    for event in events[:60:3]:
        event.site_id = "three"
    await put(store, events)
    noon = datetime(2025, 3, 30, 12, tzinfo=UTC)
    edges = [None, noon.replace(hour=0), noon, noon + timedelta(minutes=15), noon + timedelta(seconds=1)]
    for since, interval, zone in some(product(edges, [None, "day", "week", "month"], ["UTC", "Europe/Berlin"])):
        for site, breakdown in product(["one", None], [[], ["site_id"]]):
            query = MetricsQuery(
                metrics=[Metric(kind="users"), Metric()],
                since=since,
                until=MOMENTS[1].replace(hour=0),
                interval=interval,
                timezone=zone,
                site_id=site,
                breakdown=breakdown,
                fill=False,
            )
            await check(store, query, events)
            users = query.model_copy(update={"metrics": [Metric(kind="users")]})
            await check(store, users, events)
