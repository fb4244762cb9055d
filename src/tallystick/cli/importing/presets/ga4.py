"""Google Analytics 4: the BigQuery export (`events_YYYYMMDD`), as JSON lines or Parquet."""

from __future__ import annotations

from decimal import Decimal

from tallystick.cli.importing.presets.base import (
    Imported,
    Preset,
    Row,
    browser,
    device,
    major,
    members,
    system,
    text,
)

_VALUES = ("string_value", "int_value", "float_value", "double_value")
_PARAMETERS_USED = ("ga_session_id", "page_location", "page_referrer", "page_title")
_KEPT = ("user_first_touch_timestamp", "platform", "stream_id", "event_value_in_usd", "ecommerce", "items")
_CAMPAIGN = {
    "utm_source": "manual_source",
    "utm_medium": "manual_medium",
    "utm_campaign": "manual_campaign_name",
    "utm_term": "manual_term",
    "utm_content": "manual_content",
}


def _event(row: Row) -> Imported:
    name = text(row.get("event_name"))
    parameters = _parameters(row.get("event_params"))
    visitor, session = text(row.get("user_pseudo_id")), text(parameters.get("ga_session_id"))
    event = Imported(
        name=name,
        timestamp=_microseconds(row.get("event_timestamp")),
        user_id=text(row.get("user_id")) or visitor,
        # The id is the second in which the session began, which other visitors can share.
        session_id=f"{visitor or ''}.{session}" if session else None,
        source=(text(row.get("platform")) or "").lower() or None,
    )
    # The campaign of this event; `traffic_source` is that of the visitor's first visit, whenever it was.
    campaign = members(row.get("collected_traffic_source"))
    for tag, key in _CAMPAIGN.items():
        event.put(tag, text(campaign.get(key)))
    event.put_page(text(parameters.get("page_location")), text(parameters.get("page_referrer")))
    if text(campaign.get("gclid")):
        event.put("$ad_click", "gclid")
    event.put("title", text(parameters.get("page_title")))
    _put_device(event, members(row.get("device")))
    geo = members(row.get("geo"))
    event.put("country", text(geo.get("country")))
    event.put("$geoip_subdivision_1_name", text(geo.get("region")))
    event.put("$geoip_city_name", text(geo.get("city")))
    for key, value in parameters.items():
        if key not in _PARAMETERS_USED:
            event.put(key, value)
    event.put("user_properties", _parameters(row.get("user_properties")))
    if event.user_id != visitor:
        event.put("user_pseudo_id", visitor)
    for key in _KEPT:
        event.put(key, _without_empty(row.get(key)))
    return event


def _parameters(value: object) -> dict[str, object]:
    """A repeated record of `key` and `value`, as one object. BigQuery writes integers as text into JSON."""
    found: dict[str, object] = {}
    for entry in value if isinstance(value, list) else ():
        pair = members(entry)
        key, values = text(pair.get("key")), members(pair.get("value"))
        kind = next((kind for kind in _VALUES if values.get(kind) is not None), None)
        if key and kind:
            given = values[kind]
            found[key] = int(given) if kind == "int_value" and isinstance(given, str) else given
    return found


def _microseconds(value: object) -> str | int | Decimal | None:
    written = text(value)
    return int(written) if written and written.isdigit() else written


def _without_empty(value: object) -> object:
    """The value without null members, of which `items` and `ecommerce` are full."""
    if isinstance(value, dict):
        return {key: inner for key, given in value.items() if (inner := _without_empty(given)) not in (None, {}, [])}
    return [_without_empty(entry) for entry in value] if isinstance(value, list) else value


def _put_device(event: Imported, given: dict[str, object]) -> None:
    web = members(given.get("web_info"))
    event.put("$browser", browser(web.get("browser") or given.get("browser")))
    event.put("$browser_version", major(web.get("browser_version") or given.get("browser_version")))
    event.put("$os", system(given.get("operating_system")))
    event.put("$device_type", device(given.get("category")))
    event.put("language", text(given.get("language")))


GA4 = Preset(
    name="ga4",
    title="Google Analytics 4",
    reads="its BigQuery export, JSON lines or Parquet",
    columns=("event_name", "event_timestamp", "event_params"),
    event=_event,
    site_column="stream_id",
)
