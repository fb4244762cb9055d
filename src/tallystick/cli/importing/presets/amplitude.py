"""Amplitude: the Export API's JSON lines, as they come in its zip archive (`.json.gz` files) or unpacked."""

from __future__ import annotations

from tallystick.cli.importing.presets.base import (
    PAGE_VIEW,
    Imported,
    Preset,
    Row,
    browser,
    device,
    major,
    members,
    put_campaign,
    system,
    text,
    utc,
)

_PAGE_VIEWS = ("[Amplitude] Page Viewed", "Page Viewed", "page_view")
_URL = ("[Amplitude] Page Location", "[Amplitude] Page URL", "page_url")
_KEPT = (
    *("platform", "device_family", "device_type", "language", "country", "region", "city", "dma", "carrier"),
    *("device_manufacturer", "device_model", "version_name", "start_version", "library", "amplitude_id"),
    *("group_properties", "groups", "data_type", "paying", "user_properties"),
)


def _event(row: Row) -> Imported:
    name = text(row.get("event_type"))
    own = members(row.get("event_properties"))
    user, device_id = text(row.get("user_id")), text(row.get("device_id"))
    session = text(row.get("session_id"))
    event = Imported(
        name=PAGE_VIEW if name in _PAGE_VIEWS else name,
        event_id=text(row.get("uuid")),
        timestamp=utc(row.get("event_time")),
        user_id=user or device_id or text(row.get("amplitude_id")),
        # A session's id is the time of its start, which other devices can share; -1 means that there is none.
        session_id=f"{device_id or user or ''}-{session}" if session not in (None, "-1") else None,
        source=(text(row.get("platform")) or "").lower() or None,
        path=text(own.get("[Amplitude] Page Path")),
    )
    if name == "$identify" and user:
        event.put("$anon_distinct_id", device_id)
    put_campaign(event, own)
    event.put_page(next(filter(None, (text(own.get(key)) for key in _URL)), None), text(own.get("referrer")))
    event.put("title", text(own.get("[Amplitude] Page Title")))
    _put_device(event, row)
    for key, value in own.items():
        event.put(key, value)
    event.put("device_id", device_id)
    for key in _KEPT:
        event.put(key, row.get(key))
    return event


def _put_device(event: Imported, row: Row) -> None:
    """Amplitude's `os_name` is the browser on the web, and the operating system elsewhere."""
    name, version = row.get("os_name"), row.get("os_version")
    if text(row.get("platform")) == "Web":
        event.put("$browser", browser(name))
        event.put("$browser_version", major(version))
        event.put("$os", system(row.get("device_family")))
        event.put("$device_type", device("desktop") if system(row.get("device_family")) in _DESKTOPS else None)
    else:
        event.put("$os", system(name))
        event.put("$os_version", text(version))


_DESKTOPS = ("Windows", "Mac OS X", "Linux", "Chrome OS")

AMPLITUDE = Preset(
    name="amplitude",
    title="Amplitude",
    reads="the Export API's archive, or its JSON lines",
    columns=("event_type", "event_time"),
    event=_event,
    site_column="app",
)
