"""Facts from a page's address and its referrer: path, referring domain, campaign tags, a click on an ad. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from tallystick.ingest.text import clean_text
from tallystick.model.event import PATH_MAX

URL_NAMES = ("$current_url", "url")
REFERRER_NAMES = ("$referrer", "referrer")
"""Properties in which clients send both: PostHog's SDK and Tallystick's snippet, and other trackers."""

CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
AD_CLICKS = ("gclid", "gbraid", "wbraid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "yclid")
"""Parameters that ad networks add to the address of a page that was reached by a click on an ad of theirs."""

CACHED = 4096
"""Most pairs of URL and referrer whose facts are kept."""
URL_MAX = 4096
"""Characters of a URL; nothing is read from a longer one."""
VALUE_MAX = 200
"""Characters that are kept of a campaign tag."""
PARAMETERS_MAX = 100
"""Parameters of a URL; nothing is read from the query of one with more."""


class Page(NamedTuple):
    """The facts of a page.

    Attributes:
        path: for the event's field; None when the URL has none that fits.
        properties: `$referring_domain`, `utm_…`, `$ad_click`; only those that are there.
        encoded: the properties as JSON without the braces.
    """

    path: str | None
    properties: dict[str, str]
    encoded: bytes


NOTHING = Page(None, {}, b"")


@lru_cache(CACHED)
def read_page(url: str, referrer: str) -> Page:
    """The facts of a URL and a referrer, of which either may be empty or nonsense. The result must not be changed."""
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
    """Of a parameter that stands there twice the first counts, as in a browser's `URLSearchParams.get`."""
    if not query:
        return {}
    try:
        given = parse_qsl(query, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return {}
    values = dict(reversed(given))
    found = {name: clean_text(values[name])[:VALUE_MAX] for name in CAMPAIGN if name in values}
    if click := next((name for name in AD_CLICKS if name in values), None):
        found["$ad_click"] = click  # not its value, which names the single click and with it a person
    return found
