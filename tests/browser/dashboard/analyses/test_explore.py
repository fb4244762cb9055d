"""Trends in Chromium: metrics, breakdowns, chart types and the CSV, compared with the API."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import texts
from tests.browser.dashboard.ranges import days_ago, span
from tests.browser.dashboard.rounding import shown_change

FIRST, LAST = days_ago(12), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}
BEFORE: dict[str, Any] = {"site_id": "shop", **span(FIRST - timedelta(days=10), FIRST - timedelta(days=1))}
CARTS = {"field": "name", "op": "=", "value": "add_to_cart"}
DAILY = {"interval": "day", "timezone": "Europe/Berlin"}


def totals(page: Page) -> list[tuple[str, float]]:
    """The series of the table of totals, with their numbers; 0 where there is none, as of no purchase."""
    settled(page)
    # Read at once: an answer that comes meanwhile would take rows away.
    found = page.locator("tr[data-group]").evaluate_all(
        "rows => rows.map(row => [row.querySelector('th').innerText.trim(),"
        " Number(row.querySelector('[data-total]')?.dataset.total ?? 0)])"
    )
    return [(name, number) for name, number in found]


def test_breakdown_and_measure_of_a_property(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}")
    settled(page)
    page.get_by_role("button", name="Broken down by nothing").click()
    page.get_by_role("combobox", name="Search fields").fill("country")
    page.keyboard.press("Enter")
    asked = {"breakdown": ["properties.country"], "top": 5, "other": True}
    rows = api.query(kind="metrics", **asked, **SCOPE)["rows"]
    assert totals(page) == [(row["properties.country"] or "All others", row["events"]) for row in rows]

    page.get_by_label("Measure").select_option("Sum")
    page.get_by_role("button", name="Measure of").click()
    page.get_by_role("combobox", name="Search properties").fill("amount")
    page.keyboard.press("Enter")
    page.get_by_label("Groups").select_option("Top 10")
    amounts = api.query(
        kind="metrics", metrics=[{"kind": "sum", "property": "amount"}], **(asked | {"top": 10}), **SCOPE
    )["rows"]
    expect(page.get_by_text("Sum of amount").first).to_be_visible()
    expect(page.locator("tr[data-group]")).to_have_count(len(amounts))
    shown = totals(page)
    assert [name for name, _ in shown] == [row["properties.country"] or "All others" for row in amounts]
    assert [number for _, number in shown] == pytest.approx([row["sum(amount)"] or 0 for row in amounts])
    assert "metric=sum%3Aamount" in page.url


def test_filter_builder(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}")
    settled(page)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("combobox", name="Search fields").fill("amount")
    page.keyboard.press("Enter")
    page.get_by_label("Condition").select_option("greater than")
    page.get_by_role("combobox", name="Search or type a value").fill("10.5")
    page.get_by_role("option", name="Use “10.5”").click()
    expect(page.locator(".chip")).to_have_text("amount greater than 10.5")
    settled(page)
    wanted = api.query(kind="metrics", filter={"field": "properties.amount", "op": ">", "value": 10.5}, **SCOPE)
    total = page.locator(".explore-total [data-exact]").get_attribute("data-exact")
    assert float(total or 0) == wanted["rows"][0]["events"] > 0


@pytest.mark.parametrize("shape", ["Bars", "Areas", "Lines"])
def test_chart_types_say_the_same(api: Api, opened: Opener, shape: str) -> None:
    page = opened(f"/ui/explore?{RANGE}&by=source")
    settled(page)
    page.get_by_role("button", name=shape).click()
    chart = page.get_by_role("group", name=re.compile("^Events by Source"))
    chart.focus()
    page.keyboard.press("Home")
    first = api.query(kind="metrics", breakdown=["source"], top=5, **DAILY, **SCOPE)["rows"]
    bucket = [row for row in first if row["bucket"] == first[0]["bucket"]]
    expected = sorted((f"{row['events']:,}" for row in bucket), key=lambda text: -int(text.replace(",", "")))
    expect(chart.locator(".chart-tip .number")).to_have_text(expected)


def test_legend_hides_a_series(opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}&by=source")
    settled(page)
    lines = page.locator(".chart .chart-line")
    expect(lines).to_have_count(3)
    page.get_by_role("list", name="Legend").get_by_role("button", name="web").click()
    expect(lines).to_have_count(2)


def test_table_and_csv(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}&by=source")
    settled(page)
    page.get_by_role("button", name="Table").click()
    rows = api.query(kind="metrics", breakdown=["source"], top=5, **DAILY, **SCOPE)["rows"]
    buckets = sorted({row["bucket"] for row in rows})
    of_web = {row["bucket"]: row["events"] for row in rows if row["source"] == "web"}
    settled(page)
    (cells,) = texts(page.get_by_role("row", name="web"), "td")
    del cells[1]  # the change
    assert cells == [f"{sum(of_web.values()):,}", *(f"{of_web[bucket]:,}" for bucket in reversed(buckets))]

    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "tallystick-events-by-source.csv"
    with saved.value.path().open(newline="", encoding="utf-8-sig") as file:  # Excel needs the mark
        table = list(csv.DictReader(file))
    assert {row["bucket"]: int(row["web"]) for row in table} == of_web


# --- several series --------------------------------------------------------------------------------------------------


def exact(page: Page, group: str) -> float:
    return float(page.locator(f"[data-group='{group}'] [data-exact]").get_attribute("data-exact") or 0)


def test_two_series_and_their_formula(api: Api, opened: Opener) -> None:
    """Users who put something into the cart, of all users; built by hand, kept by the address."""
    page = opened(f"/ui/explore?{RANGE}&metric=users")
    settled(page)
    page.get_by_role("button", name="Add a series").click()
    page.get_by_label("Measure B").select_option("Users")
    page.get_by_role("button", name="Events of B: Any event").click()
    page.get_by_role("combobox", name="Search events").fill("add_to")
    page.get_by_role("option", name="add_to_cart").click()
    expect(page.get_by_role("list", name="Legend").get_by_role("button")).to_have_text(["Users", "Users: add_to_cart"])
    everybody, buyers = (
        api.query(kind="metrics", metrics=[{"kind": "users"}], **more, **SCOPE)["rows"][0]["users"]
        for more in ({}, {"filter": CARTS})
    )
    page.get_by_role("button", name="Numbers").click()
    settled(page)
    assert [exact(page, "A"), exact(page, "B")] == [everybody, buyers]

    page.get_by_label("Formula").fill("B / A * 100")
    page.keyboard.press("Enter")
    settled(page)
    assert exact(page, "formula") == pytest.approx(buyers / everybody * 100)
    page.reload()
    settled(page)
    assert exact(page, "formula") == pytest.approx(buyers / everybody * 100)
    page.get_by_role("button", name="Remove series B").click()
    settled(page)
    assert "formula" not in page.url
    assert exact(page, "A") == everybody


def test_a_formula_that_is_none(opened: Opener) -> None:
    """The API's sentence is shown, and the formula can be mended."""
    page = opened(f"/ui/explore?{RANGE}&metric=users&metric=events&formula=A%2F")
    expect(page.get_by_role("alert")).to_contain_text("cannot be read")
    page.get_by_label("Formula").fill("A / B")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name=re.compile("^A . B, "))).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_filter_of_one_series(api: Api, opened: Opener) -> None:
    """It narrows this series; the page's own filter narrows all."""
    page = opened(f"/ui/explore?{RANGE}&filter=source:%3D:web&metric=events&metric=events&chart=number")
    settled(page)
    page.get_by_role("button", name="Filter events of b", exact=True).click()
    page.get_by_role("combobox", name="Search fields").fill("country")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Search or type a value").fill("DE")
    page.get_by_role("option", name="DE").click()
    settled(page)
    web = {"field": "source", "op": "=", "value": "web"}
    germany = {"field": "properties.country", "op": "=", "value": "DE"}
    wanted = [
        api.query(kind="metrics", filter=one, **SCOPE)["rows"][0]["events"] for one in (web, {"all": [web, germany]})
    ]
    assert [exact(page, "A"), exact(page, "B")] == wanted
    assert wanted[0] > wanted[1] > 0


def test_breakdown_of_one_of_several(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}&metric=events&metric=users&by=source")
    page.get_by_role("group", name="Broken down series").get_by_role("button", name="B").click()
    asked = {"metrics": [{"kind": "users"}], "breakdown": ["source"], "top": 5, "other": True}
    rows = api.query(kind="metrics", **asked, **SCOPE)["rows"]
    expect(page.get_by_role("group", name=re.compile("^Users by Source"))).to_be_visible()
    assert totals(page) == [(row["source"], row["users"]) for row in rows]
    assert "show=1" in page.url


# --- the period before -----------------------------------------------------------------------------------------------


def test_period_before_is_a_dashed_line(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}")
    settled(page)
    rows = [api.query(kind="metrics", **DAILY, **scope)["rows"] for scope in (BEFORE, SCOPE)]
    chart = page.get_by_role("group", name=re.compile("^Events,"))
    expect(chart.locator(".chart-line.dashed")).to_have_count(1)
    chart.focus()
    page.keyboard.press("End")
    expect(chart.locator(".chart-tip .number")).to_have_text([f"{one[-1]['events']:,}" for one in rows])
    now, before = (api.query(kind="metrics", **scope)["rows"][0]["events"] for scope in (SCOPE, BEFORE))
    expect(page.locator(".explore-total .change")).to_have_attribute("title", f"{before:,} in the period before")
    expect(page.locator(".explore-total .change")).to_contain_text(shown_change(now, before))

    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    with saved.value.path().open(newline="") as file:
        table = list(csv.DictReader(file))
    for number, row in enumerate(table):
        assert (row["bucket, period before"], int(row["Events, period before"])) == (
            rows[0][number]["bucket"],
            rows[0][number]["events"],
        )
    assert len(table) == len(rows[1]) == 10

    page.get_by_role("button", name=f"{FIRST} – {LAST}").click()
    page.get_by_label("Compare with the period before").uncheck()
    expect(chart.locator(".chart-line.dashed")).to_have_count(0)


def test_groups_are_compared_in_their_totals(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}&by=source")
    settled(page)
    of_web = {"filter": {"field": "source", "op": "=", "value": "web"}}
    before = api.query(kind="metrics", **of_web, **BEFORE)["rows"][0]["events"]
    change = page.locator("tr[data-group='=web'] .change")
    expect(change).to_have_attribute("title", f"{before:,} in the period before")
    expect(page.locator(".chart-line.dashed")).to_have_count(0)
