"""`make screenshots`: every page of the dashboard over demo data, light and dark, on a desktop and on a phone."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from scripts.demo_boards import make_board, share
from scripts.demo_history import send
from tallystick.cli.demo.history import history
from tallystick.harness.server import Api, ServerProcess

CHROMIUM = ("chromium-headless-shell", "chromium")
"""Names of the browser's program. The first one that is installed is used."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",
)
WAITING = ".skeleton, .skeleton-line, [aria-busy=true]"
"""Selector of the placeholders of content that is still loading."""
STILL = """async () => {
    const moving = () => document.getAnimations().filter(
        (one) => one.playState === "running" && one.effect.getComputedTiming().endTime < Infinity);
    do {
        await new Promise(requestAnimationFrame);
        await Promise.allSettled(moving().map((one) => one.finished));
    } while (moving().length);
}"""
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
ZONE = "Europe/Berlin"

PAGES = {
    "overview": "/?site=shop&range=30d",
    "explore": "/ui/explore?site=shop&range=30d&by=properties.country",
    "formula": "/ui/explore?site=shop&range=30d&metric=users&metric=users&of=&of=purchase&formula=B/A*100&chart=bar",
    "funnels": "/ui/funnels?site=shop&range=30d&step=page_view&step=page_view%3Bpath:contains:/products/"
    "&step=add_to_cart&step=purchase",
    "funnel-groups": "/ui/funnels?site=shop&range=30d&step=page_view&step=add_to_cart&step=purchase&window=2h"
    "&by=source",
    "retention": "/ui/retention?site=shop&range=90d",
    "lifecycle": "/ui/retention?site=shop&range=90d&tab=lifecycle",
    "stickiness": "/ui/retention?site=shop&range=30d&tab=stickiness",
    "active": "/ui/retention?site=shop&range=30d&tab=active",
    "paths": "/ui/paths?site=shop&range=30d",
    "boards": "/ui/boards?site=shop",
    "sql": "/ui/sql?site=shop&sql=SELECT+source%2C+count%28*%29+AS+purchases%2C%0A++sum%28CAST%28properties-%3E%3E"
    "%27amount%27+AS+DECIMAL%2818%2C+2%29%29%29+AS+revenue%2C%0A++max%28timestamp%29+AS+newest%0AFROM+events%0AWHERE+"
    "name+%3D+%27purchase%27%0AGROUP+BY+source%0AORDER+BY+revenue+DESC",
    "events": "/ui/events?site=shop",
    "users": "/ui/users?site=shop",
    "user": "/ui/users?site=shop&user=user-1",
    "live": "/ui/live?site=shop",
    "install": "/ui/install?site=shop",
    "pipeline": "/ui/pipeline",
}
SAVED = ("board", "board-edit", "share", "shared", "report")
"""Pages about saved boards and reports, which are made first. `share` is a dialog on a board."""


def main() -> None:
    """Write the screenshots. --url uses a running server and its events."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "pages", nargs="*", default=[*PAGES, *SAVED], metavar="PAGE", help="Pages to take. Default: all."
    )
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--url", help="A running server. Default: a new one with demo events.")
    parser.add_argument("--only", help="Part of a picture's name, such as desktop-light.")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        url = given.url or stack.enter_context(demo_server())
        playwright = stack.enter_context(sync_playwright())
        browser = launch(playwright)
        addresses = {**PAGES, **saved_pages(url)}
        for name in given.pages:
            for size in SIZES:
                for theme in THEMES:
                    picture = f"{name}-{size}-{theme}"
                    if not given.only or given.only in picture:
                        take(browser, url + addresses[name], size, theme, given.out / f"{picture}.png")


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window. Raises FileNotFoundError when it is not installed."""
    for program in CHROMIUM:
        if found := shutil.which(program):
            return playwright.chromium.launch(executable_path=found, args=FLAGS)
    raise FileNotFoundError("there is no Chromium here; `scripts/servers` installs it on Debian as root")


def saved_pages(url: str) -> dict[str, str]:
    """Make a board, a share link and a report. Returns the addresses of their pages."""
    with contextlib.closing(Api(url)) as api:
        board, report = make_board(api, "shop")
        link = share(api, board)
    at = f"/ui/boards?site=shop&board={board}"
    shown = "/ui/explore?site=shop&range=30d&tz=Europe/Berlin&by=properties.country&chart=bar&interval=day"
    one = f"{shown}&report={report}"
    return {"board": at, "board-edit": f"{at}&edit=1", "share": at, "shared": link, "report": one}


@contextlib.contextmanager
def demo_server() -> Iterator[str]:
    """A server with two months of a shop's events."""
    allowed = {"TALLYSTICK_SQL": "true"}
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "data", allowed) as server:
        now = datetime.now(UTC)
        with contextlib.closing(server.api()) as api:
            sent = send(api, history(7, now, 60, 150_000), "shop") + send(api, history(8, now, 30, 12_000), "docs")
            wait_until_stored(api, sent)
        yield server.url


def wait_until_stored(api: Api, events: int) -> None:
    """Wait until the queue is empty and this number of events is accepted."""
    while (books := api.ledger())["queued"] or books["accepted"] < events:
        time.sleep(0.03)


def take(browser: Browser, url: str, size: str, theme: str, to: Path) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        timezone_id=ZONE,
        locale="en-GB",
        color_scheme="dark" if theme == "dark" else "light",
        device_scale_factor=2 if size == "phone" else 1,
    )
    page = context.new_page()
    page.on("console", lambda message: print(f"{to.stem}: {message.text}") if message.type == "error" else None)
    page.goto(url)
    settled(page)
    if to.stem.startswith("share-"):
        page.get_by_role("button", name="Share").click()
        page.get_by_label("Who is the new link for?").fill("The marketing team")
        page.get_by_role("button", name="Make the link").click()
        page.get_by_text("it will not be shown again").wait_for()
        settled(page)
    page.screenshot(path=to, full_page=True)
    context.close()


def settled(page: Page) -> None:
    """Wait until everything that the page requests is shown."""
    page.locator("h1").wait_for()
    # Not wait_for_function: it evaluates text, which the page's Content-Security-Policy forbids.
    quiet = 0
    while quiet < 3:
        page.wait_for_timeout(50)
        quiet = 0 if page.locator(WAITING).count() else quiet + 1
    still(page)


def still(page: Page) -> None:
    """Wait until all animations and transitions have ended, except endless ones."""
    page.evaluate(STILL)


if __name__ == "__main__":
    main()
