"""Events of visitors for the suites of the analyses: pages in a row, pauses, missing ids, ties; and filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tallystick.model.event import Event
from tallystick.model.query import AllOf, Condition
from tests.helpers.query_steps import MOMENTS, make_event, numbers

MINUTE = timedelta(minutes=1)
PAGES = ["/", "/a", "/b", "/c", "/ü"]
JUST = timedelta(microseconds=1)
PAUSES = [
    timedelta(),
    JUST,
    MINUTE,
    29 * MINUTE,
    30 * MINUTE,
    30 * MINUTE + JUST,
    timedelta(hours=5),
    timedelta(hours=23, minutes=59),
    timedelta(hours=24),
    timedelta(days=2),
]
REFERRERS = [
    None,
    "",
    "$direct",
    "www.google.co.uk",
    "google.com",
    "bing.com",
    "notbing.com",
    "mail.google.com",
    "t.co",
    "m.facebook.com",
    "example.org",
    "search.brave.com",
    "brave.com",
]
TAGS = [None, "", "Email", "newsletter", "cpc", "google", 7]
moments = st.builds(
    lambda base, pause, more: base + pause + more * MINUTE,
    st.sampled_from(MOMENTS),
    st.sampled_from(PAUSES),
    st.sampled_from([-1500, -60, -15, 0, 15, 45, 600]),
)


NO_BOT = Condition(field="properties.$bot", op="!=", value=True)
"""What a query leaves out with `bots: "exclude"`."""
marks = st.sampled_from([None, None, None, True, True, False, "true"])
"""Values of `$bot`: only `true` is a bot's."""


@st.composite
def visits(draw: st.DrawFn, most: int = 30) -> list[Event]:
    """Events of few people and sessions on two sites, in walks with short and long pauses."""
    number = next(numbers)
    events = []
    for walk in range(draw(st.integers(1, 4))):
        at = draw(moments)
        site = f"{draw(st.sampled_from('ab'))}{number}"
        for step in range(draw(st.integers(1, most // 4))):
            at += draw(st.sampled_from(PAUSES))
            events.append(_visited(draw, number * 1000 + walk * 100 + step, site, at))
    return events


def _visited(draw: st.DrawFn, number: int, site: str, at: Any) -> Event:
    given: dict[str, Any] = {
        "$referring_domain": draw(st.sampled_from(REFERRERS)),
        "utm_source": draw(st.sampled_from([*TAGS[:1] * 4, *TAGS])),
        "utm_medium": draw(st.sampled_from([*TAGS[:1] * 4, *TAGS])),
        "$ad_click": draw(st.sampled_from([None, None, None, "gclid"])),
        "$bot": draw(marks),
    }
    return make_event(
        number,
        site,
        timestamp=at,
        name=draw(st.sampled_from(["page_view", "page_view", "$pageview", "click", "ключ", "page_leave"])),
        path=draw(st.sampled_from([None, *PAGES])),
        user_id=draw(st.sampled_from([None, "ann", "ann", "bob"])),
        session_id=draw(st.sampled_from([None, None, "s1", "s2"])),
        source=draw(st.sampled_from(["", "web"])),
        properties={key: value for key, value in given.items() if value is not None},
    )


filters: st.SearchStrategy[Condition | AllOf | None] = st.sampled_from(
    [
        None,
        None,
        NO_BOT,
        AllOf(all=[NO_BOT, Condition(field="path", op="=", value="/a")]),
        Condition(field="path", op="=", value="/a"),
        Condition(field="name", op="!=", value="click"),
        Condition(field="properties.utm_source", op="set"),
        Condition(field="properties.$referring_domain", op="contains", value="google"),
    ]
)


def scopes(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """Each of an example's sites."""
    for site in sorted({event.site_id for event in events}):
        yield {"site_id": site}
