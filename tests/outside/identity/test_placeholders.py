"""Ids that programs send when they know none: `placeholders.json` has them as they came. They never join people."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick.config import Settings
from tallystick.model.event import Event
from tallystick.model.queries.users import PersonQuery
from tallystick.model.query import Metric, MetricsQuery
from tallystick.store import Store, make_store, migrations
from tests.helpers.old_schema import without_later_parts
from tests.helpers.query_steps import NOON, make_event, numbers, put

PLACEHOLDERS: list[Any] = json.loads((Path(__file__).parent / "placeholders.json").read_text())
USERS = [Metric(kind="users")]
OLD_SCHEMA = {"duckdb": 8, "postgres": 5}
"""The schemas whose rules joined placeholders."""


def signed_in(site: str, user: str, anonymous: Any, name: str = "identify", key: str = "anonymous_id") -> Event:
    number = next(numbers)
    at = NOON + timedelta(seconds=number)
    return make_event(20_000_000 + number, site, name=name, user_id=user, timestamp=at, properties={key: anonymous})


def seen(site: str, user: str) -> Event:
    return make_event(30_000_000 + next(numbers), site, name="view", user_id=user, timestamp=NOON)


async def users(store: Store, site: str) -> int:
    return int((await store.run(MetricsQuery(site_id=site, metrics=USERS))).rows[0]["users"])


async def test_a_placeholder_joins_no_accounts(store: Store) -> None:
    """As the other id, and as the user's own; in `identify` and in `alias` events. It stays a user of its own."""
    events = []
    for number, placeholder in enumerate(PLACEHOLDERS):
        text = str(placeholder)
        for user in ("ann", "bob"):
            events.append(signed_in(f"other{number}", user, placeholder))
            events.append(signed_in(f"own{number}", text, user, "alias", "alias"))
        events += [seen(f"{side}{number}", user) for side in ("other", "own") for user in ("ann", "bob", text)]
    await put(store, events)
    by_site = MetricsQuery(site_id=None, metrics=USERS, breakdown=["site_id"])
    found = {row["site_id"]: row["users"] for row in (await store.run(by_site)).rows}
    assert found == {f"{side}{number}": 3 for side in ("other", "own") for number in range(len(PLACEHOLDERS))}
    assert await store.verify() == []


@pytest.mark.parametrize("device", [7, 76561198000000001, 123456789012345678901234567890])
async def test_a_number_joins_as_its_text(store: Store, device: int) -> None:
    """A numeric user id is stored as its text; so is a numeric anonymous id joined."""
    await put(store, [seen("n", str(device)), signed_in("n", "ann", device)])
    assert await users(store, "n") == 1


async def test_a_store_that_joined_them_is_mended(store_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration works the persons out anew, and keeps the joins that are right."""

    events = [
        *(signed_in("old", user, anonymous) for user in ("ann", "bob") for anonymous in ("null", "undefined")),
        signed_in("old", "undefined", "bob", "alias", "alias"),
        signed_in("old", "eve", "device"),
        signed_in("old", "eve", 7),
        *(seen("old", user) for user in ("device", "7", "null", "undefined")),
    ]
    all_steps = migrations.migrations
    with monkeypatch.context() as before:
        without_later_parts(before)
        for last in ({"duckdb": 2, "postgres": 2}, OLD_SCHEMA):
            before.setattr(migrations, "migrations", lambda name, last=last: all_steps(name)[: last[name]])
            old = make_store(store_settings)
            await old.open()
            if last is not OLD_SCHEMA:
                await put(old, events, tidy=False)
            else:
                assert await users(old, "old") == 3  # ann, bob and the placeholders are one, and 7 is not eve
            await old.close()
    store = make_store(store_settings)
    await store.open()
    assert await users(store, "old") == 5
    [row] = (await store.run(PersonQuery(site_id="old", user_id="7"))).rows
    assert sorted(one["user_id"] for one in row["ids"]) == ["7", "device", "eve"]
    [row] = (await store.run(PersonQuery(site_id="old", user_id="bob"))).rows
    assert [one["user_id"] for one in row["ids"]] == ["bob"]
    assert await store.verify() == []
    await store.close()
