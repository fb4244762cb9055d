"""The pipeline in Chromium: the books, their check, and dead letters that are replayed, corrected and dropped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from scripts.screenshots import settled, wait_until_stored
from tallystick.config import Settings
from tallystick.harness.server import Api, ServerProcess
from tallystick.metrics import Metrics
from tallystick.model.event import encode_lines
from tallystick.queue import make_queue
from tests.browser.dashboard.conftest import Opener, started
from tests.browser.dashboard.look import attributes, texts
from tests.browser.dashboard.test_accessible import findings
from tests.helpers.samples import block_of_lines, sample_event

BROKEN = [encode_lines([sample_event(number)]).replace(b"2026-03-01T", b"2026-13-41T") for number in range(1, 5)]
"""Events with a time that is none, as a foreign writer could leave them in the queue."""


async def put(folder: Path) -> None:
    """Into the queue of a server that does not run: four events that no store takes, and one that it does."""
    queue = make_queue(Settings(data=folder), Metrics())
    await queue.open()
    lines = [*BROKEN, encode_lines([sample_event(9)])]
    await queue.publish([block_of_lines(0, b"".join(lines), len(lines))])
    await queue.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("pipeline")
    process = started(folder)
    with ThreadPoolExecutor() as thread:  # Playwright's own event loop may be running in this one
        thread.submit(asyncio.run, put(process.data)).result()
    with process:
        with closing(process.api()) as api:
            wait_until_stored(api, 1)
        yield process


def books_of(page: Page) -> dict[str, int]:
    books = page.locator("[data-book]")
    numbers = texts(books, "strong")
    return {
        name: int(number.replace(",", ""))
        for (name,), (number,) in zip(attributes(books, "data-book"), numbers, strict=True)
    }


def letter(page: Page, number: int) -> Locator:
    return page.get_by_role("button", name=f"Open dead letter {number}", exact=True)


def numbers(api: Api, state: str = "dead") -> list[int]:
    return [found["id"] for found in api.get(f"/v1/dead?state={state}")["dead"]]


def test_books_and_verify(api: Api, opened: Opener) -> None:
    page = opened("/ui/pipeline")
    settled(page)
    ledger = api.ledger()
    assert books_of(page) == {
        name: ledger[name] for name in ("accepted", "stored", "duplicates", "dead", "erased", "queued")
    }
    assert ledger["dead"] >= 4
    expect(page.locator(".verdict.good")).to_have_text(re.compile("^The books close"))
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(".verdict.good").nth(1)).to_have_text(re.compile("^Verified"))


def test_replay_corrected(api: Api, opened: Opener) -> None:
    page = opened("/ui/pipeline")
    first = numbers(api)[0]
    stored = api.ledger()["stored"]
    letter(page, first).click()
    editor = page.get_by_label("Original")
    editor.fill(editor.input_value().replace("2026-13-41T", "2026-03-01T"))
    page.get_by_role("button", name="Replay corrected").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(letter(page, first)).to_have_count(0)
    page.get_by_role("button", name="Replayed").click()
    expect(letter(page, first)).to_be_visible()
    expect(page.locator("[data-book=stored] strong")).to_have_text(str(stored + 1))
    assert first in numbers(api, "replayed")


def test_a_correction_that_is_none(api: Api, opened: Opener) -> None:
    """The API's sentence is shown, and the letter stays."""
    page = opened("/ui/pipeline")
    first = numbers(api)[0]
    letter(page, first).click()
    page.get_by_label("Original").fill("{no event")
    page.get_by_role("button", name="Replay corrected").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert first in numbers(api)


def test_choose_and_drop(api: Api, opened: Opener) -> None:
    page = opened("/ui/pipeline")
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", agree)
    chosen = numbers(api)[:2]
    for number in chosen:
        page.get_by_label(f"Choose dead letter {number}", exact=True).check()
    page.get_by_role("button", name="Drop", exact=True).click()
    expect(letter(page, chosen[0])).to_have_count(0)
    assert asked == ["Give up these 2 events?"]
    assert numbers(api, "dropped") == chosen
    page.get_by_role("button", name="Dropped").click()
    expect(letter(page, chosen[1])).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_serious_in_a_dead_letter(api: Api, opened: Opener, dark: bool) -> None:
    """axe looks at the list with chosen letters, and at one that is open, also after a refusal."""
    page = opened("/ui/pipeline?state=all", dark=dark)
    settled(page)
    page.get_by_role("checkbox", disabled=False).first.check()
    assert findings(page) == []
    first = numbers(api)[0]
    letter(page, first).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=f"Dead letter {first}")).to_be_visible()
    assert findings(page) == []
    page.get_by_label("Original").fill("{no event")
    page.get_by_role("button", name="Replay corrected").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(letter(page, first)).to_be_focused()
