"""/docs in Chromium: Swagger UI under its Content-Security-Policy, which lets its own scripts run alone (G12)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tallystick.api.routes.docs import ASSETS, FILES
from tests.browser.conftest import KEPT
from tests.servers.process import needs_built


@pytest.fixture
def browser() -> Browser:
    return KEPT.browser()


def test_a_route_can_be_tried(browser: Browser) -> None:
    """G12: nothing is refused by the policy, nothing comes from elsewhere, and the server's answer is shown."""
    for name in ASSETS:
        needs_built(FILES / name, "dashboard")
    page = browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    url = KEPT.shop().url
    page.goto(f"{url}/docs")
    route = page.locator("#operations-status-healthz, [id^=operations-][id$=healthz]").first
    route.locator(".opblock-summary").click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".live-responses-table").first).to_contain_text('"status": "ok"')
    assert f"{url}/healthz" in asked
    assert [address for address in asked if not address.startswith((f"{url}/", "data:"))] == []
    assert wrong == []
    page.close()


def test_no_page_frames_it(browser: Browser) -> None:
    """G12: neither /docs nor the dashboard nor an answer, which the browser shows nothing of."""
    page = browser.new_page()
    url = KEPT.shop().url
    page.set_content("".join(f'<iframe src="{url}{path}"></iframe>' for path in ("/docs", "/ui/explore", "/healthz")))
    page.wait_for_load_state("networkidle")
    frames = [frame for frame in page.frames if frame != page.main_frame]
    assert len(frames) == 3
    assert [frame.url for frame in frames if frame.url.startswith(url)] == []
    page.close()
