"""Named time ranges: what they mean at any instant in any zone, compared with a clock that is read minute by minute."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.model.queries.ranges import PRESETS, Span, check_range, resolve, start_of

CASES = Path(__file__).parents[3] / "dashboard" / "src" / "scope" / "range_cases.json"
"""Ranges with what the dashboard makes of them; its own tests read them too."""
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
"""Changes at midnight, by half an hour, back over midnight, offsets of 45 minutes, a day that a zone skipped."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.one_of(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),
    # Days on which clocks were changed, in one of the zones.
    st.builds(
        lambda day, minutes: datetime(day[0], day[1], day[2], tzinfo=UTC) + minutes * MINUTE,
        st.sampled_from(
            [
                (2025, 3, 30),
                (2025, 10, 26),
                (2010, 11, 7),
                (2018, 2, 18),
                (2018, 11, 4),
                (2011, 12, 30),
                (2024, 11, 3),
                (2024, 4, 6),
                (2025, 4, 5),
                (2024, 12, 31),
                (2024, 2, 29),
            ]
        ),
        st.integers(-24 * 60, 48 * 60),
    ),
)


@lru_cache(maxsize=10_000)
def first_minute(day: date, zone: ZoneInfo) -> datetime:
    """The first minute whose date in the zone is this day, or a later one where the zone skipped it."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - 16 * HOUR
    while moment.astimezone(zone).date() < day:
        moment += MINUTE
    return moment


def hour_end(now: datetime, zone: ZoneInfo) -> datetime:
    """The next minute at which the clock, going on as it goes now, shows a full hour."""
    offset = now.astimezone(zone).utcoffset()
    assert offset is not None
    shown = (now + offset).replace(second=0, microsecond=0) + MINUTE
    while shown.minute:
        shown += MINUTE
    return shown - offset


def expected(preset: str, zone: ZoneInfo, now: datetime) -> Span:
    """What a preset means, day by day on the calendar."""
    today, end = now.astimezone(zone).date(), hour_end(now, zone)

    def back(to: date) -> datetime:
        return first_minute(to, zone)

    months = [today.replace(day=1)]  # the first days of this month and those before
    while len(months) < 12:
        months.append((months[-1] - DAY).replace(day=1))
    match preset:
        case "24h":
            return Span(end - 24 * HOUR, end)
        case "yesterday":
            before = next(today - n * DAY for n in (1, 2) if back(today - n * DAY) < back(today))
            return Span(back(before), back(today))
        case "week" | "last_week":
            monday = next(day for day in (today - n * DAY for n in range(7)) if day.strftime("%a") == "Mon")
            return Span(back(monday), end) if preset == "week" else Span(back(monday - 7 * DAY), back(monday))
        case "month":
            return Span(back(months[0]), end)
        case "last_month":
            return Span(back(months[1]), back(months[0]))
        case "12mo":
            return Span(back(months[11]), end)
        case "year":
            return Span(back(date(today.year, 1, 1)), end)
        case "all":
            return Span(None, None)
    return Span(back(today - ({"today": 1, "7d": 7, "30d": 30, "90d": 90}[preset] - 1) * DAY), end)


@pytest.mark.parametrize("preset", PRESETS)
@given(zone=zones, now=moments)
def test_a_preset_is_what_a_clock_and_a_calendar_say(preset: str, zone: ZoneInfo, now: datetime) -> None:
    assert resolve(preset, zone, now) == expected(preset, zone, now)


@given(zone=zones, now=moments, first=st.dates(date(1990, 1, 1), date(2037, 12, 31)), days=st.integers(0, 500))
def test_two_days_are_both_included_up_to_now(zone: ZoneInfo, now: datetime, first: date, days: int) -> None:
    last = first + days * DAY
    since = first_minute(first, zone)
    until = max(since, min(first_minute(last + DAY, zone), hour_end(now, zone)))
    assert resolve(f"{first}/{last}", zone, now) == Span(since, until)


@example(zone=ZoneInfo("Pacific/Apia"), now=datetime(2011, 12, 30, 10, tzinfo=UTC), text="yesterday")
@given(zone=zones, now=moments, text=st.sampled_from([preset for preset in PRESETS if preset != "all"]))
def test_every_range_is_forward_and_no_further_than_the_hour(zone: ZoneInfo, now: datetime, text: str) -> None:
    since, until = resolve(text, zone, now)
    assert since is not None
    assert until is not None
    assert since < until <= now + HOUR
    assert (since.tzinfo, until.tzinfo) == (UTC, UTC)


@given(zone=zones, day=st.dates(date(1990, 1, 1), date(2037, 12, 31)))
def test_days_follow_each_other_without_a_gap(zone: ZoneInfo, day: date) -> None:
    """A day ends when the next begins, and has 23 to 25 hours; one that a zone skipped has none."""
    length = start_of(day + DAY, zone) - start_of(day, zone)
    skipped = length == timedelta(0) and zone.key in {"Pacific/Apia", "Pacific/Kiritimati"}
    assert 23 * HOUR <= length <= 25 * HOUR or skipped


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8d",
        "7D",
        " 7d",
        "2026-01-01",
        "2026-01-01/",
        "2026-02-30/2026-03-01",
        "2026-03-02/2026-03-01",
        "today\n",
        "2026-1-1/2026-1-2",
        "0000-01-01/0001-01-01",
        "2026-01-01/2026-01-02/2026-01-03",
        "٢٠٢٦-01-01/2026-01-02",
    ],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        check_range(text)
    with pytest.raises(ValueError, match="range"):
        resolve(text, ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("case", json.loads(CASES.read_text("utf-8")), ids=lambda case: " ".join(case[:3]))
def test_the_dashboard_means_the_same(case: list[str]) -> None:
    """Written down by the dashboard's own rules (dashboard/src/scope/range.ts), whose tests hold them to it too."""
    text, zone, now, since, until = case
    span = resolve(text, ZoneInfo(zone), datetime.fromisoformat(now))
    assert [moment and moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") for moment in span] == [
        since,
        until,
    ]
