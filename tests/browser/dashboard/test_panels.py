"""The overview's panels in Chromium: tabs show what the API answers, and a click filters where a filter can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener, started
from tests.browser.dashboard.look import attributes, attributes_within
from tests.browser.dashboard.ranges import days_ago, span
from tests.browser.dashboard.rounding import to_fixed

FIRST, LAST = days_ago(12), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}
ROWS = 8
VIEWS = {"field": "name", "op": "in", "value": ["page_view", "$pageview", "pageview"]}
SESSION_TABS = {
    "pages=entry": "entry_page",
    "pages=exit": "exit_page",
    "sources=channel": "channel",
    "sources=referrer": "referrer",
    "sources=utm_source": "properties.utm_source",
    "sources=utm_medium": "properties.utm_medium",
    "sources=utm_campaign": "properties.utm_campaign",
    "sources=utm_term": "properties.utm_term",
    "sources=utm_content": "properties.utm_content",
}
EVENT_TABS = {
    "pages=top": "path",
    "locations=country": "properties.country",
    "devices=browser": "properties.browser",
    "devices=os": "properties.$os",
    "devices=device": "properties.$device_type",
    "devices=sender": "source",
    "events=names": "name",
}


def shown(page: Page, field: str) -> list[tuple[str, float]]:
    """The values of a breakdown with their exact numbers; without all others."""
    settled(page)
    rows = page.locator(f"[data-field='{field}'] [data-value]")
    numbers = attributes_within(rows, "[data-exact]", "data-exact")
    values = attributes(rows, "data-value")
    return [(value, float(number or 0)) for (value,), (number,) in zip(values, numbers, strict=True)]


def answered(rows: list[dict[str, Any]], field: str, metric: str) -> list[tuple[str, float]]:
    return [(row[field] or "", row[metric]) for row in rows]


def together() -> list[tuple[str, tuple[str, ...]]]:
    """Metric and tabs of as few pages as show all of both: at most one tab of each panel at a time."""
    panels: dict[str, list[str]] = {}
    for tab in (*SESSION_TABS, *EVENT_TABS):
        panels.setdefault(tab.partition("=")[0], []).append(tab)
    pages = [tuple(tab for tab in tabs if tab) for tabs in zip_longest(*panels.values())]
    again = [tabs for tabs in pages if EVENT_TABS.keys() & set(tabs)]  # the metric is nothing to those of sessions
    return [("users", tabs) for tabs in pages] + [("events", tabs) for tabs in again]


@pytest.mark.parametrize(("metric", "tabs"), together(), ids=str)
def test_tabs_show_the_answers(api: Api, opened: Opener, metric: str, tabs: tuple[str, ...]) -> None:
    page = opened(f"/?{RANGE}&{'&'.join(tabs)}&metric={metric}")
    for tab in tabs:
        if tab in SESSION_TABS:
            field, unit = SESSION_TABS[tab], "sessions"
            asked: dict[str, Any] = {"kind": "sessions", "metrics": [unit]}
        else:
            field, unit = EVENT_TABS[tab], metric
            asked = {"kind": "metrics", "metrics": [{"kind": unit}]}
        only = {"filter": VIEWS} if field == "path" else {}
        rows = api.query(**asked, breakdown=[field], top=ROWS, **SCOPE, **only)["rows"]
        assert shown(page, field) == answered(rows, field, unit), tab
        assert len(rows) > 1


def test_all_others(api: Api, opened: Opener) -> None:
    """What the largest leave is the rest; of users, who may be in several groups, there is none."""
    page = opened(f"/?{RANGE}&metric=events")
    rows = api.query(kind="metrics", breakdown=["path"], top=ROWS, other=True, filter=VIEWS, **SCOPE)["rows"]
    settled(page)
    rest = page.locator("[data-field=path] .rest [data-exact]")
    assert float(rest.get_attribute("data-exact") or 0) == rows[-1]["events"] > 0
    page.locator("[data-metric=users]").click()
    expect(page.locator("[data-field=path] .rest")).to_have_count(0)


def test_shares_are_of_the_whole(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}&metric=events")
    settled(page)
    whole = api.query(kind="metrics", **SCOPE)["rows"][0]["events"]
    top = api.query(kind="metrics", breakdown=["name"], top=1, **SCOPE)["rows"][0]["events"]
    percent = top / whole * 100
    text = to_fixed(percent, 0 if percent >= 9.95 else 1)
    expect(page.locator("[data-field=name] .bar-part").first).to_have_text(f"{text}%")


def test_country_has_its_name(opened: Opener) -> None:
    """And a click filters by the code."""
    page = opened(f"/?{RANGE}")
    settled(page)
    page.locator("[data-panel=locations]").get_by_role("button", name=re.compile("^Germany")).click()
    expect(page.locator(".chip")).to_have_text("country is DE")


@pytest.mark.parametrize(
    ("tab", "field", "chip"),
    [
        ("pages=entry", "entry_page", "visit: entry page is"),
        ("pages=exit", "exit_page", "visit: exit page is"),
        ("sources=channel", "channel", "visit: channel is"),
        ("sources=referrer", "referrer", "visit: referrer is"),
        ("sources=utm_campaign", "properties.utm_campaign", "visit: utm_campaign is"),
    ],
)
def test_what_describes_a_visit_filters_visits(api: Api, opened: Opener, tab: str, field: str, chip: str) -> None:
    page = opened(f"/?{RANGE}&{tab}")
    settled(page)
    row = page.locator(f"[data-panel={tab.partition('=')[0]}] button.bar-row[data-value]:not([data-value=''])").first
    value = row.get_attribute("data-value") or ""
    row.click()
    expect(page.locator(".chip")).to_have_text(f"{chip} {value}")
    settled(page)
    kept = {"filter": {"field": f"session.{field}", "op": "=", "value": value}}
    wanted = api.query(kind="sessions", metrics=["sessions"], **kept, **SCOPE)["rows"][0]["sessions"]
    exact = page.locator("[data-metric=sessions] [data-exact]").get_attribute("data-exact")
    assert float(exact or 0) == wanted > 0
    expect(page.locator(f"[data-value='{value}']").first).to_have_attribute("aria-pressed", "true")


def test_tabs_with_the_keyboard(opened: Opener) -> None:
    """The arrow keys choose the next one, which the address keeps."""
    page = opened(f"/?{RANGE}")
    settled(page)
    tabs = page.get_by_role("tablist", name="Sources")
    tabs.get_by_role("tab", name="Channels").focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.get_by_role("tab", name="Referrers")).to_be_focused()
    expect(tabs.get_by_role("tab", name="Referrers")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(tabs.get_by_role("tab", name="Campaigns")).to_be_focused()
    assert "sources=utm_source" in page.url
    page.get_by_label("Campaign tag").select_option("UTM campaign")
    expect(page.locator("[data-field='properties.utm_campaign']")).to_be_visible()
    page.reload()
    expect(page.locator("[data-field='properties.utm_campaign']")).to_be_visible()
    expect(tabs.get_by_role("tab", name="Campaigns")).to_have_attribute("aria-selected", "true")


def test_only_open_tabs_ask(opened: Opener) -> None:
    """Of all the fields that panels know, five are asked for; the rest when their tabs are opened."""
    page = opened("/ui/pipeline")
    settled(page)
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if request.post_data else None)
    page.goto(page.url.replace("/ui/pipeline", f"/?{RANGE}"))
    settled(page)
    by = [tuple(one["breakdown"]) for one in asked if "breakdown" in one and one["site_id"] == "shop"]
    assert sorted(by) == [("channel",), ("name",), ("path",), ("properties.browser",), ("properties.country",)]
    assert len(asked) == 11, "and all sites, the property keys, two times the cards, the chart, all page views"


# --- a site whose events say little ----------------------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path, browser: Browser) -> Iterator[Page]:
    """The overview of a server with one bare event, which takes nothing from pages' addresses."""
    with started(tmp_path, TALLYSTICK_ENRICH_PAGE="false") as process:
        with closing(process.api()) as api:
            api.post("/v1/events", {"name": "page_view", "path": "/"})
            wait_until_stored(api, 1)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{process.url}/")
        settled(page)
        yield page
        context.close()


def test_what_is_absent_says_how_to_get_it(plain: Page) -> None:
    def panel(name: str) -> Locator:
        return plain.locator(f"[data-panel={name}]")

    expect(panel("sources")).to_contain_text("TALLYSTICK_ENRICH_PAGE=false turns that off on this server.")
    expect(panel("locations")).to_contain_text("TALLYSTICK_ENRICH_COUNTRY_FILE")
    for tab in ("Browser", "OS", "Device"):
        panel("devices").get_by_role("tab", name=tab, exact=True).click()
        expect(panel("devices")).to_contain_text("it is read from the User-Agent of browsers.")
        expect(panel("devices")).not_to_contain_text("TALLYSTICK_ENRICH_AGENT")  # it is on
    panel("sources").get_by_role("tab", name="Campaigns").click()
    expect(panel("sources")).to_contain_text("No event has a utm_source")
    panel("pages").get_by_role("tab", name="Hosts").click()
    expect(panel("pages")).to_contain_text("No event has a host")
    panel("pages").get_by_role("tab", name="Entry").click()
    expect(panel("pages")).to_contain_text("Sessions are made of events with a session_id or a user_id.")
