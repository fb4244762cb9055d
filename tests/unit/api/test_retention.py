"""/v1/retention, and `tallystick retention` in front of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tallystick.config import Settings
from tallystick.model.event import encode_lines
from tallystick.store import make_store
from tallystick.store.retention import RetentionRule, borders_at
from tests.helpers.commands import end_command, run_command
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.query_steps import NOON, make_event
from tests.helpers.samples import block_of_lines

SITES = ["shop", "shop", "default"]
EVENTS = [
    *(make_event(n, site, name="view", user_id="u", timestamp=NOON) for n, site in enumerate(SITES)),
    make_event(7, "shop", name="view", properties={"$bot": True}, timestamp=NOON),
    make_event(8, "shop", name="view", timestamp=datetime.now(UTC)),
]


def rule_of(site: str, days: int | None, *, keeps: bool | None = None) -> dict[str, object]:
    return {"site_id": site, "days": days, "keep_rollups": keeps}


async def filled(side: ReadSide) -> None:
    await side.store_blocks([block_of_lines(0, encode_lines(EVENTS), len(EVENTS))])


async def test_the_routes(tmp_path: Path) -> None:
    async with open_read_side(tmp_path) as side:
        await filled(side)
        assert await side.get("/v1/retention") == {
            "default_days": None,
            "default_keep_rollups": False,
            "rollups_can_stay": True,
            "rules": [],
        }
        oldest = datetime.now(UTC) - timedelta(days=30)
        counted = await side.post("/v1/retention", {"site_id": "shop", "days": 30, "dry_run": True})
        assert counted == {
            "dry_run": True,
            "site_id": "shop",
            "days": 30.0,
            "kept_from": f"{oldest:%Y-%m-%d}T00:00:00Z",
            "events": 3,
            "keep_rollups": False,
            "kept_events": 0,
        }
        assert (await side.get("/v1/retention"))["rules"] == []
        done = await side.post("/v1/retention", {"site_id": "shop", "days": 30})
        assert done == counted | {"dry_run": False}
        ever = await side.post("/v1/retention", {"days": None})
        assert (ever["site_id"], ever["days"], ever["kept_from"], ever["events"]) == ("default", None, None, 0)
        rules = [rule_of("default", None), rule_of("shop", 30)]
        assert (await side.get("/v1/retention"))["rules"] == rules
        assert (await side.get("/v1/retention", site_id="shop"))["rules"] == rules[1:]
        only_counted = await side.client.delete("/v1/retention", params={"site_id": "shop", "dry_run": "true"})
        assert (only_counted.status_code, only_counted.json()["events"]) == (200, 0)
        assert (await side.client.delete("/v1/retention", params={"site_id": "shop"})).status_code == 200
        assert (await side.client.delete("/v1/retention", params={"site_id": "shop"})).status_code == 404
        assert (await side.get("/v1/retention"))["rules"] == rules[:1]


async def test_what_is_refused(tmp_path: Path) -> None:
    async with open_read_side(tmp_path) as side:
        for body in (
            {"site_id": "shop"},
            {"site_id": "*", "days": 3},
            {"site_id": "", "days": 3},
            {"days": 0},
            {"days": 36_501},
            {"days": 1.5},
            {"days": 3, "rollups": True},
            {"days": 3, "keep_rollups": "some"},
        ):
            assert (await side.client.post("/v1/retention", json=body)).status_code == 400, body
        assert (await side.client.delete("/v1/retention", params={"site_id": "*"})).status_code == 400
        assert await side.store.retention_rules() == []


async def test_rollups_that_stay(tmp_path: Path) -> None:
    """The rule says it until it is set anew; what goes is counted without the events that are gone already."""
    async with open_read_side(tmp_path) as side:
        await filled(side)
        order = {"site_id": "shop", "days": 30, "keep_rollups": True}
        assert (await side.post("/v1/retention", order))["keep_rollups"] is True
        assert (await side.post("/v1/retention", {"site_id": "shop", "days": 20}))["keep_rollups"] is True
        assert (await side.get("/v1/retention"))["rules"] == [rule_of("shop", 20, keeps=True)]
        by_path = {"kind": "metrics", "site_id": "shop", "breakdown": ["path"]}
        assert "events_from" not in await side.post("/v1/query", by_path)

        rules = await side.store.retention_rules()
        assert (await side.store.retire(borders_at(datetime.now(UTC), 0, rules))).events == 3
        gone_from = NOON.replace(hour=0) + timedelta(days=1)
        answer = await side.post("/v1/query", by_path)
        assert answer["events_from"] == f"{gone_from:%Y-%m-%dT%H:%M:%SZ}"
        assert sum(row["events"] for row in answer["rows"]) == 1
        answer = await side.post("/v1/query", {"kind": "metrics", "site_id": "shop", "bots": "include"})
        assert (answer["rows"], "events_from" in answer) == ([{"events": 4}], False)

        counted = await side.post("/v1/retention", {"site_id": "shop", "days": 10, "dry_run": True})
        assert (counted["events"], counted["keep_rollups"], counted["kept_events"]) == (0, True, 0)
        for keeps in (False, None):
            order = {"site_id": "shop", "days": None, "keep_rollups": keeps, "dry_run": True}
            counted = await side.post("/v1/retention", order)
            assert (counted["events"], counted["keep_rollups"], counted["kept_events"]) == (0, False, 3)
        cleared = await side.client.delete("/v1/retention", params={"site_id": "shop"})
        assert (cleared.json()["events"], cleared.json()["kept_events"]) == (0, 3)


async def test_files_and_sql_say_from_when_there_are_events(tmp_path: Path) -> None:
    """As the JSON answer does: a header, and in Parquet the file itself."""
    by_path = {"kind": "metrics", "site_id": "shop", "breakdown": ["path"]}
    statement = {"sql": "SELECT name FROM events", "site_id": "shop"}
    async with open_read_side(tmp_path, sql=True) as side:

        async def told() -> list[tuple[str, str | None]]:
            """The header of each file, and what is in each Parquet file."""
            found = []
            for route, body in (("/v1/query", by_path), ("/v1/sql", statement)):
                for form in ("csv", "excel", "parquet"):
                    answer = await side.client.post(route, json=body, params={"format": form})
                    assert answer.status_code == 200, answer.text
                    header = answer.headers.get("x-tallystick-events-from", "")
                    found.append((header, metadata(answer.content) if form == "parquet" else None))
            return found

        def metadata(content: bytes) -> str:
            (tmp_path / "file.parquet").write_bytes(content)
            with duckdb.connect() as connection:
                read = "SELECT key, value FROM parquet_kv_metadata(?)"
                facts: dict[bytes, bytes] = dict(connection.execute(read, [str(tmp_path / "file.parquet")]).fetchall())
            return facts.get(b"tallystick.events_from", b"").decode()

        await filled(side)
        assert await told() == [("", None), ("", None), ("", "")] * 2
        assert "events_from" not in await side.post("/v1/sql", statement)
        borders = borders_at(datetime.now(UTC), 0, [RetentionRule("shop", 30, True)])
        assert (await side.store.retire(borders)).events == 3
        begin = f"{NOON.replace(hour=0) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
        assert (await side.post("/v1/query", by_path))["events_from"] == begin
        assert await told() == [(begin, None), (begin, None), (begin, begin)] * 2
        assert (await side.post("/v1/sql", statement))["events_from"] == begin
        assert (await side.post("/v1/sql", {"sql": "SELECT 1 AS one"}))["events_from"] == begin
        assert "events_from" not in await side.post("/v1/sql", statement | {"site_id": "default"})


async def test_rollups_that_stay_by_the_setting(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, retention_rollups=True) as side:
        assert (await side.get("/v1/retention"))["default_keep_rollups"] is True
        assert (await side.post("/v1/retention", {"site_id": "a", "days": 3}))["keep_rollups"] is True
        order = {"site_id": "b", "days": 3, "keep_rollups": False}
        assert (await side.post("/v1/retention", order))["keep_rollups"] is False
        assert (await side.get("/v1/retention"))["rules"] == [rule_of("a", 3), rule_of("b", 3, keeps=False)]


async def test_a_store_without_rollups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ClickHouse is one."""
    async with open_read_side(tmp_path) as side:
        monkeypatch.setattr(type(side.store), "keeps_rollups", False)
        assert (await side.get("/v1/retention"))["rollups_can_stay"] is False
        order = {"site_id": "shop", "days": 30, "keep_rollups": True}
        answer = await side.client.post("/v1/retention", json=order)
        assert (answer.status_code, "ClickHouse has no rollups" in answer.text) == (400, True)
        assert (await side.post("/v1/retention", order | {"keep_rollups": False}))["keep_rollups"] is False


async def test_the_default_that_a_cleared_rule_leaves(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, retention_days=10.0) as side:
        await filled(side)
        await side.store.set_retention_rule(RetentionRule("shop", None))
        assert (await side.get("/v1/retention"))["default_days"] == 10.0
        answer = (await side.client.delete("/v1/retention", params={"site_id": "shop"})).json()
        assert (answer["days"], answer["events"]) == (10.0, 3)


def test_the_commands(tmp_path: Path) -> None:
    async def fill() -> None:
        store = make_store(Settings(data=tmp_path, disk_reserve_bytes=0))
        await store.open()
        await store.write([block_of_lines(0, encode_lines(EVENTS), len(EVENTS))])
        await store.close()

    asyncio.run(fill())
    data = ("--data", str(tmp_path))

    assert "all   for ever" in run_command({}, "retention", "show", *data)
    code, out, err = end_command({}, "retention", "set", "--site", "shop", "--days", "30", *data)
    assert (code, out) == (2, "")
    assert "3 events of shop are older than that: add --yes" in err
    assert "3 of before" in run_command({}, "retention", "set", "--site", "shop", "--days", "30", "--dry-run", *data)
    done = json.loads(run_command({}, "retention", "set", "--site", "shop", "--days", "30", "--yes", "--json", *data))
    assert (done["days"], done["events"], done["dry_run"]) == (30.0, 3, False)
    said = run_command({}, "retention", "set", "--site", "docs", "--for-ever", *data)
    assert said == "docs: events are kept for ever\n"
    shown = json.loads(run_command({}, "retention", "show", "--json", *data))
    assert shown["rules"] == [rule_of("docs", None), rule_of("shop", 30)]
    keeping = ("retention", "set", "--site", "docs", "--days", "9", "--keep-rollups", *data)
    assert "rollups stay" in run_command({}, *keeping)
    table = run_command({}, "retention", "show", *data)
    assert [line.split() for line in table.splitlines() if line.startswith("docs")] == [["docs", "9", "days", "stay"]]
    assert run_command({}, "retention", "clear", "--site", "shop", *data) == "shop: events are kept for ever\n"
    code, _, err = end_command({}, "retention", "clear", "--site", "shop", *data)
    assert (code, "has no rule of its own" in err) == (2, True)
    code, _, err = end_command({}, "retention", "set", "--site", "shop", *data)
    assert (code, "either --days or --for-ever" in err) == (2, True)
