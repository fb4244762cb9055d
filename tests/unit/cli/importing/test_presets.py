"""Ready mappings, row by row: what the end-to-end imports of tests/outside/imports do not show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tallystick.cli.importing.presets import PRESETS, Imported
from tallystick.cli.importing.presets.base import Row, country, device, members, system, utc
from tallystick.errors import InvalidRequest
from tallystick.ingest.enrich.page import RULES


def only(name: str, row: Row) -> Imported:
    preset = PRESETS[name]
    rows = list(preset.rows(row)) if preset.rows else [row]
    assert len(rows) == 1
    event = preset.event(rows[0])
    event.finish(RULES)
    return event


def visit(*actions: dict[str, object], **members: object) -> dict[str, object]:
    return {"idSite": "1", "idVisit": "5", "visitorId": "v", "actionDetails": list(actions), **members}


def action(at: int, **members: object) -> dict[str, object]:
    return {"type": "action", "url": "https://a.example/", "pageId": str(at), "timestamp": at, **members}


def matomo(row: Row) -> list[Imported]:
    preset = PRESETS["matomo"]
    assert preset.rows is not None
    return [preset.event(found) for found in preset.rows(row)]


def test_every_preset_refuses_a_file_that_is_not_its_export() -> None:
    for preset in PRESETS.values():
        with pytest.raises(InvalidRequest, match="this is no "):
            preset.check(["a", "b"])


def test_sums_of_plausible_are_refused_with_the_way_to_its_events() -> None:
    with pytest.raises(InvalidRequest, match=r"daily sums.*events_v2 FORMAT JSONEachRow"):
        PRESETS["plausible"].check(["date", "visitors", "pageviews"])


@pytest.mark.parametrize("text", ["['a','b\\'c','d,e']", ["a", "b'c", "d,e"]])
def test_arrays_of_plausible(text: object) -> None:
    row = {"name": "x", "timestamp": "2026-01-15 09:00:00", "meta.key": text, "meta.value": ["1", "2", "3"]}
    assert only("plausible", row).properties == {"a": "1", "b'c": "2", "d,e": "3"}


@pytest.mark.parametrize("text", ["['a'", "[1]", "['a','b']"])
def test_arrays_of_plausible_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no array|has 2 values"):
        only("plausible", {"name": "x", "meta.key": text, "meta.value": "['1']"})


@pytest.mark.parametrize("version", ["3Path", "12Path"])
def test_a_newer_goatcounter_export_is_refused(version: str) -> None:
    with pytest.raises(InvalidRequest, match="has version"):
        PRESETS["goatcounter"].check([version, "Title", "Event", "Session", "Date"])


def test_version_1_of_goatcounter_has_the_user_agent() -> None:
    event = only(
        "goatcounter",
        {"1Path": "/a", "Event": "false", "Session": "s", "Date": "2026-01-15T09:00:00Z", "Browser": "Mozilla/5.0 x"},
    )
    assert (event.path, event.properties) == ("/a", {"$raw_user_agent": "Mozilla/5.0 x"})


@pytest.mark.parametrize(
    ("referrer", "scheme", "expected"),
    [
        ("example.org/a", "h", {"$referrer": "https://example.org/a", "$referring_domain": "example.org"}),
        ("newsletter-5", "c", {"utm_source": "newsletter-5"}),
        ("Google", "g", {"$referring_domain": "google.com", "referrer_name": "Google"}),
        ("Some aggregator", "g", {"referrer_name": "Some aggregator"}),
    ],
)
def test_referrers_of_goatcounter(referrer: str, scheme: str, expected: dict[str, object]) -> None:
    row = {"2Path": "/", "Event": "false", "Date": "2026-01-15T09:00:00Z", "Referrer": referrer}
    assert only("goatcounter", {**row, "Referrer scheme": scheme}).properties == expected


@pytest.mark.parametrize("hours", [-10, -3.5, 0, 1, 5.75, 13])
def test_times_of_matomo_are_corrected_by_the_sites_time_zone(hours: float) -> None:
    shift = int(hours * 3600)
    row = visit(
        action(1768467600 + shift),
        action(1768467660 + shift),
        firstActionTimestamp=1768467600,
        lastActionTimestamp="1768467660",
    )
    assert [event.timestamp for event in matomo(row)] == [1768467600, 1768467660]


def test_times_of_matomo_without_the_visits_first_action() -> None:
    """Matomo lists at most 500 actions of a visit: the others are left out at either end."""
    row = visit(action(1768471737), firstActionTimestamp=1768467600, lastActionTimestamp=1768468137)
    assert [event.timestamp for event in matomo(row)] == [1768468137]


def test_times_of_matomo_that_nothing_corrects() -> None:
    assert [event.timestamp for event in matomo(visit(action(1768467600)))] == [1768467600]
    far = visit(action(1768467600), firstActionTimestamp=1700000000)
    assert [event.timestamp for event in matomo(far)] == [1768467600]


def test_actions_of_matomo_keep_their_ids_in_every_export() -> None:
    first = [event.event_id for event in matomo(visit(action(1), action(2)))]
    assert first == [event.event_id for event in matomo(visit(action(1), action(2), action(3)))[:2]]
    assert len({event.event_id for event in matomo(visit(action(1), action(2), action(3)))}) == 3


def test_a_goal_of_matomo_is_not_the_page_that_reached_it() -> None:
    goal = {"type": "goal", "goalName": "Signed up", "goalId": "1", "goalPageId": "7", "timestamp": 1768467600}
    page, reached = matomo(visit(action(1768467600, pageId="7"), goal))
    assert (page.name, reached.name, reached.properties["goal_name"]) == ("page_view", "goal", "Signed up")
    assert page.event_id != reached.event_id


def test_a_visit_of_matomo_without_actions_has_no_rows() -> None:
    assert matomo(visit()) == []


def mixpanel(**properties: object) -> Imported:
    return only("mixpanel", {"event": "Buy", "properties": {"time": 1768467600, "distinct_id": "u", **properties}})


def test_events_of_mixpanel_are_the_same_when_its_four_values_are() -> None:
    same = mixpanel(**{"$insert_id": "x"}).event_id
    assert same is not None
    assert same == mixpanel(**{"$insert_id": "x", "mp_processing_time_ms": 5}).event_id
    assert same != mixpanel(**{"$insert_id": "x", "distinct_id": "v"}).event_id
    assert same != mixpanel(**{"$insert_id": "x", "time": 1768467601}).event_id
    assert mixpanel().event_id is None  # gets an id from its content


def test_identify_of_mixpanel_joins_the_ids() -> None:
    event = only(
        "mixpanel",
        {"event": "$identify", "properties": {"time": 1, "distinct_id": "d", "$identified_id": "ann", "$anon_id": "a"}},
    )
    assert (event.user_id, event.properties["$anon_distinct_id"]) == ("ann", "a")


def test_properties_of_posthog_may_be_text() -> None:
    row = {"event": "x", "timestamp": "2026-01-15T09:00:00Z", "distinct_id": "u", "properties": '{"amount":1.10}'}
    assert only("posthog", row).properties == {"amount": Decimal("1.10")}
    with pytest.raises(ValueError, match="is no JSON object"):
        only("posthog", {**row, "properties": "{"})


def test_an_answer_of_posthogs_api_has_many_rows() -> None:
    preset = PRESETS["posthog"]
    assert preset.rows is not None
    assert [row["event"] for row in preset.rows({"next": None, "results": [{"event": "a"}, {"event": "b"}]})] == [
        "a",
        "b",
    ]
    assert list(preset.rows({"event": "a"})) == [{"event": "a"}]


def test_sessions_of_ga4_and_amplitude_belong_to_one_visitor() -> None:
    parameters = [{"key": "ga_session_id", "value": {"int_value": "1768467600"}}]
    row = {"event_name": "x", "event_timestamp": "1768467600000000", "event_params": parameters}
    sessions = {only("ga4", {**row, "user_pseudo_id": user}).session_id for user in ("1.2", "3.4")}
    assert len(sessions) == 2
    amplitude = {"event_type": "x", "event_time": "2026-01-15 09:00:00.000000", "session_id": 1768467600123}
    assert len({only("amplitude", {**amplitude, "device_id": device}).session_id for device in ("a", "b")}) == 2
    assert only("amplitude", {**amplitude, "device_id": "a", "session_id": -1}).session_id is None


def test_the_first_visits_campaign_of_ga4_is_no_campaign_of_later_events() -> None:
    event = only(
        "ga4",
        {
            "event_name": "x",
            "event_timestamp": "1",
            "event_params": [],
            "traffic_source": {"source": "google", "medium": "cpc"},
        },
    )
    assert "utm_source" not in event.properties


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-15 09:00:00", "2026-01-15 09:00:00Z"),
        ("2026-01-15T09:00", "2026-01-15T09:00Z"),
        ("2026-01-15 09:00:00.123456", "2026-01-15 09:00:00.123456Z"),
        ("2026-01-15T09:00:00+01:00", "2026-01-15T09:00:00+01:00"),
        ("2026-01-15 09:00:00.123 UTC", "2026-01-15 09:00:00.123 UTC"),
        ("20260115", "20260115"),
        (1768467600, 1768467600),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_times_of_exports_that_are_utc(given: object, expected: object) -> None:
    assert utc(given) == expected


def test_names_of_systems_devices_and_countries() -> None:
    names = ("Windows 10", "Mac OS", "macOS 15", "Android OS", "GNU/Linux", "Haiku", None)
    expected = ["Windows", "Mac OS X", "Mac OS X", "Android", "Linux", "Haiku", None]
    assert [system(name) for name in names] == expected
    assert [device(name) for name in ("laptop", "Smartphone", "Tablet", "Fridge", "")] == [
        "Desktop", "Mobile", "Tablet", "Fridge", None,
    ]  # fmt: skip
    assert [country(code) for code in ("de", "\0\0", "xx", "Germany", "", None)] == ["DE", None, None, None, None, None]


def test_members_of_objects_and_texts() -> None:
    assert members({"a": 1}) == members('{"a":1}') == {"a": 1}
    assert members(None) == members("") == members([1]) == {}
