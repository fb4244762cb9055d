"""Metrics: rates, rendering, and that each one is really counted somewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

import tallystick
from tallystick.metrics import Metrics, RatedCounter
from tallystick.model.books import LedgerEntry, Totals


class Clock:
    """Seconds that a test moves on."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rated(clock: Clock) -> RatedCounter:
    return RatedCounter(Counter("events", "Events.", registry=None), clock)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    """One number of the rendered text."""
    for family in text_string_to_metric_families(metrics.render().decode()):
        for found in family.samples:
            if found.name == name and found.labels == labels:
                return found.value
    raise AssertionError(f"{name} {labels} is not rendered")


def test_rate_of_a_young_counter_is_over_its_life(rated: RatedCounter, clock: Clock) -> None:
    clock.now += 10
    rated.inc(50)
    assert rated.per_second() == 5


def test_rate_right_after_the_start_is_over_one_second(rated: RatedCounter, clock: Clock) -> None:
    clock.now += 0.001
    rated.inc(50)
    assert rated.per_second() == 50


def test_rate_forgets_what_is_older_than_a_minute(rated: RatedCounter, clock: Clock) -> None:
    rated.inc(6_000)
    clock.now += 59
    rated.inc(60)
    assert rated.per_second() == pytest.approx(6_060 / 59)
    clock.now += 1
    assert rated.per_second() == 1
    clock.now += 600
    assert rated.per_second() == 0


def test_rate_reuses_a_slot_of_the_minute_before(rated: RatedCounter, clock: Clock) -> None:
    rated.inc(7)
    clock.now += 60
    rated.inc(120)
    assert rated.per_second() == 2


def test_rated_counter_counts_for_prometheus_too() -> None:
    metrics = Metrics()
    metrics.events_accepted.inc(3)
    metrics.events_accepted.inc()
    assert sample(metrics, "tallystick_events_accepted_total") == 4


def test_loaded_counts_every_column() -> None:
    metrics = Metrics()
    entry = LedgerEntry("0" * 16, 0, 10, stored=5, duplicates=3, conflicts=1, dead=2, loaded_at=datetime.now(UTC))
    metrics.loaded([entry, entry], skipped=4)
    names = ("events_stored", "events_duplicate", "events_conflict", "events_dead", "blocks_stored", "blocks_skipped")
    assert [sample(metrics, f"tallystick_{name}_total") for name in names] == [10, 6, 2, 4, 2, 4]


def test_books_are_rendered_with_what_is_missing() -> None:
    metrics = Metrics()
    metrics.set_books(Totals(accepted=10, stored=4, duplicates=3, conflicts=1, dead=1, queued=1))
    assert sample(metrics, "tallystick_ledger_events", column="stored") == 4
    assert sample(metrics, "tallystick_ledger_events", column="missing") == 1
    metrics.set_books(None)
    assert str(sample(metrics, "tallystick_ledger_events", column="stored")) == "nan"


def test_two_metrics_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.events_accepted.inc()
    assert sample(other, "tallystick_events_accepted_total") == 0


def test_every_metric_has_a_prefix_a_unit_and_a_sentence() -> None:
    for name, kind, meaning in Metrics().catalogue():
        assert re.fullmatch(r"tallystick_[a-z]+(_[a-z]+)*", name), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert meaning.endswith("."), name


def test_every_metric_is_counted_somewhere() -> None:
    """A metric that no code sets shows zero for ever, which is worse than none."""
    package = Path(tallystick.__file__).parent
    sources = [path.read_text("utf-8") for path in package.rglob("*.py")]
    assigned = re.compile(r"self\.(\w+) = (?:Counter|Gauge|Histogram|RatedCounter)\(")
    names = assigned.findall((package / "metrics.py").read_text("utf-8"))
    assert len(names) > 20
    unused = [name for name in names if not any(re.search(rf"\.{name}\b(?! =)", source) for source in sources)]
    assert unused == []


def test_many_values_at_once_are_observed_as_one_by_one() -> None:
    at_once, one_by_one = Metrics(), Metrics()
    values = [0.0001, 0.0005, 0.0006, 0.02, 0.02, 9.0, 11.0]
    at_once.http_seconds.labels("/v1/events").observe_all(values)
    for value in values:
        one_by_one.http_seconds.labels("/v1/events").observe(value)

    def seconds(metrics: Metrics) -> list[str]:
        return [line for line in metrics.render().decode().splitlines() if "http_request_seconds_" in line]

    assert len(seconds(at_once)) > 10
    assert seconds(at_once) == seconds(one_by_one)
