"""Each system's own documented session, replayed: a client of any of them only changes its host."""

from __future__ import annotations

import httpx
import pytest

from tallystick.app import Tallystick
from tests.dialects.transcript import SESSIONS, matches, replay


@pytest.mark.parametrize("name", sorted(path.name for path in SESSIONS.glob("*.txt")))
async def test_session_gets_the_documented_answers(
    name: str, client: httpx.AsyncClient, tallystick: Tallystick
) -> None:
    """Also G4: nothing that was accepted is missing when everything is stored."""
    assert await replay(name, client, tallystick.drained) > 5
    await tallystick.drained()
    assert await tallystick.store.verify() == []


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ({"a": "<number>"}, {"a": 3}, True),
        ({"a": "<number>"}, {"a": "3"}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([1, 2], [1], False),
        ([1, 2], [2, 1], False),
        (True, 1, False),
        ("<instant>", "2025-11-12T19:30:01Z", True),
        ("<instant>", "2025-11-12T19:30:01", False),
        ("<text>", "", False),
    ],
)
def test_transcripts_comparison_can_fail(expected: object, found: object, same: bool) -> None:
    assert matches(expected, found) is same
