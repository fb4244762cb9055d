"""Trends in Chromium: metrics, breakdowns, chart types and the CSV, compared with the API."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from runnel.cli.bench_server import Api
from scripts.screenshots import settled
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.ranges import days_ago, span

FIRST, LAST = days_ago(12), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}"
SCOPE: dict[str, Any] = {"site_id": "shop", **span(FIRST, LAST)}
DAILY = {"interval": "day", "timezone": "Europe/Berlin"}


def totals(page: Page) -> list[tuple[str, float]]:
    """The series of the table of totals, with their numbers."""
    settled(page)
    return [
        (row.locator("th").inner_text().strip(), float(row.locator("[data-total]").get_attribute("data-total") or 0))
        for row in page.locator("tr[data-group]").all()
    ]


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
    shown = totals(page)
    assert [name for name, _ in shown] == [row["properties.country"] or "All others" for row in amounts]
    assert [number for _, number in shown] == pytest.approx([row["sum(amount)"] for row in amounts])
    assert "metric=sum%3Aamount" in page.url


def test_filter_builder(api: Api, opened: Opener) -> None:
    page = opened(f"/ui/explore?{RANGE}")
    settled(page)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("combobox", name="Search fields").fill("amount")
    page.keyboard.press("Enter")
    page.get_by_label("Condition").select_option("greater than")
    page.get_by_role("combobox", name="Search or type a value").fill("20.5")
    page.get_by_role("option", name="Use “20.5”").click()
    expect(page.locator(".chip")).to_have_text("amount greater than 20.5")
    settled(page)
    wanted = api.query(kind="metrics", filter={"field": "properties.amount", "op": ">", "value": 20.5}, **SCOPE)
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
    cells = page.get_by_role("row", name="web").get_by_role("cell").all_inner_texts()
    assert cells == [f"{sum(of_web.values()):,}", *(f"{of_web[bucket]:,}" for bucket in reversed(buckets))]

    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "runnel-events-by-Source.csv"
    with saved.value.path().open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["bucket"]: int(row["web"]) for row in table} == of_web
