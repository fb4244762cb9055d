"""Sites, keys, people, the audit log and one's own account, as the settings page changes them."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.access.conftest import ADMIN, EVENT, PASSWORD, Newcomer, accept, log_in
from tests.browser.dashboard.test_accessible import check_looks, findings
from tests.servers.process import wait_until

SETTINGS = "/ui/settings?tab="
BOB = "bob@example.com"


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def confirm(page: Page, action: str) -> None:
    """In the dialog that asks; it is gone afterwards."""
    dialog(page).get_by_role("button", name=action, exact=True).click()
    expect(dialog(page)).to_have_count(0)


def add_site(page: Page, site: str) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("tab", name="Sites").click()
    page.get_by_role("button", name="Add a site").click()
    dialog(page).get_by_label("Site id").fill(site)
    dialog(page).get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(f"tr[data-site='{site}']")).to_be_visible()


def invite(page: Page, email: str, **roles: str) -> str:
    """The link of an invitation made on the settings page."""
    page.get_by_role("button", name="Invite", exact=True).click()
    dialog(page).get_by_label("E-mail").fill(email)
    for site, role in roles.items():
        dialog(page).get_by_label(f"Role on {site}").select_option(label=role)
    dialog(page).get_by_role("button", name="Make the link").click()
    expect(dialog(page).get_by_text("Copy it now: it will not be shown again.")).to_be_visible()
    link = dialog(page).get_by_label("the link", exact=True).inner_text()
    dialog(page).get_by_role("button", name="Close").last.click()
    return link


def sends(server: ServerProcess, key: str, site: str) -> int:
    """The status of an event that is sent with a key."""
    with closing(Api(server.url, key=key)) as api:
        return api.ask("POST", "/v1/events", EVENT | {"site_id": site})[0]


def test_a_site_comes_and_goes(newcomer: Newcomer) -> None:
    page = newcomer(SETTINGS + "sites", as_admin=True)
    add_site(page, "blog")
    page.get_by_role("button", name="Add a site").click()
    dialog(page).get_by_label("Site id").fill("blog")
    dialog(page).get_by_role("button", name="Add", exact=True).click()
    expect(dialog(page).get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add a site")).to_be_focused()
    page.get_by_role("button", name="Remove blog").click()
    confirm(page, "Remove")
    expect(page.locator("tr[data-site=blog]")).to_have_count(0)


def test_how_long_events_of_a_site_are_kept(newcomer: Newcomer) -> None:
    page = newcomer(SETTINGS + "sites", as_admin=True)
    add_site(page, "kept")
    row = page.locator("tr[data-kept=kept]")
    expect(row).to_contain_text("as others (for ever)")

    def change(kind: str, days: str = "", rollups: str = "") -> None:
        row.get_by_role("button").click()
        dialog(page).get_by_label("Keep them").select_option(label=kind)
        if days:
            dialog(page).get_by_role("spinbutton", name="Days").fill(days)
        if rollups:
            dialog(page).get_by_label("Rollups of removed events").select_option(value=rollups)
        settled(page)
        assert findings(page) == []
        dialog(page).get_by_role("button", name="Count what is older").click()
        expect(dialog(page)).to_contain_text("No event is older.")
        confirm(page, "Change")

    change("for a number of days", "90")
    expect(row).to_contain_text("90 days")
    expect(row).not_to_contain_text("rollups stay")
    change("for a number of days", "80", "stay")
    expect(row).to_contain_text("80 days; then rollups stay")
    change("for a number of days", "70")  # the form has what the rule says
    expect(row).to_contain_text("70 days; then rollups stay")
    change("for a number of days", "70", "go")
    expect(row).not_to_contain_text("rollups stay")
    change("for ever", rollups="default")
    expect(row).to_contain_text("for ever")
    expect(row).not_to_contain_text("as others")
    change("as sites without a rule (for ever)")
    expect(row).to_contain_text("as others (for ever)")
    settled(page)
    assert findings(page) == []


def test_a_key_is_shown_once_and_revoked(server: ServerProcess, newcomer: Newcomer) -> None:
    page = newcomer(as_admin=True)
    add_site(page, "keyed")
    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("button", name="New key").click()
    make = dialog(page).get_by_role("button", name="Make the key")
    dialog(page).get_by_label("Name").fill("Web shop")
    expect(make).to_be_disabled()
    dialog(page).get_by_role("radio", name="keyed").check()
    dialog(page).get_by_label("Most events a second").fill("500")
    make.click()
    expect(dialog(page).get_by_text("Copy it now: it will not be shown again.")).to_be_visible()
    assert findings(page) == []
    key = dialog(page).get_by_label("the key", exact=True).inner_text()
    assert sends(server, key, "keyed") == 202
    assert sends(server, key, "shop") == 400  # the only event of the request is not for that site
    dialog(page).get_by_role("button", name="Close").last.click()
    row = page.get_by_role("listitem").filter(has_text="Web shop")
    expect(row).to_contain_text("Sends to keyed; at most 500 events/s")
    page.reload()
    expect(row).to_contain_text("Sends to keyed")
    assert key not in page.content()
    row.get_by_role("button", name="Revoke Web shop").click()
    confirm(page, "Revoke")
    expect(row).to_contain_text("revoked")
    expect(row.get_by_role("button")).to_have_count(0)
    wait_until(lambda: sends(server, key, "keyed") == 401, "a refusal of the revoked key")


def test_what_a_key_may_send_is_changed(newcomer: Newcomer) -> None:
    page = newcomer(as_admin=True)
    add_site(page, "limited")
    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("button", name="New key").click()
    dialog(page).get_by_label("Name").fill("Tracker")
    dialog(page).get_by_role("radio", name="limited").check()
    dialog(page).get_by_label("Most bytes a second").fill("70000")
    dialog(page).get_by_role("button", name="Make the key").click()
    dialog(page).get_by_role("button", name="Close").last.click()
    row = page.get_by_role("listitem").filter(has_text="Tracker")
    expect(row).to_contain_text("Sends to limited; at most 70,000 bytes/s")
    change = row.get_by_role("button", name="Change what Tracker may send")

    change.click()
    expect(dialog(page).get_by_label("Most events a second")).to_have_value("")
    expect(dialog(page).get_by_label("Most bytes a second")).to_have_value("70000")
    settled(page)
    assert findings(page) == []
    dialog(page).get_by_label("Most events a second").fill("50")
    dialog(page).get_by_label("Most bytes a second").fill("")
    confirm(page, "Save")
    expect(row).to_contain_text("Sends to limited; at most 50 events/s")
    expect(row).not_to_contain_text("bytes/s")
    expect(change).to_be_focused()

    change.click()
    dialog(page).get_by_label("Most events a second").fill("10000000000000")
    dialog(page).get_by_role("button", name="Save").click()
    expect(dialog(page).get_by_role("alert")).to_be_visible()
    dialog(page).get_by_role("button", name="Cancel").click()
    page.reload()
    expect(row).to_contain_text("at most 50 events/s")
    row.get_by_role("button", name="Revoke Tracker").click()
    confirm(page, "Revoke")
    expect(row.get_by_role("button")).to_have_count(0)


def test_a_read_key_opens_its_sites(server: ServerProcess, newcomer: Newcomer) -> None:
    """And nothing else: no choice of all sites, nothing to save, no settings."""
    page = newcomer(as_admin=True)
    add_site(page, "shop")
    page.get_by_role("tab", name="Keys").click()
    page.get_by_role("button", name="New key").click()
    dialog(page).get_by_label("Name").fill("Report")
    dialog(page).get_by_label("What for").select_option(label="Read")
    dialog(page).get_by_role("checkbox", name="shop").check()
    dialog(page).get_by_role("checkbox", name="Run SQL").check()
    dialog(page).get_by_role("button", name="Make the key").click()
    key = dialog(page).get_by_label("the key", exact=True).inner_text()
    reader = newcomer("/?site=shop")
    reader.get_by_role("button", name="Use a read key instead").click()
    reader.get_by_label("Read key", exact=True).fill(key)
    reader.get_by_role("button", name="Continue").click()
    expect(reader.locator("[data-metric=events] [data-exact='1']")).to_be_visible()
    expect(reader.get_by_label("Site", exact=True)).to_have_count(0)
    reader.goto(f"{server.url}/ui/explore?site=docs")
    expect(reader.get_by_text("you may not read")).to_be_visible()
    reader.get_by_role("button", name="Show shop").click()
    settled(reader)
    expect(reader.get_by_text("you may not read")).to_have_count(0)
    expect(reader.get_by_role("button", name="Save as report")).to_have_count(0)
    reader.goto(f"{server.url}/ui/settings")
    expect(reader.get_by_text("This key sets nothing")).to_be_visible()


def test_a_viewer_becomes_an_editor_and_is_removed(server: ServerProcess, newcomer: Newcomer) -> None:
    page = newcomer(as_admin=True)
    add_site(page, "docs")
    page.get_by_role("tab", name="People").click()
    bob = newcomer()
    accept(bob, invite(page, BOB, docs="Viewer"), name="Bob")
    expect(bob.locator("[data-metric=events] [data-exact='1']")).to_be_visible()
    bob.get_by_role("link", name="Explore").click()
    settled(bob)
    expect(bob.get_by_role("button", name="Save as report")).to_have_count(0)
    bob.get_by_role("link", name="Settings", exact=True).click()
    expect(bob.get_by_role("tab")).to_have_text(["Your account"])
    expect(bob.get_by_text("Viewer of docs")).to_be_visible()

    page.reload()
    page.get_by_role("button", name=f"Change what {BOB} may do").click()
    dialog(page).get_by_label("Role on docs").select_option(label="Editor")
    confirm(page, "Save")
    expect(page.locator("li[data-account]").filter(has_text=BOB)).to_contain_text("Editor of docs")
    bob.goto(f"{server.url}/ui/explore?site=docs")
    expect(bob.get_by_role("button", name="Save as report")).to_be_visible()

    page.get_by_role("button", name=f"Remove {BOB}").click()
    confirm(page, "Remove")
    expect(page.locator("li[data-account]").filter(has_text=BOB)).to_have_count(0)
    bob.reload()
    expect(bob.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    log_in(bob, email=BOB)
    expect(bob.get_by_role("alert")).to_be_visible()


def test_an_owner_manages_one_site(newcomer: Newcomer) -> None:
    """Neither the other sites, nor administrators, nor keys for every site."""
    page = newcomer(as_admin=True)
    add_site(page, "mine")
    page.get_by_role("tab", name="People").click()
    owner = newcomer()
    accept(owner, invite(page, "olga@example.com", mine="Owner"), name="Olga")
    owner.get_by_role("link", name="Settings", exact=True).click()
    owner.get_by_role("tab", name="Sites").click()
    expect(owner.locator("tr[data-site]")).to_have_count(1)
    expect(owner.get_by_role("button", name="Add a site")).to_have_count(0)
    owner.get_by_role("tab", name="Keys").click()
    owner.get_by_role("button", name="New key").click()
    expect(dialog(owner).get_by_role("radio")).to_have_count(1)
    expect(dialog(owner).get_by_label("Every site")).to_have_count(0)
    expect(dialog(owner).get_by_label("What for").locator("option")).to_have_text(["Send events", "Read"])
    owner.keyboard.press("Escape")
    owner.get_by_role("tab", name="People").click()
    expect(owner.get_by_role("button", name=re.compile("^Remove "))).to_have_count(0)
    invite(owner, "eve@example.com", mine="Viewer")
    invited = owner.locator("li[data-invitation]").filter(has_text="eve@example.com")
    expect(invited).to_contain_text("Viewer of mine")
    owner.get_by_role("button", name="Withdraw the link of eve@example.com").click()
    confirm(owner, "Withdraw")
    expect(invited).to_have_count(0)


def test_the_last_administrator_stays(newcomer: Newcomer) -> None:
    page = newcomer(SETTINGS + "people", as_admin=True)
    page.get_by_role("button", name=f"Change what {ADMIN} may do").click()
    dialog(page).get_by_label("Administrator of the whole server").uncheck()
    dialog(page).get_by_role("button", name="Save").click()
    expect(dialog(page).get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("li[data-account]").filter(has_text=ADMIN)).to_contain_text("Administrator")


def test_the_audit_log_says_who(newcomer: Newcomer) -> None:
    page = newcomer(as_admin=True)
    add_site(page, "watched")
    page.get_by_role("tab", name="Audit log").click()
    row = page.locator("table.audit tbody tr").filter(has_text="watched").first
    expect(row).to_contain_text(ADMIN)
    expect(row).to_contain_text("127.0.0.1")


def test_a_password_is_changed(newcomer: Newcomer) -> None:
    """The old one has to be known; other sessions end, this one stays. Then all of them."""
    page = newcomer(SETTINGS + "account", as_admin=True)
    other = newcomer("/ui/pipeline", as_admin=True)
    card = page.get_by_role("region", name="Password")
    new = "another quiet river"

    def change(current: str, to: str) -> None:
        card.get_by_label("Current password").fill(current)
        card.locator("input[name=new-password]").fill(to)
        card.get_by_role("button", name="Change the password").click()

    change("not the password", new)
    expect(card.get_by_role("alert")).to_be_visible()
    change(PASSWORD, new)
    expect(card.get_by_role("status")).to_contain_text("The password is changed")
    expect(other.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    change(new, PASSWORD)
    expect(card.get_by_label("Current password")).to_have_value("")
    log_in(other)
    expect(other.get_by_role("button", name="Log out", exact=True)).to_be_visible()

    page.get_by_role("button", name="Log out everywhere").click()
    confirm(page, "Log out")
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    expect(other.get_by_role("heading", name="Log in", level=1)).to_be_visible()


@pytest.mark.parametrize("tab", ["account", "sites", "keys", "people", "audit"])
def test_nothing_serious_for_axe(newcomer: Newcomer, tab: str) -> None:
    check_looks(newcomer(SETTINGS + tab, as_admin=True))


@pytest.mark.parametrize(("tab", "button"), [("sites", "Add a site"), ("keys", "New key"), ("people", "Invite")])
def test_nothing_serious_in_dialogs(newcomer: Newcomer, tab: str, button: str) -> None:
    """Escape closes them, and the button has the focus again."""
    page = newcomer(SETTINGS + tab, as_admin=True)
    settled(page)
    opener = page.get_by_role("button", name=button, exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog(page)).to_be_visible()
    settled(page)
    assert findings(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


@pytest.mark.parametrize("tab", ["sites", "keys", "people", "audit"])
def test_what_the_server_does_not_answer(newcomer: Newcomer, tab: str) -> None:
    """An error says so, and can be tried again."""
    page = newcomer(as_admin=True)
    page.route("**/v1/admin/**", lambda route: route.fulfill(status=500, body="broken"))
    page.goto(page.url.rstrip("/") + SETTINGS + tab)
    expect(page.get_by_role("alert").first).to_contain_text("The server answered with status 500.")
    settled(page)  # all lists of the page have failed
    page.unroute("**/v1/admin/**")
    again = page.get_by_role("button", name="Try again")
    for _ in range(again.count()):
        if again.count():  # one answer may fill two lists
            again.first.click()
            settled(page)
    expect(again).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
