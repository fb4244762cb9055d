"""Numbers without bots: every kind of query answers as if their events were not there, on every store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.query import Query
from tallystick.store import Store, make_store, migrations
from tests.helpers.old_schema import load_without_bots
from tests.helpers.query_steps import NOON, ask, has_rollups, make_event, numbers, put
from tests.helpers.thorough import some

QUERY: TypeAdapter[Query] = TypeAdapter(Query)
STEPS = [{"name": "view"}, {"name": "buy"}]
RANGE = {"since": (NOON - timedelta(days=7)).isoformat(), "until": (NOON + timedelta(days=1)).isoformat()}
QUESTIONS: list[dict[str, Any]] = [
    {"kind": "metrics", "metrics": [{"kind": kind} for kind in ("events", "users", "sessions")]},
    {"kind": "metrics", "metrics": [{"kind": "users"}], "interval": "day", **RANGE},
    {"kind": "metrics", "breakdown": ["name"], "top": 1, "other": True, **RANGE},
    {"kind": "metrics", "breakdown": ["path"], "filter": {"field": "name", "op": "=", "value": "view"}},
    {"kind": "metrics", "metrics": [{"kind": "events"}], "interval": "day", "compare": "previous", **RANGE},
    {"kind": "sessions", "page_names": ["view"], **RANGE},
    {"kind": "sessions", "page_names": ["view"], "breakdown": ["entry_page"], "compare": "previous", **RANGE},
    {"kind": "paths", "page_names": ["view"], **RANGE},
    {"kind": "funnel", "steps": STEPS, **RANGE},
    {"kind": "funnel_users", "steps": STEPS, "step": 1, "outcome": "reached", **RANGE},
    {"kind": "retention", "interval": "day", "periods": 3, **RANGE},
    {"kind": "lifecycle", "interval": "day", **RANGE},
    {"kind": "stickiness", "interval": "day", **RANGE},
    {"kind": "active_users", **RANGE},
    {"kind": "people"},
    {"kind": "events"},
    {"kind": "keys"},
    {"kind": "values", "field": "path"},
]


def visit(site: str, user: str, hour: float, bot: Any = None) -> list[Event]:
    """Two views and a purchase. `bot`: the value of `$bot`; None: it has none."""
    marked = {} if bot is None else {"$bot": bot}
    at = NOON + timedelta(hours=hour)
    return [
        make_event(
            40_000_000 + next(numbers),
            site,
            name=name,
            user_id=user,
            path=path,
            timestamp=at + timedelta(minutes=minute),
            properties={**marked, "n": minute},
        )
        for minute, (name, path) in enumerate([("view", "/a"), ("view", "/b"), ("buy", None)])
    ]


def humans(site: str) -> list[Event]:
    """`$bot` of another value than true is no bot's."""
    return [
        *(
            event
            for day in range(3)
            for later, user in enumerate(("ann", "bob"))
            for event in visit(site, user, later / 10 - 24 * day)
        ),
        *visit(site, "eve", 1, bot=False),
        *visit(site, "mia", 2, bot="true"),
    ]


def bots(site: str) -> list[Event]:
    """Users of their own; and one of a user who is also a person, in visits of its own."""
    own = [(user, hour) for user, hour in (("spider", 0), ("spider", -24), ("ann", -12))]
    return [event for user, hour in own for event in visit(site, user, hour, bot=True)]


async def answer(store: Store, site: str, question: dict[str, Any], bots: str | None) -> list[dict[str, Any]]:
    """All rows, without what differs between two sites."""
    rows = await ask(store, QUERY.validate_python({**question, "site_id": site, "bots": bots}))
    return [
        {name: value for name, value in row.items() if name not in ("event_id", "site_id", "received_at")}
        for row in rows
    ]


async def test_answers_without_bots(store: Store) -> None:
    """As the site that has no bots; with them they are another."""
    await put(store, humans("human"))
    await put(store, [*humans("mixed"), *bots("mixed")])
    while await store.maintain():
        pass
    differs, chosen = 0, some(QUESTIONS)
    for question in chosen:
        right = await answer(store, "human", question, None)
        assert await answer(store, "human", question, "exclude") == right, question
        assert await answer(store, "mixed", question, "exclude") == right, question
        everything = await answer(store, "mixed", question, "include")
        assert everything == await answer(store, "mixed", question, None)
        differs += everything != right
    assert differs >= len(chosen) - 2


async def test_a_site_without_bots_pays_nothing(store: Store) -> None:
    """Its numbers still come from the rollups, and after it has the first bot too."""
    await put(store, visit("human", "ann", 0))
    await put(store, bots("mixed"))
    sources = []
    for more in ([], visit("human", "spider", 1, bot=True)):
        if more:
            await put(store, more)
        query = QUERY.validate_python({"kind": "metrics", "site_id": "human", "bots": "exclude"})
        result = await store.run(query)
        sources.append((result.from_rollup, result.rows[0]["events"]))
    assert sources == [(has_rollups(store), 3)] * 2


@pytest.mark.parametrize("text", [b'{ "$bot" : true }', rb'{"\u0024bot":true}', rb'{"a":"\u00e4","$\u0062ot":true}'])
async def test_however_it_is_written(store: Store, text: bytes) -> None:
    events = visit("written", "ann", 0)
    events[1].properties = msgspec.Raw(text)
    await put(store, events)
    assert [row["events"] for row in await answer(store, "written", {"kind": "metrics"}, "exclude")] == [2]
    question = {"kind": "metrics", "site_id": None, "bots": "exclude"}
    assert [row["events"] for row in await ask(store, QUERY.validate_python(question))] == [2]


async def test_bots_of_an_older_store(store_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration finds the sites that have them."""
    schema = {"duckdb": 11, "postgres": 8}
    all_steps = migrations.migrations
    with monkeypatch.context() as before:
        load_without_bots(before)
        before.setattr(migrations, "migrations", lambda name: all_steps(name)[: schema[name]])
        old = make_store(store_settings)
        await old.open()
        await put(old, [*humans("mixed"), *bots("mixed"), *visit("human", "ann", 0)], tidy=False)
        await old.close()
    store = make_store(store_settings)
    await store.open()
    assert [row["events"] for row in await answer(store, "mixed", {"kind": "metrics"}, "exclude")] == [24]
    human = await store.run(QUERY.validate_python({"kind": "metrics", "site_id": "human", "bots": "exclude"}))
    assert human.from_rollup
    assert await store.verify() == []
    await store.close()
