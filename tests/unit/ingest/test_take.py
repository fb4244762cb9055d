"""A request that is taken without a task gets the answer that it gets with one; what needs more is left to the task."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tallystick.access.model import COMMAND
from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings
from tallystick.model.query import EventsQuery

WRITE_KEY = "w" * 32
READ_KEY = "r" * 32
EVENT = {"name": "page_view", "user_id": "ada"}


def settings_in(folder: Path, **more: Any) -> Settings:
    return Settings(data=folder, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **more)


@pytest.fixture
async def tallystick(tmp_path: Path) -> AsyncIterator[Tallystick]:
    async with open_tallystick(settings_in(tmp_path)) as tallystick:
        yield tallystick


class Taken:
    """What `Outer.take` did with a request."""

    def __init__(
        self,
        tallystick: Tallystick,
        body: bytes,
        query: str = "",
        of_head: Any = None,
        **headers: str,
    ) -> None:
        """`of_head`: a dictionary for what follows from the head, shared by requests with the same head."""
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": "/v1/events",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *pairs],
            "client": ("127.0.0.1", 1),
        }
        if of_head is not None:
            self.scope["tallystick.of_head"] = of_head
        self.taken = tallystick.asgi.take(self.scope, body, self._say)

    def _say(self, status: int, fields: bytes, body: bytes) -> None:
        self._answer.set_result((status, fields, body))

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON."""
        status, fields, body = await self._answer
        lines = [line.split(": ", 1) for line in fields.decode().split("\r\n")[:-1]]
        return status, dict(lines), json.loads(body)


async def asked(tallystick: Tallystick, body: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
    """The answer by the task."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.ASGITransport(tallystick.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        answer = await client.post("/v1/events", content=body, headers=named)
    return answer.status_code, dict(answer.headers), answer.json()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT).encode(),
        json.dumps({"events": [EVENT, {"name": ""}, EVENT]}).encode(),
        json.dumps([EVENT, EVENT]).encode(),
        b'{"name":"a"}\n{"name":"b"}',
    ],
    ids=["one", "one of them invalid", "array", "lines"],
)
async def test_both_ways_answer_the_same(tallystick: Tallystick, body: bytes) -> None:
    taken = Taken(tallystick, body, x_request_id="r1")
    assert taken.taken

    status, headers, said = await taken.answer()
    other_status, other_headers, other = await asked(tallystick, body, x_request_id="r1")

    assert said.pop("receipt") != other.pop("receipt")
    assert (status, said) == (other_status, other) == (202, said)
    assert headers == other_headers | {"content-length": headers["content-length"]}


async def test_what_is_taken_is_stored_and_counted(tallystick: Tallystick) -> None:
    answers = [Taken(tallystick, json.dumps([EVENT] * 3).encode()) for _ in range(5)]
    assert [(await taken.answer())[2]["accepted"] for taken in answers] == [3] * 5
    await tallystick.drained()

    published = (await tallystick.queue.books()).published
    assert sum(row.events for row in published.values()) == 15
    metrics = tallystick.metrics.render().decode()
    assert "tallystick_events_accepted_total 15.0" in metrics
    assert 'tallystick_http_requests_total{route="/v1/events",status="202"} 5.0' in metrics


@pytest.mark.parametrize(
    ("body", "query", "headers"),
    [
        (b"nonsense", "", {}),
        (b'{"name":""}', "", {}),
        (json.dumps([EVENT, {"name": ""}]).encode(), "strict=1", {}),
        (json.dumps(EVENT).encode(), "strict=perhaps", {}),
        (gzip.compress(json.dumps(EVENT).encode()), "", {"content_encoding": "gzip"}),
        (json.dumps(EVENT).encode(), "", {"idempotency_key": "k" * 1_000}),
        (json.dumps(EVENT).encode(), "", {"Host": "localhost", "host": "again"}),
    ],
    ids=["no JSON", "all invalid", "strict", "no strictness", "compressed", "a key too long", "a header twice"],
)
async def test_what_needs_more_is_left_to_the_task_and_counts_nothing(
    tallystick: Tallystick, body: bytes, query: str, headers: dict[str, str]
) -> None:
    assert not Taken(tallystick, body, query, **headers).taken

    metrics = tallystick.metrics.render().decode()
    assert "tallystick_ingest_body_bytes_total 0.0" in metrics
    assert "tallystick_events_rejected_total{" not in metrics


async def test_too_large_a_body_is_left_to_the_task(tmp_path: Path) -> None:
    async with open_tallystick(settings_in(tmp_path, max_body_bytes=4_096)) as tallystick:
        assert not Taken(tallystick, json.dumps([EVENT] * 1_000).encode()).taken


async def test_only_a_known_write_key_in_a_header_is_taken(tmp_path: Path) -> None:
    """G12: the task refuses the others, and finds the key in a body."""
    settings = settings_in(tmp_path, write_keys=SecretStr(f"shop={WRITE_KEY}"), read_keys=SecretStr(f"shop={READ_KEY}"))
    body = json.dumps(EVENT).encode()
    async with open_tallystick(settings) as tallystick:
        assert not Taken(tallystick, body).taken
        assert not Taken(tallystick, body, authorization=f"Bearer {READ_KEY}").taken
        assert not Taken(tallystick, body, authorization="Bearer nobody's").taken
        assert not Taken(tallystick, json.dumps({**EVENT, "key": WRITE_KEY}).encode()).taken
        assert not Taken(tallystick, json.dumps({**EVENT, "site_id": "other"}).encode(), x_api_key=WRITE_KEY).taken

        taken = Taken(tallystick, body, authorization=f"Bearer {WRITE_KEY}")
        assert taken.taken
        assert (await taken.answer())[0] == 202


async def test_a_full_queue_refuses_as_the_task_does(tmp_path: Path) -> None:
    """G5."""
    body = json.dumps(EVENT).encode()
    settings = settings_in(tmp_path).model_copy(update={"disk_reserve_bytes": 2**62, "disk_reserve_fraction": 0.9999})
    async with open_tallystick(settings) as tallystick:
        taken = Taken(tallystick, body, x_request_id="r1")
        assert taken.taken

        answer = await taken.answer()

        assert answer == await asked(tallystick, body, x_request_id="r1")
        assert answer[0] == 503
        assert "retry-after" in answer[1]
        assert 'tallystick_ingest_refused_total{code="queue_full"} 2.0' in tallystick.metrics.render().decode()


async def test_other_routes_and_a_server_that_stops_take_nothing(tallystick: Tallystick) -> None:
    scope = Taken(tallystick, json.dumps(EVENT).encode()).scope

    def say(status: int, fields: bytes, body: bytes) -> None:
        raise AssertionError("answered")

    assert not tallystick.asgi.take({**scope, "method": "GET"}, b"", say)
    assert not tallystick.asgi.take({**scope, "path": "/v1/query"}, b"{}", say)
    tallystick.stop()
    assert not tallystick.asgi.take(scope, json.dumps(EVENT).encode(), say)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_request_id": "r1"},
        {"content_type": "application/x-ndjson"},
        {"idempotency_key": "once"},
        {"user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"},
        {"user_agent": "facebookexternalhit/1.1"},
        {"user_agent": "python-requests/2.32"},
    ],
    ids=["plain", "request id", "lines", "idempotency", "browser", "crawler", "service"],
)
async def test_requests_with_the_same_head_are_each_answered_as_one_alone(
    tallystick: Tallystick, headers: dict[str, str]
) -> None:
    of_head: dict[str, Any] = {}
    event = {**EVENT, "properties": {"$current_url": "https://shop.example/a?utm_source=x"}}
    bodies = [json.dumps({**event, "name": f"event {number}"}).encode() for number in range(3)]
    answers = [await Taken(tallystick, body, of_head=of_head, **headers).answer() for body in bodies]
    alone = await Taken(tallystick, bodies[0].replace(b"event 0", b"event 3"), **headers).answer()
    await tallystick.drained()

    for status, fields, said in (*answers, alone):
        assert (status, said["accepted"], said["rejected"]) == (202, 1, [])
        assert fields["x-request-id"] == said["request_id"]
    ids = {said["request_id"] for _, _, said in answers}
    assert len(ids) == (1 if "x_request_id" in headers else 3)
    query = EventsQuery(site_id="default", limit=10)
    rows = (await tallystick.store.run(query)).rows
    assert {row["name"] for row in rows} == {f"event {number}" for number in range(4)}
    assert len({json.dumps(row["properties"], sort_keys=True) for row in rows}) == 1
    assert len({row["event_id"] for row in rows}) == 4


async def test_a_revoked_key_ends_with_a_head_that_was_known(tmp_path: Path) -> None:
    """G12: the key is looked up for each request."""
    body = json.dumps(EVENT).encode()
    async with open_tallystick(settings_in(tmp_path)) as tallystick:
        await tallystick.accounts.add_site("shop", "", COMMAND)
        key, token = await tallystick.accounts.create_key("write", "", ["shop"], [], [], COMMAND)
        of_head: dict[str, Any] = {}
        first = Taken(tallystick, body, of_head=of_head, x_api_key=token)
        assert (await first.answer())[0] == 202

        await tallystick.accounts.revoke_key(key.id, COMMAND)

        assert not Taken(tallystick, body, of_head=of_head, x_api_key=token).taken


async def test_a_quota_counts_requests_with_a_known_head(tmp_path: Path) -> None:
    """G5."""
    body = json.dumps([EVENT] * 3).encode()
    async with open_tallystick(settings_in(tmp_path, quota_key_events=2, quota_burst=1)) as tallystick:
        of_head: dict[str, Any] = {}
        taken = [Taken(tallystick, body, of_head=of_head).taken for _ in range(3)]

    assert taken == [True, False, False]
