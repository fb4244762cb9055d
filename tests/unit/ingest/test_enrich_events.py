"""Enrichment of events: what is added, what is never changed, and which requests tell something about a visitor."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings
from tallystick.errors import ConfigError
from tallystick.ingest import decode
from tallystick.ingest.decode import decode_native
from tallystick.ingest.enrich.enrichment import NAMES, Enrichment, Visit, make_enrichment
from tallystick.ingest.text import clean_json, is_visible
from tallystick.model.event import Event, decode_line
from tests.helpers.enrich_samples import CHROME, GOOGLEBOT, IPHONE, SERVICE, write_country_file
from tests.helpers.samples import NOON, sample_event

CLIENT = "198.51.100.7"
PROXY = "127.0.0.1"
PAGE = {"$current_url": "https://shop.example/pricing?utm_source=news", "$referrer": "https://search.example/q"}
OF_CHROME = {"$browser": "Chrome", "$browser_version": 126, "$os": "Windows", "$device_type": "Desktop"}
OF_PAGE = {"$host": "shop.example", "$referring_domain": "search.example", "utm_source": "news"}


def everything(folder: Path, **more: Any) -> Settings:
    """Every step is on; the test's client counts as a proxy."""
    file = folder / "country.mmdb"
    write_country_file(file, {"198.51.100.0/24": {"country": {"iso_code": "DE"}}})
    on: dict[str, Any] = {
        "enrich_agent": True,
        "enrich_page": True,
        "enrich_visitor": True,
        "enrich_country_file": str(file),
        "enrich_address": "truncated",
        "trusted_proxies": PROXY,
        **more,
    }
    return Settings(data=folder / "data", disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **on)


@pytest.fixture(scope="module")
def enrichment(tmp_path_factory: pytest.TempPathFactory) -> Enrichment:
    made = make_enrichment(everything(tmp_path_factory.mktemp("enrichment")))
    assert made is not None
    return made


def visit(enrichment: Enrichment, agent: str = CHROME, client: str = CLIENT) -> Visit:
    headers = [(b"user-agent", agent.encode("latin-1")), (b"x-forwarded-for", client.encode("ascii"))]
    made = enrichment.visit({"type": "http", "headers": headers, "client": (PROXY, 1234)})
    assert made is not None
    return made


def enriched(apply: Visit, properties: bytes, **fields: Any) -> tuple[Event, dict[str, Any]]:
    """The event and its properties, of which the first of equal names counts."""
    event = sample_event(1, properties=properties)
    for name, value in fields.items():
        setattr(event, name, value)
    apply(event)
    pairs = json.loads(bytes(event.properties), object_pairs_hook=list)
    return event, dict(reversed(pairs))


OFF = {"enrich_agent": "false", "enrich_page": "false", "enrich_visitor": "false"}


def test_off_is_raw(tmp_path: Path) -> None:
    assert make_enrichment(Settings(data=tmp_path, **OFF)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "read"),
    [(True, "true"), ("1", "true"), ("TRUE", "true"), (False, "false"), ("off", "false"), ("Auto", "auto")],
)
def test_switches_take_what_they_took(monkeypatch: pytest.MonkeyPatch, given: object, read: str) -> None:
    monkeypatch.setenv("TALLYSTICK_ENRICH_AGENT", str(given))
    assert Settings().enrich_agent == read
    monkeypatch.setenv("TALLYSTICK_ENRICH_AGENT", "sometimes")
    with pytest.raises(ValidationError, match="enrich_agent"):
        Settings()


def test_a_missing_package_is_said_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the server starts without it; a setting that asks for it is an error."""
    monkeypatch.setitem(sys.modules, "crawleruseragents", None)
    with structlog.testing.capture_logs() as logs:
        made = make_enrichment(Settings(data=tmp_path))
    assert made is not None
    assert made.agents is None
    assert "crawler-user-agents" in logs[0]["error"]
    with pytest.raises(ConfigError, match="crawler-user-agents"):
        make_enrichment(Settings(data=tmp_path, enrich_agent="true"))


def test_visitors_without_a_folder(tmp_path: Path) -> None:
    """By default events are taken, without visitors' ids, and the log says it once."""
    (tmp_path / "file").write_text("")
    made = make_enrichment(Settings(data=tmp_path / "file" / "data"))
    assert made is not None
    with structlog.testing.capture_logs() as logs:
        assert enriched(visit(made), b"{}", user_id=None)[0].user_id is None
        visit(made)
    assert [line["event"] for line in logs if "visitors" in line["event"] and "ids" in line["event"]] == [
        "visitors get no ids"
    ]


def test_plain_api_bodies_cost_nothing(tmp_path: Path) -> None:
    """By default a service's request has no visit, and no key of visitors is made for it."""
    made = make_enrichment(Settings(data=tmp_path / "data"))
    assert made is not None
    scope = {"type": "http", "headers": [(b"user-agent", SERVICE.encode())], "client": (PROXY, 1)}
    assert made.visit(scope) is None
    assert not (tmp_path / "data").exists()


def test_all_that_can_be_added(enrichment: Enrichment) -> None:
    event, properties = enriched(visit(enrichment), json.dumps({**PAGE, "plan": "pro"}).encode(), user_id=None)
    added = {**OF_CHROME, "$geoip_country_code": "DE", "$ip": "198.51.100.0", **OF_PAGE}
    assert properties == {**PAGE, "plan": "pro", **added}
    assert set(added) <= NAMES
    assert event.path == "/pricing"
    assert event.user_id is not None
    assert event.user_id.startswith("visitor-")


def test_what_a_client_says_stays(enrichment: Enrichment) -> None:
    own = {**PAGE, "$browser": "Mine", "$bot": False, "utm_source": None, "$geoip_country_code": "", "$ip": "1.2.3.4"}
    event, properties = enriched(visit(enrichment), json.dumps(own).encode(), path="/own")
    assert {name: properties[name] for name in own} == own
    assert properties["$os"] == "Windows"
    assert (event.path, event.user_id) == ("/own", "user-1")


@given(st.dictionaries(st.sampled_from([*sorted(NAMES), *PAGE, "plan"]), st.none() | st.text() | st.integers()))
def test_a_client_s_members_are_untouched(enrichment: Enrichment, own: dict[str, Any]) -> None:
    """As text too: the properties end as they came, and no name stands twice."""
    given_text = msgspec.json.encode(own)
    event, properties = enriched(visit(enrichment), given_text)
    assert bytes(event.properties).endswith(given_text[1:])
    assert properties | own == properties
    assert len(json.loads(bytes(event.properties), object_pairs_hook=list)) == len(properties)
    assert properties.keys() - own.keys() <= NAMES


def test_names_in_escapes_are_seen(enrichment: Enrichment) -> None:
    event, _ = enriched(visit(enrichment), b'{"\\u0024browser":"Mine"}')
    assert bytes(event.properties).count(b"rowser") == 2  # the client's and $browser_version


@pytest.mark.parametrize("properties", [b"5", b"null", b"[]", b'"x"', b"{", b'{"a":'])
def test_what_is_no_object_stays(enrichment: Enrichment, properties: bytes) -> None:
    event = sample_event(1, properties=properties)
    visit(enrichment)(event)
    assert bytes(event.properties) == properties


def test_no_properties(enrichment: Enrichment) -> None:
    event = sample_event(1)
    visit(enrichment)(event)
    assert json.loads(bytes(event.properties)) == {**OF_CHROME, "$geoip_country_code": "DE", "$ip": "198.51.100.0"}
    assert enriched(visit(enrichment, SERVICE), b"{ }")[1] == {}


def test_a_large_event_stays_as_it_is(tmp_path: Path) -> None:
    made = make_enrichment(everything(tmp_path, max_event_bytes=4096))
    assert made is not None
    large = json.dumps({"x": "y" * 2000}).encode()
    assert bytes(enriched(visit(made), large)[0].properties) == large
    settings = Settings(max_event_bytes=4096)
    body = json.dumps({"name": "a", "properties": {**PAGE, "x": "y" * 3700}}).encode()
    assert decode_native(body, NOON, settings, enrich=visit(made)).count == 1


def test_services_tell_nothing_about_visitors(enrichment: Enrichment) -> None:
    event, properties = enriched(visit(enrichment, SERVICE), json.dumps(PAGE).encode(), user_id=None)
    assert properties == {**PAGE, **OF_PAGE}
    assert event.user_id is None


def test_services_may_pass_a_visitor_s_agent_on(enrichment: Enrichment) -> None:
    _, properties = enriched(visit(enrichment, SERVICE), json.dumps({"$raw_user_agent": IPHONE}).encode())
    assert properties["$browser"] == "Mobile Safari"
    assert "$geoip_country_code" not in properties


def test_bots(enrichment: Enrichment) -> None:
    assert enriched(visit(enrichment, GOOGLEBOT), b"{}")[1]["$bot"] is True


def test_visitors(enrichment: Enrichment) -> None:
    def who(agent: str, client: str, site: str = "shop") -> str | None:
        return enriched(visit(enrichment, agent, client), b"{}", user_id=None, site_id=site)[0].user_id

    one = who(CHROME, CLIENT)
    assert who(CHROME, CLIENT) == one
    assert len({one, who(IPHONE, CLIENT), who(CHROME, "198.51.100.8"), who(CHROME, CLIENT, "blog")}) == 4
    assert who(CHROME, "unknown") is None


# --- lines ----------------------------------------------------------------------------------------------------------

EVENTS = st.fixed_dictionaries(
    {"name": st.just("n"), "event_id": st.uuids().map(str)},
    optional={
        "user_id": st.text(min_size=1, max_size=5).filter(is_visible),
        "path": st.text(min_size=1, max_size=5),
        "properties": st.dictionaries(st.sampled_from([*PAGE, "$browser", "utm_source", "x"]), st.text(max_size=20)),
    },
)


@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_both_ways_of_decoding_agree(enrichment: Enrichment, events: list[dict[str, Any]]) -> None:
    body = json.dumps(events).encode()
    settings = Settings()
    fast = decode._decode_fast(clean_json(body), NOON, settings, False, None, visit(enrichment))
    parts = decode._split(clean_json(body), False, 100)[0]
    careful = decode._decode_carefully(parts, NOON, settings, None, None, visit(enrichment))
    if fast is not None:
        assert [decode_line(line) for line in fast.lines.splitlines()] == [
            decode_line(line) for line in careful.lines.splitlines()
        ]
    assert careful.count == len(events)


# --- the whole of Tallystick -----------------------------------------------------------------------------------------


class Side:
    """A running Tallystick and a client of it, which sends as a proxy does."""

    def __init__(self, tallystick: Tallystick) -> None:
        self.tallystick = tallystick
        transport = httpx.ASGITransport(tallystick.asgi, client=(PROXY, 4711))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")

    async def send(self, path: str, body: Any, status: int, agent: str = CHROME) -> None:
        headers = {"User-Agent": agent, "X-Forwarded-For": f"6.6.6.6, {CLIENT}", "Content-Type": "text/plain"}
        answer = await self.client.post(path, content=json.dumps(body), headers=headers)
        assert answer.status_code == status, answer.text

    async def rows(self) -> list[dict[str, Any]]:
        await self.tallystick.drained()
        answer = await self.client.get("/v1/events", params={"site_id": "*", "order": "oldest"})
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Side]:
    async with open_tallystick(settings) as tallystick:
        side = Side(tallystick)
        async with side.client:
            yield side


async def test_native(tmp_path: Path) -> None:
    async with running(everything(tmp_path)) as side:
        await side.send("/v1/events", {"events": [{"name": "a", "properties": PAGE}, {"name": "b", "user_id": 5}]}, 202)
        first, second = await side.rows()
    assert first["properties"] == {**PAGE, **OF_CHROME, **OF_PAGE, "$geoip_country_code": "DE", "$ip": "198.51.100.0"}
    assert first["path"] == "/pricing"
    assert first["user_id"].startswith("visitor-")
    assert second["user_id"] == "5"
    assert CLIENT not in json.dumps([first, second])


WHEN = "2025-11-12T19:30:01Z"
DIALECTS = {
    "/events": ({"events": [{"event_id": "1", "event_name": "n", "user_id": "u", "timestamp": WHEN}]}, 200),
    "/v1/events/bulk": ({"events": [{"event_type": "n", "actor_id": "u", "source": "s", "timestamp": WHEN}]}, 202),
    "/api/event": ({"site_id": "shop", "event_type": "n", "timestamp": WHEN}, 202),
    "/event": ({"site_id": "shop", "event_type": "n", "path": "/", "timestamp": WHEN}, 200),
}


async def test_dialects(tmp_path: Path) -> None:
    async with running(everything(tmp_path)) as side:
        for path, (body, status) in DIALECTS.items():
            await side.send(path, body, status)
        rows = await side.rows()
    assert len(rows) == len(DIALECTS)
    assert all(row["properties"].items() >= OF_CHROME.items() for row in rows)


async def test_off(tmp_path: Path) -> None:
    off: dict[str, Any] = {**OFF, "disk_reserve_bytes": 0, "batch_max_age": 0.0}
    async with running(Settings(data=tmp_path, **off)) as side:
        await side.send("/v1/events", {"name": "a", "properties": PAGE}, 202)
        (row,) = await side.rows()
    assert (row["properties"], row["path"], row["user_id"]) == (PAGE, None, None)


async def test_by_default_what_browsers_send_is_enriched(tmp_path: Path) -> None:
    """On POST /v1/events; other systems' routes store what was sent."""
    async with running(Settings(data=tmp_path, disk_reserve_bytes=0, batch_max_age=0.0)) as side:
        await side.send("/v1/events", {"name": "a", "properties": PAGE}, 202)
        (row,) = await side.rows()
        for path, (body, status) in DIALECTS.items():
            await side.send(path, body, status)
        others = [found for found in await side.rows() if found["event_id"] != row["event_id"]]
    assert row["properties"] == {**PAGE, **OF_CHROME, **OF_PAGE}
    assert row["path"] == "/pricing"
    assert row["user_id"].startswith("visitor-")
    assert len(others) == len(DIALECTS)
    assert all("$browser" not in other["properties"] for other in others)


def test_a_proxy_that_is_not_named_is_told_once(tmp_path: Path) -> None:
    made = make_enrichment(everything(tmp_path, trusted_proxies=""))
    assert made is not None
    with structlog.testing.capture_logs() as logs:
        visit(made)
        visit(made)
    assert [line["event"] for line in logs if "TALLYSTICK_TRUSTED_PROXIES" in line["event"]] == [logs[0]["event"]]


def test_a_proxy_that_is_named_is_not_told(tmp_path: Path) -> None:
    made = make_enrichment(everything(tmp_path))
    assert made is not None
    with structlog.testing.capture_logs() as logs:
        visit(made, client="10.1.2.3")
    assert logs == []


async def test_a_start_is_refused(tmp_path: Path) -> None:
    settings = everything(tmp_path).model_copy(update={"enrich_country_file": str(tmp_path / "none.mmdb")})
    with pytest.raises(ConfigError, match="TALLYSTICK_ENRICH_COUNTRY_FILE"):
        async with open_tallystick(settings) as tallystick:
            assert callable(tallystick.asgi)


def test_settings() -> None:
    with pytest.raises(ValidationError, match="enrich_address"):
        Settings(enrich_address="whole")
