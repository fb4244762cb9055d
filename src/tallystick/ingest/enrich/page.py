"""Facts from a page's URL and its referrer: path, host, referring domain, campaign tags, ad click. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from tallystick.ingest.enrich.paths import PathRules
from tallystick.ingest.text import clean_text
from tallystick.model.event import PATH_MAX
from tallystick.model.queries.channels import HOST, REFERRER

URL_NAMES = ("$current_url", "url")
REFERRER_NAMES = ("$referrer", "referrer")
"""Properties in which clients send URL and referrer: PostHog's SDK, Tallystick's snippet and other trackers."""

CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
SOURCES = ("utm_source", "source", "ref")
"""Parameters that name the source of a link; the first that is there is `utm_source`."""
AD_CLICKS = ("gclid", "gbraid", "wbraid", "dclid", "msclkid", "ttclid", "twclid", "li_fat_id", "yclid", "fbclid")
"""Parameters that ad networks add to the URL of a page when a visitor clicks their ad. `fbclid` is last, since Facebook
adds it to all links.
"""
APP_SCHEME = "android-app"
"""The scheme of the referrer if an Android app opened the page; its host is the app's package."""
DEFAULT_PORTS = {"http": 80, "https": 443}

CACHED = 4096
"""Most pairs of URL and referrer whose facts are cached."""
URL_MAX = 4096
"""Most characters of a URL; a longer one is ignored."""
VALUE_MAX = 200
"""Most characters of a campaign tag; the rest is cut off."""
PARAMETERS_MAX = 100
"""Most parameters of a URL; the query string of a URL with more is ignored."""


class PageRules(NamedTuple):
    """What settings say about pages.

    Attributes:
        own_domains: further domains of the operator, in lower case and without `www.`; their subdomains are own, too.
        paths: how paths are written.
    """

    own_domains: tuple[str, ...] = ()
    paths: PathRules = PathRules()


class Page(NamedTuple):
    """The facts of a page.

    Attributes:
        path: for the event's field `path`; None when the URL has none that fits.
        properties: `$host`, `$referring_domain`, `utm_…`, `$ad_click`, as far as they are known.
        encoded: the properties as JSON without the braces.
    """

    path: str | None
    properties: dict[str, str]
    encoded: bytes


NOTHING = Page(None, {}, b"")
RULES = PageRules()


@lru_cache(CACHED)
def read_page(url: str, referrer: str, rules: PageRules = RULES) -> Page:
    """The facts of a URL and a referrer. Either may be empty or invalid. The result is cached: do not change it."""
    page, before = _split(url), _split(referrer, APP_SCHEME)
    properties: dict[str, str] = {}
    host = _host(page)
    if page:
        properties[HOST] = clean_text(host + _port(page))
    if before and not _is_own(referring := _host(before), host, rules.own_domains):
        properties[REFERRER] = clean_text(referring)
    if page:
        # Some links have the tags behind the #: `/#utm_source=a`, `/#/offers?utm_source=a`.
        properties |= _campaign(page.fragment.rpartition("?")[2]) | _campaign(page.query)
    path = clean_text(rules.paths.apply(page.path)) if page else None
    if path and len(path) > PATH_MAX:
        path = None
    return Page(path, properties, msgspec.json.encode(properties)[1:-1]) if path or properties else NOTHING


def _split(url: str, *schemes: str) -> SplitResult | None:
    """The parts of a web address, or one of the further schemes; None for anything else."""
    if len(url) > URL_MAX:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in ("http", "https", *schemes) and _host(parts) else None
    except ValueError:
        return None


def _host(parts: SplitResult | None) -> str:
    """The host in lower case, without its port; empty if there is none."""
    host = ((parts and parts.hostname) or "").rstrip(".")
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> str:
    """`:` and the port; empty if it is the scheme's own."""
    try:
        port = parts.port
    except ValueError:
        return ""
    return "" if port is None or port == DEFAULT_PORTS.get(parts.scheme) else f":{port}"


def _is_own(referring: str, host: str, own_domains: tuple[str, ...]) -> bool:
    """Whether a referrer is the page's host, above or below it, or one of the own domains or below one."""
    referring, host = referring.removeprefix("www."), host.removeprefix("www.")
    if host and (_is_below(referring, host) or _is_below(host, referring)):
        return True
    return any(_is_below(referring, domain) for domain in own_domains)


def _is_below(host: str, domain: str) -> bool:
    return f".{host}".endswith(f".{domain}")


def _campaign(query: str) -> dict[str, str]:
    """The campaign tags of a query string. Of a repeated parameter the first counts, as in `URLSearchParams.get`."""
    if not query:
        return {}
    try:
        given = parse_qsl(query, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return {}
    values = dict(reversed(given))
    found = {name: clean_text(values[name])[:VALUE_MAX] for name in CAMPAIGN if name in values}
    if source := next((values[name] for name in SOURCES if name in values), None):
        found[CAMPAIGN[0]] = clean_text(source)[:VALUE_MAX]
    if click := next((name for name in AD_CLICKS if name in values), None):
        found["$ad_click"] = click  # not its value, which identifies a single click and so a person
    return found
