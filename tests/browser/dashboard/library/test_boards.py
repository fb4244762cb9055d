"""Boards in Chromium: their numbers compared with the API's, edited, listed; and what they do when asking fails."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

from scripts.demo_boards import make_board
from scripts.screenshots import settled
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import attributes
from tests.browser.dashboard.ranges import span
from tests.browser.dashboard.saved import FIRST, LAST, board, call, nothing_saved, number, report, tile
from tests.browser.dashboard.test_accessible import check_looks, findings
from tests.helpers.thorough import some

NASTY = "<img src=x onerror=document.title='run'>"
PLACES = """board => [":scope > *", ".tile"].map(selector =>
    [...board.querySelectorAll(selector)].map(one => one.getBoundingClientRect()).map(box => [box.top, box.height]))"""
"""Top and height of a board's places, and of the tiles within them, in one look."""


@pytest.fixture(autouse=True)
def fresh(api: Api) -> None:
    nothing_saved(api)


def test_a_board_is_edited(api: Api, opened: Opener) -> None:
    """Reports added, moved with buttons and keys, resized, taken off; the API has what was saved."""
    one, two, three = (report(api, name) for name in ("One", "Two", "Three"))
    made = board(api, "Work", one, two)
    page = opened(f"/ui/boards?site=shop&board={made['id']}")
    settled(page)
    expect(page.locator(".tile h2")).to_have_text(["One", "Two"])
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Add a report").click()
    page.get_by_role("combobox", name="Search saved reports").fill("thr")
    page.keyboard.press("Enter")
    expect(page.locator(".tile h2")).to_have_text(["One", "Two", "Three"])
    page.get_by_role("button", name="Move Three to the front").focus()
    page.keyboard.press("Alt+ArrowLeft")
    expect(page.locator(".tile h2")).to_have_text(["One", "Three", "Two"])
    expect(page.get_by_role("button", name="Move Three to the front")).to_be_focused()
    page.get_by_role("button", name="Move Three to the front").click()
    expect(page.locator(".tile h2")).to_have_text(["Three", "One", "Two"])
    expect(page.get_by_role("button", name="Move Three to the back")).to_be_focused()
    page.get_by_label("Width of One").select_option("3")
    page.get_by_label("Height of One").select_option("2")
    page.get_by_role("button", name="Take Two off the board").click()
    page.get_by_label("Name", exact=True).fill("Work, again")
    assert api.get(f"/v1/boards/{made['id']}")["tiles"] == made["tiles"]
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("heading", name="Work, again", level=1)).to_be_visible()
    expect(page.locator(".tile h2")).to_have_text(["Three", "One"])
    assert api.get(f"/v1/boards/{made['id']}")["tiles"] == [
        {"report_id": three["id"], "width": 1, "height": 1},
        {"report_id": one["id"], "width": 3, "height": 2},
    ]
    settled(page)
    count = api.query(kind="metrics", site_id="shop", **span(FIRST, LAST))["rows"][0]["events"]
    assert number(page, "Three") == number(page, "One") == count > 0


def test_somebody_else_edited_the_board(api: Api, opened: Opener) -> None:
    one, two = report(api, "One"), report(api, "Two")
    made = board(api, "Work", one)
    page = opened(f"/ui/boards?board={made['id']}&edit=1")
    page.get_by_label("Name", exact=True).fill("Mine")
    fields = {"name": "Theirs", "tiles": [{"report_id": two["id"]}], "updated_at": made["updated_at"]}
    call(api, "PUT", f"/v1/boards/{made['id']}", fields)
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed this board meanwhile")
    page.get_by_role("button", name="Load theirs").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Theirs")
    expect(page.locator(".tile h2")).to_have_text(["Two"])
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("heading", name="Theirs", level=1)).to_be_visible()


def test_a_range_for_all(api: Api, opened: Opener) -> None:
    """It overrides that of every report, stands in the address, and is taken back."""
    made = board(api, "Work", report(api, "One", range="7d"), report(api, "Two", range="30d"))
    page = opened(f"/ui/boards?board={made['id']}")
    settled(page)
    expect(page.locator(".tile-range")).to_have_text(["Last 7 days", "Last 30 days"])
    own = [number(page, "One"), number(page, "Two")]
    page.get_by_role("button", name="Each report’s own range").click()
    page.get_by_label("From").fill(str(FIRST))
    page.get_by_label("To", exact=True).fill(str(LAST))
    page.get_by_role("button", name="Show these days").click()
    settled(page)
    count = api.query(kind="metrics", site_id="shop", **span(FIRST, LAST))["rows"][0]["events"]
    assert [number(page, "One"), number(page, "Two")] == [count, count] != own
    assert f"over={FIRST}%2F{LAST}" in page.url
    page.get_by_role("button", name=f"{FIRST} – {LAST}").click()
    page.get_by_role("button", name="Each report’s own range").click()
    expect(page.locator(".tile-range")).to_have_text(["Last 7 days", "Last 30 days"])


def test_one_tile_that_fails(api: Api, opened: Opener) -> None:
    """Says why, and the others show their numbers."""
    minutes = {"kind": "events", "filter": {"field": "properties.price", "op": ">", "value": 1}}
    broken = report(api, "Broken", minutes)
    made = board(api, "Work", broken, report(api, "Whole"))
    page = opened("/ui/boards?site=shop")
    answer = {"error": {"code": "unavailable", "message": "the store is away"}}
    page.route(f"**/v1/reports/{broken['id']}/run", lambda route: route.fulfill(status=500, json=answer))
    page.get_by_role("link", name="Work").click()
    expect(tile(page, "Broken").get_by_role("alert")).to_contain_text("the store is away")
    expect(tile(page, "Whole").locator("[data-exact]")).to_be_visible()
    page.unroute(f"**/v1/reports/{broken['id']}/run")
    tile(page, "Broken").get_by_role("button", name="Try again").click()
    expect(tile(page, "Broken").locator("table.events")).to_be_visible()
    assert page.url.endswith(f"board={made['id']}")


def test_numbers_that_could_not_be_asked_again(api: Api, opened: Opener) -> None:
    """They stay, and the tile says from when they are."""
    kept = report(api, "Events")
    made = board(api, "Work", kept)
    page = opened("/ui/live?site=shop")
    page.clock.install()
    page.goto(page.url.partition("/ui/")[0] + f"/ui/boards?board={made['id']}")
    settled(page)
    before = number(page, "Events")
    answer = {"error": {"code": "internal", "message": "out of luck"}}
    page.route(f"**/v1/reports/{kept['id']}/run", lambda route: route.fulfill(status=500, json=answer))
    page.clock.fast_forward(31_000)
    expect(tile(page, "Events").get_by_role("status")).to_contain_text("the last update failed: out of luck")
    assert number(page, "Events") == before > 0
    page.unroute(f"**/v1/reports/{kept['id']}/run")
    tile(page, "Events").get_by_role("button", name="Try again").click()
    expect(tile(page, "Events").get_by_role("status")).to_have_count(0)


def test_the_list(api: Api, opened: Opener) -> None:
    """Boards are made, renamed and deleted; a report that a board shows is not."""
    page = opened("/ui/boards?site=shop")
    expect(page.get_by_text("No boards yet")).to_be_visible()
    expect(page.get_by_text("No saved reports yet")).to_be_visible()
    page.get_by_role("button", name="New board").click()
    page.get_by_label("Name", exact=True).fill("First")
    page.get_by_role("button", name="Make the board").click()
    expect(page.get_by_role("heading", name="Edit the board")).to_be_visible()
    saved: list[Route] = []
    page.route("**/v1/boards/*", lambda route: saved.append(route))
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("button", name="Save the board")).to_be_disabled()
    page.get_by_role("link", name="Boards").last.click()
    expect(page.get_by_role("button", name="Rename First")).to_be_visible()
    with page.expect_response("**/v1/boards/*"):
        saved[0].continue_()
    page.wait_for_timeout(300)  # whoever has left the editor is not brought back to the board
    page.unroute("**/v1/boards/*")
    page.get_by_role("button", name="Rename First").click()
    page.get_by_label("Name", exact=True).fill("Second")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Second")).to_be_visible()

    shown = report(api, "Shown", view={"page": "explore", "params": "chart=number&interval=day"})
    board(api, "Shows it", shown)
    page.reload()
    expect(page.locator(f"[data-report='{shown['id']}']")).to_contain_text("Shows it")
    page.get_by_role("button", name="Delete Shown").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("boards show this report")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete Shows it").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete Shown").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No saved reports yet")).to_be_visible()
    assert [one["name"] for one in api.get("/v1/boards")["boards"]] == ["Second"]
    assert api.get("/v1/reports")["reports"] == []


def test_every_kind_is_drawn_as_the_api_answers(api: Api, opened: Opener) -> None:
    made, _ = make_board(api, "shop", f"{FIRST}/{LAST}")
    page = opened(f"/ui/boards?board={made}")
    settled(page)
    run = {
        one["name"]: api.post(f"/v1/reports/{one['id']}/run", {})["rows"] for one in api.get("/v1/reports")["reports"]
    }
    assert number(page, "Visitors") == run["Visitors"][0]["A"]
    assert number(page, "Visits") == run["Visits"][0]["sessions"]
    bars = attributes(tile(page, "What happens").locator("[data-exact]"), "data-exact")
    assert [int(bar) for (bar,) in bars] == [row["events"] for row in run["What happens"]]
    steps = attributes(tile(page, "From a page to an order").locator(".funnel-step strong[data-users]"), "data-users")
    assert [int(step) for (step,) in steps] == [row["users"] for row in run["From a page to an order"]]
    tile(page, "Events by day").locator(".chart").focus()
    page.keyboard.press("Home")
    first = run["Events by day"][0]
    expect(tile(page, "Events by day").locator(".chart-tip")).to_contain_text(f"{first['A']:,}")
    tile(page, "Events by country").locator(".chart").focus()
    page.keyboard.press("Home")
    tip = tile(page, "Events by country").locator(".chart-tip")
    day = min(row["bucket"] for row in run["Events by country"])
    for row in (row for row in run["Events by country"] if row["bucket"] == day):
        expect(tip).to_contain_text(f"{row['A']:,}")
    assert page.locator(".tile .nothing, .tile .note-error").count() == 0


def test_hostile_names_are_text(api: Api, opened: Opener) -> None:
    view = {"page": "explore", "params": "chart=number&interval=day"}
    kept = report(api, NASTY, description=NASTY, view=view)
    odd = report(api, "javascript:alert(1)", {"kind": "people"}, view={"page": "__proto__", "params": {"a": 1}})
    made = board(api, NASTY, kept, odd)
    for path in (
        "/ui/boards?site=shop",
        f"/ui/boards?board={made['id']}",
        f"/ui/boards?board={made['id']}&edit=1",
        f"/ui/explore?site=shop&report={kept['id']}",
        f"/ui/boards?board={quote(NASTY)}",
    ):
        page = opened(path)
        settled(page)
        assert page.locator("main img, main script").count() == 0
        assert page.title().endswith("· Tallystick")
        for (href,) in attributes(page.locator("main a"), "href"):
            assert re.match(r"[/#]", href)


def test_tiles_stand_below_each_other_on_a_phone(api: Api, opened: Opener) -> None:
    """While a board is edited too: their controls covered the numbers, and the next tile the chart."""
    made, _ = make_board(api, "shop")
    for path in (f"/ui/boards?board={made}", f"/ui/boards?board={made}&edit=1"):
        page = opened(path, phone=True)
        settled(page)
        boxes, inner = page.locator(".board").evaluate(PLACES)
        assert len(inner) == len(boxes) > 5
        for (top, height), (_, tile_height), below in zip(boxes, inner, [*boxes[1:], None], strict=True):
            assert tile_height <= height + 1
            assert below is None or top + height <= below[0]
        page.close()


def test_nothing_serious(api: Api, opened: Opener) -> None:
    """For axe, on a board, while it is edited, in the dialogs, beside a saved report; and all fits a phone."""
    made, kept = make_board(api, "shop")
    addresses = (
        f"/ui/boards?board={made}",
        f"/ui/boards?board={made}&edit=1",
        "/ui/boards?site=shop",
        f"/ui/explore?site=shop&range=7d&report={kept}",
    )
    for path in some(addresses):
        page = opened(path)
        check_looks(page)
        page.close()
    page = opened(f"/ui/boards?board={made}")
    settled(page)
    page.get_by_role("button", name="Share").click()
    page.get_by_label("Who is the new link for?").fill("Ann")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_text("it will not be shown again")).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Share")).to_be_focused()
    page = opened("/ui/explore?site=shop")
    settled(page)
    page.get_by_role("button", name="Save as report").click()
    assert findings(page) == []
