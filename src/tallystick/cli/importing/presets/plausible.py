"""Plausible: the table events_v2 of its ClickHouse. Its CSV export holds daily sums, which are no events."""

from __future__ import annotations

from collections.abc import Sequence

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
    put_campaign,
    rest,
    system,
    text,
    utc,
)
from tallystick.ingest.enrich.page import CAMPAIGN

_USED = (
    *CAMPAIGN,
    *("name", "timestamp", "user_id", "session_id", "hostname", "pathname", "referrer"),
    *("country_code", "subdivision1_code", "subdivision2_code", "browser", "browser_version"),
    *("operating_system", "operating_system_version", "screen_size", "meta.key", "meta.value", "meta"),
    *("sign", "ip", "transferred_from"),
)


def _event(row: Row) -> Imported:
    name, path, host = text(row.get("name")), text(row.get("pathname")), text(row.get("hostname"))
    referrer = text(row.get("referrer"))
    event = Imported(
        name=PAGE_VIEW if name == "pageview" else name,
        timestamp=utc(row.get("timestamp")),
        user_id=text(row.get("user_id")),
        session_id=text(row.get("session_id")),
        path=path,
    )
    put_campaign(event, row)
    # Plausible stores referrers without their scheme.
    event.put_page(
        f"https://{host}{path or '/'}" if host else None,
        referrer if not referrer or "://" in referrer else f"https://{referrer}",
    )
    event.put("$browser", browser(row.get("browser")))
    event.put("$browser_version", major(row.get("browser_version")))
    event.put("$os", system(row.get("operating_system")))
    event.put("$device_type", device(row.get("screen_size")))
    event.put(COUNTRY, country(row.get("country_code")))
    event.put("$geoip_subdivision_1_code", (text(row.get("subdivision1_code")) or "").strip("\0"))
    for key, value in _custom_properties(row):
        event.put(key, value)
    for key, value in rest(row, _USED).items():
        if value not in ("0", 0, "\\N"):  # ClickHouse has no empty cell: a number that was not set is 0
            event.put(key, value)
    return event


def _custom_properties(row: Row) -> Sequence[tuple[str, object]]:
    if row.get("meta"):
        return list(members(row["meta"]).items())
    keys, values = _array(row.get("meta.key")), _array(row.get("meta.value"))
    if len(keys) != len(values):
        raise ValueError(f"meta.key has {len(keys)} values and meta.value {len(values)}")
    return [(str(key), value) for key, value in zip(keys, values, strict=True)]


def _array(value: object) -> list[object]:
    """An array, as JSON has it or as ClickHouse writes it into CSV: `['plan','it\\'s']`."""
    if isinstance(value, list):
        return value
    written = text(value)
    if not written:
        return []
    if not (written.startswith("[") and written.endswith("]")):
        raise ValueError(f"{written[:64]!r} is no array")
    found: list[object] = []
    index, end = 1, len(written) - 1
    while index < end:
        if written[index] != "'":
            raise ValueError(f"{written[:64]!r} is no array of texts")
        index += 1
        characters: list[str] = []
        while index < end and written[index] != "'":
            if written[index] == "\\":
                index += 1
                characters.append(_ESCAPES.get(written[index], written[index]))
            else:
                characters.append(written[index])
            index += 1
        found.append("".join(characters))
        index += 1
        if index < end and written[index] == ",":
            index += 1
    return found


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "", "b": "\b", "f": "\f"}


def _refuse(columns: Sequence[str]) -> str | None:
    if "visitors" in columns and "date" in columns:
        return (
            "this is a table of Plausible's CSV export: daily sums (visitors, pageviews), from which no event can be "
            "made again. Export the events of a self-hosted Plausible from its ClickHouse instead: SELECT * FROM "
            "plausible_events_db.events_v2 FORMAT JSONEachRow"
        )
    return None


PLAUSIBLE = Preset(
    name="plausible",
    title="Plausible",
    reads="events_v2 of its ClickHouse, as JSONEachRow, CSVWithNames or Parquet",
    columns=("name", "timestamp", "user_id", "pathname"),
    event=_event,
    refuse=_refuse,
    site_column="site_id",
)
