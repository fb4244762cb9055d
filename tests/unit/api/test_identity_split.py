"""POST /v1/identity/split, and the command in front of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tallystick.cli import identity
from tallystick.model.event import encode_lines
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.query_steps import NOON, make_event
from tests.helpers.samples import block_of_lines


async def joined(side: ReadSide) -> None:
    """`device` is `ann`."""
    event = make_event(
        1, "default", name="identify", user_id="ann", timestamp=NOON, properties={"anonymous_id": "device"}
    )
    view = make_event(2, "default", name="view", user_id="device", timestamp=NOON)
    await side.store_blocks([block_of_lines(0, encode_lines([event, view]), 2)])


async def users(side: ReadSide) -> int:
    return int((await side.get("/v1/query", metric="users"))["rows"][0]["users"])


async def test_an_id_leaves_its_person(tmp_path: Path) -> None:
    async with open_read_side(tmp_path) as side:
        await joined(side)
        assert await users(side) == 1
        answer = await side.post("/v1/identity/split", {"user_id": "device"})
        assert (answer["person_id"], answer["split"], answer["site_id"]) == ("ann", ["device"], "default")
        assert await users(side) == 2
        assert (await side.get("/v1/verify"))["ok"]
        again = await side.post("/v1/identity/split", {"user_id": "device"}, status=404)
        assert again["error"]["message"] == "'device' is joined to no other id on the site 'default'"
        await side.post("/v1/identity/split", {"user_id": "device", "site_id": "*"}, status=400)


async def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_read_side(tmp_path) as side:
        await joined(side)
    await asyncio.to_thread(identity.split, user="ann", site="default", data=tmp_path)
    assert capsys.readouterr().out.startswith("device: no longer joined (the person was ann); a join after ")
    async with open_read_side(tmp_path) as side:
        assert await users(side) == 2
