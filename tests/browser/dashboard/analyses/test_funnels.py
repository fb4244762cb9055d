"""Funnels in Chromium: built step by step, changed, broken down, and followed to the users; compared with the API."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes, attributes_within, texts
from tests.browser.dashboard.ranges import days_ago, span
from tests.browser.dashboard.rounding import to_fixed

FIRST, LAST = days_ago(25), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}
BUY = "&step=page_view&step=add_to_cart&step=purchase"
STEPS = [{"name": "page_view"}, {"name": "add_to_cart"}, {"name": "purchase"}]
DAY = 86_400


def users(page: Page) -> list[int]:
    """The exact number of each step in the chart."""
    settled(page)
    return [int(step) for (step,) in attributes(page.locator(".funnel-step strong[data-users]"), "data-users")]


def asked(api: Api, steps: list[dict[str, Any]] = STEPS, **question: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.query(kind="funnel", steps=steps, **question, **SCOPE)["rows"]
    return rows


def counts(rows: list[dict[str, Any]]) -> list[int]:
    return [row["users"] for row in rows]


def choose(page: Page, button: re.Pattern[str], text: str) -> None:
    """Pick from the list that a button opens."""
    page.get_by_role("button", name=button).click()
    page.get_by_role("combobox", name="Search events").fill(text)
    page.get_by_role("option", name=text, exact=False).first.click()


def step_buttons(page: Page) -> Locator:
    return page.get_by_role("list", name="Steps", exact=True).locator(".value-button")


def test_begins_with_what_most_users_did(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}")
    settled(page)
    top = api.query(kind="metrics", metrics=[{"kind": "users"}], breakdown=["name"], top=3, **SCOPE)["rows"]
    expect(step_buttons(page)).to_have_text([row["name"] for row in top])
    assert users(page) == counts(asked(api, [{"name": row["name"]} for row in top]))
    assert "step=" not in page.url


def test_built_step_by_step(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}")
    settled(page)
    choose(page, re.compile("^Step 1: "), "page_view")
    choose(page, re.compile("^Step 2: "), "purchase")
    choose(page, re.compile("^Step 3: "), "signup_started")
    page.get_by_role("button", name="Remove step 3, signup_started").click()
    page.get_by_role("button", name="Add a step").click()
    expect(step_buttons(page)).to_have_text(["page_view", "purchase", "Any event"])
    choose(page, re.compile("^Step 3: "), "add_to_cart")
    page.get_by_role("button", name="Move step 3, add_to_cart, up").click()
    expect(step_buttons(page)).to_have_text(["page_view", "add_to_cart", "purchase"])
    rows = asked(api)
    assert users(page) == counts(rows)
    assert counts(rows)[-1] > 10

    cells = page.get_by_role("row", name="3. purchase").get_by_role("cell").all_inner_texts()
    assert cells[0] == f"{rows[2]['users']:,}"
    assert cells[1] == f"{to_fixed(rows[2]['from_first'] * 100, 1)}%"
    assert cells[2] == f"{to_fixed(rows[2]['from_previous'] * 100, 1)}%"
    assert cells[3] == f"{rows[1]['users'] - rows[2]['users']:,}"

    page.reload()
    assert users(page) == counts(rows)
    page.go_back()
    expect(step_buttons(page)).to_have_text(["page_view", "purchase", "add_to_cart"])


def test_filter_of_a_step(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}{BUY}")
    settled(page)
    page.get_by_role("button", name="Filter step 1").click()
    page.get_by_role("combobox", name="Search fields").fill("country")
    page.get_by_role("option", name="country").click()
    page.get_by_role("combobox", name="Search or type a value").fill("DE")
    page.get_by_role("option", name="DE").first.click()
    expect(page.locator(".steps-item").first.locator(".chip")).to_have_text("country is DE")
    german = {"field": "properties.country", "op": "=", "value": "DE"}
    rows = asked(api, [{"name": "page_view", "filter": german}, *STEPS[1:]])
    assert users(page) == counts(rows)
    assert 0 < rows[0]["users"] < counts(asked(api))[0]
    page.get_by_role("button", name="Remove the filter country is DE").click()
    assert users(page) == counts(asked(api))


@pytest.mark.parametrize(("order", "label"), [("strict", "One right after the other"), ("any", "In any order")])
def test_order(api: Api, opened: Opener, order: str, label: str) -> None:
    steps = [{"name": name} for name in ("purchase", "page_view", "add_to_cart")]
    page = opened(f"/ui/funnels?{RANGE}{''.join('&step=' + step['name'] for step in steps)}")
    settled(page)
    page.get_by_label("Order").select_option(label)
    assert users(page) == counts(asked(api, steps, order=order)) != counts(asked(api, steps))
    names = page.locator(".funnel-name-text").all_inner_texts()
    assert names == (
        ["Any one step", "Any 2 steps", "All steps"] if order == "any" else [step["name"] for step in steps]
    )


def test_window(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}{BUY}")
    settled(page)
    number = page.get_by_role("spinbutton", name="Conversion window")
    number.fill("2")
    expect(page).to_have_url(re.compile("window=2d"))
    assert users(page) == counts(asked(api, window=2 * DAY))
    page.get_by_label("Unit of the conversion window").select_option("minutes")
    assert users(page) == counts(asked(api, window=120)) != counts(asked(api, window=2 * DAY))
    number.fill("0")
    expect(number).to_have_attribute("aria-invalid", "true")
    assert "window=2min" in page.url


def test_broken_down(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}{BUY}")
    settled(page)
    page.get_by_role("button", name="Broken down by nothing").click()
    page.get_by_role("combobox", name="Search fields").fill("country")
    page.get_by_role("option", name="country").click()
    page.get_by_label("Groups").select_option("Top 3")
    settled(page)
    rows = asked(api, breakdown="properties.country", top=3)
    wanted: dict[str, list[int]] = {}
    for row in rows:
        wanted.setdefault("All others" if row.get("other") else row["properties.country"], []).append(row["users"])
    groups = page.locator("tr[data-group]")
    of_steps = attributes_within(groups, "td", "data-users")
    shown = {name: list(map(int, steps)) for (name,), steps in zip(texts(groups, "th"), of_steps, strict=True)}
    assert shown == wanted
    assert len(shown) == 4
    expect(page.get_by_role("list", name="Legend").get_by_role("listitem")).to_have_text(list(wanted))
    assert users(page) == counts(asked(api))


def test_who_dropped_leads_to_their_timeline(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}{BUY}")
    settled(page)
    page.get_by_role("button", name=re.compile("dropped .* before step 3, purchase: show them$")).click()
    question = {"kind": "funnel_users", "steps": STEPS, "step": 3, "outcome": "dropped", **SCOPE}
    everybody = [row["user_id"] for row in api.query(**question, limit=5000)["rows"]]
    listed = page.get_by_role("dialog").locator("[data-user]")
    expect(listed).to_have_count(min(50, len(everybody)))
    assert [user for (user,) in attributes(listed, "data-user")] == everybody[:50]
    if len(everybody) > 50:
        page.get_by_role("button", name="Show more").click()
        expect(listed).to_have_count(min(100, len(everybody)))
    assert "people=dropped%3A3" in page.url
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("[data-step='3'] .funnel-lost").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("Dropped before step 3: purchase")
    page.reload()
    listed.first.click()
    expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["user"] == everybody[:1]
    expect(page.get_by_text(everybody[0], exact=True).first).to_be_visible()


def test_moved_with_the_keyboard(opened: Opener) -> None:
    """The focus goes along with the step."""
    page = opened(f"/ui/funnels?{RANGE}{BUY}")
    settled(page)
    page.get_by_role("button", name="Step 3: purchase").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(step_buttons(page)).to_have_text(["page_view", "purchase", "add_to_cart"])
    up = page.get_by_role("button", name="Move step 2, purchase, up")
    expect(up).to_be_focused()
    page.keyboard.press("Enter")
    expect(step_buttons(page)).to_have_text(["purchase", "page_view", "add_to_cart"])
    expect(page.get_by_role("button", name="Move step 1, purchase, down")).to_be_focused()
    page.get_by_role("button", name="Remove step 1, purchase").focus()
    page.keyboard.press("Enter")
    expect(step_buttons(page)).to_have_text(["page_view", "add_to_cart"])
    expect(page.get_by_role("button", name=re.compile("^Remove step"))).to_have_count(2)
    for button in page.get_by_role("button", name=re.compile("^Remove step")).all():
        expect(button).to_be_disabled()


def test_as_many_steps_as_the_api_takes(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}{'&step=page_view' * 19}")
    settled(page)
    page.get_by_role("button", name="Add a step").click()
    expect(page.get_by_role("button", name="Add a step")).to_be_disabled()
    assert users(page) == counts(asked(api, [{"name": "page_view"}] * 19 + [{}]))


def test_nobody(opened: Opener) -> None:
    page = opened(f"/ui/funnels?{RANGE}&step=no_such_event&step=purchase")
    settled(page)
    expect(page.get_by_text("No user did the first step")).to_be_visible()


def test_refused_by_the_api(opened: Opener) -> None:
    """What the API does not take is said in its words, and the funnel can be corrected."""
    page = opened(f"/ui/funnels?{RANGE}{BUY}{quote(';properties.' + 'x' * 201 + ':set')}")
    expect(page.get_by_role("alert")).to_contain_text("unknown field")
    page.get_by_role("button", name=re.compile("^Remove the filter xxx")).click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert len(users(page)) == 3
