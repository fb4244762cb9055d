"""Read keys of one site (G12): whatever is asked, they see that site alone. Other rules are in test_keys_read.py."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio

from tallystick.api.access.gate import Access
from tallystick.model.query import Query, Scope
from tests.helpers.http.keyed import (
    BLOG,
    BY_ACCESS,
    EVERY,
    KEYS,
    LIBRARY,
    QUERIES,
    SHOP,
    SITE_PARAMETER,
    Side,
    opened,
    send_from_three_sites,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Side]:
    async with opened(tmp_path_factory.mktemp("keyed"), **KEYS) as side:
        await send_from_three_sites(side)
        yield side


PERSONS = ("/v1/erase", "/v1/erasures", "/v1/person-data")
"""Routes about a person, which need more than the right to read."""
RULES = "/v1/retention"
"""Not answered from events."""


@pytest.mark.parametrize(
    ("method", "path"),
    [route for route in BY_ACCESS[Access.SITE] if route not in LIBRARY and route[1] not in (*PERSONS, RULES)],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_of_one_site_sees_that_site_alone(
    keyed: Side, method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G12: what the store is asked is about the key's site, and the answer has nothing of another one."""
    asked: list[str | None] = []
    store = keyed.tallystick.store

    def spying(ask: Any) -> Any:
        def spied(query: Any, **how: bool) -> Any:
            asked.append(query.site_id)
            return ask(query, **how)

        return spied

    monkeypatch.setattr(store, "run", spying(store.run))
    monkeypatch.setattr(store, "export", spying(store.export))
    monkeypatch.setattr(store, "select", spying(store.select))
    answer = await keyed.ask(method, path, SHOP)
    if "receipts" in path:
        assert answer.status_code == 404
        return
    assert answer.status_code == 200
    if path in ("/v1/sql/schema", "/v1/install"):  # what there is to ask or to send, and nothing of it
        assert (asked, "shop" in answer.text) == ([], False)
        return
    assert set(asked) == {"shop"}
    of_one_event = ('"total_events":1', '"events":1,', '"users":1', '"user_id":"u"', '"new":1', '"dau":1')
    assert "shop" in answer.text or any(mark in answer.text for mark in of_one_event)
    assert "blog" not in answer.text
    assert "default" not in answer.text


@pytest.mark.parametrize("path", [path for path in SITE_PARAMETER if path not in (*PERSONS, RULES)])
@pytest.mark.asyncio(loop_scope="module")
async def test_another_site_is_refused(keyed: Side, path: str) -> None:
    """G12: by its name, and as one of all of them."""
    own = QUERIES.get(path, "")
    for other in ("blog", "default", "*", "", "SHOP", "shop%20"):
        refused = await keyed.ask("GET", path, SHOP, f"{own}&site_id={other}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), other
    assert (await keyed.ask("GET", path, SHOP, f"{own}&site_id=shop")).status_code == 200
    for site in ("blog", "*"):
        assert "blog" in (await keyed.ask("GET", path, EVERY, f"{own}&site_id={site}")).text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_of_one_site_erases_nobody_and_has_the_data_of_its_own_persons(keyed: Side) -> None:
    """G12, G13: a key of the settings; keys with rights are in tests/attack/access."""
    for body in ({"user_id": "u"}, {"user_id": "u", "site_id": "shop"}, {"user_id": "u", "site_id": "blog"}):
        answer = await keyed.client.post("/v1/erase", json=body, headers={"Authorization": f"Bearer {SHOP}"})
        assert answer.status_code == 403
    assert (await keyed.ask("GET", "/v1/erasures", SHOP)).status_code == 403
    assert (await keyed.ask("GET", "/v1/erasures", EVERY)).json() == {"erasures": []}
    for site in ("blog", "default"):
        assert (await keyed.ask("GET", "/v1/person-data", SHOP, f"user_id=u&site_id={site}")).status_code == 403
    of_shop = await keyed.ask("GET", "/v1/person-data", SHOP, "user_id=u")
    with zipfile.ZipFile(io.BytesIO(of_shop.content)) as file:
        events = [json.loads(line) for line in file.read("events.ndjson").splitlines()]
    assert {event["site_id"] for event in events} == {"shop"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_of_one_site_sees_its_retention_and_changes_none(keyed: Side) -> None:
    """G12, G13: a key of the settings; keys with rights are in tests/attack/access."""
    for site in ("shop", "blog"):
        body = {"site_id": site, "days": 9_000}
        answers = [
            await keyed.client.post(RULES, json=body, headers={"Authorization": f"Bearer {key}"})
            for key in (SHOP, EVERY)
        ]
        assert [answer.status_code for answer in answers] == [403, 200]
    rules = [{"site_id": site, "days": 9_000, "keep_rollups": None} for site in ("blog", "shop")]
    assert (await keyed.ask("GET", RULES, EVERY)).json()["rules"] == rules
    assert (await keyed.ask("GET", RULES, SHOP)).json()["rules"] == rules[1:]
    for other in ("blog", "default", "*", "", "SHOP", "shop%20"):
        assert (await keyed.ask("GET", RULES, SHOP, f"site_id={other}")).status_code == 403
    for site in ("shop", "blog"):
        gone = [await keyed.ask("DELETE", RULES, key, f"site_id={site}") for key in (SHOP, EVERY)]
        assert [answer.status_code for answer in gone] == [403, 200]


SHAPES: dict[str, type[Scope]] = {shape.model_fields["kind"].default: shape for shape in get_args(get_args(Query)[0])}
STEPS = [{"name": "shop-name"}, {"name": "blog-name"}]
REQUIRED: dict[str, dict[str, Any]] = {
    "values": {"field": "site_id"},
    "funnel": {"steps": STEPS},
    "funnel_users": {"steps": STEPS, "step": 1},
    "person": {"user_id": "u"},
}
"""What a query of a kind cannot do without."""


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.asyncio(loop_scope="module")
async def test_another_site_in_a_posted_question_is_refused(keyed: Side, kind: str) -> None:
    """G12: null, which means every site, as well."""
    question: dict[str, Any] = {"kind": kind, **REQUIRED.get(kind, {})}
    for other in ("blog", "default", None):
        assert (await keyed.query(SHOP, **question, site_id=other)).status_code == 403
    assert (await keyed.query(SHOP, **question, site_id="shop")).json()["rows"] == (
        await keyed.query(SHOP, **question)
    ).json()["rows"]


@pytest.mark.asyncio(loop_scope="module")
async def test_another_site_is_not_listened_to(keyed: Side) -> None:
    """G12."""
    for other in ("blog", "default", "*", "", "SHOP"):
        assert (await keyed.ask("GET", "/v1/live", SHOP, f"seconds=0&site_id={other}")).status_code == 403
    for key, asked, site in ((SHOP, "", "shop"), (EVERY, "", "default"), (EVERY, "&site_id=*", "*")):
        answer = await keyed.ask("GET", "/v1/live", key, f"seconds=0{asked}")
        assert f'event: open\ndata: {{"site_id":"{site}"}}' in answer.text


@pytest.mark.parametrize("path", ["/api/stats", "/stats"])
@pytest.mark.asyncio(loop_scope="module")
async def test_another_site_in_a_dialect_is_refused(keyed: Side, path: str) -> None:
    """G12."""
    assert (await keyed.ask("GET", path, SHOP, "site_id=blog")).status_code == 403
    answer = (await keyed.ask("GET", path, BLOG, "site_id=blog")).json()
    views = 0 if path == "/api/stats" else 1  # fast-worker counts page views alone
    assert (answer["site_id"], answer["total_views"]) == ("blog", views)


@pytest.mark.asyncio(loop_scope="module")
async def test_no_filter_or_breakdown_leads_to_another_site(keyed: Side) -> None:
    """G12."""
    rows = (await keyed.query(SHOP, kind="metrics", breakdown=["site_id"])).json()["rows"]
    assert rows == [{"site_id": "shop", "events": 1}]
    condition = {"field": "site_id", "op": "=", "value": "blog"}
    either = {"any": [condition, {"any": [{"field": "name", "op": "set"}, condition]}]}
    assert (await keyed.query(SHOP, kind="events", filter=condition)).json()["rows"] == []
    found = (await keyed.query(SHOP, kind="events", filter=either)).json()["rows"]
    assert [row["site_id"] for row in found] == ["shop"]
    assert (await keyed.query(SHOP, kind="values", field="site_id")).json()["rows"] == [{"value": "shop", "events": 1}]


async def test_a_cursor_of_all_sites_is_none_of_one(tmp_path: Path) -> None:
    """G12: a cursor holds a place, and no right."""
    async with opened(tmp_path, **KEYS) as side:
        await side.send(*({"name": "n", "site_id": site} for site in ("shop", "blog") for _ in range(3)))
        await side.tallystick.drained()
        pages = {
            key: (await side.query(key, kind="events", limit=1, site_id=site)).json()
            for key, site in ((EVERY, None), (BLOG, "blog"))
        }
        for page in pages.values():
            answer = await side.query(SHOP, kind="events", limit=5, cursor=page["next_cursor"])
            assert answer.status_code == 400
        first = (await side.query(SHOP, kind="events", limit=1)).json()
        rest = (await side.query(SHOP, kind="events", limit=5, cursor=first["next_cursor"])).json()
        assert [row["site_id"] for row in first["rows"] + rest["rows"]] == ["shop"] * 3


@pytest.mark.asyncio(loop_scope="module")
async def test_unnamed_is_the_default_site_for_a_key_of_all(keyed: Side) -> None:
    """As for a writer with such a key."""
    assert [row["site_id"] for row in (await keyed.query(EVERY, kind="events")).json()["rows"]] == ["default"]
    assert (await keyed.get("/v1/analytics/event-types", EVERY)).json() == ["default-name"]
    assert (await keyed.get("/v1/analytics/event-types", SHOP)).json() == ["shop-name"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_receipt_tells_one_site_its_state_alone(keyed: Side) -> None:
    """G12: other sites' events may be in the block, and in its numbers."""
    receipt = await keyed.send({"name": "n", "site_id": "other"}, {"name": "n", "site_id": "other"})
    await keyed.tallystick.drained()
    path = f"/v1/receipts/{receipt}"
    nothing = dict.fromkeys(("count", "stored", "duplicates", "dead", "erased", "loaded_at"))
    assert (await keyed.get(path, SHOP)).json() == {"receipt": receipt, "state": "stored", **nothing}
    assert (await keyed.get(path, EVERY)).json()["count"] == 2
