"""The embedded store folds sessions ahead of time: however far it has come, every answer is the oracle's (G10).

`raw` never folds; `behind` has some events of each example folded, in small pieces, and others not; `folded` has all.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runnel.config import Settings
from runnel.model.block import make_block
from runnel.model.event import Event, encode_lines
from runnel.model.sessions import SessionsQuery
from runnel.store.duckdb import DuckDBStore, fold
from runnel.store.folded import can_fold
from tests.conformance.analysis_steps import scopes, visits
from tests.conformance.oracle_sessions import answer_sessions
from tests.conformance.query_steps import NOON, same
from tests.conformance.test_sessions import questions
from tests.thorough import examples

blocks = itertools.count()
STATES = ["raw", "behind", "folded"]


@pytest.fixture
async def store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DuckDBStore]:
    """A store that folds as often as it can, three rows at a time, and reads what is folded however little it is."""
    monkeypatch.setattr(fold, "PIECE", 3)
    monkeypatch.setattr(fold, "REST", 0.0)
    monkeypatch.setattr(fold, "WORTH", 1.0)
    store = DuckDBStore(settings)
    await store.open()
    yield store
    await store.close()


async def put(store: DuckDBStore, events: list[Event], state: str) -> None:
    """Store events in two blocks. `behind`: the first is folded but for its last rows, the second is not."""
    half = len(events) // 2
    for part, pieces in ((events[:half], half // 4), (events[half:], 0)):
        if part:
            await store.write([make_block(f"{next(blocks):016x}", 0, encode_lines(part), len(part))])
        for _ in range({"raw": 0, "behind": pieces, "folded": 1_000_000}[state]):
            if not fold_once(store):
                break


def fold_once(store: DuckDBStore) -> bool:
    return store._folder.step(store._writer)


async def check(store: DuckDBStore, query: SessionsQuery, events: list[Event]) -> None:
    result = await store.run(query)
    wanted = answer_sessions(query, events)
    assert same(result.rows, wanted), f"{query!r}\nstore:  {result.rows}\noracle: {wanted}"
    there = fold.read_mark(store._writer) is not None
    assert result.from_rollup == (there and can_fold(query)), "it tells whether folded sessions were read"


foldable = questions().map(
    lambda given: {**given, "filter": None, "page_names": ["pageview", "$pageview", "page_view"]}
)


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(events=visits(), asked=st.lists(foldable, min_size=2, max_size=5), other=questions())
async def test_any_question_has_the_same_answer(
    store: DuckDBStore, state: str, events: list[Event], asked: list[dict[str, Any]], other: dict[str, Any]
) -> None:
    await put(store, events, state)
    for question in [*asked, other]:
        for scope in scopes(events):
            await check(store, SessionsQuery(**{**question, **scope}), events)
    assert await store.verify() == []


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(lists=st.lists(visits(most=16), min_size=1, max_size=3), asked=st.lists(foldable, min_size=2, max_size=4))
async def test_all_sites_and_purged_events(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, state: str, lists: list[list[Event]],
    asked: list[dict[str, Any]],
) -> None:  # fmt: skip
    """Of a store that has nothing else: two sites may use the same ids, and retention cuts sessions."""
    monkeypatch.setattr(fold, "PIECE", 3)
    monkeypatch.setattr(fold, "REST", 0.0)
    monkeypatch.setattr(fold, "WORTH", 1.0)
    store = DuckDBStore(settings.model_copy(update={"data": settings.data / f"{next(blocks)}"}))
    await store.open()
    try:
        there: list[Event] = []
        for events in lists:
            await put(store, events, state)
            there += events
            for question in asked:
                await check(store, SessionsQuery(**{**question, "site_id": None}), there)
            middle = sorted(event.timestamp for event in there)[len(there) // 2]
            border = middle - (middle - NOON) % timedelta(minutes=15)
            await store.purge(border)
            there = [event for event in there if event.timestamp >= border]
            for question in asked:
                await check(store, SessionsQuery(**{**question, "site_id": None}), there)
            assert await store.verify() == []
    finally:
        await store.close()
