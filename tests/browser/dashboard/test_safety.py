"""What events hold is shown as text, the page runs nothing foreign, and other paths keep their answers."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.api.routes.dashboard import BUILT
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes

NAME = "<img src=x onerror=document.title='run'>"
PATH = "javascript:document.title='run'"
USER = "<script>document.title='run'</script>"
SITE = "nasty"
EVENT = {
    "name": NAME,
    "path": PATH,
    "site_id": SITE,
    "user_id": USER,
    "source": PATH,
    "event_id": "0b9c1f1e-3f64-4f0e-9f5c-6f5b6a6d2c11",
    "properties": {NAME: PATH, "__proto__": "x", "html": NAME},
}


@pytest.fixture(autouse=True)
def nasty_event(api: Api) -> None:
    accepted = api.ledger()["accepted"]
    api.post("/v1/events", EVENT)
    wait_until_stored(api, accepted + 1)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ui/explore?by=path",
        "/ui/events",
        "/ui/live",
        f"/ui/users?user={quote(USER)}",
        "/ui/users",
        "/ui/funnels",
        "/ui/retention",
        "/ui/paths?of=event",
    ],
)
def test_shown_as_text(opened: Opener, path: str) -> None:
    page = opened(f"{path}{'&' if '?' in path else '?'}site={SITE}&filter=path:%3D:{quote(PATH)}")
    settled(page)
    expect(page.get_by_text("javascript:").or_(page.get_by_text("<script>")).first).to_be_visible()
    assert page.locator("main img, main script, main iframe").count() == 0
    for (href,) in attributes(page.locator("a"), "href"):
        assert urlsplit(href).scheme == ""
        assert href[:1] in ("/", "#")
    assert page.title().endswith("· Tallystick")


def test_clicking_it_filters_by_it(api: Api, opened: Opener) -> None:
    accepted = api.ledger()["accepted"]
    api.post("/v1/events", {"name": "page_view", "path": PATH, "site_id": "nasty-pages", "user_id": USER})
    wait_until_stored(api, accepted + 1)
    page = opened("/?site=nasty-pages")
    settled(page)
    page.locator("[data-field=path]").get_by_role("button", name=PATH).click()
    expect(page.locator(".chip")).to_have_text(f"Page is {PATH}")

    page = opened(f"/?site={SITE}")
    settled(page)
    page.locator("[data-field=name]").get_by_role("button", name=NAME).click()
    expect(page.locator(".chip")).to_have_text(f"Event is {NAME}")


def test_names_in_funnels_and_paths(opened: Opener) -> None:
    page = opened(f"/ui/funnels?site={SITE}&step={quote(NAME)}&step={quote(f'{NAME};path:=:{PATH}')}&people=reached:1")
    expect(page.get_by_role("dialog").get_by_text(USER)).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(f"Reached step 1: {NAME}")
    href = page.get_by_role("dialog").get_by_role("link").get_attribute("href") or ""
    assert href.startswith("/ui/users?")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".funnel-name-text").last).to_have_text(f"{NAME}, Page is {PATH}")
    page.goto(page.url.partition("/ui/")[0] + f"/ui/paths?site={SITE}&of=event")
    settled(page)
    expect(page.locator(".path-node").first).to_have_attribute("data-node", NAME)
    page.locator(".path-node").first.click()
    expect(page.get_by_role("button", name=f"Start: {NAME}")).to_be_visible()
    assert page.locator("main img, main script, main iframe").count() == 0
    assert page.title() == "Paths · Tallystick"


# --- headers and paths ----------------------------------------------------------------------------------------------


def answer(server: ServerProcess, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    host = urlsplit(server.url)
    with closing(http.client.HTTPConnection(host.hostname or "", host.port)) as connection:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@pytest.mark.parametrize("path", ["/", "/ui/funnels", "/ui/events", "/ui/pipeline"])
def test_pages_are_locked_down(server: ServerProcess, path: str) -> None:
    status, headers, body = answer(server, path, Accept="text/html,*/*;q=0.8")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    assert b"<script>" not in body
    assert b"style=" not in body


def test_files_are_cached_and_compressed(server: ServerProcess) -> None:
    for file in (BUILT / "assets").glob("*.js"):
        status, headers, plain = answer(server, f"/ui/assets/{file.name}")
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        _, packed, body = answer(server, f"/ui/assets/{file.name}", Accept_Encoding="gzip, br")
        assert packed["content-encoding"] == "gzip"
        assert len(body) < len(plain)


def test_first_page_is_small(server: ServerProcess, opened: Opener) -> None:
    """At most 350 KiB of JavaScript before the overview has everything, compressed."""
    sizes: dict[str, Any] = {}
    page = opened("/ui/favicon.svg")
    page.on("response", lambda response: sizes.__setitem__(response.url, response))
    page.goto(server.url + "/?site=shop")
    settled(page)
    scripts = [response for url, response in sizes.items() if url.endswith(".js")]
    assert scripts
    assert sum(int(response.headers["content-length"]) for response in scripts) <= 350 * 1024


@pytest.mark.parametrize(
    "path", ["/ui/nothing", "/v1/nothing", "/ui/assets/nothing.js", "/ui/assets/..%2findex.html", "/events"]
)
def test_other_paths_keep_their_answers(server: ServerProcess, path: str) -> None:
    status, headers, _ = answer(server, path, Accept="text/html")
    assert status in (404, 405)
    assert headers["content-type"] == "application/json"


def test_root_for_clients_that_are_no_browsers(server: ServerProcess) -> None:
    """It is SmolHog's: says that it runs."""
    status, headers, body = answer(server, "/", Accept="*/*")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert b"running" in body
