"""Saved reports and boards over HTTP: saving, changing, limits, and asking a report's query for its range."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from tallystick.model.library import QUESTION_MAX, TILES_MAX, VIEW_MAX
from tallystick.model.queries.ranges import PRESETS
from tallystick.model.query import Query, Scope
from tallystick.store import library as rules
from tallystick.store.library import Document
from tests.helpers.http.read_side import ReadSide, open_read_side
from tests.helpers.samples import NOON, block_of, sample_event
from tests.unit.api.test_result_files import ASKED

SHAPES: dict[str, type[Scope]] = {shape.model_fields["kind"].default: shape for shape in get_args(get_args(Query)[0])}
DAYS = "2026-03-01/2026-03-02"
QUESTION = {"kind": "metrics", "interval": "day"}
REPORT = {"name": "Views", "question": QUESTION, "range": DAYS}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[ReadSide]:
    async with open_read_side(tmp_path, disk_reserve_bytes=0) as opened:
        yield opened


async def with_events(side: ReadSide) -> None:
    properties = b'{"mixed":"a","n":1}'
    names = ("page_view", "signup")
    events = [sample_event(number, name=names[number % 2], properties=properties) for number in range(40)]
    await side.store_blocks([block_of(0, events)])


async def save(side: ReadSide, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await side.post("/v1/reports", {**REPORT, **fields}, 201)
    return made


async def refused(side: ReadSide, fields: Any, path: str = "/v1/reports") -> str:
    """The message of the refusal."""
    answer = await side.post(path, fields, 400)
    assert answer["error"]["code"] == "invalid_request"
    return str(answer["error"]["message"])


# --- reports --------------------------------------------------------------------------------------------------------


async def test_a_report_is_saved_read_changed_and_deleted(side: ReadSide) -> None:
    made = await save(side, description="how many", view={"chart": "bars"}, timezone="Europe/Berlin", site_id="shop")
    assert made == {
        "id": made["id"],
        "name": "Views",
        "description": "how many",
        "site_id": "shop",
        "question": QUESTION,
        "range": DAYS,
        "timezone": "Europe/Berlin",
        "view": {"chart": "bars"},
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    path = f"/v1/reports/{made['id']}"
    assert await side.get(path) == made
    assert await side.get("/v1/reports") == {"reports": [made]}
    change = {**REPORT, "name": "Visits", "range": "30d", "updated_at": made["updated_at"]}
    answer = await side.client.put(path, json=change)
    changed = answer.json()
    assert answer.status_code == 200
    assert (changed["name"], changed["range"], changed["site_id"]) == ("Visits", "30d", "shop")
    assert (changed["description"], changed["timezone"], changed["view"]) == ("", "UTC", {})
    assert changed["updated_at"] > made["updated_at"]
    assert changed["created_at"] == made["created_at"]
    deleted = await side.client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (
        await side.client.get(path),
        await side.client.delete(path),
        await side.client.put(path, json=change),
        await side.client.post(f"{path}/run", json={}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_who_edits_an_old_version_is_told(side: ReadSide) -> None:
    made = await save(side)
    path = f"/v1/reports/{made['id']}"
    first = await side.client.put(path, json={**REPORT, "name": "mine", "updated_at": made["updated_at"]})
    second = await side.client.put(path, json={**REPORT, "name": "yours", "updated_at": made["updated_at"]})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["code"] == "changed"
    assert (await side.get(path))["name"] == "mine"
    unnamed = await side.client.put(path, json={**REPORT, "name": "yours"})
    assert unnamed.status_code == 400
    assert "updated_at" in unnamed.json()["error"]["message"]


async def test_a_report_stays_with_its_site(side: ReadSide) -> None:
    made = await save(side, site_id="shop")
    path = f"/v1/reports/{made['id']}"
    for site, status in (("blog", 400), (None, 400), ("shop", 200)):
        now = (await side.get(path))["updated_at"]
        answer = await side.client.put(path, json={**REPORT, "site_id": site, "updated_at": now})
        assert answer.status_code == status


async def test_lists_are_of_a_site_of_every_site_or_of_all(side: ReadSide) -> None:
    ids = {site: (await save(side, site_id=site))["id"] for site in ("shop", "blog", None)}
    assert (await side.client.get("/v1/reports", params={"site_id": "a\0"})).status_code == 400
    for asked, sites in ((None, ["shop", "blog", None]), ("shop", ["shop"]), ("*", [None]), ("none", [])):
        found = await side.get("/v1/reports", **({} if asked is None else {"site_id": asked}))
        assert [report["id"] for report in found["reports"]] == [ids[site] for site in sites]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": " \n"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"description": "x" * 2_001}, "description"),
        ({"description": "a\x1bb"}, "description"),
        ({"site_id": "s" * 256}, "site_id"),
        ({"site_id": "a\0"}, "site_id"),
        ({"range": "8d"}, "range"),
        ({"range": "2026-03-02/2026-03-01"}, "range"),
        ({"timezone": "Mars"}, "timezone"),
        ({"question": {"kind": "metrics", "intervall": "day"}}, "question.intervall: there is no such field"),
        ({"question": {"interval": "day"}}, "question: the field 'kind' is required"),
        ({"question": {"kind": "sql"}}, "question"),
        ({"question": "all"}, "question"),
        ({"question": {**QUESTION, "since": "2026-03-01T00:00:00Z"}}, "question: a saved question has no since"),
        ({"question": {**QUESTION, "until": "2026-03-01T00:00:00Z"}}, "question: a saved question has no until"),
        ({"question": {"kind": "events", "cursor": "abc"}}, "question: a saved question has no cursor"),
        ({"question": {**QUESTION, "site_id": "blog"}, "site_id": "shop"}, "question.site_id"),
        ({"question": {**QUESTION, "timezone": "Europe/Berlin"}}, "timezone"),
        (
            {"question": {"kind": "events", "filter": {"field": "name", "op": "in", "value": ["x" * 100] * 400}}},
            f"{QUESTION_MAX:,} bytes",
        ),
        ({"view": {"a": "x" * VIEW_MAX}}, f"{VIEW_MAX:,} bytes"),
        ({"view": []}, "view"),
        ({"view": {"a": "\ud800"}}, "half a surrogate pair"),
        ({"view": {"a": 10**400}}, "view"),
        ({"view": {"a": json.loads("[" * 50 + "]" * 50)}}, "deeper than 50 levels"),
        ({"view": {"a": json.loads("[" * 900 + "]" * 900)}}, "deeper than 50 levels"),
        ({"id": "mine"}, "id: there is no such field"),
    ],
)
async def test_what_cannot_be_saved_is_refused_with_the_field(
    side: ReadSide, fields: dict[str, Any], word: str
) -> None:
    answer = await side.client.post(
        "/v1/reports", content=json.dumps({**REPORT, **fields}), headers={"Content-Type": "application/json"}
    )
    if answer.status_code == 201 and "view" in fields:  # a number of any length is one
        assert answer.json()["view"] == fields["view"]
        return
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]
    assert await side.get("/v1/reports") == {"reports": []}


async def test_what_the_report_says_itself_is_not_kept_twice(side: ReadSide) -> None:
    given = {**QUESTION, "timezone": "Asia/Kathmandu", "site_id": "shop", "since": None}
    made = await save(side, question=given, timezone="Asia/Kathmandu", site_id="shop")
    assert made["question"] == QUESTION


async def test_a_foreign_page_cannot_change_anything(side: ReadSide) -> None:
    """A form of another site could send this without asking first, were it not for the content type."""
    made = await save(side)
    for method, path in (
        ("POST", "/v1/reports"),
        ("PUT", f"/v1/reports/{made['id']}"),
        ("POST", "/v1/boards"),
        ("POST", f"/v1/reports/{made['id']}/run"),
    ):
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            answer = await side.client.request(method, path, content="{}", headers={"Content-Type": kind})
            assert answer.status_code == 415


async def test_a_site_has_so_many_reports(side: ReadSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.LIMITS, "report", 1)
    await save(side)
    answer = await side.post("/v1/reports", REPORT, 409)
    assert answer["error"]["code"] == "limit_reached"
    assert "delete some" in answer["error"]["message"]


# --- asking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SHAPES)
async def test_a_saved_question_is_asked_as_it_would_be_by_hand(side: ReadSide, kind: str) -> None:
    await with_events(side)
    for question in ASKED[kind]:
        own = {name: value for name, value in question.items() if name not in ("since", "until", "timezone")}
        made = await save(side, question={"kind": kind, **own}, timezone="Asia/Kathmandu")
        answer = await side.post(f"/v1/reports/{made['id']}/run", {})
        assert (answer["since"], answer["until"]) == ("2026-02-28T18:15:00Z", "2026-03-02T18:15:00Z")
        zone = {"timezone": "Asia/Kathmandu"} if "timezone" in SHAPES[kind].model_fields else {}
        by_hand = {"kind": kind, **own, **zone, "since": answer["since"], "until": answer["until"]}
        assert answer["rows"] == (await side.post("/v1/query", by_hand))["rows"]
        assert answer["rows"]


@pytest.mark.parametrize("preset", PRESETS)
async def test_every_preset_can_be_asked(side: ReadSide, preset: str) -> None:
    made = await save(side, range=preset, question={"kind": "metrics"})
    answer = await side.post(f"/v1/reports/{made['id']}/run", {})
    assert (answer["since"] is None) == (preset == "all")
    assert answer["rows"] == [{"events": 0}]


async def test_a_reader_may_ask_for_another_range_zone_and_less(side: ReadSide) -> None:
    await with_events(side)
    made = await save(side, question={"kind": "metrics", "filter": {"field": "name", "op": "=", "value": "signup"}})
    path = f"/v1/reports/{made['id']}/run"
    assert (await side.post(path, {}))["rows"] == [{"events": 20}]
    user = {"field": "user_id", "op": "=", "value": "user-1"}
    both = [number for number in range(40) if number % 2 and number % 7 == 1]
    assert (await side.post(path, {"filter": user}))["rows"] == [{"events": len(both)}]
    assert (await side.post(path, {"range": "2026-03-02/2026-03-02"}))["rows"] == [{"events": 0}]
    moved = await side.post(path, {"timezone": "Europe/Berlin"})
    assert moved["since"] == "2026-02-28T23:00:00Z"
    assert await side.get(f"/v1/reports/{made['id']}") == made
    orders: tuple[Any, ...] = (
        {"range": "8d"},
        {"timezone": "Mars"},
        {"filter": {"field": "nix"}},
        {"since": "2026-03-01"},
        [],
    )
    for wrong in orders:
        await refused(side, wrong, path)


async def test_all_time_is_compared_with_nothing(side: ReadSide) -> None:
    """A reader may ask so for a report that compares with the period before."""
    await with_events(side)
    made = await save(side, question={"kind": "metrics", "compare": "previous"})
    path = f"/v1/reports/{made['id']}/run"
    assert (await side.post(path, {}))["rows"] == [{"events": 40, "previous": {"events": 0}}]
    assert (await side.post(path, {"range": "all"}))["rows"] == [{"events": 40}]


async def test_a_report_of_every_site_asks_every_site(side: ReadSide) -> None:
    await with_events(side)
    rows = {}
    for site in ("default", "shop", None):
        made = await save(side, site_id=site, question={"kind": "metrics"})
        rows[site] = (await side.post(f"/v1/reports/{made['id']}/run", {}))["rows"][0]["events"]
    assert rows == {"default": 40, "shop": 0, None: 40}


async def test_a_run_comes_as_a_file_with_the_reports_name(side: ReadSide) -> None:
    await with_events(side)
    made = await save(side, name="Views, by day")
    for form in ("csv", "json", "parquet"):
        answer = await side.client.post(f"/v1/reports/{made['id']}/run?format={form}", json={})
        assert answer.headers["content-disposition"] == f'attachment; filename="views-by-day.{form}"'
        if form == "csv":
            assert answer.text == (
                "bucket,events,complete\r\n2026-03-01T00:00:00+00:00,40,true\r\n2026-03-02T00:00:00+00:00,0,true\r\n"
            )


async def test_a_question_that_this_version_does_not_know_is_shown_and_not_asked(side: ReadSide) -> None:
    """After a change of versions: the list still comes, and asking says what is wrong."""
    body = {"name": "old", "description": "", "range": "7d", "timezone": "UTC", "view": {}}
    body["question"] = {"kind": "gone"}
    await side.store.library.add(Document("report", "a" * 12, "default", body, NOON, NOON))
    assert [report["name"] for report in (await side.get("/v1/reports"))["reports"]] == ["old"]
    assert "the report's question" in await refused(side, {}, f"/v1/reports/{'a' * 12}/run")


async def test_an_interval_that_is_too_fine_for_a_range_is_refused(side: ReadSide) -> None:
    made = await save(side, question={"kind": "metrics", "interval": "minute"}, range="12mo")
    assert "buckets" in await refused(side, {}, f"/v1/reports/{made['id']}/run")


@pytest.mark.parametrize("id_", ["x", "A" * 12, "..%2f..", "%00" * 12, "a" * 65, "é" * 12])
async def test_an_id_that_is_none_is_not_found(side: ReadSide, id_: str) -> None:
    for path in ("/v1/reports", "/v1/boards"):
        assert (await side.client.get(f"{path}/{id_}")).status_code in (400, 404)
    assert (await side.client.delete(f"/v1/shares/{id_}")).status_code in (400, 404)


# --- boards ---------------------------------------------------------------------------------------------------------


async def test_a_board_is_saved_read_changed_and_deleted(side: ReadSide) -> None:
    report = await save(side)
    tiles = [{"report_id": report["id"], "width": 4, "height": 3}, {"report_id": report["id"]}]
    made = await side.post("/v1/boards", {"name": "Monday", "tiles": tiles}, 201)
    assert made["tiles"] == [tiles[0], {**tiles[1], "width": 1, "height": 1}]
    path = f"/v1/boards/{made['id']}"
    assert await side.get(path) == made
    assert await side.get("/v1/boards") == {"boards": [made]}
    change = {"name": "Tuesday", "tiles": [], "updated_at": made["updated_at"]}
    changed = (await side.client.put(path, json=change)).json()
    assert (changed["name"], changed["tiles"]) == ("Tuesday", [])
    assert (await side.client.put(path, json=change)).status_code == 409
    assert (await side.client.delete(path)).status_code == 204
    assert (await side.client.get(path)).status_code == 404
    assert await side.get("/v1/reports") == {"reports": [report]}


async def test_tiles_are_bounded_and_lead_to_reports(side: ReadSide) -> None:
    tile = {"report_id": (await save(side))["id"]}
    elsewhere = {"report_id": (await save(side, site_id="shop"))["id"]}
    for tiles, word in (
        ([tile] * (TILES_MAX + 1), "tiles"),
        ([{**tile, "width": 5}], "tiles.0.width"),
        ([{**tile, "height": 0}], "tiles.0.height"),
        ([tile, {"report_id": "0" * 12}], "tiles.1.report_id"),
        ([elsewhere], "tiles.0.report_id"),
        ([{"report_id": "%"}], "tiles.0.report_id"),
    ):
        assert word in await refused(side, {"name": "b", "tiles": tiles}, "/v1/boards")
    await side.post("/v1/boards", {"name": "b", "tiles": [tile] * TILES_MAX}, 201)
    await side.post("/v1/boards", {"name": "b", "tiles": [tile, elsewhere], "site_id": None}, 201)


async def test_a_report_on_a_board_cannot_be_deleted(side: ReadSide) -> None:
    report = await save(side)
    board = await side.post("/v1/boards", {"name": "Monday", "tiles": [{"report_id": report["id"]}]}, 201)
    answer = await side.client.delete(f"/v1/reports/{report['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "in_use")
    assert f"'Monday' ({board['id']})" in answer.json()["error"]["message"]
    await side.client.delete(f"/v1/boards/{board['id']}")
    assert (await side.client.delete(f"/v1/reports/{report['id']}")).status_code == 204


async def test_a_full_disk_keeps_the_library_readable(tmp_path: Path) -> None:
    async with open_read_side(tmp_path, disk_reserve_bytes=0) as side:
        made = await save(side)
    async with open_read_side(tmp_path, disk_reserve_bytes=2**62, disk_reserve_fraction=0.999_999) as side:
        assert (await side.post("/v1/reports", REPORT, 503))["error"]["code"] == "store_unavailable"
        assert await side.get("/v1/reports") == {"reports": [made]}


async def test_versions_are_instants_in_utc(side: ReadSide) -> None:
    """A client may write the version's instant with another offset."""
    made = await save(side)
    version = datetime.fromisoformat(made["updated_at"])
    assert datetime.now(UTC) - version < timedelta(minutes=5)
    elsewhere = version.astimezone().isoformat()
    change = {**REPORT, "updated_at": elsewhere}
    assert (await side.client.put(f"/v1/reports/{made['id']}", json=change)).status_code == 200
