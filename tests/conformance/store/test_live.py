"""Live on every store: each stored event is sent once, the rest is counted, and no listener sees another site."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick.api.live_feed import WAITING_MAX, Listener, Live
from tallystick.config import Settings
from tallystick.errors import QueryTooExpensive, Unavailable
from tallystick.model.block import make_block
from tallystick.model.event import Event, encode_lines
from tallystick.model.query import Query, Result
from tallystick.store import Store, patience
from tests.helpers.query_steps import make_event, numbers, put, put_together

Message = tuple[str, dict[str, Any]]


class Stage:
    """The hub and what its `ready` says."""

    def __init__(self, store: Store, settings: Settings, **changed: int) -> None:
        self.stops: str | None = None
        self.live = Live(store, settings.model_copy(update=changed), lambda: self.stops)


def events_now(site: str, number: int, ago: timedelta = timedelta(seconds=5)) -> list[Event]:
    base = next(numbers) * 1_000_000
    start = datetime.now(UTC) - ago
    return [make_event(base + n, site, name="seen", timestamp=start + timedelta(milliseconds=n)) for n in range(number)]


async def told(listener: Listener, events: int) -> list[Message]:
    """The messages to a listener until it knows of so many events, shown or left out."""
    messages: list[Message] = []
    known = 0
    while known < events:
        for block in (await listener.next()).decode().split("\n\n")[:-1]:
            if block.startswith(":"):
                continue
            kind, data = (line.partition(": ")[2] for line in block.split("\n"))
            messages.append((kind, json.loads(data)))
            known += 1 if kind == "event" else messages[-1][1]["events"]
    return messages


async def test_what_is_stored_is_told_once_in_order(store: Store, settings: Settings) -> None:
    stage = Stage(store, settings, live_events_per_second=40)
    await put(store, events_now("shop", 3))
    async with stage.live.listening("shop") as listener, stage.live.listening(None) as everywhere:
        first, second, blog = events_now("shop", 4), events_now("shop", 2, timedelta(minutes=10)), events_now("blog", 5)
        await store.write([make_block("now", 0, encode_lines([*first, *blog]), len(first) + len(blog))])
        messages = await told(listener, 4)
        assert [data["event_id"] for kind, data in messages if kind == "event"] == [str(e.event_id) for e in first]
        assert {data["site_id"] for _, data in messages} == {"shop"}, "nobody is told of another site"
        await store.write([make_block("late", 0, encode_lines(second), len(second))])  # at once: no look sees one alone
        messages = await told(listener, 2)
        assert [data["event_id"] for kind, data in messages] == [str(e.event_id) for e in second], "late ones too"
        assert len(await told(everywhere, 11)) == 11


async def test_what_is_too_much_is_counted(store: Store, settings: Settings) -> None:
    stage = Stage(store, settings, live_events_per_second=6)
    async with stage.live.listening("shop") as listener:
        await put(store, [*events_now("shop", 50), *events_now("blog", 70)])
        messages = await told(listener, 50)
        shown = [data for kind, data in messages if kind == "event"]
        assert 3 <= len(shown) <= 6, "two blocks, which one look sees together or two looks apart"
        assert sum(data["events"] for kind, data in messages if kind == "left_out") == 50 - len(shown)


async def test_a_slow_listener_keeps_no_memory_busy(store: Store, settings: Settings) -> None:
    listener = Listener("shop")
    for number in range(3):
        listener.put([{"number": number}] * WAITING_MAX, 1)
    piece = (await listener.next()).decode()
    assert piece.count("event: event") == WAITING_MAX
    assert f'event: left_out\ndata: {{"events":{2 * WAITING_MAX + 3}}}' in piece


def lack_memory(store: Store, monkeypatch: pytest.MonkeyPatch, *kinds: str) -> list[str]:
    """The next queries of these kinds find no memory; those that are still to fail are left in the list."""
    left, real = list(kinds), store.run

    async def run(query: Query) -> Result:
        if left and query.kind == left[0]:
            left.pop(0)
            raise QueryTooExpensive
        return await real(query)

    monkeypatch.setattr(store, "run", run)
    return left


async def test_a_stream_begins_when_there_is_memory_again(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answered 422 while other queries held DuckDB's memory."""
    monkeypatch.setattr(patience, "PAUSES", (0.01,) * 3)
    stage = Stage(store, settings)
    await put(store, events_now("shop", 3))
    lacking = lack_memory(store, monkeypatch, "metrics", "events", "metrics")
    async with stage.live.listening("shop") as listener:
        assert not lacking
        new = events_now("shop", 2)
        await put_together(store, new)
        assert [data["event_id"] for _, data in await told(listener, 2)] == [str(event.event_id) for event in new]
    lack_memory(store, monkeypatch, *["metrics"] * 4)
    with pytest.raises(QueryTooExpensive):
        await stage.live.listening("shop").__aenter__()


async def test_a_look_without_memory_loses_no_event(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were counted, but not shown, and neither was said until others came."""
    stage = Stage(store, settings, live_events_per_second=100)
    async with stage.live.listening("shop") as listener:
        lacking = lack_memory(store, monkeypatch, "events", "metrics", "events")
        new = events_now("shop", 4)
        await put_together(store, new)
        assert [data["event_id"] for _, data in await told(listener, 4)] == [str(event.event_id) for event in new]
        assert not lacking


async def test_there_is_room_for_so_many_and_the_end_is_clean(store: Store, settings: Settings) -> None:
    stage = Stage(store, settings, live_listeners=2)
    async with stage.live.listening("shop") as one:
        async with stage.live.listening(None):
            with pytest.raises(Unavailable, match="TALLYSTICK_LIVE_LISTENERS"):
                await stage.live.listening("blog").__aenter__()
        async with stage.live.listening("blog"):
            assert await one.next(0.01) == b": nothing new\n\n"
        stage.stops = "the server is shutting down"
        assert await one.next() == b""
    with pytest.raises(Unavailable, match="shutting down"):
        await stage.live.listening("shop").__aenter__()
