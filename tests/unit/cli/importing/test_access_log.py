"""The combined log format: what a line says, and which requests are page views."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.cli.importing.access_log import AccessLog, NotALogLine, read_key
from tallystick.cli.importing.presets import Imported
from tallystick.errors import ConfigError
from tallystick.ingest.enrich.agent import Properties
from tallystick.ingest.enrich.page import RULES

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0"


def read(log: AccessLog, text: str) -> Imported:
    """The event of a line, with what its page says."""
    event = log.event(text)
    event.finish(RULES)
    return event


def line(
    request: str = "GET / HTTP/1.1",
    status: str = "200",
    referrer: str = "-",
    agent: str = BROWSER,
    time: str = "15/Jan/2026:10:00:00 +0100",
    start: str = "203.0.113.9 - -",
) -> str:
    return f'{start} [{time}] "{request}" {status} 512 "{referrer}" "{agent}"'


@pytest.fixture
def log() -> AccessLog:
    return AccessLog(b"k" * 32, "shop.example", agents)


def agents(agent: str) -> Properties:
    return {"$browser": "Firefox"} if "Firefox" in agent else {}


@pytest.mark.parametrize(
    ("request_line", "status", "name"),
    [
        ("GET / HTTP/1.1", "200", "page_view"),
        ("GET /docs/v1.2/ HTTP/2.0", "200", "page_view"),
        ("GET /docs/index.html?x=1 HTTP/1.1", "304", "page_view"),
        ("GET /index.php HTTP/1.1", "206", "page_view"),
        ("GET /app.js HTTP/1.1", "200", "request"),
        ("GET /photo.JPG?size=2 HTTP/1.1", "200", "request"),
        ("GET /old HTTP/1.1", "301", "request"),
        ("GET /missing HTTP/1.1", "404", "request"),
        ("HEAD / HTTP/1.1", "200", "request"),
        ("POST /cart HTTP/1.1", "200", "request"),
        ("GET / HTTP/1.1", "-", "request"),
        (r"\x16\x03\x01", "400", "request"),
        ("-", "408", "request"),
    ],
)
def test_which_requests_are_page_views(log: AccessLog, request_line: str, status: str, name: str) -> None:
    assert read(log, line(request_line, status)).name == name


def test_a_page_view_has_the_fields_that_web_analytics_read(log: AccessLog) -> None:
    event = read(log, line("GET /b%C3%BCcher?utm_source=letter&gclid=x HTTP/1.1", referrer="https://www.google.com/"))
    assert (event.path, event.timestamp, event.source) == ("/bücher", "2026-01-15T10:00:00+01:00", "access_log")
    assert event.properties["$host"] == "shop.example"
    assert event.properties["$current_url"] == "https://shop.example/b%C3%BCcher?utm_source=letter&gclid=x"
    assert event.properties["$referring_domain"] == "www.google.com"
    assert (event.properties["utm_source"], event.properties["$ad_click"]) == ("letter", "gclid")
    assert (event.properties["status"], event.properties["method"], event.properties["bytes"]) == (200, "GET", 512)
    assert event.properties["$browser"] == "Firefox"
    assert "$bot" not in event.properties


def test_pages_of_the_site_itself_are_no_referrers(log: AccessLog) -> None:
    own = read(log, line(referrer="https://www.shop.example/a"))
    assert "$referring_domain" not in own.properties
    other = read(AccessLog(b"k" * 32, None, agents), line(referrer="https://shop.example/a"))
    assert other.properties["$referring_domain"] == "shop.example"
    assert other.properties.keys().isdisjoint({"$current_url", "$host"})


def test_a_log_with_hosts_says_its_own(log: AccessLog) -> None:
    event = read(log, line("GET /a HTTP/1.1", start="other.example:443 203.0.113.9 - -"))
    assert event.properties["$current_url"] == "https://other.example/a"
    assert event.user_id != read(log, line("GET /a HTTP/1.1")).user_id


def test_the_common_format_has_neither_referrer_nor_agent(log: AccessLog) -> None:
    event = read(log, '203.0.113.9 - - [15/Jan/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 512')
    assert (event.name, event.properties["$bot"]) == ("page_view", True)
    assert "$browser" not in event.properties


def test_a_visitor_is_address_and_browser_on_one_utc_day(log: AccessLog) -> None:
    first = read(log, line()).user_id
    assert first is not None
    assert first.startswith("visitor-")
    assert "203.0.113.9" not in first
    assert read(log, line("GET /b HTTP/1.1", time="15/Jan/2026:23:59:00 +0000")).user_id == first
    assert read(log, line(time="16/Jan/2026:00:30:00 +0100")).user_id == first  # still the 15th in UTC
    assert read(log, line(time="16/Jan/2026:00:00:00 +0000")).user_id != first
    assert read(log, line(agent="Mozilla/5.0 other")).user_id != first
    assert read(log, line(start="203.0.113.10 - -")).user_id != first
    assert read(AccessLog(b"x" * 32, "shop.example", agents), line()).user_id != first
    assert read(log, line(start="203.0.113.9 - ann")).user_id == "ann"


def test_addresses_of_one_ipv6_household_are_one_visitor(log: AccessLog) -> None:
    ids = {read(log, line(start=f"2001:db8::{last} - -")).user_id for last in (1, 2)}
    assert len(ids) == 1


def test_agents_that_are_no_browser_are_bots(log: AccessLog) -> None:
    assert read(log, line(agent="curl/8.5.0")).properties["$bot"] is True
    assert read(log, line(agent="-")).properties["$bot"] is True


def test_quotes_and_escaped_bytes_are_read(log: AccessLog) -> None:
    event = read(log, line('GET /s?q=\\"caf\\xC3\\xA9\\" HTTP/1.1', referrer='https://example.org/\\"a\\"'))
    assert event.properties["$current_url"] == 'https://shop.example/s?q="café"'
    assert event.properties["$referrer"] == 'https://example.org/"a"'


def test_a_leap_second_is_the_second_before(log: AccessLog) -> None:
    assert read(log, line(time="31/Dec/2016:23:59:60 +0000")).timestamp == "2016-12-31T23:59:59+00:00"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line of the combined log format"),
        ("hello", "no line of the combined log format"),
        (line()[:60], "no line of the combined log format"),
        (line(time="15/Foo/2026:10:00:00 +0100"), "has no time of the form"),
        (line(time="2026-01-15T10:00:00Z"), "has no time of the form"),
        (line(time="31/Feb/2026:10:00:00 +0100"), "does not exist"),
    ],
)
def test_other_lines_are_refused_with_a_reason(log: AccessLog, text: str, reason: str) -> None:
    with pytest.raises(NotALogLine, match=reason):
        log.event(text)


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    key = read_key(folder)
    assert (len(key), read_key(folder)) == (32, key)
    file = folder / "visitor-key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in folder.iterdir()] == ["visitor-key"]
    file.write_bytes(b"short")
    with pytest.raises(ConfigError, match="is damaged"):
        read_key(folder)
