"""Chromium, a server with a shop's past, and a page that fails its test when it complains or looks elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from runnel.cli.bench_server import Api, ServerProcess
from runnel.query.dashboard import BUILT
from scripts.demo_history import history, send
from scripts.screenshots import FLAGS, ZONE, wait_until_stored
from tests.servers.process import needed

DAYS = 40
EVENTS = 8_000

Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (BUILT / "index.html").is_file():
        needed("node", "nodejs")
        pytest.fail("the dashboard is not built: scripts/dashboard builds it")
    program = needed("chromium", "chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(program), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of the module's own, with two sites: shop, and docs with fewer events."""
    with started(tmp_path_factory.mktemp("server")) as process:
        now = datetime.now(UTC)
        with closing(process.api()) as api:
            sent = send(api, history(5, now, DAYS, EVENTS), "shop") + send(api, history(6, now, DAYS, 500), "docs")
            wait_until_stored(api, sent)
        yield process


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

    def of(self, phone: bool, dark: bool, zone: str) -> BrowserContext:
        look = (phone, dark, zone)
        if look not in self._kept:
            self._kept[look] = self._browser.new_context(
                viewport={"width": 390, "height": 844} if phone else {"width": 1440, "height": 900},
                timezone_id=zone, locale="en-GB", color_scheme="dark" if dark else "light",
            )  # fmt: skip
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
        page = profiles.of(phone, dark, zone).new_page()
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
