"""Saved reports and boards for tests: made by the API, looked at in the page."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from tallystick.harness.server import Api
from tests.browser.dashboard.ranges import days_ago

FIRST, LAST = days_ago(20), days_ago(3)
RANGE = f"site=shop&from={FIRST}&to={LAST}&tz=Europe/Berlin"


def call(api: Api, method: str, path: str, body: object = None) -> Any:
    status, answer = api.ask(method, path, body)
    assert status < 300, answer
    return json.loads(answer) if answer else None


def nothing_saved(api: Api) -> None:
    """Deletes every board and report."""
    for board in api.get("/v1/boards")["boards"]:
        call(api, "DELETE", f"/v1/boards/{board['id']}")
    for report in api.get("/v1/reports")["reports"]:
        call(api, "DELETE", f"/v1/reports/{report['id']}")


def report(api: Api, name: str, question: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    body = {
        "name": name,
        "site_id": "shop",
        "range": f"{FIRST}/{LAST}",
        "timezone": "Europe/Berlin",
        "question": question or {"kind": "metrics"},
        **fields,
    }
    made: dict[str, Any] = api.post("/v1/reports", body)
    return made


def board(api: Api, name: str, *reports: dict[str, Any]) -> dict[str, Any]:
    tiles = [{"report_id": one["id"]} for one in reports]
    made: dict[str, Any] = api.post("/v1/boards", {"name": name, "site_id": "shop", "tiles": tiles})
    return made


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def number(page: Page, name: str) -> int:
    return int(tile(page, name).locator("[data-exact]").first.get_attribute("data-exact") or -1)
