"""Times as other systems write them mean one instant on every way in; none becomes the time of arrival unsaid."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick.api.parameters import ScopeParams
from tallystick.cli.importing.columns import Choices, parse_choices
from tallystick.config import Settings
from tallystick.dialects.eventflux import decode_carefully
from tallystick.errors import InvalidRequest
from tallystick.ingest.decode import decode_native
from tallystick.ingest.skew import clock_skew
from tallystick.model.times import read_time
from tallystick.store.duckdb.connection import connect_memory
from tests.helpers.imports import imported

NEW_YEAR = "2024-01-01T11:56:40"
"""1704110200 seconds after 1970, UTC."""

SAME = [
    "1704110200",
    "1704110200.0",
    "1704110200000",
    "1704110200000.0",
    "1704110200000000",
    "1704110200000000000",
    "1.7041102e9",
    "2024-01-01T11:56:40Z",
    "2024-01-01 11:56:40 UTC",
    "2024-01-01 11:56:40UTC",
    "2024-01-01T11:56:40 GMT",
    "2024-01-01 11:56:40 Z",
    "2024-01-01 06:56:40 America/New_York",
    "2024-01-01 12:56:40 +01:00",
    "2024-01-01 12:56:40 +0100",
    "2024-01-01T12:56:40+01",
    "2024-01-01T12:56:40+01:00[Europe/Berlin]",
    "20240101T115640Z",
]
LOCAL = [
    ("2024-01-01 11:56:40", NEW_YEAR),
    ("20240101115640", NEW_YEAR),
    ("20240115", "2024-01-15T00:00:00"),
    ("2024-01-15", "2024-01-15T00:00:00"),
]
UNREADABLE = [
    "soon",
    "20241315",
    "20240231120000",
    "1-1-2024",
    "01/02/2024",
    "2024-01-01 11:56:40 EST",
    "2024-01-0111:56",
    "12:00",
    "1e",
    "nan",
]
ODD = ["1704", "0", "-5", "9999999999999", "1999-12-31T23:59:59Z", "9999-01-01", "12345-01-01T00:00:00Z"]


def over_http(value: object) -> tuple[str | None, dict[str, object]]:
    """The stored time and properties of a native event, or the code of its rejection."""
    body = json.dumps({"name": "n", "timestamp": value}).encode()
    decoded = decode_native(body, datetime.now(UTC), Settings())
    if decoded.rejected:
        return None, {"code": decoded.rejected[0].code}
    event = json.loads(decoded.lines)
    return event["timestamp"], event.get("properties", {})


def instant(text: str) -> datetime:
    found = read_time(text)
    assert found is not None
    return found


def by_import(folder: Path, kind: str, value: str, zone: str = "UTC") -> tuple[str | None, str]:
    """The time that an import sends, or None and the reason of the rejection."""
    path = folder / f"rows.{kind}"
    if kind == "csv":
        path.write_text(f'name,timestamp\nn,"{value}"\n')
    elif kind == "ndjson":
        path.write_text(json.dumps({"name": "n", "timestamp": value}))
    else:
        connection = connect_memory(memory_limit=256 * 1024 * 1024, threads=1)
        quoted = value.replace("'", "''")
        connection.execute(f"COPY (SELECT 'n' AS name, '{quoted}' AS timestamp) TO '{path}' (FORMAT parquet)")
        connection.close()
    found = imported(path, Choices(timezone=zone))
    assert found.counted == 1
    return (found.events[0]["timestamp"], "") if found.events else (None, next(iter(found.rejected.values())))


KINDS = ["csv", "ndjson", "parquet"]


@pytest.mark.parametrize("value", SAME)
def test_one_instant_in_many_forms(tmp_path: Path, value: str) -> None:
    """The text says its zone or counts from 1970, so --timezone does not change it."""
    assert over_http(value) == (f"{NEW_YEAR}Z", {})
    for kind in KINDS:
        sent, reason = by_import(tmp_path, kind, value, "Asia/Tokyo")
        assert sent is not None, reason
        assert instant(sent) == instant(f"{NEW_YEAR}Z"), kind


@pytest.mark.parametrize("value", SAME)
def test_the_rule_is_that_of_queries_and_of_the_clocks_of_clients(value: str) -> None:
    moment = instant(f"{NEW_YEAR}Z")
    scope = ScopeParams(since=value, until=value, timezone="Asia/Tokyo").scope(datetime.now(UTC))
    assert (scope["since"], scope["until"]) == (moment, moment)
    assert clock_skew(value, moment - timedelta(hours=1)) == timedelta(hours=1)


def test_a_range_of_a_query_that_cannot_be_read_is_refused() -> None:
    for value in (*UNREADABLE, "12345-01-01"):
        with pytest.raises(InvalidRequest, match=r"since: .* is not an ISO 8601 instant"):
            ScopeParams(since=value).scope(datetime.now(UTC))


@pytest.mark.parametrize(
    "value", [*(value for value in SAME if value[4] != "-"), 1704110200000000, 1704110200000000000]
)
def test_the_rule_is_that_of_eventflux_for_numbers(value: str | int) -> None:
    """Its own model knows seconds and milliseconds; microseconds were refused, and 20240115 was a day of 1970."""
    body = {"event_type": "a", "actor_id": "u", "source": "s", "timestamp": value}
    [event] = decode_carefully(json.dumps({"events": [body]}).encode(), datetime.now(UTC), Settings())[1]
    assert event.timestamp == instant(f"{NEW_YEAR}Z")


@pytest.mark.parametrize("number", [1704110200, 1704110200.0, 1704110200000, 1704110200000000, 1704110200000000000])
def test_numbers_mean_what_their_texts_mean(number: float) -> None:
    assert over_http(number) == over_http(str(number)) == (f"{NEW_YEAR}Z", {})


@pytest.mark.parametrize(("value", "moment"), LOCAL)
def test_a_time_without_a_zone_is_of_the_zone_that_is_named(tmp_path: Path, value: str, moment: str) -> None:
    assert over_http(value) == (f"{moment}Z", {})
    for kind in KINDS:
        sent, reason = by_import(tmp_path, kind, value, "Asia/Tokyo")
        assert sent is not None, reason
        assert instant(sent) == instant(f"{moment}Z") - timedelta(hours=9), kind


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_cannot_be_read_is_rejected_everywhere(tmp_path: Path, value: str) -> None:
    assert over_http(value) == (None, {"code": "timestamp_invalid"})
    for kind in KINDS:
        sent, reason = by_import(tmp_path, kind, value)
        assert sent is None
        assert "is no ISO 8601" in reason


@pytest.mark.parametrize("value", ODD)
def test_an_odd_time_is_kept_beside_the_arrival_over_http_and_rejected_by_an_import(tmp_path: Path, value: str) -> None:
    """G9 is for broken clocks; a file's rows are of the past, and would all move to today."""
    assert over_http(value)[1] == {"$timestamp": value}
    for kind in KINDS:
        sent, reason = by_import(tmp_path, kind, value)
        assert sent is None
        assert "times are from 2000-01-01" in reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("local", "moment"),
    [
        ("2024-11-03 01:30:00", "2024-11-03T05:30:00Z"),  # twice: the first, still daylight saving time
        ("2024-03-10 02:30:00", "2024-03-10T07:30:00Z"),  # skipped: the offset before the change
    ],
)
def test_a_local_time_at_the_change_of_the_clocks(tmp_path: Path, kind: str, local: str, moment: str) -> None:
    sent, reason = by_import(tmp_path, kind, local, "America/New_York")
    assert sent is not None, reason
    assert instant(sent) == instant(moment)


def test_a_typed_parquet_time_at_the_change_of_the_clocks(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    connection = connect_memory(memory_limit=256 * 1024 * 1024, threads=1)
    connection.execute(
        f"""COPY (SELECT 'n' AS name, t AS timestamp, t AS p FROM (SELECT TIMESTAMP '2024-11-03 01:30:00' AS t))
        TO '{path}' (FORMAT parquet)"""
    )
    connection.close()
    [event] = imported(path, Choices(timezone="America/New_York")).events
    assert event["timestamp"] == event["properties"]["p"] == "2024-11-03T05:30:00.000000Z"


def test_a_time_that_is_not_where_it_is_expected_is_not_the_time_of_the_import(tmp_path: Path) -> None:
    """Mixpanel's export has it in `properties`."""
    path = tmp_path / "export.ndjson"
    path.write_text('{"event":"Signed up","properties":{"time":1704110200,"distinct_id":"u1"}}\n')
    choices = parse_choices(["name=event"], None, None, (), "UTC")
    found = imported(path, choices)
    assert found.events == []
    assert "properties.time looks like a time: add --map timestamp=properties.time" in found.rejected[1]
    [event] = imported(path, choices, odd_times="now").events
    assert "timestamp" not in event

    table = tmp_path / "export.csv"
    table.write_text("name,created_at\na,2024-01-01 10:00:00\n")
    assert "--map timestamp=created_at" in imported(table).rejected[2]
    table.write_text("name,time\na,soon\n")
    assert [event["name"] for event in imported(table).events] == ["a"]


def test_an_odd_local_time_is_not_read_in_another_zone_by_the_server(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,timestamp\na,2000-01-01 05:00:00\n")
    [event] = imported(path, Choices(timezone="Asia/Tokyo"), odd_times="now").events
    assert event["timestamp"] == "1999-12-31T20:00:00Z"


def test_rows_may_be_stored_now_when_that_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,timestamp\na,\nb,1704\nc,2024-01-01\nd,soon\n")
    found = imported(path, odd_times="now")
    assert [(event["name"], event.get("timestamp")) for event in found.events] == [
        ("a", None),
        ("b", "1704"),
        ("c", "2024-01-01T00:00:00Z"),
    ]
    assert list(found.rejected) == [5]
