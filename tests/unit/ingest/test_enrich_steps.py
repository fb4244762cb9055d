"""The steps of enrichment one by one: User-Agent, page, address, country."""

from __future__ import annotations

import os
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.address import Clients, household, parse_address, parse_networks, truncated
from tallystick.errors import ConfigError
from tallystick.ingest.enrich.agent import Agents, is_browser
from tallystick.ingest.enrich.country import Countries
from tallystick.ingest.enrich.page import NOTHING, URL_MAX, VALUE_MAX, PageRules, read_page
from tests.helpers.enrich_samples import CHROME, GOOGLEBOT, IPHONE, SERVICE, write_country_file

AGENTS = Agents()

# --- User-Agent -----------------------------------------------------------------------------------------------------

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (CHROME, ("Chrome", 126, "Windows", "Desktop", None)),
        (IPHONE, ("Mobile Safari", 17, "iOS", "Mobile", None)),
        (IPHONE.replace("iPhone; CPU iPhone OS", "iPad; CPU OS"), ("Mobile Safari", 17, "iOS", "Tablet", None)),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
            "Safari/605.1.15",
            ("Safari", 17, "Mac OS X", "Desktop", None),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {KIT} Chrome/126.0.0.0 Mobile Safari/537.36",
            ("Chrome", 126, "Android", "Mobile", None),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {KIT} Chrome/126.0.0.0 Safari/537.36",
            ("Chrome", 126, "Android", "Tablet", None),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            ("Firefox", 127, "Linux", "Desktop", None),
        ),
        (f"{CHROME} Edg/126.0.0.0", ("Microsoft Edge", 126, "Windows", "Desktop", None)),
        (f"{CHROME} OPR/112.0.0.0", ("Opera", 112, "Windows", "Desktop", None)),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KIT} Chrome/126.0.0.0 Safari/537.36",
            ("Chrome", 126, "Chrome OS", "Desktop", None),
        ),
        (
            f"Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) {KIT} SamsungBrowser/4.0 Chrome/94.0.4606.31 TV Safari/537.36",
            ("Samsung Internet", 4, "Tizen", "TV", None),
        ),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 "
            "Safari/605.1.15",
            ("Safari", 13, None, "Console", None),
        ),
        (GOOGLEBOT, ("Googlebot", 2, None, None, True)),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            ("GPTBot", 1, None, None, True),
        ),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), ("HeadlessChrome", 126, "Windows", None, True)),
        ("Mozilla/5.0", (None, None, None, None, None)),
        ("", (None, None, None, None, None)),
    ],
)
def test_agent(agent: str, expected: tuple[Any, ...]) -> None:
    found = AGENTS.properties(agent)
    names = ("$browser", "$browser_version", "$os", "$device_type", "$bot")
    assert tuple(found.get(name) for name in names) == expected
    assert set(found) <= set(names)


@given(st.text())
def test_any_agent_is_taken(agent: str) -> None:
    assert all(isinstance(value, str | int | bool) for value in AGENTS.properties(f"Mozilla/5.0 {agent}").values())


def test_programs_are_no_browsers() -> None:
    assert is_browser(CHROME)
    assert is_browser(GOOGLEBOT)
    assert not any(map(is_browser, (SERVICE, "curl/8.5.0", "okhttp/4.9.3", "")))


# --- page -----------------------------------------------------------------------------------------------------------


def test_page() -> None:
    page = read_page(
        "https://shop.example/pricing?utm_source=news%20letter&utm_medium=email&utm_source=second&utm_term=&x=1#top",
        "https://www.Google.com:443/search?q=1",
    )
    assert page.path == "/pricing"
    assert page.properties == {
        "$host": "shop.example",
        "$referring_domain": "www.google.com",
        "utm_source": "news letter",
        "utm_medium": "email",
    }
    assert page.encoded == msgspec.json.encode(page.properties)[1:-1]


@pytest.mark.parametrize("parameter", ["gclid", "fbclid", "msclkid"])
def test_ad_click_without_its_id(parameter: str) -> None:
    page = read_page(f"https://shop.example/?{parameter}=Cj0-secret", "")
    assert page.properties == {"$host": "shop.example", "$ad_click": parameter}
    assert b"secret" not in page.encoded


@pytest.mark.parametrize(
    ("url", "referrer"),
    [
        ("https://shop.example/a", "https://www.shop.example/b"),
        ("https://www.shop.example/", "http://shop.example/"),
        ("https://shop.example/a", "https://blog.shop.example/b"),
        ("https://blog.shop.example/", "http://shop.example/"),
        ("http://localhost:5173/", "http://localhost:8000/"),
        ("https://shop.example/a", "https://pay.own.example/b"),
    ],
)
def test_own_pages_refer_to_nothing(url: str, referrer: str) -> None:
    rules = PageRules(own_domains=("own.example",))
    assert "$referring_domain" not in read_page(url, referrer, rules).properties


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Shop.Example:443/a", "shop.example"),
        ("https://www.shop.example/", "www.shop.example"),
        ("http://localhost:5173/", "localhost:5173"),
        ("https://shop.example.:8443/", "shop.example:8443"),
        ("http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_host(url: str, host: str) -> None:
    assert read_page(url, "").properties == {"$host": host}


def test_referrers_of_apps() -> None:
    page = read_page("https://shop.example/", "android-app://com.Google.android.gm/")
    assert page.properties["$referring_domain"] == "com.google.android.gm"


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("ref=hn", "hn"),
        ("source=hn", "hn"),
        ("ref=a&source=b", "b"),
        ("ref=a&utm_source=c&source=b", "c"),
        ("ref=", ""),
    ],
)
def test_sources(query: str, source: str) -> None:
    assert read_page(f"https://shop.example/?{query}", "").properties.get("utm_source", "") == source


def test_a_click_that_someone_paid_counts_before_facebook_s() -> None:
    page = read_page("https://shop.example/?fbclid=1&gclid=2", "")
    assert page.properties["$ad_click"] == "gclid"


@pytest.mark.parametrize(
    "url", ["", "not a url", "ftp://a/b", "file:///etc/passwd", "http://[::1", "//x/y", f"https://a/{'x' * URL_MAX}"]
)
def test_what_is_no_page(url: str) -> None:
    assert read_page(url, "") is NOTHING
    assert read_page("", url) is NOTHING


def test_odd_pages() -> None:
    assert read_page("https://shop.example", "").path == "/"
    assert read_page(f"https://shop.example/{'x' * 2048}", "").path is None
    assert read_page("https://a.example/?utm_source=a%00b", "").properties["utm_source"] == "a\ufffdb"
    long = read_page(f"https://a.example/?utm_source={'x' * 300}", "").properties["utm_source"]
    assert len(long) == VALUE_MAX
    many = "&".join(f"p{number}=1" for number in range(200))
    assert read_page(f"https://a.example/p?utm_source=x&{many}", "").properties == {"$host": "a.example"}


@given(st.text(), st.text())
def test_any_page_is_taken(url: str, referrer: str) -> None:
    read_page(f"https://{url}", f"http://{referrer}").encoded.decode("utf-8")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/#utm_source=news&utm_medium=mail", {"utm_source": "news", "utm_medium": "mail"}),
        ("https://a.example/#/offers?utm_source=news", {"utm_source": "news"}),
        ("https://a.example/#!/offers?x=1&gclid=abc", {"$ad_click": "gclid"}),
        ("https://a.example/?utm_source=query#utm_source=hash&utm_term=t", {"utm_source": "query", "utm_term": "t"}),
        ("https://a.example/#section", {}),
    ],
)
def test_tags_behind_the_hash(url: str, expected: dict[str, str]) -> None:
    assert read_page(url, "").properties.items() >= expected.items()
    assert bool(expected) is bool({"utm_source", "$ad_click"} & set(read_page(url, "").properties))


# --- address --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", [b"198.51.100.1"], "203.0.113.9"),  # anybody can send the header
        ("10.0.0.2", [b"198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", [b"1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client's own invention stands before
        ("10.0.0.2", [b"1.1.1.1, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
        ("10.0.0.2", [b"1.1.1.1", b"198.51.100.1,10.0.0.7"], "198.51.100.1"),  # two headers are one list
        ("10.0.0.2", [b"198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.2", [b"[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.2", [b"1.1.1.1, unknown"], None),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", [b"10.0.0.3"], "10.0.0.3"),
        ("::ffff:10.0.0.2", [b"198.51.100.1"], "198.51.100.1"),
        ("fd00::1", [b"198.51.100.1"], "198.51.100.1"),
        ("", [b"198.51.100.1"], None),
    ],
)
def test_client_behind_proxies(peer: str, forwarded: list[bytes], client: str | None) -> None:
    clients = Clients(parse_networks("10.0.0.0/8, fd00::/8", "SETTING"))
    found = clients.address(peer, tuple(forwarded))
    assert (str(found) if found else None) == client


def test_no_proxy_is_trusted_by_default() -> None:
    clients = Clients(parse_networks("", "SETTING"))
    assert str(clients.address("127.0.0.1", (b"198.51.100.1",))) == "127.0.0.1"


def test_networks_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"TALLYSTICK_TRUSTED_PROXIES: '10.0.0.256'"):
        parse_networks("10.0.0.1 10.0.0.256", "TALLYSTICK_TRUSTED_PROXIES")


def test_parts_of_addresses() -> None:
    assert truncated(ip_address("203.0.113.9")) == "203.0.113.0"
    assert truncated(ip_address("2001:db8:1:2:3::4")) == "2001:db8:1::"
    assert household(ip_address("203.0.113.9")) == "203.0.113.9"
    assert household(ip_address("2001:db8:1:2:3::4")) == "2001:db8:1:2::"
    assert parse_address("fe80::1%eth0") == ip_address("fe80::1")


# --- country --------------------------------------------------------------------------------------------------------

RECORDS: dict[str, dict[str, Any]] = {
    "198.51.100.0/24": {"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "US"}},
    "203.0.113.0/24": {"country_code": "fr"},
    "192.0.2.0/25": {"country": "JP"},
    "192.0.2.128/25": {"country": {"names": {"en": "Nowhere"}}},
    "2001:db8::/32": {"country": {"iso_code": "SE"}},
}


def test_country(tmp_path: Path) -> None:
    file = tmp_path / "country.mmdb"
    write_country_file(file, RECORDS)
    countries = Countries(file)
    asked = ["198.51.100.7", "203.0.113.1", "192.0.2.1", "192.0.2.129", "2001:db8::1", "8.8.8.8", "2001:db9::1"]
    assert [countries.country(ip_address(one)) for one in asked] == ["DE", "FR", "JP", None, "SE", None, None]


def test_country_file_is_read_anew(tmp_path: Path) -> None:
    """A replaced file is taken, a broken one is not, and what was known stays meanwhile."""
    file = tmp_path / "country.mmdb"
    write_country_file(file, RECORDS)
    countries = Countries(file, look_every=0.0)
    address = ip_address("198.51.100.7")
    assert countries.country(address) == "DE"
    file.write_bytes(b"broken")
    os.utime(file, ns=(1, 1))
    for _ in range(20):
        assert countries.country(address) == "DE"
        time.sleep(0.005)
    write_country_file(tmp_path / "new", {"198.51.100.0/24": {"country": {"iso_code": "AT"}}})
    os.replace(tmp_path / "new", file)
    deadline = time.monotonic() + 60
    while countries.country(address) != "AT" and time.monotonic() < deadline:
        time.sleep(0.005)
    assert countries.country(address) == "AT"


@pytest.mark.parametrize(("content", "word"), [(None, "No such file"), (b"PK\x03\x04", "no file in MaxMind's format")])
def test_country_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, word: str) -> None:
    file = tmp_path / "country.mmdb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"TALLYSTICK_ENRICH_COUNTRY_FILE: .*country\.mmdb .*{word}"):
        Countries(file)
