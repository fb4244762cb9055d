"""An import is listed, taken back and imported again: by the commands on a folder, and by the routes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tallystick.api import all_stored
from tallystick.model.event import encode_lines
from tests.helpers.commands import run_command
from tests.helpers.http.read_side import open_read_side
from tests.helpers.query_steps import NOON, make_event
from tests.helpers.samples import block_of_lines

ROWS = """name,timestamp,user_id,anonymous_id
view,2026-01-01T10:00:00Z,device,
identify,2026-01-01T10:01:00Z,ann,device
view,2026-01-02T10:00:00Z,bob,
"""


def test_wrong_rows_are_taken_back_and_imported_again(tmp_path: Path) -> None:
    """The state of the import does not say any more that it is complete, and no row counts as a duplicate."""
    data, file = str(tmp_path / "data"), tmp_path / "rows.csv"
    file.write_text(ROWS)

    def command(*arguments: str) -> str:
        return run_command({}, *arguments, "--data", data)

    def totals() -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", command("verify").splitlines()[2]))

    command("import", str(file), "--name", "wrong", "--drop", "name")
    command("import", str(file), "--site", "other")
    listed = command("import", "--list")
    [wrong] = re.findall(r"([0-9a-f]{16}) +default +3", listed)
    assert "2026-01-01 10:00" in listed
    assert len(re.findall(r"[0-9a-f]{16}", listed)) == 2
    assert "3 events of the import" in command("import", "--undo", wrong, "--yes")
    assert len(re.findall(r"[0-9a-f]{16}", command("import", "--list"))) == 1
    assert command("import", str(file)).startswith("3 events accepted, 0 rows rejected")
    assert totals() == (9, 9, 0, 0, 0, 0)
    assert command("import", str(file), "--name", "wrong", "--drop", "name").startswith("3 events accepted")
    assert totals() == (12, 9, 3, 0, 0, 0)
    exported = [
        json.loads(line) for line in command("export").splitlines() if '"default"' in line or "site_id" not in line
    ]
    assert {event["name"] for event in exported} == {"view", "identify"}


async def test_an_import_that_is_not_stored_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The route waits for what was accepted before, and refuses when that is not stored in time."""
    monkeypatch.setattr(all_stored, "WAIT_SECONDS", 0.0)
    event = make_event(1, "default", name="a", timestamp=NOON, properties={"$import": "one"})
    async with open_read_side(tmp_path) as side:
        await side.queue.publish([block_of_lines(0, encode_lines([event]), 1)])
        refused = await side.client.delete("/v1/imports/one")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "events_wait")
        await side.load()
        [part] = (await side.get("/v1/imports"))["imports"]
        assert (part["import_id"], part["site_id"], part["events"]) == ("one", "default", 1)
        counted = await side.client.delete("/v1/imports/one", params={"dry_run": "1"})
        assert counted.json() == {"import_id": "one", "events": 1, "dry_run": True}
        assert (await side.client.delete("/v1/imports/one", params={"site_id": "b"})).status_code == 404
        done = await side.client.delete("/v1/imports/one")
        assert done.json() == {"import_id": "one", "events": 1, "dry_run": False}
        status = await side.get("/v1/imports/one")
        assert (status["events"], [step["events"] for step in status["removed"]]) == (0, [1])
        assert (await side.client.delete("/v1/imports/one")).json()["events"] == 0
        assert (await side.client.delete("/v1/imports/two")).status_code == 404
        assert (await side.client.delete("/v1/imports/a%20b")).status_code in (400, 404)
        assert (await side.get("/v1/verify"))["ok"]
