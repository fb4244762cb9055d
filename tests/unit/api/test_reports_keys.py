"""Who may see and change which reports and boards (G12): keys of one site, and share links."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from tallystick import logs
from tallystick.api.access.gate import Access
from tallystick.api.access.share_gate import digest_of
from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tests.helpers.http.keyed import (
    BLOG,
    BY_ACCESS,
    DECIDED,
    EVERY,
    GUARDED,
    JSON,
    KEYS,
    LIBRARY,
    SHOP,
    WRITE,
    WRONG,
    Side,
    opened,
    send_from_three_sites,
)

DAYS = "2025-11-10/2025-11-14"
SHARED = [route for route in DECIDED if DECIDED[route] is Access.SHARE]


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    """As an operator runs it: reached from afar, with keys."""
    async with opened(tmp_path, **KEYS, host="0.0.0.0") as made:
        await send_from_three_sites(made)
        yield made


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Where logs go during the test."""
    out = io.StringIO()
    logs.configure(Settings(log_format="json", log_level="debug"), out)
    yield out
    structlog.reset_defaults()


def contents(folder: Path) -> list[bytes]:
    """Of every file below a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def call(side: Side, key: str, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Host": "stats.example.org"} if key else {}
    return await side.client.request(method, path, json=body, headers=headers)


async def saved(side: Side, key: str, path: str, **body: Any) -> dict[str, Any]:
    answer = await call(side, key, "POST", path, body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def report_on_board(side: Side, key: str, **site: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A report of single events, and a board that shows it."""
    report = await saved(side, key, "/v1/reports", name="events", question={"kind": "events"}, range=DAYS, **site)
    board = await saved(side, key, "/v1/boards", name="board", tiles=[{"report_id": report["id"]}], **site)
    return report, board


# --- keys of one site -----------------------------------------------------------------------------------------------


async def test_what_a_key_of_one_site_saves_is_that_sites(side: Side) -> None:
    report, board = await report_on_board(side, SHOP)
    assert (report["site_id"], board["site_id"]) == ("shop", "shop")
    rows = (await call(side, SHOP, "POST", f"/v1/reports/{report['id']}/run", {})).json()["rows"]
    assert [row["site_id"] for row in rows] == ["shop"]
    for site in ("blog", "default", "*", "", None):
        for path, body in (("/v1/reports", {"question": {"kind": "events"}}), ("/v1/boards", {})):
            refused = await call(side, SHOP, "POST", path, {"name": "n", "site_id": site, **body})
            wrong = (400, "invalid_request") if site == "*" else (403, "forbidden")
            assert (refused.status_code, refused.json()["error"]["code"]) == wrong
        refused = await call(side, SHOP, "GET", f"/v1/reports?site_id={site or ''}")
        assert refused.status_code == 403
    other = {"kind": "events", "site_id": "blog"}
    refused = await call(side, SHOP, "POST", "/v1/reports", {"name": "n", "question": other})
    assert (refused.status_code, "question.site_id" in refused.text) == (400, True)


@pytest.mark.parametrize("owner", [{"key": BLOG}, {"key": EVERY, "site_id": "blog"}, {"key": EVERY, "site_id": None}])
async def test_what_another_site_saved_is_not_there(side: Side, owner: dict[str, Any]) -> None:
    """G12: neither to be read nor to be changed, and no answer tells that it exists."""
    report, board = await report_on_board(side, **owner)
    share = await saved(side, owner["key"], f"/v1/boards/{board['id']}/shares", name="s")
    ids = {"report_id": report["id"], "board_id": board["id"], "share_id": share["id"]}
    bodies: dict[tuple[str, str], dict[str, Any]] = {
        ("PUT", "/v1/reports/{report_id}"): {
            "name": "n",
            "question": {"kind": "events"},
            "updated_at": report["updated_at"],
        },
        ("PUT", "/v1/boards/{board_id}"): {"name": "n", "updated_at": board["updated_at"]},
        ("POST", "/v1/boards/{board_id}/shares"): {"name": "s"},
        ("POST", "/v1/reports/{report_id}/run"): {},
    }
    tried = 0
    for method, path in LIBRARY:
        if "{" in path:
            answer = await call(side, SHOP, method, path.format(**ids), bodies.get((method, path)))
            none = path.format(**dict.fromkeys(ids, "0" * 12))
            made_up = await call(side, SHOP, method, none, bodies.get((method, path)))
            assert answer.status_code == 404, (method, path)
            there, nowhere = answer.text, made_up.text
            for id_ in ids.values():
                there = there.replace(id_, "0" * 12)
            assert there == nowhere
            tried += 1
    assert tried == 10
    for path in ("/v1/reports", "/v1/boards"):
        assert list((await call(side, SHOP, "GET", path)).json().values()) == [[]]
    tile = {"name": "n", "tiles": [{"report_id": report["id"]}]}
    assert (await call(side, SHOP, "POST", "/v1/boards", tile)).status_code == 400
    assert (await call(side, owner["key"], "GET", f"/v1/reports/{report['id']}")).json() == report
    assert (await call(side, owner["key"], "GET", f"/v1/boards/{board['id']}")).json() == board


async def test_a_key_of_every_site_sees_and_asks_all(side: Side) -> None:
    ids = [(await report_on_board(side, SHOP))[0]["id"], (await report_on_board(side, EVERY, site_id=None))[0]["id"]]
    found = (await call(side, EVERY, "GET", "/v1/reports")).json()["reports"]
    assert [report["id"] for report in found] == ids
    rows = (await call(side, EVERY, "POST", f"/v1/reports/{ids[1]}/run", {})).json()["rows"]
    assert {row["site_id"] for row in rows} == {"shop", "blog", "default"}


async def test_the_refusal_to_delete_names_no_board_of_every_site(side: Side) -> None:
    """G12."""
    report, _ = await report_on_board(side, SHOP)
    await saved(side, EVERY, "/v1/boards", name="secret", site_id=None, tiles=[{"report_id": report["id"]}])
    refused = (await call(side, SHOP, "DELETE", f"/v1/reports/{report['id']}")).json()["error"]["message"]
    assert "'board'" in refused
    assert "1 of every site" in refused
    assert "secret" not in refused


# --- share links ----------------------------------------------------------------------------------------------------


async def shared(side: Side, **fields: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A report, its board and the token of a link to it."""
    report, board = await report_on_board(side, SHOP)
    link = await saved(side, SHOP, f"/v1/boards/{board['id']}/shares", name="Ann", **fields)
    return report, board, link["token"]


async def test_a_link_shows_its_board_to_people_without_a_key(side: Side) -> None:
    """On a server that is reached from afar and has keys."""
    report, board, token = await shared(side)
    assert (await call(side, token, "GET", "/v1/shared")).json() == {
        "board": {name: board[name] for name in ("name", "description", "tiles")},
        "reports": [
            {name: report[name] for name in ("id", "name", "question", "range", "timezone", "view", "updated_at")}
        ],
        "expires_at": None,
    }
    path = f"/v1/shared/reports/{report['id']}/run"
    answer = (await call(side, token, "POST", path, {})).json()
    own = (await call(side, SHOP, "POST", f"/v1/reports/{report['id']}/run", {})).json()
    assert answer["rows"] == own["rows"]
    assert [row["site_id"] for row in answer["rows"]] == ["shop"]
    assert (answer["since"], answer["until"]) == (own["since"], own["until"])
    moved = (await call(side, token, "POST", path, {"range": "today"})).json()
    assert (moved["rows"], moved["since"] > answer["since"]) == ([], True)


SECRET = "ann@example.com"
HIDDEN = {"field": "user_id", "op": "=", "value": SECRET}
STEP = {"name": "buy", "filter": HIDDEN}
QUESTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {
            "kind": "metrics",
            "metrics": [{"kind": "users", "name": "A", "filter": HIDDEN}, {"kind": "sum", "property": "price"}],
            "formulas": [{"name": "share", "expression": "A / B"}],
            "interval": "day",
            "filter": {"all": [HIDDEN, {"any": [HIDDEN]}]},
        },
        {
            "kind": "metrics",
            "metrics": [{"kind": "users", "name": "A"}, {"kind": "sum", "property": "price"}],
            "formulas": [{"name": "share", "expression": "A / B"}],
            "interval": "day",
        },
    ),
    (
        {"kind": "sessions", "metrics": ["sessions", "bounce_rate"], "breakdown": ["channel"], "filter": HIDDEN},
        {"kind": "sessions", "metrics": ["sessions", "bounce_rate"], "breakdown": ["channel"]},
    ),
    (
        {"kind": "funnel", "steps": [STEP, {**STEP, "name": "pay"}], "order": "strict", "filter": HIDDEN},
        {"kind": "funnel", "steps": [{"name": "buy"}, {"name": "pay"}], "order": "strict"},
    ),
    (
        {"kind": "retention", "interval": "day", "start": STEP, "returning": STEP},
        {"kind": "retention", "interval": "day"},
    ),
    ({"kind": "paths", "by": "event", "start": SECRET}, {"kind": "paths", "by": "event"}),
    ({"kind": "lifecycle", "interval": "week", "filter": HIDDEN}, {"kind": "lifecycle", "interval": "week"}),
    ({"kind": "people", "search": SECRET}, {"kind": "people"}),
    ({"kind": "person", "user_id": SECRET}, {"kind": "person"}),
    ({"kind": "events", "filter": HIDDEN}, {"kind": "events"}),
]
PARAMS = (
    f"chart=bar&f=user_id+%3D+{SECRET}&interval=day&metric=users&of=buy%3Buser_id+%3D+{SECRET}"
    f"&start={SECRET}&x={SECRET}"
)


@pytest.mark.parametrize(("question", "shown"), QUESTIONS, ids=[question["kind"] for question, _ in QUESTIONS])
async def test_a_link_hands_out_what_it_shows(side: Side, question: dict[str, Any], shown: dict[str, Any]) -> None:
    """G12: no filter of any depth, no description, nothing of the page's address that holds one, no error's words."""
    view = {"page": "explore", "params": PARAMS, "note": SECRET}
    report = await saved(side, SHOP, "/v1/reports", name="r", description=SECRET, question=question, view=view)
    board = await saved(side, SHOP, "/v1/boards", name="b", tiles=[{"report_id": report["id"]}])
    link = await saved(side, SHOP, f"/v1/boards/{board['id']}/shares", name="Ann")
    answer = await call(side, link["token"], "GET", "/v1/shared")
    (seen,) = answer.json()["reports"]
    assert (seen["question"], seen["view"]) == (
        shown,
        {"page": "explore", "params": "chart=bar&interval=day&metric=users&of=buy"},
    )
    assert "ann@" not in answer.text
    assert SHOP not in answer.text
    run = await call(side, link["token"], "POST", f"/v1/shared/reports/{report['id']}/run", {})
    assert run.status_code == 200
    assert question["kind"] == "person" or "ann@" not in run.text  # the rows of this one are about a user


async def test_an_error_shows_nothing_of_the_query(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of another version may have fields that this one refuses; the owner is told which."""
    report, _, token = await shared(side)

    def refuse(*_: object) -> None:
        raise InvalidRequest(f"the report's question cannot be asked like this: filter: {SECRET}")

    monkeypatch.setattr("tallystick.api.library.saved_reports.query_of", refuse)
    refused = await call(side, token, "POST", f"/v1/shared/reports/{report['id']}/run", {})
    assert (refused.status_code, "ann@" in refused.text) == (400, False)
    own = await call(side, SHOP, "POST", f"/v1/reports/{report['id']}/run", {})
    assert "ann@" in own.text


async def test_a_link_asks_what_was_saved_and_nothing_else(side: Side) -> None:
    """G12: no filter, no zone, no days of the viewer's own; the reports of the board alone."""
    report, board, token = await shared(side)
    path = f"/v1/shared/reports/{report['id']}/run"
    orders: tuple[dict[str, Any], ...] = (
        {"range": "2025-01-01/2025-12-31"},
        {"timezone": "Europe/Berlin"},
        {"site_id": "blog"},
        {"question": {"kind": "keys"}},
        {"filter": {"all": []}},
        {"since": "2025-01-01T00:00:00Z"},
    )
    for more in orders:
        assert (await call(side, token, "POST", path, more)).status_code == 400
    hidden = await saved(side, SHOP, "/v1/reports", name="hidden", question={"kind": "keys"})
    for id_ in (hidden["id"], "0" * 12, "%2e%2e"):
        assert (await call(side, token, "POST", f"/v1/shared/reports/{id_}/run", {})).status_code == 404
    tiles = [{"report_id": hidden["id"]}]
    change = {"name": "board", "tiles": tiles, "updated_at": board["updated_at"]}
    assert (await call(side, SHOP, "PUT", f"/v1/boards/{board['id']}", change)).status_code == 200
    assert (await call(side, token, "POST", path, {})).status_code == 404
    assert (await call(side, token, "POST", f"/v1/shared/reports/{hidden['id']}/run", {})).status_code == 200


async def test_a_token_opens_no_other_route(side: Side) -> None:
    """G12: every route that asks for a key refuses it, also on its own board."""
    report, board, token = await shared(side)
    for method, path in [*GUARDED, *BY_ACCESS[Access.METRICS]]:
        for how in ({"key": token}, {"x_api_key": token}):
            refused = await side.ask(method, path, **how, host="stats.example.org")
            assert refused.status_code in (401, 403), (method, path)
            assert token not in refused.text
    for method, path in (
        ("GET", f"/v1/reports/{report['id']}"),
        ("DELETE", f"/v1/boards/{board['id']}"),
        ("GET", f"/v1/boards/{board['id']}/shares"),
        ("POST", f"/v1/reports/{report['id']}/run"),
    ):
        assert (await call(side, token, method, path, {} if method == "POST" else None)).status_code == 401
    sent = await side.client.post("/v1/events", json={"name": "n"}, headers={"X-API-Key": token})
    assert sent.status_code == 401


@pytest.mark.parametrize(("method", "path"), SHARED)
async def test_share_routes_take_a_token_in_one_header_alone(side: Side, method: str, path: str) -> None:
    """G12: neither read nor write keys, nor a token where URLs and other headers are written down."""
    _, _, token = await shared(side)
    for how in (
        {},
        {"key": SHOP},
        {"key": EVERY},
        {"key": WRITE},
        {"key": WRONG},
        {"x_api_key": token},
        {"cookie": token},
        {"query": f"token={token}"},
        {"authorization": token},
        {"authorization": f"Basic {token}"},
        {"key": token[:-1]},
        {"key": token + "A"},
        {"key": token[:-1] + ("A" if token[-1] != "A" else "B")},
        {"key": token.upper()},
        {"key": f"sh_{'0' * 12}_{token.rpartition('_')[2]}".ljust(59, "0")[:59]},
    ):
        refused = await side.ask(method, path, **how)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized"), how
        assert refused.headers["www-authenticate"] == 'Bearer realm="Tallystick"'
    assert (await side.ask(method, path, token)).status_code in (200, 404)


async def test_revoked_expired_and_unknown_are_refused_alike(side: Side) -> None:
    """G12: at once, and in the same words."""
    _, board, _ = await shared(side)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    link = await saved(side, SHOP, f"/v1/boards/{board['id']}/shares", name="Bob", expires_at=soon)
    assert (await call(side, link["token"], "GET", "/v1/shared")).status_code == 200
    assert (await call(side, SHOP, "DELETE", f"/v1/shares/{link['id']}")).status_code == 204
    revoked = await call(side, link["token"], "GET", "/v1/shared")

    late = await saved(side, SHOP, f"/v1/boards/{board['id']}/shares", name="Cleo", expires_at=soon)
    library = side.tallystick.store.library
    stored = await library.share(late["id"])
    assert stored is not None
    await library.remove_share(stored.id)
    await library.add_share(
        type(stored)(
            stored.id,
            stored.board_id,
            stored.name,
            stored.digest,
            stored.created_at,
            datetime.now(UTC) - timedelta(microseconds=1),
        )
    )
    expired = await call(side, late["token"], "GET", "/v1/shared")
    unknown = await call(side, f"sh_{'z' * 12}_{'A' * 43}", "GET", "/v1/shared")
    gone = await saved(side, SHOP, "/v1/boards", name="gone")
    orphan = await saved(side, SHOP, f"/v1/boards/{gone['id']}/shares", name="Dora")
    await call(side, SHOP, "DELETE", f"/v1/boards/{gone['id']}")
    of_deleted = await call(side, orphan["token"], "GET", "/v1/shared")
    assert {answer.status_code for answer in (revoked, expired, unknown, of_deleted)} == {401}
    assert len({answer.text for answer in (revoked, expired, unknown, of_deleted)}) == 1
    past = {"name": "Eve", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await call(side, SHOP, "POST", f"/v1/boards/{board['id']}/shares", past)).status_code == 400


async def test_a_token_is_told_once_and_kept_nowhere(side: Side, tmp_path: Path, log_lines: io.StringIO) -> None:
    """G12: no list, no log, no metric, no error and no file has it."""
    report, board, token = await shared(side)
    listed = (await call(side, SHOP, "GET", f"/v1/boards/{board['id']}/shares")).json()["shares"]
    assert [share.keys() for share in listed] == [{"id", "name", "created_at", "expires_at", "last_used_at"}]
    assert listed[0]["last_used_at"] is None
    await call(side, token, "GET", "/v1/shared")
    await call(side, token, "POST", f"/v1/shared/reports/{report['id']}/run", {"range": "nix"})
    await call(side, token + "x", "GET", "/v1/shared")
    await call(side, token, "GET", "/v1/query")
    used = (await call(side, SHOP, "GET", f"/v1/boards/{board['id']}/shares")).json()["shares"][0]["last_used_at"]
    assert datetime.now(UTC) - datetime.fromisoformat(used) < timedelta(minutes=1)
    metrics = (await side.get("/metrics", EVERY)).text
    secret = token[-20:]  # its random part may have an underscore anywhere
    assert '"access refused"' in log_lines.getvalue()
    assert secret not in log_lines.getvalue()
    assert secret not in metrics
    assert 'tallystick_access_refused_total{code="unauthorized",side="share"} 1.0' in metrics
    stored = await side.tallystick.store.library.share(listed[0]["id"])
    assert stored is not None
    assert stored.digest == digest_of(token)
    files = contents(tmp_path)
    assert len(files) >= 2
    assert not any(secret.encode() in content for content in files)


async def test_without_a_token_no_body_is_read_and_no_store_asked(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """G12: who has none costs nothing."""
    monkeypatch.setattr(type(side.tallystick.store.library), "share", None)
    for key in ("", WRONG, "sh_", "sh_" + "a" * 12):
        assert (await side.ask("GET", "/v1/shared", key)).status_code == 401
    answer = await side.client.post(f"/v1/shared/reports/{'0' * 12}/run", content=b"{", headers=JSON)
    assert answer.status_code == 401


async def test_on_loopback_without_keys_links_work_too(tmp_path: Path) -> None:
    """Every local caller may see everything anyway; a page of another name for loopback needs the token."""
    async with opened(tmp_path) as side:
        report = (await side.client.post("/v1/reports", json={"name": "r", "question": {"kind": "keys"}})).json()
        tiles = [{"report_id": report["id"]}]
        board = (await side.client.post("/v1/boards", json={"name": "b", "tiles": tiles})).json()
        link = (await side.client.post(f"/v1/boards/{board['id']}/shares", json={"name": "s"})).json()
        assert link["url"] == f"/ui/shared#{link['token']}"
        assert (await call(side, link["token"], "GET", "/v1/shared")).json()["board"]["tiles"] == board["tiles"]
        assert (await side.ask("GET", "/v1/shared", host="evil.example")).status_code == 401
