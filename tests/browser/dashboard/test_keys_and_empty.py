"""A server that asks for a read key, one without events, and one whose dashboard was not built."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from scripts.screenshots import wait_until_stored
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import started
from tests.browser.dashboard.test_accessible import findings

EVERY, ONE = "k" * 24, "s" * 24
JOINED = "j" * 24
KEYS = f"*={EVERY},shop={ONE},joined={JOINED}"
EVENT = {"name": "page_view", "site_id": "shop", "user_id": "u1", "path": "/"}

JOIN = EVENT | {"name": "identify", "site_id": "joined", "properties": {"anonymous_id": "device"}}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """No test writes to it."""
    with started(tmp_path_factory.mktemp("locked"), TALLYSTICK_READ_KEYS=KEYS) as process:
        with closing(process.api()) as api:
            api.post("/v1/events", EVENT)
            api.post("/v1/events", EVENT | {"site_id": "other"})
            api.post("/v1/events", JOIN)
        with closing(Api(process.url, key=EVERY)) as api:
            wait_until_stored(api, 3)  # a page asks once for the sites that there are
        yield process


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def give(page: Page, key: str) -> None:
    page.get_by_label("Read key", exact=True).fill(key)
    page.get_by_role("button", name="Continue").click()


def test_asks_for_the_key_once(locked: ServerProcess, page: Page) -> None:
    """A wrong one is refused; the right one stays in the tab, and in no address."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{locked.url}/")
    give(page, "w" * 24)
    expect(page.get_by_text("The server did not accept that key.")).to_be_visible()
    give(page, EVERY)
    expect(page.locator("[data-metric=events] [data-exact='1']")).to_be_visible()
    expect(page.get_by_label("Site").locator("option")).to_have_text(["joined", "other", "shop", "All sites"])
    page.reload()
    expect(page.locator("[data-metric=events] [data-exact='1']")).to_be_visible()
    page.get_by_role("link", name="Pipeline").click()
    expect(page.locator("[data-book=accepted] strong")).to_have_text("3")
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert not any(EVERY in address for address in addresses)

    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_label("Read key", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_key_of_one_site(locked: ServerProcess, page: Page) -> None:
    """Its site is shown without a picker; what spans all sites says why not."""
    page.goto(f"{locked.url}/")
    give(page, ONE)
    expect(page.locator("[data-metric=events] [data-exact='1']")).to_be_visible()
    expect(page.get_by_label("Site", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Pipeline").click()
    expect(page.get_by_text("it needs a read key for every site").first).to_be_visible()


def test_only_a_key_of_every_site_may_split(locked: ServerProcess, page: Page) -> None:
    """With another key the page of a user offers nothing that the server would refuse."""
    page.goto(f"{locked.url}/ui/users?user=device&site=joined")
    give(page, EVERY)
    expect(page.get_by_role("button", name="Split off device")).to_be_visible()
    page.get_by_role("button", name="Forget the key").click()
    give(page, JOINED)
    expect(page.get_by_role("region", name="Ids of this person").locator("strong")).to_have_text(["u1", "device"])
    expect(page.get_by_role("button", name="Split off device")).to_have_count(0)


def test_first_event(tmp_path: Path, page: Page) -> None:
    """An empty server shows how to send one, and the numbers appear by themselves once it came."""
    with started(tmp_path) as process:
        page.goto(f"{process.url}/")
        expect(page.get_by_role("status")).to_contain_text("Waiting for the first event")
        page.get_by_role("tab", name="curl").click()
        command = page.get_by_label("the code for curl", exact=True)
        expect(command).to_contain_text(f"curl {process.url}/v1/events")
        body = command.inner_text().partition("-d '")[2].removesuffix("'")
        with closing(process.api()) as api:
            assert api.post("/v1/events", body.encode())["accepted"] == 1
        expect(page.locator("[data-metric=events] [data-exact='1']")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(
    locked: ServerProcess, tmp_path: Path, page: Page, scheme: Literal["light", "dark"]
) -> None:
    """In the dialog that asks for a key, also when it was refused, and on the page of an empty server."""
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{locked.url}/")
    dialog = page.get_by_role("dialog", name="This server asks for a read key")
    expect(dialog).to_be_visible()
    assert findings(page) == []
    give(page, "w" * 24)
    expect(dialog.get_by_role("alert")).to_be_visible()
    assert findings(page) == []
    (tmp_path / "empty").mkdir()
    with started(tmp_path / "empty") as process:
        page.goto(f"{process.url}/")
        expect(page.get_by_role("heading", name="Send the first event")).to_be_visible()
        assert findings(page) == []


def test_the_key_dialog_with_the_keyboard(locked: ServerProcess, page: Page) -> None:
    """It has the focus, keeps it, and does not close without a key."""
    page.goto(f"{locked.url}/")
    expect(page.get_by_label("Read key", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type(EVERY)
    page.keyboard.press("Enter")
    expect(page.locator("[data-metric=events] [data-exact='1']")).to_be_visible()


def test_a_dashboard_that_was_not_built(tmp_path: Path, page: Page) -> None:
    """Every page says how to build it; the API works, and so do the pages about it."""
    elsewhere = f"import pathlib, tallystick.api.routes.dashboard as it; it.BUILT = pathlib.Path({str(tmp_path)!r})"
    command = (sys.executable, "-c", f"{elsewhere}; from tallystick.cli import main; main()")
    with ServerProcess(tmp_path / "data", command=command) as process:
        for path in ("/", "/ui/explore"):
            page.goto(process.url + path)
            expect(page.get_by_role("heading", name="Tallystick is running")).to_be_visible()
            expect(page.locator("code")).to_have_text("scripts/dashboard")
            assert findings(page) == []
        with closing(process.api()) as api:
            api.post("/v1/events", EVENT)
            assert api.ledger()["accepted"] == 1
        page.get_by_role("link", name="/docs").click()
        expect(page).to_have_url(f"{process.url}/docs")
