"""The tables of docs/run/sizing.md follow from measured figures; the calculation does what it says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks import sizing
from benchmarks.render import rendered
from benchmarks.sizing import DAY, GB, LAYOUT, Costs, Limit, costs, limits, needs

ROUND = Costs(
    ingest_us=10.0,
    work_us=5.0,
    queue_us=2.0,
    store_us=8.0,
    id_ns=20.0,
    block_bytes=50.0,
    disk_bytes=40.0,
    funnel_s=1.0,
    overview_s=0.3,
    ingest_bytes=200 << 20,
    work_bytes=300 << 20,
)


def test_the_page_has_what_follows_from_the_results() -> None:
    """`python -m benchmarks.sizing` writes it."""
    document = sizing.DOCUMENT.read_text("utf-8")
    assert document == rendered(document, sizing.page(costs()), sizing.BEGIN, sizing.END)


def test_the_calculation_by_hand() -> None:
    """864 million events a day are 10,000 a second, 30,000 at the peak."""
    found = needs(864_000_000, ROUND)
    assert (found.per_second, found.peak) == (10_000, 30_000)
    assert found.ingest == 2  # 30,000 × 10 µs are 0.3 cores, half busy 0.6: one, and one more that may be away
    assert found.workers == 2
    assert found.partitions == 12
    assert found.broker_cores == 3
    assert found.queue_bytes == 10_000 * DAY * 50 * 3
    # Two workers store a batch a second each. An hour has 36 million ids, which at 20 ns are 0.72 s of processor time a
    # batch: more than loading, 30,000 × 8 µs, whatever the window.
    assert found.window_hours == 1
    assert found.shards == 4  # 864 million × 40 bytes × 365 days are 12.6 TB, in fours
    assert found.disk == 864_000_000 * 40 * 365 * 2
    assert found.funnel_s == pytest.approx(1.0 * 30 * 86.4 * 2 / 64)


def test_a_window_that_costs_little_stays_as_it_is() -> None:
    assert needs(1_000_000, ROUND._replace(id_ns=0.01)).window_hours == 48


def test_more_events_never_need_less() -> None:
    for less, more in pairwise(needs(events, ROUND) for events in sizing.SIZES):
        for name in ("ingest", "workers", "partitions", "brokers", "shards", "disk", "cores", "gib"):
            assert getattr(less, name) <= getattr(more, name), name
        assert less.window_hours >= more.window_hours
        assert more.workers <= more.partitions


def test_a_limit_is_where_it_breaks() -> None:
    limit = Limit("a", "b", lambda events: events > 1_234_567)
    assert limit.at() == pytest.approx(1_234_567, rel=0.01)


def test_limits_come_in_their_order() -> None:
    found = limits(ROUND)
    assert [limit.at() for limit in found] == sorted(limit.at() for limit in found)
    disk = next(limit for limit in found if "disk" in limit.what)
    assert disk.at() == pytest.approx(4_000 * GB / 40 / 365, rel=0.02)
    first = sizing.first_limit(1_000_000, found)
    assert first is not None
    assert first.breaks(first.at())
    assert not first.breaks(first.at() * 0.98)
    assert sizing.first_limit(10**15, found) is None


def test_figures_for_people() -> None:
    assert [sizing._count(n) for n in (950, 12_345, 1_000_000, 53_100_000, 10_000_000_000)] == [
        "950",
        "12,000",
        "1 million",
        "53 million",
        "10 billion",
    ]
    assert sizing._bytes(35_400 * 1e9) == "35 TB"
    assert LAYOUT.replicas == 2
