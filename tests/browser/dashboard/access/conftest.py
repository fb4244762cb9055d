"""A server with accounts: its administrator has used the link that the command prints for an operator."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from scripts.screenshots import ZONE, wait_until_stored
from tallystick.harness.server import TALLYSTICK, ServerProcess
from tests.browser.dashboard.conftest import started

ADMIN, PASSWORD = "ann@example.com", "a long and quiet river"
EVENT = {"name": "page_view", "user_id": "u1", "path": "/"}
_TOKEN = re.compile(r"/ui/join#(\S+)")

Newcomer = Callable[..., Page]


def token_of(server: ServerProcess, *command: str) -> str:
    """The token of the one-time link that a command of `tallystick users` prints."""
    environment = {**os.environ, "TALLYSTICK_DATA": str(server.data)}
    ran = subprocess.run(
        [*TALLYSTICK, "users", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    found = _TOKEN.search(ran.stdout)
    assert found, ran.stdout
    return found[1]


def accept(page: Page, link: str, name: str = "", password: str = PASSWORD) -> None:
    """Open a one-time link (empty: it is open) and set the password; the overview is shown afterwards."""
    if link:
        page.goto(link)
    if name:
        page.get_by_label("Name", exact=True).fill(name)
    page.locator("input[name=new-password]").fill(password)
    page.get_by_role("button", name=re.compile("^(Set the password|Make the account)$")).click()
    expect(page.get_by_role("button", name="Log out", exact=True)).to_be_visible()


def log_in(page: Page, email: str = ADMIN, password: str = PASSWORD) -> None:
    """On the login page that is open."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with one event of each of two sites, and one account."""
    with started(tmp_path_factory.mktemp("accounts")) as process:
        with closing(process.api()) as api:
            for site in ("shop", "docs"):
                api.post("/v1/events", EVENT | {"site_id": site})
            wait_until_stored(api, 2)
            token = token_of(process, "add", ADMIN, "--admin")
            api.post("/v1/invitations/accept", {"token": token, "name": "Ann", "password": PASSWORD})
        yield process


@pytest.fixture
def newcomer(browser: Browser, server: ServerProcess) -> Iterator[Newcomer]:
    """Opens a page in a browser that was never here. At the end none may have logged an error."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def arrive(path: str = "/", *, as_admin: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, timezone_id=ZONE, locale="en-GB", reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url + path)
        if as_admin:
            log_in(page)
            expect(page.get_by_role("button", name="Log out", exact=True)).to_be_visible()
        return page

    yield arrive
    for context in contexts:
        context.close()
    assert complaints == []
