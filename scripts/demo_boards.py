"""Reports, boards and share links over a shop's demo events, for screenshots and tests of the dashboard."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tallystick.harness.server import Api

BOARD = "Shop at a glance"
Fields = list[tuple[str, str]]

EXPLORE: dict[str, tuple[dict[str, Any], Fields, tuple[int, int]]] = {
    "Visitors": (
        {"metrics": [{"kind": "users", "name": "A"}], "compare": "previous"},
        [("chart", "number"), ("interval", "day"), ("metric", "users")],
        (1, 1),
    ),
    "Orders": (
        {
            "metrics": [{"kind": "events", "name": "A", "filter": {"field": "name", "op": "=", "value": "purchase"}}],
            "compare": "previous",
        },
        [("chart", "number"), ("interval", "day"), ("of", "purchase")],
        (1, 1),
    ),
    "Visits": ({"kind": "sessions", "metrics": ["sessions", "bounce_rate", "median_duration"]}, [], (2, 1)),
    "Events by day": (
        {"metrics": [{"kind": "events", "name": "A"}], "interval": "day", "compare": "previous"},
        [("interval", "day")],
        (2, 2),
    ),
    "Events by country": (
        {
            "metrics": [{"kind": "events", "name": "A"}],
            "interval": "day",
            "breakdown": ["properties.country"],
            "top": 5,
            "other": True,
        },
        [("by", "properties.country"), ("chart", "bar"), ("interval", "day")],
        (2, 2),
    ),
    "What happens": ({"metrics": [{"kind": "events"}], "breakdown": ["name"], "top": 8}, [], (1, 2)),
}
"""By name: query, parameters of the page's address (none: made without the dashboard), width and height."""
STEPS = [{"name": "page_view"}, {"name": "add_to_cart"}, {"name": "purchase"}]
OTHERS: dict[str, tuple[str, dict[str, Any], Fields, tuple[int, int]]] = {
    "Lifecycle": (
        "retention",
        {"kind": "lifecycle", "interval": "week"},
        [("every", "week"), ("tab", "lifecycle")],
        (3, 2),
    ),
    "From a page to an order": (
        "funnels",
        {"kind": "funnel", "steps": STEPS, "order": "ordered", "window": 604_800},
        [("step", step["name"]) for step in STEPS],
        (2, 3),
    ),
    "Who comes back": (
        "retention",
        {"kind": "retention", "mode": "first_time", "interval": "week", "periods": 4},
        [("every", "week"), ("following", "4")],
        (2, 3),
    ),
    "Ways through the shop": (
        "paths",
        {"kind": "paths", "by": "page", "steps": 4, "merge": True, "top": 200},
        [("steps", "4")],
        (4, 3),
    ),
}


def make_board(api: Api, site: str, days: str = "30d", zone: str = "Europe/Berlin") -> tuple[str, str]:
    """Make a board with a report of each kind. Returns its id, and that of a report which Explore can open."""
    tiles, ids = [], {}
    made = {
        name: ("explore", {"kind": "metrics", **question}, fields, size)
        for name, (question, fields, size) in EXPLORE.items()
    }
    for name, (page, question, fields, (width, height)) in {**made, **OTHERS}.items():
        view = {"page": page, "params": urlencode(fields)} if fields else {}
        body = {"name": name, "site_id": site, "question": question, "range": days, "timezone": zone, "view": view}
        ids[name] = api.post("/v1/reports", body)["id"]
        tiles.append({"report_id": ids[name], "width": width, "height": height})
    text = "Visitors, orders, and what is between them."
    board = api.post("/v1/boards", {"name": BOARD, "description": text, "site_id": site, "tiles": tiles})
    return board["id"], ids["Events by country"]


def share(api: Api, board: str, name: str = "Ann") -> str:
    """Make a share link. Returns its address, relative to the server's."""
    url: str = api.post(f"/v1/boards/{board}/shares", {"name": name})["url"]
    return url
