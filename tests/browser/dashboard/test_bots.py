"""The switch that shows bots: hidden at first, in numbers and lists; it stays on other pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import wait_until_stored
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own, whose events are of two visitors and a bot."""
    with started(tmp_path_factory.mktemp("bots")) as process:
        yield process


@pytest.fixture(autouse=True)
def events(api: Api) -> None:
    for number, bot in enumerate((False, False, True)):
        event = {"event_id": f"00000000-0000-4000-8000-00000000000{number}", "name": "page_view", "path": "/"}
        api.post("/v1/events", {**event, "user_id": f"u{number}", "properties": {"$bot": True} if bot else {}})
    wait_until_stored(api, 3)


def expect_number(page: Page, number: int) -> None:
    expect(page.locator("[data-exact]").first).to_have_attribute("data-exact", str(number))


def test_the_switch_shows_bots(opened: Opener) -> None:
    page = opened("/ui/explore?site=default&chart=number")
    expect_number(page, 2)
    switch = page.get_by_role("button", name="Bots hidden")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect_number(page, 3)
    expect(page.get_by_role("button", name="Bots shown")).to_have_attribute("aria-pressed", "true")
    assert "bots=1" in page.url
    page.get_by_role("link", name="Events", exact=True).click()
    rows = page.locator("table.events tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Bots shown").click()
    expect(rows).to_have_count(2)
    assert "bots=" not in page.url
