"""Mixpanel: the raw export (`/api/2.0/export`), one JSON object a line: `event` and `properties`."""

from __future__ import annotations

from decimal import Decimal

from tallystick.cli.importing.content_ids import id_of
from tallystick.cli.importing.presets.base import (
    COUNTRY,
    PAGE_VIEW,
    Imported,
    Preset,
    Row,
    browser,
    country,
    major,
    members,
    system,
    text,
)

_PAGE_VIEWS = ("$mp_web_page_view", "Page View", "Page Viewed")
_DIRECT = "$direct"
_USED = (
    *("time", "distinct_id", "$current_url", "$referrer", "$referring_domain", "mp_country_code"),
    *("$browser", "$browser_version", "$os", "$city", "$region", "current_url_path", "ip"),
    *("mp_processing_time_ms", "$mp_api_timestamp_ms"),  # of one delivery: two of the same event would differ
)


def _event(row: Row) -> Imported:
    properties = members(row.get("properties"))
    name = text(row.get("event"))
    time = properties.get("time")
    user = text(properties.get("distinct_id"))
    event = Imported(
        name=PAGE_VIEW if name in _PAGE_VIEWS else name,
        timestamp=time if isinstance(time, int | Decimal | str) else None,
        user_id=user,
        path=text(properties.get("current_url_path")),
    )
    if insert_id := text(properties.get("$insert_id")):
        # Mixpanel's own rule: events are the same when these four are.
        event.event_id = id_of("mixpanel", name, user, text(time), insert_id)
    if name == "$identify":
        event.user_id = text(properties.get("$identified_id")) or user
        event.put("$anon_distinct_id", text(properties.get("$anon_id")))
    for tag in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"):
        event.put(tag, text(properties.get(tag)))
    referrer = text(properties.get("$referrer"))
    event.put_page(text(properties.get("$current_url")), None if referrer == _DIRECT else referrer)
    event.put("$browser", browser(properties.get("$browser")))
    event.put("$browser_version", major(properties.get("$browser_version")))
    event.put("$os", system(properties.get("$os")))
    event.put(COUNTRY, country(properties.get("mp_country_code")))
    event.put("$geoip_city_name", text(properties.get("$city")))
    event.put("$geoip_subdivision_1_name", text(properties.get("$region")))
    for key, value in properties.items():
        if key not in _USED:
            event.put(key, value)
    return event


MIXPANEL = Preset(
    name="mixpanel",
    title="Mixpanel",
    reads="the raw export, JSON lines",
    columns=("event", "properties"),
    event=_event,
    local_epoch=True,  # projects made before 2023 export their time zone's clock
)
