"""Save as report, in Chromium: what each page keeps, and how it opens it again; compared with the API."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.ranges import span
from tests.browser.dashboard.saved import FIRST, LAST, RANGE, board, call, nothing_saved, number, report, tile


@pytest.fixture(autouse=True)
def fresh(api: Api) -> None:
    nothing_saved(api)


def test_from_explore_to_a_board(api: Api, opened: Opener) -> None:
    """Saved with a new board; the tile has the API's numbers, and its title leads back to just the same page."""
    asked = f"/ui/explore?{RANGE}&metric=users&chart=number&filter=source:%3D:web"
    page = opened(asked)
    settled(page)
    page.get_by_role("button", name="Save as report").click()
    dialog = page.get_by_role("dialog", name="Save as report")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Users")
    expect(dialog).to_contain_text(f"It keeps these days: {FIRST} – {LAST}.")
    dialog.get_by_label("Name", exact=True).fill("Users of the web")
    dialog.get_by_label("Show it on").select_option(label="A new board …")
    dialog.get_by_label("Name of the new board").fill("Monday")
    dialog.get_by_role("button", name="Save", exact=True).click()
    bar = page.get_by_role("region", name="Saved report")
    expect(page.locator(".report-name h2")).to_have_text("Users of the web")
    expect(bar.get_by_role("status")).to_have_text("Saved")
    expect(bar.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    bar.get_by_role("link", name="Open the board").click()

    settled(page)
    web = {"filter": {"field": "source", "op": "=", "value": "web"}}
    rows = api.query(kind="metrics", site_id="shop", metrics=[{"kind": "users"}], **web, **span(FIRST, LAST))["rows"]
    assert number(page, "Users of the web") == rows[0]["users"] > 0
    (kept,) = api.get("/v1/reports")["reports"]
    assert (kept["range"], kept["timezone"], kept["site_id"]) == (f"{FIRST}/{LAST}", "Europe/Berlin", "shop")
    assert kept["question"]["filter"] == web["filter"]

    tile(page, "Users of the web").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Explore", level=1)).to_be_visible()
    settled(page)
    expect(bar.get_by_role("status")).to_have_text("Saved")
    expect(page.locator(".numbers strong")).to_have_attribute("data-exact", str(rows[0]["users"]))
    expect(page.locator(".chip")).to_have_text("Source is web")


ELSEWHERE = {
    "/ui/funnels?step=page_view&step=add_to_cart&step=purchase&window=2h": (
        {
            "kind": "funnel",
            "steps": [{"name": name} for name in ("page_view", "add_to_cart", "purchase")],
            "order": "ordered",
            "window": 7200,
        },
        "From page_view to purchase",
    ),
    "/ui/retention?every=week&following=4&shown=number&start=signup_started": (
        {
            "kind": "retention",
            "mode": "first_time",
            "interval": "week",
            "periods": 4,
            "start": {"name": "signup_started"},
            "returning": {},
        },
        "Retention by week",
    ),
    "/ui/retention?tab=lifecycle&every=day": ({"kind": "lifecycle", "interval": "day"}, "Lifecycle by day"),
    "/ui/retention?tab=active": ({"kind": "active_users"}, "Active users"),
    "/ui/paths?of=event&start=page_view&steps=3": (
        {"kind": "paths", "by": "event", "start": "page_view", "steps": 3, "merge": True, "top": 200},
        "Paths from page_view",
    ),
    "/ui/explore?metric=events&metric=users&of=&of=purchase&formula=B/A&chart=bar": (
        {
            "kind": "metrics",
            "metrics": [
                {"kind": "events", "name": "A"},
                {"kind": "users", "name": "B", "filter": {"field": "name", "op": "=", "value": "purchase"}},
            ],
            "formulas": [{"name": "formula", "expression": "B/A"}],
            "interval": "day",
            "compare": "previous",
        },
        "B/A",
    ),
    "/ui/explore?by=properties.country&chart=area&top=10": (
        {
            "kind": "metrics",
            "metrics": [{"kind": "events", "name": "A"}],
            "interval": "day",
            "breakdown": ["properties.country"],
            "top": 10,
            "other": True,
        },
        "Events by country",
    ),
}


@pytest.mark.parametrize("path", ELSEWHERE)
def test_every_page_saves_what_it_asks(api: Api, opened: Opener, path: str) -> None:
    """And opens it again unchanged; a board draws it."""
    question, title = ELSEWHERE[path]
    page = opened(f"{path}&site=shop&range=30d&tz=Europe/Berlin")
    settled(page)
    page.get_by_role("button", name="Save as report").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(title)
    expect(page.get_by_role("dialog")).to_contain_text("“Last 30 days”, which moves along with time")
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    bar = page.get_by_role("region", name="Saved report")
    expect(bar.get_by_role("status")).to_have_text("Saved")
    (kept,) = api.get("/v1/reports")["reports"]
    assert kept["question"] == question
    assert kept["range"] == "30d"

    page.goto(page.url.partition("/ui/")[0] + "/ui/boards?site=shop")
    page.get_by_role("link", name=title).click()
    settled(page)
    expect(page.locator(".report-name h2")).to_have_text(title)
    expect(bar.get_by_role("status")).to_have_text("Saved")

    made = board(api, "One", kept)
    page.goto(page.url.partition("/ui/")[0] + f"/ui/boards?board={made['id']}")
    settled(page)
    expect(tile(page, title).locator(".chart svg, .funnel-steps, .paths-picture, table").first).to_be_visible()
    assert page.locator(".tile .note-error, .tile .nothing").count() == 0


def test_a_changed_report_is_saved_or_saved_as_new(api: Api, opened: Opener) -> None:
    kept = report(api, "Events", view={"page": "explore", "params": "chart=number&interval=day"})
    page = opened("/ui/boards?site=shop")
    page.get_by_role("main").get_by_role("link", name="Events", exact=True).click()
    settled(page)
    bar = page.get_by_role("region", name="Saved report")
    page.get_by_role("group", name="Shown as").get_by_role("button", name="Bars").click()
    expect(bar.get_by_role("status")).to_have_text("Changed, not saved")
    bar.get_by_role("button", name="Save", exact=True).click()
    expect(bar.get_by_role("status")).to_have_text("Saved")
    now = api.get(f"/v1/reports/{kept['id']}")
    assert now["view"]["params"] == "chart=bar&interval=day"
    assert now["question"]["interval"] == "day"

    # Somebody else is faster.
    fields = {name: now[name] for name in ("question", "range", "timezone", "view", "updated_at", "description")}
    call(api, "PUT", f"/v1/reports/{kept['id']}", {**fields, "name": "Theirs"})
    page.get_by_role("group", name="Shown as").get_by_role("button", name="Areas").click()
    bar.get_by_role("button", name="Save", exact=True).click()
    expect(bar.get_by_role("alert")).to_contain_text("Somebody else changed this report meanwhile")
    bar.get_by_role("button", name="Load theirs").click()
    expect(page.locator(".report-name h2")).to_have_text("Theirs")
    expect(bar.get_by_role("status")).to_have_text("Saved")
    assert "chart=bar" in page.url

    bar.get_by_role("button", name="Save as new").click()
    page.get_by_label("Name", exact=True).fill("Another")
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".report-name h2")).to_have_text("Another")
    assert [one["name"] for one in api.get("/v1/reports")["reports"]] == ["Theirs", "Another"]


def test_a_report_stays_with_its_site(api: Api, opened: Opener) -> None:
    """Of another site it can only be saved as a new one."""
    kept = report(api, "Events", view={"page": "explore", "params": "chart=number&interval=day"})
    page = opened(f"/ui/explore?{RANGE}&chart=number&interval=day&report={kept['id']}")
    settled(page)
    bar = page.get_by_role("region", name="Saved report")
    expect(bar.get_by_role("status")).to_have_text("Saved")
    page.get_by_role("combobox", name="Site", exact=True).select_option(label="docs")
    expect(bar.get_by_role("status")).to_have_text("Of another site, not saved")
    expect(bar.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    bar.get_by_role("button", name="Save as new").click()
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(bar.get_by_role("status")).to_have_text("Saved")
    assert [one["site_id"] for one in api.get("/v1/reports")["reports"]] == ["shop", "docs"]
