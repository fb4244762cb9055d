"""Parameters in the address: each route takes those that its documentation names, and refuses others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.api.access.gate import GuardedRoute
from tallystick.app import build_app
from tallystick.config import Settings
from tallystick.errors import InvalidRequest
from tallystick.ingest.app import PARAMETERS, ROUTE
from tallystick.query_string import refuse_unknown
from tests.helpers.http.read_side import open_read_side

APP = build_app(Settings(queue_url="memory://", allow_weak_durability=True, sql=True))


def documented(path: str, method: str) -> set[str]:
    """The parameters that the OpenAPI document has."""
    given = APP.openapi()["paths"][path][method.lower()].get("parameters", [])
    return {one["name"] for one in given if one["in"] == "query"}


def test_a_route_takes_what_its_documentation_names() -> None:
    checked = 0
    for route in APP.routes:
        if isinstance(route, GuardedRoute) and route.path.startswith("/v1/") and route.include_in_schema:
            for method in route.methods or ():
                assert route._parameters is not None
                assert set(route._parameters) == documented(route.path_format, method), route.path
                checked += 1
    assert checked > 60
    assert documented(ROUTE, "POST") == set(PARAMETERS)


async def test_what_belongs_into_the_body_changes_nothing_in_the_address(tmp_path: Path) -> None:
    """It was ignored: the rule was set."""
    async with open_read_side(tmp_path) as side:
        order = {"site_id": "shop", "days": 30}
        answer = await side.client.post("/v1/retention", json=order, params={"dry_run": "true"})
        assert answer.status_code == 400
        assert await side.store.retention_rules() == []
        answer = await side.client.post("/v1/query", json={"kind": "metrics"}, params={"site": "x", "format": "csv"})
        assert answer.json()["error"]["message"] == "site: there is no such parameter; the route takes format"
        assert (await side.client.get("/healthz", params={"any": "1"})).status_code == 200


def test_the_nearest_name() -> None:
    refuse_unknown([], ())
    refuse_unknown({"since": "", "until": ""}, ["until", "since"])
    for given, known, advice in (
        ("Limit", ["limit", "since"], "did you mean limit?"),
        ("xyz", ["since", "limit"], "the route takes limit, since"),
        ("xyz", [], "the route takes none in its address"),
    ):
        with pytest.raises(InvalidRequest, match=rf"^{given}: .*{advice.replace('?', '[?]')}$"):
            refuse_unknown([given], known)
