"""Login with an OpenID provider, in a browser: the login page, an invitation, and a server without passwords."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import wait_until_stored
from tallystick.harness.server import ServerProcess
from tests.browser.dashboard.access.conftest import ADMIN, EVENT, PASSWORD, Newcomer, log_in, token_of
from tests.browser.dashboard.test_accessible import findings
from tests.servers.oidc import CLIENT, OidcServer, secret_of
from tests.servers.process import free_port

EVENTS = "/ui/events?site=shop&filter=name%3A%3D%3Apage_view"
BUTTON = "Log in with Example ID"
ANN = f"ann;email={ADMIN}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    made = OidcServer(tmp_path_factory.mktemp("oidc"))
    made.start()
    yield made
    made.kill()


def settings_for(provider: OidcServer, port: int) -> dict[str, str]:
    return {
        "TALLYSTICK_OIDC_ISSUER": provider.issuer,
        "TALLYSTICK_OIDC_CLIENT_ID": CLIENT,
        "TALLYSTICK_OIDC_CLIENT_SECRET": secret_of(CLIENT),
        "TALLYSTICK_OIDC_NAME": "Example ID",
        "TALLYSTICK_OIDC_TIMEOUT": "120",
        "TALLYSTICK_PUBLIC_ORIGIN": f"http://127.0.0.1:{port}",
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: OidcServer) -> Iterator[ServerProcess]:
    """A server with an event and an administrator, who has a password."""
    port = free_port()
    folder = tmp_path_factory.mktemp("sign_on")
    with ServerProcess(folder / "data", settings_for(provider, port), port=port) as process:
        with closing(process.api()) as api:
            api.post("/v1/events", EVENT | {"site_id": "shop"})
            wait_until_stored(api, 1)
            token = token_of(process, "add", ADMIN, "--admin")
            api.post("/v1/invitations/accept", {"token": token, "name": "Ann", "password": PASSWORD})
        yield process


def at_the_provider(page: Page, person: str, button: str = "Enter") -> None:
    """What a person does on the provider's page."""
    expect(page.get_by_role("heading", name="Provider")).to_be_visible()
    page.get_by_label("Person").fill(person)
    page.get_by_role("button", name=button).click()


def test_the_provider_leads_back_to_the_page(newcomer: Newcomer, server: ServerProcess) -> None:
    page = newcomer(EVENTS)
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("link", name=BUTTON).click()
    at_the_provider(page, ANN)
    expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="page_view", exact=True)).to_be_visible()
    assert page.url == server.url + EVENTS
    [cookie] = [one for one in page.context.cookies(server.url) if one["name"].startswith("tallystick")]
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("tallystick_session", True, "Lax")

    page.goto(f"{server.url}/ui/settings")
    expect(page.get_by_text("You log in with Example ID.")).to_be_visible()
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in", level=1)).to_be_visible()
    log_in(page)  # the password still does it
    expect(page.get_by_role("button", name="Log out", exact=True)).to_be_visible()


def test_a_page_says_why_not(newcomer: Newcomer, server: ServerProcess) -> None:
    """A stranger, then one who presses the other button at the provider; both can try again."""
    page = newcomer("/ui/live")
    page.get_by_role("link", name=BUTTON).click()
    at_the_provider(page, "stranger")
    expect(page.get_by_role("heading", name="The login did not succeed")).to_be_visible()
    expect(page.get_by_text("stranger@example.org has no account here")).to_be_visible()
    assert findings(page) == []
    page.context.clear_cookies()
    page.get_by_role("link", name="Try again").click()
    at_the_provider(page, ANN, "Deny")
    expect(page.get_by_text("The provider did not let you in")).to_be_visible()
    page.get_by_role("link", name="Try again").click()
    at_the_provider(page, ANN)
    expect(page.get_by_role("heading", name="Live", level=1)).to_be_visible()


def test_an_invitation(newcomer: Newcomer, server: ServerProcess) -> None:
    """The link's page offers the provider beside a password; whoever comes that way has no password to change."""
    page = newcomer(f"/ui/join#{token_of(server, 'add', 'nora@example.org', '--admin')}")
    expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("link", name=BUTTON).click()
    at_the_provider(page, "nora;name=Nora New")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    page.goto(f"{server.url}/ui/settings")
    expect(page.get_by_text("Nora New")).to_be_visible()
    expect(page.get_by_role("heading", name="Where you are logged in")).to_be_visible()
    expect(page.get_by_label("Current password")).to_have_count(0)


def test_a_server_without_passwords(
    newcomer: Newcomer, server: ServerProcess, provider: OidcServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its link for an invited person leads to the provider, and so does its login page."""
    port = free_port()
    settings = settings_for(provider, port) | {"TALLYSTICK_PASSWORD_LOGIN": "false"}
    with ServerProcess(tmp_path_factory.mktemp("no_passwords") / "data", settings, port=port) as process:
        token = token_of(process, "add", ADMIN, "--admin")
        page = newcomer()
        page.goto(f"{process.url}/ui/join#{token}")
        expect(page.get_by_text(f"Log in with the account whose address is {ADMIN}.")).to_be_visible()
        expect(page.locator("input")).to_have_count(0)
        assert findings(page) == []
        page.get_by_role("link", name=BUTTON).click()
        at_the_provider(page, ANN)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        stranger = newcomer()
        stranger.goto(f"{process.url}/ui/events")
        expect(stranger.get_by_role("link", name=BUTTON)).to_be_visible()
        expect(stranger.get_by_label("E-mail")).to_have_count(0)
        assert findings(stranger) == []
