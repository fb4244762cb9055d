"""Retention has removed events and kept their rollups: pages say from when on there are events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener, started
from tests.browser.dashboard.test_accessible import findings
from tests.servers.process import wait_until

NOW = datetime.now(UTC)
OLD, KEPT = timedelta(days=40), timedelta(hours=3)
SETTINGS = {
    "TALLYSTICK_RETENTION_DAYS": "10",
    "TALLYSTICK_RETENTION_ROLLUPS": "true",
    "TALLYSTICK_MAINTAIN_EVERY": "0.2",
    "TALLYSTICK_SQL": "true",
}
SQL = quote("SELECT count(*) FROM events")
BY_PATH = {"kind": "metrics", "site_id": "shop", "breakdown": ["path"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose old events are gone."""
    with started(tmp_path_factory.mktemp("removed"), **SETTINGS) as process:
        with closing(process.api()) as api:
            for age in (OLD, KEPT):
                event = {"name": "page_view", "user_id": "ann", "path": "/a", "site_id": "shop"}
                api.post("/v1/events", event | {"timestamp": (NOW - age).isoformat()})
            wait_until(lambda: "events_from" in api.post("/v1/query", BY_PATH), "the old event is gone")
            wait_until_stored(api, 2)
        yield process


def said(api: Api) -> str:
    """What pages say about the answer's `events_from`."""
    begin = datetime.fromisoformat(api.post("/v1/query", BY_PATH)["events_from"])
    assert begin.date() == (NOW - OLD).date() + timedelta(days=1)
    return f"vents of before {begin:%A}, {begin.day} {begin:%B} {begin.year} were removed"


@pytest.mark.parametrize(
    "path",
    [
        "/?site=shop&range=90d",
        "/ui/explore?site=shop&range=90d&by=path",
        "/ui/events?site=shop&range=90d",
        "/ui/users?site=shop",
        "/ui/users?site=shop&user=ann",
        f"/ui/sql?site=shop&sql={SQL}",
    ],
)
def test_a_page_says_which_events_were_removed(api: Api, opened: Opener, path: str) -> None:
    page = opened(path)
    expect(page.get_by_role("main")).to_contain_text(said(api))
    settled(page)
    assert findings(page) == []


def test_a_page_whose_answers_have_all_events_says_nothing(opened: Opener) -> None:
    for path in ("/?site=shop&range=7d", "/ui/explore?site=shop&range=90d&metric=events"):
        page = opened(path)
        expect(page.get_by_text("Up to date")).to_be_visible()
        settled(page)
        expect(page.get_by_role("main")).not_to_contain_text("were removed")


def board_with(api: Api) -> str:
    """The id of a board with one report, by path."""
    report = {"name": "By path", "question": BY_PATH, "range": "90d", "timezone": "UTC", "site_id": "shop"}
    made = api.post("/v1/reports", report)["id"]
    tile = {"report_id": made, "width": 2, "height": 2}
    board: str = api.post("/v1/boards", {"name": "All", "site_id": "shop", "tiles": [tile]})["id"]
    return board


def test_a_report_on_a_board_says_it(api: Api, opened: Opener) -> None:
    page: Page = opened(f"/ui/boards?site=shop&board={board_with(api)}")
    expect(page.locator(".tile")).to_contain_text(said(api))
    settled(page)
    assert findings(page) == []
