"""Pages of a server with a shop's past, which fail their test when they complain or look elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from scripts.screenshots import ZONE
from tallystick.api.routes.dashboard import BUILT
from tallystick.harness.server import Api, ServerProcess
from tests.servers.process import needs_built

Opener = Callable[..., Page]


@pytest.fixture(scope="module", autouse=True)
def dashboard() -> None:
    """The dashboard's files, which the tests are about."""
    needs_built(BUILT / "index.html", "dashboard")


@pytest.fixture(scope="module")
def server(shop: ServerProcess) -> ServerProcess:
    """The server with a shop's past; modules that need other settings replace it."""
    return shop


def started(folder: Path, **settings: str) -> ServerProcess:
    """A server with an empty data folder, to be entered; it does not ask its events to wait for the disk."""
    return ServerProcess(folder / "data", settings)


@pytest.fixture
def api(server: ServerProcess) -> Iterator[Api]:
    with closing(server.api()) as made:
        yield made


class Profiles:
    """Browser profiles by their look, used by one test after the other: a new one costs a second of computing."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: dict[tuple[bool, bool, str], BrowserContext] = {}

    def of(self, phone: bool, dark: bool, zone: str, url: str) -> BrowserContext:
        """The profile for pages of a server. Another page of it stays open, so that Chromium keeps the process."""
        look = (phone, dark, zone)
        if look not in self._kept:
            self._kept[look] = self._browser.new_context(
                viewport={"width": 390, "height": 844} if phone else {"width": 1440, "height": 900},
                timezone_id=zone,
                locale="en-GB",
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
            self._kept[look].new_page().goto(f"{url}/healthz")
        return self._kept[look]

    def close(self) -> None:
        for context in self._kept.values():
            context.close()


@pytest.fixture(scope="module")
def profiles(browser: Browser) -> Iterator[Profiles]:
    made = Profiles(browser)
    yield made
    made.close()


@pytest.fixture
def opened(profiles: Profiles, server: ServerProcess) -> Iterator[Opener]:
    """Opens a page of the dashboard. At the end none may have logged an error or asked another origin."""
    pages: list[Page] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        # What the server refuses is logged by Chromium itself; the tests that provoke it look at the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def watch(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and not request.url.startswith(server.url + "/"):
            complaints.append(f"a request to {request.url}")

    def open_page(path: str, *, phone: bool = False, dark: bool = False, zone: str = ZONE) -> Page:
        page = profiles.of(phone, dark, zone, server.url).new_page()
        pages.append(page)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", watch)
        page.goto(server.url + path)
        return page

    yield open_page
    for page in pages:
        if not page.is_closed():
            page.evaluate("localStorage.clear()")
            page.close()
    assert complaints == []
