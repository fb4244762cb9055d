"""For tests of keys (G12): a whole Tallystick with read keys, and what each read route allows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from tallystick.api.access.gate import Access
from tallystick.api.routes.dashboard import PAGES
from tallystick.app import Tallystick, open_tallystick
from tallystick.config import MIB, Settings

SHOP, BLOG, EVERY, WRITE = (f"{word}-0123456789abcdef" for word in ("shop", "blog", "every", "write"))
WRONG = "wrong-0123456789abcdef"
KEYS = {"read_keys": SecretStr(f"shop={SHOP} blog={BLOG} *={EVERY}"), "write_keys": SecretStr(f"*={WRITE}")}
WHEN = "2025-11-12T10:00:00Z"
WINDOW = "since=2025-11-12T09:30:00Z&until=2025-11-12T10:30:00Z"
JSON = {"Content-Type": "application/json"}

DECIDED: dict[tuple[str, str], Access] = {
    ("POST", "/v1/query"): Access.SITE,
    ("GET", "/v1/query"): Access.SITE,
    ("GET", "/v1/events"): Access.SITE,
    ("GET", "/v1/users/{user_id}"): Access.SITE,
    ("GET", "/v1/users/{user_id}/events"): Access.SITE,
    ("GET", "/v1/properties"): Access.SITE,
    ("GET", "/v1/values"): Access.SITE,
    ("GET", "/v1/export"): Access.SITE,
    ("GET", "/v1/live"): Access.SITE,
    **{
        ("POST", f"/v1/query/{kind}"): Access.SITE
        for kind in (
            "sessions",
            "paths",
            "people",
            "funnel",
            "funnel_users",
            "retention",
            "lifecycle",
            "stickiness",
            "active_users",
        )
    },
    ("GET", "/v1/receipts/{receipt}"): Access.SITE,
    ("POST", "/v1/sql"): Access.SITE,
    ("GET", "/v1/sql/schema"): Access.SITE,
    **{
        (method, path): Access.SITE
        for path, methods in {
            "/v1/reports": ("GET", "POST"),
            "/v1/reports/{report_id}": ("GET", "PUT", "DELETE"),
            "/v1/reports/{report_id}/run": ("POST",),
            "/v1/boards": ("GET", "POST"),
            "/v1/boards/{board_id}": ("GET", "PUT", "DELETE"),
            "/v1/boards/{board_id}/shares": ("GET", "POST"),
            "/v1/shares/{share_id}": ("DELETE",),
        }.items()
        for method in methods
    },
    ("GET", "/v1/shared"): Access.SHARE,
    ("POST", "/v1/shared/reports/{report_id}/run"): Access.SHARE,
    ("GET", "/v1/dead"): Access.EVERY,
    ("GET", "/v1/dead/{letter_id}"): Access.EVERY,
    ("POST", "/v1/dead/replay"): Access.EVERY,
    ("POST", "/v1/dead/drop"): Access.EVERY,
    ("GET", "/v1/rollups/days"): Access.EVERY,
    ("POST", "/v1/rollups/rebuild"): Access.EVERY,
    ("GET", "/v1/backup"): Access.EVERY,
    ("GET", "/v1/doctor"): Access.EVERY,
    ("POST", "/v1/identity/split"): Access.EVERY,
    ("POST", "/v1/erase"): Access.SITE,
    ("GET", "/v1/erasures"): Access.SITE,
    ("GET", "/v1/retention"): Access.SITE,
    ("POST", "/v1/retention"): Access.SITE,
    ("DELETE", "/v1/retention"): Access.SITE,
    ("GET", "/v1/person-data"): Access.SITE,
    ("GET", "/v1/imports"): Access.EVERY,
    ("GET", "/v1/imports/{import_id}"): Access.EVERY,
    ("DELETE", "/v1/imports/{import_id}"): Access.EVERY,
    ("GET", "/v1/pipeline"): Access.EVERY,
    ("GET", "/v1/enrichment"): Access.OPEN,
    ("GET", "/v1/install"): Access.SITE,
    ("GET", "/v1/verify"): Access.EVERY,
    ("GET", "/healthz"): Access.OPEN,
    ("GET", "/readyz"): Access.OPEN,
    ("GET", "/metrics"): Access.METRICS,
    ("GET", "/openapi.json"): Access.OPEN,
    ("GET", "/docs"): Access.OPEN,
    ("GET", "/docs/assets/{name}"): Access.OPEN,
    ("GET", "/analytics/stats"): Access.SITE,
    ("GET", "/api/analytics/stats"): Access.SITE,
    ("GET", "/analytics/events"): Access.SITE,
    ("GET", "/api/analytics/events"): Access.SITE,
    ("GET", "/"): Access.OPEN,
    ("GET", "/health"): Access.OPEN,
    ("GET", "/v1/analytics/events/daily"): Access.SITE,
    ("GET", "/v1/analytics/events/summary"): Access.SITE,
    ("GET", "/v1/analytics/event-types"): Access.SITE,
    ("GET", "/v1/analytics/events/raw"): Access.SITE,
    ("GET", "/healthz/detailed"): Access.EVERY,
    ("GET", "/api/stats"): Access.SITE,
    ("GET", "/stats"): Access.SITE,
    ("GET", "/v1/session"): Access.CALLER,
    ("POST", "/v1/session"): Access.CALLER,
    ("DELETE", "/v1/session"): Access.CALLER,
    ("GET", "/v1/login/oidc"): Access.CALLER,
    ("GET", "/v1/login/oidc/callback"): Access.CALLER,
    ("POST", "/v1/invitations/look"): Access.CALLER,
    ("POST", "/v1/invitations/accept"): Access.CALLER,
    ("POST", "/v1/account/password"): Access.ACCOUNT,
    ("GET", "/v1/account/sessions"): Access.ACCOUNT,
    ("DELETE", "/v1/account/sessions"): Access.ACCOUNT,
    ("GET", "/v1/admin/sites"): Access.OWNER,
    ("POST", "/v1/admin/sites"): Access.ADMIN,
    ("DELETE", "/v1/admin/sites"): Access.ADMIN,
    ("GET", "/v1/admin/keys"): Access.OWNER,
    ("POST", "/v1/admin/keys"): Access.OWNER,
    ("PATCH", "/v1/admin/keys/{key_id}"): Access.OWNER,
    ("DELETE", "/v1/admin/keys/{key_id}"): Access.OWNER,
    ("GET", "/v1/admin/users"): Access.OWNER,
    ("PUT", "/v1/admin/users/{user_id}/role"): Access.OWNER,
    ("PUT", "/v1/admin/users/{user_id}/admin"): Access.ADMIN,
    ("DELETE", "/v1/admin/users/{user_id}"): Access.ADMIN,
    ("GET", "/v1/admin/invitations"): Access.OWNER,
    ("POST", "/v1/admin/invitations"): Access.OWNER,
    ("DELETE", "/v1/admin/invitations/{invitation_id}"): Access.OWNER,
    ("GET", "/v1/admin/audit"): Access.OWNER,
    **{("GET", f"/ui/{page}"): Access.OPEN for page in PAGES},
    ("GET", "/ui/assets/{name}"): Access.OPEN,
    ("GET", "/ui/{name}"): Access.OPEN,
}
"""What was decided about each route; a new one is in no key's reach before it stands here."""

QUERIES = {
    "/v1/query": "breakdown=name",
    "/v1/values": "field=name",
    "/v1/analytics/events/raw": WINDOW,
    "/api/stats": "site_id=shop",
    "/stats": "site_id=shop",
    "/v1/live": "seconds=0",
    "/v1/person-data": "user_id=nobody",
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/query": {"kind": "events"},
    "/v1/query/sessions": {"breakdown": ["name"]},
    "/v1/sql": {"sql": "SELECT name FROM events"},
    "/v1/query/paths": {"by": "event"},
    "/v1/query/people": {},
    "/v1/query/funnel": {"steps": [{}, {"name": "a"}], "breakdown": "name"},
    "/v1/query/funnel_users": {"steps": [{}, {"name": "a"}], "step": 1},
    **{f"/v1/query/{kind}": {} for kind in ("retention", "lifecycle", "stickiness", "active_users")},
    "/v1/dead/replay": {"ids": [1]},
    "/v1/dead/drop": {"ids": [1]},
    "/v1/rollups/rebuild": {"day": "2025-11-12"},
    "/v1/identity/split": {"user_id": "u"},
    "/v1/erase": {"user_id": "nobody", "dry_run": True},
    "/v1/retention": {"days": 30, "dry_run": True},
    "/v1/reports": {"name": "r", "question": {"kind": "events"}},
    "/v1/reports/{report_id}/run": {},
    "/v1/boards": {"name": "b"},
    "/v1/boards/{board_id}/shares": {"name": "s"},
    "/v1/shared/reports/{report_id}/run": {},
}
CHANGES: dict[str, dict[str, Any]] = {
    "/v1/reports/{report_id}": {**BODIES["/v1/reports"], "updated_at": WHEN},
    "/v1/boards/{board_id}": {**BODIES["/v1/boards"], "updated_at": WHEN},
}
"""Bodies of PUT."""
VALUES = {
    "user_id": "u",
    "receipt": "0" * 16 + "-0",
    "letter_id": "1",
    "import_id": "0" * 16,
    "name": "swagger-ui.css",
    "report_id": "0" * 12,
    "board_id": "0" * 12,
    "share_id": "0" * 12,
    "key_id": "k0",
    "invitation_id": "0" * 12,
}
LIBRARY = [route for route in DECIDED if route[1].startswith(("/v1/reports", "/v1/boards", "/v1/shares"))]
"""Routes of what people saved: which site's each is, is asked in test_reports_keys.py."""
BY_ACCESS = {wanted: [route for route, decided in DECIDED.items() if decided is wanted] for wanted in Access}
GUARDED = BY_ACCESS[Access.SITE] + BY_ACCESS[Access.EVERY]
SITE_PARAMETER = [
    path
    for method, path in BY_ACCESS[Access.SITE]
    if method == "GET"
    and path.startswith("/v1/")
    and (method, path) not in LIBRARY
    and not any(word in path for word in ("analytics", "receipts", "live", "sql", "install"))
]
"""Tallystick's own routes that give stored events: they take a `site_id`."""


class Side:
    """A running Tallystick and a client of it."""

    def __init__(self, tallystick: Tallystick) -> None:
        self.tallystick = tallystick
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(tallystick.asgi), base_url="http://localhost:8000"
        )

    async def ask(
        self, method: str, path: str, key: str = "", query: str | None = None, **headers: str
    ) -> httpx.Response:
        """A request that the route takes, with this key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named["Authorization"] = f"Bearer {key}"
        usual = QUERIES.get(path, "") if method in ("GET", "HEAD") else ""
        asked = f"{path.format(**VALUES)}?{usual if query is None else query}"
        body = {"POST": BODIES, "PUT": CHANGES}.get(method, {}).get(path)
        content = None if body is None else json.dumps(body)
        return await self.client.request(method, asked, content=content, headers={**(JSON if content else {}), **named})

    async def get(self, path: str, key: str = "", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers={**named, **({"X-API-Key": key} if key else {})})

    async def query(self, key: str, **question: Any) -> httpx.Response:
        return await self.client.post("/v1/query", json=question, headers={"X-API-Key": key})

    async def send(self, *events: dict[str, Any]) -> str:
        """The receipt."""
        answer = await self.client.post("/v1/events", json=list(events), headers={"X-API-Key": WRITE})
        assert answer.status_code == 202
        return str(answer.json()["receipt"])


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Side]:
    settings = {"sql": True, **settings}
    made = Settings(data=folder, disk_reserve_bytes=0, batch_max_age=0.0, store_memory=128 * MIB, **settings)
    async with open_tallystick(made) as tallystick:
        side = Side(tallystick)
        async with side.client:
            yield side


async def send_from_three_sites(side: Side) -> None:
    """An event each of one user in `shop`, `blog` and `default`; name, path, source and property say which site."""
    await side.send(
        *(
            {
                "name": f"{site}-name",
                "site_id": site,
                "user_id": "u",
                "timestamp": WHEN,
                "path": f"/{site}-path",
                "source": f"{site}-source",
                "properties": {f"{site}-key": f"{site}-value"},
            }
            for site in ("shop", "blog", "default")
        )
    )
    await side.tallystick.drained()
