"""Idempotency-Keys that several clients use (G2) suppress no events, on any route that derives ids."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.helpers.http.keyed import EVERY, Side, opened

ONE, OTHER, ALL = (f"{word}-0123456789abcdef" for word in ("write-one", "write-other", "write-all"))
WHEN = "2026-01-02T03:04:05Z"
EVENTFLUX = {"event_type": "bulk", "actor_id": "u", "source": "s", "timestamp": WHEN}
PAGE = {"site_id": "shop", "event_type": "view", "path": "/", "timestamp": WHEN}
BODIES: dict[str, list[Any]] = {
    "/v1/events": [{"name": "a", "site_id": "shop"}, {"name": "b", "site_id": "shop"}],
    "/v1/events/bulk": [{"events": [EVENTFLUX]}, {"events": [{**EVENTFLUX, "actor_id": "v"}]}],
    "/api/event": [PAGE, {**PAGE, "path": "/other"}],
    "/event": [{**PAGE, "event_type": "hit"}, {**PAGE, "event_type": "hit", "path": "/other"}],
}
"""Two requests of each route whose events bring no id."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    keys = SecretStr(f"shop={ONE} shop={OTHER} *={ALL}")
    async with opened(tmp_path_factory.mktemp("side"), write_keys=keys, read_keys=SecretStr(f"*={EVERY}")) as opened_:
        yield opened_


async def stored(side: Side) -> int:
    await side.tallystick.drained()
    answer = await side.client.get("/v1/query?site_id=*", headers={"X-API-Key": EVERY})
    return sum(int(row["events"]) for row in answer.json()["rows"])


async def send(side: Side, path: str, body: Any, key: str, idempotency: str, **headers: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"X-API-Key": key, "Idempotency-Key": idempotency, **headers}
    answer = await side.client.post(path, content=content, headers=named)
    assert answer.status_code in (200, 202), answer.text


@pytest.mark.parametrize("path", list(BODIES))
@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_uses_up_the_key_of_another(side: Side, path: str) -> None:
    """G2: another body, or another client's write key, is another request; the same body and key are a retry."""
    mine, theirs = BODIES[path]
    idempotency = f"order-17 {path}"
    before = await stored(side)
    await send(side, path, theirs, OTHER, idempotency)
    await send(side, path, theirs, ONE, idempotency)
    assert await stored(side) == before + 2, "an attacker was first"
    await send(side, path, mine, ONE, idempotency)
    assert await stored(side) == before + 3, "and suppressed nothing"
    await send(side, path, mine, ONE, idempotency)
    packed = zlib.compress(json.dumps(mine).encode())
    await send(side, path, packed, ONE, idempotency, **{"Content-Encoding": "deflate"})
    assert await stored(side) == before + 3, "a retry is one, compressed or not"
    await send(side, path, mine, ONE, f"{idempotency} again")
    assert await stored(side) == before + 4


@pytest.mark.asyncio(loop_scope="module")
async def test_neither_do_key_and_place_run_into_each_other(side: Side) -> None:
    """G2: events of one request are all kept, also of several sites, and next to a request whose key looks like it."""
    before = await stored(side)
    events = [{"name": "a", "site_id": site} for site in ("shop", "blog", "shop")]
    for idempotency in ("k", "k\t1", "k 1", "k1"):
        await send(side, "/v1/events", events, ALL, idempotency)
        await send(side, "/v1/events", events, ALL, idempotency)
    assert await stored(side) == before + 4 * len(events)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_in_the_body_counts_as_well(side: Side) -> None:
    before = await stored(side)
    for key in (ONE, OTHER, ONE):
        answer = await side.client.post(
            "/v1/events", json={"key": key, "name": "beacon"}, headers={"Idempotency-Key": "beacon"}
        )
        assert answer.status_code == 202
    assert await stored(side) == before + 2
