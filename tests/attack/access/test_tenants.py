"""Two tenants attack each other (G12) on every route of the OpenAPI document, with all that a tenant can have.

A new route fails here until TABLE says how it is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tallystick.access.accounts import RIGHTS
from tallystick.access.model import COMMAND, Role, SiteRole
from tallystick.app import build_app
from tallystick.config import Settings
from tests.helpers.http.keyed import WHEN, Side, opened
from tests.helpers.http.members import COOKIE, Members

OURS, THEIRS = "shop", "blog"
SECRET = "zq7f3"
"""Stands in everything that the other tenant has, and in no request."""
RANGE = "since=2025-11-12T00:00:00Z&until=2025-11-13T00:00:00Z"

TABLE: dict[str, list[Any]] = {
    "GET /v1/query": [f"breakdown=name&{RANGE}", f"breakdown=properties.note&{RANGE}"],
    "GET /v1/events": [RANGE],
    "GET /v1/users/{user_id}": [""],
    "GET /v1/users/{user_id}/events": [RANGE],
    "GET /v1/properties": [RANGE],
    "GET /v1/values": [f"field=name&{RANGE}", f"field=site_id&{RANGE}"],
    "GET /v1/live": ["seconds=0"],
    "GET /v1/export": [RANGE, f"format=csv&{RANGE}"],
    "GET /v1/receipts/{receipt}": [""],
    "GET /v1/sql/schema": [""],
    "GET /v1/install": [""],
    "POST /v1/query": [
        {"kind": "events"},
        {"kind": "metrics", "breakdown": ["name", "path"]},
        {"kind": "values", "field": "path"},
        {"kind": "metrics", "breakdown": ["site_id"], "filter": {"property": "site_id", "op": "eq", "value": THEIRS}},
    ],
    "POST /v1/query/sessions": [{"breakdown": ["entry_path"]}, {}],
    "POST /v1/query/paths": [{}, {"by": "event"}],
    "POST /v1/query/people": [{}],
    "POST /v1/query/funnel": [{"steps": [{}, {}], "breakdown": "name"}],
    "POST /v1/query/funnel_users": [{"steps": [{}, {}], "step": 1}],
    **{f"POST /v1/query/{kind}": [{}] for kind in ("retention", "lifecycle", "stickiness", "active_users")},
    "POST /v1/sql": [
        {"sql": "SELECT * FROM events"},
        {"sql": "SELECT * FROM users"},
        {"sql": f"SELECT name, path FROM events WHERE site_id = '{THEIRS}'"},
    ],
    "GET /v1/reports": [""],
    "POST /v1/reports": [{"name": "r", "question": {"kind": "events"}}],
    "GET /v1/reports/{report_id}": [""],
    "PUT /v1/reports/{report_id}": [{"name": "r", "question": {"kind": "events"}, "updated_at": WHEN}],
    "DELETE /v1/reports/{report_id}": [None],
    "POST /v1/reports/{report_id}/run": [{}],
    "GET /v1/boards": [""],
    "POST /v1/boards": [{"name": "b"}],
    "GET /v1/boards/{board_id}": [""],
    "PUT /v1/boards/{board_id}": [{"name": "b", "updated_at": WHEN}],
    "DELETE /v1/boards/{board_id}": [None],
    "GET /v1/boards/{board_id}/shares": [""],
    "POST /v1/boards/{board_id}/shares": [{"name": "s"}],
    "DELETE /v1/shares/{share_id}": [None],
    "GET /v1/shared": [""],
    "POST /v1/shared/reports/{report_id}/run": [{}],
    "GET /v1/dead": ["state=all"],
    "GET /v1/dead/{letter_id}": [""],
    "POST /v1/dead/replay": [{"ids": [1]}],
    "POST /v1/dead/drop": [{"ids": [1]}],
    "GET /v1/imports": [""],
    "GET /v1/imports/{import_id}": [""],
    "DELETE /v1/imports/{import_id}": [None],
    "GET /v1/rollups/days": [""],
    "POST /v1/rollups/rebuild": [{"day": "2025-11-12"}],
    "POST /v1/identity/split": [{"user_id": f"{SECRET}-user"}],
    "POST /v1/erase": [{"user_id": f"{SECRET}-user"}, {"user_id": f"{SECRET}-user", "dry_run": True}],
    "GET /v1/erasures": [""],
    "GET /v1/retention": [""],
    "POST /v1/retention": [{"days": 1}, {"days": None, "dry_run": True}],
    "DELETE /v1/retention": [None],
    "GET /v1/person-data": [f"user_id={SECRET}-user"],
    "GET /v1/backup": [""],
    "GET /v1/doctor": [""],
    "GET /healthz": [""],
    "GET /readyz": [""],
    "GET /metrics": [""],
    "GET /v1/pipeline": [""],
    "GET /v1/enrichment": [""],
    "GET /v1/verify": [""],
    "GET /v1/session": [""],
    "POST /v1/session": [{"email": "someone@example.org", "password": "a wrong password"}],
    "DELETE /v1/session": [],  # ends the caller's own login: test_logins.py
    "POST /v1/account/password": [{"current_password": "wrong", "new_password": "another long password"}],
    "GET /v1/account/sessions": [""],
    "DELETE /v1/account/sessions": [],  # the same
    "POST /v1/invitations/look": [{"token": "in_" + "A" * 43}],
    "POST /v1/invitations/accept": [{"token": "in_" + "A" * 43, "name": "x", "password": "another long password"}],
    "GET /v1/admin/sites": [""],
    "POST /v1/admin/sites": [{"site_id": "third"}],
    "DELETE /v1/admin/sites": [None],
    "GET /v1/admin/keys": [""],
    "POST /v1/admin/keys": [
        {"kind": "read", "name": "k", "sites": [THEIRS]},
        {"kind": "read", "name": "k", "sites": ["*"]},
        {"kind": "admin", "name": "k"},
    ],
    "PATCH /v1/admin/keys/{key_id}": [{"events_per_second": 1}],
    "DELETE /v1/admin/keys/{key_id}": [None],
    "GET /v1/admin/users": [""],
    "PUT /v1/admin/users/{user_id}/role": [{"role": "owner"}],
    "PUT /v1/admin/users/{user_id}/admin": [{"admin": True}],
    "DELETE /v1/admin/users/{user_id}": [None],
    "GET /v1/admin/invitations": [""],
    "POST /v1/admin/invitations": [
        {"email": "x@example.org", "roles": [{"site_id": THEIRS, "role": "owner"}]},
        {"email": "x@example.org", "admin": True},
    ],
    "DELETE /v1/admin/invitations/{invitation_id}": [None],
    "GET /v1/admin/audit": ["limit=1000"],
    "POST /v1/events": [{"name": "forged"}],
    "POST /events": [{"event_name": "forged", "distinct_id": "x"}],
    "POST /api/events": [{"event_name": "forged", "distinct_id": "x"}],
    "POST /v1/events/bulk": [{"events": [{"event_type": "forged"}]}],
    "POST /api/event": [{"site_id": THEIRS, "event_type": "forged", "path": "/", "user_id": "x", "timestamp": WHEN}],
    "POST /event": [{"site_id": THEIRS, "event_type": "forged", "path": "/", "user_id": "x", "timestamp": WHEN}],
    "GET /analytics/stats": [""],
    "GET /api/analytics/stats": [""],
    "GET /analytics/events": [""],
    "GET /api/analytics/events": [""],
    "GET /": [""],
    "GET /health": [""],
    "GET /v1/analytics/events/daily": ["start_date=2025-11-12&end_date=2025-11-13"],
    "GET /v1/analytics/events/summary": ["start_date=2025-11-12&end_date=2025-11-13"],
    "GET /v1/analytics/event-types": [""],
    "GET /v1/analytics/events/raw": ["since=2025-11-12T09:30:00Z&until=2025-11-12T10:30:00Z"],
    "GET /healthz/detailed": [""],
    "GET /api/stats": ["date=2025-11-12"],
    "GET /stats": ["date=2025-11-12"],
}
"""How each route is asked: query strings of GET, bodies of the others. Each is also sent with the other's site."""


@dataclass
class Tenant:
    """What one tenant has: ids for paths, and its callers, by name, as headers."""

    values: dict[str, str]
    callers: dict[str, dict[str, str]]


async def tenant(members: Members, site: str, mark: str) -> Tenant:
    """A tenant that has one of everything, with `mark` in all of it. Its secrets are its callers' headers."""
    accounts, client = members.accounts, members.side.client
    writer = await members.key("write", site)
    key = await accounts.create_key("read", f"{mark}-key", [site], RIGHTS, [], COMMAND)
    bare = await accounts.create_key("read", f"{mark}-key", [site], [], [], COMMAND)
    events = [
        {
            "name": f"{mark}-name-{number}",
            "user_id": f"{mark}-user",
            "path": f"/{mark}-path",
            "source": f"{mark}-source",
            "session_id": f"{mark}-session",
            "timestamp": WHEN,
            "properties": {"note": f"{mark}-note", f"{mark}-property": 1},
        }
        for number in range(3)
    ]
    sent = await client.post("/v1/events", json=events, headers=bearer(writer))
    assert sent.status_code == 202
    report = {"name": f"{mark}-report", "question": {"kind": "events"}, "range": "all"}
    report_id = (await client.post("/v1/reports", json=report, headers=bearer(key[1]))).json()["id"]
    board = {"name": f"{mark}-board", "tiles": [{"report_id": report_id}]}
    board_id = (await client.post("/v1/boards", json=board, headers=bearer(key[1]))).json()["id"]
    share = await client.post(f"/v1/boards/{board_id}/shares", json={"name": f"{mark}-s"}, headers=bearer(key[1]))
    invited = await accounts.invitations.invite(f"{mark}@{site}.example", False, [SiteRole(site, Role.VIEWER)], COMMAND)
    callers = {
        "nobody": {},
        "write key": bearer(writer),
        "read key": bearer(bare[1]),
        "read key with every right": bearer(key[1]),
        "share link": bearer(share.json()["token"]),
    }
    user_id = ""
    for role in Role:
        user = await accounts.add_user(
            f"{mark}-{role}@{site}.example", mark, PASS, False, [SiteRole(site, role)], COMMAND
        )
        _, token = await accounts.begin_session(user, "127.0.0.1", f"{mark}-browser", "")
        callers[role.value] = {"Cookie": f"{COOKIE}={token}", "X-CSRF-Token": accounts.csrf_token(token)}
        user_id = user.id
    values = {
        "user_id": user_id,
        "receipt": sent.json()["receipt"],
        "letter_id": "1",
        "import_id": "0" * 16,
        "report_id": report_id,
        "board_id": board_id,
        "share_id": share.json()["id"],
        "key_id": key[0].id,
        "invitation_id": invited[0].id,
    }
    return Tenant(values, callers)


PASS = "correct horse battery"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Two:
    """A server with two tenants."""

    side: Side
    ours: Tenant
    theirs: Tenant


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    async with opened(tmp_path_factory.mktemp("tenants")) as side:
        members = Members(side)
        await members.sites(OURS, THEIRS)
        await members.user("root", admin=True)
        made = Two(side, await tenant(members, OURS, "ours"), await tenant(members, THEIRS, SECRET))
        await side.tallystick.drained()
        yield made


def requests(route: str, values: dict[str, str]) -> Iterator[tuple[str, str, Any]]:
    """`(method, path, body)`: each request of the table plain, with the other's site, and with every site."""
    method, _, path = route.partition(" ")
    for asked in TABLE[route]:
        target = path.format(**values)
        for site in (None, THEIRS, "*"):
            if isinstance(asked, dict):
                named = {} if site is None else {"site_id": None if site == "*" else site}
                yield method, target, {**asked, **named}
            else:
                query = "&".join(filter(None, (asked or "", f"site_id={site}" if site else "")))
                yield method, f"{target}?{query}", None


def test_every_route_is_in_the_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    document = build_app(Settings(data=tmp_path_factory.mktemp("app"))).openapi()
    routes = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert routes == TABLE.keys()


CALLERS = ("nobody", "write key", "read key", "read key with every right", "share link", *(role.value for role in Role))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.asyncio(loop_scope="module")
async def test_no_answer_holds_the_others_data(two: Two, caller: str) -> None:
    """G12: with our callers and the other's ids; then the other's things are as they were."""
    before = await picture(two)
    headers = two.ours.callers[caller]
    client = two.side.client
    client.cookies.clear()
    for route in TABLE:
        for method, target, body in requests(route, two.theirs.values):
            answer = await client.request(method, target, json=body, headers=headers)
            client.cookies.clear()
            what = f"{caller}: {method} {target} {body}: {answer.status_code}"
            assert SECRET not in answer.text, what
            assert SECRET not in str(answer.headers), what
            assert answer.status_code < 500, what
    await two.side.tallystick.drained()
    assert await picture(two) == before


@pytest.mark.asyncio(loop_scope="module")
async def test_the_marks_are_really_there(two: Two) -> None:
    """The other tenant's own callers see them, so that the test above could fail."""
    seen = set()
    client = two.side.client
    for caller in ("owner", "read key with every right", "share link"):
        for route in TABLE:
            if route.startswith("GET") or "/query" in route:
                for method, target, body in requests(route, two.theirs.values):
                    answer = await client.request(method, target, json=body, headers=two.theirs.callers[caller])
                    client.cookies.clear()
                    if SECRET in answer.text:
                        seen.add(route)
    assert {
        "GET /v1/events",
        "GET /v1/export",
        "GET /v1/query",
        "GET /v1/properties",
        "GET /v1/values",
        "GET /v1/reports",
        "GET /v1/boards",
        "GET /v1/boards/{board_id}/shares",
        "GET /v1/shared",
        "GET /v1/account/sessions",
        "GET /v1/admin/keys",
        "GET /v1/admin/users",
        "GET /v1/admin/invitations",
        "GET /v1/admin/audit",
        "POST /v1/query",
        "POST /v1/query/people",
    } <= seen


async def picture(two: Two) -> list[Any]:
    """What the other tenant has, as its owner sees it."""
    client, owner = two.side.client, two.theirs.callers["owner"]

    async def get(path: str) -> httpx.Response:
        client.cookies.clear()
        return await client.get(path, headers=owner)

    paths = ("reports", "boards", "admin/sites", "admin/keys", "admin/invitations", "admin/users", "account/sessions")
    found = [(await get(f"/v1/{path}")).json() for path in paths]
    for user in found[5]["users"]:
        user.pop("last_login_at")
    for key in found[3]["keys"]:
        key.pop("last_used_at")
    for session in found[6]["sessions"]:
        session.pop("last_used_at")
    events = (await get(f"/v1/events?{RANGE}&limit=100")).json()["rows"]
    forged = (await get("/v1/values?field=name&search=forged")).json()["rows"]
    shares = (await get(f"/v1/boards/{two.theirs.values['board_id']}/shares")).json()
    for share in shares["shares"]:
        share.pop("last_used_at")
    return [*found, events, forged, shares]
