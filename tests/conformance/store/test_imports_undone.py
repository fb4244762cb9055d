"""Taking an import back: every number is as if its events had never been stored, and they can be stored again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tallystick.model.block import make_block
from tallystick.model.event import encode_lines
from tallystick.model.queries.users import PersonQuery
from tallystick.store import Store, removal
from tests.helpers.identity_steps import unique
from tests.helpers.query_steps import NOON, make_event, numbers, put
from tests.helpers.removal_steps import IDS, everything, some, tidied
from tests.oracle.identity import answer_person


@pytest.mark.parametrize("tidy", [False, True])
async def test_as_if_it_had_never_been(store: Store, monkeypatch: pytest.MonkeyPatch, tidy: bool) -> None:
    """G4, G10: for events that are materialized and for events that are not; in one step and in several."""
    monkeypatch.setattr(removal, "STEP_EVENTS", 40 if tidy else 10_000)
    if tidy:
        monkeypatch.setattr("tallystick.store.duckdb.upkeep.user_times.PIECE", 50, raising=False)
    own, wrong, other = some(1, 80), some(2, 120, import_id="wrong"), some(3, 40, import_id="other")
    mirrored = [msgspec.structs.replace(event, site_id="mirror") for event in [*own, *other]]
    await put(store, mirrored, tidy=False)
    for part in (own[:40], wrong[:70], other, wrong[70:], own[40:]):
        await put(store, part, tidy=tidy)
        if tidy:
            await tidied(store)
    assert [(one.import_id, one.events) for one in await store.imports("wrong")] == [("wrong", 120)]
    assert await store.undo_import("wrong", "nowhere") == 0
    assert await store.undo_import("wrong", "s") == 120
    assert await store.verify() == []

    async def check() -> None:
        known = unique([*own, *other])
        for user in IDS:
            query = PersonQuery(site_id="s", user_id=user, limit=1000)
            assert (await store.run(query)).rows == [answer_person(query, known)]
        assert await everything(store, "s") == await everything(store, "mirror")
        assert await store.verify() == []

    await check()
    await tidied(store)
    await check()
    assert sum(one.events for one in await store.removals("wrong")) == 120
    assert await store.imports("wrong") == []
    # The same rows again: they are stored, within the dedupe window too.
    number = next(numbers)
    report = await store.write([make_block(f"{number:016x}", 0, encode_lines(wrong), len(wrong))])
    assert (report.entries[0].stored, report.entries[0].duplicates) == (120, 0)
    assert await store.verify() == []
    await tidied(store)
    assert await store.undo_import("wrong") == 120
    await check()


async def test_overlapping_exports_are_no_conflict(store: Store) -> None:
    """G2: which import an event came with is no part of what it says, wherever it stands among the properties."""
    shapes = [
        '{"$import":"%s","a":1.10}',
        '{"$timestamp":"x","$import":"%s"}',
        '{"$import":"%s"}',
        '{"b":2,"$import":"%s","a":1}',
    ]
    for n, shape in enumerate(shapes):
        event = make_event(40_000_000 + n, "o", name="a", timestamp=NOON)
        texts = [
            shape % "one",
            shape % "two",
            shape.replace('"$import":"%s",', "").replace(',"$import":"%s"', "").replace('"$import":"%s"', ""),
        ]
        entries = []
        for text in (*texts, '{"a":3}'):
            again = msgspec.structs.replace(event, properties=msgspec.Raw(text.encode()))
            block = make_block(f"{next(numbers):016x}", 0, encode_lines([again]), 1)
            [entry] = (await store.write([block])).entries
            entries.append((entry.stored, entry.duplicates, entry.conflicts))
        assert entries == [(1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 1)], shape
    assert [(one.import_id, one.events) for one in await store.imports()] == [("one", 4)]


async def test_a_step_that_fails_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """G3, G4: after the first step the books close, and the call can be repeated, in another process too."""
    monkeypatch.setattr(removal, "STEP_EVENTS", 1)
    events = some(5, 60, import_id="wrong")
    await put(store, [*events, *some(6, 30)])
    from importlib import import_module

    where = import_module(f"{type(store).__module__.rpartition('.')[0]}.identity")
    original, calls = where.forget_persons, 0

    def failing(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("killed")
        return original(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(where, "forget_persons", failing)
        with pytest.raises(RuntimeError):
            await store.undo_import("wrong")
    assert await store.verify() == []
    [left] = await store.imports("wrong")
    assert 0 < left.events < 60
    assert await store.undo_import("wrong") == left.events
    assert await store.verify() == []
    assert sum(one.events for one in await store.removals("wrong")) == 60
