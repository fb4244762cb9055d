"""Facts from a page's URL and its referrer: path, referring domain, campaign tags, ad click. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from tallystick.ingest.text import clean_text
from tallystick.model.event import PATH_MAX

URL_NAMES = ("$current_url", "url")
REFERRER_NAMES = ("$referrer", "referrer")
"""Properties in which clients send URL and referrer: PostHog's SDK, Tallystick's snippet and other trackers."""

CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
AD_CLICKS = ("gclid", "gbraid", "wbraid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "yclid")
"""Parameters that ad networks add to the URL of a page when a visitor clicks their ad."""

CACHED = 4096
"""Most pairs of URL and referrer whose facts are cached."""
URL_MAX = 4096
"""Most characters of a URL; a longer one is ignored."""
VALUE_MAX = 200
"""Most characters of a campaign tag; the rest is cut off."""
PARAMETERS_MAX = 100
"""Most parameters of a URL; the query string of a URL with more is ignored."""


class Page(NamedTuple):
    """The facts of a page.

    Attributes:
        path: for the event's field `path`; None when the URL has none that fits.
        properties: `$referring_domain`, `utm_…`, `$ad_click`, as far as they are known.
        encoded: the properties as JSON without the braces.
    """

    path: str | None
    properties: dict[str, str]
    encoded: bytes


NOTHING = Page(None, {}, b"")


@lru_cache(CACHED)
def read_page(url: str, referrer: str) -> Page:
    """The facts of a URL and a referrer. Either may be empty or invalid. The result is cached: do not change it."""
    page, before = _split(url), _split(referrer)
    properties: dict[str, str] = {}
    if before and _site(before) and not (page and _site(page) == _site(before)):
        properties["$referring_domain"] = clean_text(before.hostname or "")
    if page:
        properties |= _campaign(page.query)
    path = clean_text(page.path or "/") if page else None
    if path and len(path) > PATH_MAX:
        path = None
    return Page(path, properties, msgspec.json.encode(properties)[1:-1]) if path or properties else NOTHING


def _split(url: str) -> SplitResult | None:
    """The parts of a web address; None for anything else."""
    if len(url) > URL_MAX:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def _site(parts: SplitResult) -> str:
    return (parts.hostname or "").removeprefix("www.")


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
    if click := next((name for name in AD_CLICKS if name in values), None):
        found["$ad_click"] = click  # not its value, which identifies a single click and so a person
    return found
