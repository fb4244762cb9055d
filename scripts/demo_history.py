"""Sends the past of the demo's shop to a server, for screenshots and browser tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec

from tallystick.harness.server import Api

PER_REQUEST = 5_000


def send(api: Api, events: Iterator[dict[str, Any]], site: str | None = None) -> int:
    """Post the events. Returns how many were accepted."""
    accepted = 0
    named = events if site is None else ({**event, "site_id": site} for event in events)
    while portion := list(itertools.islice(named, PER_REQUEST)):
        accepted += api.post("/v1/events", msgspec.json.encode(portion))["accepted"]
    return accepted
