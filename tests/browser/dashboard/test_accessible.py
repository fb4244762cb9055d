"""axe finds nothing serious on any page, light or dark; pages fit a phone and work with the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runnel.query.dashboard import BUILT
from scripts.screenshots import PAGES, settled
from tests.browser.dashboard.conftest import Opener

AXE = Path(__file__).parents[3] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")


def findings(page: Page) -> list[tuple[Any, Any, Any]]:
    """Rule, help and places of what axe finds serious."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (found["id"], found["help"], [node["target"] for node in found["nodes"]])
        for found in result["violations"]
        if found["impact"] in GRAVE
    ]


@pytest.fixture(autouse=True)
def axe_is_here() -> None:
    if not AXE.is_file():
        pytest.fail(f"axe-core is not installed in {BUILT}: scripts/dashboard check installs it")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious(opened: Opener, name: str, dark: bool) -> None:
    page = opened(PAGES[name], dark=dark)
    settled(page)
    assert findings(page) == []


def test_nothing_serious_in_what_opens(opened: Opener) -> None:
    page = opened("/?site=shop&filter=name:%3D:page_view")
    settled(page)
    for button in ("Last 7 days", "Filter", "Time zone: Europe/Berlin"):
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_timeout(300)  # it appears, its colours mixed with what is below
        assert findings(page) == [], button
        page.keyboard.press("Escape")
    page.goto(page.url.replace("/?", "/ui/events?"))
    settled(page)
    page.locator("table.events .row-button").first.click()
    page.wait_for_timeout(300)
    assert findings(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_fits_a_phone(opened: Opener, name: str) -> None:
    """Nothing but tables is wider than the screen, and those scroll by themselves."""
    page = opened(PAGES[name], phone=True)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert findings(page) == []


def test_menu_of_a_phone(opened: Opener) -> None:
    page = opened("/?site=shop", phone=True)
    page.get_by_role("button", name="Open the menu").click()
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Explore")).not_to_be_visible()


def test_a_filter_with_the_keyboard_alone(opened: Opener) -> None:
    page = opened("/?site=shop&range=30d")
    settled(page)
    page.get_by_role("button", name="Filter", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("event")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Search or type a value")).to_be_focused()
    page.keyboard.type("purch")
    expect(page.get_by_role("option", name="purchase")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_text("Event is purchase")
    expect(page.get_by_role("button", name="Filter", exact=True)).to_be_focused()
