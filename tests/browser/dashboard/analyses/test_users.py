"""Users in Chromium: the list in every order, its search and pages, and one person with several ids."""

from __future__ import annotations

import re
import zipfile
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.harness.server import Api
from tests.browser.dashboard.conftest import Opener
from tests.browser.dashboard.look import texts
from tests.browser.dashboard.test_accessible import findings

PAGE = 50
ORDERS = {
    "Last seen": ("last_seen", False),
    "First seen": ("first_seen", False),
    "Events": ("events", False),
    "User": ("user_id", True),
}


def listed(page: Page) -> list[tuple[str, str, str]]:
    """Users with events and sessions, as the list has them."""
    settled(page)
    rows = texts(page.locator("table.everybody tbody tr"), "td")
    return [(user, events, sessions) for user, _, _, events, sessions in rows]


def people(api: Api, **question: Any) -> list[tuple[str, str, str]]:
    rows = api.query(**{"kind": "people", "site_id": "shop", "limit": PAGE} | question)["rows"]
    return [(row["user_id"], f"{row['events']:,}", f"{row['sessions']:,}") for row in rows]


@pytest.mark.parametrize(("column", "order"), ORDERS.items(), ids=ORDERS)
def test_orders(api: Api, opened: Opener, column: str, order: tuple[str, bool]) -> None:
    """A click on a column, and another one for the other direction."""
    page = opened("/ui/users?site=shop" + ("&order=events" if order[0] == "last_seen" else ""))
    settled(page)
    heading = page.get_by_role("columnheader", name=column)
    heading.get_by_role("button").click()
    name, ascending = order
    expect(heading).to_have_attribute("aria-sort", "ascending" if ascending else "descending")
    assert listed(page) == people(api, order=name, ascending=ascending)
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending" if ascending else "ascending")
    assert listed(page) == people(api, order=name, ascending=not ascending)


def test_pages(api: Api, opened: Opener) -> None:
    page = opened("/ui/users?site=shop&order=events")
    settled(page)
    page.get_by_role("button", name="Show more users").click()
    expect(page.locator("table.everybody tbody tr")).to_have_count(2 * PAGE)
    assert listed(page) == people(api, order="events", limit=2 * PAGE)


def test_search(api: Api, opened: Opener) -> None:
    """It is in the address, so that a reload and the way back keep it."""
    page = opened("/ui/users?site=shop&order=user_id&ascending=1")
    settled(page)
    page.get_by_placeholder("Search user ids").fill("USER-12")
    page.wait_for_url(re.compile("search=USER-12"))
    wanted = people(api, order="user_id", ascending=True, search="user-12")
    assert listed(page) == wanted
    assert len(wanted) > 2
    page.get_by_role("link", name=wanted[1][0], exact=True).click()
    expect(page.get_by_role("heading", name=wanted[1][0], exact=True)).to_be_visible()
    page.go_back()
    assert listed(page) == wanted
    page.get_by_placeholder("Search user ids").fill("nobody has this")
    expect(page.get_by_text("No such user")).to_be_visible()


def test_filters(api: Api, opened: Opener) -> None:
    page = opened("/ui/users?site=shop&order=events&filter=name:%3D:purchase")
    assert listed(page) == people(api, order="events", filter={"field": "name", "op": "=", "value": "purchase"})


def test_one_person_of_two_ids(api: Api, opened: Opener) -> None:
    """identify joins them: the person is listed once, either id opens to the events of both."""
    accepted = api.ledger()["accepted"]
    here = {"site_id": "joined", "session_id": "one"}
    api.post(
        "/v1/events",
        [
            {"name": "page_view", "user_id": "anonymous-7", "timestamp": "2026-06-01T10:00:00Z", **here},
            {
                "name": "identify",
                "user_id": "ann",
                "timestamp": "2026-06-01T10:01:00Z",
                "properties": {"anonymous_id": "anonymous-7"},
                **here,
            },
            {"name": "purchase", "user_id": "ann", "timestamp": "2026-06-02T10:00:00Z", **here},
        ],
    )
    wait_until_stored(api, accepted + 3)
    page = opened("/ui/users?site=joined")
    assert listed(page) == people(api, site_id="joined") == [("ann", "3", "1")]
    page.goto(page.url + "&user=anonymous-7")
    settled(page)
    person = api.get("/v1/users/anonymous-7?site_id=joined")
    expect(page.get_by_role("heading", name=person["person_id"], exact=True)).to_be_visible()
    ids = page.get_by_role("region", name="Ids of this person").locator("strong")
    expect(ids).to_have_text([one["user_id"] for one in person["ids"]])
    expect(page.locator(".fact dd").nth(0)).to_have_attribute("title", str(person["events"]))
    expect(page.locator(".fact dd").nth(1)).to_have_attribute("title", "1")
    expect(page.locator(".timeline-row .name")).to_have_text(["purchase", "identify", "page_view"])
    page.get_by_role("link", name="All users").click()
    expect(page.locator("table.everybody tbody tr")).to_have_count(1)


def test_split(api: Api, opened: Opener) -> None:
    """The dialog says what leaves; afterwards the id opens to a person of its own, as the API answers it."""
    accepted = api.ledger()["accepted"]
    joins = [("ann", "phone"), ("phone", "watch"), ("ann", "tablet")]
    for second, (user, other) in enumerate(joins):
        event = {"name": "identify", "user_id": user, "site_id": "split", "properties": {"anonymous_id": other}}
        api.post("/v1/events", event | {"timestamp": f"2026-06-01T10:00:0{second}Z"})
    wait_until_stored(api, accepted + len(joins))
    page = opened("/ui/users?site=split&user=watch")
    settled(page)
    ids = page.get_by_role("region", name="Ids of this person")
    expect(ids.locator("strong")).to_have_text(["ann", "phone", "watch", "tablet"])
    expect(ids.get_by_role("button")).to_have_count(3)  # the person's own id is joined to no other

    ids.get_by_role("button", name="Split off phone").click()
    dialog = page.get_by_role("dialog", name="Split off this id?")
    expect(dialog).to_contain_text("phone leaves ann together with the id joined to it (watch).")
    assert findings(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert len(api.get("/v1/users/watch?site_id=split")["ids"]) == 4

    ids.get_by_role("button", name="Split off phone").click()
    dialog.get_by_role("button", name="Split", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="phone", exact=True)).to_be_visible()
    expect(ids.locator("strong")).to_have_text(["phone", "watch"])
    assert {row[0] for row in people(api, site_id="split")} == {"ann", "phone"}
    page.get_by_role("link", name="All users").click()
    expect(page.locator("table.everybody tbody tr")).to_have_count(2)


def test_download_and_erase(api: Api, opened: Opener) -> None:
    """The file has the person's events; the dialog counts before it asks, and the receipt has the same numbers."""
    accepted = api.ledger()["accepted"]
    here = {"site_id": "erased", "session_id": "one"}
    api.post(
        "/v1/events",
        [
            {"name": "page_view", "user_id": "carl", "timestamp": "2026-06-01T10:00:00Z", **here},
            {"name": "purchase", "user_id": "carl", "timestamp": "2026-06-02T10:00:00Z", **here},
            {"name": "page_view", "user_id": "dora", "timestamp": "2026-06-02T10:00:00Z", **here},
        ],
    )
    wait_until_stored(api, accepted + 3)
    page = opened("/ui/users?site=erased&user=carl")
    settled(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download everything").click()
    with zipfile.ZipFile(saved.value.path()) as file:
        assert file.read("events.ndjson").count(b"\n") == 2

    page.get_by_role("button", name="Erase", exact=True).click()
    dialog = page.get_by_role("dialog", name="Erase this person?")
    expect(dialog).to_contain_text("carl: 1 id, 2 events in 1 session, 0 dead letters")
    assert findings(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert {row[0] for row in people(api, site_id="erased")} == {"carl", "dora"}

    page.get_by_role("button", name="Erase", exact=True).click()
    dialog.get_by_role("button", name="Erase for good").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("table.everybody tbody tr")).to_have_count(1)
    assert {row[0] for row in people(api, site_id="erased")} == {"dora"}
    [receipt] = api.get("/v1/erasures?site_id=erased")["erasures"]
    assert (receipt["removed"]["events"], receipt["removed"]["sessions"]) == (2, 1)


def test_an_id_that_nobody_has(opened: Opener) -> None:
    page = opened("/ui/users?site=shop&user=nobody")
    expect(page.get_by_text("No events of this user")).to_be_visible()
    expect(page.locator(".fact dd").nth(2)).to_have_text("never")
