"""The audit log has what callers do with stored events: who, what, where; and no id of a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.access.model import Role
from tests.helpers.http.keyed import Side, opened
from tests.helpers.http.members import Members

PERSON = "someone-who-asked"
IMPORT = "0123456789abcdef"
DAY = "2025-11-12"


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with opened(tmp_path) as opened_side:
        yield opened_side


async def send(side: Side, members: Members) -> None:
    """Events of a person with two ids, and of an import."""
    key = await members.key("write", "shop")
    common = {"timestamp": f"{DAY}T10:00:00Z"}
    events: list[dict[str, Any]] = [
        {"name": "identify", "user_id": PERSON, "properties": {"anonymous_id": "device"}, **common},
        {"name": "view", "user_id": "another", "properties": {"$import": IMPORT}, **common},
        {"name": "view", "user_id": PERSON, **common},
    ]
    sent = await side.client.post("/v1/events", json=events, headers={"Authorization": f"Bearer {key}"})
    assert sent.json()["accepted"] == 3
    await side.tallystick.drained()


async def test_what_was_done_who_did_it_and_where(side: Side) -> None:
    members = Members(side)
    await members.sites("shop")
    await members.user("root", admin=True)
    await members.user("olga", shop=Role.OWNER)
    await send(side, members)
    async with members.browser("root") as root, members.browser("olga") as olga:
        split = await root.ask("POST", "/v1/identity/split", {"user_id": "device", "site_id": "shop"})
        counted = await olga.ask("POST", "/v1/erase", {"user_id": PERSON, "site_id": "shop", "dry_run": True})
        erased = await olga.ask("POST", "/v1/erase", {"user_id": PERSON, "site_id": "shop"})
        kept = await olga.ask("POST", "/v1/retention", {"days": 9_000, "site_id": "shop"})
        only_counted = await olga.ask("POST", "/v1/retention", {"days": 1, "site_id": "shop", "dry_run": True})
        as_before = await olga.ask("DELETE", "/v1/retention?site_id=shop")
        undone = await root.ask("DELETE", f"/v1/imports/{IMPORT}")
        nothing = await root.ask("DELETE", f"/v1/imports/{IMPORT}")
        rebuilt = await root.ask("POST", "/v1/rollups/rebuild", {"day": DAY})
        copied = await root.ask("GET", "/v1/backup")
        assert {
            one.status_code
            for one in (split, counted, erased, kept, only_counted, as_before, undone, nothing, rebuilt, copied)
        } == {200}
        entries = (await root.ask("GET", "/v1/admin/audit")).json()["entries"]
        of_owner = (await olga.ask("GET", "/v1/admin/audit")).json()["entries"]
    by_root, by_olga = "user root@example.org", "user olga@example.org"
    receipt = erased.json()["receipt"]["id"]
    assert [
        (one["action"], one["actor"], one["subject"], one["site_id"], one["details"])
        for one in reversed(entries)
        if one["action"].split(".")[0] in ("identity", "person", "retention", "import", "rollups", "backup")
    ] == [
        ("identity.split", by_root, "", "shop", {"ids": 1}),
        ("person.erase", by_olga, receipt, "shop", {"events": 2}),
        ("retention.set", by_olga, "shop", "shop", {"days": 9_000, "events": 0, "keep_rollups": 0, "kept_events": 0}),
        ("retention.clear", by_olga, "shop", "shop", {"events": 0, "kept_events": 0}),
        ("import.undo", by_root, IMPORT, None, {"events": 1}),
        ("rollups.rebuild", by_root, DAY, None, {"wrong": 0}),
        ("backup.make", by_root, "", None, {}),
    ]
    assert {one["action"] for one in of_owner} >= {"identity.split", "person.erase"}
    assert "backup.make" not in {one["action"] for one in of_owner}
    assert PERSON not in str(entries)


async def test_without_keys_and_accounts_nothing_is_written(side: Side, tmp_path: Path) -> None:
    assert (await side.client.post("/v1/erase", json={"user_id": "nobody"})).status_code == 200
    assert await asyncio.to_thread(lambda: list(tmp_path.glob("access.*"))) == []
