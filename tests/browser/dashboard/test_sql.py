"""SQL in Chromium: the table's values are the API's, mistakes are told beside the statement, values stay text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from scripts.demo_history import send
from scripts.screenshots import settled, wait_until_stored
from tallystick.cli.demo.history import history
from tallystick.harness.server import Api, ServerProcess
from tests.browser.dashboard.conftest import Opener, started
from tests.browser.dashboard.look import texts
from tests.browser.dashboard.test_accessible import check_looks
from tests.servers.process import wait_until

HOSTILE = ["<img src=x onerror=alert(1)>", "javascript:alert(1)", "https://evil.example/", "</script><script>"]
BY_SOURCE = (
    "SELECT source, count(*) AS purchases, count(DISTINCT user_id) AS users,\n"
    "  sum(CAST(properties->>'amount' AS DECIMAL(18, 2))) AS revenue\n"
    "FROM events WHERE name = 'purchase' GROUP BY source ORDER BY revenue DESC"
)
BY_DAY = "SELECT date_trunc('day', timestamp) AS day, count(*) AS n FROM events GROUP BY day ORDER BY day"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that allows SQL, with a shop's past and some hostile names in another site."""
    with started(tmp_path_factory.mktemp("sql"), TALLYSTICK_SQL="true", TALLYSTICK_SQL_ROWS="300") as process:
        with closing(process.api()) as api:
            sent = send(api, history(5, datetime.now(UTC), 10, 2_000), "shop")
            events = [{"name": name, "site_id": "odd", "user_id": name} for name in HOSTILE]
            assert api.ask("POST", "/v1/events", {"events": events})[0] == 202
            wait_until_stored(api, sent + len(events))
        yield process


def asked(api: Api, sql: str, site: str = "shop") -> dict[str, Any]:
    answer: dict[str, Any] = api.post("/v1/sql", {"sql": sql, "site_id": site})
    return answer


def address(sql: str, site: str = "shop") -> str:
    return f"/ui/sql?site={site}&sql={quote(sql)}"


def write(page: Page, sql: str) -> None:
    page.get_by_label("SQL statement").fill(sql)
    page.keyboard.press("Control+Enter")


def table(page: Page) -> list[list[str]]:
    settled(page)
    return texts(page.locator(".sql-table tbody tr"), "td")


def test_a_statement_s_numbers_are_the_api_s(api: Api, opened: Opener) -> None:
    page = opened("/ui/sql?site=shop")
    write(page, BY_SOURCE)
    expect(page.get_by_role("columnheader", name="revenue")).to_be_visible()
    found = asked(api, BY_SOURCE)
    shown = table(page)
    assert len(found["rows"]) > 1
    assert [row[:3] for row in shown] == [[str(value) for value in row[:3]] for row in found["rows"]]
    assert [float(row[3]) for row in shown] == [row[3] for row in found["rows"]]
    expect(page.locator(".sql-table tbody tr").first.locator("td.right")).to_have_count(3)
    expect(page.get_by_role("status").filter(has_text="rows in")).to_contain_text(f"{len(shown)} rows in")


def test_the_site_is_the_chosen_one(api: Api, opened: Opener) -> None:
    sql = "SELECT count(*) AS n FROM events"
    page = opened(address(sql))
    assert table(page) == [[str(asked(api, sql)["rows"][0][0])]]
    page.get_by_label("Site").select_option("=odd")
    expect(page.locator(".sql-table td")).to_have_text(str(len(HOSTILE)))
    page.get_by_label("Site").select_option("*")
    every = asked(api, sql)["rows"][0][0] + len(HOSTILE)
    expect(page.locator(".sql-table td")).to_have_text(str(every))


def test_reload_and_back_keep_the_statement(opened: Opener) -> None:
    page = opened("/ui/sql?site=shop")
    area = page.get_by_label("SQL statement")
    for number in ("111", "222"):
        write(page, f"SELECT {number} AS a -- '%&#+\n")
        expect(page.locator(".sql-table td")).to_have_text(number)
    assert parse_qs(urlsplit(page.url).query)["sql"] == ["SELECT 222 AS a -- '%&#+\n"]
    page.reload()
    expect(page.locator(".sql-table td")).to_have_text("222")
    expect(area).to_have_value("SELECT 222 AS a -- '%&#+\n")
    page.go_back()
    expect(page.locator(".sql-table td")).to_have_text("111")
    expect(area).to_have_value("SELECT 111 AS a -- '%&#+\n")
    page.go_forward()
    expect(page.locator(".sql-table td")).to_have_text("222")


def test_a_mistake_is_told_beside_the_statement(opened: Opener) -> None:
    page = opened("/ui/sql?site=shop")
    write(page, "SELECT count(*\n  FROM events")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Expecting )")
    area = page.get_by_label("SQL statement")
    expect(area).to_have_attribute("aria-invalid", "true")
    alert.get_by_role("button", name="Line 2, column 3").click()
    expect(area).to_be_focused()
    assert area.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == "FROM"
    write(page, "SELECT nope FROM events")
    expect(alert).to_contain_text('"nope" not found')
    expect(page.locator(".sql-table")).to_have_count(0)
    write(page, "DROP TABLE events")
    expect(alert).to_contain_text("only one SELECT is allowed")
    write(page, "SELECT 5 AS five")
    expect(page.locator(".sql-table td")).to_have_text("5")
    expect(alert).to_have_count(0)


def test_values_are_nothing_but_text(opened: Opener) -> None:
    page = opened(address("SELECT name, properties FROM events ORDER BY name", "odd"))
    assert [row[0] for row in table(page)] == sorted(HOSTILE)
    write(page, "SELECT '<b>x</b>' AS \"<i>head</i>\", '<script>alert(1)</script>' AS s")
    expect(page.get_by_role("columnheader").first).to_contain_text("<i>head</i>")
    assert table(page) == [["<b>x</b>", "<script>alert(1)</script>"]]
    assert page.locator("main img, main script, .sql-table a, .sql-table b, .sql-table i").count() == 0


def test_every_kind_of_value(opened: Opener) -> None:
    kinds = (
        "SELECT NULL AS a, '' AS b, CAST('12345678901234567890.50' AS DECIMAL(38, 2)) AS c, 0.1::DOUBLE + 0.2 AS d, "
        f"true AS e, [1, 2] AS f, TIMESTAMP '2026-11-21 10:00:00' AS g, '{'long ' * 40}' AS h, 9007199254740993 AS i"
    )
    page = opened(address(kinds))
    (row,) = table(page)
    assert row[:7] == ["NULL", "empty", "12345678901234567890.50", "0.3", "true", "[1, 2]", "2026-11-21 10:00:00"]
    assert row[8] == "9007199254740993"
    expect(page.locator("td").nth(3).locator("[title]")).to_have_attribute("title", "0.30000000000000004")
    expect(page.get_by_role("columnheader").nth(6)).to_contain_text("UTC")
    long = page.locator(".sql-long")
    expect(long).to_have_attribute("aria-expanded", "false")
    assert len(long.inner_text()) < 70
    long.click()
    expect(long).to_have_text(("long " * 40).strip())


def test_more_rows_than_there_may_be(opened: Opener) -> None:
    page = opened(address("SELECT i FROM generate_series(1, 1000) AS s(i)"))
    expect(page.locator(".sql-truncated")).to_be_visible()
    assert len(table(page)) == 200
    page.get_by_role("button", name="Show more").click()
    assert len(table(page)) == 300


@pytest.mark.parametrize("label", ["CSV", "CSV for Excel", "JSON", "Parquet"])
def test_the_result_as_a_file(api: Api, opened: Opener, tmp_path: Path, label: str) -> None:
    page = opened(address(BY_SOURCE))
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download as {label}", exact=True).click()
    waiting.value.save_as(tmp_path / "answer")
    assert waiting.value.suggested_filename == f"sql.{label.split()[0].lower()}"
    body = {"sql": BY_SOURCE, "site_id": "shop"}
    if label.startswith("CSV"):
        text = (tmp_path / "answer").read_text("utf-8")
        assert text.startswith("\ufeff") == (label == "CSV for Excel")
        rows = list(csv.reader(text.removeprefix("\ufeff").splitlines()))
        assert rows[0] == ["source", "purchases", "users", "revenue"]
        assert len(rows) == len(asked(api, BY_SOURCE)["rows"]) + 1
    if label == "Parquet":
        assert (tmp_path / "answer").read_bytes() == api.ask("POST", "/v1/sql?format=parquet", body)[1]


def test_a_chart_of_days(api: Api, opened: Opener) -> None:
    page = opened(address(BY_DAY))
    settled(page)
    page.get_by_role("button", name="Chart").click()
    chart = page.get_by_role("group", name="n over time, UTC")
    chart.focus()
    page.keyboard.press("Home")
    first = asked(api, BY_DAY)["rows"][0][1]
    expect(page.locator(".chart-tip")).to_contain_text(f"{first:,}")


def test_names_and_examples_come_with_a_click(api: Api, opened: Opener) -> None:
    page = opened("/ui/sql?site=shop")
    area = page.get_by_label("SQL statement")
    area.fill("SELECT")
    page.get_by_role("button", name="Insert user_id text").first.click()
    expect(area).to_have_value("SELECT user_id")
    expect(area).to_be_focused()
    page.keyboard.press("Control+z")
    expect(area).to_have_value("SELECT")
    examples = api.get("/v1/sql/schema")["examples"]
    for example in examples:
        page.get_by_role("button", name=example["title"]).click()
        expect(area).to_have_value(example["sql"])
        expect(page.locator(".sql-table tbody tr").first).to_be_visible()
        settled(page)  # the rows may have been the previous example's
        expect(page.locator(".sql-table tbody tr").first).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)


def test_the_keyboard_gets_in_and_out(opened: Opener) -> None:
    page = opened("/ui/sql?site=shop")
    area = page.get_by_label("SQL statement")
    area.fill("")
    page.keyboard.press("Tab")
    expect(area).to_have_value("  ")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(area).not_to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(area).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(area).not_to_be_focused()
    expect(area).to_have_value("  ")


@pytest.mark.parametrize("sql", [BY_DAY, "SELECT (", "SELECT name, NULL AS nothing, properties FROM events LIMIT 5"])
def test_axe_finds_nothing(opened: Opener, sql: str) -> None:
    check_looks(opened(address(sql)))


def test_without_the_setting_it_says_how_to_allow_it(opened: Opener, server: ServerProcess, tmp_path: Path) -> None:
    with started(tmp_path) as off:
        page = opened("/ui/sql?site=shop")
        page.route("**/v1/**", lambda route: route.continue_(url=route.request.url.replace(server.url, off.url)))
        page.reload()
        expect(page.get_by_text("SQL is off on this server")).to_be_visible()
        expect(page.locator(".command code")).to_have_text("TALLYSTICK_SQL=true tallystick up")
        expect(page.get_by_label("SQL statement")).to_have_count(0)


def test_a_key_of_one_site_shows_that_site(browser: Browser, tmp_path: Path) -> None:
    """G12: asked for once, and then there is nothing of the other site, and no choice of sites."""
    key = "s" * 24
    with started(tmp_path, TALLYSTICK_SQL="true", TALLYSTICK_READ_KEYS=f"shop={key}") as locked:
        with closing(locked.api()) as api:
            for site in ("shop", "other"):
                api.post("/v1/events", {"name": f"of-{site}", "site_id": site})
        with closing(Api(locked.url, key=key)) as api:
            wait_until(lambda: asked(api, "SELECT count(*) FROM events")["rows"] == [[1]], "the event")
        page = browser.new_page()
        page.goto(f"{locked.url}/ui/sql?sql={quote('SELECT name FROM events')}")
        page.get_by_label("Read key", exact=True).fill(key)
        page.get_by_role("button", name="Continue").click()
        expect(page.locator(".sql-table td")).to_have_text(["of-shop"])
        assert table(page) == [["of-shop"]]
        expect(page.get_by_label("Site")).to_have_count(0)
        assert key not in page.url
        page.close()
