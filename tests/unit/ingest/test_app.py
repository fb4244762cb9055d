"""POST /v1/events, from the request to what GET /v1/events shows: the whole of Tallystick in a folder."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.types import Message

from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings

ROUTE = "/v1/events"


def settings_in(folder: Path, **more: Any) -> Settings:
    """Batches are stored at once; the machine's free disk is not under test."""
    return Settings(data=folder, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **more)


class Side:
    """A running Tallystick and a client of it."""

    def __init__(self, tallystick: Tallystick) -> None:
        self.tallystick = tallystick
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(tallystick.asgi), base_url="http://localhost:8000"
        )

    async def send(self, body: Any, *, status: int = 202, query: str = "", **headers: str) -> Any:
        """The answer's JSON; a body that is no text or bytes is sent as JSON. `_` in a header's name is a hyphen."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.post(ROUTE + query, content=content, headers=named)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def rows(self) -> list[dict[str, Any]]:
        """What GET /v1/events shows, oldest first, once everything is stored."""
        await self.tallystick.drained()
        answer = await self.client.get(ROUTE, params={"site_id": "*", "order": "oldest", "limit": 5000})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with open_tallystick(settings_in(tmp_path)) as tallystick:
        made = Side(tallystick)
        async with made.client:
            yield made


# --- answers --------------------------------------------------------------------------------------------------------


async def test_accepted(side: Side) -> None:
    given = {"name": "a", "user_id": "u", "path": "/p", "source": "web", "session_id": "s", "site_id": "x"}
    answer = await side.send(given)
    assert (answer["accepted"], answer["rejected"]) == (1, [])
    await side.tallystick.drained()
    receipt = (await side.client.get(f"/v1/receipts/{answer['receipt']}")).json()
    assert (receipt["state"], receipt["count"], receipt["stored"]) == ("stored", 1, 1)
    (row,) = await side.rows()
    assert {field: row[field] for field in given} == given
    assert UUID(row["event_id"]).version == 7
    assert row["timestamp"] == row["received_at"]


async def test_partial(side: Side) -> None:
    """G8: the valid ones are stored, the others reported by their place."""
    answer = await side.send([{"name": "a"}, {"name": ""}, {"name": "b"}, 5])
    assert answer["accepted"] == 2
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(1, "name_missing"), (3, "event_invalid")]
    assert {row["name"] for row in await side.rows()} == {"a", "b"}


@pytest.mark.parametrize(
    ("body", "query"), [([{}, {"name": 1.5, "user_id": []}], ""), ([{"name": "a"}, {}], "?strict=1")]
)
async def test_nothing_is_taken(side: Side, body: Any, query: str) -> None:
    """G8: all invalid is 400, and with strict=1 one is enough; nothing is stored then."""
    answer = await side.send(body, status=400, query=query)
    assert answer["error"]["code"] == answer["rejected"][0]["code"]
    assert (answer["accepted"], answer["receipt"]) == (0, None)
    assert await side.rows() == []


async def test_strict_takes_what_is_all_valid(side: Side) -> None:
    """G8: strict=1 is all or nothing, and this is all."""
    assert (await side.send([{"name": "a"}, {"name": "b"}], query="?strict=1"))["accepted"] == 2
    assert (await side.send([{"name": "a"}, {}], query="?strict=0"))["accepted"] == 1


@pytest.mark.parametrize(("value", "strict"), [("True", True), ("%31", True), ("0&strict=yes", True), ("off", False)])
async def test_strict_is_read_as_other_booleans_are(side: Side, value: str, strict: bool) -> None:
    """G8: a client that writes `strict=true` got part of its events stored, as if it had written nothing."""
    await side.send([{"name": "a"}, {}], status=400 if strict else 202, query=f"?strict={value}")
    assert len(await side.rows()) == (0 if strict else 1)


@pytest.mark.parametrize("value", ["perhaps", "", "2", "1;0"])
async def test_a_strictness_that_is_none_is_refused(side: Side, value: str) -> None:
    """G8: with valid events, too, and nothing is stored."""
    answer = await side.send([{"name": "a"}], status=400, query=f"?strict={value}")
    assert answer["error"]["code"] == "invalid_request"
    assert answer["error"]["message"].startswith("strict: ")
    assert await side.rows() == []


@pytest.mark.parametrize(
    ("query", "advice"),
    [("stritc=1", "did you mean strict?"), ("STRICT=1", "did you mean strict?"), ("strict=0&t=5", "takes strict")],
)
async def test_a_parameter_that_is_none_is_refused(side: Side, query: str, advice: str) -> None:
    """G8: `stritc=1` was ignored, and a part of the request stored."""
    answer = await side.send([{"name": "a"}, {}], status=400, query=f"?{query}")
    assert answer["error"]["code"] == "invalid_request"
    assert answer["error"]["message"].endswith(advice)
    assert await side.rows() == []


async def test_errors_of_the_body(tmp_path: Path) -> None:
    async with open_tallystick(settings_in(tmp_path, max_body_bytes=2048, max_request_events=10)) as tallystick:
        side = Side(tallystick)
        event = {"name": "a"}
        for status, code, body, headers in (
            (400, "invalid_request", "no JSON", {}),
            (400, "invalid_request", b"no gzip", {"content_encoding": "gzip"}),
            (400, "invalid_request", json.dumps(event), {"idempotency_key": "x" * 257}),
            (413, "too_large", [event] * 11, {}),
            (413, "too_large", "x" * 2049, {}),
            (413, "too_large", gzip.compress(bytes(4096)), {"content_encoding": "gzip"}),
            (415, "unsupported_encoding", "", {"content_encoding": "br"}),
        ):
            answer = await side.send(body, status=status, **headers)
            assert answer["error"]["code"] == code
            assert answer["error"]["message"]
            assert answer["request_id"]
        assert (await side.send(gzip.compress(json.dumps(event).encode()), content_encoding="gzip"))["accepted"] == 1
        assert len(await side.rows()) == 1
        await side.client.aclose()


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    """G5: 503 with Retry-After, and nothing was taken."""
    settings = settings_in(tmp_path).model_copy(update={"disk_reserve_bytes": 2**62, "disk_reserve_fraction": 0.9999})
    async with open_tallystick(settings) as tallystick:
        side = Side(tallystick)
        answer = await side.client.post(ROUTE, json={"name": "a"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["error"]["code"] == "queue_full"
        assert await side.rows() == []
        await side.client.aclose()


async def call(tallystick: Tallystick, *messages: Message) -> list[Message]:
    """What a POST over bare ASGI sends, after whose messages the client says nothing."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": ROUTE, "query_string": b"", "headers": []}
    await asyncio.wait_for(tallystick.asgi(scope, receive, send), 60)
    return sent


async def test_slow_and_gone_clients(tmp_path: Path) -> None:
    async with open_tallystick(settings_in(tmp_path, body_timeout=0.05)) as tallystick:
        half: Message = {"type": "http.request", "body": b'{"name":', "more_body": True}
        for messages in ([], [half]):
            assert (await call(tallystick, *messages))[0]["status"] == 408
        assert await call(tallystick, half, {"type": "http.disconnect"}) == []


async def test_request_id_is_echoed_when_it_is_sane(side: Side) -> None:
    sane = "!" + "x" * 126 + "~"
    assert (await side.send({"name": "a"}, x_request_id=sane))["request_id"] == sane
    for odd in ("", "two words", "x" * 129, "tab\tbed", "<ü>".encode().decode("latin-1")):
        answer = await side.client.post(ROUTE, json={"name": "a"}, headers={b"X-Request-ID": odd.encode("latin-1")})
        made = answer.headers["x-request-id"]
        assert answer.json()["request_id"] == made == str(UUID(made))
        assert (UUID(made).version, UUID(made).variant) == (4, "specified in RFC 4122")
    refused = await side.client.post(ROUTE, content="", headers={"X-Request-ID": "mine"})
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == "mine"


async def test_browsers_may_send_from_any_page(side: Side) -> None:
    headers = {"Origin": "https://x.test", "Access-Control-Request-Method": "POST", "X-Request-ID": "mine"}
    asked = await side.client.options(ROUTE, headers=headers)
    assert (asked.status_code, asked.headers["x-request-id"]) == (204, "mine")
    assert "Content-Type" in asked.headers["access-control-allow-headers"]
    for content in ('{"name":"a"}', "broken"):
        answer = await side.client.post(ROUTE, content=content)
        assert answer.headers["access-control-allow-origin"] == "*"


# --- sent again -----------------------------------------------------------------------------------------------------


async def test_idempotency_key_makes_a_retry_one(side: Side) -> None:
    """G2: events without ids are stored once when the key comes again, twice without one."""
    body = [{"name": "a"}, {"name": "b"}]
    for _ in range(2):
        assert (await side.send(body, idempotency_key="order-17"))["accepted"] == 2
    assert len(await side.rows()) == 2
    await side.send(body, idempotency_key="order-18")
    await side.send(body)
    await side.send(body)
    assert len(await side.rows()) == 8


async def test_the_same_id_is_stored_once(side: Side) -> None:
    """G2: whatever the form of the id."""
    event_id = "6f1c2b7e-58f3-4d6f-9f0a-0d1c2b3a4e5f"
    for form in (event_id, event_id.upper(), event_id.replace("-", "")):
        await side.send({"name": "a", "event_id": form, "timestamp": "2026-01-01T00:00:00Z"})
    assert [row["event_id"] for row in await side.rows()] == [event_id]


# --- clocks ---------------------------------------------------------------------------------------------------------


async def test_clocks(side: Side) -> None:
    """G9: a time outside 2000 … now + 24 h becomes the time of arrival and stays visible; the others are kept."""
    before = datetime.now(UTC)
    odd = ["1999-12-31T23:59:59Z", (before + timedelta(hours=25)).isoformat(), "10000-01-01T00:00:00Z", 10**30, -5]
    good = ["2000-01-01T00:00:00Z", (before + timedelta(hours=23)).isoformat(), 1769904000.25, "2026-02-01T00:00:00.25"]
    await side.send([{"name": f"{place}", "timestamp": time} for place, time in enumerate(odd + good)])
    rows = {int(row["name"]): row for row in await side.rows()}
    for place, time in enumerate(odd):
        assert rows[place]["properties"] == {"$timestamp": time}
        assert rows[place]["timestamp"] == rows[place]["received_at"]
        assert before <= datetime.fromisoformat(rows[place]["received_at"]) <= datetime.now(UTC)
    assert [rows[place]["properties"] for place in range(len(odd), len(rows))] == [{}] * len(good)
    assert rows[len(odd)]["timestamp"] == "2000-01-01T00:00:00.000000Z"
    assert rows[7]["timestamp"] == rows[8]["timestamp"] == "2026-02-01T00:00:00.250000Z"


# --- odd input, through the store -----------------------------------------------------------------------------------

SHOWN: dict[str, tuple[str, Any]] = {
    "NUL": (r'{"k":"a\u0000b"}', {"k": "a\ufffdb"}),
    "half a pair": (r'{"\ud800":"\ud83d\ude00\udc00"}', {"\ufffd": "\U0001f600\ufffd"}),
    "huge integer": (f'{{"k":{"9" * 400}}}', {"k": int("9" * 400)}),
    "beyond 64 bits": ('{"k":[18446744073709551616,-9223372036854775809]}', {"k": [2**64, -(2**63) - 1]}),
    "more digits than Python reads": (f'{{"k":{"9" * 5000}}}', {"k": "9" * 5000}),
    "no double": ('{"k":1e400,"l":-1e400,"m":1e-400}', {"k": "1e400", "l": "-1e400", "m": 0.0}),
    "key twice": ('{"k":1,"k":2}', {"k": 1}),
    "key twice, escaped": (r'{"k":1,"\u006b":2}', {"k": 1}),
    "key twice, inside": ('{"o":{"k":null,"k":2}}', {"o": {"k": None}}),
    "empty key": ('{"":1}', {"": 1}),
    "white space": ('{\t"k" :\n[ 1 ,\r\n2 ] }', {"k": [1, 2]}),
    "at the limit of depth": (f'{{"k":{"[" * 63}{"]" * 63}}}', {"k": json.loads("[" * 63 + "]" * 63)}),
    "separators": ('{"k":"a\u2028b\x7f\x85"}', {"k": "a\u2028b\x7f\x85"}),
}


async def test_odd_properties_have_one_result(side: Side) -> None:
    """As they come alone, and beside what Tallystick adds."""
    texts = [text for text, _ in SHOWN.values()]
    alone = [f'{{"name":"{n}","properties":{text}}}' for n, text in enumerate(texts)]
    added = [f'{{"name":"{n}","event_id":"x","user_id":"{n}","properties":{text}}}' for n, text in enumerate(texts)]
    assert (await side.send(f"[{','.join(alone + added)}]"))["accepted"] == 2 * len(SHOWN)
    rows = await side.rows()
    assert len(rows) == 2 * len(SHOWN)
    names = list(SHOWN)
    for row in rows:
        label = names[int(row["name"])]
        expected = {"$event_id": "x", **SHOWN[label][1]} if row["user_id"] else SHOWN[label][1]
        assert (label, row["properties"]) == (label, expected)
    ledger = (await side.client.get("/v1/pipeline")).json()["ledger"]
    assert (ledger["stored"], ledger["dead"]) == (2 * len(SHOWN), 0)


async def test_a_question_takes_the_key_that_is_shown(side: Side) -> None:
    """Of a key that stands twice: the first, in filters, sums and the list of keys too."""
    await side.send('{"name":"a","properties":{"k":1,"k":20}}')
    assert (await side.rows())[0]["properties"] == {"k": 1}
    answer = await side.client.get("/v1/query", params={"metric": "sum:k", "filter": "properties.k:=:1"})
    assert answer.json()["rows"] == [{"sum(k)": 1.0}]
    assert (await side.client.get("/v1/properties")).json()["rows"] == [{"key": "k", "events": 1}]
    assert (await side.client.get("/v1/values?field=properties.k")).json()["rows"] == [{"value": 1, "events": 1}]


async def test_odd_bytes_have_one_result(side: Side) -> None:
    """G8: what is no JSON costs its own line where lines are sent, and the request where one document is."""
    deep = b"[" * 100_000 + b"]" * 100_000
    lines = [
        b'{"name":"utf8 \xff"}',
        b'{"name":"b","properties":{"k":NaN}}',
        b'{"name":"c\x00"}',
        b"\xff\xfe{\x00}\x00",
        b'{"name":"deep","properties":' + deep + b"}",
        b'{"name":"good"}',
    ]
    answer = await side.send(b"\xef\xbb\xbf" + b"\r\n".join(lines), content_type="application/x-ndjson")
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [
        (1, "event_invalid"),
        (2, "event_invalid"),
        (3, "event_invalid"),
        (4, "too_deep"),
    ]
    for line in lines[1:5]:
        assert (await side.send(b"[" + line + b"]", status=400))["error"]["code"] == "invalid_request"
    assert {row["name"] for row in await side.rows()} == {"utf8 \ufffd", "good"}


async def test_an_export_can_be_sent_again(side: Side) -> None:
    """G2: NDJSON exports are in the form of a body, and are recognised."""
    await side.send([{"name": "a", "event_id": "x", "properties": {"k": "é"}}, {"name": "b", "timestamp": 1769904000}])
    rows = await side.rows()
    export = (await side.client.get("/v1/export")).content
    assert (await side.send(export, content_type="application/x-ndjson"))["accepted"] == 2
    assert await side.rows() == rows
