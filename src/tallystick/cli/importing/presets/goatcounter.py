"""GoatCounter: its CSV export of page views, whose first column has the version before its name (`2Path`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tallystick.cli.importing.presets.base import (
    COUNTRY,
    PAGE_VIEW,
    Imported,
    Preset,
    Row,
    browser,
    country,
    major,
    system,
    text,
    utc,
)

_VERSIONS = ("1Path", "2Path")
_VERSIONED = re.compile(r"\d+Path")
_NAME_AND_VERSION = re.compile(r"(?P<name>.+?)(?: (?P<version>\d[\d.]*))?")
_GENERATED = {
    "Google": "google.com",
    "Hacker News": "news.ycombinator.com",
    "Reddit": "reddit.com",
    "Twitter": "twitter.com",
    "Facebook": "facebook.com",
    "Lobsters": "lobste.rs",
    "Lobste.rs": "lobste.rs",
    "Indie Hackers": "indiehackers.com",
    "Telegram Messenger": "t.me",
    "Slashdot": "slashdot.org",
}
"""Sources that GoatCounter writes instead of a referrer → their domain."""


def _event(row: Row) -> Imported:
    given = text(row.get("2Path")) or text(row.get("1Path")) or ""
    own_event = text(row.get("Event")) == "true"
    session = text(row.get("Session"))
    event = Imported(
        name=given if own_event else PAGE_VIEW,
        timestamp=utc(row.get("Date")),
        user_id=session,
        session_id=session,
        path=None if own_event else given or "/",
    )
    _put_referrer(event, text(row.get("Referrer")), text(row.get("Referrer scheme")))
    _put_agent(event, text(row.get("Browser")) or "", "1Path" in row)
    event.put("$os", system(row.get("System")))
    if text(row.get("Bot")) not in (None, "0"):
        event.put("$bot", True)
    location = text(row.get("Location")) or ""
    event.put(COUNTRY, country(location[:2]))
    event.put("$geoip_subdivision_1_code", location.partition("-")[2])
    event.put("title", text(row.get("Title")))
    event.put("screen", text(row.get("Screen size")))
    if (first := text(row.get("FirstVisit"))) is not None:
        event.put("first_visit", first in ("true", "1"))
    return event


def _put_referrer(event: Imported, referrer: str | None, scheme: str | None) -> None:
    if not referrer:
        return
    if scheme == "c":
        event.put("utm_source", referrer)
    elif scheme == "g":
        event.put("$referring_domain", _GENERATED.get(referrer))
        event.put("referrer_name", referrer)
    else:
        event.put_page(None, referrer if "://" in referrer or scheme == "o" else f"https://{referrer}")


def _put_agent(event: Imported, given: str, is_user_agent: bool) -> None:
    if is_user_agent:  # version 1 of the export
        event.put("$raw_user_agent", given)
    elif found := _NAME_AND_VERSION.fullmatch(given):
        event.put("$browser", browser(found["name"]))
        event.put("$browser_version", major(found["version"]))


def _refuse(columns: Sequence[str]) -> str | None:
    newer = next((name for name in columns[:1] if _VERSIONED.fullmatch(name) and name not in _VERSIONS), None)
    if newer:
        return f"this GoatCounter export has version {newer.removesuffix('Path')} of the format; 1 and 2 are read"
    if not any(name in columns for name in _VERSIONS):
        return "this is no CSV export of GoatCounter: its first column has to be 1Path or 2Path"
    return None


GOATCOUNTER = Preset(
    name="goatcounter",
    title="GoatCounter",
    reads="its CSV export",
    columns=("Event", "Session", "Date"),
    event=_event,
    refuse=_refuse,
)
