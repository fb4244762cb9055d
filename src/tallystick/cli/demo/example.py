"""`tallystick demo --example`: the few events from which the documents' numbers come.

They are dated (June 2025), and few enough to count by hand. They have ids of their own, so that sending them again
counts nothing twice: `example.ndjson` beside this file, one event a line.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from tallystick.cli.client import ServerClient
from tallystick.cli.importing.sending import Outcome, ServerSink

IMPORT_ID = "demo-example"
"""The import that the events belong to, so that it can be taken back."""
PATIENCE = 15.0
"""Seconds for which an unreachable server is retried."""


def example_events(site: str | None = None) -> list[dict[str, Any]]:
    """The events in order of time, of `site` where one is given."""
    lines = (Path(__file__).parent / "example.ndjson").read_bytes().splitlines()
    events: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    named = {} if site is None else {"site_id": site}
    return [{**event, **named, "properties": {**event.get("properties", {}), "$import": IMPORT_ID}} for event in events]


def send_example(to: ServerClient, site: str | None) -> Outcome:
    """Sends them in one request. Raises Unavailable or Refused, as the client does."""

    async def sending() -> Outcome:
        async with to as server:
            await server.get("/healthz")
            events = example_events(site)
            body = msgspec.json.Encoder().encode_lines(events)
            return await ServerSink(server, lambda reason: None, PATIENCE).send(body, len(events))

    return asyncio.run(sending())
