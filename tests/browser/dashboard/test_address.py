"""Addresses in Chromium: what is clicked or written there is looked up as it is, decoded exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener, started

PATHS = ["/caf%C3%A9", "/café", "/a%2Fb", "/100%", "/a+b", "/x#y", "/q?a=b&c=d", "/%25", "/👋", "/日本語"]
"""A path with index i has i + 1 events, so that no two can be taken for each other."""
USER = "u%41x"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with started(tmp_path_factory.mktemp("address"), TALLYSTICK_SQL="true") as process:
        with closing(process.api()) as api:
            events = [
                {"name": "page_view", "site_id": "s%41", "path": path, "user_id": USER, "properties": {"a%3Ab": path}}
                for index, path in enumerate(PATHS)
                for _ in range(index + 1)
            ]
            assert api.ask("POST", "/v1/events", {"events": events})[0] == 202
            wait_until_stored(api, len(events))
        yield process


def events_of(page: Page) -> str:
    settled(page)
    return page.locator("[data-metric=events] [data-exact]").get_attribute("data-exact") or ""


@pytest.mark.parametrize("path", ["/caf%C3%A9", "/a%2Fb", "/q?a=b&c=d", "/👋"])
def test_a_click_on_a_page_shows_its_events(opened: Opener, path: str) -> None:
    """And again after a reload, on another page of the menu, and back."""
    page = opened(f"/?{'site=' + quote('s%41')}")
    wanted = PATHS.index(path) + 1
    rows = page.locator("[data-field=path] button.bar-row").filter(has=page.get_by_text(path, exact=True))
    if wanted > 2:  # the panel has the eight largest
        rows.click()
    else:
        page.goto(page.url + f"&filter={quote('path:=:' + path, safe='')}")
    expect(page.locator(".chip strong")).to_have_text(path)
    assert events_of(page) == str(wanted)
    assert parse_qs(urlsplit(page.url).query)["filter"] == [f"path:=:{path}"]
    page.reload()
    assert events_of(page) == str(wanted)
    page.get_by_role("link", name="Explore").click()
    expect(page.locator(".chip strong")).to_have_text(path)
    settled(page)
    page.go_back()
    assert events_of(page) == str(wanted)


def test_a_user_s_page_is_that_user_s(opened: Opener) -> None:
    page = opened(f"/ui/users?site={quote('s%41')}")
    page.get_by_role("link", name=USER).first.click()
    expect(page.get_by_role("heading", name=USER)).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["user"] == [USER]
    page.reload()
    expect(page.get_by_role("heading", name=USER)).to_be_visible()


def test_a_statement_runs_as_it_was_written(api: Api, opened: Opener) -> None:
    sql = "SELECT count(*) AS n FROM events WHERE path LIKE '%caf%' OR path = '/a%2Fb' -- 100% + #&?"
    wanted = api.post("/v1/sql", {"sql": sql})["rows"][0][0]
    assert wanted == 1 + 2 + 3
    page = opened(f"/ui/sql?site=*&sql={quote(sql)}")
    expect(page.get_by_label("SQL statement")).to_have_value(sql)
    expect(page.locator(".sql-table td")).to_have_text(str(wanted))
    page.get_by_label("SQL statement").fill(sql + " ")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".sql-table td")).to_have_text(str(wanted))
    assert parse_qs(urlsplit(page.url).query)["sql"] == [sql + " "]


def test_a_saved_report_keeps_the_text(api: Api, opened: Opener) -> None:
    path = "/a%2Fb"
    page = opened(f"/ui/explore?site={quote('s%41')}&range=30d&chart=number&filter={quote('path:=:' + path, safe='')}")
    settled(page)
    page.get_by_role("button", name="Save as report").click()
    dialog = page.get_by_role("dialog", name="Save as report")
    dialog.get_by_label("Name").fill("Encoded")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".report-name h2")).to_have_text("Encoded")
    (kept,) = api.get("/v1/reports")["reports"]
    assert kept["question"]["filter"]["value"] == path
    run = api.post(f"/v1/reports/{kept['id']}/run", {})
    assert run["rows"][0]["A"] == 3
    page.reload()
    expect(page.locator(".chip strong")).to_have_text(path)
    settled(page)
    expect(page.locator(".numbers [data-exact]").first).to_have_attribute("data-exact", "3")


def test_what_is_not_understood_is_said_and_no_numbers_are_shown(opened: Opener) -> None:
    page = opened(f"/?site={quote('s%41')}&filter=color:%3D:red&filter={quote('path:=:/a%2Fb')}")
    note = page.get_by_role("alert")
    expect(note).to_contain_text("The filter “color:=:red” is not understood")
    settled(page)
    expect(page.locator("[data-metric]")).to_have_count(0)
    note.get_by_role("button", name="Show the page without").click()
    expect(note).to_have_count(0)
    assert events_of(page) == "3"
    expect(page.locator(".chip strong")).to_have_text("/a%2Fb")


def test_an_empty_value_filters_and_stays_visible(api: Api, opened: Opener) -> None:
    page = opened(f"/?site={quote('s%41')}&filter={quote('path:!=:')}")
    expect(page.locator(".chip strong")).to_have_text("(empty)")
    assert events_of(page) == str(sum(range(1, len(PATHS) + 1)))
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("option", name="Page", exact=True).click()
    page.get_by_role("option", name="(empty)").click()
    expect(page.locator(".chip strong")).to_have_text(["(empty)", "(empty)"])
    assert events_of(page) == "0"
    assert parse_qs(urlsplit(page.url).query)["filter"] == ["path:!=:", "path:=:"]
