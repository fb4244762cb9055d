"""Times the dashboard's first page: `python -m benchmarks.page FOLDER`, with the data of `tallystick bench query`."""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from scripts.screenshots import WAITING, launch
from tallystick.cli.bench.query import fill
from tallystick.cli.bench.query_list import DAYS
from tallystick.harness.server import ServerProcess

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
RUNS = 7


def main() -> None:
    """Open the page several times, each with a new browser profile, and print the median times."""
    console = Console()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, metavar="FOLDER", help="Data folder; filled with --events events when it is empty."
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    given = parser.parse_args()
    first = fill(console, given.data, given.events, "").date()
    last = first + timedelta(days=DAYS - 1)
    with ServerProcess(given.data) as server, sync_playwright() as playwright:
        browser = launch(playwright)
        for days in (DAYS, 7):
            address = f"{server.url}/?from={last - timedelta(days=days - 1)}&to={last}&tz=UTC"
            opened = [open_page(browser, address) for _ in range(RUNS)]
            paint, numbers = (statistics.median(times) for times in zip(*opened, strict=True))
            console.print(f"{days} days: first paint {paint:.0f} ms, all numbers {numbers:.0f} ms (median of {RUNS})")
        browser.close()


def open_page(browser: Browser, address: str) -> tuple[float, float]:
    """Milliseconds from the request to the first paint, and until all numbers are shown."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(".card").first.wait_for()
    numbers = (wait_for_numbers(page) - started) * 1_000
    paint = float(page.evaluate(PAINT))
    context.close()
    return paint, numbers


def wait_for_numbers(page: Page) -> float:
    """When the page showed all numbers, and stayed so for three checks. Checks are rare because they slow the page."""
    quiet: list[float] = []
    while len(quiet) < 3:
        page.wait_for_timeout(15)
        quiet = [] if page.locator(WAITING).count() else [*quiet, time.perf_counter()]
    return quiet[0]


if __name__ == "__main__":
    main()
