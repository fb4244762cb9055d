"""Umami: the table website_event, as its data export (CSV) or a query of its database gives it."""

from __future__ import annotations

from tallystick.cli.importing.presets.base import (
    COUNTRY,
    PAGE_VIEW,
    Imported,
    Preset,
    Row,
    browser,
    country,
    device,
    put_campaign,
    rest,
    system,
    text,
    utc,
)
from tallystick.ingest.enrich.page import AD_CLICKS, CAMPAIGN

_USED = (
    *CAMPAIGN,
    *AD_CLICKS,
    *("event_id", "event_type", "event_name", "created_at", "session_id", "visit_id", "distinct_id"),
    *("hostname", "url_path", "url_query", "referrer_domain", "referrer_path", "referrer_query", "page_title"),
    *("browser", "os", "device", "country", "region", "subdivision1", "city", "job_id", "created_at_cursor", "ip"),
)


def _event(row: Row) -> Imported:
    path, query = text(row.get("url_path")), text(row.get("url_query"))
    host = text(row.get("hostname"))
    domain = text(row.get("referrer_domain"))
    event = Imported(
        name=text(row.get("event_name")) or PAGE_VIEW,
        event_id=text(row.get("event_id")),
        timestamp=utc(row.get("created_at")),
        user_id=text(row.get("distinct_id")) or text(row.get("session_id")),
        session_id=text(row.get("visit_id")) or text(row.get("session_id")),
        path=path,
    )
    put_campaign(event, row)
    event.put_page(
        f"https://{host or 'localhost'}{path or '/'}" + (f"?{query.lstrip('?')}" if query else ""),
        f"https://{domain}{_rest_of_url(row)}" if domain else None,
        host_known=host is not None,
    )
    event.put("title", text(row.get("page_title")))
    event.put("$browser", browser(row.get("browser")))
    event.put("$os", system(row.get("os")))
    event.put("$device_type", device(row.get("device")))
    event.put(COUNTRY, country(row.get("country")))
    event.put("$geoip_subdivision_1_code", text(row.get("region")) or text(row.get("subdivision1")))
    event.put("$geoip_city_name", text(row.get("city")))
    for name, value in rest(row, _USED).items():
        event.put(name, value)
    return event


def _rest_of_url(row: Row) -> str:
    path, query = text(row.get("referrer_path")) or "/", text(row.get("referrer_query"))
    return path + (f"?{query.lstrip('?')}" if query else "")


UMAMI = Preset(
    name="umami",
    title="Umami",
    reads="website_event, CSV or JSON lines",
    columns=("created_at", "session_id", "url_path"),
    event=_event,
    site_column="website_id",
)
