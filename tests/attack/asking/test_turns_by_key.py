"""One key's statements do not put another key's queries off (G5)."""

from __future__ import annotations

import contextlib

from tests.attack.asking.asked_server import BLOG, SHOP, Asked, eventually

FLOOD = 8
SLOW = "SELECT count(*) FROM events AS a, events AS b WHERE a.path || b.name = a.name"
"""Billions of comparisons: it runs until its deadline."""


def _waiting(asked: Asked) -> float:
    return asked.metric('tallystick_queries{state="waiting"}')


def test_another_key_is_answered_while_a_flood_waits(asked: Asked) -> None:
    """Eight statements of one key put another one off by 29 s."""
    eventually(asked.at_rest, "rest")
    statements = [asked.request("POST", "/v1/sql", "", f'{{"sql": "{SLOW}"}}', SHOP)] * FLOOD
    with contextlib.ExitStack() as stack:
        for statement in statements:
            stack.enter_context(asked.sent(statement))
        eventually(lambda: _waiting(asked) == FLOOD - 1, "a flood of which one runs")
        assert asked.ready(), "busy is not broken"
        for _ in range(5):
            assert asked.count("blog", BLOG) == 20
            assert asked.count("shop", SHOP) > 0, "its own other questions, too"
        with asked.client(BLOG) as client:
            own = client.post("/v1/sql", json={"sql": "SELECT count(*) FROM events"})
            assert own.json()["rows"] == [[20]]
        assert _waiting(asked) >= FLOOD - 2, "they were not answered because the flood was over"
    eventually(asked.at_rest, "rest")
