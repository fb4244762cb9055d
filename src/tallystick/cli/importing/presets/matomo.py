"""Matomo: `Live.getLastVisitsDetails`, as JSON or as the wide CSV that Matomo makes of it. One row is one action."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tallystick.cli.importing.content_ids import id_of
from tallystick.cli.importing.presets.base import (
    COUNTRY,
    PAGE_VIEW,
    Imported,
    Preset,
    Row,
    browser,
    country,
    device,
    major,
    members,
    system,
    text,
)

QUARTER = 900
"""Seconds: every time zone is a multiple of a quarter of an hour from UTC."""
FARTHEST = 14 * 3600
"""Seconds: no time zone is farther from UTC."""

_WIDE = re.compile(r"actionDetails[_ ](\d+)[_ ](\w+)")
_NAMES = {
    "action": PAGE_VIEW,
    "search": "site_search",
    "outlink": "outbound_click",
    "download": "file_download",
    "goal": "goal",
    "ecommerceOrder": "purchase",
    "ecommerceAbandonedCart": "abandoned_cart",
}
_ACTION = {
    "title": ("pageTitle",),
    "search_term": ("siteSearchKeyword",),
    "search_category": ("siteSearchCategory",),
    "search_results": ("siteSearchCount",),
    "event_category": ("eventCategory",),
    "event_name": ("eventName",),
    "event_value": ("eventValue",),
    "goal_name": ("goalName",),
    "goal_id": ("goalId",),
    "order_id": ("orderId",),
    "revenue": ("revenue",),
    "revenue_tax": ("revenueTax",),
    "revenue_shipping": ("revenueShipping",),
    "revenue_discount": ("revenueDiscount",),
    "items": ("itemDetails",),
    "time_spent": ("timeSpent",),
    "pageview_position": ("pageviewPosition",),
}
"""Property → the member of an action that holds it."""
_VISIT = {
    "referrer_type": "referrerType",
    "referrer_name": "referrerName",
    "referrer_keyword": "referrerKeyword",
    "language": "languageCode",
    "screen": "resolution",
    "visit_number": "visitCount",
    "idSite": "idSite",
}
"""Property → the member of a visit that holds it."""
_NUMBERS = ("event_value", "revenue", "revenue_tax", "revenue_shipping", "revenue_discount", "time_spent")


def _rows(visit: Row) -> Iterator[Row]:
    """One row for each action of a visit: the visit's members, the action's under `action`, its time under `at`."""
    actions = [members(action) for action in _actions(visit)]
    shift = _shift(visit, actions)
    whole = {name: value for name, value in visit.items() if name != "actionDetails" and not _WIDE.fullmatch(name)}
    for index, action in enumerate(actions):
        at = _seconds(action.get("timestamp"))
        yield {**whole, "action": action, "at": None if at is None else at + shift, "index": index}


def _actions(visit: Row) -> Iterable[object]:
    given = visit.get("actionDetails")
    if isinstance(given, list):
        return given
    if isinstance(given, dict):
        return given.values()
    wide: dict[int, dict[str, object]] = defaultdict(dict)
    for name, value in visit.items():
        if found := _WIDE.fullmatch(name):
            wide[int(found[1])][found[2]] = value
    return [wide[index] for index in sorted(wide)]


def _shift(visit: Row, actions: list[dict[str, object]]) -> int:
    """Seconds to add to the times of actions.

    Matomo writes an action's `timestamp` as if the site's local time were UTC. The visit's own timestamps are right,
    so the difference is the site's time zone.
    """
    times = [at for action in actions if (at := _seconds(action.get("timestamp"))) is not None]
    first, last = _seconds(visit.get("firstActionTimestamp")), _seconds(visit.get("lastActionTimestamp"))
    differences = []
    if times and first is not None:
        differences.append(first - min(times))
    if times and last is not None:
        differences.append(last - max(times))
    # One of the two is a whole number of quarters even when Matomo left out some of the visit's actions.
    possible = [(abs(value - whole), whole) for value in differences if abs(whole := _quarters(value)) <= FARTHEST]
    return min(possible)[1] if possible else 0


def _quarters(seconds: int) -> int:
    return QUARTER * round(seconds / QUARTER)


def _seconds(value: object) -> int | None:
    written = text(value)
    return int(written) if written and written.isdigit() else None


def _event(row: Row) -> Imported:
    action = members(row.get("action"))
    kind = text(action.get("type")) or "action"
    visit = text(row.get("idVisit"))
    at = row.get("at")
    event = Imported(
        name=text(action.get("eventAction")) if kind == "event" else _NAMES.get(kind, kind),
        event_id=id_of("matomo", text(row.get("idSite")), visit, _identity(action, row)) if visit else None,
        timestamp=at if isinstance(at, int) else None,
        user_id=text(row.get("userId")) or text(row.get("visitorId")),
        session_id=f"matomo-{visit}" if visit else None,
    )
    url, referrer = text(action.get("url")), text(row.get("referrerUrl"))
    if kind in ("outlink", "download"):
        event.put("url", url)
    else:
        event.put_page(url, referrer)
    for name, (member,) in _ACTION.items():
        value = action.get(member)
        event.put(name, _number(value) if name in _NUMBERS else value)
    event.put("$browser", browser(row.get("browserName")))
    event.put("$browser_version", major(row.get("browserVersion")))
    event.put("$os", system(row.get("operatingSystemName") or row.get("operatingSystem")))
    event.put("$device_type", device(row.get("deviceType")))
    event.put(COUNTRY, country(row.get("countryCode")))
    event.put("$geoip_subdivision_1_name", text(row.get("region")))
    event.put("$geoip_city_name", text(row.get("city")))
    for name, member in _VISIT.items():
        event.put(name, row.get(member))
    if text(row.get("userId")):
        event.put("visitor_id", text(row.get("visitorId")))
    return event


def _identity(action: dict[str, object], row: Row) -> str:
    """What tells the action from the visit's others: the id of its row in Matomo; of a goal or order, what it is."""
    kind = text(action.get("type")) or "action"
    own = text(action.get("pageId")) or text(action.get("orderId"))
    if own and kind not in ("goal", "ecommerceAbandonedCart"):
        return own
    return "-".join(
        filter(None, (kind, text(action.get("goalId")), text(action.get("goalPageId")), text(row.get("at"))))
    )


def _number(value: object) -> object:
    """A number that Matomo writes as text (`"4.5"`) as a number."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", value):
        return float(value) if "." in value else int(value)
    return value


MATOMO = Preset(
    name="matomo",
    title="Matomo",
    reads="Live.getLastVisitsDetails, JSON or CSV",
    columns=("idVisit",),
    event=_event,
    rows=_rows,
    site_column="idSite",
)
