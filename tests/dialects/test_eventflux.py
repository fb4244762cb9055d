"""EventFlux's API at its edges. Its documented session is in sessions/eventflux.txt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.app import Tallystick
from tallystick.config import Settings
from tallystick.dialects import eventflux
from tallystick.dialects.base import Refused
from tallystick.errors import QueueUnavailable, StoreUnavailable
from tallystick.ingest.text import clean_json
from tallystick.model.event import Event, encode_lines

BULK = "/v1/events/bulk"
DAILY = "/v1/analytics/events/daily"
RAW = "/v1/analytics/events/raw"
WHEN = "2025-11-12T10:00:00Z"
NOW = datetime(2025, 11, 12, 12, tzinfo=UTC)


def event(**fields: Any) -> dict[str, Any]:
    """A good event, with these fields instead."""
    return {"event_type": "page_view", "actor_id": "user-1", "source": "web", "timestamp": WHEN, **fields}


async def send(client: httpx.AsyncClient, *events: Any, **body: Any) -> httpx.Response:
    return await client.post(BULK, json={"events": list(events), **body})


async def stored(client: httpx.AsyncClient, tallystick: Tallystick) -> list[dict[str, Any]]:
    """All events as the native API lists them, once everything is stored."""
    await tallystick.drained()
    rows: list[dict[str, Any]] = (await client.get("/v1/events?limit=5000")).json()["rows"]
    return rows


# --- writing --------------------------------------------------------------------------------------------------------


async def test_the_strings_are_stripped(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    await send(client, event(event_type=" page_view\t", actor_id="\nuser-1 ", source=" web "))
    row = (await stored(client, tallystick))[0]
    assert (row["name"], row["user_id"], row["source"]) == ("page_view", "user-1", "web")


@pytest.mark.parametrize(
    ("wrong", "field", "kind"),
    [
        (event(event_type=7), "event_type", "string_type"),
        (event(event_type=" "), "event_type", "string_too_short"),
        (event(event_type="n" * 129), "event_type", "string_too_long"),
        (event(actor_id=""), "actor_id", "string_too_short"),
        (event(actor_id="u" * 257), "actor_id", "string_too_long"),
        (event(source="s" * 65), "source", "string_too_long"),
        (event(source=None), "source", "string_type"),
        (event(timestamp="10000-01-01T00:00:00Z"), "timestamp", "datetime_from_date_parsing"),
        (event(timestamp=True), "timestamp", "datetime_type"),
        (event(timestamp=None), "timestamp", "datetime_type"),
        (event(attributes=[]), "attributes", "dict_type"),
        (event(attributes=None), "attributes", "dict_type"),
        (event(attributes={"a": "x" * 65_536}), "attributes", "value_error"),
        (event(colour="red"), "colour", "extra_forbidden"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_one_wrong_event_refuses_the_whole_request(
    empty: httpx.AsyncClient, wrong: Any, field: str, kind: str
) -> None:
    """G8: a dialect answers as its own API does; `empty` stays empty."""
    answer = await send(empty, event(), wrong)
    assert answer.status_code == 422
    found = [(entry["loc"], entry["type"]) for entry in answer.json()["detail"]]
    assert (["body", "events", 1, field], kind) in found


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"x": 1}',
        '{"events": 7}',
        '{"events": [NaN]}',
        '{"request_id": "x", "events": []}',
        '{"request_id": null, "events": [{"event_type": "e", "actor_id": "a", "source": "s", "timestamp": 0}]}',
        "[" * 100_000,
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_broken_bodies_are_422(empty: httpx.AsyncClient, body: str) -> None:
    answer = await empty.post(BULK, content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_refusal_names_a_hundred_errors_at_most(empty: httpx.AsyncClient) -> None:
    answer = await send(empty, *({} for _ in range(1_000)))
    assert len(answer.json()["detail"]) == 100


async def test_more_events_than_a_request_may_have_are_413(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G5; one fewer are taken."""
    refused = await send(client, *(event() for _ in range(5_001)))
    assert (refused.status_code, type(refused.json()["detail"])) == (413, str)
    taken = await send(client, *(event() for _ in range(5_000)))
    assert (taken.status_code, taken.json()["queued"]) == (202, 5_000)
    await tallystick.drained()
    assert (await client.get("/v1/analytics/events/summary")).json()["total_events"] == 5_000


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_that_is_too_large_is_413(empty: httpx.AsyncClient) -> None:
    """G5."""
    answer = await empty.post(BULK, content=b" " * (8 * 1024 * 1024 + 1))
    assert (answer.status_code, type(answer.json()["detail"])) == (413, str)


async def test_every_timestamp_that_its_model_takes(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    expected: list[tuple[Any, str]] = [
        ("2025-11-12T10:00:00", "2025-11-12T10:00:00.000000Z"),
        ("2025-11-12T10:00:00+02:00", "2025-11-12T08:00:00.000000Z"),
        ("2025-11-12 10:00Z", "2025-11-12T10:00:00.000000Z"),
        ("2025-11-12", "2025-11-12T00:00:00.000000Z"),
        (1762941600, "2025-11-12T10:00:00.000000Z"),
        (1762941600000, "2025-11-12T10:00:00.000000Z"),
        (1762941600.25, "2025-11-12T10:00:00.250000Z"),
        ("1762941600", "2025-11-12T10:00:00.000000Z"),
    ]
    for timestamp, _ in expected:
        answer = await send(client, event(timestamp=timestamp, attributes={"sent": timestamp}))
        assert answer.status_code == 202
    rows = [(row["properties"]["sent"], row["timestamp"]) for row in await stored(client, tallystick)]
    assert sorted(rows, key=str) == sorted(expected, key=str)


async def test_a_broken_clock_does_not_lose_the_event(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G9."""
    await send(client, event(timestamp="1999-12-31T23:59:59Z"), event(timestamp="0001-01-01T00:00:00+14:00"))
    rows = await stored(client, tallystick)
    kept = sorted(row["properties"]["$timestamp"] for row in rows)
    assert kept == ["0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59+00:00"]
    assert all(row["timestamp"] == row["received_at"] for row in rows)


async def test_odd_texts_and_line_breaks_in_attributes(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    body = r"""{"events": [{"event_type": "e\u0000", "actor_id": "\ud83d", "source": "日本",
    "timestamp": "2025-11-12T10:00:00Z", "attributes": {"a": "\ude00", "path":
    "/größe",
    "big": 123456789012345678901234567890}}]}"""
    assert (await client.post(BULK, content=body.encode())).status_code == 202
    row = (await stored(client, tallystick))[0]
    assert (row["name"], row["user_id"], row["source"], row["path"]) == ("e\ufffd", "\ufffd", "日本", "/größe")
    assert row["properties"] == {"a": "\ufffd", "path": "/größe", "big": 123456789012345678901234567890}


async def test_the_bodys_request_id_goes_before_the_headers(client: httpx.AsyncClient) -> None:
    given = "6F1C2A44-9D0F-4A55-8D6E-0A7A3B1F2C3D"
    answer = await client.post(
        BULK, json={"events": [event()], "request_id": given}, headers={"X-Request-ID": "from-header"}
    )
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == given.lower()
    assert len(answer.headers.get_list("x-request-id")) == 1
    refused = await client.post(BULK, json={"events": []}, headers={"X-Request-ID": "from-header"})
    assert refused.headers["x-request-id"] == "from-header"
    made = await send(client, event())
    assert UUID(made.json()["request_id"]).version == 4


async def test_an_idempotency_key_makes_a_retry_harmless(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """G2: its events bring no ids."""
    for _ in range(2):
        await client.post(BULK, json={"events": [event(), event()]}, headers={"Idempotency-Key": "batch-7"})
    assert len(await stored(client, tallystick)) == 2


async def test_a_full_queue_is_503_in_its_own_form(full: httpx.AsyncClient) -> None:
    """G5."""
    answer = await send(full, event())
    assert (answer.status_code, type(answer.json()["detail"])) == (503, str)
    assert int(answer.headers["retry-after"]) > 0


TEXTS = st.text(st.characters(codec="utf-8"), max_size=70)
ATTRIBUTES = st.dictionaries(TEXTS | st.just("path"), st.integers() | TEXTS | st.lists(st.none()), max_size=3)
BODIES = st.fixed_dictionaries(
    {
        "event_type": TEXTS,
        "actor_id": TEXTS,
        "source": TEXTS,
        "timestamp": st.one_of(
            st.datetimes(datetime(1999, 1, 1), datetime(2026, 1, 1)).map(datetime.isoformat),
            st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
        ),
    },
    optional={"attributes": ATTRIBUTES},
)


@given(bodies=st.lists(BODIES, min_size=1, max_size=3), indent=st.none() | st.just(2))
def test_the_fast_way_gives_what_the_careful_way_gives(bodies: list[dict[str, Any]], indent: int | None) -> None:
    body = clean_json(json.dumps({"events": bodies}, indent=indent).encode())  # as write routes give it
    fast = eventflux.decode_fast(body, NOW, Settings())
    if fast is None:
        return
    careful = eventflux.decode_carefully(body, NOW, Settings())
    assert _without_ids(fast[1]) == _without_ids(careful[1])


def _without_ids(events: list[Event]) -> bytes:
    return encode_lines([msgspec.structs.replace(event, event_id=UUID(int=0)) for event in events])


def test_good_events_go_the_fast_way() -> None:
    """The property test above would hold for a fast way that takes nothing."""
    body = json.dumps({"events": [event(attributes={"a": {"path": [1]}}), event(timestamp="2025-11-12T10:00:00")]})
    fast = eventflux.decode_fast(body.encode(), NOW, Settings())
    assert fast is not None
    assert [found.timestamp for found in fast[1]] == [datetime(2025, 11, 12, 10, tzinfo=UTC)] * 2


@pytest.mark.parametrize("deep", [64, 65])
def test_both_ways_have_the_same_limit_of_nesting(deep: int) -> None:
    attributes = '{"a":' * deep + "1" + "}" * deep
    body = json.dumps({"events": [event(attributes={})]}).replace("{}", attributes)
    fast = eventflux.decode_fast(body.encode(), NOW, Settings())
    if deep > 64:
        assert fast is None
        with pytest.raises(Refused):
            eventflux.decode_carefully(body.encode(), NOW, Settings())
    else:
        assert fast is not None


# --- reading --------------------------------------------------------------------------------------------------------


async def test_daily_pages_lose_nothing_and_never_cut_a_day(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    """Its own cursor loses the rest of a day that the limit cuts."""
    first = datetime(2025, 8, 1, tzinfo=UTC)
    sent: dict[tuple[str, str, str], int] = {}
    events = []
    for day in range(0, 90, 3):
        for kind in range(1 + day % 7):
            for source in ("web", "ios")[: 1 + day % 2]:
                for _ in range(1 + kind % 2):
                    moment = first + timedelta(days=day, seconds=86_399.999999 * (kind % 2))
                    events.append(event(event_type=f"type-{kind}", source=source, timestamp=moment.isoformat()))
                    key = (moment.date().isoformat(), f"type-{kind}", source)
                    sent[key] = sent.get(key, 0) + 1
    assert (await send(client, *events)).status_code == 202
    await tallystick.drained()
    for limit in (1, 7, 40, 10_000):
        rows: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        pages = 0
        while pages < 100:
            page = (await client.get(DAILY, params={"limit": limit, **cursor})).json()
            assert page["count"] == len(page["data"])
            assert len(page["data"]) <= limit or len({row["day"] for row in page["data"]}) == 1
            rows += page["data"]
            pages += 1
            if page["next_cursor"] is None:
                break
            cursor = {"after_day": page["next_cursor"]}
        assert {(row["day"], row["event_type"], row["source"]): row["count"] for row in rows} == sent
        assert len(rows) == len(sent)
        order = [(row["day"], row["count"]) for row in rows]
        assert order == sorted(order, reverse=True)


async def test_daily_ranges(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    await send(client, event(timestamp="2025-11-12T00:00:00Z"), event(timestamp="2025-11-11T23:59:59.999999Z"))
    await tallystick.drained()
    ranges: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["2025-11-12", "2025-11-11"]),
        ({"start_date": "2025-11-12"}, ["2025-11-12"]),
        ({"end_date": "2025-11-11"}, ["2025-11-11"]),
        ({"start_date": "2025-11-11", "end_date": "2025-11-11"}, ["2025-11-11"]),
        ({"start_date": "2025-11-12", "end_date": "2025-11-11"}, []),
        ({"start_date": "0001-01-01", "end_date": "9999-12-31"}, ["2025-11-12", "2025-11-11"]),
        ({"after_day": "2025-11-12"}, ["2025-11-11"]),
        ({"after_day": "0001-01-01"}, []),
        ({"after_day": "9999-12-31"}, ["2025-11-12", "2025-11-11"]),
        ({"event_type": "b\0"}, []),
        ({"source": ""}, ["2025-11-12", "2025-11-11"]),
        ({"event_type": "", "source": "web"}, ["2025-11-12", "2025-11-11"]),
    ]
    for params, days in ranges:
        answer = await client.get(DAILY, params=params)
        assert answer.status_code == 200
        assert [row["day"] for row in answer.json()["data"]] == days, params


async def test_updated_at_is_when_the_newest_of_them_arrived(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    await send(client, event())
    first = (await stored(client, tallystick))[0]["received_at"]
    await send(client, event())
    newest = max(row["received_at"] for row in await stored(client, tallystick))
    row = (await client.get(DAILY)).json()["data"][0]
    assert (row["count"], row["updated_at"]) == (2, newest)
    assert newest > first


async def test_raw_windows(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    await send(client, event())
    await tallystick.drained()
    windows: list[tuple[str | None, str | None, int, int]] = [
        ("2025-11-12T10:00:00Z", "2025-11-12T11:00:00Z", 200, 1),
        ("2025-11-12T10:00:00.000001Z", "2025-11-12T11:00:00Z", 200, 0),
        ("2025-11-12T09:00:00Z", "2025-11-12T10:00:00Z", 200, 0),
        ("2025-11-12T10:00:00", "2025-11-12T10:00:01", 200, 1),
        ("2025-11-12T12:30:00+02:00", "2025-11-12T11:00:00Z", 200, 0),
        (None, "2025-11-12T10:30:00Z", 200, 1),
        (None, None, 200, 0),
        ("2025-11-12T10:00:00Z", None, 400, 0),
        ("2025-11-12T10:00:00Z", "2025-11-12T11:00:00.000001Z", 400, 0),
        ("2025-11-12T11:00:00Z", "2025-11-12T10:00:00Z", 200, 0),
        ("0001-01-01T00:00:00+14:00", None, 400, 0),
        (None, "0001-01-01T00:00:00Z", 400, 0),
        ("yesterday", None, 422, 0),
    ]
    for since, until, status, found in windows:
        params = {name: value for name, value in (("since", since), ("until", until)) if value}
        answer = await client.get(RAW, params=params)
        assert answer.status_code == status, params
        if status == 200:
            assert len(answer.json()) == found, params
        else:
            assert answer.json().keys() == {"detail"}


async def test_top_n_limits_event_types_alone(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    await send(client, event(), event(source="ios"), event(event_type="purchase", source="api"))
    await tallystick.drained()
    answer = (await client.get("/v1/analytics/events/summary", params={"top_n": 1})).json()
    assert answer["top_event_types"] == [{"event_type": "page_view", "total": 2}]
    assert [entry["source"] for entry in answer["top_sources"]] == ["api", "ios", "web"]
    for top_n in (0, 101):
        assert (await client.get("/v1/analytics/events/summary", params={"top_n": top_n})).status_code == 422


async def test_raw_without_a_window_is_the_last_hour(client: httpx.AsyncClient, tallystick: Tallystick) -> None:
    now = datetime.now(UTC)
    await send(client, *(event(timestamp=(now - timedelta(minutes=m)).isoformat()) for m in (0, 45, 61)))
    await tallystick.drained()
    assert len((await client.get(RAW)).json()) == 2


async def test_detailed_health_says_what_does_not_answer(
    client: httpx.AsyncClient, tallystick: Tallystick, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_depth() -> None:
        raise QueueUnavailable

    async def no_receipt(ingester: str, seq: int) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(tallystick.store, "receipt", no_receipt)
        answer = await client.get("/healthz/detailed")
        assert (answer.status_code, answer.json()["postgres"]) == (503, "error: store_unavailable")
        assert answer.json()["redis"] == {
            "ping": "ok",
            "stream_len": 0,
            "consumer_groups": 1,
            "lags": [{"group": "tallystick", "pending": 0, "lag": 0}],
            "consumer_lag": 0,
        }
    with monkeypatch.context() as broken:
        broken.setattr(tallystick.queue, "depth", no_depth)
        answer = await client.get("/healthz/detailed")
        assert (answer.status_code, answer.json()["postgres"]) == (503, "ok")
        assert answer.json()["redis"] == {
            "ping": "error",
            "stream_len": None,
            "consumer_groups": 1,
            "lags": [],
            "consumer_lag": None,
        }
        taken = await send(client, event())
        assert (taken.status_code, taken.json()["stream_len"]) == (202, None)
    assert (await client.get("/healthz/detailed")).status_code == 200
