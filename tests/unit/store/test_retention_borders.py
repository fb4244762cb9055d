"""Which days of which site go: pure decisions, compared with what the rules say of each single event (G13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallystick.analysis.buckets import EPOCH, instant_of, micros
from tallystick.store.carried import DayEvents
from tallystick.store.removal import DAY, STEP_EVENTS
from tallystick.store.retention import NO_KEEPING, Borders, RetentionRule, borders_at, may_drop

TODAY = datetime(2026, 3, 1, tzinfo=UTC)
SITES = "abc"
ages = st.one_of(st.none(), st.integers(0, 6))
midnights = ages.map(lambda age: None if age is None else TODAY - timedelta(days=age))
some_borders = st.builds(Borders, midnights, st.dictionaries(st.sampled_from(SITES), midnights))
counts = st.dictionaries(
    st.tuples(st.integers(0, 8), st.sampled_from(SITES)), st.sampled_from([1, 7, STEP_EVENTS // 2, STEP_EVENTS])
)


def stored(found: dict[tuple[int, str], int]) -> list[DayEvents]:
    """Events by day and site, ascending, of the last days before TODAY."""
    days = [(micros(TODAY) - age * DAY, site, events) for (age, site), events in found.items()]
    return [DayEvents(site, day, events) for day, site, events in sorted(days)]


def goes(borders: Borders, one: DayEvents) -> bool:
    """Whether the whole day is before the border of its site."""
    border = borders.of(one.site_id)
    return border is not None and instant_of(one.day + DAY) <= border


@given(some_borders, counts)
def test_steps_cover_what_goes_and_nothing_else(borders: Borders, found: dict[tuple[int, str], int]) -> None:
    days = stored(found)
    steps = borders.steps(days)
    covered = [one for site, (start, end) in steps for one in days if one.site_id == site and start <= one.day < end]
    assert sorted(covered) == sorted(one for one in days if goes(borders, one))
    for site in SITES:
        spans = [span for name, span in steps if name == site]
        assert spans == sorted(spans)
        # All events of the site before a step's end go: a store may delete up to there, the oldest first.
        for _, end in spans:
            assert all(goes(borders, one) for one in days if one.site_id == site and one.day < end)
    for site, (start, end) in steps:
        events = sum(one.events for one in days if one.site_id == site and start <= one.day < end)
        assert events <= STEP_EVENTS or end - start == DAY


@given(some_borders, counts)
def test_a_day_is_dropped_only_when_all_of_its_sites_let_it_go(
    borders: Borders, found: dict[tuple[int, str], int]
) -> None:
    days = stored(found)
    for day in {one.day for one in days}:
        present = [one for one in days if one.day == day]
        names = [one.site_id for one in present]
        going = borders.going(instant_of(day + DAY), names)
        assert going == [one.site_id for one in present if goes(borders, one)]
        assert may_drop(going, names) == all(goes(borders, one) for one in present)
    assert not may_drop([], [])


@given(some_borders)
def test_up_to_where_every_site_goes(borders: Borders) -> None:
    """Of a site without events and without a rule too."""
    each = [borders.of(site) for site in (*borders.sites, "another")]
    known = [border for border in each if border is not None]
    assert borders.everywhere == (min(known) if len(known) == len(each) else None)
    assert borders.latest == max(known, default=None)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.floats(0, 1e9),
    st.one_of(st.none(), st.integers(1, 36_500)),
)
def test_borders_are_midnights(now: datetime, default: float, days: int | None) -> None:
    borders = borders_at(now, default, [RetentionRule("a", days)])
    assert (borders.default is None) == (default == 0)
    assert (borders.of("a") is None) == (days is None)
    for border, limit in ((borders.default, default), (borders.of("a"), days)):
        if border is not None and limit is not None:
            assert (border - EPOCH) % timedelta(days=1) == timedelta()
            assert border <= now
            oldest = now - timedelta(days=min(limit, 36_500))
            assert border == EPOCH or timedelta() <= oldest - border < timedelta(days=1)


def test_a_rule_of_days_and_the_default() -> None:
    now = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
    borders = borders_at(now, 30, [RetentionRule("a", 7), RetentionRule("b", None)])
    assert borders.of("a") == datetime(2026, 3, 3, tzinfo=UTC)
    assert borders.of("b") is None
    assert borders.of("c") == datetime(2026, 2, 8, tzinfo=UTC)
    assert borders_at(now, 0, []) == Borders(None, {})


@given(st.booleans(), st.dictionaries(st.sampled_from(SITES), st.one_of(st.none(), st.booleans())))
def test_whose_rollups_stay(default: bool, said: dict[str, bool | None]) -> None:
    rules = [RetentionRule(site, None, keeps) for site, keeps in said.items()]
    keeping = borders_at(TODAY, 0, rules, default).keeping
    for site in SITES:
        keeps = said.get(site)
        assert keeping.of(site) == (default if keeps is None else keeps)
    assert keeping.any == (default or any(map(keeping.of, SITES)))
    assert borders_at(TODAY, 0, rules).keeping.any == (True in said.values())
    assert borders_at(TODAY, 0, []).keeping == NO_KEEPING
