"""The browser snippet in Chromium: pages of another origin, a real server, and what is stored in the end."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tallystick.ingest.enrich.enrichment import NAMES
from tallystick.ingest.snippet import BUILT
from tests.browser.snippet_site import SCRIPT, Server, Site, site
from tests.servers.process import needs_built

LOADED = "() => window.tallystick && window.tallystick.site !== undefined"
GO_TO = """hash => new Promise(resolve => {
    addEventListener("hashchange", resolve, {once: true});
    location.hash = hash;
})"""
"""Goes to a place, and ends once the page's own listeners, which were there before, have heard of it."""


@pytest.fixture(scope="module", autouse=True)
def snippet() -> None:
    """The snippet's file, which the tests are about."""
    needs_built(BUILT, "snippet")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    with made.process:
        yield made


@pytest.fixture
def server(running: Server) -> Server:
    """The running server, and a site that no other test has."""
    running.site = secrets.token_hex(4)
    return running


@pytest.fixture
def shop(server: Server) -> Iterator[Site]:
    with site() as made:
        made.server = server.url
        made.attributes = {"data-site": server.site}
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """The properties without those that the server adds."""
    return {name: value for name, value in row["properties"].items() if name not in NAMES}


def wait_for_page(page: Page, heard: Callable[[], bool]) -> None:
    """Until the test has heard of what the page did: Playwright tells it while the test waits for the page."""
    end = time.monotonic() + 60
    while not heard():
        assert time.monotonic() < end, "the page did not do it"
        page.wait_for_timeout(20)


def paths(rows: list[dict[str, object]]) -> list[object]:
    return [row["path"] for row in rows]


# --- page views -----------------------------------------------------------------------------------------------------


def test_page_view(server: Server, shop: Site, page: Page, context: BrowserContext) -> None:
    """And nothing is stored on the device."""
    page.goto(f"{shop.url}/pricing?utm_source=news#plans", referer="https://search.example/q")
    (row,) = server.wait_for(["page_view"])
    assert (row["site_id"], row["path"], row["source"]) == (server.site, "/pricing", "web")
    assert row["user_id"].startswith("visitor-")
    assert row["session_id"] is None
    assert as_sent(row) == {
        "$current_url": f"{shop.url}/pricing?utm_source=news",
        "$referrer": "https://search.example/q",
    }
    assert UUID(row["event_id"]).version == 4
    assert context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.evaluate("indexedDB.databases().then(found => found.length)") == 0


def test_route_changes(server: Server, shop: Site, page: Page) -> None:
    """Each other path is a view; what only changes the query, the state or the hash is none."""
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("history.pushState({}, '', '/b')")
    page.evaluate("history.replaceState({x: 1}, '', '/b?sort=price')")
    page.evaluate("location.hash = 'top'")
    page.evaluate("history.replaceState({}, '', '/c')")
    page.evaluate("history.back()")
    rows = server.wait_for(["page_view"] * 4)
    assert paths(rows)[:3] == ["/a", "/b", "/c"]
    assert rows[1]["properties"]["$referrer"] == f"{shop.url}/a"
    assert len({row["event_id"] for row in rows}) == 4


def test_hash_routes(server: Server, shop: Site, page: Page) -> None:
    shop.attributes["data-hash"] = ""
    page.goto(f"{shop.url}/#/a")
    page.wait_for_function(LOADED)
    page.evaluate("location.hash = '/b'")
    rows = server.wait_for(["page_view"] * 2)
    assert paths(rows) == ["/#/a", "/#/b"]
    assert as_sent(rows[1]) == {"$current_url": f"{shop.url}/#/b", "$referrer": f"{shop.url}/#/a"}


def test_back_to_a_page_that_the_browser_kept(server: Server, shop: Site, page: Page) -> None:
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.goto(f"{shop.url}/b")
    page.wait_for_function(LOADED)
    page.go_back()
    assert paths(server.wait_for(["page_view"] * 3)) == ["/a", "/b", "/a"]


# --- custom events --------------------------------------------------------------------------------------------------

STUB = "window.tallystick = window.tallystick || function () { (tallystick.q = tallystick.q || []).push(arguments) };"


def test_custom_events_before_and_after_the_script(server: Server, shop: Site, page: Page) -> None:
    shop.head = f'<script>{STUB} tallystick("early", {{plan: "pro"}})</script>'
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("tallystick('late', {price: 9.5}, {user_id: 'u1'})")
    page.evaluate("tallystick('bare')")
    rows = server.wait_for(["page_view", "early", "late", "bare"])
    assert [as_sent(row) for row in rows[1:]] == [{"plan": "pro"}, {"price": 9.5}, {}]
    visitor = rows[0]["user_id"]
    assert [row["user_id"] for row in rows] == [visitor, visitor, "u1", visitor]
    assert set(paths(rows)) == {"/a"}


def test_what_json_cannot_have_stops_nothing(server: Server, shop: Site, page: Page) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    assert page.evaluate("(() => { tallystick('bad', {x: 1n}); return 'went on' })()") == "went on"
    page.evaluate("tallystick('good')")
    server.wait_for(["page_view", "good"])
    wait_for_page(page, lambda: any(error.startswith("tallystick: TypeError") for error in errors))


def test_many_and_large_events(server: Server, shop: Site, page: Page) -> None:
    """More than a request with `keepalive` may have, one event alone larger than that, letters of three bytes."""
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("for (let n = 0; n < 200; n++) tallystick('many', {n, text: '語'.repeat(300)})")
    page.evaluate("tallystick('large', {text: '語'.repeat(19000)})")
    rows = server.wait_for(["page_view", *["many"] * 200, "large"])
    assert sorted(row["properties"]["n"] for row in rows[1:-1]) == list(range(200))
    assert len(rows[-1]["properties"]["text"]) == 19_000


# --- leaving --------------------------------------------------------------------------------------------------------


def test_leave(server: Server, shop: Site, page: Page) -> None:
    """What happens in the last moment arrives, by navigation and by closing the tab."""
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("(() => { tallystick('last'); location.href = 'about:blank' })()")
    server.wait_for(["page_view", "last"])
    page.wait_for_url("about:blank")
    page.goto(f"{shop.url}/b")
    page.wait_for_function(LOADED)
    page.evaluate("addEventListener('pagehide', () => tallystick('even later'), true)")
    page.close(run_before_unload=True)
    server.wait_for(["page_view", "last", "page_view", "even later"])


def test_leave_in_browsers_without_keepalive(server: Server, shop: Site, page: Page) -> None:
    """They get a beacon."""
    page.add_init_script("delete Request.prototype.keepalive")
    page.goto(f"{shop.url}/a")
    server.wait_for(["page_view"])
    page.evaluate("""() => {
        const send = navigator.sendBeacon.bind(navigator);
        window.beacons = [];
        navigator.sendBeacon = (...given) => { beacons.push(given[0]); return send(...given) };
        tallystick("last");
        dispatchEvent(new PageTransitionEvent("pagehide"));
    }""")
    server.wait_for(["page_view", "last"])
    assert page.evaluate("beacons") == [f"{server.url}/v1/events"]


def test_time_on_page(server: Server, shop: Site, page: Page) -> None:
    shop.attributes["data-time"] = ""
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.wait_for_timeout(300)
    page.evaluate("history.pushState({}, '', '/b')")
    page.wait_for_timeout(200)
    page.goto("about:blank")
    rows = server.wait_for(["page_view", "page_leave", "page_view", "page_leave"])
    assert paths(rows) == ["/a", "/a", "/b", "/b"]
    assert 0.3 <= rows[1]["properties"]["seconds"] <= 30
    assert 0.2 <= rows[3]["properties"]["seconds"] <= 30


def test_outbound_links(server: Server, shop: Site, page: Page) -> None:
    shop.attributes["data-outbound"] = ""
    elsewhere = shop.url.replace("127.0.0.1", "localhost")
    shop.body = f'<a id="in" href="/b"><b>in</b></a> <a id="out" href="{elsewhere}/x?y"><b id="bold">out</b></a>'
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    shop.attributes["data-site"] = "elsewhere"
    page.click("#bold")
    rows = server.wait_for(["page_view", "outbound_click"])
    assert as_sent(rows[1]) == {"url": f"{elsewhere}/x?y"}
    shop.attributes["data-site"] = server.site
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.click("#in")
    server.wait_for(["page_view", "outbound_click", "page_view", "page_view"])


def test_links_in_pictures(server: Server, shop: Site, page: Page) -> None:
    """A link within an SVG has an object as its href; one without an address leads nowhere; neither is an error."""
    shop.attributes["data-outbound"] = ""
    elsewhere = shop.url.replace("127.0.0.1", "localhost")
    links = {"out": f'href="{elsewhere}/x"', "old": f'xlink:href="{elsewhere}/y"', "in": 'href="#a"', "none": ""}
    places = "".join(
        f'<a {link}><rect id="{name}" x="{50 * at}" y="0" width="40" height="40" fill="red" /></a>'
        for at, (name, link) in enumerate(links.items())
    )
    shop.body = f'<svg width="300" height="50" xmlns:xlink="http://www.w3.org/1999/xlink">{places}</svg><a id="bad" href="http://[">b</a>'
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    for name in ("none", "in", "bad", "old", "out"):
        page.click(f"#{name}")
    rows = server.wait_for(["page_view", "outbound_click", "outbound_click"])
    assert [row["properties"].get("url") for row in rows[1:]] == [f"{elsewhere}/y", f"{elsewhere}/x"]
    assert errors == []


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_is_wrong(server: Server, shop: Site, page: Page, hours: int) -> None:
    """What happens now is stored as now (G9)."""
    before = datetime.now(UTC)
    page.add_init_script(f"""{{
        const Right = Date, wrong = () => Right.now() + {hours} * 3600e3;
        Date = class extends Right {{
            constructor(...given) {{ super(...(given.length ? given : [wrong()])); }}
            static now() {{ return wrong(); }}
        }};
    }}""")
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("tallystick('signup')")
    rows = server.wait_for(["page_view", "signup"])
    for row in rows:
        moment = datetime.fromisoformat(row["timestamp"])
        assert before - timedelta(seconds=30) <= moment <= datetime.now(UTC) + timedelta(seconds=30)
        assert "$timestamp" not in row["properties"]


def test_places_on_a_page_are_no_pages(server: Server, shop: Site, page: Page) -> None:
    """With `data-hash`, `#/a` and `#!b` are pages and `#section` is not; with the value `any` it is one, too."""
    shop.attributes["data-hash"] = ""
    page.goto(f"{shop.url}/a#top")
    page.wait_for_function(LOADED)
    for hash_ in ("#section", "#/b", "#section", "#!c", "#section-2"):
        page.evaluate(GO_TO, hash_)
    rows = server.wait_for(["page_view"] * 3)
    assert paths(rows) == ["/a", "/a#/b", "/a#!c"]
    assert rows[0]["properties"]["$current_url"] == f"{shop.url}/a"
    shop.attributes["data-hash"] = "any"
    page.goto(f"{shop.url}/b#top")
    page.wait_for_function(LOADED)
    rows = server.wait_for(["page_view"] * 4)
    assert paths(rows)[3] == "/b#top"


def test_tags_behind_the_hash(server: Server, shop: Site, page: Page) -> None:
    """The tags are sent, what else stands there is not."""
    page.goto(f"{shop.url}/a#token=secret&utm_source=news&utm_campaign=spring&gclid=1")
    (row,) = server.wait_for(["page_view"])
    assert row["properties"]["$current_url"] == f"{shop.url}/a#utm_source=news&utm_campaign=spring&gclid=1"
    assert row["path"] == "/a"
    found = {name: row["properties"].get(name) for name in ("utm_source", "utm_campaign", "$ad_click")}
    assert found == {"utm_source": "news", "utm_campaign": "spring", "$ad_click": "gclid"}


# --- a server that is away ------------------------------------------------------------------------------------------


def test_server_away_and_back(server: Server, shop: Site, page: Page) -> None:
    """Nothing is lost, nothing counts twice (G2)."""
    page.goto(f"{shop.url}/a")
    server.wait_for(["page_view"])
    server.process.stop()
    for number in range(3):
        page.evaluate(f"tallystick('away {number}')")
        page.wait_for_timeout(100)
    server.process.start()
    page.evaluate("tallystick('back')")
    rows = server.wait_for(["page_view", "away 0", "away 1", "away 2", "back"])
    assert len({row["event_id"] for row in rows}) == 5
    page.wait_for_timeout(500)
    assert len(server.events()) == 5


def test_answers_that_get_lost(server: Server, shop: Site, page: Page) -> None:
    """The server has stored the events, the page does not know: it sends the same ones again, until it knows."""
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(route.request.post_data or "")
        if len(sent) > 2:
            route.continue_()
            return
        route.fetch()
        route.abort()

    page.route(f"{server.url}/v1/events", lose)
    with page.expect_response(f"{server.url}/v1/events"):
        page.goto(f"{shop.url}/a")
    server.wait_for(["page_view"])
    page.wait_for_timeout(1500)
    assert len(sent) == 3
    events = [json.loads(body)["events"] for body in sent]
    assert events[0] == events[1] == events[2]
    server.wait_for(["page_view"])


@pytest.mark.parametrize(("status", "requests"), [(503, 2), (429, 2), (400, 1), (403, 1)])
def test_which_answers_are_tried_again(server: Server, shop: Site, page: Page, status: int, requests: int) -> None:
    answers: list[int] = []

    def refuse_once(route: Route) -> None:
        answers.append(status)
        if len(answers) == 1:
            route.fulfill(status=status, headers={"Access-Control-Allow-Origin": "*"}, body="{}")
        else:
            route.continue_()

    page.route(f"{server.url}/v1/events", refuse_once)
    page.goto(f"{shop.url}/a")
    wait_for_page(page, lambda: len(answers) >= requests)
    page.wait_for_timeout(2500)  # longer than the pause before another try
    assert len(answers) == requests
    server.wait_for(["page_view"] * (requests - 1))


# --- attributes -----------------------------------------------------------------------------------------------------


def test_two_sites_on_a_page(server: Server, shop: Site, page: Page) -> None:
    shop.body = f'<script defer src="{server.url}{SCRIPT}" data-site="blog"></script>'
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{shop.url}/a")
    server.wait_for(["page_view"])
    wait_for_page(page, lambda: bool(errors))
    page.wait_for_timeout(300)
    assert errors == [f'tallystick: this page is counted for "{server.site}" already, so not for "blog"']
    assert server.events("blog") == []


def test_session(server: Server, shop: Site, page: Page, context: BrowserContext) -> None:
    """`tab` is kept in sessionStorage; anything else in memory, as long as the page."""
    shop.attributes["data-session"] = "tab"
    for _ in range(2):
        page.goto(f"{shop.url}/a")
        page.wait_for_function(LOADED)
    rows = server.wait_for(["page_view"] * 2)
    assert page.evaluate("sessionStorage.tallystick") == rows[0]["session_id"] == rows[1]["session_id"]
    shop.attributes["data-session"] = ""
    other = context.new_page()
    for _ in range(2):
        other.goto(f"{shop.url}/b")
        other.wait_for_function(LOADED)
    rows = server.wait_for(["page_view"] * 4)
    assert len({row["session_id"] for row in rows}) == 3
    assert other.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize("attribute", ["data-dnt", "data-nobots"])
@pytest.mark.parametrize("asked", [True, False])
def test_who_is_not_counted(server: Server, shop: Site, page: Page, attribute: str, asked: bool) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    if asked:
        shop.attributes[attribute] = ""
    page.goto(f"{shop.url}/a")
    page.wait_for_function(LOADED)
    page.evaluate("tallystick('signup')")
    page.wait_for_timeout(300)
    server.wait_for([] if asked else ["page_view", "signup"])


def test_content_security_policy(server: Server, shop: Site, page: Page) -> None:
    ours = f"script-src {server.url}; connect-src {server.url}"
    policy = f"default-src 'none'; {ours}; require-trusted-types-for 'script'"
    shop.headers["Content-Security-Policy"] = policy
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto(f"{shop.url}/a")
    server.wait_for(["page_view"])
    assert [message for message in messages if "favicon" not in message] == []


# --- names and keys -------------------------------------------------------------------------------------------------


def test_other_names_and_a_key(browser: Browser, tmp_path: Path, page: Page) -> None:
    key = "wk_0123456789abcdef"
    settings = {
        "TALLYSTICK_SNIPPET_PATH": "/lib/p.js",
        "TALLYSTICK_SNIPPET_ENDPOINT": "/lib/in",
        "TALLYSTICK_WRITE_KEYS": f"shop={key}",
    }
    server = Server(tmp_path, settings)
    with server.process, site() as shop:
        tag = f'<script defer src="{server.url}/lib/p.js" data-key="{key}"></script>'
        shop.head, shop.server = tag, shop.url
        shop.files[SCRIPT] = ""
        requests: list[str] = []
        page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
        page.goto(f"{shop.url}/a")
        (row,) = server.wait_for(["page_view"])
        wait_for_page(page, lambda: len([request for request in requests if server.url in request]) >= 2)
    assert row["site_id"] == "shop"
    assert [request for request in requests if server.url in request] == [
        f"GET {server.url}/lib/p.js",
        f"POST {server.url}/lib/in",
    ]


def test_enrichment(tmp_path: Path, page: Page) -> None:
    """What the server adds to what the snippet sends, where it is asked to."""
    server = Server(tmp_path)
    with server.process, site() as shop:
        shop.server = server.url
        page.goto(f"{shop.url}/a?utm_source=news", referer="https://search.example/q")
        page.wait_for_function(LOADED)
        page.evaluate("tallystick('signup')")
        rows = server.wait_for(["page_view", "signup"])
    seen = rows[0]["properties"]
    assert (seen["$browser"], seen["$bot"], seen["utm_source"]) == ("HeadlessChrome", True, "news")
    assert seen["$referring_domain"] == "search.example"
    assert rows[0]["user_id"].startswith("visitor-")
    assert rows[0]["user_id"] == rows[1]["user_id"]


def test_another_endpoint(server: Server, shop: Site, page: Page, tmp_path: Path) -> None:
    other = Server(tmp_path / "other")
    (tmp_path / "other").mkdir()
    with other.process:
        shop.attributes["data-api"] = f"{other.url}/v1/events"
        page.goto(f"{shop.url}/a")
        other.wait_for(["page_view"])
    assert server.events() == []
