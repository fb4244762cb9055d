"""axe finds nothing serious on any page, light or dark; pages fit a phone and work with the keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from scripts.screenshots import PAGES, settled, still
from tests.browser.dashboard.conftest import Opener
from tests.helpers.thorough import some
from tests.servers.process import needs_built

AXE = Path(__file__).parents[3] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
BY_WIDTH = ["aria-hidden-focus", "nested-interactive", "scrollable-region-focusable", "target-size"]
"""Rules whose findings may be others on a narrow screen; names and colours are the same."""
PHONE: ViewportSize = {"width": 390, "height": 844}


def findings(page: Page, rules: list[str] | None = None, within: str = "html") -> list[tuple[Any, Any, Any]]:
    """Rule, help and places of what axe finds serious: by all rules or by these, in the page or a part of it.

    It looks once nothing moves: what appears has its colours mixed with what is below.
    """
    still(page)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    only = {} if rules is None else {"runOnly": rules}
    run = "([within, only]) => axe.run(within, {resultTypes: ['violations'], ...only})"
    result = page.evaluate(run, [within, only])
    return [
        (found["id"], found["help"], [node["target"] for node in found["nodes"]])
        for found in result["violations"]
        if found["impact"] in GRAVE
    ]


@pytest.fixture(autouse=True)
def axe_is_here() -> None:
    needs_built(AXE, "dashboard check")


def check_looks(page: Page) -> None:
    """Light, dark and on a phone, where nothing but tables is wider than the screen, and those scroll by themselves.

    A quick run asks axe about one of the looks of each page.
    """
    looks = some(["light", "dark", "phone"])
    settled(page)
    if "light" in looks:
        assert findings(page) == []
    if "dark" in looks:
        page.emulate_media(color_scheme="dark")
        settled(page)
        assert findings(page, rules=["color-contrast"]) == []
        page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    if "phone" in looks:
        assert findings(page, rules=BY_WIDTH) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious(opened: Opener, name: str) -> None:
    check_looks(opened(PAGES[name]))


POPOVERS: dict[str, tuple[str | re.Pattern[str], ...]] = {
    "/?site=shop&events=properties&filter=name:%3D:page_view": (
        "Last 7 days",
        "Filter",
        "Time zone: Europe/Berlin",
        re.compile("^Property "),
    ),
    "/ui/explore?site=shop&metric=sum:price&metric=events": (
        "Broken down by nothing",
        "Measure A of price",
        "Events of B: Any event",
        "Filter events of b",
    ),
}


@pytest.mark.parametrize("path", POPOVERS)
def test_nothing_serious_in_popovers(opened: Opener, path: str) -> None:
    """Nor in the tooltip of the chart. Escape closes them and gives the focus back."""
    page = opened(path)
    settled(page)
    page.locator(".chart").first.focus()
    page.keyboard.press("Home")
    assert findings(page) == []
    for name in some(POPOVERS[path]):
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        expect(page.locator(".popover-panel")).to_be_visible()
        assert findings(page, within=".popover-panel") == [], name
        page.emulate_media(color_scheme="dark")
        assert findings(page, rules=["color-contrast"], within=".popover-panel") == [], name
        page.emulate_media(color_scheme="light")
        page.keyboard.press("Escape")
        expect(button).to_be_focused()
        expect(button).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_serious_in_an_event(opened: Opener, dark: bool) -> None:
    page = opened("/?site=shop&filter=name:%3D:page_view", dark=dark)
    settled(page)
    page.goto(page.url.replace("/?", "/ui/events?"))
    settled(page)
    page.locator("table.events .row-button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
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


def test_the_range_with_the_keyboard_alone(opened: Opener) -> None:
    """The list opens at what is chosen, Tab walks through it, and leaving it closes it."""
    page = opened("/?site=shop&range=30d")
    settled(page)
    button = page.get_by_role("button", name="Last 30 days")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Time range").get_by_role("button", name="Last 30 days")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Last 90 days")).to_be_focused()
    assert "range=90d" in page.url
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
    expect(page.get_by_role("dialog", name="Time range")).to_have_count(0)


def test_a_series_with_the_keyboard_alone(opened: Opener) -> None:
    """Added, and its events chosen: the arrow keys walk through the list, which goes round."""
    page = opened("/ui/explore?site=shop&range=30d")
    settled(page)
    page.get_by_role("button", name="Add a series").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Events of B: Any event").focus()
    page.keyboard.press("Enter")
    search = page.get_by_role("combobox", name="Search events")
    expect(search).to_be_focused()
    expect(page.get_by_role("option", name="page_view")).to_be_visible()
    page.keyboard.press("ArrowUp")
    options = page.locator(".picker-option")
    last = options.last
    expect(search).to_have_attribute("aria-activedescendant", last.get_attribute("id") or "")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    name = options.nth(1).locator(".picker-text").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Events of B: {name}")).to_be_focused()
    assert f"of=&of={name}" in page.url
