"""Retention, lifecycle, stickiness and active users in Chromium, compared with the API."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from scripts.screenshots import ZONE, settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes_within, texts
from tests.browser.dashboard.ranges import days_ago, span
from tests.browser.dashboard.rounding import to_fixed
from tests.servers.process import wait_until

FIRST, LAST = days_ago(34), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", "timezone": ZONE, **span(FIRST, LAST)}


def asked(api: Api, **question: Any) -> list[dict[str, Any]]:
    """The rows of the answer, from the first with anybody on."""
    rows: list[dict[str, Any]] = api.query(**{"interval": "week", **question}, **SCOPE)["rows"]
    if question["kind"] == "retention":
        first = next(index for index, row in enumerate(rows) if row["users"])
        return rows[first:]
    return rows


def cohorts(page: Page) -> list[tuple[int, list[int]]]:
    """Users of each cohort, and how many of them came back in each period."""
    settled(page)
    rows = page.locator("tr[data-cohort]")
    users = [int(cells[0].replace(",", "")) for cells in texts(rows, "td")]
    returned = [list(map(int, cells)) for cells in attributes_within(rows, "[data-returned]", "data-returned")]
    return list(zip(users, returned, strict=True))


def numbers(rows: list[dict[str, Any]]) -> list[tuple[int, list[int]]]:
    return [(row["users"], row["returned"]) for row in rows]


def choose(page: Page, button: str, text: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{button}: ")).click()
    page.get_by_role("combobox", name="Search events").fill(text)
    page.get_by_role("option", name=text).first.click()


def table(page: Page) -> list[list[str]]:
    settled(page)
    return texts(page.get_by_role("group", name="Numbers").locator("tbody tr"), "td")


def test_cohorts(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}")
    rows = asked(api, kind="retention", periods=8)
    assert cohorts(page) == numbers(rows)
    assert max(row["returned"][1] for row in rows if len(row["returned"]) > 1) > 10
    cell = page.locator("tr[data-cohort]").first.locator("[data-returned]").nth(1)
    expect(cell).to_have_text(f"{to_fixed(rows[0]['shares'][1] * 100, 1)}%")
    page.get_by_role("button", name="Users", exact=True).click()
    expect(cell).to_have_text(str(rows[0]["returned"][1]))
    assert "shown=number" in page.url

    over = [row for row in rows if row["complete"] > 1]
    mean = sum(row["returned"][1] for row in over) / sum(row["users"] for row in over)
    page.get_by_role("button", name="%", exact=True).click()
    expect(page.locator("[data-mean] .heat").nth(1)).to_have_text(f"{to_fixed(mean * 100, 1)}%")
    chart = page.get_by_role("group", name=re.compile("^Share of users who came back"))
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(chart.locator(".chart-tip .number")).to_have_text(f"{to_fixed(mean * 100, 1)}%")


def test_a_period_that_is_not_over_is_marked(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}")
    settled(page)
    for row, shown in zip(asked(api, kind="retention", periods=8), page.locator("tr[data-cohort]").all(), strict=True):
        running = len(row["returned"]) - row["complete"]
        expect(shown.locator(".running")).to_have_count(running)
        assert running <= 1
        if running:
            expect(shown.locator(".running")).to_contain_text("so far")


def test_events_mode_and_period(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}")
    settled(page)
    choose(page, "Start event", "add_to_cart")
    choose(page, "Return event", "purchase")
    page.get_by_label("Which users are a cohort").select_option("in any period")
    events = {"start": {"name": "add_to_cart"}, "returning": {"name": "purchase"}}
    assert cohorts(page) == numbers(asked(api, kind="retention", mode="recurring", periods=8, **events))

    page.get_by_role("combobox", name=re.compile("^Period")).select_option("By day")
    page.get_by_label("Following periods").select_option("14 days after")
    daily = asked(api, kind="retention", mode="recurring", interval="day", periods=14, **events)
    assert cohorts(page) == numbers(daily)
    assert len(daily) == 32
    page.reload()
    assert cohorts(page) == numbers(daily)

    page.get_by_role("button", name="Filter start event").click()
    page.get_by_role("combobox", name="Search fields").fill("country")
    page.get_by_role("option", name="country").click()
    page.get_by_role("combobox", name="Search or type a value").fill("DE")
    page.get_by_role("option", name="DE").first.click()
    events["start"]["filter"] = {"field": "properties.country", "op": "=", "value": "DE"}  # type: ignore[assignment]
    filtered = asked(api, kind="retention", mode="recurring", interval="day", periods=14, **events)
    assert cohorts(page) == numbers(filtered) != numbers(daily)


PAINTED = """async (cell, level) => {
    cell.className = `heat heat-${level}`;
    // Where less motion is wished for, every change of a style is a transition of 0.01 ms, which ends with a frame.
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
    return ["color", "backgroundColor"].map((name) => getComputedStyle(cell)[name]);
}"""
"""The cell's colours at a level."""


def test_text_on_every_colour(opened: Opener) -> None:
    """Each cell's text differs enough from its colour, light and dark; axe looks at those that the data has."""
    for dark in (False, True):
        page = opened(f"/ui/retention?{RANGE}", dark=dark)
        settled(page)
        cell = page.locator("tr[data-cohort] .heat").first
        for level in range(9):
            text, ground = cell.evaluate(PAINTED, level)
            assert contrast(text, ground) >= 4.5, (dark, level, text, ground)


def contrast(one: str, other: str) -> float:
    """The WCAG's measure of two colours such as `rgb(1, 2, 3)`."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_lifecycle(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}")
    settled(page)
    page.get_by_role("button", name="Lifecycle").click()
    rows = asked(api, kind="lifecycle")
    kinds = ("new", "returning", "resurrecting", "dormant")
    assert table(page) == [[f"{row[kind]:,}" for kind in kinds] for row in reversed(rows)]
    assert any(row["dormant"] and row["resurrecting"] for row in rows)
    chart = page.get_by_role("group", name=re.compile("^New, returning, resurrecting and dormant users by week"))
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    values = [f"{rows[1][kind]:,}" for kind in kinds[:3]] + [f"{-rows[1]['dormant']:,}"]
    tip = chart.locator(".chart-tip .number")
    wait_until(lambda: sorted(tip.all_inner_texts()) == sorted(values), "the tip of the second week")


def test_stickiness(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}&tab=stickiness")
    rows = asked(api, kind="stickiness", interval="day")
    shown = table(page)
    assert [(row[0], row[2]) for row in shown] == [(f"{row['users']:,}", f"{row['at_least']:,}") for row in rows]
    assert rows[1]["users"] > 0
    page.get_by_role("combobox", name=re.compile("^Period")).select_option("By week")
    assert [row[0] for row in table(page)] == [f"{row['users']:,}" for row in asked(api, kind="stickiness")]


def test_active_users(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}&tab=active")
    rows = asked(api, kind="active_users", interval="day")
    shown = table(page)
    assert [row[:3] for row in shown] == [[f"{row[kind]:,}" for kind in ("dau", "wau", "mau")] for row in rows[::-1]]
    assert shown[0][4] == f"{to_fixed(rows[-1]['dau_mau'] * 100, 1)}%"


def test_nobody(opened: Opener) -> None:
    page = opened(f"/ui/retention?{RANGE}&start=no_such_event")
    settled(page)
    expect(page.get_by_text("No known users in this range")).to_be_visible()
