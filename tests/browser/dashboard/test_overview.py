"""The overview in Chromium: its numbers are the API's, and everything that is chosen is in the address."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes, attributes_within
from tests.browser.dashboard.ranges import days_ago, span
from tests.browser.dashboard.rounding import shown_change, shown_share, to_fixed

FIRST, LAST = days_ago(12), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}
BEFORE: dict[str, Any] = {"site_id": "shop", **span(FIRST - timedelta(days=10), FIRST - timedelta(days=1))}
OF_EVENTS = ["users", "events"]
OF_SESSIONS = ["sessions", "bounce_rate", "avg_duration", "pages_per_session"]


def numbers(api: Api, **scope: Any) -> dict[str, float]:
    metrics = [{"kind": kind} for kind in OF_EVENTS]
    of_events: dict[str, float] = api.query(kind="metrics", metrics=metrics, **scope)["rows"][0]
    of_sessions: dict[str, float] = api.query(kind="sessions", metrics=OF_SESSIONS, **scope)["rows"][0]
    return of_events | of_sessions


def shown(page: Page) -> dict[str, float]:
    """The cards' exact numbers."""
    settled(page)
    cards = page.locator("[data-metric]")
    names = attributes(cards, "data-metric")
    exact = attributes_within(cards, "[data-exact]", "data-exact")
    return {name: float(number or 0) for (name,), (number,) in zip(names, exact, strict=True)}


def bars(page: Page, field: str) -> list[str]:
    settled(page)
    return page.locator(f"[data-field='{field}'] button.bar-row .bar-text").all_inner_texts()


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_cards_are_the_apis_numbers(api: Api, opened: Opener) -> None:
    """With the change against the period before, whose arrow and sign say what its colour says."""
    page = opened(f"/?{RANGE}")
    now, before = numbers(api, **SCOPE), numbers(api, **BEFORE)
    assert shown(page) == now
    assert now["events"] > 500
    for metric in now:
        text = shown_change(now[metric], before[metric])
        changed = page.locator(f"[data-metric={metric}] .stat-change")
        expect(changed).to_have_text(text)
        better = text.startswith("+") != (metric == "bounce_rate")
        expect(changed.locator("span")).to_have_class("same" if text == "0%" else "better" if better else "worse")


def test_cards_write_their_units(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}")
    now = numbers(api, **SCOPE)
    settled(page)
    seconds = int(to_fixed(now["avg_duration"], 0))
    minutes = f"{seconds // 60}m {seconds % 60:02}s" if seconds >= 60 else f"{seconds}s"
    expect(page.locator("[data-metric=avg_duration] .stat-value")).to_have_text(minutes)
    expect(page.locator("[data-metric=bounce_rate] .stat-value")).to_have_text(shown_share(now["bounce_rate"]))


def shown_percent(part: float) -> str:
    """With two decimals, halves rounded up as the page's Intl does, and not to the even digit."""
    return f"{float(Decimal(repr(part * 100)).quantize(Decimal('0.01'), ROUND_HALF_UP)):g}%"


def test_shares_round_halves_up() -> None:
    """A bounce rate of 31.25 % is shown as 31.3%; Python writes 31.2."""
    assert [shown_share(part) for part in (0.3125, 0.5, 1.0)] == ["31.3%", "50%", "100%"]
    assert [to_fixed(value, 0) for value in (42.5, 43.5)] == ["43", "44"]
    assert [shown_change(now, 1_600) for now in (1_550, 1_600.7, 1_600.9, 1_759, 1_760)] == [
        "−3.1%",
        "0%",
        "+0.1%",
        "+9.9%",
        "+10%",
    ]


def test_shown_percent() -> None:
    assert [shown_percent(part) for part in (9 / 32, 0.5, 1.0)] == ["28.13%", "50%", "100%"]


def test_a_card_chooses_the_chart(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}")
    settled(page)
    page.locator("[data-metric=bounce_rate]").click()
    settled(page)
    assert parameters(page)["metric"] == ["bounce_rate"]
    day = {"interval": "day", "timezone": "Europe/Berlin"}
    rows = [api.query(kind="sessions", metrics=["bounce_rate"], **day, **scope)["rows"] for scope in (BEFORE, SCOPE)]
    chart = page.get_by_role("group", name=re.compile("^Bounce rate"))
    chart.focus()
    page.keyboard.press("Home")
    expect(chart.locator(".chart-tip .number")).to_have_text([shown_percent(one[0]["bounce_rate"]) for one in rows])


def test_without_comparison(opened: Opener) -> None:
    page = opened(f"/?{RANGE}")
    page.get_by_role("button", name=f"{FIRST} – {LAST}").click()
    page.get_by_label("Compare with the period before").uncheck()
    page.keyboard.press("Escape")
    settled(page)
    assert parameters(page)["compare"] == ["0"]
    expect(page.locator("[data-metric=events] .stat-change")).to_have_text("\N{NO-BREAK SPACE}")
    expect(page.get_by_text("Period before")).to_have_count(0)


def test_click_filters_everything(api: Api, opened: Opener) -> None:
    """And the browser's back takes it away, a reload keeps it."""
    page = opened(f"/?{RANGE}")
    all_events = shown(page)
    page.locator("[data-field=name]").get_by_role("button", name="add_to_cart").click()
    filtered = {"filter": {"field": "name", "op": "=", "value": "add_to_cart"}}
    assert shown(page) == numbers(api, **SCOPE, **filtered)
    expect(page.locator(".chip")).to_have_text("Event is add_to_cart")
    assert bars(page, "path") == []  # top pages count page views, and this event is none
    assert parameters(page)["filter"] == ["name:=:add_to_cart"]

    page.reload()
    assert shown(page) == numbers(api, **SCOPE, **filtered)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(0)
    assert shown(page) == all_events
    page.go_forward()
    page.get_by_role("button", name="Remove the filter Event is add_to_cart").click()
    expect(page.locator(".chip")).to_have_count(0)
    assert shown(page) == all_events


def test_property_panel(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}&metric=events&events=properties")
    page.get_by_role("button", name=re.compile("^Property .*, choose another")).click()
    page.get_by_role("combobox", name="Search properties").fill("curr")
    page.keyboard.press("Enter")
    rows = api.query(kind="metrics", breakdown=["properties.currency"], top=8, **SCOPE)["rows"]
    expect(page.locator("[data-field='properties.currency']")).to_be_visible()
    assert bars(page, "properties.currency") == [row["properties.currency"] or "(none)" for row in rows]
    assert parameters(page)["property"] == ["currency"]


def test_number_filter_of_a_property(api: Api, opened: Opener) -> None:
    """A breakdown gives texts; the filter finds the numbers that they stand for."""
    page = opened(f"/?{RANGE}&events=properties&property=items")
    settled(page)
    page.locator("[data-field='properties.items'] [data-value='1']").click()
    wanted = {"filter": {"field": "properties.items", "op": "=", "value": 1}}
    expect(page.locator(".chip")).to_have_count(1)
    assert shown(page) == numbers(api, **SCOPE, **wanted)


def test_presets_and_days(api: Api, opened: Opener) -> None:
    page = opened("/?site=shop")
    page.get_by_role("button", name="Last 7 days").click()
    page.get_by_role("button", name="Last 30 days").click()
    settled(page)
    assert parameters(page)["range"] == ["30d"]
    page.get_by_role("button", name="Last 30 days").click()
    page.get_by_label("From").fill(str(FIRST))
    page.get_by_label("To", exact=True).fill(str(LAST))
    page.get_by_role("button", name="Show these days").click()
    expect(page.get_by_role("button", name=f"{FIRST} – {LAST}")).to_be_visible()
    assert shown(page) == numbers(api, **SCOPE)


def test_all_time(api: Api, opened: Opener) -> None:
    page = opened("/?site=shop&range=all")
    assert shown(page)["events"] == numbers(api, site_id="shop")["events"]


def test_site_picker(api: Api, opened: Opener) -> None:
    page = opened(f"/?from={FIRST}&to={LAST}")
    assert shown(page)["events"] == numbers(api, **SCOPE)["events"], "the busiest site comes first"
    page.get_by_label("Site").select_option("docs")
    page.wait_for_url(re.compile("site=docs"))
    assert shown(page) == numbers(api, **(SCOPE | {"site_id": "docs"}))
    page.get_by_label("Site").select_option("All sites")
    page.wait_for_url(re.compile(r"site=\*|site=%2A"))
    assert shown(page) == numbers(api, **(SCOPE | {"site_id": None}))


def test_chart_is_read_with_the_keyboard(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}&metric=users")
    settled(page)
    users = {"metrics": [{"kind": "users"}], "interval": "day", "timezone": "Europe/Berlin"}
    rows = api.query(kind="metrics", **users, **SCOPE)["rows"]
    chart = page.get_by_role("group", name=re.compile("^Users"))
    chart.focus()
    for key, row in (("Home", rows[0]), ("ArrowRight", rows[1]), ("End", rows[-1])):
        page.keyboard.press(key)
        expect(chart.locator(".chart-tip .number").last).to_have_text(f"{row['users']:,}")


def test_time_zone_and_interval(api: Api, opened: Opener) -> None:
    page = opened(f"/?{RANGE}")
    page.get_by_role("button", name="Time zone: Europe/Berlin").click()
    page.get_by_role("combobox", name="Search time zones").fill("tokyo")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("tz=Asia"))
    settled(page)
    assert parameters(page)["tz"] == ["Asia/Tokyo"]
    scope = {"site_id": "shop", **span(FIRST, LAST, "Asia/Tokyo")}
    assert shown(page) == numbers(api, **scope)
    page.get_by_label("Interval").select_option("By week")
    settled(page)
    weeks = api.query(kind="metrics", interval="week", timezone="Asia/Tokyo", **scope)["rows"]
    chart = page.get_by_role("group", name=re.compile("^Events,"))
    chart.focus()
    page.keyboard.press("Home")
    expect(chart.locator(".chart-tip .number").last).to_have_text(f"{weeks[0]['events']:,}")


def test_theme_switch(opened: Opener) -> None:
    page = opened("/?site=shop")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark").click()
    # Not wait_for_function: it evaluates text, which the page's Content-Security-Policy forbids.
    expect(page.locator("body")).not_to_have_css("background-color", light)
    page.reload()
    settled(page)
    assert page.evaluate(background) != light
