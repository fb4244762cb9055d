"""A share link in a browser of its own, without any key, on a server with read keys; its numbers are the API's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from scripts.demo_boards import BOARD, make_board, share
from scripts.demo_history import send
from scripts.screenshots import settled, wait_until_stored
from tallystick.cli.demo.history import history
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import started
from tests.browser.dashboard.look import attributes
from tests.browser.dashboard.test_accessible import check_looks, findings

EVERY = "k" * 24
SHOWN = ("Visitors", "Visits", "From a page to an order", "Ways through the shop")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that answers nobody without a key."""
    with started(tmp_path_factory.mktemp("locked"), TALLYSTICK_READ_KEYS=f"*={EVERY}") as process:
        with closing(process.api()) as api:
            send(api, history(5, datetime.now(UTC), 40, 3_000), "shop")
        yield process


@pytest.fixture
def api(locked: ServerProcess) -> Iterator[Api]:
    with closing(Api(locked.url, key=EVERY)) as made:
        wait_until_stored(made, 0)
        yield made


@pytest.fixture
def strangers(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that was never here."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    yield context
    context.close()


def number(page: Page, name: str) -> int:
    shown = page.get_by_role("region", name=name, exact=True).locator("[data-exact]").first
    return int(shown.get_attribute("data-exact") or -1)


def rows(api: Api, board: str, name: str, **order: Any) -> list[dict[str, Any]]:
    reports = {one["name"]: one["id"] for one in api.get("/v1/reports")["reports"]}
    assert board in {one["id"] for one in api.get("/v1/boards")["boards"]}
    answer: list[dict[str, Any]] = api.post(f"/v1/reports/{reports[name]}/run", order)["rows"]
    return answer


@pytest.fixture
def board(api: Api) -> Iterator[str]:
    made, _ = make_board(api, "shop")
    yield made
    api.ask("DELETE", f"/v1/boards/{made}")
    for one in api.get("/v1/reports")["reports"]:
        api.ask("DELETE", f"/v1/reports/{one['id']}")


def link_from_the_dialog(page: Page) -> str:
    """Made on a board for Ann, for a week; the dialog stays open."""
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_text("There is no link to this board yet.")).to_be_visible()
    page.get_by_label("Who is the new link for?").fill("Ann")
    page.get_by_label("How long").select_option(label="For a week")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_text("Copy it now: it will not be shown again.")).to_be_visible()
    return page.get_by_label("the link", exact=True).inner_text()


def same_as_the_api(stranger: Page, api: Api, board: str) -> None:
    """Numbers, for the reports' ranges and for another; nothing that leads elsewhere."""
    assert stranger.get_by_role("dialog").count() == stranger.get_by_role("navigation").count() == 0
    assert number(stranger, "Visitors") == rows(api, board, "Visitors")[0]["A"] > 0
    assert number(stranger, "Visits") == rows(api, board, "Visits")[0]["sessions"]
    steps = attributes(stranger.locator(".funnel-step strong[data-users]"), "data-users")
    funnel = rows(api, board, "From a page to an order")
    assert [int(step) for (step,) in steps] == [row["users"] for row in funnel]
    assert stranger.locator("main a, .tile .note-error").count() == 0

    stranger.get_by_role("button", name="Each report’s own range").click()
    assert stranger.get_by_label("From", exact=True).count() == 0
    stranger.get_by_role("button", name="Last 12 months").click()
    settled(stranger)
    assert number(stranger, "Visits") == rows(api, board, "Visits", range="12mo")[0]["sessions"]
    expect(stranger.locator(".tile-range").first).to_have_text("Last 12 months")


def test_from_the_dialog_to_a_stranger(
    locked: ServerProcess, api: Api, browser: Browser, strangers: BrowserContext, board: str
) -> None:
    """The link is told once; whoever opens it sees the API's numbers; the token is in no request's address."""
    owner = browser.new_context(viewport={"width": 1440, "height": 900})
    page = owner.new_page()
    page.goto(f"{locked.url}/ui/boards?board={board}")
    page.get_by_label("Read key", exact=True).fill(EVERY)
    page.get_by_role("button", name="Continue").click()
    link = link_from_the_dialog(page)
    token = link.partition("#")[2]
    assert link == f"{locked.url}/ui/shared#{token}"
    (kept,) = api.get(f"/v1/boards/{board}/shares")["shares"]
    assert kept["name"] == "Ann"
    days = datetime.fromisoformat(kept["expires_at"]) - datetime.fromisoformat(kept["created_at"])
    assert round(days.total_seconds() / 86_400, 2) == 7

    addresses: list[str] = []
    stranger = strangers.new_page()
    stranger.on("request", lambda request: addresses.append(request.url.partition("#")[0]))
    stranger.goto(link)
    expect(stranger.get_by_role("heading", name=BOARD, level=1)).to_be_visible()
    settled(stranger)
    same_as_the_api(stranger, api, board)

    secret = token[len("sh_") + 12 + len("_") :]
    assert len(secret) == 43
    assert not any(secret in address for address in addresses)
    assert {address.partition("/v1/")[2].split("/")[0] for address in addresses if "/v1/" in address} == {"shared"}
    assert stranger.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]

    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Share").click()
    expect(page.locator(f"[data-share='{kept['id']}']")).to_contain_text("last used")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke Ann").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("There is no link to this board yet.")).to_be_visible()
    assert api.get(f"/v1/boards/{board}/shares")["shares"] == []
    stranger.reload()
    expect(stranger.get_by_text("This link shows nothing any more")).to_be_visible()
    expect(stranger.locator(".tile")).to_have_count(0)
    owner.close()


def test_revoked_while_it_is_looked_at(locked: ServerProcess, api: Api, strangers: BrowserContext, board: str) -> None:
    """The page says so the next time it asks, and shows no numbers any more."""
    link = share(api, board)
    page = strangers.new_page()
    page.clock.install()
    page.goto(locked.url + link)
    expect(page.get_by_role("heading", name=BOARD, level=1)).to_be_visible()
    (kept,) = api.get(f"/v1/boards/{board}/shares")["shares"]
    assert api.ask("DELETE", f"/v1/shares/{kept['id']}")[0] == 204
    page.clock.fast_forward(31_000)
    expect(page.get_by_text("This link shows nothing any more")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(0)


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("", "A share link is needed"),
        ("#", "A share link is needed"),
        ("#sh_short", "This link is not complete"),
        ("#<img src=x onerror=document.title='run'>", "This link is not complete"),
        (f"#sh_{'a' * 12}_{'b' * 43}", "This link shows nothing any more"),
    ],
)
def test_a_link_that_shows_nothing(locked: ServerProcess, strangers: BrowserContext, fragment: str, said: str) -> None:
    page = strangers.new_page()
    page.goto(f"{locked.url}/ui/shared{fragment}")
    expect(page.get_by_role("heading", level=1)).to_have_text(said)
    expect(page.get_by_role("dialog").or_(page.locator("main img"))).to_have_count(0)
    expect(page).to_have_title("Shared board · Tallystick")
    assert findings(page) == []


def test_another_link_in_the_same_tab(locked: ServerProcess, api: Api, strangers: BrowserContext, board: str) -> None:
    """Only what follows the # changes: the page is not loaded anew."""
    other = api.post("/v1/boards", {"name": "Other", "site_id": "shop"})["id"]
    page = strangers.new_page()
    page.goto(locked.url + share(api, board))
    expect(page.get_by_role("heading", name=BOARD, level=1)).to_be_visible()
    page.goto(locked.url + share(api, other))
    expect(page.get_by_role("heading", name="Other", level=1)).to_be_visible()
    expect(page.get_by_text("There is nothing on this board yet")).to_be_visible()
    api.ask("DELETE", f"/v1/boards/{other}")


def test_nothing_serious(locked: ServerProcess, api: Api, strangers: BrowserContext, board: str) -> None:
    page = strangers.new_page()
    page.goto(locked.url + share(api, board))
    settled(page)
    for name in SHOWN:
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    check_looks(page)
