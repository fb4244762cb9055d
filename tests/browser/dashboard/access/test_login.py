"""Logging in and out, one-time links, and what a browser without a session gets."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import settled
from tallystick.harness.server import ServerProcess
from tests.browser.dashboard.access.conftest import ADMIN, PASSWORD, Newcomer, accept, log_in, token_of
from tests.browser.dashboard.conftest import started
from tests.browser.dashboard.test_accessible import check_looks, findings

EVENTS = "/ui/events?site=shop&filter=name%3A%3D%3Apage_view"

FOR_OTHERS = (
    sys.executable,
    "-c",
    "import sys; from tallystick.cli import main; main([one.replace('127.0.0.1', '0.0.0.0') for one in sys.argv[1:]])",
)
"""The command, listening on every address."""


def kept_by_scripts(page: Page) -> list[object]:
    """All that scripts of the page can read back later."""
    stored: list[object] = page.evaluate(
        "[{...localStorage}, {...sessionStorage}, document.cookie, history.state, location.href]"
    )
    return stored


def test_login_leads_back(server: ServerProcess, newcomer: Newcomer) -> None:
    """The page that was opened is shown after the login, and the login after the log-out."""
    addresses: list[str] = []
    page = newcomer()
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(server.url + EVENTS)
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    expect(page.get_by_label("E-mail")).to_be_focused()
    for email, password in ((ADMIN, "not the password"), ("nobody@example.com", PASSWORD)):
        log_in(page, email, password)
        expect(page.get_by_label("Password", exact=True)).to_have_value("")  # the server has answered
        expect(page.get_by_role("alert")).to_have_text("the e-mail address or the password is wrong")
    log_in(page)
    expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="page_view", exact=True)).to_be_visible()
    assert page.url == server.url + EVENTS
    assert PASSWORD not in str(kept_by_scripts(page)) + str(addresses)

    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    assert page.url == server.url + EVENTS


def test_the_cookie_is_the_servers_alone(newcomer: Newcomer) -> None:
    """Scripts cannot read it, and it is not kept as anything else."""
    page = newcomer(as_admin=True)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert cookie["value"] not in str(kept_by_scripts(page))


def test_a_session_that_ends(newcomer: Newcomer) -> None:
    """The login appears in place of the page, and leads back to it."""
    page = newcomer("/ui/pipeline", as_admin=True)
    expect(page.locator("[data-book=accepted] strong")).to_be_visible()
    page.context.clear_cookies()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    log_in(page)
    expect(page.locator("[data-book=accepted] strong")).to_be_visible()


def test_a_log_out_in_another_tab(newcomer: Newcomer) -> None:
    page = newcomer("/ui/pipeline", as_admin=True)
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Log out", exact=True).click()
    expect(other.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()


def test_a_new_password_by_the_operators_link(server: ServerProcess, newcomer: Newcomer) -> None:
    """It works once, and every other session has ended."""
    inside = newcomer("/ui/pipeline", as_admin=True)
    link = f"{server.url}/ui/join#{token_of(server, 'reset-password', ADMIN)}"
    page = newcomer()
    try:
        accept(page, link, password="another quiet river")
        expect(page).to_have_url(re.compile(f"^{re.escape(server.url)}/([?]|$)"))
        expect(inside.get_by_role("heading", name="Log in", level=1)).to_be_visible()
        page = newcomer()
        page.goto(link)
        expect(page.get_by_role("heading", name="This link does nothing any more")).to_be_visible()
        assert findings(page) == []
    finally:
        accept(newcomer(), f"{server.url}/ui/join#{token_of(server, 'reset-password', ADMIN)}")


def test_the_token_leaves_the_address(server: ServerProcess, newcomer: Newcomer) -> None:
    """It was sent in no address, and neither Back nor a script finds it again."""
    token = token_of(server, "reset-password", ADMIN)
    addresses: list[str] = []
    page = newcomer()
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{server.url}/ui/join#{token}")
    expect(page.get_by_role("heading", name="Set a new password")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/ui/join")
    assert token not in str(kept_by_scripts(page))
    assert [address for address in addresses if token in address.partition("#")[0]] == []
    page.locator("input[name=new-password]").fill("too short")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("input[name=new-password]")).to_be_focused()  # the browser says what is missing
    page.reload()
    expect(page.get_by_role("heading", name="This link is not complete")).to_be_visible()


def test_a_read_key_instead(newcomer: Newcomer) -> None:
    page = newcomer()
    page.get_by_role("button", name="Use a read key instead").click()
    page.get_by_label("Read key", exact=True).fill("w" * 24)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("The server did not accept that key.")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("button", name="Log in instead").click()
    log_in(page)
    expect(page.get_by_role("button", name="Log out", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_login_that_the_server_does_not_answer(newcomer: Newcomer) -> None:
    page = newcomer()
    page.route("**/v1/session", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    log_in(page)
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.unroute("**/v1/session")
    page.route("**/v1/session", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("heading", name="Tallystick does not answer")).to_be_visible()
    assert findings(page) == []
    page.unroute("**/v1/session")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/ui/login", "/ui/join"])
def test_nothing_serious_for_axe(newcomer: Newcomer, path: str) -> None:
    check_looks(newcomer(path))


def test_a_login_with_the_keyboard_alone(newcomer: Newcomer) -> None:
    page = newcomer("/ui/login")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(ADMIN)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert urlsplit(page.url).path == "/"


def test_the_first_account(tmp_path: Path, newcomer: Newcomer) -> None:
    """A server without accounts says how to begin; once the command's link has made one, it asks for a login."""
    with started(tmp_path) as process:
        page = newcomer()
        page.goto(f"{process.url}/ui/settings")
        settled(page)
        expect(page.get_by_role("region", name="Accounts")).to_contain_text("users add")
        expect(page.get_by_role("tab")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("Log out"))).to_have_count(0)
        assert findings(page) == []
        link = f"{process.url}/ui/join#{token_of(process, 'add', ADMIN, '--admin')}"
        page.goto(link)
        expect(page.get_by_label("E-mail")).to_have_value(ADMIN)
        assert findings(page) == []
        accept(page, link, name="Ann")
        stranger = newcomer()
        stranger.goto(f"{process.url}/ui/pipeline")
        expect(stranger.get_by_role("heading", name="Log in", level=1)).to_be_visible()


def test_the_link_of_the_first_start(tmp_path: Path, newcomer: Newcomer) -> None:
    """A server that others reach prints it. Until it is used, no page shows anything but where it is."""
    keys = {"TALLYSTICK_WRITE_KEYS": "*=" + "w" * 24, "TALLYSTICK_READ_KEYS": "*=" + "r" * 24}
    with ServerProcess(tmp_path / "data", keys, FOR_OTHERS) as process:
        page = newcomer()
        page.goto(f"{process.url}/ui/events")
        expect(page.get_by_text("This server has no account yet.")).to_be_visible()
        expect(page.get_by_label("E-mail")).to_have_count(0)
        assert findings(page) == []
        printed = re.search(r"/ui/join#(\S+)", (tmp_path / "data.log").read_text())
        assert printed
        page.goto(f"{process.url}/ui/join#{printed[1]}")
        expect(page.get_by_role("heading", name="Make the first account")).to_be_visible()
        page.get_by_label("E-mail").fill(ADMIN)
        accept(page, "", name="Ann")
        page.get_by_role("link", name="Settings", exact=True).click()
        expect(page.get_by_text("Administrator of the whole server")).to_be_visible()
