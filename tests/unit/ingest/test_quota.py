"""Quotas of keys and sites (G5): the buckets, and that every write route keeps to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tallystick.app import open_tallystick
from tallystick.config import MIB, Settings
from tallystick.errors import QuotaExceeded
from tallystick.ingest.quota import NO_RATES, Quotas, Rates

SHOP, ALSO_SHOP, BLOG, EVERY = (f"{word}-0123456789abcdef" for word in ("shop", "also", "blog", "every"))
WRITE_KEYS = f"shop={SHOP} shop={ALSO_SHOP} blog={BLOG} *={EVERY}"
WHEN = "2025-11-12T19:30:01Z"
MANY = 1_000

ROUTES: dict[str, dict[str, Any]] = {
    "/v1/events": {"name": "n"},
    "/events": {"events": [{"event_id": "1", "event_name": "n", "user_id": "u", "timestamp": WHEN}]},
    "/api/events": {"events": [{"event_id": "2", "event_name": "n", "user_id": "u", "timestamp": WHEN}]},
    "/v1/events/bulk": {"events": [{"event_type": "n", "actor_id": "u", "source": "s", "timestamp": WHEN}]},
    "/api/event": {"site_id": "shop", "event_type": "n", "timestamp": WHEN},
    "/event": {"site_id": "shop", "event_type": "n", "path": "/", "timestamp": WHEN},
}
"""A good body for every write route."""


class Clock:
    """Seconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def quotas(clock: Clock, **limits: int) -> Quotas:
    return Quotas(Settings(**{f"quota_{name}": value for name, value in limits.items()}), clock)  # type: ignore[arg-type]


def refused(held: Quotas, key: bytes = b"k", site: str | None = "s") -> int:
    """Seconds that the caller is told to wait; 0: it may come in."""
    try:
        held.check(key, site)
    except QuotaExceeded as error:
        return error.retry_after or 0
    return 0


def test_a_burst_is_let_in_and_more_waits_for_what_it_took() -> None:
    clock = Clock()
    held = quotas(clock, key_events=10, burst=2)
    held.spend(b"k", "s", 19, 0)
    assert refused(held) == 0
    held.spend(b"k", "s", 31, 0)  # 30 more than there was
    assert (refused(held), refused(held, b"other")) == (3, 0)
    clock.now += 2.5
    assert refused(held) == 1
    clock.now += 0.5
    assert refused(held) == 0
    clock.now += 1_000
    held.spend(b"k", "s", 20, 0)
    assert refused(held) == 0, "an empty bucket lets the next request in"
    held.spend(b"k", "s", 1, 0)
    assert refused(held) == 1, "idle time gives no more than a burst"


def test_keys_of_a_site_share_its_quota_and_a_key_of_all_sites_has_none() -> None:
    held = quotas(Clock(), site_bytes=100, burst=1)
    held.spend(b"one", "s", 1, 250)
    assert [refused(held, key, site) for key, site in ((b"one", "s"), (b"two", "s"), (b"two", "t"))] == [2, 2, 0]
    held.spend(b"every", None, 1, 10_000)
    assert refused(held, b"every", None) == 0


def test_the_longest_wait_is_told() -> None:
    held = quotas(Clock(), key_events=1, key_bytes=10, burst=1)
    held.spend(b"k", "s", 4, 110)
    with pytest.raises(QuotaExceeded, match="this key may send 10 bytes a second, and has sent more: wait 10 s"):
        held.check(b"k", "s")


def test_a_key_s_own_quota_holds_instead_of_the_settings_one() -> None:
    clock = Clock()
    held = quotas(clock, key_events=10, site_events=1_000, burst=1)
    few, any_number = Rates(2, None), Rates(0, 0)
    for key, own in ((b"few", few), (b"any", any_number), (b"usual", NO_RATES)):
        held.spend(key, "s", 30, 0, own)
    waits = []
    for key, own in ((b"few", few), (b"any", any_number), (b"usual", NO_RATES)):
        try:
            held.check(key, "s", own)
            waits.append(0)
        except QuotaExceeded as error:
            waits.append(error.retry_after or 0)
    assert waits == [14, 0, 2]
    held.spend(b"any", "s", 2_000, 0, any_number)
    with pytest.raises(QuotaExceeded, match="this site may send 1,000 events a second"):
        held.check(b"any", "s", any_number)
    clock.now += 100
    held.spend(b"few", "t", 10, 0, Rates(1, None))  # the quota was lowered: what was left shrinks with it
    with pytest.raises(QuotaExceeded, match="this key may send 1 events a second"):
        held.check(b"few", "t", Rates(1, None))


def test_a_key_has_a_quota_where_the_settings_have_none() -> None:
    held = quotas(Clock())
    held.spend(b"k", "s", 1, 10**6, Rates(None, 100))
    with pytest.raises(QuotaExceeded, match="this key may send 100 bytes a second"):
        held.check(b"k", "s", Rates(None, 100))
    assert refused(held) == 0


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3)), max_size=60))
def test_a_caller_that_heeds_the_answer_gets_its_rate(requests: list[tuple[int, float]]) -> None:
    """Never more than the burst, the rate and one request; and never refused for longer than it was told."""
    clock = Clock()
    held = quotas(clock, key_events=10, burst=3)
    sent, largest = 0, 0
    for events, pause in requests:
        clock.now += pause
        clock.now += refused(held)
        assert refused(held) == 0
        held.spend(b"k", "s", events, 0)
        sent, largest = sent + events, max(largest, events)
        assert sent <= 10 * 3 + 10 * (clock.now - 100.0) + largest + 1e-6


async def test_every_write_route_refuses_a_key_beyond_its_quota(tmp_path: Path) -> None:
    """G5: with the dialect's own form of an error; another key is answered, and nothing of the refused is stored."""
    settings = Settings(
        data=tmp_path,
        disk_reserve_bytes=0,
        store_memory=128 * MIB,
        write_keys=SecretStr(WRITE_KEYS),
        quota_key_events=1,
        quota_burst=1,
    )
    async with open_tallystick(settings) as tallystick:
        transport = httpx.ASGITransport(tallystick.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:

            async def post(path: str, body: Any, key: str) -> httpx.Response:
                headers = {"Authorization": f"Bearer {key}"}
                return await client.post(path, content=json.dumps(body), headers=headers)

            first = await post("/v1/events", [{"name": f"n{n}"} for n in range(MANY)], SHOP)
            assert first.status_code == 202
            for path, body in ROUTES.items():
                answer = await post(path, body, SHOP)
                assert answer.status_code == 429, path
                assert MANY / 2 < int(answer.headers["Retry-After"]) <= MANY, path
                assert "this key may send 1 events a second" in answer.text, path
            in_body = await client.post("/v1/events", content=json.dumps({"name": "n", "key": SHOP}))
            assert (in_body.status_code, in_body.json()["error"]["code"]) == (429, "quota_exceeded")
            for path, key in {"/v1/events": ALSO_SHOP, "/events": BLOG, "/api/events": EVERY}.items():
                assert (await post(path, ROUTES[path], key)).status_code < 300, path
            refusals = tallystick.metrics.ingest_refused.labels("quota_exceeded")._value.get()
            assert refusals == len(ROUTES) + 1
            await tallystick.drained()
            assert sum(entry.stored for entry in (await tallystick.store.ledger()).values()) == MANY + 3


async def test_rejected_events_count_too(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, disk_reserve_bytes=0, store_memory=128 * MIB, quota_key_events=1, quota_burst=1)
    async with open_tallystick(settings) as tallystick:
        transport = httpx.ASGITransport(tallystick.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            bad = await client.post("/v1/events", content=json.dumps([{"name": ""}] * MANY))
            assert bad.status_code == 400
            assert (await client.post("/v1/events", content=json.dumps({"name": "n"}))).status_code == 429
