"""`tallystick demo --example`: the dated events that the documents' numbers come from."""

from __future__ import annotations

from uuid import UUID

from tallystick.cli.demo.example import IMPORT_ID, example_events


def test_it_is_small_dated_and_sent_again_counts_nothing_twice() -> None:
    events = example_events()
    assert len(events) == 30
    assert all(event["timestamp"].startswith("2025-06-") for event in events)
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    assert len({UUID(event["event_id"]) for event in events}) == 30
    assert {event.get("site_id") for event in events} == {None}
    assert {event["properties"]["$import"] for event in events} == {IMPORT_ID}
    assert {event["site_id"] for event in example_events("shop")} == {"shop"}
