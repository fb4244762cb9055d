"""The live page in Chromium: what is stored appears by itself, from a stream that may end and come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener, started
from tests.browser.dashboard.test_keys_and_empty import give
from tests.servers.process import wait_until

LIVE = "Live: events appear as they are stored"
ENDED = "The stream ended: updated every 2 seconds"

Listen = Callable[[ServerProcess], Page]


def tell(api: Api, *names: str, site: str = "live") -> None:
    """Events of now, one after the other, from two users."""
    accepted = api.ledger()["accepted"]
    for number, name in enumerate(names):
        event = {"name": name, "user_id": f"u{number % 2}", "site_id": site, "event_id": str(uuid4())}
        api.post("/v1/events", event)
    wait_until_stored(api, accepted + len(names))


def names(page: Page) -> list[str]:
    return page.locator("table.events .row-button").all_inner_texts()


def kind_asked(request: Request) -> object:
    """What the question is about; the numbers beside the list are `metrics`, one of which is called events too."""
    return json.loads(request.post_data or "{}").get("kind")


@pytest.fixture
def listening(browser: Browser) -> Iterator[Listen]:
    """Opens the live page of a server that may end: what Chromium logs about that is no failure."""
    contexts: list[BrowserContext] = []

    def listen(process: ServerProcess) -> Page:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{process.url}/ui/live?site=live")
        return page

    yield listen
    for context in contexts:
        context.close()


def test_events_come_by_themselves(api: Api, opened: Opener) -> None:
    """Without a reload, and without being asked for: the newest on top, and their users counted."""
    page = opened("/ui/live?site=live")
    expect(page.get_by_text(LIVE)).to_be_visible()
    settled(page)
    tell(api, "live 0")
    expect(page.locator("table.events .row-button")).to_have_text(["live 0"])
    asked: list[object] = []  # once it listens, it asks what it missed before: that is over now
    page.on("request", lambda request: asked.append(kind_asked(request)))
    tell(api, "live 1", "live 2")
    expect(page.locator("table.events .row-button")).to_have_text(["live 2", "live 1", "live 0"])
    assert "events" not in asked
    now = datetime.now(UTC)
    users = api.query(
        kind="metrics", metrics=[{"kind": "users"}], site_id="live", since=(now - timedelta(minutes=30)).isoformat()
    )["rows"][0]["users"]
    expect(page.locator("[data-live-users]")).to_have_text(str(users))


def test_other_sites_do_not_appear(api: Api, opened: Opener) -> None:
    page = opened("/ui/live?site=quiet")
    expect(page.get_by_text(LIVE)).to_be_visible()
    tell(api, "elsewhere", site="loud")
    tell(api, "here", site="quiet")
    expect(page.locator("table.events .row-button")).to_have_text(["here"])
    page.get_by_label("Site").select_option("All sites")
    expect(page.locator("table.events .row-button").get_by_text("elsewhere")).to_be_visible()


def test_pause(api: Api, opened: Opener) -> None:
    """Nothing moves while it is paused; what came meanwhile is there when it goes on."""
    tell(api, "before", site="paused")
    page = opened("/ui/live?site=paused")
    expect(page.get_by_text(LIVE)).to_be_visible()
    expect(page.locator("table.events .row-button")).to_have_text(["before"])
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    tell(api, "meanwhile", site="paused")
    page.wait_for_timeout(3_000)  # longer than the stream or a question takes
    assert names(page) == ["before"]
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("table.events .row-button")).to_have_text(["meanwhile", "before"])


def test_the_list_is_bounded(api: Api, opened: Opener) -> None:
    """The newest fifty are shown; how many more were stored is said, as the stream says it."""
    page = opened("/ui/live?site=many")
    expect(page.get_by_text(LIVE)).to_be_visible()
    accepted = api.ledger()["accepted"]
    api.post("/v1/events", [{"name": f"many {number}", "site_id": "many"} for number in range(200)])
    wait_until_stored(api, accepted + 200)
    rows, left_out = page.locator("table.events tbody tr"), page.locator("[data-left-out]")
    expect(left_out).to_be_visible()

    def all_accounted_for() -> bool:
        """The stream says it in parts, as the worker stored them."""
        return int(left_out.get_attribute("data-left-out") or 0) + rows.count() >= 200

    wait_until(all_accounted_for, "what is shown and what is left out, which are 200 together,")
    assert 0 < rows.count() <= 50


def test_no_stream(tmp_path: Path, listening: Listen) -> None:
    """A server that has no room for listeners: the page asks, and says so."""
    with started(tmp_path, TALLYSTICK_LIVE_LISTENERS="0") as process, closing(process.api()) as api:
        tell(api, "first")
        page = listening(process)
        expect(page.get_by_text(ENDED)).to_be_visible()
        tell(api, "second")
        expect(page.locator("table.events .row-button")).to_have_text(["second", "first"])


def test_server_goes_away_and_comes_back(tmp_path: Path, browser: Browser) -> None:
    """The events stay, the page says how old they are, and it listens again when the server is back."""
    port_of = started(tmp_path)
    with port_of as process:
        with closing(process.api()) as api:
            tell(api, "before")
        context = browser.new_context()
        page = context.new_page()
        # The server that comes back has another port: what the page asks goes to whichever runs.
        first = process.url
        page.route("**/v1/**", lambda route: route.continue_(url=route.request.url.replace(first, process.url)))
        page.goto(f"{first}/ui/live?site=live")
        expect(page.get_by_text(LIVE)).to_be_visible()
        expect(page.locator("table.events .row-button")).to_have_text(["before"])
        settled(page)
        process.kill()
        expect(page.get_by_text("the last update failed: The server cannot be reached.")).to_be_visible()
        assert names(page) == ["before"]
        process.start()
        with closing(process.api()) as api:
            expect(page.get_by_text(LIVE)).to_be_visible()
            tell(api, "after")
        expect(page.locator("table.events .row-button")).to_have_text(["after", "before"])
        context.close()


def test_with_a_key(tmp_path: Path, listening: Listen) -> None:
    """The stream's key goes into the header, as every question's does, and never into an address."""
    key = "k" * 24
    with started(tmp_path, TALLYSTICK_READ_KEYS=f"live={key}") as process, closing(process.api()) as api:
        api.post("/v1/events", {"name": "first", "site_id": "live"})
        page = listening(process)
        streams: list[Request] = []
        page.on("request", lambda request: streams.append(request) if "/v1/live" in request.url else None)
        give(page, key)
        expect(page.get_by_text(LIVE)).to_be_visible()
        api.post("/v1/events", [{"name": "second", "site_id": "live"}, {"name": "hidden", "site_id": "other"}])
        expect(page.locator("table.events .row-button")).to_have_text(["second", "first"])
        assert streams
        assert all(stream.all_headers()["authorization"] == f"Bearer {key}" for stream in streams)
        assert not any(key in stream.url for stream in streams)
