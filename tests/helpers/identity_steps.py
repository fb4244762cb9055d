"""Steps of the suite of identity: events of few ids, many of which are joined, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.store import Store
from tests.helpers.query_steps import NOON, make_event, numbers
from tests.oracle.identity import KEYS

IDS = ["ann", "bob", "Zoë", "x", "7"]
LONG = "a" * 257
NO_IDS: list[Any] = ["", LONG, 7, 7.5, 0, None, ["x"], {"a": "x"}, True, "Null", " undefined ", "[object Object]"]
PROPERTIES = ["anonymous_id", "anonymousId", "$anon_distinct_id", "alias", "previous_id", "previousId", "other"]
good_links = st.builds(
    lambda key, user, joined: {"name": key[0], "user_id": user, "properties": {key[1]: joined}},
    st.sampled_from([(name, key) for name, keys in KEYS.items() for key in keys]),
    st.sampled_from(IDS),
    st.sampled_from(IDS),
)
odd_links = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*KEYS, "Identify", "click"]),
        "user_id": st.sampled_from([*IDS, "guest", None]),
        "properties": st.dictionaries(
            st.sampled_from(PROPERTIES), st.sampled_from([*IDS * 3, *NO_IDS, LONG[1:]]), min_size=1, max_size=3
        ),
    }
)
links_between = st.one_of(good_links, good_links, good_links, odd_links)


@st.composite
def joining(draw: st.DrawFn, events: st.SearchStrategy[list[Event]], most: int = 8) -> list[Event]:
    """Events of these, from more ids than they have, with some among them that join ids; in any order, some twice."""
    found = [msgspec.structs.replace(event, user_id=draw(st.sampled_from([*IDS, None]))) for event in draw(events)]
    base = next(numbers) * 1000 + 700_000_000
    places = [(event.site_id, event.timestamp) for event in found] or [(f"a{base}", NOON)]
    for index in range(draw(st.integers(2, most))):
        site, at = draw(st.sampled_from(places))
        moved = at + draw(st.sampled_from([-1, 0, 0, 0, 1])) * timedelta(seconds=1)
        found.append(make_event(base + index, site, timestamp=moved, **draw(links_between)))
    return draw(st.permutations([*found, *draw(st.lists(st.sampled_from(found), max_size=3))]))


def unique(events: Sequence[Event]) -> list[Event]:
    """Each event once."""
    return list({(event.site_id, event.event_id): event for event in events}.values())


async def put_in_pieces(store: Store, events: Sequence[Event], size: int, tidy: bool = False) -> None:
    """Store events in their order, so many at a time."""
    number = next(numbers)
    for seq, start in enumerate(range(0, len(events), size)):
        part = list(events[start : start + size])
        await store.write([make_block(f"{number:016x}", seq, encode_lines(part), len(part))])
        while tidy and seq == 0 and await store.maintain():
            pass
