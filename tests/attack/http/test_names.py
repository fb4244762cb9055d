"""Sites called `*`, and names in which there is nothing to see: refused by one rule on every way in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tallystick.cli.importing.columns import parse_choices
from tallystick.config import Settings
from tallystick.errors import ConfigError
from tallystick.ingest.decode import decode_native
from tallystick.ingest.text import is_visible
from tallystick.keys import parse
from tests.helpers.http.keyed import JSON, Side, opened
from tests.helpers.thorough import examples

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WHEN = "2026-01-02T03:04:05Z"
BLANK = [
    " ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u200b",
    "\u2060\ufeff",
    " \u200d ",
    "\u2028",
    "\u0085",
]
CONTROLLED = ["a\tb", "a\n", "\x01a", "a\x1f", "a\x7f", "\x9fa", "a\x1b[31m"]
FINE = [
    "a",
    " a",
    "a ",
    "a b",
    "\u00e4",
    "\u65e5\u672c",
    "\U0001f469\u200d\U0001f4bb",
    "a\u00a0b",
    "\u200ba",
    "*a",
    "**",
    "a*",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def side(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("side")) as opened_:
        yield opened_


def test_which_texts_are_names() -> None:
    assert [text for text in (*BLANK, *CONTROLLED, "") if is_visible(text)] == []
    assert [text for text in FINE if not is_visible(text)] == []


@pytest.mark.parametrize("field", ["name", "site_id", "user_id"])
@pytest.mark.asyncio(loop_scope="module")
async def test_the_native_api_rejects_such_an_event_alone(side: Side, field: str) -> None:
    """Also among others that go the fast way, by itself, and as a line."""
    wrong = [*BLANK, *CONTROLLED, *(["*"] if field == "site_id" else [])]
    for text in wrong:
        event = {"name": "a", field: text}
        for body in (event, [{"name": "a"}, event], {"events": [event]}):
            answer = await side.client.post("/v1/events", json=body)
            [rejected] = answer.json()["rejected"]
            assert rejected["code"] == f"{field}_invalid", (text, answer.text)
    fine = await side.client.post("/v1/events", json=[{"name": "a", field: text} for text in FINE])
    assert (fine.status_code, fine.json()["rejected"]) == (202, [])


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
@hypothesis_settings(max_examples=examples(2_000))
def test_the_fast_way_and_the_careful_way_agree(name: str, site: str, user: str) -> None:
    """An event is taken alone exactly when it is taken beside one that forces the second look."""
    event = {"name": name, "site_id": site or "s", "user_id": user or "u"}
    alone = decode_native(json.dumps(event).encode(), NOW, Settings())
    both = decode_native(json.dumps([event, {"name": 7}]).encode(), NOW, Settings())
    assert alone.count == both.count - 1
    if alone.count:
        assert is_visible(event["name"].replace("\0", "\ufffd"))
        assert event["site_id"] != "*"


def batches(text: str) -> list[tuple[str, Any]]:
    """A request of each dialect with the text as the event's name, and as its user."""
    found: list[tuple[str, Any]] = []
    for name, user in ((text, "u"), ("a", text)):
        page = {"site_id": "s", "event_type": name, "user_id": user, "path": "/", "timestamp": WHEN}
        flux = {"event_type": name, "actor_id": user, "source": "s", "timestamp": WHEN}
        hog = {"event_id": "1", "event_name": name, "user_id": user, "timestamp": WHEN, "properties": {}}
        found += [("/api/event", page), ("/event", page)]
        found += [("/events", {"events": [hog]}), ("/v1/events/bulk", {"events": [flux]})]
    return found


@pytest.mark.asyncio(loop_scope="module")
async def test_the_dialects_refuse_them(side: Side) -> None:
    for text in (*BLANK, *(text for text in CONTROLLED if text.strip() == text)):
        for path, body in batches(text):
            answer = await side.client.post(path, json=body)
            # SmolHog's SDK would send what is refused again for ever: such an event becomes a dead letter.
            assert answer.status_code in ((200,) if path == "/events" else (400, 422)), (path, text, answer.text)
    for path in ("/api/event", "/event"):
        for site in ("*", " ", "a\tb"):
            body = {"site_id": site, "event_type": "a", "path": "/", "timestamp": WHEN}
            answer = await side.client.post(path, json=body)
            assert (answer.status_code, "site_id" in answer.text) == (400, True), (path, site, answer.text)
    for path in ("/api/stats", "/stats"):
        assert (await side.client.get(path, params={"site_id": "*"})).status_code == 400


@pytest.mark.asyncio(loop_scope="module")
async def test_no_question_is_about_a_site_of_that_name(side: Side) -> None:
    """In a query string `*` is every site; in JSON that is null."""
    for path, body in (
        ("/v1/query", {"kind": "events", "site_id": "*"}),
        ("/v1/query", {"kind": "metrics", "site_id": "*"}),
        ("/v1/query/sessions", {"site_id": "*"}),
        ("/v1/query/funnel", {"steps": [{}, {}], "site_id": "*"}),
        ("/v1/sql", {"sql": "SELECT 1", "site_id": "*"}),
        ("/v1/boards", {"name": "b", "site_id": "*"}),
        ("/v1/reports", {"name": "r", "question": {"kind": "events"}, "site_id": "*"}),
    ):
        answer = await side.client.post(path, content=json.dumps(body), headers=JSON)
        assert (answer.status_code, "no site is called" in answer.text) == (400, True), (path, answer.text)
    assert (await side.client.get("/v1/query", params={"site_id": "*"})).status_code == 200


def test_neither_settings_nor_imports_name_one(tmp_path: Path) -> None:
    for text in ("*", *BLANK, *CONTROLLED):
        with pytest.raises(ConfigError, match="--site"):
            parse_choices([], "a", text, [], "UTC")
    for text in (*BLANK, *CONTROLLED):
        with pytest.raises(ConfigError, match="--name"):
            parse_choices([], text, None, [], "UTC")
    for site in ("\u200b", "a\x01b", "\x7f"):
        with pytest.raises(ConfigError, match="visible"):
            parse(f"{site}=0123456789abcdef", "TALLYSTICK_READ_KEYS")
    assert parse("*=0123456789abcdef", "TALLYSTICK_READ_KEYS")  # every site
