"""Quotas of event names and property keys (G5): what is refused, what goes on, and what a restart remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.app import open_tallystick
from tallystick.config import MIB, Settings
from tallystick.errors import StoreUnavailable
from tallystick.ingest.decode import decode_native
from tallystick.ingest.names import KnownNames
from tallystick.ingest.normalise import Rejected
from tallystick.model.event import Event
from tallystick.names_file import FILE, Entry

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
WHEN = "2026-05-04T03:00:00Z"


def settings(folder: Path = Path("nowhere"), names: int = 3, keys: int = 0) -> Settings:
    return Settings(
        data=folder,
        quota_site_names=names,
        quota_site_properties=keys,
        disk_reserve_bytes=0,
        store_memory=128 * MIB,
    )


def decoded(known: KnownNames, held: Settings, *events: dict[str, Any]) -> tuple[list[str], list[tuple[int, str]]]:
    """The names of the accepted events, and the rejections by index."""
    found = decode_native(json.dumps(events).encode(), NOW, held, names=known)
    names = [json.loads(line)["name"] for line in found.lines.splitlines()]
    assert len(names) == found.count
    return names, [(one.index, one.code) for one in found.rejected]


def event(name: str, site: str = "shop", **properties: Any) -> dict[str, Any]:
    return {"name": name, "site_id": site, "timestamp": WHEN, "properties": properties}


def test_new_names_beyond_the_quota_are_rejected_and_known_ones_go_on() -> None:
    held = settings()
    known = KnownNames(held)
    sent = [event(name) for name in ("a", "b", "a", "c", "d", "a", "e")]
    assert decoded(known, held, *sent) == (["a", "b", "a", "c", "a"], [(4, "too_many_names"), (6, "too_many_names")])
    assert decoded(known, held, event("d")) == ([], [(0, "too_many_names")])
    assert decoded(known, held, event("c"), event("b")) == (["c", "b"], [])
    assert decoded(known, held, event("d", "blog"), event("a")) == (["d", "a"], []), "each site has its own"
    assert (known.count("name", "shop"), known.count("name", "blog")) == (3, 1)


def test_new_property_keys_beyond_the_quota_are_rejected() -> None:
    held = settings(names=0, keys=2)
    known = KnownNames(held)
    assert decoded(known, held, event("n1", a=1, b={"inner": 1}), event("n2", b=2), event("n3")) == (
        ["n1", "n2", "n3"],
        [],
    )
    assert decoded(known, held, event("n", a=1), event("n", a=1, id_7=1)) == (["n"], [(1, "too_many_properties")])
    assert known.count("key", "shop") == 2
    long = "k" * 70_000
    assert decoded(known, held, event("n", "blog", **{long[:300]: 1, "b": 1}), event("n", "blog")) == (["n", "n"], [])
    assert decoded(known, held, event("n", "blog", **{long[:300]: 1})) == (["n"], [])
    assert decoded(known, held, event("n", "blog", **{long[:301]: 1}))[1] == [(0, "too_many_properties")]


def test_what_is_rejected_for_another_reason_makes_no_name_known() -> None:
    held = settings()
    known = KnownNames(held)
    late = {**event("late"), "timestamp": "no time"}
    assert decoded(known, held, late, event("large", text="x" * 70_000), event("a")) == (
        ["a"],
        [(0, "timestamp_invalid"), (1, "event_too_large")],
    )
    assert known.count("name", "shop") == 1


def test_a_quota_of_nothing_is_none() -> None:
    held = settings(names=0)
    assert not KnownNames(held).counts
    assert decoded(KnownNames(held), held, *(event(f"n{n}") for n in range(50)))[1] == []


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("abcdefg")), min_size=1, max_size=6), max_size=8)
)
def test_batches_are_judged_as_their_events_one_by_one(batches: list[list[tuple[str, str]]]) -> None:
    held = settings()
    fast, slow = KnownNames(held), KnownNames(held)
    for batch in batches:
        _, rejected = decoded(fast, held, *(event(name, site) for site, name in batch))
        expected = []
        for index, (site, name) in enumerate(batch):
            try:
                slow.admit(Event(UUID(int=7), name, NOW, NOW, site, None, None, "", None, msgspec.Raw(b"{}")))
            except Rejected as error:
                expected.append((index, error.code))
        assert rejected == expected
        assert all(fast.count("name", site) == slow.count("name", site) <= 3 for site in "st")


# --- the file -------------------------------------------------------------------------------------------------------


async def test_a_restart_remembers_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    held = settings(tmp_path)
    first = KnownNames(held)
    await first.start(None)
    decoded(first, held, event("a"), event("b"))
    await first.stop()
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'["name","shop","tor')  # a process died here
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    second = KnownNames(held)
    await second.start(None)
    assert decoded(second, held, event("c"), event("d"))[1] == [(1, "too_many_names")]
    await second.stop()
    third = KnownNames(held)
    await third.start(None)
    assert decoded(third, held, event("a"), event("b"), event("c"), event("d"))[1] == [(3, "too_many_names")]
    await third.stop()


async def test_processes_of_one_folder_learn_from_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.ingest.names.SAVE_EVERY", 0.01)
    held = settings(tmp_path)
    one, other = KnownNames(held), KnownNames(held)
    await one.start(None)
    await other.start(None)
    decoded(one, held, event("a"), event("b"), event("c"))
    async with asyncio.timeout(60):
        while other.count("name", "shop") < 3:  # noqa: ASYNC110 - it changes in a task
            await asyncio.sleep(0.01)
    assert decoded(other, held, event("c"), event("d"))[1] == [(1, "too_many_names")]
    await one.stop()
    await other.stop()


async def test_what_the_store_has_goes_on_and_nothing_is_refused_before_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.ingest.names.SAVE_EVERY", 0.01)
    monkeypatch.setattr("tallystick.ingest.names.SEED_AGAIN", 0.05)
    held = settings(tmp_path)
    answers: list[Iterable[Entry] | None] = [None]
    asked = asyncio.Event()

    async def from_store() -> Iterable[Entry] | None:
        if not asked.is_set():
            asked.set()
            raise StoreUnavailable("it is away")
        return answers[0]

    known = KnownNames(held)
    await known.start(from_store)
    assert decoded(known, held, *(event(f"new{n}") for n in range(5)))[1] == []
    answers[0] = [("name", "shop", f"old{n}") for n in range(5)]
    async with asyncio.timeout(60):
        while known.count("name", "shop") < 10:  # noqa: ASYNC110 - it changes in a task
            await asyncio.sleep(0.01)
    assert decoded(known, held, event("old4"), event("new4"), event("more"))[1] == [(2, "too_many_names")]
    await known.stop()
    again = KnownNames(held)
    await again.start(from_store)
    answers[0] = [("name", "shop", "never asked")]
    assert decoded(again, held, event("old0"), event("new0"), event("more"))[1] == [(2, "too_many_names")]
    await again.stop()


# --- every write route ----------------------------------------------------------------------------------------------


async def test_every_write_route_keeps_to_the_quota(tmp_path: Path) -> None:
    """Native requests in part; each dialect as it refuses an event. The file is made again from the store."""
    held = settings(tmp_path, names=2)
    for start in ("first", "again", "without the file"):
        async with open_tallystick(held) as tallystick:
            transport = httpx.ASGITransport(tallystick.asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
                if start == "first":
                    sent = await client.post("/v1/events", json=[{"name": "a"}, {"name": "b"}])
                    assert sent.json()["rejected"] == []
                    await tallystick.drained()
                async with asyncio.timeout(60):
                    while tallystick.names._open:  # noqa: ASYNC110 - it changes in a task
                        await asyncio.sleep(0.01)
                part = await client.post("/v1/events", json=[{"name": "b"}, {"name": "c"}, {"name": "a"}])
                assert (part.status_code, part.json()["accepted"]) == (202, 2)
                assert [(one["index"], one["code"]) for one in part.json()["rejected"]] == [(1, "too_many_names")]
                none_of_them = await client.post("/v1/events", json={"name": "c"})
                assert (none_of_them.status_code, none_of_them.json()["error"]["code"]) == (400, "too_many_names")
                when = {"timestamp": "2025-11-12T19:30:01Z"}
                bulk = {"event_type": "c", "actor_id": "u", "source": "s", **when}
                flux = await client.post("/v1/events/bulk", json={"events": [{**bulk, "event_type": "a"}, bulk]})
                assert (flux.status_code, "event_type" in flux.text) == (422, True)
                for path in ("/api/event", "/event"):
                    one = {"site_id": "default", "event_type": "c", "path": "/", **when}
                    assert (await client.post(path, json=one)).status_code == 400, path
                    assert (await client.post(path, json={**one, "event_type": "a"})).status_code < 300, path
                hog = [{"event_id": name, "event_name": name, "user_id": "u", **when} for name in "ac"]
                assert (await client.post("/events", json={"events": hog})).status_code == 200
                await tallystick.drained()
                dead = await tallystick.store.dead_letters(state=None, limit=10)
                assert {letter.letter.code for letter in dead} == {"too_many_names"}
        if start == "again":
            (tmp_path / FILE).unlink()
