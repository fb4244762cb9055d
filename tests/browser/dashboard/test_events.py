"""Single events in Chromium: the newest, the older ones, one of them as JSON; a user's timeline."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.ranges import days_ago, span

FIRST, LAST = days_ago(12), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}


def test_pages_of_events(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/events?{RANGE}")
    settled(page)
    rows = api.query(kind="events", limit=100, **SCOPE)["rows"]
    shown = page.locator("table.events tbody tr")
    expect(shown).to_have_count(50)
    page.get_by_role("button", name="Show older events").click()
    expect(shown).to_have_count(100)
    expect(page.locator("table.events tbody .row-button")).to_have_text([row["name"] for row in rows])
    users = [row["user_id"] or "–" for row in rows]
    expect(page.locator("table.events tbody td:nth-child(3)")).to_have_text(users)


def test_an_event_opens(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/events?{RANGE}&filter=name:%3D:purchase")
    settled(page)
    purchase = {"field": "name", "op": "=", "value": "purchase"}
    row = api.query(kind="events", limit=1, filter=purchase, **SCOPE)["rows"][0]
    page.locator("table.events .row-button").first.click()
    drawer = page.get_by_role("dialog", name="purchase")
    assert json.loads(drawer.get_by_label("The event as JSON").inner_text()) == row
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)


def test_from_an_event_to_its_user(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/events?{RANGE}&filter=name:%3D:purchase")
    settled(page)
    page.locator("table.events .row-button").first.click()
    user = page.get_by_role("dialog").get_by_role("link").inner_text()
    page.get_by_role("dialog").get_by_role("link").click()
    expect(page.get_by_role("heading", name=user)).to_be_visible()
    settled(page)
    of_user = {"filter": {"field": "user_id", "op": "=", "value": user}, "site_id": "shop"}
    counted = api.query(kind="metrics", metrics=[{"kind": "events"}, {"kind": "sessions"}], **of_user)["rows"][0]
    facts = page.locator(".fact dd")
    expect(facts.nth(0)).to_have_attribute("title", f"{counted['events']:,}")
    expect(facts.nth(1)).to_have_attribute("title", f"{counted['sessions']:,}")  # asked once the ids are known
    page.get_by_role("button", name="Oldest first").click()
    settled(page)
    rows = api.query(kind="events", user_id=user, ascending=True, limit=50, site_id="shop")["rows"]
    expect(page.locator(".timeline-row .name")).to_have_text([row["name"] for row in rows])
