"""What browser tests that follow one another in a process share: Chromium, and a server with a shop's past.

Both end with the last of these tests: while Playwright runs, no test of another kind can have an event loop of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from scripts.demo_history import send
from scripts.screenshots import CHROMIUM, launch, wait_until_stored
from tallystick.cli.demo.history import history
from tallystick.harness.server import ServerProcess
from tests.servers.process import needed

PATIENCE = 60_000
"""Milliseconds that a browser test waits for anything: no measure, only an end, on however busy a machine."""
expect.set_options(timeout=PATIENCE)
DAYS = 40
EVENTS = 8_000


class Kept:
    """What was started, until `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._browser: Browser | None = None
        self._shop: ServerProcess | None = None

    def browser(self) -> Browser:
        """Chromium, which runs or is started."""
        if self._browser is None:
            if not any(shutil.which(program) for program in CHROMIUM):
                needed(CHROMIUM[-1], CHROMIUM[-1])
            self._browser = launch(self._stack.enter_context(sync_playwright()))
            self._browser.on("context", lambda context: context.set_default_timeout(PATIENCE))
            self._stack.callback(self._browser.close)
        return self._browser

    def shop(self) -> ServerProcess:
        """A server with two sites: shop, and docs with fewer events. Tests may add sites of their own."""
        if self._shop is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            self._shop = self._stack.enter_context(ServerProcess(folder / "data", {}))
            now = datetime.now(UTC)
            with closing(self._shop.api()) as api:
                sent = send(api, history(5, now, DAYS, EVENTS), "shop") + send(api, history(6, now, DAYS, 500), "docs")
                wait_until_stored(api, sent)
        return self._shop

    def close(self) -> None:
        """End both."""
        self._stack.close()
        self._browser = self._shop = None


KEPT = Kept()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        KEPT.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    return KEPT.browser()


@pytest.fixture(scope="module")
def shop() -> ServerProcess:
    return KEPT.shop()
