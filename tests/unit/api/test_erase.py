"""POST /v1/erase, GET /v1/erasures, GET /v1/person-data, and the commands in front of them (G13)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tallystick.api import all_stored
from tallystick.model.event import encode_lines
from tallystick.store.base import DeadLetter
from tests.helpers.commands import end_command, run_command
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.query_steps import NOON, make_event
from tests.helpers.samples import block_of_lines


async def filled(side: ReadSide) -> None:
    """`device` is `ann`; there is a dead letter of hers, and bob."""
    events = [
        make_event(1, "default", name="identify", user_id="ann", timestamp=NOON, properties={"anonymous_id": "device"}),
        make_event(2, "default", name="view", user_id="device", session_id="s", timestamp=NOON),
        make_event(3, "default", name="view", user_id="bob", session_id="s", timestamp=NOON),
    ]
    await side.store_blocks([block_of_lines(0, encode_lines(events), 3)])
    line = encode_lines([make_event(4, "default", name="view", user_id="ann", timestamp=NOON)])
    block = block_of_lines(1, line, 1)
    await side.queue.publish([block])
    await side.store.write([block], [DeadLetter(block.ingester, 1, 0, line.rstrip(), "data", "it is wrong")])


async def test_the_routes(tmp_path: Path) -> None:
    async with open_read_side(tmp_path) as side:
        await filled(side)
        counted = await side.post("/v1/erase", {"user_id": "device", "dry_run": True})
        found = {"ids": 2, "events": 2, "sessions": 1, "dead_letters": 1}
        assert counted["found"] == {**found, "first": "2025-06-01T12:00:00Z", "last": "2025-06-01T12:00:00Z"}
        assert (counted["receipt"], counted["dry_run"]) == (None, True)
        assert await side.get("/v1/erasures") == {"erasures": []}

        answer = await side.client.get("/v1/person-data", params={"user_id": "device"})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
            assert [json.loads(line)["name"] for line in file.read("events.ndjson").splitlines()] == [
                "identify",
                "view",
            ]
            [letter] = file.read("dead_letters.ndjson").splitlines()
            assert json.loads(json.loads(letter)["original"])["user_id"] == "ann"
            person = json.loads(file.read("person.json"))
        assert (person["person_id"], person["ids"]) == ("ann", ["device", "ann"])
        assert [(link["user_id"], link["linked_to"]) for link in person["links"]] == [("device", "ann")]

        done = await side.post("/v1/erase", {"user_id": "device"})
        assert done["receipt"]["removed"] == done["found"] == counted["found"]
        assert "device" not in json.dumps(done["receipt"])
        assert (await side.get("/v1/erasures"))["erasures"] == [done["receipt"]]
        named = await side.get("/v1/erasures", site_id="default", user_id="device")
        assert named["erasures"] == [done["receipt"]]
        assert (await side.get("/v1/erasures", site_id="default", user_id="ann"))["erasures"] == []
        [letter] = (await side.get("/v1/dead", state="erased"))["dead"]
        assert (letter["code"], letter["state"]) == ("erased", "erased")
        assert (await side.get("/v1/verify"))["ok"]
        again = encode_lines([make_event(1, "default", name="identify", user_id="ann", timestamp=NOON)])
        await side.store_blocks([block_of_lines(2, again, 1)])
        assert (await side.get("/v1/pipeline"))["ledger"]["erased"] == 1
        assert [row["user_id"] for row in (await side.get("/v1/events"))["rows"]] == ["bob"]

        await side.post("/v1/erase", {"user_id": "ann", "site_id": "*"}, status=400)
        await side.post("/v1/erase", {"user_id": ""}, status=400)
        assert (await side.client.get("/v1/erasures", params={"user_id": "ann"})).status_code == 400


async def test_events_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may join an id to the person, so nothing is erased before they are stored."""
    monkeypatch.setattr(all_stored, "WAIT_SECONDS", 0.0)
    event = make_event(1, "default", name="a", user_id="ann", timestamp=NOON)
    async with open_read_side(tmp_path) as side:
        await side.queue.publish([block_of_lines(0, encode_lines([event]), 1)])
        refused = await side.client.post("/v1/erase", json={"user_id": "ann"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "events_wait")
        await side.load()
        assert (await side.post("/v1/erase", {"user_id": "ann"}))["found"]["events"] == 1


def test_the_commands(tmp_path: Path) -> None:
    data, rows, copy = str(tmp_path / "data"), tmp_path / "rows.csv", tmp_path / "ann.zip"
    rows.write_text("name,timestamp,user_id\nview,2026-01-01T10:00:00Z,ann\nview,2026-01-02T10:00:00Z,bob\n")

    def command(*arguments: str) -> str:
        return run_command({}, *arguments, "--data", data)

    command("import", str(rows))
    command("export", "--user", "ann", "-o", str(copy))
    with zipfile.ZipFile(copy) as file:
        assert file.read("events.ndjson").count(b"\n") == 1
    assert end_command({}, "export", "--format", "zip", "-o", str(copy), "--data", data)[0] == 2
    assert "would be removed" in command("erase", "--user", "ann", "--dry-run")
    code, _, error = end_command({}, "erase", "--user", "ann", "--data", data)
    assert (code, "1 events are ann's: add --yes" in error) == (2, True)
    assert command("erasures") == "there are none\n"
    done = json.loads(command("erase", "--user", "ann", "--yes", "--json"))
    assert done["found"]["events"] == 1
    assert json.loads(command("erasures", "--json"))["erasures"] == [done["receipt"]]
    assert done["receipt"]["user_hash"] in command("erasures", "--site", "default", "--user", "ann").replace("\n", "")
    command("import", str(rows), "--name", "again")
    assert json.loads(command("verify", "--json"))["ledger"]["erased"] == 1
    assert command("export").count("\n") == 1
