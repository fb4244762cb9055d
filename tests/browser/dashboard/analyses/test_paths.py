"""Paths in Chromium: the flows' numbers and the table are the API's, and a click goes on from a page."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from playwright.sync_api import Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes, texts
from tests.browser.dashboard.ranges import days_ago, span

FIRST, LAST = days_ago(25), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}


def asked(api: Api, **question: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.query(kind="paths", top=200, **question, **SCOPE)["rows"]
    return rows


def nodes(page: Page, column: int) -> dict[str, tuple[int, int]]:
    """Of a column of the picture: sessions of each page, and how many of them ended there; '' are the others."""
    settled(page)
    found = attributes(page.locator(f".path-node[data-column='{column}']"), "data-node", "data-sessions", "data-ended")
    return {name: (int(sessions), int(ended)) for name, sessions, ended in found}


def leaving(rows: list[dict[str, Any]], step: int) -> tuple[Counter[str], Counter[str]]:
    """By page: the sessions whose step it is, and those of them that end there."""
    whole: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for row in rows:
        if row["step"] == step and not row.get("other"):
            whole[row["source"]] += row["sessions"]
            ended[row["source"]] += row["sessions"] if row["target"] is None else 0
    return whole, ended


def test_flows_are_the_api_s(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/paths?{RANGE}&steps=3")
    rows = asked(api, steps=3)
    for column in (0, 1):
        whole, ended = leaving(rows, column + 1)
        shown = nodes(page, column)
        others = shown.pop("", (0, 0))
        assert shown == {name: (whole[name], ended[name]) for name in shown}
        if column == 0:
            largest = sorted(whole, key=lambda name: (-whole[name], name))
            assert set(shown) == set(largest[: len(shown)])
            assert others[0] == whole.total() - sum(number for number, _ in shown.values())
    first = max((row for row in rows if row["step"] == 1 and row["target"]), key=lambda row: row["sessions"])
    page.get_by_role("button", name=f"Step 1: {first['source']}, ").focus()
    whole, ended = leaving(rows, 1)
    tip = page.get_by_role("status").filter(has_text="Went on")
    expect(tip.locator(".chart-tip-row .number:not(.path-tip-part)")).to_have_text(
        [
            f"{number:,}"
            for number in (
                whole[first["source"]],
                whole[first["source"]] - ended[first["source"]],
                ended[first["source"]],
            )
        ]
    )


def test_every_session_is_accounted_for(opened: Opener) -> None:
    """Who does not end at a step stands in the next one."""
    page = opened(f"/ui/paths?{RANGE}&steps=4")
    for column in range(3):
        here, there = nodes(page, column), nodes(page, column + 1)
        on = sum(sessions - ended for sessions, ended in here.values())
        assert sum(sessions for sessions, _ in there.values()) == on


def test_table(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/paths?{RANGE}&steps=3")
    settled(page)
    rows = asked(api, steps=3)
    page.get_by_role("button", name=re.compile("^Show all")).click()
    shown = page.locator(".paths-table tbody tr")
    expect(shown).to_have_count(len(rows))
    numbers = [int(sessions) for (sessions,) in attributes(page.locator("td[data-sessions]"), "data-sessions")]
    assert numbers == [row["sessions"] for row in rows]
    first = ["1", rows[0]["source"], rows[0]["target"] or "(ended here)"]
    assert [row[:3] for row in texts(shown.first, "td")] == [first]


def test_a_click_on_a_page_begins_there(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/paths?{RANGE}&steps=3")
    settled(page)
    page.get_by_role("button", name="Step 2: /pricing, ").click()
    expect(page.get_by_role("button", name="Start: /pricing")).to_be_visible()
    rows = asked(api, steps=3, start="/pricing")
    assert nodes(page, 0) == {
        "/pricing": (sum(row["sessions"] for row in rows if row["step"] == 1), leaving(rows, 1)[1]["/pricing"])
    }
    # The keyboard does the same.
    page.get_by_role("button", name="Step 2: /signup, ").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start: /signup")).to_be_visible()
    assert set(nodes(page, 0)) == {"/signup"}
    page.go_back()
    expect(page.get_by_role("button", name="Start: /pricing")).to_be_visible()


def test_paths_that_lead_to_an_event(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/paths?{RANGE}")
    settled(page)
    page.get_by_role("button", name="Events", exact=True).click()
    page.get_by_label("Which paths").select_option("leading to")
    expect(page.get_by_text("Choose the event that paths lead to")).to_be_visible()
    page.get_by_role("button", name="End: Choose an event").click()
    page.get_by_role("combobox", name="Search events").fill("purch")
    page.get_by_role("option", name="purchase").first.click()
    page.get_by_label("Length").select_option("3 steps")
    page.get_by_label("Repeats are one step").uncheck()
    rows = asked(api, steps=3, end="purchase", by="event", merge=False)
    began = sum(row["sessions"] for row in rows if row["step"] == 1 and row["source"] is None)
    assert nodes(page, 0) == {"purchase": (sum(row["sessions"] for row in rows if row["step"] == 1), began)}
    before = Counter[str]()
    for row in rows:
        if row["step"] == 1 and row["source"] is not None:
            before[row["source"]] += row["sessions"]
    assert {name: sessions for name, (sessions, _) in nodes(page, 1).items()} == before
    page.reload()
    assert set(nodes(page, 0)) == {"purchase"}


def test_others_are_one(api: Api, opened: Opener) -> None:
    """A smaller picture moves pages to the others, and loses no session."""
    page = opened(f"/ui/paths?{RANGE}&steps=3&most=12")
    settled(page)
    many = nodes(page, 1)
    page.get_by_label("Shown of each step").select_option("Top 4 of a step")
    few = nodes(page, 1)
    assert len(few) == 5
    assert sum(sessions for sessions, _ in few.values()) == sum(sessions for sessions, _ in many.values())
    assert few[""][0] > many[""][0]


def test_nothing(opened: Opener) -> None:
    page = opened(f"/ui/paths?{RANGE}&start=/no-such-page")
    settled(page)
    expect(page.get_by_text("No visits with /no-such-page in this range")).to_be_visible()
