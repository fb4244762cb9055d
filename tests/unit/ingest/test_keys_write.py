"""Who may send (G12): every write route of a whole Tallystick, with keys and without."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tallystick import dialects, logs
from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings
from tallystick.ingest import decode
from tallystick.ingest.admission import KEYED_BODY_MAX
from tallystick.ingest.decode import decode_native
from tests.helpers.samples import NOON

SHOP, BLOG, EVERY, PLAIN_DEFAULT, READ = (
    f"{word}-0123456789abcdef" for word in ("shop", "blog", "every", "default", "read")
)
WRITE_KEYS = f"shop={SHOP} blog={BLOG}, *={EVERY} default={PLAIN_DEFAULT}"
READ_KEYS = f"*={READ}"
WHEN = "2025-11-12T19:30:01Z"

SENT: dict[str, dict[str, Any]] = {
    "/v1/events": {"name": "n"},
    "/events": {"events": [{"event_id": "1", "event_name": "n", "user_id": "u", "timestamp": WHEN}]},
    "/api/events": {"events": [{"event_id": "2", "event_name": "n", "user_id": "u", "timestamp": WHEN}]},
    "/v1/events/bulk": {"events": [{"event_type": "n", "actor_id": "u", "source": "s", "timestamp": WHEN}]},
    "/api/event": {"site_id": "shop", "event_type": "n", "timestamp": WHEN},
    "/event": {"site_id": "shop", "event_type": "n", "path": "/", "timestamp": WHEN},
}
"""A good body for every write route."""


def keyed(folder: Path, **more: Any) -> Settings:
    keys = {"write_keys": SecretStr(WRITE_KEYS), "read_keys": SecretStr(READ_KEYS), **more}
    return Settings(data=folder, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **keys)


class Side:
    """A running Tallystick and a client of it."""

    def __init__(self, tallystick: Tallystick) -> None:
        self.tallystick = tallystick
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(tallystick.asgi), base_url="http://localhost:8000"
        )

    async def send(self, path: str, body: Any, key: str = "", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named["Authorization"] = f"Bearer {key}"
        content = body if isinstance(body, bytes) else json.dumps(body)
        return await self.client.post(path, content=content, headers=named)

    async def sites(self) -> dict[str, str]:
        """Each stored event's name and site."""
        await self.tallystick.drained()
        asked = {"site_id": "*", "limit": "5000"}
        answer = await self.client.get("/v1/events", params=asked, headers={"X-API-Key": READ})
        return {row["name"]: row["site_id"] for row in answer.json()["rows"]}

    async def count(self) -> int:
        return sum(entry.stored for entry in (await self.tallystick.store.ledger()).values())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Side]:
    async with open_tallystick(settings) as tallystick:
        side = Side(tallystick)
        async with side.client:
            yield side


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(keyed(tmp_path)) as made:
        yield made


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


async def test_every_write_route_is_known_here(side: Side) -> None:
    """A new write route has to be decided about: give it a body in SENT."""
    takes = dialects.Takes(side.tallystick.ingest, side.tallystick.queue, side.tallystick.settings)
    served = {path for method, path in dialects.write_routes(takes) if method != "OPTIONS"} | {"/v1/events"}
    assert served == SENT.keys()


@pytest.mark.parametrize("path", SENT)
async def test_write_routes_let_in_who_has_a_key(side: Side, path: str, log_lines: io.StringIO) -> None:
    """G12: no or an unknown key 401, a read key 403, a write key is let in; none of them is ever shown or logged."""
    body, wrong = SENT[path], "wrong-0123456789abcdef"
    bare = await side.send(path, body)
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="Tallystick"')
    for how in ({"key": wrong}, {"x_api_key": wrong}, {"authorization": f"Basic {SHOP}"}, {"authorization": SHOP}):
        refused = await side.send(path, body, **how)
        assert refused.status_code == 401
        assert refused.headers["x-request-id"]
        assert wrong not in refused.text
    for how in ({"key": READ}, {"x_api_key": READ}):
        assert (await side.send(path, body, **how)).status_code == 403
    assert await side.count() == 0
    for key in (SHOP, EVERY):
        for how in ({"key": key}, {"x_api_key": key}):
            assert (await side.send(path, body, **how)).is_success, path
    text = log_lines.getvalue()
    assert '"access refused"' in text
    assert not any(key in text for key in (SHOP, EVERY, READ, wrong))


@pytest.mark.parametrize("path", SENT)
async def test_a_key_in_the_url_is_none(side: Side, path: str) -> None:
    """G12: URLs end up in logs and histories."""
    for name in ("key", "api_key", "token", "authorization", "x-api-key"):
        assert (await side.send(f"{path}?{name}={SHOP}", SENT[path])).status_code == 401


async def test_refusals_are_counted(side: Side) -> None:
    await side.send("/v1/events", {"name": "n"})
    await side.send("/event", SENT["/event"], "wrong-0123456789abcdef")
    await side.send("/event", SENT["/event"], READ)
    counted = {
        code: side.tallystick.metrics.registry.get_sample_value(
            "tallystick_access_refused_total", {"side": "write", "code": code}
        )
        for code in ("unauthorized", "forbidden")
    }
    assert counted == {"unauthorized": 2, "forbidden": 1}


async def test_errors_keep_the_dialects_form(side: Side) -> None:
    assert (await side.send("/v1/events", {"name": "n"})).json()["error"]["code"] == "unauthorized"
    assert (await side.send("/events", SENT["/events"])).json().keys() == {"detail"}
    assert (await side.send("/v1/events/bulk", SENT["/v1/events/bulk"])).json().keys() == {"detail"}
    assert (await side.send("/api/event", SENT["/api/event"])).json().keys() == {"success", "error"}
    assert (await side.send("/event", SENT["/event"])).json().keys() == {"error"}


# --- sites ----------------------------------------------------------------------------------------------------------


async def test_events_belong_to_the_site_of_their_key(side: Side) -> None:
    """G12: named or not; an event of another site is rejected alone, by its place."""
    mixed = [
        {"name": "a"},
        {"name": "b", "site_id": "shop"},
        {"name": "c", "site_id": "blog"},
        {"name": "d", "site_id": "default"},
        {"name": "e", "site_id": ""},
        {"name": "f", "site_id": None},
    ]
    answer = await side.send("/v1/events", mixed, SHOP)
    assert answer.status_code == 202
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [(2, "wrong_site"), (3, "wrong_site")]
    assert await side.sites() == dict.fromkeys("abef", "shop")
    strict = await side.send("/v1/events?strict=1", mixed, BLOG)
    assert (strict.status_code, strict.json()["error"]["code"]) == (400, "wrong_site")


async def test_a_key_for_every_site_and_one_for_the_default_site(side: Side) -> None:
    sent = [{"name": "a"}, {"name": "b", "site_id": "any"}]
    assert (await side.send("/v1/events", sent, EVERY)).json()["accepted"] == 2
    assert (await side.send("/v1/events", [{"name": "c"}, {"name": "d", "site_id": "any"}], PLAIN_DEFAULT)).json()[
        "accepted"
    ] == 1
    assert await side.sites() == {"a": "default", "b": "any", "c": "default"}


@pytest.mark.parametrize("path", ["/events", "/api/events", "/v1/events/bulk"])
async def test_dialects_without_sites_write_to_that_of_the_key(side: Side, path: str) -> None:
    """G12: on the fast way and on the careful one."""
    assert (await side.send(path, SENT[path], BLOG)).is_success
    assert await side.sites() == {"n": "blog"}
    text = json.dumps(SENT[path]).replace('"n"', '"m\\u0000"').replace('"u"', '" v"').replace("01Z", "01.5+01:00")
    assert (await side.send(path, text.encode(), BLOG)).is_success
    assert await side.sites() == {"n": "blog", "m\ufffd": "blog"}


@pytest.mark.parametrize("path", ["/api/event", "/event"])
async def test_dialects_with_sites_refuse_another_than_the_keys(side: Side, path: str) -> None:
    """G12."""
    refused = await side.send(path, SENT[path], BLOG)
    assert refused.status_code == 403
    assert "another site" in refused.json()["error"]
    assert (await side.send(path, SENT[path], SHOP)).is_success
    assert await side.sites() == {"n": "shop"}


async def test_smolhogs_own_header_holds_a_key_too(side: Side) -> None:
    """On its own routes alone."""
    for path in ("/events", "/api/events"):
        assert (await side.send(path, SENT[path], smolhog_api_key=SHOP)).status_code == 200
    assert (await side.send("/event", SENT["/event"], smolhog_api_key=SHOP)).status_code == 401
    assert (await side.send("/v1/events", {"name": "x"}, smolhog_api_key=SHOP)).status_code == 401


async def test_a_key_of_one_site_is_not_told_how_much_waits(side: Side) -> None:
    """G12: what waits in the queue is of all sites."""
    path = "/v1/events/bulk"
    assert (await side.send(path, SENT[path], SHOP)).json()["stream_len"] is None
    assert (await side.send(path, SENT[path], EVERY)).json()["stream_len"] is not None


ONE_EVENT = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "é", "\\"])},
    optional={
        "site_id": st.sampled_from(["shop", "blog", "default", "", None, "sh\u0000op", 5]),
        "properties": st.sampled_from([{}, {"site_id": "blog"}, {"k": "site_id"}, {"\u007f": "\x7f"}]),
        "user_id": st.sampled_from(["site_id", "u"]),
    },
)


@given(
    st.lists(ONE_EVENT, min_size=1, max_size=4),
    st.sampled_from(["shop", "default", "5"]),
    st.sampled_from(["array", "events", "lines", "one"]),
    st.booleans(),
    st.booleans(),
)
def test_no_event_gets_past_its_keys_site(
    events: list[dict[str, Any]], site: str, form: str, ascii_only: bool, hidden: bool
) -> None:
    """G12: the fast way and the careful one take the same events, however the field's name is written."""
    events = events[:1] if form == "one" else events
    texts = [json.dumps(event, ensure_ascii=ascii_only) for event in events]
    if hidden:
        texts = [text.replace('"site_id": ', '"s\\u0069te_id": ') for text in texts]
    joined = {"array": f"[{','.join(texts)}]", "events": f'{{"events":[{",".join(texts)}]}}', "one": texts[0]}
    body = joined.get(form, "\n".join(texts)).encode()
    named = [event.get("site_id") for event in events]
    fits = [given in (None, "", site) or (given == 5 and site == "5") for given in named]
    settings = Settings()
    careful = decode._decode_carefully(decode._split(body, form == "lines", 100)[0], NOON, settings, None, site)
    for decoded in (decode_native(body, NOON, settings, ndjson=form == "lines", site=site), careful):
        assert [one.index for one in decoded.rejected] == [at for at, fit in enumerate(fits) if not fit]
        assert {one.code for one in decoded.rejected} <= {"wrong_site"}
        sites = [json.loads(line).get("site_id", "default") for line in decoded.lines.splitlines()]
        assert sites == [site] * sum(fits)


def test_bodies_that_name_no_site_or_the_right_one_go_the_fast_way() -> None:
    for body in ('[{"name":"a"},{"name":"b"}]', '{"name":"a","site_id":"shop"}', '{"name":"\\u00e9\\u0041"}'):
        fast = decode._decode_fast(body.encode(), NOON, Settings(), False, "shop")
        assert fast is not None
        assert fast.lines.count(b'"site_id":"shop"') == fast.count
    assert decode._decode_fast(b'{"name":"a","site_id":"default"}', NOON, Settings(), False, "shop") is None
    named = decode._decode_fast(b'{"name":"a","s\\u0069te_id":"default"}', NOON, Settings(), False, "shop")
    assert named is None


# --- the key in the body --------------------------------------------------------------------------------------------


async def test_a_beacon_has_its_key_in_the_body(side: Side) -> None:
    """G12: browsers' sendBeacon sets no headers. The key is not stored."""
    for body in (
        {"key": SHOP, "events": [{"name": "a"}, {"name": "b"}]},
        {"name": "c", "key": SHOP, "properties": {"key": "p"}},
        b"\xef\xbb\xbf" + json.dumps({"key": SHOP, "name": "d"}).encode(),
    ):
        answer = await side.send("/v1/events", body, content_type="text/plain;charset=UTF-8")
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == "*"
    packed = gzip.compress(json.dumps({"key": SHOP, "name": "e"}).encode())
    assert (await side.send("/v1/events", packed, content_encoding="gzip")).status_code == 202
    assert await side.sites() == dict.fromkeys("abcde", "shop")
    export = await side.client.get("/v1/export?site_id=*", headers={"X-API-Key": READ})
    assert SHOP not in export.text


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a", "key": "wrong-0123456789abcdef"},
        {"name": "a", "key": 5},
        {"name": "a", "key": None},
        [{"name": "a", "key": SHOP}],
        {"events": [{"name": "a", "key": SHOP}]},
        {"name": "a", "properties": {"key": SHOP}},
        b'{"key":"' + SHOP.encode() + b'","name":"a"}\n{"name":"b"}',
        b"",
        b"{",
        b"\xff",
        b"[" * 60_000,
        b'{"key":"\\ud800","name":"a"}',
    ],
)
async def test_what_is_no_key_in_the_body(side: Side, body: Any) -> None:
    """G12: the whole request has to be a JSON object with a text `key` of its own."""
    assert (await side.send("/v1/events", body)).status_code == 401


async def test_a_read_key_in_the_body(side: Side) -> None:
    assert (await side.send("/v1/events", {"name": "a", "key": READ})).status_code == 403


async def test_a_header_goes_before_the_body(side: Side) -> None:
    assert (await side.send("/v1/events", {"name": "a", "key": SHOP}, BLOG)).status_code == 202
    assert await side.sites() == {"a": "blog"}
    assert (await side.send("/v1/events", {"name": "b", "key": SHOP}, "wrong-0123456789abcdef")).status_code == 401


@pytest.mark.parametrize("pack", [False, True])
async def test_who_shows_no_key_first_cannot_send_much(side: Side, pack: bool) -> None:
    """G12: a body is read for its key only as far as a beacon may go, compressed or not."""

    def body(size: int) -> bytes:
        text = json.dumps({"key": SHOP, "name": "a", "ignored": ""}).encode()
        text = text[:-2] + b"x" * (size - len(text)) + text[-2:]
        assert len(text) == size
        return gzip.compress(text) if pack else text

    how = {"content_encoding": "gzip"} if pack else {}
    assert (await side.send("/v1/events", body(KEYED_BODY_MAX), **how)).status_code == 202
    refused = await side.send("/v1/events", body(KEYED_BODY_MAX + 1), **how)
    assert refused.status_code == 401
    assert refused.json()["error"]["message"].endswith("with its key in the body a request may have 65536 bytes")
    assert (await side.send("/v1/events", body(KEYED_BODY_MAX + 1), SHOP, **how)).status_code == 202


async def test_without_a_good_key_no_body_is_read(side: Side) -> None:
    """G12: who has no key costs nothing."""
    for path in SENT:
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"x-api-key", b"wrong-0123456789abcdef")],
        }
        sent = []

        async def receive() -> Any:
            raise AssertionError("the body is read")

        async def send(message: Any) -> None:
            sent.append(message)  # noqa: B023

        await side.tallystick.asgi(scope, receive, send)
        assert sent[0]["status"] == 401


async def test_browsers_may_send_their_key_from_any_page(side: Side) -> None:
    headers = {
        "Origin": "https://x.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-api-key",
    }
    asked = await side.client.options("/v1/events", headers=headers)
    allowed = asked.headers["access-control-allow-headers"]
    assert asked.status_code == 204
    assert {"Authorization", "X-API-Key"} <= {name.strip() for name in allowed.split(",")}
    refused = await side.send("/v1/events", {"name": "a"}, origin="https://x.test")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")


# --- without keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SENT)
async def test_without_write_keys_everybody_on_loopback_may_send(tmp_path: Path, path: str) -> None:
    """G12: as long as the server listens there alone; what a client presents is not looked at."""
    async with opened(keyed(tmp_path, write_keys=SecretStr(""))) as side:
        assert (await side.send(path, SENT[path])).is_success
        assert (await side.send(path, SENT[path], "whatever")).is_success


@pytest.mark.parametrize("path", SENT)
async def test_without_write_keys_nobody_may_send_from_afar(tmp_path: Path, path: str) -> None:
    """G12: whatever let such a process start."""
    async with opened(keyed(tmp_path, write_keys=SecretStr(""), host="0.0.0.0")) as side:
        for key in ("", READ, SHOP):
            assert (await side.send(path, SENT[path], key)).status_code == 403
        assert await side.count() == 0


async def test_without_write_keys_no_header_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(keyed(tmp_path, write_keys=SecretStr(""))) as bare:
        monkeypatch.setattr("tallystick.ingest.admission.presented", None)
        assert (await bare.send("/v1/events", {"name": "a"}, SHOP)).status_code == 202
